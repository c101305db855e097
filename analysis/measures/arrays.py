"""Arrays as people have them (numpy's, torch's, lists of either) as arrays of numbers.
Nothing is lost on the way without a word: an imaginary part, a mask, text.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import efftheory as et


def as_numbers(name: str, requirement: str, values: Any, kinds: str = "fiu") -> NDArray[Any]:
    """`values` as an array of one of these kinds of numbers, by default any real ones.
    Tensors are detached, and may be on any device.

    Raises:
        ArgumentError: they are something else, or some are masked; `requirement` says
            what they must be.
    """
    array = _plain(name, requirement, values, "is no array")
    if array.dtype.kind not in kinds:
        raise et.ArgumentError(name, requirement, f"has dtype {array.dtype}")
    return array


def as_reals(name: str, requirement: str, values: Any) -> NDArray[np.float64]:
    """`values` as float64, of any shape, finite or not; True is 1.

    Raises:
        ArgumentError: as `as_numbers`.
    """
    finding = "has entries that are no real numbers"
    array = _plain(name, requirement, values, finding)
    if array.dtype.kind not in "fiub":
        raise et.ArgumentError(name, requirement, finding)
    return array.astype(np.float64)


def _plain(name: str, requirement: str, values: Any, otherwise: str) -> NDArray[Any]:
    """An array of whatever is there, not of masks."""
    parts = values if isinstance(values, list | tuple) else [values]
    if any(np.ma.is_masked(part) for part in parts):
        raise et.ArgumentError(name, requirement, "has masked entries")
    try:
        if any(hasattr(part, "detach") for part in parts):
            detached = [_detached(part) for part in parts]
            return np.asarray(detached if parts is values else detached[0])
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError):  # ragged, say; RuntimeError is torch's
        raise et.ArgumentError(name, requirement, otherwise) from None


def _detached(value: Any) -> Any:
    """A tensor without its gradient, in a precision that numpy has; else the value."""
    if not hasattr(value, "detach"):
        return value
    plain = value.detach().cpu()
    return np.asarray(plain.double() if plain.is_floating_point() else plain)
