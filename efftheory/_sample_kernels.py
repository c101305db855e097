"""The numba kernels of samples and embeddings: what is composed, and how many
parallelograms close. An embedding is flat here, E (p, c); a matrix has c = d*d.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from efftheory._cache import CACHE
from efftheory._kernels import FAST, Index, Samples

# Of the largest entry of a dimension, and of all: what varies by less is round-off, or
# nothing in squares.
COLLAPSED, NOTHING = 1e-12, 1e-140


class Part(NamedTuple):
    """Some samples, each int32 (n,): their two symbols, and their results."""

    left: Index
    right: Index
    results: Index


class TrainingSet(NamedTuple):
    """D0 in two parts, what is trained on and what is not; all of it by result class,
    for RQI, with the square of its delta; and whether embeddings are multiplied.
    """

    train: Part
    test: Part
    every: Samples
    delta2: float
    product: bool


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def compose(E, samples, product, x):
    """What a decoder is shown of the samples, x (n, c): E_i + E_j, or the matrix
    product E_i E_j.
    """
    c = E.shape[1]
    m = int(math.sqrt(c) + 0.5)
    for a in range(len(samples.left)):
        i, j = samples.left[a], samples.right[a]
        if not product:
            for q in range(c):
                x[a, q] = E[i, q] + E[j, q]
            continue
        for r in range(m):
            for s in range(m):
                total = 0.0
                for k in range(m):
                    total += E[i, r * m + k] * E[j, k * m + s]
                x[a, r * m + s] = total


@njit(cache=CACHE, nogil=True)
def collapsed(E, product):
    """Whether E (p, c) tells symbols apart too little to have a quality, so that its
    RQI is 0: composed by a sum if it is constant along a dimension, which cannot be
    standardised, and by a product if it is 0, which has no scale. The one place that
    says so.
    """
    p, c = E.shape
    largest = 0.0
    for k in range(p):
        for x in range(c):
            largest = max(largest, abs(E[k, x]))
    if product:
        return largest == 0.0
    for x in range(c):
        low = high = E[0, x]
        for k in range(1, p):
            low, high = min(low, E[k, x]), max(high, E[k, x])
        if high - low <= max(COLLAPSED * max(abs(low), abs(high)), NOTHING * largest):
            return True
    return False


@njit(cache=CACHE, nogil=True)
def of_usual_size(E):
    """E (p, c), divided by a power of 2 (exactly, then) near its largest entry where
    its fourth powers might overflow or vanish: RQI does not depend on it.
    """
    largest = 0.0
    for k in range(E.shape[0]):
        for x in range(E.shape[1]):
            largest = max(largest, abs(E[k, x]))
    if 1e-5 < largest < 1e60 or not 0.0 < largest < np.inf:
        return E
    power = math.frexp(largest)[1]
    return E / math.ldexp(1.0, min(max(power, -1000), 1000))  # whose reciprocal is a float as well


@njit(cache=CACHE, nogil=True, error_model="numpy")
def standardized(E, samples, product):
    """The composed samples (n, c) of E: of sums each dimension has mean 0 and unbiased
    standard deviation 1; products are divided by the mean square of E.
    """
    E = of_usual_size(E)
    p, c = E.shape
    shown = np.empty_like(E)
    for x in range(c):
        mean, scale = 0.0, math.sqrt((E * E).mean())
        if not product:
            mean = E[:, x].mean()
            scale = math.sqrt(((E[:, x] - mean) ** 2).sum() / (p - 1))
        for k in range(p):
            shown[k, x] = (E[k, x] - mean) / scale
    composed = np.empty((len(samples.left), c))
    compose(shown, samples, product, composed)
    return composed


@njit(inline="always")
def close(x, s, o, delta2):
    """Whether samples s and o of x (n, c) are a parallelogram: the mean over dimensions
    of (x_s - x_o)^2 is below delta2.
    """
    residual = 0.0
    for q in range(x.shape[1]):
        residual += (x[s, q] - x[o, q]) ** 2
    return residual < delta2 * x.shape[1]


@njit(cache=CACHE, nogil=True)
def count_close(x, first, delta2):
    """Same-class pairs of x (n, c) that are close. O(|P0|): unlike the loss, a count
    over thresholds has no class-sum form.
    """
    count = 0
    for k in range(len(first) - 1):
        for s in range(first[k], first[k + 1]):
            for o in range(s + 1, first[k + 1]):
                count += close(x, s, o, delta2)
    return count


@njit(cache=CACHE)
def reach_close(x, first, trained, delta2):
    """Samples of x (n, c) that are trained, or close to a trained sample of their
    class.
    """
    reached = trained.copy()
    for k in range(len(first) - 1):
        for s in range(first[k], first[k + 1]):
            for o in range(first[k], first[k + 1]):
                if reached[s]:
                    break
                reached[s] = trained[o] and close(x, s, o, delta2)
    return reached


@njit(cache=CACHE, nogil=True)
def rqi(E, samples, product, delta2):
    """The share of the parallelograms of all samples that E closes; nan where there are
    none, 0 where E has collapsed.
    """
    pairs = 0
    for k in range(len(samples.first) - 1):
        size = samples.first[k + 1] - samples.first[k]
        pairs += size * (size - 1) // 2
    if pairs == 0:
        return np.nan
    if collapsed(E, product):
        return 0.0
    return count_close(standardized(E, samples, product), samples.first, delta2) / pairs
