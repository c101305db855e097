"""From runs to the numbers of the report: real short runs, and made-up tables whose
scores are known.
"""

from __future__ import annotations

import json
import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import efftheory as et
from analysis.compare_theory import pictures
from analysis.compare_theory.outcomes import score_accuracy, score_probability
from analysis.compare_theory.predictors import PREDICTORS
from analysis.compare_theory.report import as_report, compare
from analysis.compare_theory.success import (
    FITTED,
    SUCCESS_PREDICTORS,
    predict_success,
    score_irreducible,
    score_success,
)
from analysis.compare_theory.times import score_medians, score_time
from analysis.compare_theory.verdict import verdict
from analysis.report.files import write_json
from analysis.runs.tables import TARGETS
from analysis.theory.decoder_theory import outlooks
from analysis.theory.predictions import DECODER_FLOWS, linear_probabilities, predict, predict_decoder, time_column


@pytest.fixture
def runs(store, configs) -> pd.DataFrame:
    runs = store.table(configs)
    return runs.merge(predict(runs), on="key").merge(predict_decoder(runs, draws=2), on="key")


def training_sets(n: int, n_train: int, n_samples: int) -> pd.Series:
    """`n` of them, as the store has them."""
    return pd.Series([np.arange(n_samples) < n_train] * n, dtype=object)


def made_up(times: list[float], predicted: list[float], budget: int = 100) -> pd.DataFrame:
    """Runs of one setting and size with given times (inf = censored) and
    predictions.
    """
    n = len(times)
    steps = np.where(np.isfinite(times), times, np.nan)
    table = pd.DataFrame({"seed": range(n), "n_train": 45, "p": 10, "d": 1, "repr_lr": 1e-3, "decoder_lr": 1e-4})
    table["mask"] = training_sets(n, 45, 55)
    table["budget"], table["z0"], table["nullity"], table["train_loss"] = budget, 0.9, 2, 0.1
    for target in TARGETS:
        table[f"steps_to_{target}"] = steps
    for name in PREDICTORS:
        for target in TARGETS:
            table[time_column(name, target)] = predicted
    for name in DECODER_FLOWS:
        table[f"{name}_success"] = np.isfinite(predicted).astype(float)
    table["training_fraction"] = -45 / 55
    return table


def test_test_samples_are_those_outside_the_training_set():
    """Of S3, too, which has 36 samples and not p(p+1)/2 = 21; a run with few of them
    says nothing.
    """
    runs = made_up([50.0] * 12, [50.0] * 12).assign(p=6, n_train=24)
    runs["mask"] = training_sets(12, 24, 36)
    entries = {entry.target: entry for entry in score_medians(runs)}
    assert set(entries) == set(TARGETS)
    assert (entries["test"].n, entries["test"].median) == (12, 50)
    assert {entry.target for entry in score_time(runs, 0)} == set(TARGETS)
    for n_train, judged in ((31, True), (32, False)):
        runs["mask"] = training_sets(12, n_train, 36)
        assert ("test" in {entry.target for entry in score_medians(runs)}) == judged
    few = pd.concat([runs, runs.assign(mask=training_sets(12, 24, 36))], ignore_index=True)
    assert [entry.n for entry in score_medians(few) if entry.target == "test"] == [12]


def told(table: pd.DataFrame, everyone: pd.DataFrame | None = None, ideal: Any = 1.0) -> str:
    table["accuracy"], table["predicted_accuracy"], table["ideal_accuracy"] = 0.5, 1.0, ideal
    chances = linear_probabilities(10, 200, seed=0)
    predicted = predict_success(table, chances)
    success = score_success(table, predicted, seed=0)
    scores = score_time(table, 0), *score_probability(table, chances), score_accuracy(table), success
    irreducible = [] if everyone is None else score_irreducible(everyone, seed=0)
    return " ".join(verdict(*scores, irreducible))


def test_predictions_are_the_theorys_on_the_very_runs(runs):
    for run in runs.itertuples():
        op = et.addition(run.p)
        start = run.initial_embedding - run.initial_embedding.mean(axis=0)
        assert run.nullity == et.nullity(op, run.mask)
        assert run.ideal_accuracy == et.ideal_accuracy(op, run.mask)
        assert run.predicted_accuracy == et.predicted_accuracy(op, run.mask, run.final_embedding)
        assert run.exact_flow == et.time_to_rqi(op, run.mask, start) / run.repr_lr
        assert run.inverse_lambda3 == pytest.approx(run.z0 / (run.repr_lr * run.lambda3) if run.lambda3 else math.inf)


