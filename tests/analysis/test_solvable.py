"""Systems that grok and are solved, against simulation and counting; the measure that
was made after one of them.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from analysis.measures.weights import gradient_gap
from tests.solvable import (
    fourier_gap,
    grokking_probability,
    grokking_time,
    majority_coefficient,
    threshold_limit,
    threshold_path,
)
from tests.tolerances import SIGMAS, assert_close, standard_error

# --- the perceptron ---

STEP = 1e-3  # of gradient descent, whose paths are off by about as much


def samples(rng: np.random.Generator, shape: tuple[int, ...], eps: float) -> tuple[Any, Any]:
    """Positive and negative ones."""
    return eps + rng.exponential(size=shape), -eps - rng.exponential(size=shape)


def descent(x: Any, y: Any, b0: float, l1: float, l2: float, step: float, n_steps: int) -> NDArray[np.float64]:
    """Thresholds by gradient descent, for samples on the last axis."""
    b = np.full(x.shape[:-1], b0)
    path = [b]
    for _ in range(n_steps):
        slope = -(x - b[..., None] - y).mean(axis=-1)
        b = b - step * (slope + l2 * b + l1 * np.sign(b))
        path.append(b)
    return np.array(path)


@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.0), (0.3, 0.0), (0.0, 0.5), (0.2, 0.5)])
@pytest.mark.parametrize("seed", [8, 9, 10])  # which tell the limit from the mean
def test_a_perceptron_that_is_trained(l1: float, l2: float, seed: int) -> None:
    """Path, and time: from no training error to none on a test sample at the edge of
    its class. With a penalty, the samples' mean in the limit's place gives another.
    """
    eps, b0 = 1.0, 6.0
    positive, negative = samples(np.random.default_rng(seed), (5,), eps)
    x, y = np.concatenate([positive, negative]), np.repeat([1.0, -1.0], 5)
    limit = threshold_limit(x.mean(), l1, l2)
    path = descent(x, y, b0, l1, l2, STEP, 10_000)
    above = np.logical_and.accumulate(path > 0)  # until then the penalty pulls downwards
    # (1 - a)^n and exp(-a n) differ by at most a, the rate times the step
    a = (1 + l2) * STEP
    expected = threshold_path(STEP * np.arange(len(path)), b0, limit, l2)
    assert above[0]
    np.testing.assert_allclose(path[above], expected[above], rtol=0, atol=a * (b0 - limit))
    remembers = np.argmax((path < positive.min()) & (path > negative.max()))
    generalises = np.argmax(path < eps)
    assert 0 < remembers <= generalises
    found = STEP * float(generalises - remembers)
    # both are met up to a step late, and later ones by the rate's half step as well
    t, by_mean = (grokking_time(positive.min() - eps, place, eps, l2) for place in (limit, x.mean()))
    assert found == pytest.approx(t, abs=3 * STEP + a * t)
    assert (found == pytest.approx(by_mean, abs=3 * STEP + a * t)) == (l1 == l2 == 0)


def test_a_threshold_outside_of_the_gap() -> None:
    """It never generalises; within, the later the nearer to the edge it ends."""
    assert grokking_time(0.5, 1.0, 1.0) == math.inf
    assert grokking_time(0.0, 0.5, 1.0) == 0
    assert_close([grokking_time(0.5, 1 - d, 1.0) for d in (0.5, 0.25)], np.log([2, 3]))
    assert grokking_probability(0.0) == 0


@pytest.mark.parametrize(("eps", "l1", "l2"), [(0.2, 0.0, 0.0), (0.3, 0.1, 0.0), (0.2, 0.1, 0.5)])
def test_how_often_a_perceptron_groks(eps: float, l1: float, l2: float) -> None:
    """Two samples of each class, trained until nothing moves: in the gap or not."""
    n = 20_000
    x = np.concatenate(samples(np.random.default_rng(0), (n, 2), eps), axis=1)
    ends = descent(x, np.array([1.0, 1, -1, -1]), 4.0, l1, l2, 0.05, 400)[-1]
    P = grokking_probability(eps, l1, l2)
    assert abs((np.abs(ends) < eps).mean() - P) < SIGMAS * standard_error(P, n)


# --- parities ---


def bits(n: int) -> NDArray[np.int64]:
    return np.array(list(itertools.product([-1, 1], repeat=n)))


@pytest.mark.parametrize("n", [1, 3, 5, 7, 9])
def test_majority_by_counting(n: int) -> None:
    """Over all 2^n inputs: the sums are integers, over a power of two."""
    x = bits(n)
    for order in range(1, n + 1, 2):
        counted = (np.sign(x.sum(axis=1)) * x[:, :order].prod(axis=1)).mean()
        assert_close(majority_coefficient(n, order), counted)


@pytest.mark.parametrize("n", [11, 41, 101])
def test_majority_is_of_size_one(n: int) -> None:
    """Parseval: the squares of all coefficients add up to E[Maj^2]."""
    assert_close(sum(math.comb(n, k) * majority_coefficient(n, k) ** 2 for k in range(1, n + 1, 2)), 1)


@pytest.mark.parametrize(("n", "k"), [(n, k) for n in (3, 5, 7, 9) for k in range(2, n, 2)])
def test_fourier_gap_is_of_a_neurons_gradient(n: int, k: int) -> None:
    """Over all inputs of the parity of the first k bits."""
    x = bits(n)
    parity = x[:, :k].prod(axis=1)
    weights = torch.full((n,), 0.3, dtype=torch.float64, requires_grad=True)
    outputs = torch.relu(torch.as_tensor(x, dtype=torch.float64) @ weights)
    (torch.as_tensor(parity) * outputs).mean().backward()
    assert weights.grad is not None
    g = weights.grad.abs().numpy()
    assert_close(g[:k], np.full(k, g[0]))
    assert_close(fourier_gap(n, k), g[0] - g[-1])
    assert_close(gradient_gap(np.stack([g, -2 * g]), np.arange(k)), (g[0] - g[-1]) / g.mean())


@pytest.mark.parametrize("n", [7, 11, 15])
def test_fourier_gap_ends_at_half(n: int) -> None:
    """The sizes fall up to order (n + 1)/2 and rise alike beyond."""
    gaps = {k: fourier_gap(n, k) for k in range(2, n, 2)}
    assert gaps[(n + 1) // 2] == 0
    assert all(gap > 0 for k, gap in gaps.items() if k < (n + 1) // 2)
    assert all(gap < 0 for k, gap in gaps.items() if k > (n + 1) // 2)
