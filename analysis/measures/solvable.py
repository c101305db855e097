"""The perceptron in one dimension that groks, solved.

Positive samples are at eps + u, negative ones at -eps - u, u exponential of mean 1; so
2 eps is the gap between the classes. The perceptron sgn(x - b) has its threshold b for
its only weight, and gradient flow lowers the mean over the training samples of
(x - b - y)^2 / 2, y = 1 or -1, plus l2 b^2 / 2 + l1 |b|. The classes are balanced, so
that the y cancel and the threshold goes where the samples' mean draws it. It remembers
when it has passed the nearest training sample, and generalises when it is in the gap.

Source: Zunkovic and Ilievski, "Grokking phase transitions in learning local rules with
gradient descent" (2210.15435). The formulas are theirs; what their symbols mean, here
and in each function, is our reading, the one which simulation bears out.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

import efftheory as et
from analysis.measures.arrays import as_reals


def threshold_limit(mean: float, l1: float = 0.0, l2: float = 0.0) -> float:
    """x_l = (mean - l1)/(1 + l2): where a threshold that is above 0 goes, as long as it
    is there.

    It is below eps, where the gap begins, if and only if `mean`, that of all training
    samples of both classes, is below eps_l = eps (1 + l2) + l1.

    Raises:
        ArgumentError: `mean` is not finite, or `l1` or `l2` not finite or below 0.
    """
    return (_number("mean", mean, -math.inf) - _number("l1", l1)) / (1 + _number("l2", l2))


def threshold_path(times: ArrayLike, start: float, limit: float, l2: float = 0.0) -> NDArray[np.float64]:
    """b(t) = x_l - (x_l - b0) exp(-(1 + l2) t) at these times, as they are shaped. If
    l1 is not 0, this is right until b has another sign than b0 = `start`.

    Args:
        times: float, at least 0.
        start: b0, at least 0.
        limit: x_l, as `threshold_limit` has it.
        l2: at least 0.

    Raises:
        ArgumentError: one of them is not finite or too small.
    """
    t = as_reals("times", "be finite and at least 0", times)
    if not np.isfinite(t).all() or (t < 0).any():
        raise et.ArgumentError("times", "be finite and at least 0", f"is {times!r}")
    x_l, b0 = _number("limit", limit, -math.inf), _number("start", start)
    return x_l - (x_l - b0) * np.exp(-(1 + _number("l2", l2)) * t)


def grokking_time(nearest: float, limit: float, eps: float, l2: float = 0.0) -> float:
    """t_G = ln((eps + x_min - x_l)/(eps - x_l))/(1 + l2): from no error on the training
    samples to no error at all, of a threshold that comes from above; inf if it never
    enters the gap.

    As printed, xbar is in the place of x_l. It is the mean of the training samples only
    if l1 = l2 = 0; else simulation agrees with the limit x_l.

    Args:
        nearest: x_min, how far beyond the gap's edge the nearest positive training
            sample is, so that it is at eps + x_min; at least 0.
        limit: x_l, as `threshold_limit` has it.
        eps: half the gap, at least 0.
        l2: at least 0.

    Raises:
        ArgumentError: one of them is not finite or too small.
    """
    half, x_l = _number("eps", eps), _number("limit", limit, -math.inf)
    x_min, rate = _number("nearest", nearest), 1 + _number("l2", l2)
    return math.log((half + x_min - x_l) / (half - x_l)) / rate if x_l < half else math.inf


def grokking_probability(eps: float, l1: float = 0.0, l2: float = 0.0) -> float:
    """P = 1 - (1 + 2 eps_l) exp(-4 eps_l), eps_l = eps (1 + l2) + l1: that the
    threshold ends in the gap, for N = 2 training samples of each class.

    It is P(|mean| < eps_l), the mean of all four being a quarter of the difference of
    two sums of two exponential variables.

    Raises:
        ArgumentError: one of them is not finite or below 0.
    """
    eps_l = _number("eps", eps) * (1 + _number("l2", l2)) + _number("l1", l1)
    return 1 - (1 + 2 * eps_l) * math.exp(-4 * eps_l)


def _number(name: str, value: float, least: float = 0.0) -> float:
    if not (isinstance(value, int | float | np.integer | np.floating) and math.isfinite(value) and value >= least):
        bound = f" of at least {least:g}" if math.isfinite(least) else ""
        raise et.ArgumentError(name, f"be a finite number{bound}", f"is {value!r}")
    return float(value)