def test_the_theory_with_a_decoder_has_steps_of_its_own_to_each_target(store, configs):
    runs = store.table(configs)
    drawn = []
    table = predict_decoder(runs, draws=3, on_draws=drawn.append)
    assert sum(drawn) == 9 * len(runs)
    assert DECODER_FLOWS == ("memory_flow_blind", "memory_flow")
    for name in DECODER_FLOWS:
        blind = name.endswith("_blind")
        found = outlooks(configs, 6 if blind else 3, blind)
        for outlook, row in zip(found, table.to_dict("records"), strict=True):
            assert row[f"{name}_success"] == outlook.success
            assert [row[time_column(name, target)] for target in TARGETS] == list(map(outlook.median, TARGETS))
    one = predict_decoder(runs, draws=3, names=["memory_flow"])
    pd.testing.assert_frame_equal(one, table[one.columns])
    made = made_up([10.0, 20.0], [5.0, 10.0]).assign(memory_flow_train=[10.0, 20.0])
    scores: list[Any] = [e for e in score_time(made, 0) if e.predictor == "memory_flow"]
    medians = {e.target: e.ratio.median for e in scores}
    assert medians == {"rqi": 2, "train": 1, "test": 2}
    predicted = {e.target: e.predicted_median_memory_flow for e in score_medians(made)}
    assert predicted == {"rqi": 5, "train": 10, "test": 5}
    others = {e.target: e.predicted_median_memory_flow_blind for e in score_medians(made)}
    assert others == {"rqi": 5, "train": 5, "test": 5}


def test_the_null_model_knows_nothing_within_a_size(runs):
    for entry in score_time(runs, seed=0):
        if entry.predictor == "training_fraction" and entry.c_index_within_size is not None:
            assert entry.c_index_within_size == 0.5
            assert entry.gain_over_null_interval in (None, (0.0, 0.0))


def test_settings_are_scored_apart(runs):
    entries = score_time(runs, seed=0)
    assert len(entries) == 2 * len(TARGETS) * len(PREDICTORS)
    assert {entry.decoder_lr for entry in entries} == {1e-3, 3e-3}
    # 13 of 15 leaves two test samples: too few to count
    assert all(entry.n == (3 if entry.target == "test" else 6) for entry in entries)


def test_ratio_counts_censored_runs_as_longer():
    table = made_up([10, 20, 30, math.inf, math.inf], [10.0, 10.0, 10.0, 10.0, math.inf])
    entry: Any = score_time(table, seed=0)[0]
    assert (entry.n_predicted, entry.n_reached_though_not_predicted) == (4, 0)
    assert entry.ratio.lower_quartile == 1
    assert entry.ratio.median == 2  # of 1, 2, 3, > 10
    assert entry.ratio.observed_only == [1, 2, 3]
    assert entry.ratio_standardized.median == pytest.approx(2 / 10)  # (p - 1)/z0 = 10


def test_a_run_that_was_predicted_never_but_got_there_is_counted():
    table = made_up([10, 20], [math.inf, 5.0])
    entry: Any = score_time(table, seed=0)[0]
    assert entry.n_reached_though_not_predicted == 1


def test_medians_are_censored(runs):
    table = made_up([10, math.inf, math.inf], [1.0, 2.0, 3.0])
    entry = next(e for e in score_medians(table) if e.target == "rqi")
    assert (entry.median, entry.n_observed, entry.n) == (None, 1, 3)


@pytest.mark.parametrize("n_train", [51, 55])
def test_a_handful_of_test_samples_measures_no_generalisation(n_train):
    table = made_up([10.0, 20.0], [1.0, 2.0]).assign(n_train=n_train, mask=training_sets(2, n_train, 55))
    assert {entry.target for entry in score_time(table, seed=0)} == {"rqi", "train"}


