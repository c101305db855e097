"""The numba kernels of `design`: exchanges of one sample, by eigenvalues in floats and
by rank modulo a prime.

Samples come ordered by result class, as for `_kernels`: class c holds the samples
first[c] .. first[c+1]-1, and `class_of[s]` is c. W (N, r) holds E_i + E_j of each
sample in coordinates of the r directions that some training set drives, so that M,
twice the sum over same-class trained pairs of (w_s - w_t)(w_s - w_t)^T, is H without
its free null space, and lambda_3 is its smallest eigenvalue.

The tableau is simplex-like: `table` (R, N) holds, modulo q, the coordinates of every
sample's vector (its two symbols and its class) in a basis made of the samples `basis`
(R,). Samples are dependent exactly if their columns are.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from efftheory._cache import CACHE
from efftheory._kernels import inverse

N_MODES = 4  # lowest modes that screen a swap; four hold the near-degenerate pairs of symmetric sets, twice
PROGRESS = 1e-10  # a swap must gain more than this share of lambda_3: round-off is no progress, and cannot cycle


@njit(cache=CACHE)
def add_gain(W, first, class_of, trained, s, factor, out):
    """out += factor * 2 sum_v (w_s - w_v)(w_s - w_v)^T over the trained v of the class
    of s: what s is worth to M.
    """
    r = W.shape[1]
    for v in range(first[class_of[s]], first[class_of[s] + 1]):
        if trained[v] and v != s:
            for x in range(r):
                slope = 2.0 * factor * (W[s, x] - W[v, x])
                for y in range(r):
                    out[x, y] += slope * (W[s, y] - W[v, y])


@njit(cache=CACHE)
def gram(W, first, class_of, trained):
    """M (r, r) of the trained samples, from scratch: each is added to those before
    it.
    """
    M = np.zeros((W.shape[1], W.shape[1]))
    present = np.zeros_like(trained)
    for s in range(len(trained)):
        if trained[s]:
            add_gain(W, first, class_of, present, s, 1.0, M)
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
def covered(first, trained):
    """The number of samples whose class has a trained one: |Dbar| where the linear
    representation is unique.
    """
    total = 0
    for c in range(len(first) - 1):
        if trained[first[c] : first[c + 1]].any():
            total += first[c + 1] - first[c]
    return total


@njit(cache=CACHE)
def climb(W, first, class_of, trained, order, cover):
    """Exchange samples of `trained` (in place) as long as that raises lambda_3 and
    leaves `covered` at least at `cover`. Returns lambda_3.

    The exchange algorithm of Cook and Nachtsheim: each trained sample in turn is
    replaced by the best sample outside of the set, until no replacement helps. Swaps
    are screened in the span of the lowest modes of M. The smallest eigenvalue there is
    never below that of M (Rayleigh and Ritz), so no good swap is lost. What passes is
    decided by Cholesky and by the eigenvalues of M.

    It is one function so that all swaps share their scratch matrices.
    """
    N, r = W.shape
    m = min(r, N_MODES)
    M = gram(W, first, class_of, trained)
    values, modes = np.linalg.eigh(M)
    shadow = W @ np.ascontiguousarray(modes[:, :m])  # the samples, seen in the lowest modes
    floor = 1e-12 * max(values[-1], 1.0)  # lambda_3 below it is round-off
    reached = max(values[0], floor)
    count = np.zeros(len(first) - 1, np.int64)
    for s in range(N):
        count[class_of[s]] += trained[s]
    now = covered(first, trained)
    rest, swapped, L = np.empty((r, r)), np.empty((r, r)), np.empty((r, r))
    rest_low, low = np.empty((m, m)), np.empty((m, m))
    idle = 0
    while idle < len(order):
        for a in order:
            idle += 1
            if idle > len(order):
                break
            if not trained[a]:
                continue
            trained[a] = False  # so that the gains below are those of the set without it
            count[class_of[a]] -= 1
            left = now - (first[class_of[a] + 1] - first[class_of[a]] if count[class_of[a]] == 0 else 0)
            rest[:] = M
            add_gain(W, first, class_of, trained, a, -1.0, rest)
            rest_low[:] = 0.0
            for x in range(m):
                rest_low[x, x] = values[x]
            add_gain(shadow, first, class_of, trained, a, -1.0, rest_low)
            best = -1
            for b in range(N):
                if trained[b] or b == a:
                    continue
                c = class_of[b]
                if left + (first[c + 1] - first[c] if count[c] == 0 else 0) < cover:
                    continue
                low[:] = rest_low
                add_gain(shadow, first, class_of, trained, b, 1.0, low)
                if not exceeds(low, reached * (1 + PROGRESS), L):
                    continue
                swapped[:] = rest
                add_gain(W, first, class_of, trained, b, 1.0, swapped)
                if exceeds(swapped, reached * (1 + PROGRESS), L):
                    reached = max(np.linalg.eigvalsh(swapped)[0], reached)
                    best = b
            if best >= 0:
                add_gain(W, first, class_of, trained, best, 1.0, rest)
                M[:] = rest
                values, modes = np.linalg.eigh(M)
                reached = max(values[0], floor)
                shadow = W @ np.ascontiguousarray(modes[:, :m])
                idle = 0
            else:
                best = a
            trained[best] = True
            count[class_of[best]] += 1
            c = class_of[best]
            now = left + (first[c + 1] - first[c] if count[c] == 1 else 0)
    return values[0]


@njit(cache=CACHE)
def pivot(table, basis, row, s, q):
    """Sample s takes the place of basis[row]; table[row, s] is not 0."""
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
def tableau(left, right, class_of, n_symbols, n_classes, q):
    """(table, basis) of all samples, by elimination in their order."""
    N = len(left)
    table = np.zeros((n_symbols + n_classes, N), np.int64)
    for s in range(N):
        table[left[s], s] += 1
        table[right[s], s] += 1
        table[n_symbols + class_of[s], s] = 1
    basis = np.full(len(table), -1, np.int64)
    for s in range(N):
        for row in range(len(table)):
            if basis[row] < 0 and table[row, s] != 0:
                pivot(table, basis, row, s, q)
                break
    return table[basis >= 0], basis[basis >= 0]


@njit(cache=CACHE)
def settle(table, basis, trained, q):
    """Pivot until the basis holds as many trained samples as are independent; returns
    how many.

    Afterwards a trained sample has no coordinate on a basis sample that is not trained.
    """
    for row in range(len(basis)):
        if trained[basis[row]]:
            continue
        for s in range(len(trained)):
            if trained[s] and table[row, s] != 0:
                pivot(table, basis, row, s, q)
                break
    independent = 0
    for s in basis:
        independent += trained[s]
    return independent


@njit(cache=CACHE)
def spanned(table, basis, trained):
    """bool (N,): the samples that depend on trained ones, Dbar(D, P(D)); the table is
    settled.
    """
    inside = np.ones(len(trained), np.bool_)
    for row in range(len(basis)):
        if not trained[basis[row]]:
            for s in range(len(trained)):
                if table[row, s] != 0:
                    inside[s] = False
    return inside


@njit(cache=CACHE)
def widest(table, basis, trained, rows, q):
    """(size, a, b): the exchange of basis sample a for b with the largest span, the
    first found in the order `rows`.

    Without a, the samples outside the span fall into families that differ by a factor
    only; any member of the largest brings the others along. A family is known by a
    polynomial in its coordinates, at a point modulo q. Two are taken for one with a
    chance of 1e-9; the caller counts the span anew.
    """
    R, N = table.shape
    inside = spanned(table, basis, trained)
    scale = np.zeros(N, np.int64)
    label = np.zeros(N, np.int64)
    point = 1_234_567_891 % q
    for s in range(N):
        if not inside[s]:
            for row in range(R):
                if not trained[basis[row]]:
                    if scale[s] == 0 and table[row, s] != 0:
                        scale[s] = inverse(table[row, s], q)
                    label[s] = (label[s] * point + table[row, s] * scale[s]) % q
    best_size, best_a, best_b = -1, -1, -1
    labels = np.empty(N, np.int64)
    for row in rows:
        if not trained[basis[row]]:
            continue
        kept = 0
        for s in range(N):
            kept += inside[s] and table[row, s] == 0
            labels[s] = -1 if inside[s] else (label[s] * point + table[row, s] * scale[s]) % q
        order = np.argsort(labels, kind="mergesort")
        run = 0
        for k in range(N):
            s = order[k]
            if inside[s]:
                continue
            run = run + 1 if k > 0 and labels[order[k - 1]] == labels[s] else 1
            if kept + run > best_size:
                best_size, best_a, best_b = kept + run, basis[row], s
    return best_size, best_a, best_b


@njit(cache=CACHE)
def descend(W, first, class_of, trained, order, table, basis, q):
    """Exchange samples of `trained` (in place), which is linear-unique, as long as it
    stays so and lambda_3 falls. Returns lambda_3.

    Which exchanges keep the linear representation unique is read off the settled
    tableau, exactly. Sample a is needed if its class has others and no trained sample
    outside the basis has a coordinate on it; then just the samples of represented
    classes with a coordinate on a replace it. Else any sample may, and adding lowers no
    eigenvalue: where the set without a is not slower than what is reached, no
    replacement is.

    Swaps are screened in the span of the lowest modes of the set without a. The
    smallest eigenvalue there is never below lambda_3, so what passes is slower; what is
    missed is of second order in the other modes.
    """
    N, r = W.shape
    m = min(r, N_MODES)
    M = gram(W, first, class_of, trained)
    values = np.linalg.eigvalsh(M)
    reached = values[0]
    floor = 1e-12 * max(values[-1], 1.0)  # below it, floats cannot tell slow from slower
    count = np.zeros(len(first) - 1, np.int64)
    row_of = np.full(N, -1, np.int64)
    for s in range(N):
        count[class_of[s]] += trained[s]
    settle(table, basis, trained, q)
    rest, swapped = np.empty((r, r)), np.empty((r, r))
    low, L = np.empty((m, m)), np.empty((m, m))
    idle = 0
    while idle < len(order):
        for a in order:
            idle += 1
            if idle > len(order):
                break
            if not trained[a]:
                continue
            row_of[:] = -1
            for row in range(len(basis)):
                row_of[basis[row]] = row
            row = row_of[a]
            needed = row >= 0 and count[class_of[a]] > 1
            if needed:
                for s in range(N):
                    if trained[s] and s != a and table[row, s] != 0:
                        needed = False
                        break
            trained[a] = False
            count[class_of[a]] -= 1
            rest[:] = M
            add_gain(W, first, class_of, trained, a, -1.0, rest)
            values, modes = np.linalg.eigh(rest)
            best = -1
            if values[0] < reached * (1 - PROGRESS) - floor:
                shadow = W @ np.ascontiguousarray(modes[:, :m])
                for b in range(N):
                    if trained[b] or b == a:
                        continue
                    if needed and (table[row, b] == 0 or count[class_of[b]] == 0):
                        continue
                    low[:] = 0.0
                    for x in range(m):
                        low[x, x] = values[x]
                    add_gain(shadow, first, class_of, trained, b, 1.0, low)
                    if exceeds(low, reached * (1 - PROGRESS) - floor, L):
                        continue
                    swapped[:] = rest
                    add_gain(W, first, class_of, trained, b, 1.0, swapped)
                    slower = np.linalg.eigvalsh(swapped)[0]
                    if slower < reached * (1 - PROGRESS) - floor:
                        reached = slower
                        best = b
            if best >= 0:
                add_gain(W, first, class_of, trained, best, 1.0, rest)
                M[:] = rest
                idle = 0
            else:
                best = a
            trained[best] = True
            count[class_of[best]] += 1
            if best != a:
                settle(table, basis, trained, q)
    return reached
