"""Where along a line do shares change? A partition into segments of constant shares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

# What a cut must gain in log-likelihood, and how much less likely than the best one a
# cut of an interval may be. A change point has no chi-squared, so both are calibrated
# by simulation: 4,000 lines of 13 points with two phases, of each kind.
#
#                                    p = 0.1: 1, 3, 5 seeds    p = 0.25: 1, 3, 5 seeds
#   no step, p everywhere: boundary     1.0,  1.5,  0.6 %         4.0,  3.3,  1.9 %
#   from p to 1 - p: boundary          58.0, 94.1, 98.6 %        24.4, 55.3, 76.0 %
#   whose interval holds the cut         99,   99,   99 %          90,   96,   97 %
#
# At p = 0.5 about 5 % have one, of 49 points with 3 seeds 10.1 %.
_PENALTY = 4.0
_DROP = 4.0
_ROUNDING = 1e-9  # log-likelihoods nearer than this are equal


class Change(NamedTuple):
    """A cut between two segments.

    Attributes:
        before, after: int64 (k,), how many of each kind the segments have.
        best, within: first and last of the equally likely cuts, and of those of its
            likelihood interval; a cut has the number of the first point behind it.
    """

    before: NDArray[np.int64]
    after: NDArray[np.int64]
    best: tuple[int, int]
    within: tuple[int, int]


def changes(counts: NDArray[np.int64]) -> Iterator[Change]:
    """The cuts of a line of n points, of which each has so many of k kinds, int64
    (n, k), at which the commonest kind changes (of equally common ones the first).

    In each segment every kind has one probability: the partition is that with the
    greatest likelihood, less a penalty a cut. The interval of a cut holds all that have
    the same commonest kinds on both sides and are not much less likely while the cuts
    beside it stay.
    """
    likelihood = _log_likelihoods(counts)
    ends = _partition(likelihood)
    for begin, cut, end in zip(ends, ends[1:], ends[2:], strict=False):
        cuts = np.arange(begin + 1, end)
        before = counts[begin:end].cumsum(axis=0)
        behind = before[-1] - before[:-1]
        near, far = before[:-1].argmax(axis=1), behind.argmax(axis=1)  # the first of equals
        here = cut - begin - 1
        if near[here] == far[here]:
            continue
        cuts = cuts[(near == near[here]) & (far == far[here])]  # others are other changes
        total = likelihood[begin, cuts] + likelihood[cuts, end]
        best, within = (cuts[total >= total.max() - drop] for drop in (_ROUNDING, _DROP))
        yield Change(before[here], behind[here], (best[0], best[-1]), (within[0], within[-1]))


def _log_likelihoods(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """[i, j] is that of the points from i to j - 1 as one segment, each kind's
    probability at its best value.
    """
    sums = np.concatenate((np.zeros_like(counts[:1]), counts.cumsum(axis=0)))
    segments = np.abs(sums - sums[:, None])
    n_runs = segments.sum(axis=-1)
    return xlogy(segments, segments).sum(axis=-1) - xlogy(n_runs, n_runs)


def _partition(likelihood: NDArray[np.float64]) -> list[int]:
    """Where the segments of the best partition begin, and where the last one ends."""
    best = np.full(len(likelihood), _PENALTY)  # of the points before j; the first segment needs no cut
    last = np.zeros(len(likelihood), dtype=int)  # where the last segment of them begins
    for j in range(1, len(likelihood)):
        total = best[:j] + likelihood[:j, j] - _PENALTY
        last[j] = np.argmax(total >= total.max() - _ROUNDING)
        best[j] = total[last[j]]
    ends = [len(likelihood) - 1]
    while ends[0]:
        ends.insert(0, int(last[ends[0]]))
    return ends
