"""Arrays as people have them (numpy's, torch's, lists of either) as arrays of numbers.
Nothing is lost on the way without a word: an imaginary part, a mask, text. What is
something else than it is to be is an ArgumentError.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

import efftheory as et

Floats = NDArray[np.float64]


def as_finite(
    name: str, values: Any, shape: str, least: int = 1, low: float = -math.inf, high: float = math.inf
) -> Floats:
    """`values` as a finite float64 array with entries in [low, high]. Tensors are
    detached, and may be on any device; True is 1.

    Args:
        shape: as docstrings have it: a letter for an axis of any length from 1 on (of
            at least `least`, if it is the first), the same letter for the same length,
            a number for itself.
    """
    size = "" if shape[1].isdigit() else f" with {shape[1]} of at least {least}"
    limits = "" if low == -math.inf else f", of at least {low:g}" if high == math.inf else f", in [{low:g}, {high:g}]"
    requirement = f"be a finite real array {shape}{size}{limits}"
    array = as_reals(name, values, requirement)
    if not _fits(array.shape, shape, least):
        raise et.ArgumentError(name, requirement, f"has shape {array.shape}")
    if not np.isfinite(array).all():
        raise et.ArgumentError(name, requirement, "has an entry that is not finite")
    if array.size and not low <= array.min() <= array.max() <= high:
        raise et.ArgumentError(name, requirement, f"has values in [{array.min():g}, {array.max():g}]")
    return array


def as_reals(name: str, values: Any, requirement: str = "hold real numbers") -> Floats:
    """`values` as float64, of any shape, finite or not."""
    return _numbers(name, values, requirement, "fiub", "has entries that are no real numbers").astype(np.float64)


def as_whole(name: str, values: Any, shape: str, low: int, high: int | None = None) -> NDArray[np.int64]:
    """`values` as an int64 array of this shape, as `as_finite` has it, with entries in
    low..high; the first axis may have no entries.
    """
    requirement = f"be whole numbers {shape} " + (f"of at least {low}" if high is None else f"in {low}..{high}")
    array = _numbers(name, values, requirement, "fiu", "has entries that are no whole numbers")
    if not _fits(array.shape, shape, least=0):
        raise et.ArgumentError(name, requirement, f"has shape {array.shape}")
    if array.size and array.dtype.kind == "f":  # an empty list is one of floats
        raise et.ArgumentError(name, requirement, f"has dtype {array.dtype}")
    if array.size and (array.min() < low or (high is not None and array.max() > high)):
        raise et.ArgumentError(name, requirement, f"has {array.min()}..{array.max()}")
    return array.astype(np.int64)


def _fits(found: tuple[int, ...], shape: str, least: int) -> bool:
    """Whether it is a shape such as "(p, p, C)" or "(7, d)"."""
    axes = shape.strip("(,)").split(", ")
    if len(axes) != len(found) or found[0] < least or 0 in found[1:]:
        return False
    lengths: dict[str, int] = {}
    return all(
        length == (int(axis) if axis.isdigit() else lengths.setdefault(axis, length))
        for axis, length in zip(axes, found, strict=True)
    )


def check_number(name: str, value: Any, above: float, most: float = math.inf) -> None:
    """ArgumentError unless it is finite, above the one and at most the other."""
    if not (isinstance(value, int | float | np.integer | np.floating) and above < value <= most and value < math.inf):
        limit = f" and at most {most:g}" if most < math.inf else ""
        raise et.ArgumentError(name, f"be a finite number above {above:g}{limit}", f"is {value!r}")


def _numbers(name: str, values: Any, requirement: str, kinds: str, otherwise: str) -> NDArray[Any]:
    """An array of one of these kinds of numbers, without masks."""
    parts = values if isinstance(values, list | tuple) else [values]
    if any(np.ma.is_masked(part) for part in parts):
        raise et.ArgumentError(name, requirement, "has masked entries")
    try:
        detached = [_detached(part) for part in parts]
        array = np.asarray(detached if parts is values else detached[0])
    except (TypeError, ValueError, RuntimeError):  # ragged, say; RuntimeError is torch's
        raise et.ArgumentError(name, requirement, otherwise) from None
    if array.dtype.kind not in kinds:
        raise et.ArgumentError(name, requirement, otherwise)
    return array


def _detached(value: Any) -> Any:
    """A tensor without its gradient, in a precision that numpy has; else the value."""
    if not hasattr(value, "detach"):
        return value
    plain = value.detach().cpu()
    return np.asarray(plain.double() if plain.is_floating_point() else plain)
