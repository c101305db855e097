"""Kernels of the sparse elimination in `elimination.py`; like those of `_kernels.py` they trust what they get.

The unknowns are the embeddings E_k, numbered k, and the values of the result classes V_c, numbered p + c; sample
s = (i, j) of class c is the equation E_i + E_j = V_c. Everything is modulo an odd prime q below 2^31, in which every
coefficient (1, -1, 2) can be divided by.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from efftheory._kernels import inverse


@njit(cache=True, inline="always")
def _member(which, left, right, result, s, p):
    """Unknown `which` = 0, 1, 2 of equation s; -1 for the second symbol of a sample (i, i)."""
    if which == 0:
        return left[s]
    if which == 1:
        return right[s] if right[s] != left[s] else -1
    return p + result[s]


@njit(cache=True, nogil=True)
def plan(left, right, first, p):
    """How the equations are solved, with as few unknowns left over as a greedy choice finds:

    (result, equations, unknowns, n_leaves, guessed, n_free, spare)

    1. Leaves: an unknown in one equation only takes that equation away with it, again and again.
    2. Of what is left (every unknown in two equations or more), unknowns are guessed, and each equation with one
       unknown left tells it. Where no equation does, the unknown in most equations with two unknowns is guessed next.

    Step t solves `equations[t]` for `unknowns[t]`: the first n_leaves steps are leaves, in the order of their removal
    (values are found in the opposite order), the others follow from the `guessed` unknowns in this order. `spare`: the
    equations that no step uses; all their unknowns are known. n_free: unknowns in no equation when their turn came.
    O(|D| + guesses * p).
    """
    n, n_classes = len(left), len(first) - 1
    n_unknowns = p + n_classes
    result = np.empty(n, np.int32)
    for c in range(n_classes):
        result[first[c] : first[c + 1]] = c
    # the equations of each unknown
    begin = np.zeros(n_unknowns + 1, np.int64)
    for s in range(n):
        for which in range(3):
            u = _member(which, left, right, result, s, p)
            if u >= 0:
                begin[u + 1] += 1
    degree = begin[1:].copy()
    for u in range(n_unknowns):
        begin[u + 1] += begin[u]
    place = begin[:-1].copy()
    incident = np.empty(begin[-1], np.int32)
    for s in range(n):
        for which in range(3):
            u = _member(which, left, right, result, s, p)
            if u >= 0:
                incident[place[u]] = s
                place[u] += 1

    equations, unknowns = np.empty(n_unknowns, np.int32), np.empty(n_unknowns, np.int32)
    n_steps = 0
    alive = np.ones(n, np.bool_)
    known = np.zeros(n_unknowns, np.bool_)
    stack = np.empty(n_unknowns, np.int32)  # an unknown comes here once, when its degree falls to 1
    top = 0
    for u in range(n_unknowns):
        if degree[u] == 1:
            stack[top] = u
            top += 1
    while top:
        top -= 1
        u = stack[top]
        if degree[u] != 1:
            continue
        for k in range(begin[u], begin[u + 1]):
            s = incident[k]
            if not alive[s]:
                continue
            alive[s] = False
            equations[n_steps], unknowns[n_steps] = s, u
            n_steps += 1
            known[u] = True
            for which in range(3):
                w = _member(which, left, right, result, s, p)
                if w >= 0:
                    degree[w] -= 1
                    if degree[w] == 1:
                        stack[top] = w
                        top += 1
            break
    n_leaves = n_steps

    n_free = 0
    for u in range(n_unknowns):
        if degree[u] == 0 and not known[u]:
            known[u] = True
            n_free += u < p or first[u - p + 1] > first[u - p]  # a class without samples is no unknown

    n_open = np.zeros(n, np.int8)  # unknowns of each equation that are not known
    for s in range(n):
        if alive[s]:
            for which in range(3):
                n_open[s] += _member(which, left, right, result, s, p) >= 0
    ripe = np.zeros(n_unknowns, np.int32)  # equations with two open unknowns, this one of them
    for s in range(n):
        if n_open[s] == 2:
            for which in range(3):
                u = _member(which, left, right, result, s, p)
                if u >= 0:
                    ripe[u] += 1
    n_left = 0
    for u in range(n_unknowns):
        n_left += not known[u]
    guessed = np.empty(n_left, np.int32)
    n_guessed = 0
    queue = np.empty(n, np.int32)  # an equation comes here once, when one unknown is left
    head = tail = 0
    while n_left:
        if head < tail:
            s = queue[head]
            head += 1
            if n_open[s] == 0:
                continue
            u = -1
            for which in range(3):
                w = _member(which, left, right, result, s, p)
                if w >= 0 and not known[w]:
                    u = w
            alive[s] = False
            equations[n_steps], unknowns[n_steps] = s, u
            n_steps += 1
        else:
            u = -1
            for w in range(n_unknowns):
                if not known[w] and (u < 0 or ripe[w] > ripe[u] or (ripe[w] == ripe[u] and degree[w] > degree[u])):
                    u = w
            guessed[n_guessed] = u
            n_guessed += 1
        known[u] = True
        n_left -= 1
        for k in range(begin[u], begin[u + 1]):
            s = incident[k]
            if n_open[s] == 0:
                continue  # gone with a leaf
            n_open[s] -= 1
            if n_open[s] == 2 or n_open[s] == 1:
                change = 1 if n_open[s] == 2 else -1
                for which in range(3):
                    w = _member(which, left, right, result, s, p)
                    if w >= 0 and not known[w]:
                        ripe[w] += change
            if n_open[s] == 1:
                queue[tail] = s
                tail += 1
    n_spare = 0
    for s in range(n):
        n_spare += alive[s]
    spare = np.empty(n_spare, np.int32)
    n_spare = 0
    for s in range(n):
        if alive[s]:
            spare[n_spare] = s
            n_spare += 1
    return result, equations[:n_steps], unknowns[:n_steps], n_leaves, guessed[:n_guessed], n_free, spare


@njit(cache=True, nogil=True)
def _tell(left, right, result, s, u, values, p, q):
    """The value of unknown u by equation s, from the values of the others."""
    i, j, c = left[s], right[s], p + result[s]
    if u == c:
        return (values[i] + values[j]) % q
    if i == j:
        return values[c] * ((q + 1) // 2) % q
    return (values[c] + q - values[j if u == i else i]) % q


@njit(cache=True, nogil=True)
def follow(left, right, result, equations, unknowns, n_leaves, values, p, q):
    """Fill the values of the unknowns of all steps after the leaves, from those of the guessed ones; in place."""
    for t in range(n_leaves, len(equations)):
        values[unknowns[t]] = _tell(left, right, result, equations[t], unknowns[t], values, p, q)


@njit(cache=True, nogil=True)
def fill_leaves(left, right, result, equations, unknowns, n_leaves, values, p, q):
    """Fill the values of the leaves, last removed first, from those of all other unknowns; in place."""
    for t in range(n_leaves - 1, -1, -1):
        values[unknowns[t]] = _tell(left, right, result, equations[t], unknowns[t], values, p, q)


@njit(cache=True, nogil=True)
def misfits(left, right, result, spare, values, p, q, out):
    """out = E_i + E_j - V_c of the spare equations."""
    for k in range(len(spare)):
        s = spare[k]
        out[k] = (values[left[s]] + values[right[s]] + q - values[p + result[s]]) % q


@njit(cache=True, nogil=True)
def pull_back(left, right, result, equations, unknowns, n_leaves, spare, weights, sums, p, q):
    """The transpose of `follow`, then `misfits`: sums[u] = sum over the spare equations of weight d(misfit)/d(value u).

    Right for the guessed unknowns once all steps are undone; `sums` (unknowns,) is scratch for the rest.
    """
    sums[:] = 0
    for k in range(len(spare)):
        s = spare[k]
        sums[left[s]] += weights[k]  # fewer than 2^32 terms below 2^31
        sums[right[s]] += weights[k]
        sums[p + result[s]] += q - weights[k]
    for t in range(len(equations) - 1, n_leaves - 1, -1):
        s, u = equations[t], unknowns[t]
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


@njit(cache=True, nogil=True)
def misfit_rows(left, right, result, equations, unknowns, n_leaves, guessed, spare, p, n_unknowns, q):
    """The misfits as a matrix (spare, guessed) modulo q."""
    matrix = np.empty((len(guessed), len(spare)), np.int64)
    values = np.zeros(n_unknowns, np.int64)
    for k in range(len(guessed)):
        values[:] = 0
        values[guessed[k]] = 1
        follow(left, right, result, equations, unknowns, n_leaves, values, p, q)
        misfits(left, right, result, spare, values, p, q, matrix[k])
    return matrix.T.copy()


@njit(cache=True, nogil=True)
def recurrence(sequence, q):
    """The shortest linear recurrence of `sequence` modulo q (Berlekamp, Massey).

    (c_0 = 1, c_1 .. c_L) with sum_k c_k sequence[t - k] = 0 for all t >= L. O(length^2).
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


@njit(cache=True, nogil=True)
def dot(x, y, q):
    """x . y modulo q."""
    total = 0
    for k in range(len(x)):
        total = (total + x[k] * y[k]) % q
    return total
