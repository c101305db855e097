"""The numba kernels that several modules share, and those of modules without a file of
kernels of their own. The public functions check and allocate; these compute.

Samples come ordered by result class: `left[s]`, `right[s]` are the two symbols of
sample s, and class c holds the samples first[c] .. first[c+1]-1. A kernel costs O(|D|)
unless its comment says otherwise.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from efftheory._cache import CACHE
from efftheory.constants import BETA1, BETA2, EPS

FAST = {"contract", "reassoc", "nsz", "arcp"}  # all but the assumption that nothing is inf or nan
Index = NDArray[np.int32]  # symbols, results: half the memory of int64, and half the time to read it


class Samples(NamedTuple):
    """Samples ordered by result class, as the kernels take them: class c is first[c] ..
    first[c+1]-1.

    left, right: int32 (n,), the two symbols of each sample. first: int64
    (n_results + 1,).
    """

    left: Index
    right: Index
    first: NDArray[np.int64]


@njit(cache=CACHE)
def class_order(results, n_results):
    """(order, first): the numbers of the samples by result class, stable; class c is
    order[first[c]:first[c+1]].
    """
    first = np.zeros(n_results + 1, np.int64)
    for result in results:
        first[result + 1] += 1
    for c in range(n_results):
        first[c + 1] += first[c]
    place = first[:-1].copy()
    order = np.empty(len(results), np.int32)
    for s in range(len(results)):
        order[place[results[s]]] = s
        place[results[s]] += 1
    return order, first


@njit(cache=CACHE, nogil=True)
def loss_and_gradient(left, right, first, E, gradient):
    """l0 = sum_c k_c sum_s |u_s - mean_c|^2 with u_s = E_i + E_j; adds dl0/dE into
    `gradient`.

    For one class the sum over its k(k-1)/2 pairs |u_s - u_t|^2 is k times the squared
    deviations from the class mean, which is also the form that does not cancel when the
    class has nearly collapsed.
    """
    total = 0.0
    d = E.shape[1]
    for c in range(len(first) - 1):
        a, b = first[c], first[c + 1]
        k = b - a
        if k < 2:
            continue
        for x in range(d):
            mean = 0.0
            for s in range(a, b):
                mean += E[left[s], x] + E[right[s], x]
            mean /= k
            for s in range(a, b):
                deviation = E[left[s], x] + E[right[s], x] - mean
                total += k * deviation * deviation
                gradient[left[s], x] += 2.0 * k * deviation
                gradient[right[s], x] += 2.0 * k * deviation
    return total


@njit(cache=CACHE)
def hessian(left, right, first, trained, p):
    """H = 2 sum_c [k_c sum_s u_s u_s^T - (sum_s u_s)(sum_s u_s)^T] over the trained
    samples, (p, p).
    """
    H = np.zeros((p, p))
    total = np.zeros(p)
    support = np.empty(p, np.int64)  # the symbols of the class
    for c in range(len(first) - 1):
        k = n_support = 0
        for s in range(first[c], first[c + 1]):
            if trained[s]:
                k += 1
                for i in (left[s], right[s]):
                    if total[i] == 0.0:
                        support[n_support] = i
                        n_support += 1
                    total[i] += 1.0
        if k > 1:
            for s in range(first[c], first[c + 1]):
                if trained[s]:
                    i, j = left[s], right[s]
                    H[i, i] += 2.0 * k
                    H[j, j] += 2.0 * k
                    H[i, j] += 2.0 * k
                    H[j, i] += 2.0 * k
            for x in support[:n_support]:
                for y in support[:n_support]:
                    H[x, y] -= 2.0 * total[x] * total[y]
        for x in support[:n_support]:
            total[x] = 0.0
    return H


@njit(cache=CACHE)
def count_pairs(first, trained):
    """(|D|, |P0(D)|): trained samples, and same-class pairs of them."""
    samples = pairs = 0
    for c in range(len(first) - 1):
        k = 0
        for s in range(first[c], first[c + 1]):
            k += trained[s]
        samples += k
        pairs += k * (k - 1) // 2
    return samples, pairs


@njit(cache=CACHE, nogil=True)
def inverse(value, q):
    """1/value modulo the prime q: by Fermat, but for 1 and -1, which are nearly all
    that occurs here.
    """
    if value == 1 or value == q - 1:
        return value
    result, base, power = 1, value % q, q - 2
    while power:
        if power & 1:
            result = result * base % q
        base = base * base % q
        power >>= 1
    return result


@njit(cache=CACHE, nogil=True)
def insert_row(row, echelon, has_pivot, q):
    """Reduce `row` (entries in 0..q-1) by the echelon form; keep it if it is
    independent.

    echelon[c] is the row whose first nonzero entry is a 1 in column c. True if the rank
    grew.
    """
    p = len(row)
    for c in range(p):
        value = row[c]
        if value == 0:
            continue
        if not has_pivot[c]:
            scale = inverse(value, q)
            for x in range(c, p):
                echelon[c, x] = row[x] * scale % q
            has_pivot[c] = True
            return True
        for x in range(c, p):
            if echelon[c, x] != 0:
                row[x] = (row[x] + (q - value) * echelon[c, x]) % q
    return False


@njit(cache=CACHE, nogil=True)
def null_vector(echelon, has_pivot, free, q):
    """The null vector of an echelon form with these values in the columns without a
    pivot.
    """
    v = free.copy()
    for c in range(len(v) - 1, -1, -1):
        if has_pivot[c]:
            value = 0
            for x in range(c + 1, len(v)):
                value = (value + echelon[c, x] * v[x]) % q
            v[c] = (q - value) % q
    return v


@njit(cache=CACHE, nogil=True)
def equation_row(row, i, j, m, n, q):
    """Write the equation E_i + E_j - E_m - E_n = 0 into `row`, modulo q."""
    row[:] = 0
    row[i] = 1
    row[j] = (row[j] + 1) % q
    row[m] = (row[m] + q - 1) % q
    row[n] = (row[n] + q - 1) % q


@njit(cache=CACHE)
def echelon_form(left, right, first, trained, p, q, full_rank):
    """Row echelon form modulo q of the equations of P0(D): (echelon (p, p), has_pivot
    (p,), rank).

    A class with k trained samples gives k-1 independent equations: each sample against
    the first. Stops at `full_rank`, which no set can exceed.
    """
    echelon = np.zeros((p, p), np.int64)
    has_pivot = np.zeros(p, np.bool_)
    row = np.empty(p, np.int64)
    rank = 0
    for c in range(len(first) - 1):
        anchor = -1
        for s in range(first[c], first[c + 1]):
            if not trained[s]:
                continue
            if anchor < 0:
                anchor = s
                continue
            equation_row(row, left[s], right[s], left[anchor], right[anchor], q)
            if insert_row(row, echelon, has_pivot, q):
                rank += 1
                if rank == full_rank:
                    return echelon, has_pivot, rank
    return echelon, has_pivot, rank


@njit(cache=CACHE)
def reach_closure(left, right, first, trained, echelon, has_pivot, q):
    """Samples whose equation against a trained sample of their class follows from the
    echelon form.

    The value of u_s on each null vector of the equations decides: s and t are tied by
    the closure exactly if all those values agree. O(N n_0).
    """
    free = np.flatnonzero(~has_pivot)
    null = np.zeros((len(free), len(has_pivot)), np.int64)
    for k in range(len(free)):
        null[k, free[k]] = 1
        null[k] = null_vector(echelon, has_pivot, null[k], q)
    reached = trained.copy()
    for c in range(len(first) - 1):
        anchor = -1  # all trained samples of a class have one value: that is what the equations say
        for s in range(first[c], first[c + 1]):
            if trained[s]:
                anchor = s
                break
        if anchor < 0:
            continue
        i, j = left[anchor], right[anchor]
        for s in range(first[c], first[c + 1]):
            if not reached[s]:
                reached[s] = True
                for k in range(len(free)):
                    if (null[k, left[s]] + null[k, right[s]] - null[k, i] - null[k, j]) % q != 0:
                        reached[s] = False
                        break
    return reached


ADAM, ADAMW, SGD = 0, 1, 2


class Rule(NamedTuple):
    """An optimiser, ADAM, ADAMW or SGD (without momentum), with its learning rate and
    weight decay.
    """

    kind: int
    rate: float
    decay: float


@njit(cache=CACHE, nogil=True, fastmath=FAST, error_model="numpy")
def descend(values, gradient, noise, moments, step, rule):
    """Step number `step`, from 1 on, of torch's Adam, AdamW or SGD; all arrays (n,), of
    one kind of floats, but for Adam's moments (2, n).

    noise: the variance of the gradient, which adds to its square; or empty. `gradient`
    is overwritten.
    """
    real = values.dtype.type
    one, b1, b2, eps, rate, decay = real(1.0), real(BETA1), real(BETA2), real(EPS), real(rule.rate), real(rule.decay)
    first, second, keep, sgd = moments[0], moments[1], one - rate * decay, rule.kind == SGD
    c1, c2 = real(1.0 / (1.0 - BETA1**step)), real(1.0 / (1.0 - BETA2**step))
    if rule.kind == ADAM:
        keep = one
        gradient += decay * values
    for i in range(len(values)):
        g = gradient[i]
        m = b1 * first[i] + (one - b1) * g
        v = b2 * second[i] + (one - b2) * (g * g + (noise[i] if len(noise) else real(0.0)))
        first[i], second[i] = m, v
        move = g if sgd else c1 * m / (math.sqrt(c2 * v) + eps)
        values[i] = keep * values[i] - rate * move


@njit(cache=CACHE, error_model="numpy")  # E that has decayed to nothing goes on as nan, not as an exception
def optimizer_flow(left, right, first, path, rule):
    """Descend l_eff = l0/Z0 from path[0] (p, d) by `descend`; fills path[1:]."""
    E, gradient, none = path[0].copy(), np.empty_like(path[0]), np.empty(0)
    moments = np.zeros((2, E.size))
    for step in range(1, len(path)):
        z0 = (E * E).sum()
        gradient[:] = 0.0
        l0 = loss_and_gradient(left, right, first, E, gradient)
        gradient[:] = (gradient - 2.0 * l0 / z0 * E) / z0  # of l0/Z0
        descend(E.ravel(), gradient.ravel(), none, moments, step, rule)
        path[step] = E
