"""Measures that a training run leaves behind, on objects whose values are known, and
what leaves them as they are.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import efftheory as et
from analysis.measures import curvature
from analysis.measures.curvature import SHARPNESS_TOLERANCE, gradient_norm, sharpness
from analysis.measures.curves import LEAST_LOSS, count_slingshots, fit_patterns, hjorth, pattern_accuracy
from analysis.measures.weights import effective_sparsity, gradient_gap, largest_change
from tests.tolerances import assert_close

SEEDS = st.integers(0, 2**32 - 1)

# A least-squares fit of curves without noise ends where a step gains less than 1e-8 of
# the sum of squares; at a bound, which it approaches from within, it does so earlier.
FITTED = 1e-3


def raises(name: str, says: str) -> Any:
    return pytest.raises(et.ArgumentError, match=f"Argument `{name}` must {says}")


# --- sparsity ---


@given(st.integers(1, 6), st.integers(1, 10), st.sampled_from([1, 3, 5]), SEEDS)
def test_planted_neurons_are_counted(m: int, idle: int, n_classes: int, seed: int) -> None:
    """Each of m neurons decides one sample of its own, and all outputs are 0 without
    it; the other neurons, of smaller incoming norm, change nothing.
    """
    rng = np.random.default_rng(seed)
    H = np.concatenate([np.eye(m), rng.uniform(size=(m, idle))], axis=1)
    R = 1e-3 * rng.uniform(-1, 1, (n_classes, m + idle))
    R[:, :m] = 0
    R[rng.integers(1, n_classes, m) if n_classes > 1 else 0, np.arange(m)] = 1
    incoming = np.concatenate([rng.uniform(2, 3, m), rng.uniform(0, 1, idle)])
    places = rng.permutation(m + idle)
    assert effective_sparsity(H[:, places], R[:, places], incoming[places]) == m


@given(st.integers(1, 6), st.integers(1, 7), st.integers(1, 3), SEEDS)
def test_sparsity_by_its_definition(N: int, w: int, C: int, seed: int) -> None:
    """In integers, where no sum is rounded; often 0, so that no neuron is needed."""
    rng = np.random.default_rng(seed)
    H, R, incoming = rng.integers(0, 4, (N, w)), rng.integers(-2, 3, (C, w)), rng.permutation(w)
    R *= rng.random((C, w)) < rng.random()

    def predictions(k: int) -> list[int]:
        kept = sorted(range(w), key=lambda i: -incoming[i])[:k]
        outputs = H[:, kept] @ R[:, kept].T
        return list(np.sign(outputs[:, 0]) if len(R) == 1 else outputs.argmax(axis=1))

    found = effective_sparsity(H, R, incoming)
    assert found == min(k for k in range(w + 1) if predictions(k) == predictions(w))
    # neither the sizes of the norms nor the order of the samples are looked at
    assert effective_sparsity(H[::-1], 4 * R, 10.0**incoming) == found


def test_what_passes_no_neuron_is_kept() -> None:
    """One neuron turns the class that the direct part says; without it none is
    needed.
    """
    H, R = np.array([[0.0, 1], [1, 1]]), np.array([[2.0, 0], [0, 0]])
    direct = np.tile([0.0, 1.0], (2, 1))
    assert effective_sparsity(H, R, [1.0, 2.0], direct=direct) == 2
    assert effective_sparsity(H, R, [2.0, 1.0], direct=direct) == 1
    assert effective_sparsity(H, 0 * R, [2.0, 1.0], direct=direct) == 0


def test_what_is_no_layer() -> None:
    H, R = np.ones((3, 2)), np.ones((4, 2))
    with raises("readout", r"be a finite real array \(C, 2\)"):
        effective_sparsity(H, R[:, :1], [1, 1])
    with raises("incoming", r"be a finite real array \(2,\), but has shape \(3,\)"):
        effective_sparsity(H, R, [1, 1, 1])
    with raises("direct", r"be a finite real array \(3, 4\)"):
        effective_sparsity(H, R, [2.0, 1.0], direct=np.ones((1, 4)))


# --- slingshots ---


def cycles(n: int, growth: float = 1.0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The loss falls from 1 to 1e-4 and jumps back, n times; the norm grows."""
    fall = np.geomspace(1, 1e-4, 9)
    loss = np.concatenate([np.tile(fall, n), fall])
    return loss, 10 + growth * np.arange(len(loss)) / len(loss)


