"""The size law on made-up thresholds whose law is known; its two lower bounds against
enumeration and simulation.
"""

from __future__ import annotations

import math
from itertools import combinations
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import binom

import efftheory as et
from analysis.critical_size.bounds import (
    ENDS,
    bounds_draw,
    closed_form,
    counted,
    covered,
    expected_free,
    lower_bounds,
    predicted,
    predicted_size,
)
from analysis.critical_size.records import Estimate
from analysis.critical_size.size_law import (
    LAWS,
    collapse,
    distance,
    estimate,
    fit,
    median_interval,
    quantiles,
    relative_error,
    resampled,
    score_bounds,
    score_laws,
    slopes,
    spread,
)
from tests.tolerances import SIGMAS, assert_close, standard_error

P = np.array([10, 20, 40, 80, 160, 320])
BY_NAME = {law.name: law for law in LAWS}


def free_symbols(op: et.Operation, sample_numbers: tuple[int, ...]) -> int:
    """By the definition: symbols without a sample in a class that has two."""
    results = [op.results[s] for s in sample_numbers]
    covered = {k for s in sample_numbers if results.count(op.results[s]) > 1 for k in op.pairs[s].tolist()}
    return op.n_symbols - len(covered)


@pytest.mark.parametrize("p", [3, 4])
def test_the_expected_number_of_free_symbols_is_that_of_all_training_sets(p):
    """Reveals a wrong class size, a wrong range of partners, an exponent off by one."""
    op = et.addition(p)
    totals = [sum(free_symbols(op, D) for D in combinations(range(op.n_samples), n)) for n in range(op.n_samples + 1)]
    for n in (1.0, 2.5, op.n_samples / 2, op.n_samples - 0.5):
        rho = n / op.n_samples
        weights = [rho**size * (1 - rho) ** (op.n_samples - size) for size in range(op.n_samples + 1)]
        assert_close(expected_free(p, n) * math.exp(rho), np.dot(totals, weights))


def test_the_bounds_are_the_first_sizes_that_meet_them():
    op = et.addition(7)
    for seed in range(30):
        order = np.random.default_rng(seed).permutation(op.n_samples)
        free = [free_symbols(op, tuple(order[:n])) for n in range(op.n_samples + 1)]
        equations = [n - len(set(op.results[order[:n]])) for n in range(op.n_samples + 1)]
        expected = free.index(0), next(n for n, m in enumerate(equations) if m >= 5)
        assert lower_bounds(op, order) == expected
        assert lower_bounds(op, order[: min(expected) - 1]) == (math.inf, math.inf)


def test_no_threshold_is_below_its_bounds():
    """On the same orders: below either n_0 > 2, and the flag says whether it is 2 at
    the larger.
    """
    op = et.addition(9)
    flags = []
    for seed in range(40):
        *both, exact = bounds_draw(op, np.random.default_rng(seed))
        order = np.random.default_rng(seed).choice(op.n_samples, min(op.n_samples, 65), replace=False)
        masks = np.zeros((3, op.n_samples), bool)
        for mask, n in zip(masks, (both[0] - 1, both[1] - 1, max(both)), strict=True):
            mask[order[:n]] = True
        assert [et.is_linear(op, mask) for mask in masks] == [False, False, exact]
        flags.append(exact)
    assert 0 < sum(flags) < len(flags)


@pytest.mark.parametrize("p", [30, 120])
def test_the_predicted_laws_are_those_of_simulated_bounds(p):
    """The whole distribution: within chance and the next order, for coupons pairs of
    free symbols: 0.2 ln p / p.
    """
    op, n_draws = et.addition(p), 5000
    rng = np.random.default_rng(p)
    n = math.ceil(p * (math.log(p) + 5))
    drawn = [lower_bounds(op, rng.choice(op.n_samples, n, replace=False)) for _ in range(n_draws)]
    for law, times in zip((covered, counted), np.sort(drawn, axis=0).T, strict=True):
        sizes = np.arange(n + 1)
        measured = np.searchsorted(times, sizes, side="right") / n_draws
        for level in (0.1, 0.5, 0.9):
            size = predicted_size(p, level, law)
            assert law(p, size) == pytest.approx(level)
            chance = SIGMAS * standard_error(level, n_draws)
            assert abs(np.interp(size, sizes, measured) - level) < chance + 0.2 * math.log(p) / p


