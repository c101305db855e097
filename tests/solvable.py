"""Two systems that grok and are solved: the perceptron in one dimension, and the first
gradient of a neuron on a parity.

The perceptron. Positive samples are at eps + u, negative ones at -eps - u, u
exponential of mean 1; so 2 eps is the gap between the classes. The perceptron sgn(x -
b) has its threshold b for its only weight, and gradient flow lowers the mean over the
training samples of (x - b - y)^2 / 2, y = 1 or -1, plus l2 b^2 / 2 + l1 |b|. The
classes are balanced, so that the y cancel and the threshold goes where the samples'
mean draws it. It remembers when it has passed the nearest training sample, and
generalises when it is in the gap. Source: Zunkovic and Ilievski, "Grokking phase
transitions in learning local rules with gradient descent" (2210.15435). The formulas
are theirs; what their symbols mean, here and in each function, is our reading, the one
which simulation bears out.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


def threshold_limit(mean: float, l1: float = 0.0, l2: float = 0.0) -> float:
    """x_l = (mean - l1)/(1 + l2): where a threshold that is above 0 goes, as long as it
    is there.

    It is below eps, where the gap begins, if and only if `mean`, that of all training
    samples of both classes, is below eps_l = eps (1 + l2) + l1.
    """
    return (mean - l1) / (1 + l2)


def threshold_path(times: ArrayLike, start: float, limit: float, l2: float = 0.0) -> NDArray[np.float64]:
    """b(t) = x_l - (x_l - b0) exp(-(1 + l2) t) at these times, of b0 = `start` and x_l
    = `limit`. If l1 is not 0, this is right until b has another sign than b0.
    """
    return limit - (limit - start) * np.exp(-(1 + l2) * np.asarray(times, float))


def grokking_time(nearest: float, limit: float, eps: float, l2: float = 0.0) -> float:
    """t_G = ln((eps + x_min - x_l)/(eps - x_l))/(1 + l2): from no error on the training
    samples to no error at all, of a threshold that comes from above; inf if it never
    enters the gap. `nearest` is x_min, how far beyond the gap's edge the nearest
    positive training sample is, so that it is at eps + x_min.

    As printed, xbar is in the place of x_l. It is the mean of the training samples only
    if l1 = l2 = 0; else simulation agrees with the limit x_l.
    """
    return math.log((eps + nearest - limit) / (eps - limit)) / (1 + l2) if limit < eps else math.inf


def grokking_probability(eps: float, l1: float = 0.0, l2: float = 0.0) -> float:
    """P = 1 - (1 + 2 eps_l) exp(-4 eps_l), eps_l = eps (1 + l2) + l1: that the
    threshold ends in the gap, for N = 2 training samples of each class.

    It is P(|mean| < eps_l), the mean of all four being a quarter of the difference of
    two sums of two exponential variables.
    """
    eps_l = eps * (1 + l2) + l1
    return 1 - (1 + 2 * eps_l) * math.exp(-4 * eps_l)


def majority_coefficient(n: int, order: int) -> float:
    """The Fourier coefficient E[Maj(x) prod_{i in S} x_i] of the majority of n bits of
    -1 and 1, n odd, at any set S of `order` coordinates, odd.

    With m = (n - 1)/2 and j = (order - 1)/2 it is (-1)^j C(m, j) / C(n - 1, order - 1)
    C(n - 1, m) / 2^(n - 1). (At even orders it is 0, since Maj is odd.)

    Source: O'Donnell, "Analysis of Boolean functions", theorem 5.19.
    """
    m, j = (n - 1) // 2, (order - 1) // 2
    size = math.comb(m, j) * math.comb(n - 1, m) / (math.comb(n - 1, order - 1) * 2 ** (n - 1))
    return -size if j % 2 else size


def fourier_gap(n: int, k: int) -> float:
    """How much larger the population gradient of a ReLU neuron is at a relevant
    coordinate of a (n, k) parity than at an irrelevant one, n odd and k even.

    The neuron's weights are all of one size and sign, without bias, so its derivative
    is the half-space indicator (1 + Maj(x))/2. Against the parity of a set S of k
    coordinates, the gradient's entry i is E[(1 + Maj(x))/2 x_i prod_{s in S} x_s]: the
    indicator's coefficient at S without i if i is relevant, else at S with i. So the
    gap is (|c_{k-1}| - |c_{k+1}|)/2, c of the majority, whose order is odd at both. It
    is 0 at k = (n + 1)/2 and below 0 beyond.

    Source: Barak et al., "Hidden progress in deep learning" (2207.08799); they ask for
    this difference to be positive, and bound it.
    """
    return (abs(majority_coefficient(n, k - 1)) - abs(majority_coefficient(n, k + 1))) / 2