@given(st.integers(0, 6), st.integers(-2, 6), st.integers(-9, 9))
def test_slingshots_are_counted(n: int, scale: int, norm_scale: int) -> None:
    """Whatever the units, as long as the losses are above the least one (powers of 4:
    their roots are exact).
    """
    loss, norm = cycles(n)
    assert count_slingshots(4.0**scale * loss, 2.0**norm_scale * norm) == n
    assert count_slingshots(np.repeat(loss, 3), np.repeat(norm, 3)) == n


def test_what_is_no_slingshot() -> None:
    """Nor what are no curves."""
    loss, norm = cycles(4)
    assert count_slingshots(*cycles(4, growth=-1)) == 0  # the norm shrinks
    assert count_slingshots(*cycles(4, growth=0)) == 0
    assert count_slingshots(loss, norm, factor=2e4) == 0  # no spike is as high
    assert count_slingshots(loss[:-7], norm[:-7]) == 3  # the last has not ended
    assert count_slingshots(np.minimum(loss, 9e-4), norm) == 0
    assert count_slingshots(np.minimum(loss, 2e-3), norm) == 4
    assert count_slingshots(loss * LEAST_LOSS, norm) == 0
    assert count_slingshots(np.zeros(5), np.arange(5)) == 0
    with raises("train_loss", "be a finite .* of at least 0, but has values in"):
        count_slingshots([1, -1], [1, 1])
    with raises("last_norm", r"be a finite real array \(2,\), but has shape \(3,\)"):
        count_slingshots([1, 1], [1, 1, 1])
    wrong: list[Any] = [1, 0.5, math.nan, math.inf, "ten"]
    assert count_slingshots(loss, norm, np.array([10])[0]) == 4  # numpy's numbers are numbers
    for factor in wrong:
        with raises("factor", "be a finite number above 1"):
            count_slingshots([1, 1], [1, 1], factor)


def test_a_spike_that_trembles_is_one() -> None:
    """It ends below the geometric middle of 1e-2 and its highest, 4: at 0.2."""
    assert count_slingshots([1, 1e-2, 0.5, 4, 0.3, 4, 0.21, 1, 0.19], np.arange(9)) == 1
    # the next has to exceed what came after: 10 times 0.19, then 10 times 0.1
    assert count_slingshots([1, 1e-2, 4, 0.19, 1.8, 0.19], np.arange(6)) == 1
    assert count_slingshots([1, 1e-2, 4, 0.19, 0.1, 1.8, 0.19], np.arange(7)) == 2
    # a norm that grows within a spike counts, from end to end; not one that has fallen
    loss = [1, 1e-3, 1, 1e-3, 1, 1e-3]
    assert count_slingshots(loss, [5, 5, 7, 6, 6, 7]) == 2
    assert count_slingshots(loss, [5, 5, 7, 6, 9, 5.5]) == 1


# --- patterns ---

LOOKS = {"even": np.arange(0, 2001, 25), "logarithmic": np.unique(np.geomspace(1, 20000, 100).round())}
# rate and time in units of the last step, share of the training and of the test set
PLANTED = {
    "one": [(40, 0.2, 0.9, 0.3)],
    "over-fitting, then general": [(60, 0.05, 0.98, 0), (20, 0.5, 0.9, 0.95)],
    "heuristic, over-fitting, general": [(100, 0.03, 0.3, 0.25), (60, 0.15, 0.9, 0), (20, 0.6, 0.9, 0.95)],
}


