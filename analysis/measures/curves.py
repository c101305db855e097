"""What the curves of a run say: how fast a loss oscillates, how often it bursts while
weights grow, and which patterns make up the accuracies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import OptimizeResult, least_squares
from scipy.special import expit

import efftheory as et
from analysis.measures.arrays import Floats, as_finite, check_number
from efftheory._checks import integer
from efftheory._records import table

LEAST_VALUES = 4  # of a signal: of three there is one second difference, without a variance
# Of a training loss: beside 1, float32 does not tell smaller ones from 0, and below
# there are no spikes.
LEAST_LOSS = float(np.finfo(np.float32).eps)

_SPARE_TIMES = 3  # the patterns of a start stand at so many fewer times than there are
_EDGE = 1e-3  # of a bound's interval, from where a start can still leave it
_FIRST, _LAST = 20, 100  # evaluations of a start, and of the best of these
_SHARPEST = 40.0  # rate times the gap between two looks: all of the rise is in it


class Hjorth(NamedTuple):
    """The variance of a signal around its straight line; radians a step for a slow
    wave, about 2 at most; and the same of its first differences.
    """

    activity: float
    mobility: float
    complexity: float


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
    """
    array = as_finite("values", values, "(L,)", least=LEAST_VALUES)
    around = array - array.mean()
    steps = np.arange(len(array)) - (len(array) - 1) / 2
    signal = around - (around @ steps) / (steps @ steps) * steps
    m0, m2, m4 = (float(np.var(np.diff(signal, order))) for order in range(3))
    floor = 1e-26 * np.square(array).mean()  # what round-off leaves of a line
    if m0 <= floor:
        return Hjorth(m0, np.nan, np.nan)
    return Hjorth(m0, float(np.sqrt(m2 / m0)), float(np.sqrt(m4 / m2)))


def count_slingshots(train_loss: ArrayLike, last_norm: ArrayLike, factor: float = 10.0) -> int:
    """How often the training loss (L,), at least 0, has a spike and comes back while
    the norm (L,) of the last layer's weights has grown, both read at the same L looks.

    A spike begins where the loss exceeds `factor`, above 1, times the least loss since
    the former spike's end, and ends where it is back below the geometric middle of this
    least loss and the spike's own highest. It is a slingshot if the norm is larger at
    its end than at the end of the former spike (for the first, than at the beginning),
    whether it grows before the spike, as it mostly does, or within. A spike that has
    not ended at L is not counted. Losses below LEAST_LOSS are taken for LEAST_LOSS.

    Source: Thilak et al., "The slingshot mechanism" (2206.04817), where cycles are seen
    by eye; what begins, ends and counts is ours.
    """
    losses = as_finite("train_loss", train_loss, "(L,)", low=0)
    norms = as_finite("last_norm", last_norm, f"({len(losses)},)")
    check_number("factor", factor, above=1)
    count, least, norm_before = 0, math.inf, norms[0]
    highest = None  # of the spike that is on
    for loss, norm in zip(np.maximum(losses, LEAST_LOSS), norms, strict=True):
        if highest is None and loss > factor * least:
            highest = loss
        elif highest is None:
            least = min(least, loss)
        elif loss < math.sqrt(least * highest):
            count += int(norm > norm_before)
            highest, least, norm_before = None, loss, norm
        else:
            highest = max(highest, loss)
    return count


@dataclass(frozen=True, eq=False)
class Patterns:
    """n patterns in the order of their times, arrays (n,)."""

    rates: Floats  # alpha_i, how fast a pattern is learned, in 1/step
    times: Floats  # b_i, the step by which half of it is learned
    train_shares: Floats  # gamma_i, the share of the training set on which it is right in the end
    test_shares: Floats  # gamma'_i, the same of the test set; 0 for a pattern that over-fits
    residual: float  # the root mean square of what is left of both accuracies

    _repr_html_ = table


def pattern_accuracy(steps: Floats, rates: Floats, times: Floats, shares: Floats) -> Floats:
    """1 - prod_i (1 - p_i(t)), p_i(t) = gamma_i/(1 + exp(-alpha_i (t - b_i))), at the
    steps (L,): a sample is right if any of the patterns (n,) is right on it, which they
    are independently of each other.

    Source: Davies et al., "Unifying grokking and double descent" (2303.06173).
    """
    return 1 - np.prod(1 - shares * expit(rates * (steps[:, None] - times)), axis=1)


