"""Training sets in writing."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neural.config import ConfigError

HEXADECIMAL = "[1-9a-f][0-9a-f]*"


def write_samples(mask: ArrayLike) -> str:
    """A training set, bool (N,), as text: bit s of a hexadecimal number is sample s. It
    is what a configuration has as `samples`.
    """
    return f"{int.from_bytes(np.packbits(np.asarray(mask, bool), bitorder='little').tobytes(), 'little'):x}"


def read_samples(samples: str, n_samples: int) -> NDArray[np.bool_]:
    """The training set, bool (n_samples,), that `write_samples` wrote."""
    content = int(samples, 16).to_bytes(-(-n_samples // 8), "little")
    return np.unpackbits(np.frombuffer(content, np.uint8), count=n_samples, bitorder="little").astype(np.bool_)


def count_samples(samples: Any, n_samples: int, p: int) -> int:
    """How many samples of `n_samples` a training set in writing has. There is one way
    to write it: two equal sets are one configuration.

    Raises:
        ConfigError: it is no hexadecimal number, or has other samples.
    """
    if not isinstance(samples, str) or not re.fullmatch(HEXADECIMAL, samples):
        form = "a hexadecimal number in lower case, without 0x or leading zeros"
        raise ConfigError(f"`samples` must be {form}, but is {samples!r}.")
    bits = int(samples, 16)
    if bits.bit_length() > n_samples:
        raise ConfigError(
            f"`samples` must have bits for the {n_samples} samples of p = {p} only, 0 to {n_samples - 1}, but has bit "
            f"{bits.bit_length() - 1}."
        )
    return bits.bit_count()