@pytest.mark.parametrize("looks", LOOKS)
@pytest.mark.parametrize("system", PLANTED)
def test_planted_patterns_are_found(looks: str, system: str) -> None:
    """In the order of their times, whatever order they were planted in."""
    steps = LOOKS[looks]
    planted = np.array(PLANTED[system])
    for backwards in (planted, planted[::-1]):
        rates, times, train_shares, test_shares = backwards.T
        rates, times = rates / steps[-1], times * steps[-1]
        train = pattern_accuracy(steps, rates, times, train_shares)
        test = pattern_accuracy(steps, rates, times, test_shares)
        found = fit_patterns(steps, train, test, len(planted))
        assert found.residual < FITTED
        np.testing.assert_allclose(found.rates * steps[-1], planted[:, 0], rtol=FITTED)
        np.testing.assert_allclose(found.times / steps[-1], planted[:, 1], rtol=FITTED)
        np.testing.assert_allclose(found.train_shares, planted[:, 2], atol=FITTED)
        np.testing.assert_allclose(found.test_shares, planted[:, 3], atol=FITTED)


def test_patterns_by_hand() -> None:
    """One that is learned between two looks, and carries nothing over. An accuracy that
    is 1 and then 0, which no logistic function can follow, is best met by a half, which
    is off by a half everywhere. Two that are half learned: 1 - (1 - .5/2) (1 - .8/2).
    """
    rising = np.repeat([0.0, 1.0], 20)
    found = fit_patterns(np.arange(40), rising, np.zeros(40), 1)
    assert found.residual < FITTED
    assert 19 < found.times[0] < 20
    assert (found.train_shares[0], found.test_shares[0]) == pytest.approx((1, 0), abs=FITTED)
    assert fit_patterns(np.arange(40), rising[::-1], rising[::-1], 1).residual == pytest.approx(0.5, abs=0.01)
    assert_close(pattern_accuracy(*map(np.array, ([3.0], [1.0, 2.0], [3.0, 3.0], [0.5, 0.8]))), [0.55])


def test_what_has_no_patterns() -> None:
    steps, curve = np.arange(5), np.linspace(0, 1, 5)
    for n_patterns in [0, 1.5, True]:
        with raises("n_patterns", "be an integer of at least 1"):
            fit_patterns(steps, curve, curve, n_patterns)  # pyright: ignore[reportArgumentType]
    with raises("steps", r"be a finite real array \(L,\) with L of at least 6"):
        fit_patterns(steps, curve, curve, 3)
    for wrong, says in ((steps[::-1], "be ascending"), (steps - 1, ".* of at least 0")):
        with raises("steps", says):
            fit_patterns(wrong, curve, curve, 1)
    with raises("test_accuracy", r"be .*, in \[0, 1\]"):
        fit_patterns(steps, curve, 2 * curve, 1)


# --- signature ---


