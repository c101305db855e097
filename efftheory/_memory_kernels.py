"""The numba kernels of a decoder that remembers: merged steps of the optimiser, of its
weights and the embeddings; memory.py has the equations.

Weights and what is computed of them are float32: the steps merge many of the network's.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from efftheory._block_kernels import Layers, Weights, backward, forward, push
from efftheory._decoder_flow_kernels import (
    ACCURACY_THRESHOLD,
    BETA1,
    BETA2,
    EPS,
    RQI_THRESHOLD,
    Table,
    compose,
    rqi,
    solve,
)
from efftheory._decoder_kernels import FAST

_MOST = 200.0  # steps that are merged at most
_FASTER = 2.0  # a merged step is at most so much longer than the one before
_SLOWER = 0.25  # and one that is tried again at least this share of the failed one
_REJECT = 2.5  # times the tolerance: tried again
_RESIDUAL = 0.1  # of the equation for the residual, relative
_ITERATIONS = 2  # for it at most


class Task(NamedTuple):
    """The samples, and targets (n_results, k)."""

    table: Table
    targets: NDArray[np.float32]


class Rates(NamedTuple):
    """Learning rates, weight decays and optimisers of embeddings and decoder; the
    embeddings' penalty; noise: variance of a mini-batch's mean, in that of a sample.
    """

    repr_lr: float
    repr_wd: float
    repr_sgd: bool
    repr_l1: float
    decoder_lr: float
    decoder_wd: float
    decoder_sgd: bool
    warmup: float
    noise: float


class Pace(NamedTuple):
    """How many updates to follow; limits of a merged step: the largest move of an
    embedding, its share of the time before it, and how far the residual may end from
    where it should, as a share (`tolerance`) of its size, or of `floor` of the
    targets'; and how far apart records are, as a share of the time.
    """

    steps: int
    resolution: float
    share: float
    tolerance: float
    floor: float
    spacing: float


class Records(NamedTuple):
    """The flow at times (T,): embeddings path (T, p, c); curves (T, 4): train accuracy,
    test accuracy, RQI, training loss. crossed (3,): the first step with train
    accuracy >= 0.9, test accuracy >= 0.9, RQI > 0.95, inf where there is none.
    """

    times: NDArray[np.float64]
    path: NDArray[np.float64]
    curves: NDArray[np.float64]
    crossed: NDArray[np.float64]


@njit(cache=True, nogil=True, fastmath=FAST)
def to_embeddings(E, table, force, gradient, squares):
    """From the derivative by the inputs of the training samples, force (n, c): by the
    embeddings, into gradient (p, c); and the sums of the samples' squares.
    """
    c = E.shape[1]
    m = int(math.sqrt(c) + 0.5)
    gradient[:] = 0.0
    squares[:] = 0.0
    of_left, of_right = np.empty(c), np.empty(c)
    for a in range(len(table.trained)):
        i, j = table.left[table.trained[a]], table.right[table.trained[a]]
        if table.product:
            of_left[:] = 0.0
            of_right[:] = 0.0
            for r in range(m):
                for s in range(m):
                    f = force[a, r * m + s]
                    for k in range(m):
                        of_left[r * m + k] += f * E[j, k * m + s]
                        of_right[k * m + s] += f * E[i, r * m + k]
        else:
            for q in range(c):
                of_left[q] = of_right[q] = force[a, q]
        for q in range(c):
            gradient[i, q] += of_left[q]
            gradient[j, q] += of_right[q]
            if i == j:
                squares[i, q] += (of_left[q] + of_right[q]) ** 2
            else:
                squares[i, q] += of_left[q] ** 2
                squares[j, q] += of_right[q] ** 2


@njit(cache=True, nogil=True, fastmath=FAST)
def from_embeddings(E, table, moves, dx):
    """Moves dx (n, c) of the training samples' inputs under moves (p, c) of the
    embeddings, to first order.
    """
    c = E.shape[1]
    m = int(math.sqrt(c) + 0.5)
    for a in range(len(table.trained)):
        i, j = table.left[table.trained[a]], table.right[table.trained[a]]
        if not table.product:
            for q in range(c):
                dx[a, q] = moves[i, q] + moves[j, q]
            continue
        for r in range(m):
            for s in range(m):
                total = 0.0
                for k in range(m):
                    total += moves[i, r * m + k] * E[j, k * m + s] + E[i, r * m + k] * moves[j, k * m + s]
                dx[a, r * m + s] = total


@njit(cache=True, nogil=True, fastmath=FAST)
def look(task, layers, network, n, residual, roots):
    """(train accuracy, test accuracy, training loss); fill residual (n, k), minus the
    derivative by the outputs, and roots (n,) of the loss's curvature.
    """
    table, targets, outputs = task.table, task.targets, layers.outputs
    k, total = outputs.shape[1], len(outputs)
    n_test = total - n
    near = np.dot(outputs, targets.T)
    halves = np.empty(len(targets))
    for q in range(len(targets)):
        halves[q] = 0.5 * (targets[q] * targets[q]).sum()
    right, loss = np.zeros(2), 0.0
    for a in range(total):
        result = table.results[table.trained[a] if a < n else table.tested[a - n]]
        best, found = -np.inf, -1
        for q in range(len(targets)):
            if near[a, q] - halves[q] > best:
                best, found = near[a, q] - halves[q], q
        right[int(a >= n)] += found == result
        if a >= n:
            continue
        roots[a] = 1.0
        if network.classify:
            top, whole, curvature = outputs[a].max(), 0.0, 0.0
            for q in range(k):
                whole += math.exp(outputs[a, q] - top)
            for q in range(k):
                share = math.exp(outputs[a, q] - top) / whole
                residual[a, q] = (1.0 if q == result else 0.0) - share
                curvature += share * (1.0 - share) / k
            loss += (top + math.log(whole) - outputs[a, result]) / n
            roots[a] = math.sqrt(max(curvature, 1e-6))
        else:
            for q in range(k):
                residual[a, q] = targets[result, q] - outputs[a, q]
                loss += residual[a, q] ** 2 / (n * k)
    return right[0] / n, (right[1] / n_test if n_test else np.nan), loss


@njit(cache=True, nogil=True, fastmath=FAST)
def mean_pace(paces):
    """The pace along a gradient whose squares are like those that Adam remembers."""
    top, bottom = 0.0, 1e-300
    for i in range(len(paces)):
        top += 1.0 / paces[i]
        bottom += 1.0 / (paces[i] * paces[i])
    return top / bottom


@njit(cache=True, nogil=True, fastmath=FAST)
def mean_response(x, weights, paces, network, layers, n, K):
    """Into K (n, n): the response of one output to residuals, as if the layers' paces
    were uniform, and the outputs' derivatives of random signs. Exact for the last
    layer; it preconditions `implicit`.
    """
    m, depth = weights.first.shape[1], len(layers.values)
    units = np.float32(network.units)
    k = weights.last.shape[1]
    top = layers.values[depth - 1, :n]
    K[:] = np.dot(top * np.float32(units * mean_pace(paces.last.ravel())), top.T)
    square = np.empty((n, m), np.float32)  # mean over the outputs of their squared derivative by a unit
    for j in range(m):
        total = np.float32(0.0)
        for q in range(k):
            total += weights.last[j, q] ** 2
        for a in range(n):
            square[a, j] = layers.slopes[depth - 1, a, j] ** 2 * total / np.float32(k)
    for i in range(depth - 1, -1, -1):
        size = np.sqrt(square)
        B = np.dot(size * units, size.T)
        if i == 0:
            pace = np.float32(mean_pace(paces.first.ravel()))
            inputs = np.dot(x[:n], x[:n].T)
            for a in range(n):
                for b in range(n):
                    K[a, b] += pace * B[a, b] * (inputs[a, b] + np.float32(1.0))
        else:
            pace = np.float32(mean_pace(paces.hidden[i - 1].ravel()))
            below = layers.values[i - 1, :n]
            inner = np.dot(below * units, below.T)
            for a in range(n):
                for b in range(n):
                    K[a, b] += pace * B[a, b] * inner[a, b]
            passed = np.dot(square, (weights.hidden[i - 1, :m] ** 2).T.copy())
            for a in range(n):
                for j in range(m):
                    square[a, j] = layers.slopes[i - 1, a, j] ** 2 * passed[a, j] * units * units


@njit(cache=True, nogil=True, fastmath=FAST)
def response(u, E, task, x, weights, network, layers, paces, repr_paces, moves, none, change):
    """change (n, k) of the outputs if the weights and embeddings move along the
    derivatives of sum u f, each by its pace.
    """
    n, c = len(u), x.shape[1]
    force, dx = np.empty((n, c), np.float32), np.empty((n, c), np.float32)
    backward(u, x, weights, network, layers, moves, none, force)
    for i in range(len(paces.all)):
        moves.all[i] *= paces.all[i]
    pulled, squares = np.empty(E.shape), np.empty(E.shape)
    to_embeddings(E, task.table, force, pulled, squares)
    from_embeddings(E, task.table, pulled * repr_paces, dx)
    push(moves, dx, x, weights, network, layers, change)


@njit(cache=True, nogil=True, fastmath=FAST)
def implicit(residual, roots, E, task, x, weights, network, layers, paces, repr_paces, moves, none, end):
    """Into end (n, k): the residual after a step whose moves follow it, not the one
    before: end = residual - R^2 J P J^T end, with the derivatives J of the outputs by
    weights and embeddings, their paces P, and R = diag(roots). By conjugate gradients
    for end / R, preconditioned by `mean_response`; False if numbers overflow.
    """
    n, k = residual.shape
    K = np.empty((n, n), np.float32)
    mean_response(x, weights, paces, network, layers, n, K)
    for a in range(n):
        for b in range(n):
            K[a, b] *= roots[a] * roots[b]
        K[a, a] += np.float32(1.0)
    inverse = np.eye(n, dtype=np.float32)
    if not solve(K, inverse):
        return False
    here, q = np.empty((n, k), np.float32), np.empty((n, k), np.float32)
    size, left, rho = np.float32(0.0), np.float32(0.0), np.float32(0.0)
    for a in range(n):
        for b in range(k):
            here[a, b] = residual[a, b] / roots[a]
            size += here[a, b] * here[a, b]
    enough = np.float32(_RESIDUAL * _RESIDUAL) * size
    u = np.dot(inverse, here)
    for a in range(n):
        for b in range(k):
            end[a, b] = u[a, b] * roots[a]
    response(end, E, task, x, weights, network, layers, paces, repr_paces, moves, none, q)
    z = np.empty((n, k), np.float32)  # what is left of the equation
    for a in range(n):
        for b in range(k):
            z[a, b] = here[a, b] - (u[a, b] + roots[a] * q[a, b])
            left += z[a, b] * z[a, b]
    y = np.dot(inverse, z)
    along = y.copy()
    for a in range(n):
        for b in range(k):
            rho += z[a, b] * y[a, b]
    for _ in range(_ITERATIONS):
        if left <= enough:
            break
        for a in range(n):
            for b in range(k):
                end[a, b] = along[a, b] * roots[a]
        response(end, E, task, x, weights, network, layers, paces, repr_paces, moves, none, q)
        up, down, left = np.float32(0.0), np.float32(0.0), np.float32(0.0)
        for a in range(n):
            for b in range(k):
                q[a, b] = along[a, b] + roots[a] * q[a, b]
                down += along[a, b] * q[a, b]
        length = rho / down
        for a in range(n):
            for b in range(k):
                u[a, b] += length * along[a, b]
                z[a, b] -= length * q[a, b]
                left += z[a, b] * z[a, b]
        np.dot(inverse, z, y)
        for a in range(n):
            for b in range(k):
                up += z[a, b] * y[a, b]
        for a in range(n):
            for b in range(k):
                along[a, b] = y[a, b] + up / rho * along[a, b]
        rho = up
    for a in range(n):
        for b in range(k):
            end[a, b] = u[a, b] * roots[a]
    return True


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def descend(values, gradient, squares, first, second, b1, b2, c1, c2, rate, keep, sgd):
    """`values` after a merged step of AdamW (moments `first`, `second`) or SGD: moves
    by `rate`, what decay leaves is `keep`. `squares`: variance of the gradient.
    """
    one = np.float32(1.0)
    b1, b2, c1, c2 = np.float32(b1), np.float32(b2), np.float32(1.0 / c1), np.float32(1.0 / c2)
    rate, keep, eps = np.float32(rate), np.float32(keep), np.float32(EPS)
    for i in range(len(values)):
        g = gradient[i]
        noise = squares[i] if len(squares) else np.float32(0.0)
        first[i] = b1 * first[i] + (one - b1) * g
        second[i] = b2 * second[i] + (one - b2) * (g * g + noise)
        move = g if sgd else first[i] * c1 / (math.sqrt(second[i] * c2) + eps)
        values[i] = keep * values[i] - rate * move


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def find_paces(second, c2, rate, sgd, paces):
    """How far a variable moves per unit of its derivative, at Adam's second moments."""
    for i in range(len(second)):
        paces[i] = rate * (1.0 if sgd else 1.0 / (math.sqrt(second[i] / c2) + EPS))


