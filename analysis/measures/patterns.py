"""Accuracies as the work of a few patterns, each learned at a time of its own."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares
from scipy.special import expit

import efftheory as et
from analysis.measures.signature import as_series

SPARE_TIMES = 3  # the patterns of a start stand at so many fewer times than there are
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
    """
    learned = expit(np.asarray(rates) * (np.asarray(steps)[:, None] - np.asarray(times)))
    return 1 - np.prod(1 - np.asarray(shares) * learned, axis=1)


def fit_patterns(steps: ArrayLike, train_accuracy: ArrayLike, test_accuracy: ArrayLike, n_patterns: int) -> Patterns:
    """The n patterns whose accuracies (`pattern_accuracy`) come nearest to these, by
    least squares over both curves.

    A pattern has one rate and one time, and one share for each of the two sets, gamma
    and gamma'. Source: Davies et al. (2303.06173) for the form of the training
    accuracy. That the test accuracy has the same form, with shares that are fitted
    freely in [0, 1], is ours; so are the bounds: times are within the steps, and no
    rate is so small that a pattern takes longer than all steps or so large that nothing
    of its rise can be between two looks.

    The best of several fits is kept, whose patterns start at all sets of n out of n + 3
    times that are evenly spread over the logarithm of the steps. No start is random.

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

    def off(x: NDArray[np.float64]) -> NDArray[np.float64]:
        log_rates, times, train_shares, test_shares = x.reshape(4, n)
        rates = np.exp(log_rates)
        return np.concatenate(
            [
                pattern_accuracy(t, rates, times, train_shares) - train,
                pattern_accuracy(t, rates, times, test_shares) - test,
            ]
        )

    slowest, fastest = -np.log(t[-1] - t[0]), np.log(SHARPEST / np.diff(t).min())
    bounds = np.repeat([[slowest, t[0], 0, 0], [fastest, t[-1], 1, 1]], n, axis=1)
    grid = np.geomspace(t[t > 0][0], t[-1], n + SPARE_TIMES + 2)[1:-1]
    starts = [
        np.concatenate([np.log(4 / np.array(times)), times, np.full(2 * n, 0.5)])  # nearly 0 at step 0
        for times in combinations(grid, n)
    ]
    fits = [least_squares(off, np.clip(x, *bounds), bounds=tuple(bounds), x_scale="jac") for x in starts]
    best = min(fits, key=lambda fit: fit.cost)
    found = best.x.reshape(4, n)
    log_rates, times, train_shares, test_shares = found[:, np.argsort(found[1], kind="stable")]
    residual = float(np.sqrt(np.square(best.fun).mean()))
    return Patterns(np.exp(log_rates) / unit, times * unit, train_shares, test_shares, residual)


def _as_accuracy(curve: ArrayLike, name: str, length: int) -> NDArray[np.float64]:
    array = as_series(curve, name, length=length)
    if array.min() < 0 or array.max() > 1:
        raise et.ArgumentError(name, "be in [0, 1]", f"has values in [{array.min()}, {array.max()}]")
    return array
