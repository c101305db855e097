"""The numba kernels of the decoder's kernel, layer by layer, and its derivative;
decoder.py has the equations.

Matrices over samples are filled in their lower triangles only.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from efftheory._activation_kernels import relu_mean, tanh_mean
from efftheory._cache import CACHE
from efftheory._sample_kernels import FAST


class Network(NamedTuple):
    """The decoder: nodes of a quadrature over the first layer's weights (m, c) and
    biases (m,), the square roots of their weights, the initial function's coefficients
    on these features (m, r), and its shape.
    """

    weights: NDArray[np.float64]
    biases: NDArray[np.float64]
    roots: NDArray[np.float64]
    initial: NDArray[np.float64]
    relu: bool
    width: float
    depth: int
    n_outputs: float
    curvature: float
    unit: float
    coherence: float


class Growth(NamedTuple):
    """How far the decoder has come, an entry a layer (depth + 1,), the first unused:
    gammas, width times the variance of a weight into layer l; thetas, what weighs the
    layer in the kernel; lengths, the path length of a weight; and the share of the
    initial weights that weight decay has left.
    """

    gammas: NDArray[np.float64]
    thetas: NDArray[np.float64]
    lengths: NDArray[np.float64]
    decay: float


class Pieces(NamedTuple):
    """The pieces of the kernel at n samples: phi, slope (n, m) by `first_layer`; Q, D
    (depth, n, n) and bends (depth, 5, n, n) by `hidden_layers`; B, T (depth + 1, n, n)
    by `layer_kernels`.
    """

    phi: NDArray[np.float64]
    slope: NDArray[np.float64]
    Q: NDArray[np.float64]
    D: NDArray[np.float64]
    bends: NDArray[np.float64]
    B: NDArray[np.float64]
    T: NDArray[np.float64]


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def grow(network, growth):
    """Fill growth.gammas: of the variance, what is left of the initial one, and what
    the moves have added.
    """
    for i in range(1, network.depth + 1):
        growth.gammas[i] = growth.decay * growth.decay / 3.0
        if i < network.depth:
            growth.gammas[i] += network.coherence * (network.width * growth.lengths[i]) ** 2


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def first_layer(x, network, phi, slope):
    """phi[a, k]: activation at node k of x[a], times its root, so that
    E[h(x_a) h(x_b)] = phi[a] . phi[b]; slope: its derivative by the preactivation.
    """
    for a in range(len(x)):
        for k in range(len(network.biases)):
            z = network.biases[k]
            for q in range(x.shape[1]):
                z += network.weights[k, q] * x[a, q]
            root = network.roots[k]
            if network.relu:
                phi[a, k], slope[a, k] = max(z, 0.0) * root, (root if z > 0.0 else 0.0)
            else:
                y = math.tanh(z)
                phi[a, k], slope[a, k] = y * root, (1.0 - y * y) * root


@njit(cache=CACHE, nogil=True, fastmath=FAST, error_model="numpy")
def hidden_layers(Q, D, bends, gammas, network, begin):
    """From Q[0] upwards, in the rows from `begin` on and on the diagonal, of hidden
    layer l: Q[l] = E[h h], D[l] = E[h' h']; bends[l]: dQ/dC_aa, dQ/dC_bb, dD/dC_aa,
    dD/dC_bb, dD/dC_ab. C = gammas[l] (Q[l-1] + 1/width) is the covariance of the
    preactivations.
    """
    depth, n, _ = Q.shape
    diagonal = np.empty(n)
    for i in range(1, depth):
        gamma, bias = gammas[i], gammas[i] / network.width
        for a in range(n):
            diagonal[a] = gamma * Q[i - 1, a, a] + bias
        for a in range(begin):  # the next layer needs the diagonal
            c = diagonal[a]
            Q[i, a, a] = relu_mean(c, c, c)[0] if network.relu else tanh_mean(c, c, c)[0]
        for a in range(begin, n):
            ca = diagonal[a]
            # in a loop this plain the compiler takes several entries at once
            if network.relu:
                for b in range(a + 1):
                    q, d, qa, qb, da, db, dab = relu_mean(ca, gamma * Q[i - 1, a, b] + bias, diagonal[b])
                    Q[i, a, b], D[i, a, b], bends[i, 0, a, b], bends[i, 1, a, b] = q, d, qa, qb
                    bends[i, 2, a, b], bends[i, 3, a, b], bends[i, 4, a, b] = da, db, dab
            else:
                for b in range(a + 1):
                    q, d, qa, qb, da, db, dab = tanh_mean(ca, gamma * Q[i - 1, a, b] + bias, diagonal[b])
                    Q[i, a, b], D[i, a, b], bends[i, 0, a, b], bends[i, 1, a, b] = q, d, qa, qb
                    bends[i, 2, a, b], bends[i, 3, a, b], bends[i, 4, a, b] = da, db, dab


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def layer_kernels(Q, D, gammas, network, begin, B, T):
    """In the rows from `begin` on. T[l], l = 1 .. depth: the tangent kernel of the
    weights that lead into layer l (the last are the output's), per output. B[l]: width
    times the mean square of an output's derivative by a preactivation.
    """
    depth, n, _ = Q.shape
    width = network.width
    for a in range(begin, n):
        for b in range(a + 1):
            T[depth, a, b] = width * Q[depth - 1, a, b]
    for i in range(depth - 1, 0, -1):
        for a in range(begin, n):
            for b in range(a + 1):
                above = gammas[depth] if i == depth - 1 else B[i + 1, a, b] * gammas[i + 1]
                B[i, a, b] = above * D[i, a, b]
                T[i, a, b] = width * Q[i - 1, a, b] * B[i, a, b]


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def pull_to_features(pieces, network, growth, gram, Qbar, Dbar):
    """The derivative of -sum_ab gram_ab K_ab, K = sum_l thetas[l] T[l], by Q[0]: into
    Qbar[0], where an entry off the diagonal counts for both.
    """
    Q, D, bends, B = pieces.Q, pieces.D, pieces.bends, pieces.B
    gammas, thetas = growth.gammas, growth.thetas
    depth, n, _ = Q.shape
    Qbar[:] = 0.0
    for a in range(n):
        for b in range(a + 1):
            w = -gram[a, b] * network.width * (1.0 if a == b else 2.0)
            Qbar[depth - 1, a, b] += w * thetas[depth]
            back = 0.0  # the derivative by B[i]: through T[i], and through the B below
            for i in range(1, depth):
                back = w * thetas[i] * Q[i - 1, a, b] + (back * gammas[i] * D[i - 1, a, b] if i > 1 else 0.0)
                Qbar[i - 1, a, b] += w * thetas[i] * B[i, a, b]
                Dbar[i, a, b] = back * (gammas[depth] if i == depth - 1 else B[i + 1, a, b] * gammas[i + 1])
    for i in range(depth - 1, 0, -1):
        for a in range(n):
            for b in range(a + 1):
                q, d = Qbar[i, a, b] * gammas[i], Dbar[i, a, b] * gammas[i]
                Qbar[i - 1, a, b] += q * D[i, a, b] + d * bends[i, 4, a, b]
                Qbar[i - 1, a, a] += q * bends[i, 0, a, b] + d * bends[i, 2, a, b]
                Qbar[i - 1, b, b] += q * bends[i, 1, a, b] + d * bends[i, 3, a, b]