def fit_patterns(steps: ArrayLike, train_accuracy: ArrayLike, test_accuracy: ArrayLike, n_patterns: int) -> Patterns:
    """The n patterns, at least 1, whose accuracies (`pattern_accuracy`) come nearest to
    these, (L,) in [0, 1], at steps (L,) that ascend from 0 on, L at least 2 n and 3: by
    least squares over both curves.

    Davies et al. (2303.06173) have the form of the training accuracy. That the test
    accuracy has the same, of the same rates and times, with shares that are fitted
    freely in [0, 1], is ours; so are the bounds: times are within the steps, and no
    rate is so small that a pattern takes longer than all steps or so large that nothing
    of its rise can be between two looks.

    The best of several short fits is carried on, whose patterns start at all sets of n
    out of n + 3 times that are evenly spread over the logarithm of the steps.
    """
    n = integer("n_patterns", n_patterns, 1)
    t = as_finite("steps", steps, "(L,)", least=max(2 * n, 3), low=0)
    if (np.diff(t) <= 0).any():
        raise et.ArgumentError("steps", "be ascending", f"is {steps!r}")
    curves = (("train_accuracy", train_accuracy), ("test_accuracy", test_accuracy))
    train, test = (as_finite(name, curve, f"({len(t)},)", low=0, high=1) for name, curve in curves)
    unit = t[-1]  # so that times are at most 1
    t = t / unit

    slowest, fastest = -np.log(t[-1] - t[0]), np.log(_SHARPEST / np.diff(t).min())
    low, high = np.repeat([[slowest, t[0], 0, 0], [fastest, t[-1], 1, 1]], n, axis=1)

    def within(angles: Floats) -> Floats:
        """Logarithms of rates, times, shares of both sets, (4, n), of any angles."""
        return (low + (high - low) * np.sin(angles) ** 2).reshape(4, n)

    def off(angles: Floats) -> Floats:
        log_rates, times, *shares = within(angles)
        curves = [pattern_accuracy(t, np.exp(log_rates), times, one) for one in shares]
        return np.concatenate([curves[0] - train, curves[1] - test])

    def slopes(angles: Floats) -> Floats:
        """Of `off`, (2 L, 4 n)."""
        log_rates, times, *shares = within(angles)
        rates = np.exp(log_rates)
        learned = expit(rates * (t[:, None] - times))
        rise = learned * (1 - learned) * rates
        found = np.zeros((2, len(t), 4, n))
        for k, one in enumerate(shares):
            left = 1 - one * learned
            by_others = np.stack([np.delete(left, i, axis=1).prod(axis=1) for i in range(n)], axis=1)
            found[k, :, 0] = by_others * one * rise * (t[:, None] - times)
            found[k, :, 1] = -by_others * one * rise
            found[k, :, 2 + k] = by_others * learned
        return found.reshape(2 * len(t), 4 * n) * (high - low) * np.sin(2 * angles)

    def fit(angles: Floats, evaluations: int) -> OptimizeResult:
        slope: Any = slopes  # scipy's types know of words only
        return least_squares(off, angles, slope, method="lm", max_nfev=evaluations)

    grid = np.geomspace(t[t > 0][0], t[-1], n + _SPARE_TIMES + 2)[1:-1]
    fits = []
    for times in combinations(grid, n):
        start = np.concatenate([np.log(4 / np.array(times)), times, np.full(2 * n, 0.5)])  # nearly 0 at step 0
        share = np.clip((start - low) / (high - low), _EDGE, 1 - _EDGE)
        fits.append(fit(np.arcsin(np.sqrt(share)), _FIRST))
    best = fit(min(fits, key=lambda one: one.cost).x, _LAST)
    found = within(best.x)
    log_rates, times, train_shares, test_shares = found[:, np.argsort(found[1], kind="stable")]
    residual = float(np.sqrt(np.square(best.fun).mean()))
    return Patterns(np.exp(log_rates) / unit, times * unit, train_shares, test_shares, residual)