def test_counting_needs_a_number_of_samples_a_symbol():
    ratios = [2 * predicted_size(p, 0.5, counted) / (p + 1) for p in (10, 100, 1000)]
    x = 4.377  # where x/2 - 2 + 4/x (1 - e^(-x/2)) = 1
    assert x / 2 - 2 + 4 / x * (1 - math.exp(-x / 2)) == pytest.approx(1, abs=1e-3)
    assert [abs(ratio - x) < 8 / p for ratio, p in zip(ratios, (10, 100, 1000), strict=True)] == [True] * 3
    assert predicted_size(5) > max(predicted_size(5, 0.5, counted), predicted_size(5, 0.5, covered))


def test_the_closed_form_is_the_limit():
    assert quad(lambda u: 4 * math.expm1(2 * u) / u, 0, 1)[0] == pytest.approx(ENDS)
    off = [closed_form(p) / predicted_size(p, 0.5, covered) - 1 for p in (100, 1000, 10_000)]
    assert off[0] > 3 * off[1] > 9 * off[2] > 0
    assert off[2] < 1.5e-3
    narrow = [(closed_form(p, 0.9) - closed_form(p, 0.1)) / (p / 2) for p in (100, 10_000, 10**9)]
    assert narrow[0] < narrow[1] < narrow[2] < math.log(math.log(0.1) / math.log(0.9)) < 1.1 * narrow[2]


def test_spread_thresholds_cross_where_p_linear_does():
    """The same draws through `critical_fraction`, which counts P(linear) size by
    size.
    """
    op = et.addition(6)
    thresholds = et.linear_thresholds(op, 3000, 4)
    median = quantiles(spread(thresholds), [0.5])[0]
    assert median / op.n_samples == pytest.approx(et.critical_fraction(op, 3000, 4).value, abs=1e-4)
    ordered = spread(np.array([4, 2, 4]))
    assert_close(ordered, [1.5, 3.25, 3.75])


@pytest.mark.parametrize("coarse", [1e9, 2.0], ids=["fine", "whole samples"])
def test_median_intervals_cover_as_often_as_they_say(coarse):
    rng = np.random.default_rng(0)
    n, repeats = 101, 2000
    lower = int(binom.ppf(0.025, n, 0.5))
    promised = binom.cdf(n - lower, n, 0.5) - binom.cdf(lower - 1, n, 0.5)
    # The median of the distribution that straight lines between whole numbers make of
    # it
    draws = np.ceil(coarse * (5 + rng.gumbel(size=(repeats, n))))
    median = coarse * (5 - math.log(math.log(2)))
    if coarse < 10:
        below, above = (math.exp(-math.exp(5 - size / coarse)) for size in (math.floor(median), math.ceil(median)))
        median = math.floor(median) + (0.5 - below) / (above - below)
    intervals = np.array([median_interval(spread(row)) for row in draws])
    covered = ((intervals[:, 0] <= median) & (median <= intervals[:, 1])).mean()
    assert promised >= 0.95
    assert abs(covered - promised) < SIGMAS * standard_error(0.95, repeats)


def entries_of(sizes, error):
    """Estimates of medians with a known relative standard error."""
    return [
        cast(Estimate, SimpleNamespace(
            p=int(p), critical_size=n, interval=[n * math.exp(-1.96 * error), n * math.exp(1.96 * error)],
            predicted=predicted_size(int(p))))
        for p, n in zip(P, sizes, strict=True)
    ]  # fmt: skip


def test_fits_recover_the_law_and_their_intervals_cover_it():
    rng, error, repeats = np.random.default_rng(1), 0.01, 300
    law, truth = BY_NAME["power law"], (1.4, 1.13)
    noise = np.exp(error * rng.standard_normal((repeats, len(P))))
    errors = np.full(len(P), error)
    fits = [fit(law, P.astype(float), law.size(P, *truth) * row, errors) for row in noise]
    values, spreads = (np.array([one[k] for one in fits]) for k in (0, 1))
    covered = (np.abs(values - truth) < 1.96 * spreads).mean(axis=0)
    assert (np.abs(covered - 0.95) < SIGMAS * standard_error(0.95, repeats)).all()
    misfits = np.array([one[2] for one in fits])
    assert abs(misfits.mean() - 4) < SIGMAS * math.sqrt(2 * 4 / repeats)


