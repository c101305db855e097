"""Argument checks with one grammar: "Argument `NAME` must REQUIREMENT, but FINDING."

Only the public functions check; the kernels trust what they get. What can only be
converted with a loss is refused: imaginary parts, masked entries, text that reads like
a number.
"""

from __future__ import annotations

import contextlib
import math
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST = 2**31 - 1  # of what is counted
_SHOWN = 60  # characters of a value in a message


class ArgumentError(ValueError):
    """A public function was called with an argument it cannot work with."""

    def __init__(self, name: str, requirement: str, finding: str):
        super().__init__(f"Argument `{name}` must {requirement}, but {finding}.")


def shown(value: Any) -> str:
    """`value` as a part of a line."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # a user's class, or more digits than Python writes
        return f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 4]} ..."


def integer(name: str, value: Any, low: int, high: int = MOST) -> int:
    """`value` as an int within low..high (both included)."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if whole and low <= value <= high:
        return int(value)
    told = high < MOST or (whole and value > high)  # the most that can be counted, only to whom it matters
    span = f"in {low}..{high}" if told else f"of at least {low}"
    raise ArgumentError(name, f"be an integer {span}", f"is {shown(int(value) if whole else value)}")


def positive(name: str, value: Any, *, zero: bool = False, high: float = math.inf) -> float:
    """`value` as a finite float above zero (or at least zero), and below `high`."""
    try:
        array = reals(name, value)
        number = float(array) if array.ndim == 0 else math.nan
    except ArgumentError:
        number = math.nan
    if not 0 <= number < high or (number == 0 and not zero):
        below = f" and below {high:g}" if high < math.inf else ""
        least = "of at least 0" if zero else "above 0"
        raise ArgumentError(name, f"be a finite number {least}{below}", f"is {shown(value)}")
    return number


def generator(name: str, seed: Any) -> np.random.Generator:
    """A numpy Generator from a seed, or the Generator itself. None is neither: nobody
    could repeat what it gives.
    """
    if isinstance(seed, np.random.Generator):
        return seed
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ArgumentError(name, "be an integer of at least 0 or a numpy Generator", f"is {shown(seed)}")
    return np.random.default_rng(int(seed))


def streams(name: str, seed: Any, n: int) -> list[np.random.Generator]:
    """`n` independent Generators from a seed or a Generator; the latter counts how many
    it has given.
    """
    try:
        return generator(name, seed).spawn(n)
    except TypeError:  # of a legacy bit generator
        raise ArgumentError(name, "be able to spawn generators", f"is {shown(seed)}") from None


def choice(name: str, value: Any, options: tuple[str, ...]) -> str:
    """`value` if it is one of `options`."""
    if not isinstance(value, str) or value not in options:
        raise ArgumentError(name, f"be one of {', '.join(options)}", f"is {shown(value)}")
    return value


def instance(name: str, value: Any, kind: type) -> None:
    """`value` is a `kind`, which is one of ours."""
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIOU" else "a"
        raise ArgumentError(name, f"be {article} {kind.__name__}", f"is {shown(value)}")


def as_array(name: str, value: Any, requirement: str) -> NDArray[Any]:
    """`value` as numpy has it. A tensor that requires a gradient, or lies on another
    device, is taken for its numbers.
    """
    try:
        if callable(getattr(value, "detach", None)):
            value = value.detach().cpu()
        array = np.asarray(value)
    except Exception as error:  # ragged; or what a foreign class thinks of being converted
        ragged = isinstance(error, ValueError) and isinstance(value, list | tuple)
        finding = f"is a ragged {type(value).__name__}" if ragged else _kind(value)
        raise ArgumentError(name, requirement, finding) from None
    if np.ma.is_masked(value):
        raise ArgumentError(name, requirement, "has masked entries")
    return array


def _kind(value: Any) -> str:
    """The type of `value`, and of its entries, if it says so."""
    dtype = getattr(value, "dtype", None)
    return f"is a {type(value).__name__}" if dtype is None else f"has dtype {' '.join(str(dtype).split())}"


def training_mask(mask: Any, n_samples: int) -> NDArray[np.bool_]:
    """`mask` as a bool (N,) array; None stands for all of D0."""
    if mask is None:
        return np.ones(n_samples, dtype=np.bool_)
    array = as_array("mask", mask, "be an array of bool")
    if array.shape != (n_samples,):
        raise ArgumentError("mask", f"have shape (N,) = ({n_samples},)", f"has shape {array.shape}")
    if array.dtype != np.bool_:
        raise ArgumentError("mask", "be an array of bool", f"has dtype {array.dtype}")
    return array


def whole_numbers(name: str, value: Any, shape: str, fits: Callable[[tuple[int, ...]], bool]) -> NDArray[np.integer]:
    """`value` as an array of whole numbers, of a shape that `fits`."""
    array = as_array(name, value, "be an array of whole numbers")
    if not fits(array.shape):
        raise ArgumentError(name, f"have shape {shape}", f"has shape {array.shape}")
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise ArgumentError(name, "hold whole numbers", f"has dtype {array.dtype}")
    return array


def real_array(name: str, value: Any, shape: tuple[int, ...] | None = None) -> NDArray[np.float64]:
    """`value` as a finite, C-contiguous float64 array, of `shape` unless that is
    None.
    """
    array = reals(name, value)
    if shape is not None and array.shape != shape:
        raise ArgumentError(name, f"have shape {shape}", f"has shape {array.shape}")
    return finite(name, array)


def reals(name: str, value: Any) -> NDArray[np.float64]:
    """`value` as a C-contiguous float64 array, a copy; numpy's real numbers or
    Python's.
    """
    requirement = "be an array of real numbers"
    array = as_array(name, value, requirement)
    kind = array.dtype.kind
    if kind in "biuf" or (kind == "O" and all(isinstance(each, numbers.Real) for each in array.flat)):
        with contextlib.suppress(TypeError, ValueError, OverflowError), np.errstate(over="ignore"):
            return np.array(array, dtype=np.float64, order="C")
    raise ArgumentError(name, requirement, _kind(value))


def finite(name: str, array: NDArray[np.float64]) -> NDArray[np.float64]:
    """`array` if all of it is finite."""
    if not np.isfinite(array).all():
        raise ArgumentError(name, "be finite", "holds nan or inf")
    return array


def within(name: str, array: NDArray[np.float64], limit: float) -> NDArray[np.float64]:
    """`array` if all of it is below `limit` in size."""
    largest = float(np.abs(array).max(initial=0.0))
    if largest >= limit:
        raise ArgumentError(name, f"be below {limit:.0e} in size", f"holds {largest:.3g}")
    return array


def ascending_times(name: str, value: Any) -> NDArray[np.float64]:
    """`value` as a float64 (T,) array of strictly ascending times from 0 on; a number
    is one time.
    """
    with contextlib.suppress(ArgumentError):
        t = np.atleast_1d(reals(name, value))
        if t.ndim == 1 and t.size > 0 and t[0] >= 0 and np.isfinite(t).all() and (np.diff(t) > 0).all():
            return t
    raise ArgumentError(name, "be finite, strictly ascending and at least 0", f"is {shown(value)}")