def test_report_has_the_promised_fields_and_is_valid_json(runs, tmp_path):
    report = compare(runs, runs, draws=200)
    write_json(tmp_path / "report.json", as_report(report))
    read = json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)
    wanted = "n_train seed repr_lr decoder_lr budget steps_to_train steps_to_test steps_to_rqi accuracy rqi"
    wanted += " predicted_accuracy ideal_accuracy lambda3 nullity predicted_steps"
    assert set(wanted.split()) <= set(read["runs"][0])
    assert set(PREDICTORS) - {"training_fraction"} == set(read["runs"][0]["predicted_steps"])
    assert set(SUCCESS_PREDICTORS) == set(read["runs"][0]["predicted_success"])
    wanted = "target predictor c_index interval c_index_within_size interval_within_size n"
    assert set(wanted.split()) <= set(read["time"][0])
    wanted = "n_train fraction predicted predicted_interval measured measured_interval"
    assert set(wanted.split()) <= set(read["probability"][0])
    assert {"pearson_r", "mean_absolute_error"} <= set(read["accuracy"])
    assert [entry["repr_lr"] for entry in read["success"][:: len(SUCCESS_PREDICTORS)]] == [1e-2, 1e-2, None]
    wanted = "predictor auc auc_interval brier brier_interval calibration_error mean_predicted mean_measured n bins"
    assert set(wanted.split()) <= set(read["success"][0])
    assert {"predicted_median_memory_flow", "predicted_median_memory_flow_blind"} <= set(read["medians"][0])
    pairs = {(entry["predictor"], entry["minus"]) for entry in read["brier_differences"]}
    assert pairs >= {(name, other) for name in DECODER_FLOWS for other in FITTED}
    assert read["irreducible"] == []
    for run, row in zip(read["runs"], runs.itertuples(), strict=True):
        assert (run["steps_to_rqi"] is None) == (row.steps_to_rqi != row.steps_to_rqi)


def test_the_verdict_does_not_flatter():
    """Made-up numbers that refute the theory must be told as such."""
    times = [*range(10, 30), math.inf, math.inf]
    bad = made_up(times, [float(rank) for rank in range(22, 0, -1)])
    text = told(bad)
    assert "With a unique linear representation 20 of 22 runs succeeded" in text
    assert "is worse" in text
    assert "misleads" in text
    assert "too high" in text
    assert ") beats it" not in text


def test_an_order_of_few_is_not_judged():
    few = made_up([10, 20, *[math.inf] * 20], [float(rank) for rank in range(22)])
    text = told(few)
    assert "is not judged: 2 runs got there" in text
    assert "concordance" not in text


def test_successes_with_and_without_a_unique_representation():
    """Three sizes; only those at which both kinds occur are compared."""
    table = made_up([10, math.inf, 20, math.inf, 30], [1.0, 1.0, math.inf, math.inf, 1.0])
    table["n_train"], table["nullity"] = [45, 45, 20, 20, 20], [2, 2, 3, 4, 2]
    _, [count] = score_probability(table, linear_probabilities(10, 200, seed=0))
    assert (count.linear_and_success, count.linear_and_failure) == (2, 1)
    assert (count.not_linear_and_success, count.not_linear_and_failure) == (1, 1)
    assert (count.same_sizes_linear_and_success, count.same_sizes_linear_and_failure) == (1, 0)
    assert count.linear_with_time == 3
    assert "Without one 1 of 2 runs succeeded; with one, at the same sizes, 1 of 1." in told(table)


def test_success_is_judged_run_by_run():
    """All sizes and times are alike, nothing can be fitted; the theory with a decoder
    is always right, then wrong.
    """
    times = [10.0 if seed % 2 else math.inf for seed in range(40)]
    table = made_up(times, times)
    for name in PREDICTORS[:3]:
        table[name] = 5.0
    assert "Success, theory with memory, not fitted: better than it. Brier score 0.000" in told(table)
    table["memory_flow_blind_success"] = 1 - table["memory_flow_blind_success"]
    text = told(table)
    assert "Success, theory with memory, not fitted: better than it. Brier score 0.000" in text
    assert "Success, theory with memory, blind, not fitted: worse than it. Brier score 1.000" in text
    assert "not judged run by run: 1 of 2 runs did" in told(made_up([10.0, math.inf], [1.0, 2.0]))


def test_replicas_say_what_cannot_be_foretold():
    table = made_up([10.0 if seed % 2 else math.inf for seed in range(40)], [5.0] * 40).assign(replica=0)
    other = table.assign(replica=1)
    assert "initial weights alone, never disagreed." in told(table, pd.concat([table, other]))
    other.loc[:3, "steps_to_rqi"] = [10.0, math.nan, 10.0, math.nan]
    assert "initial weights alone, leave 0.050 [0." in told(table, pd.concat([table, other]))


