"""Kaplan-Meier curves against the product-limit formula, and quantiles that know
censoring.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.scores.survival import survival_curve

RUNS = st.lists(st.tuples(st.integers(1, 8), st.booleans()), min_size=1, max_size=15)


def product_limit(times, observed, at: float) -> float:
    """S(t) = product over event times s <= t of (1 - events/at risk): reveals a wrong
    risk set.
    """
    survival = 1.0
    for s in sorted(set(times[observed])):
        if s <= at:
            survival *= 1 - (observed & (times == s)).sum() / (times >= s).sum()
    return survival


@given(RUNS)
def test_equals_the_product_limit(runs):
    times, observed = map(np.array, zip(*runs, strict=True))
    curve = survival_curve(times, observed)
    expected = [product_limit(times, observed, t) for t in curve.times]
    np.testing.assert_allclose(curve.survival, expected, atol=1e-12)
    assert (curve.low <= curve.survival + 1e-12).all()
    assert (curve.high >= curve.survival - 1e-12).all()


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20), st.sampled_from([0.25, 0.5, 0.75]))
def test_quantile_without_censoring_is_the_empirical_one(times, share):
    curve = survival_curve(times, [True] * len(times))
    expected = np.quantile(times, share, method="inverted_cdf")
    assert curve.quantile(share)[0] == expected


@given(RUNS)
def test_a_censored_run_never_makes_the_median_earlier(runs):
    times, observed = map(np.array, zip(*runs, strict=True))
    before = survival_curve(times, observed).quantile(0.5)[0]
    assert survival_curve(np.append(times, 9), np.append(observed, False)).quantile(0.5)[0] >= before


def test_nothing_observed_has_no_median():
    assert survival_curve([10.0, 10.0], [False, False]).quantile(0.5) == (np.inf, 0, np.inf)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 20])
def test_the_medians_interval_covers_it(n):
    """Exponential times with a median of ln 2: the share of 400 intervals that hold it,
    few runs or many.
    """
    rng = np.random.default_rng(n)
    held = 0
    for _ in range(400):
        _, low, high = survival_curve(rng.exponential(size=n), [True] * n).quantile(0.5)
        held += low <= np.log(2) <= high
    # 95 % is meant; log-log is approximate. The standard error of the share is about
    # 0.011
    assert held / 400 >= 0.95 - 0.045
