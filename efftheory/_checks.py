"""Argument checks with one grammar: "Argument `NAME` must REQUIREMENT, but FINDING."

Only the public functions check; the kernels trust what they get.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # it checks its own arguments here
    from efftheory.operations import Operation


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
    """`n` independent Generators from a seed or a Generator; the latter counts how many it has given."""
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


def sum_composition(op: Operation) -> None:
    """`op` composes by a sum: the representations that satisfy a training set are a linear space."""
    if op.composition != "sum":
        raise ArgumentError("op", "compose by a sum", f"{op.name} composes by a matrix {op.composition}")


def real_array(name: str, value: Any, shape: tuple[int, ...] | None = None) -> NDArray[np.float64]:
    """`value` as a finite, C-contiguous float64 array, of `shape` unless that is None."""
    array = _reals(name, value)
    if shape is not None and np.shape(value) != shape:
        raise ArgumentError(name, f"have shape {shape}", f"has shape {np.shape(value)}")
    return _finite(name, array)


def _reals(name: str, value: Any) -> NDArray[np.float64]:
    try:
        array = np.ascontiguousarray(value)
        if np.iscomplexobj(array):
            raise TypeError
        return array.astype(np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(name, "be an array of real numbers", f"is a {type(value).__name__}") from None


def _finite(name: str, array: NDArray[np.float64]) -> NDArray[np.float64]:
    if not np.isfinite(array).all():
        raise ArgumentError(name, "be finite", "holds nan or inf")
    return array


def ascending_times(name: str, value: Any) -> NDArray[np.float64]:
    """`value` as a float64 (T,) array of strictly ascending times from 0 on; a number is one time."""
    try:
        t = np.atleast_1d(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError):
        t = np.array(np.nan)  # refused below
    ascending = t.ndim == 1 and t.size > 0 and np.isfinite(t).all() and (np.diff(t) > 0).all()
    if not ascending or t[0] < 0:
        raise ArgumentError(name, "be finite, strictly ascending and at least 0", f"is {value!r}")
    return t


def _real_array(E: Any, shape: str, n_symbols: int, name: str) -> NDArray[np.float64]:
    """`E` as a finite, C-contiguous float64 array of p non-empty entries, of as many axes as `shape` names."""
    array = _reals(name, E)
    n_axes = shape.count(",") + 1
    if np.ndim(E) != n_axes or array.shape[0] != n_symbols or len(set(array.shape[1:])) > 1 or array.size == 0:
        raise ArgumentError(name, f"have shape {shape} with p = {n_symbols}", f"has shape {np.shape(E)}")
    return _finite(name, array)


def embedding(E: Any, op: Operation, name: str = "E") -> NDArray[np.float64]:
    """`E` as a finite, C-contiguous float64 (p, d) array, for an operation that composes by a sum."""
    sum_composition(op)
    return _real_array(E, "(p, d)", op.n_symbols, name)


def matrix_embedding(E: Any, op: Operation, name: str = "E") -> NDArray[np.float64]:
    """`E` as a finite, C-contiguous float64 (p, d, d) array that can be divided by its root mean square."""
    array = _real_array(E, "(p, d, d)", op.n_symbols, name)
    with np.errstate(over="ignore"):
        mean_square = float((array**2).mean())
    if mean_square == 0 or not math.isfinite(mean_square):
        raise ArgumentError(name, "have a mean square that is finite and not 0", f"has {mean_square}")
    return array


def spread_embedding(E: Any, op: Operation, name: str = "E") -> NDArray[np.float64]:
    """As `embedding`, and not constant along any dimension (it can be standardised)."""
    array = embedding(E, op, name)
    if (np.ptp(array, axis=0) <= 1e-12 * np.abs(array).max(axis=0)).any():  # what is left is round-off
        raise ArgumentError(name, "vary in every dimension", "is constant in one")
    return array
