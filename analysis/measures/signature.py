"""The spectral signature of a signal: how fast it oscillates, from the variances of its
differences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

import efftheory as et
from analysis.measures.arrays import as_reals

LEAST_VALUES = 4  # of fewer there is one second difference, which has no variance


@dataclass(frozen=True)
class Hjorth:
    """Hjorth's three numbers of a signal.

    Attributes:
        activity: m0, the variance of the signal around its straight line.
        mobility: sqrt(m2 / m0), in radians a step for a slow wave; about 2 at
            most.
        complexity: sqrt(m4 / m2), the mobility of the first differences.
    """

    activity: float
    mobility: float
    complexity: float


def as_series(values: ArrayLike, name: str, *, least: int = 1, length: int | None = None) -> NDArray[np.float64]:
    """`values` as a finite float64 (L,), with L at least `least`, or equal to `length`
    if that is given.

    Raises:
        ArgumentError: it is something else.
    """
    size = f"at least {least}" if length is None else f"{length}"
    requirement = f"be a finite real array (L,) with L of {size}"
    array = as_reals(name, requirement, values)
    if array.ndim != 1 or len(array) < least or length not in (None, len(array)):
        raise et.ArgumentError(name, requirement, f"has shape {array.shape}")
    if not np.isfinite(array).all():
        raise et.ArgumentError(name, requirement, "has an entry that is not finite")
    return array


def hjorth(values: ArrayLike) -> Hjorth:
    """Activity, mobility and complexity of a signal (L,) of equal steps, L at least 4.

    With x the signal less the straight line that fits it best, m0 = var(x), m2 =
    var(diff x) and m4 = var(diff diff x); activity m0, mobility sqrt(m2 / m0),
    complexity sqrt(m4 / m2). A line added to the signal changes none of them, another
    scale the activity alone. Of a straight line mobility and complexity are nan.

    Hjorth's own complexity is this one over the mobility, sqrt(m4 m0) / m2; here, as in
    the source, it is not divided.

    Source: Notsawo et al., "Predicting grokking long before it happens" (2306.13253),
    for the first 400 steps of the training loss.

    Raises:
        ArgumentError: `values` is not finite (L,) with L of at least 4.
    """
    array = as_series(values, "values", least=LEAST_VALUES)
    around = array - array.mean()
    steps = np.arange(len(array)) - (len(array) - 1) / 2
    signal = around - (around @ steps) / (steps @ steps) * steps
    m0, m2, m4 = (float(np.var(np.diff(signal, order))) for order in range(3))
    floor = 1e-26 * np.square(array).mean()  # what round-off leaves of a line
    if m0 <= floor:
        return Hjorth(m0, np.nan, np.nan)
    return Hjorth(m0, float(np.sqrt(m2 / m0)), float(np.sqrt(m4 / m2)))
