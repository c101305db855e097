"""Who succeeds: scores against definitions and scipy's, and that no predictor sees the
outcome it is asked for.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from analysis.compare_theory.success import (
    BASELINE,
    FITTED,
    LOGISTIC,
    RIDGE,
    SUCCESS_PREDICTORS,
    cluster_weights,
    fit_logistic,
    predict_success,
    score_differences,
    score_irreducible,
    score_success,
)
from analysis.theory.predictions import DECODER_FLOWS, linear_probabilities

CHANCES = linear_probabilities(10, 200, seed=0)


def made_up(n_seeds: int, seed: int, rates: tuple[float, ...] = (1e-4,)) -> pd.DataFrame:
    """Runs of three sizes with random outcomes, steps and probabilities, all of them
    more hopeful for larger sets.
    """
    rng = np.random.default_rng(seed)
    keys = [(n, rate, s) for n in (20, 35, 50) for rate in rates for s in range(n_seeds)]
    runs = pd.DataFrame(keys, columns=["n_train", "decoder_lr", "seed"]).assign(repr_lr=1e-3, replica=0)
    hope = (runs["n_train"] - 5) / 60
    runs["steps_to_rqi"] = np.where(rng.random(len(runs)) < hope, 100.0, math.nan)
    for name in LOGISTIC.values():
        steps = np.exp(rng.normal(8 - 2 * hope, 1))
        runs[name] = np.where(rng.random(len(runs)) < 0.1, math.inf, steps)
    for name in DECODER_FLOWS:
        runs[f"{name}_success"] = rng.binomial(8, hope) / 8
    return runs


@settings(max_examples=20)  # a bootstrap each
@given(st.integers(0, 2**32 - 1))
def test_auc_is_mann_whitneys(seed):
    runs = made_up(4, seed)
    predicted = predict_success(runs, CHANCES)
    success = runs["steps_to_rqi"].notna()
    for entry in score_success(runs, predicted, seed=0)[: len(SUCCESS_PREDICTORS)]:
        values = predicted[entry.predictor]
        if success.all() or not success.any():
            assert entry.auc is None
            continue
        statistic = mannwhitneyu(values[success], values[~success]).statistic
        assert entry.auc == pytest.approx(statistic / (success.sum() * (~success).sum()))


@settings(max_examples=20)  # 60 fits each
@given(st.integers(0, 2**32 - 1), st.integers(0, 4))
def test_no_predictor_sees_the_outcome_it_is_asked_for(seed, left_out):
    runs = made_up(5, seed, rates=(1e-5, 1e-4))
    before = predict_success(runs, CHANCES)
    here = runs["seed"] == left_out
    changed = runs.copy()
    changed.loc[here, "steps_to_rqi"] = np.where(runs.loc[here, "steps_to_rqi"].isna(), 100.0, math.nan)
    after = predict_success(changed, CHANCES)
    pd.testing.assert_frame_equal(before[here], after[here])
    assert not before.loc[~here, "share_by_size"].equals(after.loc[~here, "share_by_size"])


def test_fits_stay_within_their_setting():
    both = made_up(6, 1, rates=(1e-5, 1e-4))
    one = both[both["decoder_lr"] == 1e-4]
    pd.testing.assert_frame_equal(predict_success(both, CHANCES).loc[one.index], predict_success(one, CHANCES))


def test_shares_by_hand():
    runs = made_up(3, 0)
    runs["steps_to_rqi"] = [100.0, math.nan, 100.0, *[math.nan] * 3, *[100.0] * 3]
    assert predict_success(runs, CHANCES)["share_by_size"].tolist() == [0.5, 1, 0.5, 0, 0, 0, 1, 1, 1]
    assert predict_success(runs, CHANCES)["linear_probability"].iloc[-1] == CHANCES[49].predicted


def test_one_seed_teaches_nothing():
    predicted = predict_success(made_up(1, 0), CHANCES)
    assert (predicted[["share_by_size", *LOGISTIC]] == 0.5).all(axis=None)


@given(st.integers(0, 2**32 - 1))
def test_the_logistic_is_at_its_optimum(seed):
    """Newton's step from there, written out, goes nowhere; also where the data can be
    separated.
    """
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(20), rng.normal(size=20)])
    for outcome in (rng.random(20) < 0.5, x[:, 1] > 0, np.zeros(20, bool)):
        w = fit_logistic(x, outcome)
        p = 1 / (1 + np.exp(-x @ w))
        slope = x.T @ (p - outcome) + RIDGE * w
        step = np.linalg.solve(x.T @ (x * (p * (1 - p))[:, None]) + RIDGE * np.eye(2), slope)
        np.testing.assert_allclose(step, 0, atol=1e-3)  # BFGS stops at a slope of 1e-5, the curvature is above 0.1


def test_the_logistic_recovers_known_coefficients():
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(20_000), rng.normal(size=20_000)])
    outcome = rng.random(20_000) < 1 / (1 + np.exp(-(0.5 - 2 * x[:, 1])))
    np.testing.assert_allclose(fit_logistic(x, outcome), [0.5, -2], atol=0.1)  # four standard errors


def test_a_difference_of_brier_scores_is_that_of_the_same_runs():
    runs = made_up(8, 3, rates=(1e-5, 1e-4))
    entries = score_success(runs, predict_success(runs, CHANCES), seed=0)
    assert [entry.decoder_lr for entry in entries[:: len(SUCCESS_PREDICTORS)]] == [1e-5, 1e-4, None]
    for start in range(0, len(entries), len(SUCCESS_PREDICTORS)):
        scores = {entry.predictor: entry for entry in entries[start : start + len(SUCCESS_PREDICTORS)]}
        for entry in scores.values():
            assert entry.brier_minus_baseline == pytest.approx(entry.brier - scores[BASELINE].brier)
            assert entry.brier_minus_baseline_interval is not None
            low, high = entry.brier_minus_baseline_interval
            assert low <= entry.brier_minus_baseline <= high
        assert scores[BASELINE].brier_minus_baseline_interval == (0, 0)


def test_pairs_are_the_scores_of_the_same_runs_and_draws():
    """Would reveal a difference of the wrong sign, or one whose two sides are drawn
    apart.
    """
    runs = made_up(8, 3, rates=(1e-5, 1e-4))
    predicted = predict_success(runs, CHANCES)
    scores = {(e.predictor, e.decoder_lr): e for e in score_success(runs, predicted, seed=0)}
    found = score_differences(runs, predicted, seed=0)
    assert [entry.decoder_lr for entry in found[:: len(found) // 3]] == [1e-5, 1e-4, None]
    for entry in found:
        one, other = scores[entry.predictor, entry.decoder_lr], scores[entry.minus, entry.decoder_lr]
        assert entry.n == one.n == (24 if entry.decoder_lr else 48)
        assert entry.difference == pytest.approx(one.brier - other.brier)
        if entry.minus == BASELINE:
            assert entry.interval == pytest.approx(one.brier_minus_baseline_interval)
    pairs = {(entry.predictor, entry.minus) for entry in found}
    assert pairs == {(name, other) for name in DECODER_FLOWS for other in FITTED}
    alike = predicted.assign(memory_flow=predicted[FITTED[0]])
    intervals = {e.predictor: e.interval for e in score_differences(runs, alike, 0) if e.minus == FITTED[0]}
    assert intervals["memory_flow"] == (0, 0)


def test_runs_that_share_a_training_set_are_drawn_together():
    runs = made_up(4, 0, rates=(1e-5, 1e-4, 1e-3)).sample(frac=1, random_state=0)
    weights = pd.DataFrame(cluster_weights(runs, seed=0, draws=50).T, index=runs.index)
    assert (weights.groupby([runs["n_train"], runs["seed"]]).nunique() == 1).all(axis=None)
    assert (weights.groupby(runs["n_train"]).sum() == 12).all(axis=None)


def test_copies_of_a_setting_do_not_narrow_an_interval():
    """The naive bootstrap of runs would take four settings of one and the same outcomes
    for four times the data.
    """
    one = made_up(10, 0, rates=(1e-5,))
    many = pd.concat([one.assign(decoder_lr=rate) for rate in (1e-5, 1e-4, 1e-3, 1e-2)], ignore_index=True)
    alone, *_, together = (
        [e for e in score_success(runs, predict_success(runs, CHANCES), 0) if e.predictor == BASELINE]
        for runs in (one, many)
    )
    assert together[-1].brier_interval == pytest.approx(alone[-1].brier_interval)


@pytest.mark.parametrize("n_replicas", [2, 3, 5])
def test_irreducible_of_known_probabilities(n_replicas):
    """p is 0, 0.2, 0.5 or 1 in a quarter of the runs each: the mean of p (1 - p) is
    0.1025.
    """
    p = np.tile([0.0, 0.2, 0.5, 1.0], 100)
    rng = np.random.default_rng(0)
    runs = pd.DataFrame({"n_train": 45, "seed": range(len(p)), "repr_lr": 1e-3, "decoder_lr": 1e-4})
    replicas = [
        runs.assign(replica=r, steps_to_rqi=np.where(rng.random(len(p)) < p, 1.0, math.nan)) for r in range(n_replicas)
    ]
    entry, overall = score_irreducible(pd.concat(replicas, ignore_index=True), seed=0)
    assert entry.brier == pytest.approx(0.1025, abs=0.04)  # four standard errors
    assert entry.brier_interval is not None
    low, high = entry.brier_interval
    assert low < 0.1025 < high
    assert (overall.brier, overall.repr_lr, entry.repr_lr) == (entry.brier, None, 1e-3)
    # the share of the others has the variance of its mean on top: p (1 - p) (1 + 1/(R -
    # 1))
    assert entry.by_replicas.brier == pytest.approx(0.1025 * n_replicas / (n_replicas - 1), abs=0.08)


def test_irreducible_of_two_replicas_is_half_of_their_disagreement():
    first, second = [100.0, math.nan, 100.0, math.nan, 100.0], [100.0, math.nan, math.nan, 100.0, 100.0]
    runs = pd.DataFrame({"n_train": 45, "seed": range(5), "repr_lr": 1e-3, "decoder_lr": 1e-4})
    both = [runs.assign(replica=0, steps_to_rqi=first), runs.assign(replica=1, steps_to_rqi=second)]
    everyone = pd.concat(both).sample(frac=1, random_state=0)
    assert score_irreducible(everyone, seed=0)[0].brier == pytest.approx(0.5 * 2 / 5)
    assert score_irreducible(both[0], seed=0) == []
    agreed = score_irreducible(pd.concat([both[0], both[0].assign(replica=1)]), seed=0)[0]
    assert (agreed.brier, agreed.brier_interval, agreed.by_replicas.auc) == (0, None, 1)