@pytest.mark.parametrize(
    ("factors", "judged"),
    [
        ((3.0, 3.0), "too early"),
        ((0.3, 0.3), "too late"),
        ((1.0, 1.0), "the right size"),
        ((0.76, 0.97), "not certain"),
        ((1.1, 1.5), "not certain"),
    ],
)
def test_the_size_of_the_times_is_judged(factors, judged):
    times = [float(t) for t in range(40, 70)]
    text = told(made_up(times, [t / factors[k % 2] for k, t in enumerate(times)]))
    assert f"Times, exact gradient flow: {judged}." in text
    assert f"Times to train accuracy 0.9, theory with memory: {judged}." in text


def test_a_prediction_is_better_or_worse_than_a_constant():
    """P(linear) is 1 at 45 and 0 at 5 samples of 55: right about all runs, then wrong
    about all.
    """
    right = made_up([10, 10, math.inf, math.inf], [1.0] * 4)
    right["n_train"] = [45, 45, 5, 5]
    assert "is better than the 0.250" in told(right)
    wrong = made_up([10, 10, math.inf, math.inf], [1.0] * 4)
    wrong["n_train"] = [5, 5, 45, 45]
    assert "is worse than the 0.250" in told(wrong)
    open_ = made_up([10] * 20 + [math.inf] * 20, [1.0] * 40)  # wrong about a quarter, as is the constant
    open_["n_train"] = [45] * 15 + [5] * 5 + [45] * 5 + [5] * 15
    assert "is not to be told from the 0.250" in told(open_)


def test_an_accuracy_that_may_be_too_high_or_too_low():
    """Predictions on either side of what was measured."""
    table = made_up([50.0] * 20, [50.0] * 20)
    assert "The ideal accuracy is 0.500 too high on average" in told(table)
    assert "The ideal accuracy is 0.250 too low on average" in told(table, ideal=0.25)
    assert "The ideal accuracy is +0.000 off (not certain which way) on average" in told(table, ideal=[0.25, 0.75] * 10)


def test_a_median_beyond_the_budget_is_told_in_words():
    """Twelve of a hundred got there: neither the median nor a bound of it was seen."""
    text = told(made_up([*range(10, 22), *[math.inf] * 88], [1.0] * 100))
    assert "Times, exact gradient flow: too early. Measured over predicted steps, median beyond the budget, " in text
    assert "[inf" not in text
    assert "nan" not in text


def test_a_list_of_those_that_beat_the_null_model_can_be_read():
    """Names have commas. Sizes say nothing here, and only some of the predictors are
    right.
    """
    times = [float(t) for t in range(10, 50)]
    table = made_up(times, times).sample(frac=1, random_state=0)
    for name in set(PREDICTORS) - {"memory_flow", "memory_flow_blind", "training_fraction"}:
        for target in TARGETS:
            table[time_column(name, target)] = 5.0
    end = "these beat it: theory with memory, blind; theory with memory."
    assert f"Order of the times to train accuracy 0.9: the null model has concordance 0.50; {end}" in told(table)
    table[time_column("memory_flow", "train")] = 5.0
    assert "0.50; theory with memory, blind beats it." in told(table)
    table[time_column("memory_flow_blind", "train")] = 5.0
    assert "0.50; none of the others beats it." in told(table)


def test_pictures_tell_all_predictors_apart(runs):
    """Would reveal a colour or a mark that two predictors share, or a panel left
    out.
    """
    figure = pictures.concordance(score_time(runs, seed=0))
    [legend] = figure.legends
    looks = [(str(line.get_color()), str(line.get_marker())) for line in legend.get_lines()]
    assert len({colour for colour, _ in looks}) == len({mark for _, mark in looks}) == len(PREDICTORS)
    labels = [axes.get_xlabel() for axes in pictures.times(runs).axes]
    for name in set(PREDICTORS) - {"training_fraction"}:
        assert labels.count(f"predicted steps: {pictures.NAMES[name]}") == 2  # settings


def test_times_of_zero_can_be_drawn():
    """At p = 3 an initial embedding can already be linear: predicted and measured after
    0 steps.
    """
    table = made_up([0, 10, math.inf], [0.0, 5.0, math.inf])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        axes = pictures.times(table).axes[0]
    assert axes.get_xlim()[0] > 0
    pictures.times(made_up([0, 0], [0.0, 0.0]))
