"""How much more often does one of two things happen, where both are tried on the same
runs? How much longer does it take?
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import norm

from analysis.scores.bootstrap import FINE, MIN_OBSERVED, bootstrap_weights
from analysis.scores.survival import drawn_medians
from efftheory._records import table


@dataclass(frozen=True)
class Difference:
    """Of two shares of the same n pairs: the first less the second, with its interval;
    `gained` and `lost`, the pairs in which only the first, only the second happens.
    """

    value: float
    interval: tuple[float, float]
    gained: int
    lost: int
    n: int

    _repr_html_ = table

    @property
    def decided(self) -> bool:
        """Whether the interval leaves out 0."""
        return not self.interval[0] <= 0 <= self.interval[1]


def paired_difference(first: ArrayLike, second: ArrayLike, coverage: float = 0.95) -> Difference:
    """The share of `first` less that of `second`, bool (n,), of the same n things.

    Its interval holds the differences D that a score test does not reject at 5 %:
    |b - c - n D| <= 1.96 sqrt(n (2 q + D (1 - D))), where b and c are the pairs in
    which only the first, only the second happens, and q the likeliest probability of
    the latter for this D (for another coverage than 95 % with the normal law's other
    quantile). At D = 0 that is McNemar's test. Unlike a bootstrap it does
    not shrink to nothing where all pairs agree. Source: Tango, Statistics in Medicine
    17 (1998) 891.
    """
    one, other = np.asarray(first, bool), np.asarray(second, bool)
    if one.shape != other.shape or not one.size:
        raise ValueError(f"two arrays of one length, not empty, are compared, but these are {one.shape}, {other.shape}")
    gained, lost, n = int((one & ~other).sum()), int((other & ~one).sum()), len(one)
    z = float(norm.ppf((1 + coverage) / 2))
    interval = _lower(gained, lost, n, z), -_lower(lost, gained, n, z)
    return Difference((gained - lost) / n, interval, gained, lost, n)


def _lower(b: int, c: int, n: int, z: float) -> float:
    """The lower bound. -1 where only the second ever happens."""

    def excess(d: float) -> float:
        linear = (2 * n - b + c) * d - b - c
        q = (math.sqrt(max(linear**2 + 8 * n * c * d * (1 - d), 0)) - linear) / (4 * n)
        return b - c - n * d - z * math.sqrt(max(n * (2 * q + d * (1 - d)), 0))

    found = (b - c) / n
    # at `found` itself the variance may be 0, which would be taken for a bound
    return -1.0 if c == n else float(brentq(excess, -1, found - 1e-9))  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True)
class Ratio:
    """Of the steps of the first to those of the second, in the n pairs in which at
    least one of both gets there: the median, inf or 0 where in most only the second, or
    only the first does, nan without pairs; and its interval, None for too few.
    """

    value: float
    interval: tuple[float, float] | None
    n: int

    _repr_html_ = table


def paired_ratio(
    first: tuple[NDArray[np.float64], NDArray[np.bool_]],
    second: tuple[NDArray[np.float64], NDArray[np.bool_]],
    strata: ArrayLike | None = None,
    coverage: float = 0.95,
) -> Ratio:
    """The median of first/second over pairs, by Kaplan-Meier; bootstrap over the pairs
    of each stratum.

    first, second: (times, observed) each, (n,): steps, the budget where they are
        censored. Where only the first is, the ratio is censored at budget/second; where
        only the second is, it counts as 0, smaller than all others.
    """
    (times, seen), (others, others_seen) = first, second
    some = np.flatnonzero(seen | others_seen)
    if not len(some):
        return Ratio(math.nan, None, 0)
    ratio = np.where(others_seen, times.clip(min=1) / others.clip(min=1), 0.0)[some]
    [value] = drawn_medians(ratio, seen[some], np.ones((1, len(some))))
    if len(some) < MIN_OBSERVED:
        return Ratio(float(value), None, len(some))
    label = np.zeros(len(some)) if strata is None else np.asarray(strata)[some]
    medians = drawn_medians(ratio, seen[some], bootstrap_weights(label, draws=FINE))
    low, high = np.quantile(medians, [(1 - coverage) / 2, (1 + coverage) / 2], method="inverted_cdf")
    return Ratio(float(value), (float(low), float(high)), len(some))