@njit(cache=True, nogil=True, fastmath=FAST)
def to_variance(squares, gradient, n, noise):
    """From the n samples' sums of squares, and of derivatives, to the variance of a
    mini-batch's.
    """
    for i in range(len(squares)):
        squares[i] = noise * max(n * squares[i] - gradient[i] ** 2, 0.0)


@njit(cache=True, nogil=True, fastmath=FAST)
def move_embeddings(E, pulled, noise, first, second, b1, b2, c1, c2, h, rates):
    """A merged step of the embeddings along their derivative and the penalty's; the
    largest move.
    """
    p, c = E.shape
    keep, largest = (1.0 - rates.repr_lr * rates.repr_wd) ** h, 0.0
    for i in range(p):
        for q in range(c):
            g = pulled[i, q]
            if E[i, q] != 0.0:
                g += math.copysign(rates.repr_l1 / (p * c), E[i, q])
            first[i, q] = b1 * first[i, q] + (1.0 - b1) * g
            second[i, q] = b2 * second[i, q] + (1.0 - b2) * (g * g + noise[i, q])
            move = g if rates.repr_sgd else first[i, q] / c1 / (math.sqrt(second[i, q] / c2) + EPS)
            moved = E[i, q] * (keep - 1.0) - rates.repr_lr * h * move
            largest = max(largest, abs(moved))
            E[i, q] += moved
    return largest


