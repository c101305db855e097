"""Kernels of random training sets: what the first samples of a random order determine.
See `criticality.py`.

An order is read as equations: each sample against the first of its class that came
before it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from efftheory._cache import CACHE
from efftheory._kernels import Index, equation_row, insert_row


class Table(NamedTuple):
    """All samples in the order of D0, int32 (N,) each, of p symbols; the rank that is
    asked for; and how many symbols are in an equation of D0.
    """

    left: Index
    right: Index
    results: Index
    n_results: int
    p: int
    full_rank: int
    n_coverable: int


class Equations(NamedTuple):
    """Of an order: the k-th is sample[k] against other[k], there once taken[k] samples
    are; room for one a sample.
    """

    sample: NDArray[np.int64]
    other: NDArray[np.int64]
    taken: NDArray[np.int64]


class Echelon(NamedTuple):
    """Scratch for ranks: the echelon form, its rows by the column that they begin in,
    which there are, and a row.
    """

    rows: NDArray
    has_pivot: NDArray[np.bool_]
    row: NDArray


@njit(cache=CACHE, nogil=True)
def draw_order(rng, order, n):
    """Make order[:n] a random choice of its elements in random order; any order will do
    to begin with.
    """
    for t in range(n):
        other = t + int(rng.random() * (len(order) - t))
        order[t], order[other] = order[other], order[t]


@njit(cache=CACHE, nogil=True)
def list_equations(order, n, results, anchor, equations):
    """Fill `equations` with those that order[:n] gives; returns how many. anchor:
    scratch (n_results,).
    """
    sample, other, taken = equations
    anchor[:] = -1
    k = 0
    for t in range(n):
        s = order[t]
        a = anchor[results[s]]
        sample[k], other[k], taken[k] = s, a, t + 1  # written over if it is no equation: half are not, at random,
        anchor[results[s]] = s if a < 0 else a  # and a processor cannot foresee which
        k += a >= 0
    return k


@njit(cache=CACHE, nogil=True)
def covering(left, right, equations, k, covered, n_coverable):
    """How many of the k equations it takes until `n_coverable` symbols are in one;
    k + 1 if more than all.

    Until then the embedding of one symbol alone can be anything: a lower bound. Leaves
    in `covered` which are.
    """
    sample, other, _ = equations
    covered[:] = False
    missing = n_coverable
    for e in range(k):
        i, j, m, n = left[sample[e]], right[sample[e]], left[other[e]], right[other[e]]
        for x in (i, j, m, n):
            coefficient = (x == i) + (x == j) - (x == m) - (x == n)  # of a table's samples the two may share a symbol
            if coefficient != 0 and not covered[x]:
                covered[x] = True
                missing -= 1
        if missing <= 0:
            return e + 1
    return k + 1


@njit(cache=CACHE, nogil=True)
def equations_to_rank(table, equations, k, q, echelon):
    """How many of the k equations it takes to the full rank modulo q; k + 1 if more
    than all.
    """
    left, right = table.left, table.right
    sample, other, _ = equations
    rows, has_pivot, row = echelon
    has_pivot[:] = False
    rank = 0
    for e in range(k):
        equation_row(row, left[sample[e]], right[sample[e]], left[other[e]], right[other[e]], q)
        rank += insert_row(row, rows, has_pivot, q)
        if rank == table.full_rank:
            return e + 1
    return k + 1


@njit(cache=CACHE, nogil=True)
def thresholds(rng, n_draws, n, table, primes):
    """For random orders the number of samples at which the rank is `full_rank`, n + 1
    where it takes more: (n_draws,).

    Modulo primes[0]. A rank modulo a prime can only fall short, so where the threshold
    is above its lower bound the other primes are asked too.
    """
    found = np.full(n_draws, n + 1, np.int64)
    order, p = np.arange(len(table.left)), table.p
    echelon = Echelon(np.zeros((p, p), np.int64), np.zeros(p, np.bool_), np.empty(p, np.int64))
    covered, anchor = np.empty(p, np.bool_), np.empty(table.n_results, np.int64)
    equations = Equations(np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64))
    for draw in range(n_draws):
        draw_order(rng, order, n)
        k = list_equations(order, n, table.results, anchor, equations)
        least = covering(table.left, table.right, equations, k, covered, table.n_coverable)
        needed = k + 1
        for q in primes:
            if least < needed:
                needed = min(needed, equations_to_rank(table, equations, k, q, echelon))
        if needed <= k:
            found[draw] = equations.taken[needed - 1]
    return found


# For p <= 12 ranks modulo this prime are exact. An equation has a norm of at most
# sqrt(6), but for 2(e_i - e_m), whose 2 no odd prime divides; so by Hadamard a minor of
# 11 rows is at most 6^(11/2) = 19,026. And a row can take 11 multiples of others before
# it is reduced: 11 * 19030^2 is below 2^32. 16 of its entries are one vector
# instruction.
SMALL_PRIME, SMALL_SYMBOLS = 19031, 12
_Q, _LANES = np.uint32(SMALL_PRIME), 16


@njit(cache=CACHE, nogil=True)
def small_equations_to_rank(table, equations, k, inverses, echelon):
    """`equations_to_rank` modulo SMALL_PRIME, p <= 12; inverses: uint32 (SMALL_PRIME,),
    1/x modulo it.
    """
    left, right = table.left, table.right
    sample, other, _ = equations
    rows, has_pivot, row = echelon
    has_pivot[:] = False
    rank = 0
    for e in range(k):
        for x in range(_LANES):
            row[x] = np.uint32(0)
        row[left[sample[e]]] += np.uint32(1)
        row[right[sample[e]]] += np.uint32(1)
        row[left[other[e]]] += _Q - np.uint32(1)
        row[right[other[e]]] += _Q - np.uint32(1)
        for c in range(table.p):
            value = row[c] % _Q
            if value == 0:
                continue
            if has_pivot[c]:
                factor = np.uint32(_Q - value)
                for x in range(_LANES):
                    row[x] += factor * rows[c, x]
                continue
            for x in range(_LANES):
                rows[c, x] = np.uint32(row[x] % _Q * inverses[value]) % _Q
            has_pivot[c] = True
            rank += 1
            break
        if rank == table.full_rank:
            return e + 1
    return k + 1


@njit(cache=CACHE, nogil=True)
def small_thresholds(rng, n_draws, n, table, inverses):
    """As `thresholds`, for p <= 12."""
    found = np.full(n_draws, n + 1, np.int64)
    order, p = np.arange(len(table.left)), table.p
    echelon = Echelon(np.zeros((p, _LANES), np.uint32), np.zeros(p, np.bool_), np.zeros(_LANES, np.uint32))
    covered, anchor = np.empty(p, np.bool_), np.empty(table.n_results, np.int64)
    equations = Equations(np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64))
    for draw in range(n_draws):
        draw_order(rng, order, n)
        k = list_equations(order, n, table.results, anchor, equations)
        if covering(table.left, table.right, equations, k, covered, table.n_coverable) <= k:
            needed = small_equations_to_rank(table, equations, k, inverses, echelon)
            if needed <= k:
                found[draw] = equations.taken[needed - 1]
    return found


@njit(cache=CACHE, nogil=True)
def ternary_rank_is_full(table, equations, k, plus, minus):
    """Whether the equations have the full rank modulo 3, p <= 12, no symbol twice in a
    class.

    A row is two sets of bits, where it is 1 and where it is -1; adding two rows takes a
    dozen instructions. plus and minus: scratch (2^p,), the rows of the echelon form by
    the bit that they begin with.
    """
    left, right = table.left, table.right
    sample, other, _ = equations
    pivots = rank = 0
    for e in range(k):
        i, j, m, n = left[sample[e]], right[sample[e]], left[other[e]], right[other[e]]
        ones, twos = (1 << i) | (1 << j), (1 << m) | (1 << n)
        if i == j:  # 2 = -1
            ones, twos = 0, twos | ones
        if m == n:
            ones, twos = ones | (1 << m), twos & ~(1 << m)
        while ones | twos:
            bit = (ones | twos) & -(ones | twos)
            if not pivots & bit:
                if ones & bit:
                    plus[bit], minus[bit] = ones, twos
                else:
                    plus[bit], minus[bit] = twos, ones
                pivots |= bit
                rank += 1
                break
            # the pivot row begins with 1: take it away from a row with 1 there, add it
            # to one with -1
            if ones & bit:
                p_ones, p_twos = minus[bit], plus[bit]
            else:
                p_ones, p_twos = plus[bit], minus[bit]
            none, p_none = ~(ones | twos), ~(p_ones | p_twos)
            ones, twos = (
                (ones & p_none) | (p_ones & none) | (twos & p_twos),
                (twos & p_none) | (p_twos & none) | (ones & p_ones),
            )
        if rank == table.full_rank:
            return True
    return False


@njit(cache=CACHE, nogil=True)
def small_count(rng, n_draws, n, table, inverses):
    """How many of random training sets of n samples have the full rank, p <= 12, no
    symbol twice in a class.

    The rank modulo 3 is full for nearly all that have the full rank, and then proves
    it; the others are asked modulo SMALL_PRIME. Sets in which a symbol is in no
    equation are out at once.
    """
    order, p = np.arange(len(table.left)), table.p
    echelon = Echelon(np.zeros((p, _LANES), np.uint32), np.zeros(p, np.bool_), np.zeros(_LANES, np.uint32))
    anchor = np.empty(table.n_results, np.int64)
    equations = Equations(np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64))
    plus, minus = np.zeros(1 << p, np.int64), np.zeros(1 << p, np.int64)
    symbols = np.empty(len(order), np.int64)
    for s in range(len(order)):
        symbols[s] = (1 << table.left[s]) | (1 << table.right[s])
    count = 0
    for _ in range(n_draws):
        draw_order(rng, order, n)
        k = list_equations(order, n, table.results, anchor, equations)
        covered = 0
        for e in range(k):
            covered |= symbols[equations.sample[e]] | symbols[equations.other[e]]
        if k < table.full_rank or covered != (1 << p) - 1:
            continue
        if ternary_rank_is_full(table, equations, k, plus, minus):
            count += 1
        else:
            count += small_equations_to_rank(table, equations, k, inverses, echelon) <= k
    return count
