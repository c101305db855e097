"""The concordance index against a double loop, and what it must not change under."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.predictors.predictor import Predictor
from analysis.scores.bootstrap import bootstrap_weights, interval
from analysis.scores.concordance import compare_pairs
from analysis.scores.table import score

TIMES = st.lists(
    st.tuples(st.integers(1, 6), st.booleans(), st.sampled_from([1.0, 2.0, 3.0, math.inf]), st.integers(0, 2)),
    min_size=2,
    max_size=12,
)


def naive_index(times, observed, predicted, strata) -> float:
    """Harrell's index by its definition, pair by pair: reveals a wrong tie, censoring
    or stratum rule.
    """
    pairs = score = 0.0
    for a in range(len(times)):
        for b in range(len(times)):
            known_longer = times[a] < times[b] or (times[a] == times[b] and not observed[b])
            if a != b and observed[a] and known_longer and strata[a] == strata[b]:
                pairs += 1
                if predicted[a] < predicted[b]:
                    score += 1
                elif predicted[a] == predicted[b]:
                    score += 0.5
    return score / pairs if pairs else math.nan


@given(TIMES)
def test_equals_the_double_loop(runs):
    times, observed, predicted, strata = map(np.array, zip(*runs, strict=True))
    one = np.ones((1, len(times)))
    overall = compare_pairs(times, observed, predicted).index(one)[0]
    within = compare_pairs(times, observed, predicted, strata).index(one)[0]
    np.testing.assert_allclose(overall, naive_index(times, observed, predicted, np.zeros(len(times))))
    np.testing.assert_allclose(within, naive_index(times, observed, predicted, strata))


@given(TIMES)
def test_only_the_order_of_predictions_counts(runs):
    times, observed, predicted, _ = map(np.array, zip(*runs, strict=True))
    one = np.ones((1, len(times)))
    index = compare_pairs(times, observed, predicted).index(one)
    np.testing.assert_array_equal(index, compare_pairs(times, observed, np.arctan(predicted) * 7).index(one))
    np.testing.assert_allclose(1 - index, compare_pairs(times, observed, -predicted).index(one))


@given(TIMES, st.integers(0, 10))
def test_weights_count_runs(runs, seed):
    """Weight k means k copies of a run, copies not compared with each other (they
    tie).
    """
    times, observed, predicted, _ = map(np.array, zip(*runs, strict=True))
    weights = np.random.default_rng(seed).integers(0, 3, len(times))
    copies = np.repeat(np.arange(len(times)), weights)
    weighted = compare_pairs(times, observed, predicted).index(weights[None].astype(float))[0]
    if len(copies) < 2:
        return
    pairs = compare_pairs(times[copies], observed[copies], predicted[copies])
    distinct = copies[:, None] != copies[None, :]
    total = (pairs.comparable * distinct).sum()
    expected = (pairs.score * distinct).sum() / total if total else math.nan
    np.testing.assert_allclose(weighted, expected)


def test_a_perfect_predictor_and_one_that_knows_nothing():
    times = np.array([3.0, 1.0, 2.0, 10.0, 10.0])
    observed = np.array([True, True, True, False, False])
    one = np.ones((1, 5))
    assert compare_pairs(times, observed, times).index(one)[0] == 1
    assert compare_pairs(times, observed, np.zeros(5)).index(one)[0] == 0.5


def test_bootstrap_keeps_the_number_of_runs_of_each_size():
    sizes = np.array([20, 30, 20, 40, 30, 30])
    weights = bootstrap_weights(sizes, seed=3, draws=500)
    for size in sizes:
        assert (weights[:, sizes == size].sum(axis=1) == (sizes == size).sum()).all()
    np.testing.assert_array_equal(weights, bootstrap_weights(sizes, seed=3, draws=500))
    # a run's expected count is 1; its standard error over 500 draws is below 0.04
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.16)


def test_an_interval_needs_something_to_compare():
    assert interval(np.array([math.nan] * 6 + [0.5] * 4)) is None
    low, high = interval(np.linspace(0, 1, 1001)) or (None, None)
    assert (low, high) == pytest.approx((0.025, 0.975))
    assert interval(np.linspace(0, 1, 1001), 0.9) == pytest.approx((0.05, 0.95))


def test_the_time_that_a_predictor_has_seen_is_no_merit() -> None:
    """Runs that were read at various steps, and took as long again: whoever says "ten
    more", of all alike, puts none before another; whoever knows the rest, all.
    """
    read_at, left = np.array([100.0, 30.0, 70.0, 10.0]), np.array([1.0, 4.0, 2.0, 3.0])
    keys = list("abcd")
    runs = pd.DataFrame({"key": keys, "budget": 1_000, "steps_to_test": read_at + left})
    for said, expected in ((read_at + 10, 0.5), (read_at + left, 1.0)):
        told = pd.DataFrame({"key": keys, "predictor": "x", "target": "test", "value": said})
        x = Predictor("x", "x", (), lambda config: True)
        found = score(runs, told.assign(read_at=read_at, probability=np.nan), [x], ["test"], within=None)
        assert found.set_index("statistic").loc["concordance", "value"] == expected
