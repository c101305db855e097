"""The numba kernels of decoder.py, which has the equations: the decoder's kernel layer by layer, and the embeddings
that move in the potential of the decoder that fits them.

Matrices over samples are filled in their lower triangles only.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

from efftheory.constants import ACCURACY_THRESHOLD, BETA1, BETA2, EPS, RQI_THRESHOLD

# A step of the flow stands for as many steps of the optimiser as move no embedding by more than the resolution; not for
# more than these: twice as many as the last, a twentieth of all so far, a fifth of the memory of Adam's second moment.
_FASTER, _SHARE, _MOST = 2.0, 0.05, 200.0

# tanh u = sum_k a_k erf(s_k u) within 1.03e-3, the best two terms: then every Gaussian mean has a closed form.
A1, A2, S1, S2 = 0.4355577, 0.5644423, 0.61554595, 1.08696827

_FAST = {"contract", "reassoc", "nsz", "arcp"}  # all but the assumption that nothing is inf or nan


class Table(NamedTuple):
    """All of D0, which of it is trained on, and the parallelograms: pairs (first, second) of samples of one class."""

    left: NDArray[np.int32]
    right: NDArray[np.int32]
    results: NDArray[np.int32]
    trained: NDArray[np.int64]
    tested: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    product: bool
    delta2: float


class Network(NamedTuple):
    """The decoder: nodes of a quadrature over the first layer's weights (m, c) and biases (m,), the square roots of
    their weights, the initial function's coefficients on these features (m, r), and its shape.
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


class Rates(NamedTuple):
    """Learning rates, weight decays and optimisers of embeddings and decoder."""

    repr_lr: float
    repr_wd: float
    repr_sgd: bool
    decoder_lr: float
    decoder_wd: float
    decoder_sgd: bool
    warmup: float
    gain: float


class Records(NamedTuple):
    """The flow at times (T,): embeddings path (T, p, c); curves (T, 4): train accuracy, test accuracy, RQI, mean
    squared residual; layers (T, 2, depth): theta and path length of the layers 1 .. depth. crossed (3,): the first step
    with train accuracy >= 0.9, test accuracy >= 0.9, RQI > 0.95, inf where there is none.
    """

    times: NDArray[np.float64]
    path: NDArray[np.float64]
    curves: NDArray[np.float64]
    layers: NDArray[np.float64]
    crossed: NDArray[np.float64]


def _arcsine_coefficients() -> tuple[float, ...]:
    """(asin(s) / s - 1) / s^2 as a polynomial in s^2 on [0, 1/4], to 1e-15: numba's own asin is a call per entry."""
    nodes = 0.125 + 0.125 * np.cos(np.pi * (np.arange(14) + 0.5) / 14)
    values = (np.arcsin(np.sqrt(nodes)) / np.sqrt(nodes) - 1) / nodes
    fit = Polynomial.fit(nodes, values, 11, domain=[0, 0.25], window=[0, 0.25])
    return tuple(fit.coef.tolist())


# by name: a loop over them would keep the compiler from taking several entries at once
_C0, _C1, _C2, _C3, _C4, _C5, _C6, _C7, _C8, _C9, _C10, _C11 = _arcsine_coefficients()


@njit(inline="always")
def _arcsine(z):
    size = abs(z)
    big = size > 0.5
    t = 0.5 * (1.0 - size) if big else z * z
    s = math.sqrt(t)
    series = ((((((_C11 * t + _C10) * t + _C9) * t + _C8) * t + _C7) * t + _C6) * t + _C5) * t + _C4
    series = (((series * t + _C3) * t + _C2) * t + _C1) * t + _C0
    angle = s + s * t * series
    return math.copysign(math.pi / 2 - 2.0 * angle if big else angle, z)


@njit(inline="always")
def _erf_means(ca, cab, cb, s, t, amplitude):
    """What a pair of terms erf(s u), erf(t v) adds to `_tanh_mean`."""
    ss, tt, st = 2.0 * s * s, 2.0 * t * t, 2.0 * s * t
    A, B, C = 1.0 + ss * ca, 1.0 + tt * cb, st * cab
    AB = A * B
    root = 1.0 / math.sqrt(AB - C * C)
    slope = 2.0 / math.pi * amplitude * root
    q = 2.0 / math.pi * amplitude * _arcsine(C / math.sqrt(AB))
    qa, qb = -0.5 * slope * C / A * ss, -0.5 * slope * C / B * tt
    d = slope * st
    bend = d * root * root
    return q, d, qa, qb, -0.5 * bend * B * ss, -0.5 * bend * A * tt, bend * C * st