@pytest.mark.parametrize("name", ["samples per symbol", "power law", "logarithm", "both bounds"])
def test_the_law_behind_the_numbers_wins(name):
    law = BY_NAME[name]
    truth = {"samples per symbol": (3.1,), "power law": (1.4, 1.25), "logarithm": (0.3, 1.7)}.get(name, ())
    rng = np.random.default_rng(2)
    sizes = law.size(P.astype(float), *truth) * np.exp(1e-3 * rng.standard_normal(len(P)))
    boots = [n * np.exp(1e-3 * rng.standard_normal(300)) for n in sizes]
    scores = score_laws(entries_of(sizes, 1e-3), boots, ranges=(0, 20))
    assert {score.least_p for score in scores} == {10, 20}
    here = {score.law: score for score in scores if score.least_p == 10}
    nested = [score.delta_aic for name, score in here.items() if score.chi2_per_degree > 5]
    assert here[name].delta_aic < 6  # a law that contains it may be ahead by chance
    assert here[name].p_value > 1e-3
    assert here[name].aic == here[name].chi2 + 2 * len(law.parameters)
    assert min(nested) > 20
    for parameter, value in zip(here[name].parameters, truth, strict=True):
        low, high = parameter.interval
        assert low < value < high
        lower, upper = parameter.bootstrap_interval
        assert 0.7 < (upper - lower) / (high - low) < 1.4


def test_too_few_sizes_leave_no_law():
    entries = entries_of(3.0 * P * (1 + 0.01 * (-1.0) ** np.arange(len(P))), 0.01)
    boots = list(3.0 * P[:, None] * np.random.default_rng(0).normal(1, 0.01, (len(P), 20)))
    assert score_laws(entries[:2], boots[:2]) == []
    assert {score.law for score in score_laws(entries[:3], boots[:3], (0,))} == {
        law.name for law in LAWS if len(law.parameters) < 3
    }


def test_slopes_and_their_errors():
    entries = entries_of(2.0 * P**1.2, 0.01)
    assert relative_error(entries[0]) == pytest.approx(0.01, rel=1e-4)
    found = slopes(entries)
    assert [one.p for one in found] == [[10, 20], [20, 40], [40, 80], [80, 160], [160, 320]]
    for one in found:
        assert one.slope == pytest.approx(1.2)
        assert one.interval[1] - one.slope == pytest.approx(1.96 * math.hypot(0.01, 0.01) / math.log(2), rel=1e-3)


def gumbel_thresholds(p, rng, scale=1.0, n=1500):
    return np.ceil(p / 2 * (10 + scale * rng.gumbel(size=n))).astype(int)


def test_one_law_collapses_and_two_do_not():
    rng = np.random.default_rng(3)
    alike = collapse({p: gumbel_thresholds(p, rng) for p in (500, 2000, 4000)}, rng)
    assert all(entry.largest < 1.2 * entry.by_chance_95 for entry in alike)
    narrower = collapse({500: gumbel_thresholds(500, rng, 0.6), 2000: gumbel_thresholds(2000, rng)}, rng)
    assert narrower[0].largest > 2 * narrower[0].by_chance_95  # in units of p/2
    assert narrower[1].largest < 1.2 * narrower[1].by_chance_95  # in its own width
    assert collapse({5: np.arange(20)}, rng) == []
    one, other = np.arange(4.0), np.arange(4.0) + 2
    assert distance(one, other) == distance(other, one) == 0.5


def test_an_estimate_of_thresholds_drawn_from_the_prediction_agrees_with_it():
    rng, p = np.random.default_rng(5), 200
    drawn = np.ceil(np.interp(rng.random(2000), predicted(p, np.arange(2000)), np.arange(2000))).astype(int)
    entry = estimate(p, drawn, resampled(drawn, rng))
    assert entry.ratio_interval[0] < 1 < entry.ratio_interval[1]
    assert entry.width_ratio_interval[0] < 1 < entry.width_ratio_interval[1]
    assert entry.distance < entry.distance_by_chance
    assert entry.fraction * entry.n_samples == pytest.approx(entry.critical_size)
    assert entry.per_symbol * p == pytest.approx(entry.critical_size)
    # twice as wide is noticed
    wide = np.ceil(2 * drawn - np.median(drawn)).astype(int)
    other = estimate(p, wide, resampled(wide, rng))
    assert other.distance > 3 * other.distance_by_chance
    assert other.width_ratio == pytest.approx(2 * entry.width_ratio, rel=0.01)


def test_shares_of_what_decides():
    entry = score_bounds([(10, 8, True), (12, 15, False), (11, 11, True), (14, 18, True)] * 5)
    assert (entry.exact, entry.covering, entry.counting) == (0.75, 0.5, 0.5)
    assert entry.covering_interval[0] < 0.5 < entry.covering_interval[1]
