"""Kernels of the sparse elimination in `elimination.py`; like those of `_kernels.py`
they trust what they get.

Everything is modulo an odd prime q below 2^31, in which every coefficient (1, 2, -1)
can be divided by.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from efftheory._cache import CACHE
from efftheory._kernels import Index, insert_row


class Equations(NamedTuple):
    """Equation s is sum_k coefficients[s, k] x[members[s, k]] = 0: int8 and int32
    (n, 3). The last unknown is none: it has coefficients and the value 0.

    Unknown u is in the equations incident[first[u]:first[u+1]].
    """

    members: Index
    coefficients: NDArray[np.int8]
    first: NDArray[np.int64]
    incident: Index


class Plan(NamedTuple):
    """How equations are solved: see `plan`."""

    equations: Index
    unknowns: Index
    guessed: Index
    n_free: int
    spare: Index


@njit(cache=CACHE, nogil=True)
def plan(system):
    """How the equations are solved, with as few unknowns left over as a greedy choice
    finds.

    1. Leaves: an unknown in one equation only takes that equation away with it, again
       and again. n_free unknowns are in none when their turn comes.
    2. Of what is left (every unknown in two equations or more), unknowns are guessed,
       and each equation with one unknown left tells it. Where no equation does, the
       unknown in most equations with two unknowns is guessed next.

    Step t solves `equations[t]` for `unknowns[t]`: first what the `guessed` unknowns
    tell, then the leaves, the last one taken away first. `spare`: the equations that no
    step uses. O(|D| + guesses * unknowns).
    """
    members, _, first, incident = system
    n, nobody = len(members), len(first) - 2
    used, known = np.zeros(n, np.bool_), np.zeros(nobody + 1, np.bool_)
    degree = np.diff(first)  # of each unknown the unused equations
    degree[nobody], known[nobody] = 0, True
    equations, unknowns = np.empty(nobody, np.int32), np.empty(nobody, np.int32)

    end = nobody  # leaves fill both lists from the end
    stack = np.empty(nobody, np.int32)  # an unknown comes here once, when its degree falls to 1
    top = 0
    for u in range(nobody):
        if degree[u] == 1:
            stack[top] = u
            top += 1
    while top:
        top -= 1
        u = stack[top]
        for s in incident[first[u] : first[u + 1]]:
            if used[s] or degree[u] != 1:
                continue
            end -= 1
            equations[end], unknowns[end] = s, u
            used[s] = known[u] = True
            for w in members[s]:
                degree[w] -= 1
                if degree[w] == 1:
                    stack[top] = w
                    top += 1

    n_free = 0
    for u in range(nobody):
        if degree[u] == 0 and not known[u]:
            known[u] = True
            n_free += 1
    n_open = np.zeros(n, np.int8)  # unknowns of each equation that are not known
    ripe = np.zeros(nobody + 1, np.int64)  # of each unknown the equations with two such
    for s in range(n):
        if not used[s]:
            for u in members[s]:
                n_open[s] += not known[u]
            if n_open[s] == 2:
                for u in members[s]:
                    ripe[u] += 1
    guessed = np.empty(nobody, np.int32)
    n_guessed = begin = 0
    queue = np.empty(n, np.int32)  # an equation comes here once, when one unknown is left
    head = tail = 0
    for _ in range(nobody + 1 - known.sum()):
        while head < tail and n_open[queue[head]] == 0:
            head += 1
        if head < tail:
            s, u = queue[head], nobody
            for w in members[s]:
                u = u if known[w] else w
            used[s] = True
            equations[begin], unknowns[begin] = s, u
            begin += 1
        else:
            u = np.argmax(np.where(known, -1, ripe * (n + 1) + degree))
            guessed[n_guessed] = u
            n_guessed += 1
        known[u] = True
        for s in incident[first[u] : first[u + 1]]:
            n_open[s] -= 1
            if n_open[s] == 2 or n_open[s] == 1:
                for w in members[s]:
                    ripe[w] += 1 if n_open[s] == 2 else -1
            if n_open[s] == 1:
                queue[tail] = s
                tail += 1
    equations[begin : begin + nobody - end] = equations[end:].copy()
    unknowns[begin : begin + nobody - end] = unknowns[end:].copy()
    n_steps = begin + nobody - end
    spare = np.flatnonzero(~used).astype(np.int32)
    return Plan(equations[:n_steps], unknowns[:n_steps], guessed[:n_guessed], n_free, spare)


@njit(cache=CACHE, inline="always")
def _over(value, coefficient, q):
    """value / coefficient, where that is 1, 2 or -1."""
    return value * ((q + 1) // 2 if coefficient == 2 else coefficient) % q


@njit(cache=CACHE, nogil=True)
def fill(system, plan, values, q):
    """Fill the values of the unknowns that a step solves from those of the others; in
    place.
    """
    members, coefficients, _, _ = system
    for t in range(len(plan.equations)):
        s, u = plan.equations[t], plan.unknowns[t]
        others, own = 0, 1
        for k in range(3):
            if members[s, k] == u:
                own = coefficients[s, k]
            else:
                others += coefficients[s, k] * values[members[s, k]]
        values[u] = _over(-others % q, own, q)


@njit(cache=CACHE, nogil=True)
def combination(system, plan, weights, q):
    """The sum of the spare equations with these weights (spare,), as an equation of the
    guessed unknowns: its coefficients (guesses,).

    The steps are undone in the opposite order: each unknown gives what it has to those
    that tell it.
    """
    members, coefficients, _, _ = system
    sums = np.zeros(len(system.first) - 1, np.int64)
    for e in range(len(plan.spare)):
        s = plan.spare[e]
        for k in range(3):
            sums[members[s, k]] += coefficients[s, k] * weights[e]  # fewer than 2^31 terms below 2^32
    for t in range(len(plan.equations) - 1, -1, -1):
        s, u = plan.equations[t], plan.unknowns[t]
        weight = sums[u] % q
        if weight == 0:
            continue
        for k in range(3):
            if members[s, k] == u:
                weight = _over(weight, coefficients[s, k], q)
        for k in range(3):
            if members[s, k] != u:
                sums[members[s, k]] -= coefficients[s, k] * weight
    return sums[plan.guessed] % q


@njit(cache=CACHE, nogil=True)
def eliminate(system, plan, q, full_rank, rng):
    """(echelon (guesses, guesses), has_pivot (guesses,), rank) of the spare equations.

    Random combinations of them, until one is no news, or `full_rank` is reached, which
    they cannot exceed.
    """
    m = len(plan.guessed)
    echelon, has_pivot = np.zeros((m, m), np.int64), np.zeros(m, np.bool_)
    weights = np.empty(len(plan.spare), np.int64)
    rank = 0
    while rank < full_rank:
        for e in range(len(weights)):
            weights[e] = int(rng.random() * q)
        if not insert_row(combination(system, plan, weights, q), echelon, has_pivot, q):
            break
        rank += 1
    return echelon, has_pivot, rank
