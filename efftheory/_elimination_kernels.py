"""Kernels of the sparse elimination in `elimination.py`; like those of `_kernels.py`
they trust what they get.

The unknowns are the embeddings E_k, numbered k, and the values of the result classes
V_c, numbered p + c; sample s = (i, j) of class c is the equation E_i + E_j = V_c.
Everything is modulo an odd prime q below 2^31, in which every coefficient (1, -1, 2)
can be divided by.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from efftheory._cache import CACHE
from efftheory._kernels import Index, inverse


class Equations(NamedTuple):
    """The equations: the symbols and the class of each, int32 (n,), how many symbols
    and unknowns there are, and the equations of each unknown u,
    incident[begin[u]:begin[u+1]].
    """

    left: Index
    right: Index
    result: Index
    p: int
    n_unknowns: int
    begin: NDArray[np.int64]
    incident: Index


class Plan(NamedTuple):
    """How the equations are solved: see `plan`."""

    rows: Equations
    equations: Index
    unknowns: Index
    n_leaves: int
    guessed: Index
    n_free: int
    spare: Index


class Open(NamedTuple):
    """What is still to do: which equations are not used, which unknowns are known, and
    of each unknown how many unused equations it is in.
    """

    alive: NDArray[np.bool_]
    known: NDArray[np.bool_]
    degree: NDArray[np.int64]


class Steps(NamedTuple):
    """Step t solves equations[t] for unknowns[t]: room for as many as there are
    unknowns.
    """

    equations: Index
    unknowns: Index


@njit(cache=CACHE, inline="always")
def _member(which, rows, s):
    """Unknown `which` = 0, 1, 2 of equation s; -1 for the second symbol of a sample
    (i, i).
    """
    if which == 0:
        return rows.left[s]
    if which == 1:
        return rows.right[s] if rows.right[s] != rows.left[s] else -1
    return rows.p + rows.result[s]


@njit(cache=CACHE, nogil=True)
def _listed(left, right, first, p):
    """The samples as equations."""
    n, n_classes = len(left), len(first) - 1
    n_unknowns = p + n_classes
    result = np.empty(n, np.int32)
    for c in range(n_classes):
        result[first[c] : first[c + 1]] = c
    begin, none = np.zeros(n_unknowns + 1, np.int64), np.empty(0, np.int32)
    rows = Equations(left, right, result, p, n_unknowns, begin, none)
    for s in range(n):
        for which in range(3):
            u = _member(which, rows, s)
            if u >= 0:
                begin[u + 1] += 1
    for u in range(n_unknowns):
        begin[u + 1] += begin[u]
    place = begin[:-1].copy()
    incident = np.empty(begin[-1], np.int32)
    for s in range(n):
        for which in range(3):
            u = _member(which, rows, s)
            if u >= 0:
                incident[place[u]] = s
                place[u] += 1
    return Equations(left, right, result, p, n_unknowns, begin, incident)


@njit(cache=CACHE, nogil=True)
def _peel(rows, todo, steps):
    """Take away the leaves, one after the other; returns how many."""
    n_steps = 0
    stack = np.empty(rows.n_unknowns, np.int32)  # an unknown comes here once, when its degree falls to 1
    top = 0
    for u in range(rows.n_unknowns):
        if todo.degree[u] == 1:
            stack[top] = u
            top += 1
    while top:
        top -= 1
        u = stack[top]
        if todo.degree[u] != 1:
            continue
        for k in range(rows.begin[u], rows.begin[u + 1]):
            s = rows.incident[k]
            if not todo.alive[s]:
                continue
            todo.alive[s] = False
            steps.equations[n_steps], steps.unknowns[n_steps] = s, u
            n_steps += 1
            todo.known[u] = True
            for which in range(3):
                w = _member(which, rows, s)
                if w >= 0:
                    todo.degree[w] -= 1
                    if todo.degree[w] == 1:
                        stack[top] = w
                        top += 1
            break
    return n_steps


@njit(cache=CACHE, nogil=True)
def _count_open(rows, todo):
    """(n_open, ripe): how many unknowns of each equation are not known; in how many
    equations with two of them each unknown is.
    """
    n = len(rows.left)
    n_open, ripe = np.zeros(n, np.int8), np.zeros(rows.n_unknowns, np.int32)
    for s in range(n):
        if todo.alive[s]:
            for which in range(3):
                n_open[s] += _member(which, rows, s) >= 0
    for s in range(n):
        if n_open[s] == 2:
            for which in range(3):
                u = _member(which, rows, s)
                if u >= 0:
                    ripe[u] += 1
    return n_open, ripe


@njit(cache=CACHE, nogil=True)
def _guess(rows, todo, steps, n_steps):
    """Guess unknowns until all are known; returns the guessed ones, and the number of
    steps there are now.
    """
    n_open, ripe = _count_open(rows, todo)
    known, degree = todo.known, todo.degree
    n_left = 0
    for u in range(rows.n_unknowns):
        n_left += not known[u]
    guessed = np.empty(n_left, np.int32)
    n_guessed = 0
    queue = np.empty(len(rows.left), np.int32)  # an equation comes here once, when one unknown is left
    head = tail = 0
    while n_left:
        if head < tail:
            s = queue[head]
            head += 1
            if n_open[s] == 0:
                continue
            u = -1
            for which in range(3):
                w = _member(which, rows, s)
                if w >= 0 and not known[w]:
                    u = w
            todo.alive[s] = False
            steps.equations[n_steps], steps.unknowns[n_steps] = s, u
            n_steps += 1
        else:
            u = -1
            for w in range(rows.n_unknowns):
                if not known[w] and (u < 0 or ripe[w] > ripe[u] or (ripe[w] == ripe[u] and degree[w] > degree[u])):
                    u = w
            guessed[n_guessed] = u
            n_guessed += 1
        known[u] = True
        n_left -= 1
        for k in range(rows.begin[u], rows.begin[u + 1]):
            s = rows.incident[k]
            if n_open[s] == 0:
                continue  # gone with a leaf
            n_open[s] -= 1
            if n_open[s] == 2 or n_open[s] == 1:
                change = 1 if n_open[s] == 2 else -1
                for which in range(3):
                    w = _member(which, rows, s)
                    if w >= 0 and not known[w]:
                        ripe[w] += change
            if n_open[s] == 1:
                queue[tail] = s
                tail += 1
    return guessed[:n_guessed], n_steps


@njit(cache=CACHE, nogil=True)
def plan(left, right, first, p):
    """How the equations are solved, with as few unknowns left over as a greedy choice
    finds.

    1. Leaves: an unknown in one equation only takes that equation away with it, again
       and again.
    2. Of what is left (every unknown in two equations or more), unknowns are guessed,
       and each equation with one unknown left tells it. Where no equation does, the
       unknown in most equations with two unknowns is guessed next.

    Step t solves `equations[t]` for `unknowns[t]`: the first n_leaves steps are leaves,
    in the order of their removal (values are found in the opposite order), the others
    follow from the `guessed` unknowns in this order. `spare`: the equations that no
    step uses; all their unknowns are known. n_free: unknowns in no equation when their
    turn came. O(|D| + guesses * p).
    """
    rows = _listed(left, right, first, p)
    n, n_unknowns = len(left), rows.n_unknowns
    steps = Steps(np.empty(n_unknowns, np.int32), np.empty(n_unknowns, np.int32))
    todo = Open(np.ones(n, np.bool_), np.zeros(n_unknowns, np.bool_), np.diff(rows.begin))
    n_leaves = _peel(rows, todo, steps)
    n_free = 0
    for u in range(n_unknowns):
        if todo.degree[u] == 0 and not todo.known[u]:
            todo.known[u] = True
            n_free += u < p or first[u - p + 1] > first[u - p]  # a class without samples is no unknown
    guessed, n_steps = _guess(rows, todo, steps, n_leaves)
    spare = np.flatnonzero(todo.alive).astype(np.int32)
    return Plan(rows, steps.equations[:n_steps], steps.unknowns[:n_steps], n_leaves, guessed, n_free, spare)


@njit(cache=CACHE, inline="always")
def _tell(i, j, c, u, values, q):
    """The value of unknown u by E_i + E_j = V_c, from the values of the others."""
    if u == c:
        return (values[i] + values[j]) % q
    if i == j:
        return values[c] * ((q + 1) // 2) % q
    return (values[c] + q - values[j if u == i else i]) % q


@njit(cache=CACHE, nogil=True)
def follow(plan, values, q):
    """Fill the values of the unknowns of all steps after the leaves, from those of the
    guessed ones; in place.
    """
    left, right, result, p = plan.rows.left, plan.rows.right, plan.rows.result, plan.rows.p
    equations, unknowns = plan.equations, plan.unknowns
    for t in range(plan.n_leaves, len(equations)):
        s, u = equations[t], unknowns[t]
        values[u] = _tell(left[s], right[s], p + result[s], u, values, q)


@njit(cache=CACHE, nogil=True)
def fill(plan, values, q):
    """Fill the values of all unknowns that a step solves, leaves last, from those of
    the others; in place.
    """
    follow(plan, values, q)
    left, right, result, p = plan.rows.left, plan.rows.right, plan.rows.result, plan.rows.p
    equations, unknowns = plan.equations, plan.unknowns
    for t in range(plan.n_leaves - 1, -1, -1):
        s, u = equations[t], unknowns[t]
        values[u] = _tell(left[s], right[s], p + result[s], u, values, q)


@njit(cache=CACHE, nogil=True)
def misfits(plan, values, q, out):
    """out = E_i + E_j - V_c of the spare equations; values (unknowns,): the guessed
    ones, the others are filled in.
    """
    follow(plan, values, q)
    left, right, result, p = plan.rows.left, plan.rows.right, plan.rows.result, plan.rows.p
    for k in range(len(plan.spare)):
        s = plan.spare[k]
        out[k] = (values[left[s]] + values[right[s]] + q - values[p + result[s]]) % q


@njit(cache=CACHE, nogil=True)
def pull_back(plan, weights, sums, q):
    """The transpose of `misfits`: sums[u] = sum over the spare equations of weight
    d(misfit)/d(value u).

    Right for the guessed unknowns once all steps are undone; `sums` (unknowns,) is
    scratch for the rest.
    """
    left, right, result, p = plan.rows.left, plan.rows.right, plan.rows.result, plan.rows.p
    sums[:] = 0
    for k in range(len(plan.spare)):
        s = plan.spare[k]
        sums[left[s]] += weights[k]  # fewer than 2^32 terms below 2^31
        sums[right[s]] += weights[k]
        sums[p + result[s]] += q - weights[k]
    for t in range(len(plan.equations) - 1, plan.n_leaves - 1, -1):
        s, u = plan.equations[t], plan.unknowns[t]
        weight = sums[u] % q
        i, j, c = left[s], right[s], p + result[s]
        if u == c:
            sums[i] += weight
            sums[j] += weight
        elif i == j:
            sums[c] += weight * ((q + 1) // 2) % q
        else:
            sums[c] += weight
            sums[j if u == i else i] += q - weight


@njit(cache=CACHE, nogil=True)
def misfit_rows(plan, q):
    """The misfits as a matrix (spare, guessed) modulo q."""
    matrix = np.empty((len(plan.guessed), len(plan.spare)), np.int64)
    values = np.zeros(plan.rows.n_unknowns, np.int64)
    for k in range(len(plan.guessed)):
        values[:] = 0
        values[plan.guessed[k]] = 1
        misfits(plan, values, q, matrix[k])
    return matrix.T.copy()


@njit(cache=CACHE, nogil=True)
def recurrence(sequence, q):
    """The shortest linear recurrence of `sequence` modulo q (Berlekamp, Massey).

    (c_0 = 1, c_1 .. c_L) with sum_k c_k sequence[t - k] = 0 for all t >= L.
    O(length^2).
    """
    n = len(sequence)
    current, previous = np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int64)
    saved = np.zeros(n + 1, np.int64)
    current[0] = previous[0] = 1
    length, shift, last = 0, 1, 1
    for t in range(n):
        gap = 0
        for k in range(length + 1):
            gap = (gap + current[k] * sequence[t - k]) % q
        if gap == 0:
            shift += 1
            continue
        factor = q - gap * inverse(last, q) % q
        if 2 * length <= t:
            saved[: length + 1] = current[: length + 1]
            saved[length + 1 :] = 0
            for k in range(n + 1 - shift):
                if previous[k]:
                    current[k + shift] = (current[k + shift] + factor * previous[k]) % q
            length = t + 1 - length
            previous, saved = saved, previous
            last, shift = gap, 1
        else:
            for k in range(n + 1 - shift):
                if previous[k]:
                    current[k + shift] = (current[k + shift] + factor * previous[k]) % q
            shift += 1
    return current[: length + 1].copy()


@njit(cache=CACHE, nogil=True)
def dot(x, y, q):
    """x . y modulo q."""
    total = 0
    for k in range(len(x)):
        total = (total + x[k] * y[k]) % q
    return total