@njit(inline="always")
def _tanh_mean(ca, cab, cb):
    """For (u, v) ~ N(0, [[ca, cab], [cab, cb]]): q = E[h(u) h(v)], d = E[h'(u) h'(v)] = dq/dcab, and the derivatives
    dq/dca, dq/dcb, dd/dca, dd/dcb, dd/dcab.
    """
    q1, d1, qa1, qb1, da1, db1, dab1 = _erf_means(ca, cab, cb, S1, S1, A1 * A1)
    q2, d2, qa2, qb2, da2, db2, dab2 = _erf_means(ca, cab, cb, S1, S2, A1 * A2)
    q3, d3, qa3, qb3, da3, db3, dab3 = _erf_means(ca, cab, cb, S2, S1, A1 * A2)
    q4, d4, qa4, qb4, da4, db4, dab4 = _erf_means(ca, cab, cb, S2, S2, A2 * A2)
    return (
        q1 + q2 + q3 + q4,
        d1 + d2 + d3 + d4,
        qa1 + qa2 + qa3 + qa4,
        qb1 + qb2 + qb3 + qb4,
        da1 + da2 + da3 + da4,
        db1 + db2 + db3 + db4,
        dab1 + dab2 + dab3 + dab4,
    )


@njit(inline="always")
def _relu_mean(ca, cab, cb):
    """As `_tanh_mean`, for max(u, 0)."""
    norm = math.sqrt(ca * cb)
    cosine = min(max(cab / norm, -1.0), 1.0)
    sine = math.sqrt(1.0 - cosine * cosine)
    opening = math.pi - math.acos(cosine)
    q = norm * (sine + opening * cosine) / (2.0 * math.pi)
    d = opening / (2.0 * math.pi)
    dab = 1.0 / (2.0 * math.pi * norm * sine) if sine > 1e-6 else 0.0  # where two samples meet, d has a kink
    share = sine / (4.0 * math.pi)
    return (
        q,
        d,
        share * math.sqrt(cb / ca),
        share * math.sqrt(ca / cb),
        -0.5 * dab * cab / ca,
        -0.5 * dab * cab / cb,
        dab,
    )


