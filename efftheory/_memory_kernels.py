"""The numba kernels of a decoder that remembers: steps of the optimiser, of its weights
and the embeddings, merged where that changes nothing; memory.py has the equations.

Weights and what is computed of them are float32, as the network's.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from efftheory._block_kernels import backward, forward, room
from efftheory._cache import CACHE
from efftheory._sample_kernels import FAST, TrainingSet, compose, rqi
from efftheory.constants import ACCURACY_THRESHOLD, BETA1, BETA2, EPS, RQI_THRESHOLD

_MOST = 200.0  # steps that are merged at most
_LONGER, _SHORTER = 1.2, 0.6  # the next merged step, at most where this one went straight, and else
_READING = 0.005  # the share of the time between readings of accuracies and RQI


class Task(NamedTuple):
    """The samples; targets (n_results, k), and halves of their squares (n_results,)."""

    data: TrainingSet
    targets: NDArray[np.float32]
    halves: NDArray[np.float32]


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
    embedding, its share of the time before it, and the cosine of its change of the
    loss's derivative with the change before, below which it was too long; and how far
    apart records are, as a share of the time.
    """

    steps: int
    resolution: float
    share: float
    straight: float
    spacing: float


class Records(NamedTuple):
    """The flow at times (T,): embeddings path (T, p, c); curves (T, 4): train accuracy,
    test accuracy, RQI, training loss. crossed (3,): the first step with train
    accuracy >= 0.9, test accuracy >= 0.9, RQI > 0.95 that was read (each after half a
    percent of the time), inf where there is none.
    """

    times: NDArray[np.float64]
    path: NDArray[np.float64]
    curves: NDArray[np.float64]
    crossed: NDArray[np.float64]


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def to_embeddings(E, data, force, gradient, squares):
    """From the derivative by the inputs of the training samples, force (n, c): by the
    embeddings, into gradient (p, c); and the sums of the samples' squares.
    """
    c = E.shape[1]
    m = int(math.sqrt(c) + 0.5)
    gradient[:] = 0.0
    squares[:] = 0.0
    of_left, of_right = np.empty(c), np.empty(c)
    for a in range(len(data.train.left)):
        i, j = data.train.left[a], data.train.right[a]
        if data.product:
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


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def differentiate(outputs, task, network, D):
    """The training loss; fill D (n, k), its derivative by the outputs."""
    n, k = outputs.shape
    loss = 0.0
    unit = np.float32(1.0 / n if network.classify else 2.0 / (n * k))
    for a in range(n):
        result = task.data.train.results[a]
        if network.classify:
            top, whole = outputs[a].max(), 0.0
            for q in range(k):
                whole += math.exp(outputs[a, q] - top)
            for q in range(k):
                D[a, q] = unit * (math.exp(outputs[a, q] - top) / whole - (1.0 if q == result else 0.0))
            loss += (top + math.log(whole) - outputs[a, result]) / n
        else:
            square = np.float32(0.0)
            for q in range(k):
                off = outputs[a, q] - task.targets[result, q]
                square += off * off
                D[a, q] = unit * off
            loss += square / (n * k)
    return loss


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def accuracy(outputs, results, task):
    """The share of samples whose outputs (n, k) are nearest to the target of their
    result; nan of none.
    """
    near = np.dot(outputs, task.targets.T)
    right = 0
    for a in range(len(results)):
        best, found = np.float32(-np.inf), -1
        for q in range(near.shape[1]):
            if near[a, q] - task.halves[q] > best:
                best, found = near[a, q] - task.halves[q], q
        right += found == results[a]
    return right / len(results) if len(results) else np.nan


@njit(inline="always")
def carried(b1):
    """A = b (1 - b^h) / (1 - b), b = beta_1: how many steps along the first moment that
    it had are part of h merged ones; the others are along the gradient.
    """
    return BETA1 * (1.0 - b1) / (1.0 - BETA1)


