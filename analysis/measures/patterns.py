"""Accuracies as the work of a few patterns, each learned at a time of its own."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import OptimizeResult, least_squares
from scipy.special import expit

import efftheory as et
from analysis.measures.signature import as_series

SPARE_TIMES = 3  # the patterns of a start stand at so many fewer times than there are
EDGE = 1e-3  # of a bound's interval, from where a start can still leave it
FIRST, LAST = 20, 100  # evaluations of a start, and of the best of these
SHARPEST = 40.0  # rate times the gap between two looks: all of the rise is in it


@dataclass(frozen=True, eq=False)
class Patterns:
    """Patterns in the order of their times.

    Attributes:
        rates: float64 (n,), alpha_i, how fast a pattern is learned, in 1/step.
        times: float64 (n,), b_i, the step by which half of it is learned.
        train_shares: float64 (n,), gamma_i, the share of the training set on which it
            is right in the end.
        test_shares: float64 (n,), gamma'_i, the same of the test set; 0 for a pattern
            that over-fits.
        residual: the root mean square of what is left of both accuracies.
    """

    rates: NDArray[np.float64]
    times: NDArray[np.float64]
    train_shares: NDArray[np.float64]
    test_shares: NDArray[np.float64]
    residual: float


def pattern_accuracy(steps: ArrayLike, rates: ArrayLike, times: ArrayLike, shares: ArrayLike) -> NDArray[np.float64]:
    """1 - prod_i (1 - p_i(t)), p_i(t) = gamma_i/(1 + exp(-alpha_i (t - b_i))), at the
    steps (L,): a sample is right if any of the patterns (n,) is right on it, which they
    are independently of each other.

    Source: Davies et al., "Unifying grokking and double descent" (2303.06173).

    Args:
        steps: float (L,), at least one.
        rates: float (n,), alpha_i.
        times: float (n,), b_i.
        shares: float (n,), gamma_i.

    Raises:
        ArgumentError: one of them is not finite or has another shape.
    """
    t, alpha = as_series(steps, "steps"), as_series(rates, "rates", least=0)
    b, gamma = (as_series(values, name, length=len(alpha)) for values, name in ((times, "times"), (shares, "shares")))
    return _accuracy(t, alpha, b, gamma)


def _accuracy(
    t: NDArray[np.float64], alpha: NDArray[np.float64], b: NDArray[np.float64], gamma: NDArray[np.float64]
) -> NDArray[np.float64]:
    learned = expit(alpha * (t[:, None] - b))
    return 1 - np.prod(1 - gamma * learned, axis=1)


def fit_patterns(steps: ArrayLike, train_accuracy: ArrayLike, test_accuracy: ArrayLike, n_patterns: int) -> Patterns:
    """The n patterns whose accuracies (`pattern_accuracy`) come nearest to these, by
    least squares over both curves.

    A pattern has one rate and one time, and one share for each of the two sets, gamma
    and gamma'. Source: Davies et al. (2303.06173) for the form of the training
    accuracy. That the test accuracy has the same form, with shares that are fitted
    freely in [0, 1], is ours; so are the bounds: times are within the steps, and no
    rate is so small that a pattern takes longer than all steps or so large that nothing
    of its rise can be between two looks.

    The best of several short fits is carried on, whose patterns start at all sets of n
    out of n + 3 times that are evenly spread over the logarithm of the steps. No start
    is random.

    Args:
        steps: float (L,), ascending, at least 0; L of at least 2 n.
        train_accuracy: float (L,), in [0, 1].
        test_accuracy: float (L,), in [0, 1].
        n_patterns: n, at least 1.

    Raises:
        ArgumentError: they are something else.
    """
    if isinstance(n_patterns, bool) or not isinstance(n_patterns, int | np.integer) or n_patterns < 1:
        raise et.ArgumentError("n_patterns", "be an integer of at least 1", f"is {n_patterns!r}")
    n = int(n_patterns)
    t = as_series(steps, "steps", least=max(2 * n, 3))
    if t[0] < 0 or (np.diff(t) <= 0).any():
        raise et.ArgumentError("steps", "be ascending and at least 0", f"is {steps!r}")
    train, test = (
        _as_accuracy(curve, name, len(t))
        for curve, name in ((train_accuracy, "train_accuracy"), (test_accuracy, "test_accuracy"))
    )
    unit = t[-1]  # so that times are at most 1
    t = t / unit

    slowest, fastest = -np.log(t[-1] - t[0]), np.log(SHARPEST / np.diff(t).min())
    low, high = np.repeat([[slowest, t[0], 0, 0], [fastest, t[-1], 1, 1]], n, axis=1)

    def within(angles: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logarithms of rates, times, shares of both sets, (4, n), of angles that may
        be any.
        """
        return (low + (high - low) * np.sin(angles) ** 2).reshape(4, n)

    def off(angles: NDArray[np.float64]) -> NDArray[np.float64]:
        log_rates, times, *shares = within(angles)
        curves = [_accuracy(t, np.exp(log_rates), times, one) for one in shares]
        return np.concatenate([curves[0] - train, curves[1] - test])

    def slopes(angles: NDArray[np.float64]) -> NDArray[np.float64]:
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

    def fit(angles: NDArray[np.float64], evaluations: int) -> OptimizeResult:
        slope: Any = slopes  # scipy's types know of words only
        return least_squares(off, angles, slope, method="lm", max_nfev=evaluations)

    grid = np.geomspace(t[t > 0][0], t[-1], n + SPARE_TIMES + 2)[1:-1]
    fits = []
    for times in combinations(grid, n):
        start = np.concatenate([np.log(4 / np.array(times)), times, np.full(2 * n, 0.5)])  # nearly 0 at step 0
        share = np.clip((start - low) / (high - low), EDGE, 1 - EDGE)
        fits.append(fit(np.arcsin(np.sqrt(share)), FIRST))
    best = fit(min(fits, key=lambda one: one.cost).x, LAST)
    found = within(best.x)
    log_rates, times, train_shares, test_shares = found[:, np.argsort(found[1], kind="stable")]
    residual = float(np.sqrt(np.square(best.fun).mean()))
    return Patterns(np.exp(log_rates) / unit, times * unit, train_shares, test_shares, residual)


def _as_accuracy(curve: ArrayLike, name: str, length: int) -> NDArray[np.float64]:
    array = as_series(curve, name, length=length)
    if array.min() < 0 or array.max() > 1:
        raise et.ArgumentError(name, "be in [0, 1]", f"has values in [{array.min()}, {array.max()}]")
    return array