@njit(cache=True, nogil=True, fastmath=FAST)
def see(E, table, which, weights, network, place, x, layers):
    """What the decoder makes of the embeddings: fill x (N, c) and `layers`."""
    compose(E, table, which, place)
    x[:] = place
    forward(x, weights, network, layers)


@njit(cache=True, nogil=True, fastmath=FAST)
def memory_flow(E, task, network, rates, pace, weights, gradient, squares, paces, records):
    """Move E (p, c) and `weights` for pace.steps updates of the optimiser.

    gradient, squares (empty without noise), paces: room, shaped like `weights`. Fills
    `records`, and returns how many there are. Ends early where all three thresholds are
    crossed, or where numbers overflow.
    """
    table = task.table
    p, c = E.shape
    n, k = len(table.trained), weights.last.shape[1]
    total, m, depth = n + len(table.tested), weights.first.shape[1], len(weights.hidden) + 1
    which = np.concatenate((table.trained, table.tested))
    layers = Layers(
        np.empty((depth, total, m), np.float32),
        np.empty((depth, total, m), np.float32),
        np.empty((total, k), np.float32),
    )
    place, x = np.empty((total, c)), np.empty((total, c), np.float32)
    residual, end = np.empty((n, k), np.float32), np.empty((n, k), np.float32)
    new_residual, roots = np.empty((n, k), np.float32), np.empty(n, np.float32)
    force, new_roots = np.empty((n, c), np.float32), np.empty(n, np.float32)
    first, second = np.zeros_like(weights.all), np.zeros_like(weights.all)
    pulled, noise = np.empty((p, c)), np.empty((p, c))
    m1, m2, repr_paces = np.zeros((p, c)), np.zeros((p, c)), np.empty((p, c))
    none = Weights(np.empty(0, np.float32), squares.first, squares.hidden, squares.last)
    unit = 1.0 / n if network.classify else 2.0 / (n * k)
    # of outputs, in whose units the residual is: their mean square at first, n k times
    scale = n * (1.0 - 1.0 / k) if network.classify else float((task.targets**2).mean()) * n * k
    t, h, power1, power2 = 0.0, 1.0, 1.0, 1.0
    n_records, next_record = 0, 0.0
    see(E, table, which, weights, network, place, x, layers)
    train, test, loss = look(task, layers, network, n, residual, roots)
    while n_records < len(records.times) and loss < 1e100:
        high = rqi(E, table)
        for number, reached in enumerate(
            (train >= ACCURACY_THRESHOLD, test >= ACCURACY_THRESHOLD, high > RQI_THRESHOLD)
        ):
            if reached and records.crossed[number] == np.inf:
                records.crossed[number] = t
        crossed = records.crossed < np.inf
        learned = crossed[0] and crossed[2] and (crossed[1] or total == n)
        if t >= next_record or t == pace.steps or learned:
            records.times[n_records], records.path[n_records] = t, E
            curve = records.curves[n_records]
            curve[0], curve[1], curve[2], curve[3] = train, test, high, loss
            n_records += 1
            next_record = t + max(1.0, pace.spacing * t)
            if t == pace.steps or learned:
                break
        before = (weights.all.copy(), first.copy(), second.copy(), E.copy(), m1.copy(), m2.copy())
        h = min(h, pace.steps - t)
        while True:  # a merged step, shorter ones until it gets about where it should
            rate = rates.decoder_lr
            if rates.warmup > 0.0:
                rate *= min(1.0, (t + 0.5 * (h + 1.0)) / rates.warmup)
            end[:] = residual
            if h > 1.0:  # a single step is explicit, as the network's
                find_paces(second, 1.0 - power2, unit * rate * h, rates.decoder_sgd, paces.all)
                find_paces(m2.ravel(), 1.0 - power2, unit * rates.repr_lr * h, rates.repr_sgd, repr_paces.ravel())
                if not implicit(
                    residual, roots, E, task, x, weights, network, layers, paces, repr_paces, gradient, none, end
                ):
                    return n_records
            backward(end * np.float32(-unit), x, weights, network, layers, gradient, squares, force)
            to_embeddings(E, table, force, pulled, noise)
            to_variance(squares.all, gradient.all, n, rates.noise)
            to_variance(noise.ravel(), pulled.ravel(), n, rates.noise)
            b1, b2 = BETA1**h, BETA2**h
            c1, c2 = 1.0 - power1 * b1, 1.0 - power2 * b2
            keep = (1.0 - rate * rates.decoder_wd) ** h
            descend(
                weights.all, gradient.all, squares.all, first, second, b1, b2, c1, c2, rate * h, keep, rates.decoder_sgd
            )
            largest = move_embeddings(E, pulled, noise, m1, m2, b1, b2, c1, c2, h, rates)
            see(E, table, which, weights, network, place, x, layers)
            train, test, loss = look(task, layers, network, n, new_residual, new_roots)
            off, size = 0.0, pace.floor * pace.floor * scale
            for a in range(n):
                for b in range(k):
                    off += (new_residual[a, b] - end[a, b]) ** 2
                    size += residual[a, b] ** 2
            off = math.sqrt(off / size) / pace.tolerance if loss < 1e100 else 10.0
            if h == 1.0 or off <= _REJECT:
                break
            weights.all[:], first[:], second[:], E[:], m1[:], m2[:] = before
            h = float(int(max(1.0, h * max(_SLOWER, 0.7 / math.sqrt(off)))))
            see(E, table, which, weights, network, place, x, layers)
        residual, new_residual, roots, new_roots = new_residual, residual, new_roots, roots
        t += h
        power1 *= b1
        power2 *= b2
        wanted = pace.resolution * h / largest if largest > 0.0 else _MOST
        faster = min(_FASTER, max(_SLOWER, 1.0 / math.sqrt(off + 1e-9)))
        h = float(int(max(1.0, min(wanted, faster * h + 0.5, pace.share * t, _MOST))))
    return n_records
