"""The numba kernels of embeddings that move in the potential of the decoder that fits
them; decoder.py has the equations.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from efftheory._cache import CACHE
from efftheory._decoder_kernels import (
    FAST,
    Growth,
    Network,
    Pieces,
    first_layer,
    grow,
    hidden_layers,
    layer_kernels,
    pull_to_features,
)
from efftheory._sample_kernels import collapsed, of_usual_size
from efftheory.constants import ACCURACY_THRESHOLD, BETA1, BETA2, EPS, RQI_THRESHOLD

# A step of the flow stands for as many steps of the optimiser as move no embedding by
# more than the resolution; not for more than these: twice as many as the last, a
# twentieth of all so far, a fifth of the memory of Adam's second moment.
_FASTER, _SHARE, _MOST = 2.0, 0.05, 200.0


class Table(NamedTuple):
    """All of D0, which of it is trained on, and the parallelograms: pairs (first,
    second) of samples of one class.
    """

    left: NDArray[np.int32]
    right: NDArray[np.int32]
    results: NDArray[np.int32]
    trained: NDArray[np.int64]
    tested: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    product: bool
    delta2: float


class Problem(NamedTuple):
    """What is to be learned, and by whom: the samples, the network, and targets
    (n_results, r), a row a result.
    """

    table: Table
    network: Network
    targets: NDArray[np.float64]


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


class Pace(NamedTuple):
    """How many updates of the optimiser to follow, how far an embedding may move in a
    merged step, and how far apart records are, as a share of the time.
    """

    steps: int
    resolution: float
    spacing: float


class Records(NamedTuple):
    """The flow at times (T,): embeddings path (T, p, c); curves (T, 4): train accuracy,
    test accuracy, RQI, mean squared residual; layers (T, 2, depth): theta and path
    length of the layers 1 .. depth. crossed (3,): the first step with train
    accuracy >= 0.9, test accuracy >= 0.9, RQI > 0.95, inf where there is none.
    """

    times: NDArray[np.float64]
    path: NDArray[np.float64]
    curves: NDArray[np.float64]
    layers: NDArray[np.float64]
    crossed: NDArray[np.float64]


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def solve(K, Y):
    """Y -> K^-1 Y in place, by a Cholesky factor that overwrites K; False where K is
    not positive definite.
    """
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


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def compose(E, table, which, x):
    """What the decoder sees of the samples `which`: E_i + E_j, or the matrix product
    E_i E_j; E, x are flat, (., c).
    """
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


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def pull_to_embeddings(E, table, force, gradient):
    """The gradient by the embeddings (p, c) from that by the composed training samples
    (n, c).
    """
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


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def rqi(E, table):
    """The share of the parallelograms whose standardised mean squared residual is below
    delta2; 0 of an embedding that has collapsed.
    """
    p, c = E.shape
    if len(table.first) == 0:
        return np.nan
    if collapsed(E, table.product):
        return 0.0
    E = of_usual_size(E)
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
            total += residual * residual / scale[q]
        hits += total < table.delta2 * c
    return hits / len(table.first)


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def kernels_at(E, table, which, network, gammas, begin=0):
    """All pieces of the decoder's kernel at the samples `which`, in the rows from
    `begin` on.
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
    return Pieces(phi, slope, Q, D, bends, B, T)


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def fit(problem, growth, pieces, residual):
    """The ridge fit: residual (n, r) of a decoder that started from its initial
    function; False if it overflowed.
    """
    table, network, T = problem.table, problem.network, pieces.T
    n, r = residual.shape
    f0 = np.dot(pieces.phi, network.initial)
    shrink = network.curvature * growth.decay ** (network.depth + 1)
    K = np.empty((n, n))
    for a in range(n):
        result = table.results[table.trained[a]]
        for y in range(r):
            residual[a, y] = problem.targets[result, y] - shrink * f0[a, y]
        for b in range(a + 1):
            total = 0.0
            for i in range(1, network.depth + 1):
                total += growth.thetas[i] * T[i, a, b]
            K[a, b] = network.curvature * total
        K[a, a] += 1.0
    return solve(K, residual)


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def pull(E, problem, growth, pieces, residual, gradient):
    """gradient (p, c) of half the summed squared residual by the embeddings, the
    decoder held where it is.
    """
    table, network, phi = problem.table, problem.network, pieces.phi
    n, c, m = len(table.trained), E.shape[1], len(network.biases)
    Qbar, Dbar, force = np.empty_like(pieces.Q), np.empty_like(pieces.Q), np.empty((n, c))
    pull_to_features(pieces, network, growth, np.dot(residual, residual.T), Qbar, Dbar)
    G = Qbar[0]
    for a in range(n):
        for b in range(a):
            G[a, b] *= 0.5
            G[b, a] = G[a, b]
    by_phi = np.dot(G, phi) - growth.decay ** (network.depth + 1) * np.dot(residual, network.initial.T)
    for a in range(n):
        for q in range(c):
            total = 0.0
            for k in range(m):
                total += by_phi[a, k] * pieces.slope[a, k] * network.weights[k, q]
            force[a, q] = total
    pull_to_embeddings(E, table, force, gradient)


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def accuracies(E, problem, growth, residual):
    """(train, test): the share of samples whose output is nearest to the right target;
    nan without test samples.
    """
    table, network, targets = problem.table, problem.network, problem.targets
    n, n_test, r = len(table.trained), len(table.tested), residual.shape[1]
    which = np.concatenate((table.trained, table.tested))
    pieces = kernels_at(E, table, which, network, growth.gammas, n)
    outputs = np.dot(pieces.phi, network.initial) * growth.decay ** (network.depth + 1)
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
                    total += growth.thetas[i] * pieces.T[i, a, b]
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


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def record(t, E, problem, growth, residual, records, number):
    """Write record `number`, of time t and this fit, but for the mean square; whether
    all is learned.
    """
    train, test = accuracies(E, problem, growth, residual)
    high = rqi(E, problem.table)
    if records.crossed[0] == np.inf and train >= ACCURACY_THRESHOLD:
        records.crossed[0] = t
    if records.crossed[1] == np.inf and test >= ACCURACY_THRESHOLD:
        records.crossed[1] = t
    records.times[number], records.path[number] = t, E
    curve = records.curves[number]
    curve[0], curve[1], curve[2] = train, test, high
    records.layers[number, 0], records.layers[number, 1] = growth.thetas[1:], growth.lengths[1:]
    return train == 1.0 and not test < 1.0 and high > RQI_THRESHOLD


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def decoder_flow(E, problem, rates, pace, records):
    """Move E (p, c) for pace.steps updates of the optimiser in the potential of the
    decoder that fits it.

    Fills `records`, and returns how many there are. Ends early where all is learned, or
    where numbers overflow.

    One step is one piece: how its sums and quotients are rounded depends on what the
    compiler sees of it at once.
    """
    table, network = problem.table, problem.network
    p, c = E.shape
    n, r, depth, width = len(table.trained), problem.targets.shape[1], network.depth, network.width
    residual, here, gradient = np.empty((n, r)), np.empty((n, r)), np.empty((p, c))
    m1, m2 = np.zeros((p, c)), np.zeros((p, c))  # Adam's moments of the embeddings' gradient
    last = np.zeros((p, c))  # the embeddings' last move
    growth = Growth(np.empty(depth + 1), np.zeros(depth + 1), np.zeros(depth + 1), 1.0)
    seconds = np.zeros(depth + 1)  # Adam's second moment in each layer of the decoder
    unit = network.unit / n
    t, h, power1, power2 = 0.0, 1.0, 1.0, 1.0
    n_records, next_record = 0, 0.0
    if rqi(E, table) > RQI_THRESHOLD:
        records.crossed[2] = 0.0
    while n_records < len(records.times):
        grow(network, growth)
        pieces = kernels_at(E, table, table.trained, network, growth.gammas)
        if t == 0.0 and not fit(problem, growth, pieces, residual):
            break
        if t >= next_record or t == pace.steps:
            # once the kernel is sharp, the fit at the last place says little of this
            if not fit(problem, growth, pieces, here):
                break
            learned = record(t, E, problem, growth, here, records, n_records)
            records.curves[n_records, 3] = (here * here).sum() / (n * network.n_outputs)
            n_records += 1
            next_record = t + max(1.0, pace.spacing * t)
            if t == pace.steps or learned:
                break
        # the decoder's layers move at the pace that their optimiser gives to the
        # gradients of the present residual
        b1, b2 = BETA1**h, BETA2**h
        power1 *= b1
        power2 *= b2
        rate = rates.decoder_lr
        if rates.warmup > 0.0:
            rate *= min(1.0, (t + 0.5 * (h + 1.0)) / rates.warmup)
        shrink = math.exp(-rate * rates.decoder_wd * h)
        growth = Growth(growth.gammas, growth.thetas, growth.lengths, growth.decay * shrink)
        gram = np.dot(residual, residual.T)
        for i in range(1, depth + 1):
            square = 0.0
            for a in range(n):
                for b in range(a):
                    square += 2.0 * gram[a, b] * pieces.T[i, a, b]
                square += gram[a, a] * pieces.T[i, a, a]
            # T is that of one output, summed over the layer's weights
            square = max(square, 1e-300) / (width * network.n_outputs if i == depth else width * width)
            seconds[i] = b2 * seconds[i] + (1.0 - b2) * square
            if rates.decoder_sgd:
                speed = rate * unit
                length = speed * math.sqrt(square)
            else:
                scale = math.sqrt(seconds[i] / (1.0 - power2)) + EPS / unit
                speed = rates.gain * rate / scale
                length = rate * min(1.0, math.sqrt(square) / scale)
            growth.thetas[i] = shrink * growth.thetas[i] + speed * h
            growth.lengths[i] = shrink * growth.lengths[i] + length * h
        if not fit(problem, growth, pieces, residual):
            break
        pull(E, problem, growth, pieces, residual, gradient)
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
        wanted = pace.resolution * h / largest if largest > 0.0 else _MOST
        if rates.repr_sgd and along < 0.0:  # it has overshot: a merged step of SGD is a large one
            wanted = min(wanted, 0.5 * h)
        h = float(int(max(1.0, min(wanted, _FASTER * h, _SHARE * t, _MOST))))
        h = min(h, pace.steps - t) if t < pace.steps else 1.0
    return n_records
