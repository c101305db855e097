"""The numba kernels of a decoder that remembers: steps of the optimiser, of its weights
and the embeddings; memory.py has the equations.

Weights and what is computed of them are float32, as the network's.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from efftheory._block_kernels import Network, allocate, backward, forward
from efftheory._cache import CACHE
from efftheory._kernels import FAST, Rule, descend
from efftheory._product_kernels import product
from efftheory._sample_kernels import TrainingSet, compose, rqi
from efftheory.constants import ACCURACY_THRESHOLD, RQI_THRESHOLD

_READING = 0.005  # the share of the time between readings of accuracies and RQI
SPACING = 0.03  # and between records
LEARNED, STEPS, OVERFLOW = 0, 1, 2  # why a flow ended


class Task(NamedTuple):
    """The samples and the network; the targets as columns, (k, n_results), halves of
    their squares (n_results,), and those of the training samples, `wanted` (n, k).
    """

    data: TrainingSet
    network: Network
    targets: NDArray[np.float32]
    halves: NDArray[np.float32]
    wanted: NDArray[np.float32]


class Rates(NamedTuple):
    """How embeddings and decoder descend; the embeddings' penalty; over how many steps
    the decoder's rate rises; noise: variance of a mini-batch's mean, in that of a
    sample.
    """

    embeddings: Rule
    decoder: Rule
    l1: float
    warmup: float
    noise: float


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
    embeddings, into gradient (p, c), and the sums of the samples' squares, unless
    `squares` is empty.
    """
    c = E.shape[1]
    m = int(math.sqrt(c) + 0.5)
    gradient[:] = 0.0
    squares[:] = 0.0
    both = np.empty((2, c))  # of one sample: by its left and by its right embedding
    for a in range(len(force)):
        i, j = data.train.left[a], data.train.right[a]
        if data.product:
            both[:] = 0.0
            for r in range(m):
                for s in range(m):
                    for k in range(m):
                        both[0, r * m + k] += force[a, r * m + s] * E[j, k * m + s]
                        both[1, k * m + s] += force[a, r * m + s] * E[i, r * m + k]
        for q in range(c):
            left, right = (both[0, q], both[1, q]) if data.product else (force[a, q], force[a, q])
            gradient[i, q] += left
            gradient[j, q] += right
            if len(squares):
                squares[i, q] += left**2 + (2.0 * left * right if i == j else 0.0)
                squares[j, q] += right**2


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def differentiate(outputs, task, D):
    """The training loss; fill D (n, k), its derivative by the outputs."""
    n, k = outputs.shape
    loss = 0.0
    unit = np.float32(1.0 / n if task.network.classify else 2.0 / (n * k))
    for a in range(n):
        if task.network.classify:
            top, whole = outputs[a].max(), 0.0
            for q in range(k):
                D[a, q] = math.exp(outputs[a, q] - top)
                whole += D[a, q]
            for q in range(k):
                D[a, q] = unit * (D[a, q] / whole - task.wanted[a, q])
            loss += (top + math.log(whole) - outputs[a, task.data.train.results[a]]) / n
        else:
            square = np.float32(0.0)
            for q in range(k):
                off = outputs[a, q] - task.wanted[a, q]
                square += off * off
                D[a, q] = unit * off
            loss += square / (n * k)
    return loss


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def accuracy(outputs, results, task):
    """The share of samples whose outputs (n, k) are nearest to the target of their
    result; nan of none.
    """
    near = np.empty((len(results), len(task.halves)), np.float32)
    product(outputs, task.targets, near)
    right = 0
    for a in range(len(results)):
        best, found = np.float32(-np.inf), -1
        for q in range(near.shape[1]):
            if near[a, q] - task.halves[q] > best:
                best, found = near[a, q] - task.halves[q], q
        right += found == results[a]
    return right / len(results) if len(results) else np.nan


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def to_variance(squares, gradient, n, noise):
    """From the n samples' sums of squares, and of derivatives, to the variance of a
    mini-batch's.
    """
    for i in range(len(squares)):
        squares[i] = noise * max(n * squares[i] - gradient[i] ** 2, 0.0)


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def memory_flow(E, task, rates, steps, weights, gradient, squares, records):
    """Move E (p, c) and `weights` for `steps` updates of the optimiser.

    gradient, squares (empty without noise): not filled, shaped like `weights`. Fills
    `records`; how many there are, and why it ended: LEARNED, all three thresholds are
    crossed, STEPS, or OVERFLOW.
    """
    data, network = task.data, task.network
    n, n_test = len(data.train.left), len(data.test.left)
    layers, back, tests = allocate(weights, n), allocate(weights, n), allocate(weights, n_test)
    moments, moments_of_E = np.zeros((2, len(weights.all)), np.float32), np.zeros((2, E.size))
    gradient_of_E, noise_of_E = np.empty_like(E), np.empty_like(E if rates.noise > 0.0 else E[:0])
    t, n_records, next_reading, next_record = 0, 0, 0.0, 0.0
    while True:
        compose(E, data.train, data.product, layers.inputs)
        forward(weights, network, layers)
        loss = differentiate(layers.outputs, task, back.outputs)
        if not loss < 1e100:
            return n_records, OVERFLOW
        if t >= next_reading or t == steps:
            next_reading = t + _READING * t
            compose(E, data.test, data.product, tests.inputs)
            forward(weights, network, tests)
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
            if t >= next_record or t == steps or learned:
                records.times[n_records], records.path[n_records] = t, E
                curve = records.curves[n_records]
                curve[0], curve[1], curve[2], curve[3] = train, test, high, loss
                n_records += 1
                next_record = t + max(1.0, SPACING * t)
                if learned or t == steps:
                    return n_records, LEARNED if learned else STEPS
        t += 1
        backward(layers, back, weights, network, gradient, squares)
        to_embeddings(E, data, back.inputs, gradient_of_E, noise_of_E)
        if rates.noise > 0.0:
            to_variance(squares.all, gradient.all, n, rates.noise)
            to_variance(noise_of_E.ravel(), gradient_of_E.ravel(), n, rates.noise)
        if rates.l1 > 0.0:
            gradient_of_E += rates.l1 / E.size * np.sign(E)
        kind, rate, decay = rates.decoder
        rule = Rule(kind, rate * min(1.0, t / max(rates.warmup, 1.0)), decay)
        descend(weights.all, gradient.all, squares.all, moments, t, rule)
        descend(E.ravel(), gradient_of_E.ravel(), noise_of_E.ravel(), moments_of_E, t, rates.embeddings)
