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


def choice(name: str, value: Any, options: tuple[str, ...]) -> str:
    """`value` if it is one of `options`."""
    if value not in options:
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


def embedding(E: Any, n_symbols: int, name: str = "E") -> NDArray[np.float64]:
    """`E` as a finite, C-contiguous float64 (p, d) array."""
    try:
        array = np.ascontiguousarray(E)
        if np.iscomplexobj(array):
            raise TypeError
        array = array.astype(np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(name, "be an array of real numbers", f"is a {type(E).__name__}") from None
    if np.ndim(E) != 2 or array.shape[0] != n_symbols or array.shape[1] == 0:
        raise ArgumentError(name, f"have shape (p, d) with p = {n_symbols}", f"has shape {np.shape(E)}")
    if not np.isfinite(array).all():
        raise ArgumentError(name, "be finite", "holds nan or inf")
    return array


def spread_embedding(E: Any, n_symbols: int, name: str = "E") -> NDArray[np.float64]:
    """As `embedding`, and not constant along any dimension (it can be standardised)."""
    array = embedding(E, n_symbols, name)
    if (np.ptp(array, axis=0) <= 1e-12 * np.abs(array).max(axis=0)).any():  # what is left is round-off
        raise ArgumentError(name, "vary in every dimension", "is constant in one")
    return array