@given(st.integers(6, 60).flatmap(lambda L: st.tuples(st.just(L), st.integers(1, L // 2 - 1))), st.floats(0.1, 10))
def test_hjorth_of_a_wave(pair: tuple[int, int], amplitude: float) -> None:
    """m whole periods of a cosine that is even around its middle, so that it has no
    trend. A difference is another wave, 2 sin(w/2) times as high; of the first
    differences a zero is missing in their last period, of the second two values
    cos(w/2).
    """
    L, m = pair
    w = 2 * np.pi * m / L
    found = hjorth(amplitude * np.cos(w * (np.arange(L) - (L - 1) / 2)))
    step, end = 2 * np.sin(w / 2), np.cos(w / 2)
    m0 = 1 / 2
    m2 = step**2 * L / 2 / (L - 1)
    m4 = step**4 * ((L / 2 - 2 * end**2) / (L - 2) - (2 * end / (L - 2)) ** 2)
    assert_close(found, [amplitude**2 * m0, np.sqrt(m2 / m0), np.sqrt(m4 / m2)])


@given(st.integers(6, 40), SEEDS, st.floats(-10, 10), st.floats(-10, 10), st.floats(0.1, 10))
def test_hjorth_of_other_units(L: int, seed: int, level: float, slope: float, scale: float) -> None:
    values = np.random.default_rng(seed).normal(size=L)
    found, other = hjorth(values), hjorth(level + slope * np.arange(L) + scale * values)
    np.testing.assert_allclose(other, [scale**2 * found.activity, *found[1:]], rtol=1e-9)


def test_hjorth_of_a_line() -> None:
    for values in (np.zeros(9), np.full(9, 0.1), 1e6 + 0.3 * np.arange(400)):
        assert np.isnan(hjorth(values)[1:]).all()
    assert hjorth(1 + 1e-6 * np.cos(np.arange(400))).mobility == pytest.approx(2 * np.sin(0.5), rel=0.05)
    with raises("values", r"be a finite real array \(L,\) with L of at least 4"):
        hjorth(np.ones(3))


# --- gaps of gradients ---


def test_gradient_gap_of_exact_gradients() -> None:
    g = np.array([[3, -3, 0, 0, 0, 0]])
    assert [gradient_gap(g, relevant) for relevant in ([0, 1], [2, 3, 4], [0, 2, 3])] == [6 / 2, -6 / 3, 0]
    assert gradient_gap(np.concatenate([g, np.zeros((1, 6))]), [1, 0]) == 3 / 2  # a dead neuron


@given(st.integers(1, 5), st.integers(2, 8), SEEDS)
def test_gradient_gap_of_other_units(w: int, n: int, seed: int) -> None:
    """Each neuron of its own scale and sign, the coordinates of other names."""
    rng = np.random.default_rng(seed)
    g, names = rng.normal(size=(w, n)), rng.permutation(n)
    relevant = rng.choice(n, size=rng.integers(1, n), replace=False)
    other = rng.choice([-1, 1], (w, n)) * rng.uniform(0.1, 10, (w, 1)) * g[:, names]
    assert_close(gradient_gap(other, np.argsort(names)[relevant]), gradient_gap(g, relevant))


@pytest.mark.parametrize("relevant", [[3], [-1], [0.0], [[0]], [], [0, 0], [0, 1, 2]])
def test_what_has_no_gap(relevant: Any) -> None:
    with raises("relevant", r"be (whole numbers \(k,\) in 0\.\.2|distinct, at least one and not all)"):
        gradient_gap(np.ones((2, 3)), relevant)


# --- curvature ---


@settings(max_examples=20)
@given(st.lists(st.floats(-10, 0.5), min_size=3, max_size=30), st.floats(1, 5), SEEDS, st.floats(0.1, 10))
def test_curvature_of_a_quadratic_form(others: list[float], largest: float, seed: int, scale: float) -> None:
    """w A w / 2, in two tensors: the largest eigenvalue of A, though others may be
    larger in size, and A w.
    """
    spectrum, rng = np.array([*others, largest]), np.random.default_rng(seed)
    Q = np.linalg.qr(rng.normal(size=(len(spectrum), len(spectrum))))[0]
    A, w = scale * Q * spectrum @ Q.T, rng.normal(size=len(spectrum))

    def loss(weights: dict[str, torch.Tensor]) -> torch.Tensor:
        w = torch.cat([weights["a"].ravel(), weights["b"]])
        return w @ torch.as_tensor(A) @ w / 2

    parts = {"a": w[:2].reshape(1, 2), "b": torch.as_tensor(w[2:])}
    assert sharpness(loss, parts) == pytest.approx(scale * largest, rel=SHARPNESS_TOLERANCE)
    assert_close(gradient_norm(loss, parts), float(np.linalg.norm(A @ w)))


def test_curvature_by_hand() -> None:
    """x^2 y + y^3 at (1, 1): slopes 2 and 4, the Hessian ((2, 2), (2, 6)) with
    eigenvalues 4 +- sqrt 8; upside down the larger is -4 + sqrt 8.
    """

    def loss(weights: dict[str, torch.Tensor]) -> torch.Tensor:
        return weights["x"] ** 2 * weights["y"] + weights["y"] ** 3

    for weights in ({"x": np.array(1.0), "y": np.array(1.0)}, {"x": torch.ones(1), "y": np.ones(1, np.float32)}):
        assert gradient_norm(loss, weights) == pytest.approx(math.sqrt(20), rel=1e-6)
        assert sharpness(loss, weights) == pytest.approx(4 + math.sqrt(8), rel=SHARPNESS_TOLERANCE)
        assert sharpness(lambda w: -loss(w), weights) == pytest.approx(-4 + math.sqrt(8), rel=SHARPNESS_TOLERANCE)


def test_hessians_that_lanczos_does_not_take(monkeypatch) -> None:
    flat = {"a": np.ones(3)}
    assert sharpness(lambda w: w["a"].sum(), flat) == 0
    assert sharpness(lambda w: torch.ones(()), flat) == 0
    assert sharpness(lambda w: 3 * w["a"] ** 2, {"a": np.ones(1)}) == 6
    # an eigenvalue of 1e-3 over a thousand of sizes up to 1 is not found at once
    A = torch.diag(torch.cat([torch.linspace(-1, 0, 1000), torch.tensor([1e-3])]).double())
    loss, weights = (lambda w: w["a"] @ A @ w["a"] / 2), {"a": np.ones(1001)}
    monkeypatch.setattr(curvature, "_RESTARTS", 1)
    assert math.isnan(sharpness(loss, weights))
    monkeypatch.setattr(curvature, "_RESTARTS", 1000)
    assert sharpness(loss, weights) == pytest.approx(1e-3, rel=SHARPNESS_TOLERANCE)


@pytest.mark.parametrize("measure", [gradient_norm, sharpness])
def test_curvature_where_there_is_none(measure: Any) -> None:
    assert math.isnan(measure(lambda w: (w["a"] ** 2).sum(), {"a": np.array([1, np.inf])}))
    assert math.isnan(measure(lambda w: w["a"].sum() / 0, {"a": np.ones(2)}))
    assert math.isnan(measure(lambda w: w["a"].sqrt().sum(), {"a": np.zeros(2)}))  # a loss of 0, of slope inf
    with raises("weights", r"be floating point, but are \['torch.int64'\]"):
        measure(lambda w: w["a"].sum(), {"a": np.ones(2, int)})
    with raises("weights", "hold at least one number"):
        measure(lambda w: w["a"].sum(), {"a": np.ones(0)})
    with raises("loss", r"give one number, but gives shape \(2,\)"):
        measure(lambda w: w["a"], {"a": np.ones(2)})


# --- weights ---


def test_weights_by_hand() -> None:
    weights = {"a": np.array([[3.0, 0]]), "b": np.array([-4.0])}
    start = {"b": np.array([1.0]), "a": np.array([[1.0, 2]])}  # in another order
    assert largest_change(weights, start) == largest_change(start, weights) == 5
    assert largest_change(weights, weights) == 0
    assert largest_change(weights | {"c": np.ones(0)}, start | {"c": np.ones(0)}) == 5
    for name in weights:
        assert math.isnan(largest_change({**weights, name: weights[name] * np.nan}, start))


def test_what_are_no_weights() -> None:
    a = {"a": np.ones(2)}
    for start in ({"b": np.ones(2)}, {**a, "b": np.ones(2)}, {"a": np.ones((2, 1))}, {}):
        with raises("start", "have the names and shapes of weights"):
            largest_change(a, start)
    for weights in ({}, {"a": np.ones(0)}):
        with raises("weights", "hold at least one number"):
            largest_change(weights, weights)
