"""Argument checks with one grammar: "Argument `NAME` must REQUIREMENT, but FINDING."

Only the public functions check; the kernels trust what they get.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


class ArgumentError(ValueError):
    """A public function was called with an argument it cannot work with."""

    def __init__(self, name: str, requirement: str, finding: str):
        super().__init__(f"Argument `{name}` must {requirement}, but {finding}.")


def integer(name: str, value: Any, low: int, high: int | None = None) -> int:
    """`value` as an int within low..high (both included)."""
    span = f"be an integer of at least {low}" if high is None else f"be an integer in {low}..{high}"
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise ArgumentError(name, span, f"is {value!r}")
    if value < low or (high is not None and value > high):
        raise ArgumentError(name, span, f"is {value}")
    return int(value)


def positive(name: str, value: Any, *, zero: bool = False) -> float:
    """`value` as a finite float above zero (or at least zero)."""
    requirement = "be a finite number of at least 0" if zero else "be a finite number above 0"
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ArgumentError(name, requirement, f"is {value!r}") from None
    if not math.isfinite(number) or number < 0 or (number == 0 and not zero):
        raise ArgumentError(name, requirement, f"is {value!r}")
    return number


def generator(name: str, seed: Any) -> np.random.Generator:
    """A numpy Generator from a seed, or the Generator itself."""
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError):
        raise ArgumentError(name, "be an integer of at least 0 or a numpy Generator", f"is {seed!r}") from None


def streams(name: str, seed: Any, n: int) -> list[np.random.Generator]:
    """`n` independent Generators from a seed or a Generator; the latter counts how many
    it has given.
    """
    try:
        return generator(name, seed).spawn(n)
    except TypeError:  # of a legacy bit generator
        raise ArgumentError(name, "be able to spawn generators", f"is {seed!r}") from None


def choice(name: str, value: Any, options: tuple[str, ...]) -> str:
    """`value` if it is one of `options`."""
    if not isinstance(value, str) or value not in options:
        raise ArgumentError(name, f"be one of {', '.join(options)}", f"is {value!r}")
    return value


def training_mask(mask: Any, n_samples: int) -> NDArray[np.bool_]:
    """`mask` as a bool (N,) array; None stands for all of D0."""
    if mask is None:
        return np.ones(n_samples, dtype=np.bool_)
    array = np.asarray(mask)
    if array.shape != (n_samples,):
        raise ArgumentError("mask", f"have shape (N,) = ({n_samples},)", f"has shape {array.shape}")
    if array.dtype != np.bool_:
        raise ArgumentError("mask", "be an array of bool", f"has dtype {array.dtype}")
    return array


def whole_pairs(name: str, value: Any) -> NDArray[np.integer]:
    """`value` as an array (n, 2) of whole numbers; an empty list is (0, 2)."""
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, OverflowError):  # ragged
        raise ArgumentError(name, "have shape (n, 2)", f"is a ragged {type(value).__name__}") from None
    if array.shape == (0,):
        return np.zeros((0, 2), np.int64)
    if array.ndim != 2 or array.shape[1] != 2:
        raise ArgumentError(name, "have shape (n, 2)", f"has shape {array.shape}")
    if not np.issubdtype(array.dtype, np.integer):
        raise ArgumentError(name, "hold whole numbers", f"has dtype {array.dtype}")
    return array


def real_array(name: str, value: Any, shape: tuple[int, ...] | None = None) -> NDArray[np.float64]:
    """`value` as a finite, C-contiguous float64 array, of `shape` unless that is
    None.
    """
    array = reals(name, value)
    if shape is not None and np.shape(value) != shape:
        raise ArgumentError(name, f"have shape {shape}", f"has shape {np.shape(value)}")
    return finite(name, array)


def reals(name: str, value: Any) -> NDArray[np.float64]:
    """`value` as a C-contiguous float64 array."""
    try:
        array = np.ascontiguousarray(value)
        if np.iscomplexobj(array):
            raise TypeError
        return array.astype(np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(name, "be an array of real numbers", f"is a {type(value).__name__}") from None


def finite(name: str, array: NDArray[np.float64]) -> NDArray[np.float64]:
    """`array` if all of it is finite."""
    if not np.isfinite(array).all():
        raise ArgumentError(name, "be finite", "holds nan or inf")
    return array


def ascending_times(name: str, value: Any) -> NDArray[np.float64]:
    """`value` as a float64 (T,) array of strictly ascending times from 0 on; a number
    is one time.
    """
    try:
        t = np.atleast_1d(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError):
        t = np.array(np.nan)  # refused below
    ascending = t.ndim == 1 and t.size > 0 and np.isfinite(t).all() and (np.diff(t) > 0).all()
    if not ascending or t[0] < 0:
        raise ArgumentError(name, "be finite, strictly ascending and at least 0", f"is {value!r}")
    return t
