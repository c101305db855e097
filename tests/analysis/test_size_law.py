"""The size law on thresholds of a known law; bounds by enumeration and simulation."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad

import efftheory as et
from analysis.counting import size_law, thresholds
from analysis.counting.thresholds import bounds_draw, counted, covered, expected_free, lower_bounds, predicted_size
from analysis.critical_size import verdict
from tests.tolerances import SIGMAS, assert_close, standard_error

P = np.array([10, 20, 40, 80, 160, 320])
BY_NAME = {law.name: law for law in size_law.LAWS}


def free_symbols(op: et.Operation, sample_numbers: tuple[int, ...]) -> int:
    """By the definition: symbols without a sample in a class that has two."""
    results = [op.results[s] for s in sample_numbers]
    covered = {k for s in sample_numbers if results.count(op.results[s]) > 1 for k in op.pairs[s].tolist()}
    return op.n_symbols - len(covered)


@pytest.mark.parametrize("p", [3, 4])
def test_the_expected_number_of_free_symbols_is_that_of_all_training_sets(p):
    """Reveals a wrong class size, a wrong range of partners, an exponent off by one."""
    op = et.addition(p)
    N, sizes = op.n_samples, range(op.n_samples + 1)
    totals = [sum(free_symbols(op, D) for D in combinations(range(N), n)) for n in sizes]
    for rho in (1 / N, 2.5 / N, 0.5, 1 - 0.5 / N):
        weights = [rho**n * (1 - rho) ** (N - n) for n in sizes]
        assert_close(expected_free(p, rho * N) * math.exp(rho), np.dot(totals, weights))


def test_the_bounds_are_the_first_sizes_that_meet_them():
    op = et.addition(7)
    for seed in range(30):
        order = np.random.default_rng(seed).permutation(op.n_samples)
        free = [free_symbols(op, tuple(order[:n])) for n in range(op.n_samples + 1)]
        equations = [n - len(set(op.results[order[:n]])) for n in range(op.n_samples + 1)]
        expected = free.index(0), next(n for n, m in enumerate(equations) if m >= 5)
        assert lower_bounds(op, order) == expected
        n = min(expected) - 1
        assert lower_bounds(op, order[:n]) == (n + 1, n + 1)


def test_no_threshold_is_below_its_bounds():
    """On the same orders: n_0 > 2 below, and whether it is 2 at the larger."""
    op, found = et.addition(9), set()
    for seed in range(40):
        *both, exact = bounds_draw(op, np.random.default_rng(seed))
        order = np.random.default_rng(seed).choice(op.n_samples, op.n_samples, replace=False)  # all: there are few
        masks = [np.isin(np.arange(op.n_samples), order[:n]) for n in (both[0] - 1, both[1] - 1, max(both))]
        assert [et.is_linear(op, mask) for mask in masks] == [False, False, exact]
        found.add(exact)
    assert found == {True, False}


@pytest.mark.parametrize("p", [30, 120])
def test_the_predicted_laws_are_those_of_simulated_bounds(p):
    """Within chance and the next order, for coupons pairs of free symbols."""
    op, n_draws, rng = et.addition(p), 5000, np.random.default_rng(p)
    sizes = np.arange(math.ceil(p * (math.log(p) + 5)) + 1)
    drawn = [lower_bounds(op, rng.choice(op.n_samples, sizes[-1], replace=False)) for _ in range(n_draws)]
    for law, times in zip((covered, counted), np.sort(drawn, axis=0).T, strict=True):
        measured = np.searchsorted(times, sizes, side="right") / n_draws
        for level in (0.1, 0.5, 0.9):
            size, chance = predicted_size(p, level, law), SIGMAS * standard_error(level, n_draws)
            assert law(p, size) == pytest.approx(level)
            assert abs(np.interp(size, sizes, measured) - level) < chance + 0.2 * math.log(p) / p


def test_the_limits_of_large_p():
    x = 4.377  # what counting needs: where x/2 - 2 + 4/x (1 - e^(-x/2)) = 1
    assert x / 2 - 2 + 4 / x * (1 - math.exp(-x / 2)) == pytest.approx(1, abs=1e-3)
    for p in (10, 100, 1000):
        assert abs(2 * predicted_size(p, 0.5, counted) / (p + 1) - x) < 8 / p
    assert quad(lambda u: 4 * math.expm1(2 * u) / u, 0, 1)[0] == pytest.approx(thresholds.ENDS)
    off = [thresholds.closed_form(p) / predicted_size(p, 0.5, covered) - 1 for p in (100, 1000, 10_000)]
    assert off[0] > 3 * off[1] > 9 * off[2] > 0
    assert off[2] < 1.5e-3
    narrow = [(thresholds.closed_form(p, 0.9) - thresholds.closed_form(p, 0.1)) / (p / 2) for p in (100, 10_000, 10**9)]
    assert narrow[0] < narrow[1] < narrow[2] < math.log(math.log(0.1) / math.log(0.9)) < 1.1 * narrow[2]


def test_spread_thresholds_cross_where_p_linear_does():
    """As `critical_fraction` has it of the same draws, which counts size by size."""
    op = et.addition(6)
    median = size_law.quantiles(size_law.spread(et.linear_thresholds(op, 3000, 4)), [0.5])[0]
    assert median / op.n_samples == pytest.approx(et.critical_fraction(op, 3000, 4).value, abs=1e-4)
    assert_close(size_law.spread(np.array([4, 2, 4])), [1.5, 3.25, 3.75])


def test_fits_recover_the_law_and_their_intervals_cover_it():
    rng, error, repeats = np.random.default_rng(1), 0.01, 300
    law, truth = BY_NAME["power law"], (1.4, 1.13)
    noise = np.exp(error * rng.standard_normal((repeats, len(P))))
    fits = [size_law.fit(law, P.astype(float), law.size(P, *truth) * row, np.full(len(P), error)) for row in noise]
    values, spreads, misfits = map(np.array, zip(*fits, strict=True))
    covered = (np.abs(values - truth) < 1.96 * spreads).mean(axis=0)
    assert (np.abs(covered - 0.95) < SIGMAS * standard_error(0.95, repeats)).all()
    assert abs(misfits.mean() - 4) < SIGMAS * math.sqrt(2 * 4 / repeats)


@pytest.mark.parametrize("name", ["samples per symbol", "power law", "logarithm", "both bounds"])
def test_the_law_behind_the_numbers_wins(name):
    law = BY_NAME[name]
    truth = {"samples per symbol": (3.1,), "power law": (1.4, 1.25), "logarithm": (0.3, 1.7)}.get(name, ())
    rng = np.random.default_rng(2)
    sizes = law.size(P.astype(float), *truth) * np.exp(1e-3 * rng.standard_normal(len(P)))
    boots = sizes[:, None] * np.exp(1e-3 * rng.standard_normal((len(P), 300)))
    found = pd.DataFrame({"value": sizes, "error": 1e-3}, pd.Index(P, name="p"))
    scores = pd.concat(size_law.laws(found, boots, ranges=(0, 20, 160)))
    assert set(scores["from_p"]) == {10, 20}  # two sizes leave no law, three those with a degree of freedom
    few = pd.concat(size_law.laws(found[:3], boots[:3], ranges=(0,)))
    assert set(few["law"]) == {one.name for one in size_law.LAWS if len(one.start) < 3}
    here = scores[(scores["from_p"] == 10) & (scores["statistic"] != "n_c")].set_index(["law", "statistic"])
    values: Any = here["value"].unstack()
    assert values.loc[name, "delta_aic"] < 6  # a law that contains it may be ahead by chance
    assert values.loc[name, "p_value"] > 1e-3
    assert values.loc[name, "aic"] == values.loc[name, "chi2"] + 2 * len(truth)
    assert values[values["chi2_per_degree"] > 5]["delta_aic"].min() > 20
    for letter, value in zip(law.start, truth, strict=True):
        fitted, refitted = here.loc[name, letter], here.loc[name, f"{letter}_bootstrap"]
        assert fitted["low"] < value < fitted["high"]
        assert 0.7 < (refitted["high"] - refitted["low"]) / (fitted["high"] - fitted["low"]) < 1.4


def test_exponents_and_their_errors():
    found = size_law.exponents(pd.DataFrame({"value": 2.0 * P**1.2, "error": 0.01}, pd.Index(P, name="p")))
    measured = found[found["statistic"] == "exponent"]
    assert measured[["from_p", "p"]].to_numpy().tolist() == [[10, 20], [20, 40], [40, 80], [80, 160], [160, 320]]
    assert_close(measured["value"].to_numpy(), np.full(5, 1.2))
    error = 1.96 * math.hypot(0.01, 0.01) / math.log(2)
    assert (measured["high"] - measured["value"]).tolist() == pytest.approx([error] * 5, rel=1e-3)


def gumbel_thresholds(p, rng, scale=1.0, n=1500):
    return np.ceil(p / 2 * (10 + scale * rng.gumbel(size=n))).astype(int)


def test_one_law_collapses_and_two_do_not():
    rng = np.random.default_rng(3)

    def excess(draws):  # over what chance gives, by unit
        found = pd.concat(size_law.collapse(draws, rng)).set_index(["statistic", "unit"])["value"]
        return (found["largest"] / found["by_chance_95"]).tolist()

    assert max(excess({p: gumbel_thresholds(p, rng) for p in (500, 2000, 4000)})) < 1.2
    by_half, by_width = excess({500: gumbel_thresholds(500, rng, 0.6), 2000: gumbel_thresholds(2000, rng)})
    assert by_half > 2
    assert by_width < 1.2
    assert [*size_law.collapse({5: np.arange(20)}, rng)] == []


def test_a_transition_drawn_from_the_prediction_agrees_with_it():
    rng, p = np.random.default_rng(5), 200
    at = np.arange(2000)
    drawn = np.ceil(np.interp(rng.random(2000), [thresholds.predicted(p, float(n)) for n in at], at)).astype(int)
    one: Any = size_law.transition(p, drawn, size_law.resampled(drawn, rng)).set_index("statistic")
    assert all(one.loc[name, "low"] < 1 < one.loc[name, "high"] for name in ("ratio", "width_ratio"))
    assert one.loc["distance", "value"] < one.loc["distance_by_chance", "value"]
    wide = np.ceil(2 * drawn - np.median(drawn)).astype(int)  # twice as wide is noticed
    other: Any = size_law.transition(p, wide, size_law.resampled(wide, rng)).set_index("statistic")["value"]
    assert other["distance"] > 3 * other["distance_by_chance"]
    assert other["width_ratio"] == pytest.approx(2 * one.loc["width_ratio", "value"], rel=0.01)


def test_shares_of_what_decides():
    found = size_law.decisions(5, [(10, 8, True), (12, 15, False), (11, 11, True), (14, 18, True)] * 5)
    assert found.set_index("statistic")["value"].to_dict() == {"exact": 0.75, "covering": 0.5, "counting": 0.5}
    assert (found["low"] < found["value"]).all()


def test_the_last_symbol_decides_from_the_size_on_from_which_it_surely_does():
    """Not from one whose interval reaches below, nor from one before such a size."""
    rng = np.random.default_rng(0)
    drawn = {p: gumbel_thresholds(p, rng, n=50).tolist() for p in (10, 20, 30, 40)}
    scores = size_law.scores_of(drawn, {p: [(9, 8, True)] * 10 for p in drawn})

    def said(*lows: float) -> str:
        scores.loc[scores["statistic"] == "covering", "low"] = lows
        return verdict(scores)

    assert "(surely more than 90% from p = 30 on)" in said(0.95, 0.9, 0.91, 0.95)
    assert "surely" not in said(0.95, 0.95, 0.95, 0.85)
