"""The numba kernels of `design`: exchanges of one sample, by eigenvalues in floats and
by rank modulo a prime. Samples come ordered by result class, as for `_kernels`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from efftheory._cache import CACHE
from efftheory._kernels import inverse

N_MODES = 4  # lowest modes that screen a swap; four hold the near-degenerate pairs of symmetric sets, twice
PROGRESS = 1e-10  # a swap must gain more than this share of lambda_3: round-off is no progress, and cannot cycle


class Geometry(NamedTuple):
    """Where the samples are: E_i + E_j of each in coordinates of the r directions that
    some training set drives, `sums` float64 (N, r). Class c is first[c] ..
    first[c+1]-1, and class_of[s] is c.

    M, twice the sum over same-class trained pairs of (w_s - w_t)(w_s - w_t)^T with
    w = sums, is H without its free null space: lambda_3 is its smallest eigenvalue.
    """

    sums: NDArray[np.float64]
    first: NDArray[np.int64]
    class_of: NDArray[np.int64]


class Tableau(NamedTuple):
    """As in the simplex method: coordinates (R, N), modulo a prime, of the vector of
    every sample (its two symbols and its class), in the basis of the samples `basis`
    (R,). Samples are dependent exactly if their columns are.
    """

    table: NDArray[np.int64]
    basis: NDArray[np.int64]
    prime: int


@njit(cache=CACHE)
def add_gain(geometry, trained, s, factor, out):
    """out += factor * 2 sum_v (w_s - w_v)(w_s - w_v)^T over the trained v of the class
    of s: what s is worth to M.
    """
    W, first, class_of = geometry
    r = W.shape[1]
    for v in range(first[class_of[s]], first[class_of[s] + 1]):
        if trained[v] and v != s:
            for x in range(r):
                slope = 2.0 * factor * (W[s, x] - W[v, x])
                for y in range(r):
                    out[x, y] += slope * (W[s, y] - W[v, y])


@njit(cache=CACHE)
def gram(geometry, trained):
    """M (r, r) of the trained samples: each is added to those before it."""
    r = geometry.sums.shape[1]
    M, present = np.zeros((r, r)), np.zeros_like(trained)
    for s in range(len(trained)):
        if trained[s]:
            add_gain(geometry, present, s, 1.0, M)
            present[s] = True
    return M


@njit(cache=CACHE)
def exceeds(A, bound, L):
    """Whether the smallest eigenvalue of A is above `bound`: whether A - bound has a
    Cholesky factor (written to L).
    """
    for x in range(len(A)):
        for y in range(x + 1):
            value = A[x, y]
            for z in range(y):
                value -= L[x, z] * L[y, z]
            if x > y:
                L[x, y] = value / L[y, y]
            else:
                value -= bound
                if value <= 0.0:
                    return False
                L[x, x] = np.sqrt(value)
    return True


@njit(cache=CACHE)
def exchange(geometry, trained, order, cover, rising):
    """Exchange samples of `trained` (in place) while lambda_3 rises and the classes
    with a trained sample hold at least `cover` samples, or else while it falls and
    stays above 0: lambda_3. Below 1e-12 of the largest eigenvalue it counts as 0.

    Cook and Nachtsheim's exchange: each trained sample in turn gives way to its best
    replacement, until none has a better one. Replacements are screened in the lowest
    modes, those of the set without the sample or, where lambda_3 rises, of the set
    itself, which need not be found for each. By Rayleigh and Ritz an eigenvalue is
    never larger than the one found there. So the screen loses no replacement that
    raises lambda_3; of those that lower it, it loses only what the other modes would
    lower, which is of second order. What passes it is decided by all modes.

    One function, for all it tries shares one set of scratch matrices: a swap costs
    neither a call nor an allocation.
    """
    W, first, class_of = geometry
    N, r = W.shape
    m = min(r, N_MODES)
    M = gram(geometry, trained)
    values = np.linalg.eigvalsh(M)
    reached, floor = values[0], 1e-12 * max(values[-1], 1.0)
    count, sizes = np.zeros(len(first) - 1, np.int64), np.diff(first)
    for s in range(N):
        count[class_of[s]] += trained[s]
    covered = sizes[count > 0].sum()
    rest, swapped, L = np.empty((r, r)), np.empty((r, r)), np.empty((r, r))
    rest_low, low = np.empty((m, m)), np.empty((m, m))
    shadow, stale, idle = geometry, True, 0  # the samples as the modes see them, once there are any
    while idle < len(order):
        for a in order:
            idle += 1
            if idle > len(order):
                break
            if not trained[a]:
                continue
            trained[a] = False  # so that the gains below are those of the set without it
            count[class_of[a]] -= 1
            covered -= sizes[class_of[a]] if count[class_of[a]] == 0 else 0
            rest[:] = M
            add_gain(geometry, trained, a, -1.0, rest)
            if stale or not rising:
                values, modes = np.linalg.eigh(M if rising else rest)
                shadow = Geometry(W @ np.ascontiguousarray(modes[:, :m]), first, class_of)
                reached, stale = values[0] if rising else reached, False
            best, least, most = a, max(reached, floor) * (1 + PROGRESS), np.inf
            if not rising:
                least, most = floor, reached * (1 - PROGRESS) - floor
            rest_low[:] = np.diag(values[:m])
            if rising:
                add_gain(shadow, trained, a, -1.0, rest_low)
            for b in range(N):
                if trained[b] or b == a or values[0] >= most:  # adding lowers no eigenvalue
                    continue
                if covered + (sizes[class_of[b]] if count[class_of[b]] == 0 else 0) < cover:
                    continue
                low[:] = rest_low
                add_gain(shadow, trained, b, 1.0, low)
                if not exceeds(low, least, L) or exceeds(low, most, L):
                    continue
                swapped[:] = rest
                add_gain(geometry, trained, b, 1.0, swapped)
                if not exceeds(swapped, least, L):
                    continue
                value = np.linalg.eigvalsh(swapped)[0]
                if least < value < most:
                    best, reached = b, value
                    least, most = (value * (1 + PROGRESS), most) if rising else (least, value * (1 - PROGRESS) - floor)
            if best != a:
                add_gain(geometry, trained, best, 1.0, rest)
                M[:] = rest
                idle, stale = 0, True
            trained[best] = True
            count[class_of[best]] += 1
            covered += sizes[class_of[best]] if count[class_of[best]] == 1 else 0
    return reached


@njit(cache=CACHE)
def pivot(tableau, row, s):
    """Sample s takes the place of basis[row]; table[row, s] is not 0."""
    table, basis, q = tableau
    scale = inverse(table[row, s], q)
    for x in range(table.shape[1]):
        if table[row, x] != 0:
            table[row, x] = table[row, x] * scale % q
    for y in range(len(table)):
        factor = table[y, s]
        if y != row and factor != 0:
            for x in range(table.shape[1]):
                if table[row, x] != 0:
                    table[y, x] = (table[y, x] + (q - factor) * table[row, x]) % q
    basis[row] = s


@njit(cache=CACHE)
def make_tableau(left, right, class_of, n_symbols, n_classes, q):
    """The tableau of all samples, by elimination in their order."""
    N = len(left)
    table = np.zeros((n_symbols + n_classes, N), np.int64)
    for s in range(N):
        table[left[s], s] += 1
        table[right[s], s] += 1
        table[n_symbols + class_of[s], s] = 1
    found = Tableau(table, np.full(len(table), -1, np.int64), q)
    for s in range(N):
        for row in range(len(table)):
            if found.basis[row] < 0 and table[row, s] != 0:
                pivot(found, row, s)
                break
    inside = found.basis >= 0
    return Tableau(table[inside], found.basis[inside], q)


@njit(cache=CACHE)
def settle(tableau, trained):
    """Pivot until the basis holds as many trained samples as are independent; returns
    how many.

    Afterwards a trained sample has no coordinate on a basis sample that is not trained.
    """
    table, basis, _ = tableau
    for row in range(len(basis)):
        if trained[basis[row]]:
            continue
        for s in range(len(trained)):
            if trained[s] and table[row, s] != 0:
                pivot(tableau, row, s)
                break
    return trained[basis].sum()


@njit(cache=CACHE)
def spanned(tableau, trained):
    """bool (N,): the samples that depend on trained ones, Dbar(D, P(D)); the tableau is
    settled.
    """
    inside = np.ones(len(trained), np.bool_)
    for row in range(len(tableau.basis)):
        if not trained[tableau.basis[row]]:
            inside &= tableau.table[row] == 0
    return inside


@njit(cache=CACHE)
def widest(tableau, trained, rows):
    """(size, a, b): the exchange of basis sample a for b with the largest span, the
    first found in the order `rows`.

    Without a, the samples outside the span fall into families that differ by a factor
    only; any member of the largest brings the others along. A family is told by a
    polynomial in its coordinates, at a point modulo the prime: a chance of 1e-9 to take
    two for one, which the caller sees when it counts.
    """
    table, basis, q = tableau
    R, N = table.shape
    inside = spanned(tableau, trained)
    scale, label = np.zeros(N, np.int64), np.zeros(N, np.int64)
    point = 1_234_567_891 % q
    for s in np.flatnonzero(~inside):
        for row in range(R):
            if not trained[basis[row]]:
                if scale[s] == 0 and table[row, s] != 0:
                    scale[s] = inverse(table[row, s], q)
                label[s] = (label[s] * point + table[row, s] * scale[s]) % q
    best_size, best_a, best_b = -1, -1, -1
    for row in rows:
        if not trained[basis[row]]:
            continue
        kept = (inside & (table[row] == 0)).sum()
        labels = np.where(inside, -1, (label * point + table[row] * scale) % q)
        order = np.argsort(labels, kind="mergesort")
        run = 0
        for k in range(inside.sum(), N):
            run = run + 1 if k > 0 and labels[order[k - 1]] == labels[order[k]] else 1
            if kept + run > best_size:
                best_size, best_a, best_b = kept + run, basis[row], order[k]
    return best_size, best_a, best_b
