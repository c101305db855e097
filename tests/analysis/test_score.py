"""Scores: each statistic against its definition or another library's, on made-up runs
whose scores are known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from analysis.predictors.predictor import Predictor
from analysis.report.tables import wide
from analysis.scores.bootstrap import bootstrap_weights, means
from analysis.scores.table import COLUMNS, MEASURED, MIN_TEST_SAMPLES, score, score_settings
from tests.analysis.test_concordance import naive_index

STEPS = Predictor("theory", "a theory", ("D",), lambda config: True)
NULL = Predictor("training_fraction", "null", ("size",), lambda config: True, gives="order")
CHANCE = Predictor("chance", "a chance", ("size",), lambda config: True, gives="chance")


def made_up(times: Sequence[float], sizes: Sequence[int] | int = 45, budget: int = 100, **columns: Any) -> pd.DataFrame:
    """Runs with these steps to all targets; inf: not within the budget."""
    n = len(times)
    table = pd.DataFrame({"key": [f"run {k}" for k in range(n)], "seed": range(n), "n_train": sizes, "budget": budget})
    for target in ("rqi", "train", "test"):
        table[f"steps_to_{target}"] = np.where(np.isfinite(times), times, np.nan)
    table["mask"] = pd.Series([np.arange(55) < size for size in table["n_train"]], dtype=object)
    return table.assign(**columns)


def said(runs: pd.DataFrame, predictor: Predictor, target: str = "rqi", **columns: Any) -> pd.DataFrame:
    """Its predictions of these runs."""
    rows = {"key": runs["key"], "predictor": predictor.name, "target": target}
    return pd.DataFrame(rows).assign(**{"value": np.nan, "probability": np.nan, "read_at": 0.0} | columns)


def of(scores: pd.DataFrame, statistic: str, predictor: str = "theory", against: str = "", **where: Any) -> Any:
    """The one row that is asked for."""
    rows = scores[(scores[["statistic", "predictor", "against"]] == [statistic, predictor, against]).all(axis=1)]
    for name, value in where.items():
        rows = rows[rows[name] == value]
    [row] = rows.itertuples()
    return row


def test_a_ratio_counts_censored_runs_as_longer() -> None:
    runs = made_up([10, 20, 30, math.inf, math.inf])
    scores = score(runs, said(runs, STEPS, value=[10.0, 10.0, 10.0, 10.0, math.inf]), [STEPS], ["rqi"])
    assert list(scores.columns) == [*COLUMNS]
    assert of(scores, "ratio").value == 2  # of 1, 2, 3, > 10
    assert of(scores, "ratio_lower").value == 1
    assert (of(scores, "ratio").n, of(scores, "ratio").n_censored) == (4, 1)
    assert of(scores, "unpredicted").value == 0
    assert (of(scores, "median").value, of(scores, "median", MEASURED).value) == (10, 30)
    assert of(scores, "did", MEASURED).value == 0.6
    assert of(scores, "mape").value == pytest.approx((0 + 1 / 2 + 2 / 3) / 3)


def test_a_run_that_was_predicted_never_but_got_there_is_counted() -> None:
    runs = made_up([10, 20])
    scores = score(runs, said(runs, STEPS, value=[math.inf, 5.0]), [STEPS], ["rqi"])
    assert of(scores, "unpredicted").value == 1
    assert of(scores, "mape").value == pytest.approx((1 + 15 / 20) / 2)
    assert of(scores, "ratio").value == 4


def test_a_median_beyond_the_budget_is_infinite() -> None:
    runs = made_up([10, math.inf, math.inf])
    scores = score(runs, said(runs, STEPS, value=1.0), [STEPS], ["rqi"])
    assert of(scores, "median", MEASURED).value == math.inf
    assert (of(scores, "median", MEASURED).n, of(scores, "median", MEASURED).n_censored) == (3, 2)


@settings(max_examples=25)  # a bootstrap each
@given(st.integers(0, 2**32 - 1))
def test_orders_and_chances_are_what_they_are_defined_to_be(seed: int) -> None:
    """Concordance by a double loop, AUC by Mann and Whitney."""
    rng = np.random.default_rng(seed)
    times = np.where(rng.random(30) < 0.3, np.inf, rng.integers(1, 20, 30))
    runs = made_up(times.tolist(), rng.choice([20, 30], 30).tolist(), budget=15)
    runs.loc[runs["steps_to_rqi"] > 15, "steps_to_rqi"] = np.nan
    value, chance = rng.integers(0, 9, 30).astype(float), rng.integers(0, 5, 30) / 4
    scores = score(runs, said(runs, STEPS, value=value, probability=chance), [STEPS], ["rqi"])
    seen = runs["steps_to_rqi"].notna().to_numpy()
    waited = np.where(seen, runs["steps_to_rqi"], 15)
    rows = scores.set_index("statistic")["value"]
    for name, strata in (("concordance", np.zeros(30)), ("concordance_within", runs["n_train"].to_numpy())):
        expected = naive_index(waited, seen, value, strata)
        assert (name in rows) == (not math.isnan(expected))
        if name in rows:
            assert rows[name] == pytest.approx(expected)
    if seen.any() and not seen.all():
        statistic = mannwhitneyu(chance[seen], chance[~seen]).statistic
        assert of(scores, "auc").value == pytest.approx(statistic / (seen.sum() * (~seen).sum()))
    assert of(scores, "brier").value == pytest.approx(((chance - seen) ** 2).mean())
    constant = of(scores, "brier_constant").value
    assert constant == pytest.approx(seen.mean() * (1 - seen.mean()))
    gap = of(scores, "brier", against="constant")
    assert gap.value == pytest.approx(of(scores, "brier").value - constant)
    assert gap.low <= gap.value + 1e-12


def test_the_null_model_knows_nothing_within_a_size() -> None:
    runs = made_up([float(t) for t in range(10, 34)], [20, 30] * 12)
    both = pd.concat([said(runs, NULL, value=-runs["n_train"]), said(runs, STEPS, value=runs["steps_to_rqi"])])
    scores = score(runs, both, [NULL, STEPS], ["rqi"])
    assert of(scores, "concordance_within", NULL.name).value == 0.5
    gain = of(scores, "concordance", against=NULL.name)
    assert gain.value == pytest.approx(1 - of(scores, "concordance", NULL.name).value)
    assert gain.low > 0


def test_few_that_got_there_have_no_interval() -> None:
    runs = made_up([*range(1, 10), *[math.inf] * 20])
    predictions = said(runs, STEPS, value=np.arange(29.0), probability=0.5)
    scores = score(runs, predictions, [STEPS], ["rqi"])
    for name in ("concordance", "auc", "mape"):
        assert math.isnan(of(scores, name).low)
    enough = score(runs, predictions, [STEPS], ["rqi"], fewest=9)
    assert not math.isnan(of(enough, "concordance").low)


def test_what_was_read_of_a_run_is_not_foretold() -> None:
    """Runs that got there by then are left out, and time counts from then on."""
    runs = made_up([5, 30, 50, 95], budget=100)
    scores = score(runs, said(runs, STEPS, value=[9.0, 1.0, 2.0, 0.0], read_at=[10, 10, 10, 90]), [STEPS], ["rqi"])
    row = of(scores, "concordance")
    assert (row.value, row.n) == (1, 3)  # 20, 40 and 5 steps remain; of 5 ones the prediction would be last
    unread = score(runs, said(runs, STEPS, value=[9.0, math.nan, 2.0, 0.0], read_at=[10, 10, 10, 90]), [STEPS], ["rqi"])
    assert of(unread, "concordance").n == 2


@pytest.mark.parametrize(("n_train", "judged"), [(55 - MIN_TEST_SAMPLES, True), (56 - MIN_TEST_SAMPLES, False)])
def test_a_handful_of_test_samples_measures_no_generalisation(n_train: int, judged: bool) -> None:
    """Test samples are those outside the training set, whatever is learned."""
    runs = made_up([10.0, 20.0], n_train)
    scores = score(runs, said(runs, STEPS, "test", value=1.0), [STEPS], ["test", "rqi"])
    assert ("test" in set(scores["target"])) == judged
    mixed = pd.concat([runs, made_up([10.0], 20, key="another")], ignore_index=True)
    assert of(score(mixed, said(mixed, STEPS, "test"), [STEPS], ["test"]), "did", MEASURED).n == 1 + 2 * judged


def test_settings_are_scored_apart_and_in_their_order() -> None:
    runs = made_up([10.0, 20.0, 30.0, 40.0], rate=[2, 2, 1, 1])
    scores = score(runs, said(runs, STEPS, value=[10.0, 20.0, 10.0, 10.0]), [STEPS], ["rqi"], ["rate"])
    assert scores["rate"].drop_duplicates().tolist() == [2, 1]
    assert of(scores, "ratio", rate=2).value == 1
    assert of(scores, "ratio", rate=1).value == 3


def test_a_difference_is_that_of_the_same_runs_and_draws() -> None:
    """Would reveal a difference of the wrong sign, or one whose two sides are drawn
    apart.
    """
    rng = np.random.default_rng(0)
    runs = made_up(np.where(rng.random(40) < 0.5, 10.0, np.inf).tolist(), [20, 40] * 20)
    one, other = rng.random(40), rng.random(40)
    both = pd.concat([said(runs, STEPS, probability=one), said(runs, CHANCE, probability=other)])
    scores = score(runs, both, [STEPS, CHANCE], ["rqi"], against=["chance"])
    row = of(scores, "brier", against="chance")
    assert row.value == pytest.approx(of(scores, "brier").value - of(scores, "brier", "chance").value)
    assert row.low < row.value < row.high
    alike = pd.concat([said(runs, STEPS, probability=one), said(runs, CHANCE, probability=one)])
    row = of(score(runs, alike, [STEPS, CHANCE], ["rqi"], against=["chance"]), "brier", against="chance")
    assert (row.low, row.value, row.high) == (0, 0, 0)


def test_runs_that_share_a_training_set_are_drawn_together() -> None:
    sizes, seeds = np.repeat([20, 30, 40], 12), np.tile(np.repeat(range(4), 3), 3)
    cluster = 100 * sizes + seeds
    order = np.random.default_rng(0).permutation(36)
    weights = pd.DataFrame(bootstrap_weights(sizes[order], 0, 50, cluster[order]).T)
    assert (weights.groupby(cluster[order]).nunique() == 1).all(axis=None)
    assert (weights.groupby(sizes[order]).sum() == 12).all(axis=None)
    assert not np.array_equal(weights, bootstrap_weights(sizes[order], 1, 50, cluster[order]).T)


def test_copies_of_a_setting_do_not_narrow_an_interval() -> None:
    """The naive bootstrap of runs would take four settings of one and the same outcomes
    for four times the data.
    """
    rng = np.random.default_rng(0)
    outcomes = np.where(rng.random(30) < 0.5, 10.0, np.inf).tolist()
    one = made_up(outcomes, [20, 30, 40] * 10)
    many = pd.concat([one.assign(key=one["key"] + f" at {k}") for k in range(4)], ignore_index=True)
    chance = rng.random(30)
    alone = score(one, said(one, STEPS, probability=chance), [STEPS], ["rqi"], clusters=["n_train", "seed"])
    copies = said(many, STEPS, probability=np.tile(chance, 4))
    together = score(many, copies, [STEPS], ["rqi"], clusters=["n_train", "seed"])
    naive = score(many, copies, [STEPS], ["rqi"])
    first, second, third = (of(found, "brier") for found in (alone, together, naive))
    assert (second.low, second.high) == pytest.approx((first.low, first.high))
    assert third.high - third.low < 0.7 * (first.high - first.low)


def test_settings_that_share_their_seeds_are_scored_together() -> None:
    """The cells of all settings are more than the clusters lie in."""
    one = made_up([10.0, np.inf] * 12, [20, 30, 40] * 8)
    many = pd.concat([one.assign(key=one["key"] + f" at {k}", decoder_lr=10.0**-k) for k in (4, 5)], ignore_index=True)
    whole, each = score_settings(many, said(many, STEPS, probability=0.3), [STEPS], ["rqi"], ["decoder_lr"], "n_train")
    alone, everywhere = of(each, "brier", decoder_lr=1e-4), of(whole, "brier", decoder_lr="all")
    assert (everywhere.value, everywhere.low, everywhere.high) == pytest.approx((alone.value, alone.low, alone.high))


def test_means_leave_out_what_is_not_there() -> None:
    weights = np.array([[1.0, 1, 1], [2, 0, 1], [0, 3, 0]])
    assert means(np.array([1.0, np.nan, 4]), weights)[:2].tolist() == [2.5, 2]
    assert math.isnan(means(np.array([1.0, np.nan, 4]), weights)[2])


def test_a_share_is_scored_as_one() -> None:
    runs = made_up([50.0] * 20, accuracy=[0.5] * 19 + [np.nan])
    value = np.array([0.25, 0.75] * 9 + [0.75, 0.5])
    scores = score(runs, said(runs, STEPS, "accuracy", value=value), [STEPS], ["accuracy"])
    assert of(scores, "error").value == pytest.approx(1 / 4 / 19)
    assert of(scores, "absolute_error").value == 0.25
    assert of(scores, "above").value == 9
    assert of(scores, "error").n == 19
    assert "correlation" not in set(scores["statistic"])  # not defined: all measured ones are alike


def test_a_table_of_a_page_is_a_turned_table_of_scores() -> None:
    runs = made_up([10, 20, 30, math.inf, math.inf])
    scores = score(runs, said(runs, STEPS, value=10.0, probability=0.5), [STEPS], ["rqi"])
    columns = {"AUC": ("auc", ".2f"), "ratio": ("ratio", ".1f"), "gain": ("brier", "+.2f", "constant")}
    [row] = wide(scores[scores["predictor"] == "theory"], {"predictor": "who"}, columns, {"theory": "a theory"})
    ratio = of(scores, "ratio")
    assert row["who"] == "a theory"
    assert row["AUC"] == "0.50"
    assert row["ratio"] == f"{ratio.value:.1f} [{ratio.low:.1f}, -]"
    assert row["gain"].startswith("+0.01 [")
