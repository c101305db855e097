"""Measures of structure on exact rings, simplices and random clouds, and what leaves
them as they are. What all measures make of arrays as people have them: tensors are what
their numbers are, and nothing loses an imaginary part, a mask or its type without a
word.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

import efftheory as et
from analysis.measures import components, waves
from analysis.measures.components import component_accuracy, effective_dimension, principal_components, projected
from analysis.measures.curves import count_slingshots, hjorth
from analysis.measures.rings import fourier_shares, gini, inverse_participation, ring, ring_angles, ring_rqi
from analysis.measures.weights import effective_sparsity, gradient_gap, largest_change

# Sums of a few hundred products of numbers near 1.
CLOSE: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-9}
SEEDS = st.integers(0, 2**32 - 1)
SHAPES = st.tuples(st.integers(3, 12), st.integers(2, 6))


def rotation(d: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Orthogonal, (d, d)."""
    return np.linalg.qr(rng.normal(size=(d, d)))[0]


def cloud(shape: tuple[int, int], seed: int) -> NDArray[np.float64]:
    """No two of its components have equal variance."""
    return np.random.default_rng(seed).normal(size=shape)


def moved(E: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Rotated, scaled and elsewhere."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0.1, 10) * E @ rotation(E.shape[1], rng) + rng.normal(size=E.shape[1])


def circle(p: int, frequency: int, d: int = 5, seed: int = 0) -> NDArray[np.float64]:
    """Symbol a at the angle 2 pi frequency a / p, in some plane of d dimensions."""
    angles = 2 * np.pi * frequency * np.arange(p) / p
    rng = np.random.default_rng(seed)
    plane = rng.uniform(0.1, 10) * rotation(d, rng)[:2]
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) @ plane + rng.normal(size=d)


