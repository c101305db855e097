"""The numba kernels of a decoder whose units come in blocks of equal ones: outputs and
derivatives; memory.py has the equations.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from efftheory._cache import CACHE
from efftheory._kernels import FAST
from efftheory._product_kernels import product

_LINEAR, _TANH, _RELU = 0, 1, 2


class Weights(NamedTuple):
    """Numbers of a decoder with c inputs, M blocks a hidden layer, k outputs, all in
    one array, and views of it: first (c + 1, M), hidden (depth - 1, M + 1, M), last
    (M + 1, k); the last row of each is the biases.
    """

    all: NDArray[np.float32]
    first: NDArray[np.float32]
    hidden: NDArray[np.float32]
    last: NDArray[np.float32]


class Network(NamedTuple):
    """What does not change: how many units a block stands for, the activation, the
    loss.
    """

    units: float
    relu: bool
    classify: bool


class Layers(NamedTuple):
    """Of the samples: inputs (n, c), activations of each hidden layer, values (depth,
    n, M), and outputs (n, k); or the loss's derivatives by these, `values` then by what
    is activated.
    """

    inputs: NDArray[np.float32]
    values: NDArray[np.float32]
    outputs: NDArray[np.float32]


@njit(cache=CACHE, nogil=True)
def allocate(weights, n):
    """Layers of n samples, not filled."""
    depth, m = len(weights.hidden) + 1, weights.first.shape[1]
    inputs = np.empty((n, len(weights.first) - 1), np.float32)
    return Layers(inputs, np.empty((depth, n, m), np.float32), np.empty((n, weights.last.shape[1]), np.float32))


@njit(inline="always")
def tanh(z):
    """tanh z within 2e-6, without a call: Lambert's continued fraction at z / 2, and
    the addition theorem.
    """
    y = min(max(z, np.float32(-9.0)), np.float32(9.0)) * np.float32(0.5)
    s = y * y
    top = ((s + np.float32(378.0)) * s + np.float32(17325.0)) * s + np.float32(135135.0)
    bottom = ((np.float32(28.0) * s + np.float32(3150.0)) * s + np.float32(62370.0)) * s + np.float32(135135.0)
    t = y * top
    return np.float32(2.0) * t * bottom / (bottom * bottom + t * t)


@njit(cache=CACHE, nogil=True, fastmath=FAST, error_model="numpy")
def _activate(here, w, z, scale, kind):
    """From the activations `here` (n, M) by the weights and biases w: those of the next
    layer, z (n, k).
    """
    product(here, w, z)
    bias = len(w) - 1
    for a in range(len(z)):
        if kind == _TANH:
            for j in range(z.shape[1]):
                z[a, j] = tanh(scale * z[a, j] + w[bias, j])
        elif kind == _RELU:
            for j in range(z.shape[1]):
                z[a, j] = max(scale * z[a, j] + w[bias, j], np.float32(0.0))
        else:
            for j in range(z.shape[1]):
                z[a, j] = scale * z[a, j] + w[bias, j]


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def _sum_samples(here, D, by_weights):
    """The derivatives by weights and biases, from those by what they lead to, D
    (n, k).
    """
    product(here.T, D, by_weights)
    bias = len(by_weights) - 1
    by_weights[bias] = np.float32(0.0)
    for a in range(len(D)):
        for k in range(D.shape[1]):
            by_weights[bias, k] += D[a, k]


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def _pass_back(here, w, D, below, scale, kind):
    """From the derivatives D (n, k) by what the weights lead to: by what the
    activations `here` (n, M) are of, below (n, M).
    """
    if kind == _LINEAR:  # the inputs, which are few
        for a in range(len(D)):
            for q in range(below.shape[1]):
                total = np.float32(0.0)
                for j in range(D.shape[1]):
                    total += D[a, j] * w[q, j]
                below[a, q] = scale * total
        return
    turned = np.empty((w.shape[1], len(w) - 1), np.float32)
    for j in range(len(w) - 1):
        for k in range(w.shape[1]):
            turned[k, j] = w[j, k]
    product(D, turned, below)
    for a in range(len(D)):
        for j in range(below.shape[1]):
            y = here[a, j]
            slope = (y > 0.0) if kind == _RELU else np.float32(1.0) - y * y
            below[a, j] *= scale * slope


@njit(cache=CACHE, nogil=True)
def layer(weights, i):
    """The weights and biases that follow on hidden layer i; 0 are the inputs."""
    return weights.first if i == 0 else weights.last if i > len(weights.hidden) else weights.hidden[i - 1]


@njit(cache=CACHE, nogil=True)
def shown(layers, i):
    """The activations of hidden layer i; 0 are the inputs, and behind the last layer
    are the outputs.
    """
    return layers.inputs if i == 0 else layers.outputs if i > len(layers.values) else layers.values[i - 1]


@njit(cache=CACHE, nogil=True)
def forward(weights, network, layers):
    """Fill `layers` from its inputs."""
    depth = len(layers.values)
    for i in range(depth + 1):
        kind = _LINEAR if i == depth else _RELU if network.relu else _TANH
        scale = np.float32(network.units if i > 0 else 1.0)
        _activate(shown(layers, i), layer(weights, i), shown(layers, i + 1), scale, kind)


@njit(cache=CACHE, nogil=True)
def backward(layers, back, weights, network, gradient, squares):
    """From the derivatives by the outputs, back.outputs: by all of `layers`, into
    `back`, and by one unit's weights, into `gradient`. Into `squares`, unless it is
    empty: the sums of the samples' squared derivatives by weights.
    """
    depth = len(layers.values)
    for i in range(depth, -1, -1):
        here, D = shown(layers, i), shown(back, i + 1)
        _sum_samples(here, D, layer(gradient, i))
        if len(squares.all):
            _sum_samples(here * here, D * D, layer(squares, i))
        kind = _LINEAR if i == 0 else _RELU if network.relu else _TANH
        scale = np.float32(network.units if i < depth else 1.0)
        _pass_back(here, layer(weights, i), D, shown(back, i), scale, kind)
