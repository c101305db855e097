"""The numba kernels of a decoder whose units come in blocks of equal ones: outputs,
derivatives, and what small moves do to the outputs; memory.py has the equations.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from efftheory._cache import CACHE
from efftheory._sample_kernels import FAST


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
    """Of the samples (N, M): activations of each hidden layer, and their slopes; and
    the outputs (N, k).
    """

    values: NDArray[np.float32]
    slopes: NDArray[np.float32]
    outputs: NDArray[np.float32]


@njit(cache=CACHE, nogil=True)
def room(weights, n):
    """Layers of n samples, not filled."""
    m, depth = weights.first.shape[1], len(weights.hidden) + 1
    shape = (depth, n, m)
    outputs = np.empty((n, weights.last.shape[1]), np.float32)
    return Layers(np.empty(shape, np.float32), np.empty(shape, np.float32), outputs)


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
def activate(z, value, slope, scale, bias, relu):
    """value, slope (N, M) of the activation at scale z + bias."""
    n, m = z.shape
    one, none = np.float32(1.0), np.float32(0.0)
    for a in range(n):
        if relu:
            for j in range(m):
                u = scale * z[a, j] + bias[j]
                value[a, j] = max(u, none)
                slope[a, j] = one if u > none else none
        else:
            for j in range(m):
                y = tanh(scale * z[a, j] + bias[j])
                value[a, j] = y
                slope[a, j] = one - y * y


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def forward(x, weights, network, layers):
    """Fill `layers` at the inputs x (N, c)."""
    m, c = weights.first.shape[1], x.shape[1]
    units, one = np.float32(network.units), np.float32(1.0)
    z = np.empty((len(x), m), np.float32)
    for i in range(len(layers.values)):
        if i == 0:
            np.dot(x, weights.first[:c], z)
            activate(z, layers.values[0], layers.slopes[0], one, weights.first[c], network.relu)
        else:
            np.dot(layers.values[i - 1], weights.hidden[i - 1, :m], z)
            activate(z, layers.values[i], layers.slopes[i], units, weights.hidden[i - 1, m], network.relu)
    out = layers.outputs
    np.dot(layers.values[-1], weights.last[:m], out)
    for a in range(len(out)):
        for k in range(out.shape[1]):
            out[a, k] = units * out[a, k] + weights.last[m, k]


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def _sum_rows(D, into):
    into[:] = np.float32(0.0)
    for a in range(len(D)):
        for k in range(D.shape[1]):
            into[k] += D[a, k]


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def backward(D, x, weights, network, layers, gradient, squares, force):
    """From the derivative D (n, k) by the outputs of n samples at inputs x: by one
    unit's weights, into `gradient`; by the inputs, into force (n, c). Into `squares`,
    unless it is empty: the sums of the samples' squared derivatives by weights.
    """
    n, c = force.shape
    m, depth = weights.first.shape[1], len(layers.values)
    spread, units = len(squares.all) > 0, np.float32(network.units)
    back, lower = np.empty((n, m), np.float32), np.empty((n, m), np.float32)
    top = layers.values[depth - 1]
    np.dot(top.T, D, gradient.last[:m])
    _sum_rows(D, gradient.last[m])
    if spread:
        np.dot((top * top).T, D * D, squares.last[:m])
        _sum_rows(D * D, squares.last[m])
    np.dot(D, np.ascontiguousarray(weights.last[:m].T), back)  # BLAS is faster than with a view
    for i in range(depth - 1, -1, -1):
        slope = layers.slopes[i]
        for a in range(n):
            for j in range(m):
                back[a, j] *= slope[a, j]
        if i > 0:
            below = layers.values[i - 1]
            np.dot(below.T, back, gradient.hidden[i - 1, :m])
            _sum_rows(back, gradient.hidden[i - 1, m])
            if spread:
                np.dot((below * below).T, back * back, squares.hidden[i - 1, :m])
                _sum_rows(back * back, squares.hidden[i - 1, m])
            np.dot(back, np.ascontiguousarray(weights.hidden[i - 1, :m].T), lower)
            for a in range(n):
                for j in range(m):
                    back[a, j] = units * lower[a, j]
        else:
            np.dot(x.T, back, gradient.first[:c])
            _sum_rows(back, gradient.first[c])
            if spread:
                np.dot((x * x).T, back * back, squares.first[:c])
                _sum_rows(back * back, squares.first[c])
            np.dot(back, weights.first[:c].T, force)
            for a in range(n):
                for q in range(c):
                    force[a, q] *= units
