"""How much more often does one of two things happen, where both are tried on the same
runs?
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

_Z = 1.959963984540054  # two-sided, 95 %


@dataclass(frozen=True)
class Difference:
    """Of two shares of the same n pairs.

    Attributes:
        value: the first share less the second.
        interval: at 95 %.
        gained, lost: pairs in which only the first, only the second happens.
        n: number of pairs.
    """

    value: float
    interval: tuple[float, float]
    gained: int
    lost: int
    n: int

    @property
    def decided(self) -> bool:
        """Whether the interval leaves out 0."""
        return not self.interval[0] <= 0 <= self.interval[1]


def paired_difference(first: ArrayLike, second: ArrayLike) -> Difference:
    """The share of `first` less that of `second`, bool (n,), of the same n things.

    Its interval holds the differences D that a score test does not reject at 5 %:
    |b - c - n D| <= 1.96 sqrt(n (2 q + D (1 - D))), where b and c are the pairs in
    which only the first, only the second happens, and q the likeliest probability of
    the latter for this D. At D = 0 that is McNemar's test. Unlike a bootstrap it does
    not shrink to nothing where all pairs agree. Source: Tango, Statistics in Medicine
    17 (1998) 891.
    """
    one, other = np.asarray(first, bool), np.asarray(second, bool)
    if one.shape != other.shape or not one.size:
        raise ValueError(f"two arrays of one length, not empty, are compared, but these are {one.shape}, {other.shape}")
    gained, lost, n = int((one & ~other).sum()), int((other & ~one).sum()), len(one)
    interval = _lower(gained, lost, n), -_lower(lost, gained, n)
    return Difference((gained - lost) / n, interval, gained, lost, n)


def _lower(b: int, c: int, n: int) -> float:
    """The lower bound. -1 where only the second ever happens."""

    def excess(d: float) -> float:
        linear = (2 * n - b + c) * d - b - c
        q = (math.sqrt(max(linear**2 + 8 * n * c * d * (1 - d), 0)) - linear) / (4 * n)
        return b - c - n * d - _Z * math.sqrt(max(n * (2 * q + d * (1 - d)), 0))

    found = (b - c) / n
    # at `found` itself the variance may be 0, which would be taken for a bound
    return -1.0 if c == n else float(brentq(excess, -1, found - 1e-9))  # pyright: ignore[reportArgumentType]
