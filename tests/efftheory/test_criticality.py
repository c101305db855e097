"""Random training sets: against counting all of them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

import efftheory as et
from efftheory import criticality
from tests import oracles, systems, tolerances
from tests import strategies as own


def _share_of_all_sets(op, size):
    """P(n_0 = 2) by going through every training set of a size."""
    found = []
    for chosen in combinations(range(op.n_samples), size):
        mask = np.zeros(op.n_samples, dtype=np.bool_)
        mask[list(chosen)] = True
        found.append(oracles.fraction_rank(oracles.equations(op, mask)) == op.n_symbols - 2)
    return float(np.mean(found))


@pytest.mark.parametrize(("p", "size"), [(3, 3), (4, 4), (4, 5), (4, 6), (4, 8), (5, 5), (5, 12)])
def test_probability_is_the_share_of_all_sets(p, size):
    op, draws = et.addition(p), 4000
    exact = _share_of_all_sets(op, size)
    found = et.linear_probability(op, size, draws, seed=p * 100 + size)
    assert 0 < exact < 1
    assert abs(found.value - exact) <= tolerances.SIGMAS * tolerances.standard_error(exact, draws)
    assert found.draws == draws
    assert found.interval[0] <= found.value <= found.interval[1]


def test_impossible_and_certain_sizes():
    op = et.addition(6)
    assert et.linear_probability(op, 5, 500, seed=0).value == 0  # n samples give at most n-1 equations
    assert et.linear_probability(op, op.n_samples, 500, seed=0).value == 1
    assert et.linear_probability(et.addition(2), 0, 10, seed=0).value == 1


def test_eight_samples_suffice_for_six_symbols():
    assert et.linear_thresholds(et.addition(6), 5000, seed=0).min() <= 8  # paper, figure 9


@given(own.operations(), own.seeds)
def test_thresholds_repeat_and_stay_within_the_data(op, seed):
    first, second = (et.linear_thresholds(op, 20, seed) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    low = 0 if op.n_symbols == 2 else op.n_symbols - 1
    assert ((first >= low) & (first <= op.n_samples)).all()


@pytest.mark.parametrize("p", [5, 8, 24])
def test_thresholds_are_where_the_nullity_becomes_two(p, monkeypatch):
    op, orders = et.addition(p), []
    kernel = criticality._kernels.linear_thresholds

    def listening(given_orders, *rest):
        orders.append(given_orders.copy())
        return kernel(given_orders, *rest)

    monkeypatch.setattr(criticality._kernels, "linear_thresholds", listening)
    thresholds = et.linear_thresholds(op, 12, seed=p)
    for order, threshold in zip(orders[0], thresholds, strict=True):
        assert sorted(order.tolist()) == list(range(op.n_samples))
        mask = np.zeros(op.n_samples, dtype=np.bool_)
        mask[order[: threshold - 1]] = True
        assert not et.is_linear(op, mask)
        mask[order[threshold - 1]] = True
        assert et.is_linear(op, mask)


def test_chunks_are_independent_draws(monkeypatch):
    op = et.addition(5)
    monkeypatch.setattr(criticality, "_CHUNK", 7)
    found = et.linear_thresholds(op, 1000, seed=0)
    assert found.shape == (1000,)
    assert len({tuple(found[b : b + 7]) for b in range(0, 994, 7)}) > 100
    exact = _share_of_all_sets(op, 6)
    share = float((found <= 6).mean())
    assert abs(share - exact) <= tolerances.SIGMAS * tolerances.standard_error(exact, 1000)


def test_critical_fraction_of_ten_symbols_is_the_papers():
    found = et.critical_fraction(et.addition(10), 4000, seed=0)
    assert 22 / 55 < found.value < 23 / 55
    low, high = found.interval
    assert low < found.value < high
    assert high - low < 1 / 55
    assert "from 4000 draws" in str(found)


def test_critical_fraction_is_where_the_probability_crosses():
    op, draws, seed = et.addition(6), 500, 1
    fraction = et.critical_fraction(op, draws, seed).value
    below, above = np.floor(fraction * op.n_samples), np.ceil(fraction * op.n_samples)
    assert et.linear_probability(op, int(below), draws, seed).value <= 0.5
    assert et.linear_probability(op, int(above), draws, seed).value >= 0.5


def test_critical_fraction_by_hand():
    # p = 3: linear once both (0,2) and (1,1) are in; P(n) = n(n-1)/30, 0.4 at 4 and 2/3 at 5 samples
    found = et.critical_fraction(et.addition(3), 20_000, seed=0)
    exact = (4 + 0.1 / (2 / 3 - 0.4)) / 6
    # P is known to a standard error; the slope turns it into samples
    slope = (2 / 3 - 0.4) * 6
    assert abs(found.value - exact) <= tolerances.SIGMAS * tolerances.standard_error(0.4, 20_000) / slope * 2
    assert found.interval[0] <= exact <= found.interval[1]
    assert et.critical_fraction(et.addition(2), 10, seed=0).value == 0


def test_critical_fraction_falls_with_p():
    fractions = [et.critical_fraction(et.addition(p), 400, seed=0).value for p in (6, 10, 20)]
    assert fractions == sorted(fractions, reverse=True)


@given(st.integers(1, 200), st.data())
def test_proportion_is_clopper_pearson(draws, data):
    successes = data.draw(st.integers(0, draws))
    found = et.proportion(successes, draws)
    low = beta.ppf(0.025, successes, draws - successes + 1) if successes else 0.0
    high = beta.ppf(0.975, successes + 1, draws - successes) if successes < draws else 1.0
    assert found.value == successes / draws
    np.testing.assert_allclose(found.interval, np.array([low, high]), rtol=tolerances.QUANTILE)


def test_paper_golden_set_is_linear():
    golden = systems.GOLDEN
    op = et.addition(golden["p"])
    assert et.is_linear(op, op.random_training_set(golden["n_train"], seed=golden["seed"]))