@njit(cache=True, nogil=True, fastmath=_FAST)
def first_layer(x, network, phi, slope):
    """phi[a, k]: activation at node k of x[a], times its root, so that E[h(x_a) h(x_b)] = phi[a] . phi[b]; slope: its
    derivative by the preactivation.
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


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def hidden_layers(Q, D, bends, gammas, network, begin):
    """From Q[0] upwards, in the rows from `begin` on and on the diagonal: Q[l] = E[h h], D[l] = E[h' h'] of hidden
    layer l; bends[l]: dQ/dC_aa, dQ/dC_bb, dD/dC_aa, dD/dC_bb, dD/dC_ab. C = gammas[l] (Q[l-1] + 1/width) is the
    covariance of the preactivations.
    """
    depth, n, _ = Q.shape
    diagonal = np.empty(n)
    for i in range(1, depth):
        gamma, bias = gammas[i], gammas[i] / network.width
        for a in range(n):
            diagonal[a] = gamma * Q[i - 1, a, a] + bias
        for a in range(begin):  # the next layer needs the diagonal
            c = diagonal[a]
            Q[i, a, a] = _relu_mean(c, c, c)[0] if network.relu else _tanh_mean(c, c, c)[0]
        for a in range(begin, n):
            ca = diagonal[a]
            # in a loop this plain the compiler takes several entries at once
            if network.relu:
                for b in range(a + 1):
                    q, d, qa, qb, da, db, dab = _relu_mean(ca, gamma * Q[i - 1, a, b] + bias, diagonal[b])
                    Q[i, a, b], D[i, a, b], bends[i, 0, a, b], bends[i, 1, a, b] = q, d, qa, qb
                    bends[i, 2, a, b], bends[i, 3, a, b], bends[i, 4, a, b] = da, db, dab
            else:
                for b in range(a + 1):
                    q, d, qa, qb, da, db, dab = _tanh_mean(ca, gamma * Q[i - 1, a, b] + bias, diagonal[b])
                    Q[i, a, b], D[i, a, b], bends[i, 0, a, b], bends[i, 1, a, b] = q, d, qa, qb
                    bends[i, 2, a, b], bends[i, 3, a, b], bends[i, 4, a, b] = da, db, dab


@njit(cache=True, nogil=True, fastmath=_FAST)
def layer_kernels(Q, D, gammas, network, begin, B, T):
    """In the rows from `begin` on. T[l], l = 1 .. depth: the tangent kernel of the weights that lead into layer l (the
    last are the output's), per output. B[l]: width times the mean square of an output's derivative by a preactivation.
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


@njit(cache=True, nogil=True, fastmath=_FAST)
def pull_to_features(Q, D, bends, B, gammas, network, thetas, gram, Qbar, Dbar):
    """The derivative of -sum_ab gram_ab K_ab, K = sum_l thetas[l] T[l], by Q[0]: into Qbar[0], where an entry off the
    diagonal counts for both.
    """
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


@njit(cache=True, nogil=True, fastmath=_FAST)
def solve(K, Y):
    """Y -> K^-1 Y in place, by a Cholesky factor that overwrites K; False where K is not positive definite."""
    n, r = Y.shape
    for i in range(n):
        for j in range(i + 1):
            total = K[i, j]
            for k in range(j):
                total -= K[i, k] * K[j, k]
            if j < i:
                K[i, j] = total * K[j, j]  # the diagonal holds inverses
            elif total > 0.0:
                K[i, i] = 1.0 / math.sqrt(total)
            else:
                return False
        for j in range(i):
            for c in range(r):
                Y[i, c] -= K[i, j] * Y[j, c]
        for c in range(r):
            Y[i, c] *= K[i, i]
    for i in range(n - 1, -1, -1):
        for c in range(r):
            Y[i, c] *= K[i, i]
        for j in range(i):
            for c in range(r):
                Y[j, c] -= K[i, j] * Y[i, c]
    return True


@njit(cache=True, nogil=True, fastmath=_FAST)
def compose(E, table, which, x):
    """What the decoder sees of the samples `which`: E_i + E_j, or the matrix product E_i E_j; E, x are flat, (., c)."""
    c = E.shape[1]
    m = int(math.sqrt(c) + 0.5)
    for a in range(len(which)):
        i, j = table.left[which[a]], table.right[which[a]]
        if not table.product:
            for q in range(c):
                x[a, q] = E[i, q] + E[j, q]
            continue
        for r in range(m):
            for s in range(m):
                total = 0.0
                for k in range(m):
                    total += E[i, r * m + k] * E[j, k * m + s]
                x[a, r * m + s] = total


@njit(cache=True, nogil=True, fastmath=_FAST)
def pull_to_embeddings(E, table, force, gradient):
    """The gradient by the embeddings (p, c) from that by the composed training samples (n, c)."""
    c = E.shape[1]
    m = int(math.sqrt(c) + 0.5)
    gradient[:] = 0.0
    for a in range(len(table.trained)):
        i, j = table.left[table.trained[a]], table.right[table.trained[a]]
        if not table.product:
            for q in range(c):
                gradient[i, q] += force[a, q]
                gradient[j, q] += force[a, q]
            continue
        for r in range(m):
            for s in range(m):
                f = force[a, r * m + s]
                for k in range(m):
                    gradient[i, r * m + k] += f * E[j, k * m + s]
                    gradient[j, k * m + s] += f * E[i, r * m + k]


@njit(cache=True, nogil=True, fastmath=_FAST)
def rqi(E, table):
    """The share of the parallelograms whose standardised mean squared residual is below delta2."""
    p, c = E.shape
    x = np.empty((len(table.left), c))
    compose(E, table, np.arange(len(table.left)), x)
    scale = np.empty(c)
    for q in range(c):
        scale[q] = (E * E).mean() ** 2 if table.product else ((E[:, q] - E[:, q].mean()) ** 2).sum() / (p - 1)
    hits = 0
    for s in range(len(table.first)):
        total = 0.0
        for q in range(c):
            residual = x[table.first[s], q] - x[table.second[s], q]
            total += residual * residual / (scale[q] + 1e-300)
        hits += total < table.delta2 * c
    return hits / len(table.first) if len(table.first) else np.nan


@njit(cache=True, nogil=True, fastmath=_FAST)
def kernels_at(E, table, which, network, gammas, begin=0):
    """All pieces of the decoder's kernel at the samples `which`, in the rows from `begin` on: phi, slope, Q, D, bends,
    B, T.
    """
    n, m, depth = len(which), len(network.biases), network.depth
    x, phi, slope = np.empty((n, E.shape[1])), np.empty((n, m)), np.empty((n, m))
    Q, D, bends = np.empty((depth, n, n)), np.empty((depth, n, n)), np.empty((depth, 5, n, n))
    B, T = np.empty((depth + 1, n, n)), np.empty((depth + 1, n, n))
    compose(E, table, which, x)
    first_layer(x, network, phi, slope)
    np.dot(phi, phi.T, Q[0])
    hidden_layers(Q, D, bends, gammas, network, begin)
    layer_kernels(Q, D, gammas, network, begin, B, T)
    return phi, slope, Q, D, bends, B, T


@njit(cache=True, nogil=True, fastmath=_FAST)
def fit(table, network, targets, decay, thetas, phi, T, residual):
    """The ridge fit: residual (n, r) of a decoder that started from its initial function; False if it overflowed."""
    n, r = residual.shape
    f0 = np.dot(phi, network.initial)
    shrink = network.curvature * decay ** (network.depth + 1)
    K = np.empty((n, n))
    for a in range(n):
        result = table.results[table.trained[a]]
        for y in range(r):
            residual[a, y] = targets[result, y] - shrink * f0[a, y]
        for b in range(a + 1):
            total = 0.0
            for i in range(1, network.depth + 1):
                total += thetas[i] * T[i, a, b]
            K[a, b] = network.curvature * total
        K[a, a] += 1.0
    return solve(K, residual)


@njit(cache=True, nogil=True, fastmath=_FAST)
def pull(E, table, network, gammas, thetas, decay, residual, phi, slope, Q, D, bends, B, gradient):
    """gradient (p, c) of half the summed squared residual by the embeddings, the decoder held where it is."""
    n, c, m = len(table.trained), E.shape[1], len(network.biases)
    Qbar, Dbar, force = np.empty_like(Q), np.empty_like(Q), np.empty((n, c))
    pull_to_features(Q, D, bends, B, gammas, network, thetas, np.dot(residual, residual.T), Qbar, Dbar)
    G = Qbar[0]
    for a in range(n):
        for b in range(a):
            G[a, b] *= 0.5
            G[b, a] = G[a, b]
    by_phi = np.dot(G, phi) - decay ** (network.depth + 1) * np.dot(residual, network.initial.T)
    for a in range(n):
        for q in range(c):
            total = 0.0
            for k in range(m):
                total += by_phi[a, k] * slope[a, k] * network.weights[k, q]
            force[a, q] = total
    pull_to_embeddings(E, table, force, gradient)


@njit(cache=True, nogil=True, fastmath=_FAST)
def accuracies(E, table, network, targets, gammas, thetas, decay, residual):
    """(train, test): the share of samples whose output is nearest to the right target; nan without test samples."""
    n, n_test, r = len(table.trained), len(table.tested), residual.shape[1]
    which = np.concatenate((table.trained, table.tested))
    phi, _, _, _, _, _, T = kernels_at(E, table, which, network, gammas, n)
    outputs = np.dot(phi, network.initial) * decay ** (network.depth + 1)
    norms = np.empty(len(targets))
    for k in range(len(targets)):
        norms[k] = (targets[k] * targets[k]).sum()
    hits = np.zeros(2)
    for a in range(n + n_test):
        result = table.results[which[a]]
        if a < n:  # what is not residual
            for y in range(r):
                outputs[a, y] = (targets[result, y] - residual[a, y]) / network.curvature
        else:
            for b in range(n):
                total = 0.0
                for i in range(1, network.depth + 1):
                    total += thetas[i] * T[i, a, b]
                for y in range(r):
                    outputs[a, y] += total * residual[b, y]
        nearest, best = -1, np.inf
        for k in range(len(targets)):
            distance = norms[k]
            for y in range(r):
                distance -= 2.0 * outputs[a, y] * targets[k, y]
            if distance < best:
                nearest, best = k, distance
        hits[int(a >= n)] += nearest == result
    return hits[0] / n, (hits[1] / n_test if n_test else np.nan)


@njit(cache=True, nogil=True, fastmath=_FAST)
def decoder_flow(E, table, network, rates, targets, steps, resolution, spacing, records):
    """Move E (p, c) for `steps` updates of the optimiser in the potential of the decoder that fits it.

    Fills `records`, at least `spacing` times the time apart, and returns how many there are. Ends early where all is
    learned, or where numbers overflow.
    """
    p, c = E.shape
    n, r, depth, width = len(table.trained), targets.shape[1], network.depth, network.width
    residual, here, gradient = np.empty((n, r)), np.empty((n, r)), np.empty((p, c))
    m1, m2 = np.zeros((p, c)), np.zeros((p, c))  # Adam's moments of the embeddings' gradient
    last = np.zeros((p, c))  # the embeddings' last move
    gammas, thetas, lengths = np.empty(depth + 1), np.zeros(depth + 1), np.zeros(depth + 1)
    seconds = np.zeros(depth + 1)  # Adam's second moment in each layer of the decoder
    unit = network.unit / n
    t, h, power1, power2, decay = 0.0, 1.0, 1.0, 1.0, 1.0
    n_records, next_record = 0, 0.0
    if rqi(E, table) > RQI_THRESHOLD:
        records.crossed[2] = 0.0
    while n_records < len(records.times):
        grow(gammas, lengths, decay, network)
        phi, slope, Q, D, bends, B, T = kernels_at(E, table, table.trained, network, gammas)
        if t == 0.0 and not fit(table, network, targets, decay, thetas, phi, T, residual):
            break
        if t >= next_record or t == steps:
            # once the kernel is sharp, the fit at the last place says little about this one
            if not fit(table, network, targets, decay, thetas, phi, T, here):
                break
            train, test = accuracies(E, table, network, targets, gammas, thetas, decay, here)
            high = rqi(E, table)
            if records.crossed[0] == np.inf and train >= ACCURACY_THRESHOLD:
                records.crossed[0] = t
            if records.crossed[1] == np.inf and test >= ACCURACY_THRESHOLD:
                records.crossed[1] = t
            records.times[n_records], records.path[n_records] = t, E
            curve = records.curves[n_records]
            curve[0], curve[1], curve[2], curve[3] = train, test, high, (here * here).sum() / (n * network.n_outputs)
            records.layers[n_records, 0], records.layers[n_records, 1] = thetas[1:], lengths[1:]
            n_records += 1
            next_record = t + max(1.0, spacing * t)
            if t == steps or (train == 1.0 and not test < 1.0 and high > RQI_THRESHOLD):
                break
        # the decoder's layers move at the pace that their optimiser gives to the gradients of the present residual
        b1, b2 = BETA1**h, BETA2**h
        power1 *= b1
        power2 *= b2
        rate = rates.decoder_lr
        if rates.warmup > 0.0:
            rate *= min(1.0, (t + 0.5 * (h + 1.0)) / rates.warmup)
        shrink = math.exp(-rate * rates.decoder_wd * h)
        decay *= shrink
        gram = np.dot(residual, residual.T)
        for i in range(1, depth + 1):
            square = 0.0
            for a in range(n):
                for b in range(a):
                    square += 2.0 * gram[a, b] * T[i, a, b]
                square += gram[a, a] * T[i, a, a]
            # T is that of one output, summed over the layer's weights
            square = max(square, 1e-300) / (width * network.n_outputs if i == depth else width * width)
            seconds[i] = b2 * seconds[i] + (1.0 - b2) * square
            if rates.decoder_sgd:
                pace = rate * unit
                length = pace * math.sqrt(square)
            else:
                scale = math.sqrt(seconds[i] / (1.0 - power2)) + EPS / unit
                pace = rates.gain * rate / scale
                length = rate * min(1.0, math.sqrt(square) / scale)
            thetas[i] = shrink * thetas[i] + pace * h
            lengths[i] = shrink * lengths[i] + length * h
        if not fit(table, network, targets, decay, thetas, phi, T, residual):
            break
        pull(E, table, network, gammas, thetas, decay, residual, phi, slope, Q, D, bends, B, gradient)
        largest, along, keep = 0.0, 0.0, (1.0 - rates.repr_lr * rates.repr_wd) ** h
        for k in range(p):
            for q in range(c):
                g = unit * gradient[k, q]
                m1[k, q] = b1 * m1[k, q] + (1.0 - b1) * g
                m2[k, q] = b2 * m2[k, q] + (1.0 - b2) * g * g
                move = g if rates.repr_sgd else m1[k, q] / (1.0 - power1) / (math.sqrt(m2[k, q] / (1.0 - power2)) + EPS)
                moved = E[k, q] * (keep - 1.0) - rates.repr_lr * h * move
                along += moved * last[k, q]
                largest = max(largest, abs(moved))
                E[k, q] += moved
                last[k, q] = moved
        if not largest < 1e100:
            break
        t += h
        if records.crossed[2] == np.inf and rqi(E, table) > RQI_THRESHOLD:
            records.crossed[2] = t
        wanted = resolution * h / largest if largest > 0.0 else _MOST
        if rates.repr_sgd and along < 0.0:  # it has overshot: a merged step of SGD is a large one
            wanted = min(wanted, 0.5 * h)
        h = float(int(max(1.0, min(wanted, _FASTER * h, _SHARE * t, _MOST))))
        h = min(h, steps - t) if t < steps else 1.0
    return n_records


@njit(cache=True, nogil=True, fastmath=_FAST)
def grow(gammas, lengths, decay, network):
    """gammas[l]: width times the variance of a weight into layer l, what is left of the initial one and the growth."""
    for i in range(1, network.depth + 1):
        gammas[i] = decay * decay / 3.0
        if i < network.depth:
            gammas[i] += network.coherence * (network.width * lengths[i]) ** 2
