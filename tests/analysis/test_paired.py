"""Shares and times of pairs of runs, against independent statistics."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import chi2

from analysis.predictors.memory import success_of, told
from analysis.predictors.predictor import Run
from analysis.scores.paired import Ratio, paired_difference, paired_ratio
from analysis.scores.success import LEARNED, with_learned
from analysis.scores.survival import drawn_medians, survival_curve
from neural import RunConfig


def likelihood_ratio_free_score(b: int, c: int, n: int, difference: float) -> float:
    """|b - c - n D| over its standard deviation at the likeliest probabilities, found
    numerically.
    """

    def surprise(q: float) -> float:
        p = q + difference
        rest = 1 - p - q
        return -(b * np.log(max(p, 1e-300)) + c * np.log(max(q, 1e-300)) + (n - b - c) * np.log(max(rest, 1e-300)))

    low, high = max(0.0, -difference), (1 - difference) / 2
    q = minimize_scalar(surprise, bounds=(low, high), method="bounded", options={"xatol": 1e-13}).x
    return abs(b - c - n * difference) / np.sqrt(n * (2 * q + difference - difference**2))


@pytest.mark.parametrize("coverage", [0.95, 0.998])
@pytest.mark.parametrize(("b", "c", "n"), [(5, 1, 24), (0, 4, 30), (1, 1, 3), (20, 3, 48), (7, 0, 9)])
def test_the_interval_of_a_paired_difference_inverts_the_score_test(b: int, c: int, n: int, coverage: float) -> None:
    """By an independent maximum of the likelihood: at both bounds the statistic is the
    5 % point. Would reveal a slip in the closed form.
    """
    first = np.repeat([True, False, True], [b, c, n - b - c])
    second = np.repeat([False, True, True], [b, c, n - b - c])
    found, point = paired_difference(first, second, coverage), chi2.ppf(coverage, 1)
    assert (found.value, found.gained, found.lost, found.n) == ((b - c) / n, b, c, n)
    for bound in found.interval:
        assert likelihood_ratio_free_score(b, c, n, bound) ** 2 == pytest.approx(point, rel=1e-4)
    assert found.interval[0] < found.value < found.interval[1]
    assert found.decided == ((b - c) ** 2 / (b + c) > point)  # McNemar's test
    other = paired_difference(second, first, coverage)
    assert other.interval == pytest.approx((-found.interval[1], -found.interval[0]))


def test_pairs_that_all_agree_leave_doubt() -> None:
    """z^2 / (n + z^2) to either side, in closed form; and the extremes stay within
    [-1, 1].
    """
    bound = chi2.ppf(0.95, 1) / (20 + chi2.ppf(0.95, 1))
    assert paired_difference([True] * 20, [True] * 20).interval == pytest.approx((-bound, bound))
    low, high = paired_difference([True] * 6, [False] * 6).interval
    assert 0 < low < high == 1
    with pytest.raises(ValueError, match="of one length"):
        paired_difference([True], [])


def test_medians_of_draws_are_kaplan_meiers() -> None:
    """Of the runs as often as they are drawn, by scipy; ties and censored ones
    included.
    """
    rng = np.random.default_rng(0)
    times, seen = rng.integers(1, 9, 20).astype(float), rng.random(20) < 0.6
    weights = rng.multinomial(20, np.full(20, 1 / 20), size=50).astype(float)
    expected = [
        survival_curve(np.repeat(times, of), np.repeat(seen, of)).quantile(0.5)[0] for of in weights.astype(int)
    ]
    assert np.inf in expected
    np.testing.assert_array_equal(drawn_medians(times, seen, weights), expected)


def steps(*values: float) -> tuple[np.ndarray, np.ndarray]:
    """Of runs with a budget of 1,000; nan: longer than that."""
    times = np.array(values)
    return np.nan_to_num(times, nan=1000.0), np.isfinite(times)


def test_a_ratio_is_of_pairs_and_censored() -> None:
    """By hand. One pair says no more than that it is more than 2.5, one that it is less
    than any, one nothing.
    """
    base, never = steps(100, 200, 400, math.nan, math.nan), steps(*[math.nan] * 5)
    assert paired_ratio(steps(200, 800, math.nan, 500, math.nan), base) == Ratio(2, None, 4)
    assert paired_ratio(steps(200, 800, math.nan, math.nan, math.nan), base) == Ratio(4, None, 3)
    assert paired_ratio(never, base) == Ratio(math.inf, None, 3)
    assert paired_ratio(base, never) == Ratio(0, None, 3)
    assert paired_ratio(never, never).n == 0


def test_bounds_of_a_ratio_may_be_beyond_what_was_seen() -> None:
    base = steps(*[100.0] * 20)
    assert paired_ratio(steps(*[150.0] * 20), base).interval == (1.5, 1.5)
    assert paired_ratio(steps(*[150.0] * 11, *[math.nan] * 9), base) == Ratio(1.5, (1.5, math.inf), 20)
    assert paired_ratio(base, steps(*[50.0] * 11, *[math.nan] * 9)) == Ratio(2, (0, 2), 20)
    spread = steps(*np.linspace(50, 500, 20))
    bounds: Any = [paired_ratio(spread, base, coverage=of).interval for of in (0.99, 0.5)]
    (lowest, highest), (low, high) = bounds
    assert lowest < low < high < highest


def test_a_decoder_that_hardly_moves_is_no_success() -> None:
    """RQI alone is not enough, nor is learning alone; and the later of the two
    counts.
    """
    never = math.nan
    runs = {"steps_to_rqi": [10, never, 10, 40], "steps_to_train": [never, 10, 30, 30], "steps_to_test": [9, 9, 9, 9]}
    found = with_learned(pd.DataFrame(runs))
    np.testing.assert_array_equal(found["steps_to_learned_rqi"], [never, never, 30, 40])
    np.testing.assert_array_equal(found["steps_to_learned_test"], [never, 10, 30, 30])
    assert list(with_learned(pd.DataFrame({"steps_to_train_99": [1.0]}))) == ["steps_to_train_99"]


def test_what_is_predicted_is_judged_as_what_is_measured() -> None:
    """Draw by draw: a probability of both is no product of two."""
    config = RunConfig(p=5, n_train=10, budget=600, decoder_lr=1e-3, repr_lr=3e-3)
    found, said = success_of(config, 12), told(Run(config, {}), 12)
    draws = with_learned(
        pd.DataFrame({f"steps_to_{one}": getattr(found, f"steps_to_{one}") for one in ("rqi", "train", "test")})
    )
    shares = {target: float(np.isfinite(draws[f"steps_to_{target}"]).mean()) for target in ("rqi", *LEARNED.values())}
    assert shares == {target: said[target].probability for target in shares}
    assert 0 < shares["learned_rqi"] < 1
