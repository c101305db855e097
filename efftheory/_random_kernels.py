"""Kernels of random training sets: what the first samples of a random order determine.
See `criticality.py`.

An order is read as equations: each sample against the first of its class that came
before it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from efftheory._cache import CACHE
from efftheory._kernels import Index, equation_row, insert_row


class AllSamples(NamedTuple):
    """All samples in the order of D0, int32 (N,) each, of p symbols, and the rank of
    their equations.
    """

    left: Index
    right: Index
    results: Index
    n_results: int
    p: int
    full_rank: int


@njit(cache=CACHE, nogil=True)
def draw_order(rng, order, n):
    """Make order[:n] a random choice of its elements in random order; any order will do
    to begin with.
    """
    for t in range(n):
        other = t + int(rng.random() * (len(order) - t))
        order[t], order[other] = order[other], order[t]


@njit(cache=CACHE, nogil=True)
def thresholds(rng, n_draws, n, samples, primes):
    """For random orders the number of samples at which the rank is `full_rank`, n + 1
    where it takes more: (n_draws,).

    A rank modulo a prime can only fall short, so each prime is asked for a lower
    threshold. None can find one if the last sample is the first with an equation of
    some symbol: before, the embedding of that one alone can be anything.
    """
    left, right, results, n_results, p, full_rank = samples
    found, order = np.full(n_draws, n + 1, np.int64), np.arange(len(left))
    echelon, has_pivot, row = np.zeros((p, p), np.int64), np.empty(p, np.bool_), np.empty(p, np.int64)
    covered, anchor = np.empty(p, np.bool_), np.empty(n_results, np.int64)
    for draw in range(n_draws):
        draw_order(rng, order, n)
        proved = False
        for q in primes:
            if proved:
                break
            anchor[:], has_pivot[:], covered[:] = -1, False, False
            rank = 0
            for t in range(found[draw] - 1):
                s = order[t]
                a = anchor[results[s]]
                if a < 0:
                    anchor[results[s]] = s
                    continue
                equation_row(row, left[s], right[s], left[a], right[a], q)
                proved = False
                for x in (left[s], right[s], left[a], right[a]):
                    if row[x] != 0 and not covered[x]:
                        covered[x] = proved = True
                rank += insert_row(row, echelon, has_pivot, q)
                if rank == full_rank:
                    found[draw] = t + 1
                    break
            else:
                proved = False
    return found