def rings() -> st.SearchStrategy[tuple[int, int]]:
    """p of at least 5, and a frequency that has no factor in common with it."""
    pairs = [(p, k) for p in range(5, 40) for k in range(1, (p + 1) // 2) if math.gcd(k, p) == 1]
    return st.sampled_from(pairs)


# --- components ---


@given(SHAPES, SEEDS)
def test_components_make_the_embedding(shape: tuple[int, int], seed: int) -> None:
    """And stand at right angles, in order; the shares are the covariance's own."""
    E = cloud(shape, seed)
    parts = principal_components(E)
    np.testing.assert_allclose(parts.mean + parts.scores @ parts.directions, E, **CLOSE)
    np.testing.assert_allclose(parts.directions @ parts.directions.T, np.eye(min(shape)), **CLOSE)
    assert (np.diff(parts.shares) <= 1e-12).all()
    values = np.linalg.eigvalsh(np.cov(E.T))[::-1][: min(shape)]
    np.testing.assert_allclose(parts.shares, values / values.sum(), **CLOSE)


@given(SHAPES, SEEDS, SEEDS)
def test_effective_dimension_is_of_the_shape_alone(shape: tuple[int, int], seed: int, other: int) -> None:
    """A cloud of p symbols spans p - 1 dimensions at most."""
    E = cloud(shape, seed)
    dimension = effective_dimension(E)
    assert 1 - 1e-12 <= dimension <= min(shape[0] - 1, shape[1]) + 1e-9
    assert effective_dimension(moved(E, other)) == pytest.approx(dimension, rel=1e-9)
    assert effective_dimension(np.random.default_rng(other).permutation(E)) == pytest.approx(dimension, rel=1e-9)


@given(st.integers(2, 12))
def test_effective_dimension_of_exact_objects(p: int) -> None:
    assert effective_dimension(np.eye(p)) == pytest.approx(p - 1)  # a simplex
    assert effective_dimension(np.arange(p)[:, None] * [1.0, -2.0]) == pytest.approx(1)  # a line
    assert effective_dimension(circle(p + 3, 1)) == pytest.approx(2)
    corners = np.array(list(itertools.product([-1, 1], repeat=4)), float)
    assert effective_dimension(corners) == pytest.approx(4)


def test_symbols_in_one_place_have_no_dimension() -> None:
    for E in (np.full((6, 3), value) for value in (0.0, 1.0, 0.1, -1e9)):
        assert np.isnan(effective_dimension(E))
        assert np.isnan(fourier_shares(E)).all()


@given(SHAPES, SEEDS, SEEDS)
def test_what_is_kept_of_an_embedding(shape: tuple[int, int], seed: int, other: int) -> None:
    """No component leaves its mean, all leave E as it is; what is kept grows with k,
    and is what the coordinates have.
    """
    E, onto = cloud(shape, seed), cloud((shape[0] + 3, shape[1]), other)
    assume(shape[1] <= len(onto))
    kept: list[NDArray[np.float64]] = []
    component_accuracy(E, onto, lambda some: kept.append(some) or [True])
    np.testing.assert_allclose(kept[0], np.broadcast_to(E.mean(axis=0), E.shape), **CLOSE)
    np.testing.assert_allclose(kept[-1], E, **CLOSE)
    sizes = [float(np.square(some - E.mean(axis=0)).sum()) for some in kept]
    assert (np.diff(sizes) >= -1e-9).all()
    for k in range(1, shape[1] + 1):
        coordinates = projected(E, onto, k)
        assert coordinates.shape == (shape[0], k)
        assert np.square(coordinates).sum() == pytest.approx(sizes[k], rel=1e-9, abs=1e-9)
    np.testing.assert_allclose(projected(onto, onto, shape[1]), principal_components(onto).scores, **CLOSE)


@given(st.integers(5, 12), SEEDS)
def test_how_many_components_a_network_uses(p: int, seed: int) -> None:
    """One that names each symbol by the nearest place of a circle uses the circle's two
    components, though others are there; with none it names one symbol alone.
    """
    rng = np.random.default_rng(seed)
    angles = 2 * np.pi * np.arange(p) / p
    places = np.stack([np.cos(angles), np.sin(angles)])
    axes = rotation(5, rng)
    E = 10 * places.T @ axes[:2] + 0.1 * rng.normal(size=(p, 3)) @ axes[2:]

    def correct(embedding: NDArray[np.float64]) -> NDArray[np.bool_]:
        return (embedding @ axes[:2].T @ places).argmax(axis=1) == np.arange(p)

    found = component_accuracy(E, E, correct)
    assert found.shape == (min(p, 5) + 1,)
    assert found[0] == pytest.approx(1 / p)
    assert found[1] < 1
    assert (found[2:] == 1).all()


# --- waves and rings ---


@given(SHAPES, SEEDS, SEEDS, st.integers(0, 12))
def test_fourier_shares_are_of_the_shape_alone(shape: tuple[int, int], seed: int, other: int, shift: int) -> None:
    """Also of symbols that are all called by another, shifted, name."""
    E = cloud(shape, seed)
    shares = fourier_shares(E)
    np.testing.assert_allclose(fourier_shares(moved(E, other)), shares, **CLOSE)
    np.testing.assert_allclose(fourier_shares(np.roll(E, shift, axis=0)), shares, **CLOSE)


@given(SHAPES, SEEDS)
def test_fourier_shares_by_their_definition(shape: tuple[int, int], seed: int) -> None:
    """By projection onto cosines and sines: reveals a frequency that is counted twice,
    or once where it stands for two.
    """
    E = cloud(shape, seed)
    p = len(E)
    shares = []
    for k in range(1, p // 2 + 1):
        angles = 2 * np.pi * k * np.arange(p) / p
        waves = [np.cos(angles), np.sin(angles)] if 2 * k != p else [np.cos(angles)]
        shares.append(sum(np.square(wave / np.linalg.norm(wave) @ E).sum() for wave in waves))
    np.testing.assert_allclose(fourier_shares(E), np.array(shares) / np.square(E - E.mean(axis=0)).sum(), **CLOSE)


@given(rings(), SEEDS, st.integers(0, 40))
def test_a_ring_is_seen(pair: tuple[int, int], seed: int, shift: int) -> None:
    """One wave. Neighbours differ by the inverse of the frequency; every angle of a sum
    is right, however narrow. Shifted names are the same ring, whose sums are all turned
    alike.
    """
    p, frequency = pair
    E = circle(p, frequency, seed=seed)
    found = ring(E)
    assert (found.agreement, found.frequency) == (1, frequency)
    assert found.step * frequency % p in (1, p - 1)
    np.testing.assert_array_equal(found.order, found.step * np.arange(p) % p)
    np.testing.assert_allclose(fourier_shares(E), np.arange(1, p // 2 + 1) == frequency, atol=1e-9)
    assert ring_rqi(E) == ring_rqi(E, 1e-6) == 1
    E = np.roll(E, shift, axis=0)
    assert ring(E).frequency == frequency
    assert ring_rqi(E) == 1


def test_a_frequency_with_a_factor_of_p_has_no_inverse() -> None:
    """12 symbols in 3 places: sums are right all the same."""
    E = circle(12, 4)
    assert ring_rqi(E) == 1
    assert fourier_shares(E).argmax() + 1 == 4
    assert ring(circle(12, 5)).frequency == 5
    steps_of_three = np.argsort(np.arange(12) * 5 % 12)  # ring order 0, 5, 10 ..: step 5
    np.testing.assert_array_equal(ring(circle(12, 5)).order, steps_of_three[np.arange(12)])


@given(SHAPES, SEEDS, st.floats(0.01, 0.5))
def test_ring_rqi_by_counting(shape: tuple[int, int], seed: int, delta: float) -> None:
    """Parallelogram by parallelogram: reveals one that is lost at the end of a turn, or
    counted from both of its ends.
    """
    E = cloud(shape, seed)
    p, angles = len(E), ring_angles(E)
    pairs = list(itertools.combinations_with_replacement(range(p), 2))
    off = [
        abs((angles[i] + angles[j] - angles[m] - angles[n] + np.pi) % (2 * np.pi) - np.pi)
        for (i, j), (m, n) in itertools.combinations(pairs, 2)
        if (i + j - m - n) % p == 0
    ]
    assert len(off) == et.count_parallelograms(et.modular_addition(p))
    assert ring_rqi(E, delta) == pytest.approx(np.mean(np.array(off) <= delta * 2 * np.pi / p), abs=1e-12)


# --- what cannot be ---


def test_other_arguments_that_cannot_be() -> None:
    E = cloud((6, 3), 0)
    with pytest.raises(et.ArgumentError, match=r"`E` must have at least two dimensions, but has shape \(6, 1\)"):
        ring(E[:, :1])
    for few in (np.ones((1, 3)), np.ones((4, 0))):
        with pytest.raises(et.ArgumentError, match=r"`E` must be a finite real array \(p, d\) with p of at least 2"):
            effective_dimension(few)
        with pytest.raises(et.ArgumentError, match=r"`E` must be a finite real array \(p, d\) with p of at least 3"):
            ring_rqi(few)
    wrong: list[Any] = [0, -1, 0.6, math.nan, "wide"]
    for delta in wrong:
        with pytest.raises(et.ArgumentError, match="`delta` must be a finite number above 0 and at most"):
            ring_rqi(E, delta)
    with pytest.raises(et.ArgumentError, match="`onto` must have d = 3 dimensions, as E, but has 2"):
        projected(E, E[:, :2])
    wrong = [0, 4, 1.5, True]
    for k in wrong:
        with pytest.raises(et.ArgumentError, match=r"`k` must be an integer in 1\.\.3"):
            projected(E, E, k)


@given(arrays(np.float64, (4, 3), elements=st.floats(-1e150, 1e150)))
def test_extreme_numbers_are_no_exception(E: NDArray[np.float64]) -> None:
    """A value, or nan."""
    dimension = effective_dimension(E)
    assert np.isnan(dimension) or 1 - 1e-6 <= dimension <= 3 + 1e-6


# --- arrays as people have them ---

LINE, SQUARE, CUBE = (4,), (4, 4), (4, 4, 4)
FOUR = waves.cyclic(4)

# What takes one array of numbers, and the array's shape.
MEASURES: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "effective_dimension": (effective_dimension, SQUARE),
    "projected": (lambda x: projected(x, x), SQUARE),
    "fourier_shares": (fourier_shares, SQUARE),
    "ring_rqi": (ring_rqi, SQUARE),
    "inverse_participation": (inverse_participation, SQUARE),
    "excluded": (lambda x: waves.excluded(x, FOUR, [1]), CUBE),
    "powers": (lambda x: waves.powers(x, FOUR), CUBE),
    "mean_cross_entropy": (lambda x: waves.mean_cross_entropy(x, [0, 1, 2, 3]), SQUARE),
    "gini": (gini, LINE),
    "gradient_gap": (lambda x: gradient_gap(x, [0]), SQUARE),
    "effective_sparsity": (lambda x: effective_sparsity(x, x, x[0]), SQUARE),
    "hjorth": (hjorth, LINE),
    "count_slingshots": (lambda x: count_slingshots(x, x), LINE),
    "spreads": (lambda x: components.spreads([0, 0, 1, 1], [x]).to_numpy(), SQUARE),
    "largest_change": (lambda x: largest_change({"W": x}, {"W": x}), SQUARE),
}


OF_ANY_SHAPE = ("spreads", "largest_change")  # and finite or not


@pytest.fixture(params=MEASURES)
def measure(request) -> tuple[str, Callable[[Any], Any], np.ndarray]:
    """A measure, and numbers in [0, 1) that bfloat16 has exactly."""
    function, shape = MEASURES[request.param]
    return request.param, function, np.random.default_rng(0).integers(0, 128, shape) / 128


def test_tensors_are_their_numbers(measure) -> None:
    """Also those that require a gradient, of any precision, and lists of them."""
    _, function, numbers = measure
    wanted = function(numbers)
    for kind in (torch.float64, torch.float32, torch.bfloat16):
        tensor = torch.tensor(numbers, dtype=kind, requires_grad=True)
        np.testing.assert_array_equal(function(tensor), wanted)
    np.testing.assert_array_equal(function(numbers.astype(np.float16)), wanted)
    if numbers.ndim > 1:
        rows = [torch.tensor(row, requires_grad=True) for row in numbers]
        np.testing.assert_array_equal(function(rows), wanted)
    np.testing.assert_array_equal(function(np.ma.masked_array(numbers, False)), wanted)


def test_nothing_is_lost_without_a_word(measure) -> None:
    name, function, numbers = measure
    masked = np.ma.masked_array(numbers, numbers == numbers.max())
    others = (numbers + 0j, numbers.astype(str), np.full(numbers.shape, np.datetime64("2020-01-01")), [[1, 2], [3]])
    wrong: list[tuple[str, Any]] = [("has masked entries", masked), *(("are no real numbers", one) for one in others)]
    if name not in OF_ANY_SHAPE:
        wrong += [("has an entry that is not finite", numbers + np.inf), ("has shape .*", numbers[..., None])]
    for finding, values in wrong:
        with pytest.raises(et.ArgumentError, match=rf"^Argument `\w+` must [^\n]*{finding}\.$"):
            function(values)