@njit(cache=CACHE, nogil=True, fastmath=FAST, error_model="numpy")
def descend(values, gradient, squares, first, second, b1, b2, c1, c2, h, rate, keep, sgd):
    """`values` after h merged steps of AdamW (moments `first`, `second`, which decay by
    b1 and b2 and are corrected by c1 and c2) or SGD, each by `rate`; what decay leaves
    is `keep`. `squares`: variance of the gradient, or empty.
    """
    one = np.float32(1.0)
    steps, old = np.float32(h), np.float32(carried(b1))
    new = steps - old
    b1, b2, c1, c2 = np.float32(b1), np.float32(b2), np.float32(1.0 / c1), np.float32(1.0 / c2)
    rate, keep, eps = np.float32(rate), np.float32(keep), np.float32(EPS)
    for i in range(len(values)):
        g = gradient[i]
        noise = squares[i] if len(squares) else np.float32(0.0)
        second[i] = b2 * second[i] + (one - b2) * (g * g + noise)
        move = steps * g if sgd else (old * first[i] + new * g) * c1 / (math.sqrt(second[i] * c2) + eps)
        first[i] = b1 * first[i] + (one - b1) * g
        values[i] = keep * values[i] - rate * move


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def to_variance(squares, gradient, n, noise):
    """From the n samples' sums of squares, and of derivatives, to the variance of a
    mini-batch's.
    """
    for i in range(len(squares)):
        squares[i] = noise * max(n * squares[i] - gradient[i] ** 2, 0.0)


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def move_embeddings(E, pulled, noise, first, second, b1, b2, c1, c2, h, rates):
    """h merged steps of the embeddings, likewise, along their derivative and the
    penalty's; the largest move.
    """
    p, c = E.shape
    keep, largest = (1.0 - rates.repr_lr * rates.repr_wd) ** h, 0.0
    old = carried(b1)
    for i in range(p):
        for q in range(c):
            g = pulled[i, q]
            if E[i, q] != 0.0:
                g += math.copysign(rates.repr_l1 / (p * c), E[i, q])
            second[i, q] = b2 * second[i, q] + (1.0 - b2) * (g * g + noise[i, q])
            move = (
                h * g
                if rates.repr_sgd
                else (old * first[i, q] + (h - old) * g) / c1 / (math.sqrt(second[i, q] / c2) + EPS)
            )
            first[i, q] = b1 * first[i, q] + (1.0 - b1) * g
            moved = E[i, q] * (keep - 1.0) - rates.repr_lr * move
            largest = max(largest, abs(moved))
            E[i, q] += moved
    return largest


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def change(D, before, last):
    """(square, product with the last one) of the change of D from what it was `before`;
    put into `last`. All flat.
    """
    square, product = np.float32(0.0), np.float32(0.0)
    for i in range(len(D)):
        now = D[i] - before[i]
        square += now * now
        product += now * last[i]
        last[i] = now
    return square, product


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def see(E, samples, product, weights, network, x, layers):
    """What the decoder makes of the embeddings of `samples`: fill x (N, c) and
    `layers`.
    """
    compose(E, samples, product, x)
    forward(x, weights, network, layers)


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def memory_flow(E, task, network, rates, pace, weights, gradient, squares, records):
    """Move E (p, c) and `weights` for pace.steps updates of the optimiser.

    gradient, squares (empty without noise): room, shaped like `weights`. Fills
    `records`, and returns how many there are. Ends early where all three thresholds are
    crossed, or where numbers overflow.
    """
    data = task.data
    p, c = E.shape
    n, n_test, k = len(data.train.left), len(data.test.left), weights.last.shape[1]
    layers, tests = room(weights, n), room(weights, n_test)
    x, x_test = np.empty((n, c), np.float32), np.empty((n_test, c), np.float32)
    D, before, last = np.empty((n, k), np.float32), np.empty((n, k), np.float32), np.zeros(n * k, np.float32)
    force = np.empty((n, c), np.float32)
    first, second = np.zeros_like(weights.all), np.zeros_like(weights.all)
    pulled, noise = np.empty((p, c)), np.empty((p, c))
    m1, m2 = np.zeros((p, c)), np.zeros((p, c))
    t, wish, square, power1, power2 = 0.0, 1.0, np.float32(0.0), 1.0, 1.0
    n_records, next_reading, next_record = 0, 0.0, 0.0
    see(E, data.train, data.product, weights, network, x, layers)
    loss = differentiate(layers.outputs, task, network, D)
    while n_records < len(records.times) and loss < 1e100:
        if t >= next_reading or t == pace.steps:
            next_reading = t + _READING * t
            see(E, data.test, data.product, weights, network, x_test, tests)
            train = accuracy(layers.outputs, data.train.results, task)
            test = accuracy(tests.outputs, data.test.results, task)
            high = rqi(E, data.every, data.product, data.delta2)
            for number, reached in enumerate(
                (train >= ACCURACY_THRESHOLD, test >= ACCURACY_THRESHOLD, high > RQI_THRESHOLD)
            ):
                if reached and records.crossed[number] == np.inf:
                    records.crossed[number] = t
            crossed = records.crossed < np.inf
            learned = crossed[0] and crossed[2] and (crossed[1] or n_test == 0)
            if t >= next_record or t == pace.steps or learned:
                records.times[n_records], records.path[n_records] = t, E
                curve = records.curves[n_records]
                curve[0], curve[1], curve[2], curve[3] = train, test, high, loss
                n_records += 1
                next_record = t + max(1.0, pace.spacing * t)
                if t == pace.steps or learned:
                    break
        h = min(float(int(wish)), pace.steps - t)
        rate = rates.decoder_lr
        if rates.warmup > 0.0:
            rate *= min(1.0, (t + 0.5 * (h + 1.0)) / rates.warmup)
        backward(D, x, weights, network, layers, gradient, squares, force)
        to_embeddings(E, data, force, pulled, noise)
        if rates.noise > 0.0:
            to_variance(squares.all, gradient.all, n, rates.noise)
        to_variance(noise.ravel(), pulled.ravel(), n, rates.noise)
        b1, b2 = BETA1**h, BETA2**h
        power1 *= b1
        power2 *= b2
        c1, c2 = 1.0 - power1, 1.0 - power2
        keep = (1.0 - rate * rates.decoder_wd) ** h
        descend(weights.all, gradient.all, squares.all, first, second, b1, b2, c1, c2, h, rate, keep, rates.decoder_sgd)
        largest = move_embeddings(E, pulled, noise, m1, m2, b1, b2, c1, c2, h, rates)
        t += h
        D, before = before, D
        see(E, data.train, data.product, weights, network, x, layers)
        loss = differentiate(layers.outputs, task, network, D)
        last_square = square
        square, product = change(D.ravel(), before.ravel(), last)
        straight = product > pace.straight * math.sqrt(square) * math.sqrt(last_square)
        wish *= _LONGER if straight else _SHORTER
        wish = max(1.0, min(wish, pace.resolution * h / max(largest, 1e-300), pace.share * t, _MOST))
    return n_records
