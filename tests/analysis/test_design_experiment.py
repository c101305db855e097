"""Networks that differ in their training sets alone, and what is said of them."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest

import efftheory as et
from analysis.arms.engine import one_score, runs_of
from analysis.design_experiment import ERRORS, OBJECTIVES, PROG, Arguments, main, pair_rows, plan, scored, verdict
from analysis.runs.executors import Execution
from analysis.runs.store import RunStore
from analysis.runs.sweep import ensure
from neural import start as start_of
from neural import write_samples
from neural.command import run_command

OP = et.addition(5)
NOTHING = pd.DataFrame(columns=["key", "predictor", "target"])


def one_of_many(op: et.Operation, n_train: int, objective: str = "lambda3", seed: int = 0) -> np.ndarray:
    """A design that is quick to find: the best of forty random sets."""
    rng = np.random.default_rng([n_train, seed])
    masks = [op.random_training_set(n_train, rng) for _ in range(40)]
    linear = [mask for mask in masks if et.is_linear(op, mask)]
    best = max if objective == "lambda3" else min
    return best(linear, key=lambda mask: et.spectrum(op, mask).lambda3)


@pytest.fixture(autouse=True)
def _quick_designs(monkeypatch):
    monkeypatch.setattr(et, "design_training_set", one_of_many, raising=False)


def small(folder: Path) -> Arguments:
    what: Any = {"p": 5, "sizes": (11, 9), "seeds": 3, "budget": 60, "repr_lr": (1e-2,), "decoder_lr": (1e-3,)}
    where: Any = {"execution": Execution("cpu", "in-process"), "out": folder / "out", "store": folder / "runs.sqlite"}
    return Arguments(decoder_draws=1, **what, **where)


def test_the_plan_pairs_networks_that_differ_in_their_training_sets_alone(tmp_path):
    arms = plan(replace(small(tmp_path), repr_lr=(1e-2, 1e-3), decoder_lr=(1e-3, 1e-4, 1e-3)))
    assert list(arms) == ["fast", "wide", "random", "slow"]
    points = [(run.n_train, run.repr_lr, run.decoder_lr, run.seed) for run in arms["random"]]
    rates = [(1e-2, 1e-3), (1e-2, 1e-4), (1e-3, 1e-3), (1e-3, 1e-4)]
    assert points == [(n, *pair, seed) for n in (9, 11) for pair in rates for seed in range(3)]
    for fast, wide, random, slow in zip(*arms.values(), strict=True):
        assert random.samples == ""
        for run, objective in ((fast, "lambda3"), (wide, "generalizable"), (slow, "slow")):
            assert replace(run, samples="") == random
            assert run.samples == write_samples(one_of_many(OP, run.n_train, objective, run.seed))
        starts = [start_of(run) for run in (fast, wide, random, slow)]
        assert et.spectrum(OP, starts[0].mask).lambda3 > et.spectrum(OP, starts[-1].mask).lambda3 > 0
        for other in starts[1:]:
            np.testing.assert_array_equal(starts[0].lane["targets"], other.lane["targets"])
            weights = zip(starts[0].model.parameters(), other.model.parameters(), strict=True)
            assert all(bool((a == b).all()) for a, b in weights)


def test_from_end_to_end_and_on_after_a_stop(tmp_path, monkeypatch, capsys):
    """The same report from a store in which a stopped command has left two runs."""
    monkeypatch.setattr(sys, "argv", ["design_experiment"])
    undisturbed, disturbed = small(tmp_path / "a"), small(tmp_path / "b")
    main(undisturbed)
    assert "18 runs, 18 of them trained now" in capsys.readouterr().err
    with RunStore(disturbed.store) as store:
        ensure(runs_of(plan(disturbed))[-2:], store, disturbed.execution)
    main(disturbed)
    assert "18 runs, 16 of them trained now" in capsys.readouterr().err
    reports = [(arguments.out / "report.json").read_text() for arguments in (undisturbed, disturbed)]
    assert reports[0] == reports[1]
    report, page = json.loads(reports[0]), (undisturbed.out / "report.md").read_text()
    scores, runs = pd.DataFrame(report["scores"]), pd.read_csv(undisturbed.out / "runs.csv")
    assert (report["seeds"], {*runs["arm"]}) == (3, {*OBJECTIVES})
    for (n_train, arm), here in runs.groupby(["n_train", "arm"]):
        assert len(here) == 3
        of = scores[(scores["n_train"] == n_train) & (scores["arm"] == arm) & (scores["predictor"] == "measured")]
        found = of[of["against"] == ""].set_index(["target", "statistic"])["value"]
        assert found["rqi", "did"] == here["steps_to_rqi"].notna().mean()
        assert found["accuracy", "mean"] == pytest.approx(here["accuracy"].mean())
        assert found["set", "lambda3"] == pytest.approx(here["lambda3"].median())
        assert (("test", "did") in found) == (n_train == 9)  # 11 leave too few test samples, of 15
    assert 0 <= one_score(scores, n_train=9, arm="fast", target="rqi", statistic="said").value <= 1
    assert all(text in page for text in (*report["answer"], "(survival.png)", "(lambda3.png)"))
    assert min((undisturbed.out / name).stat().st_size for name in ("survival.png", "lambda3.png")) > 10_000


def made_up(steps: dict[str, list[float]]) -> pd.DataFrame:
    """Runs with these steps to RQI > 0.95, a row a seed; nan: not within the budget."""
    same: dict[str, Any] = {"n_train": 9, "p": 5, "repr_lr": 1e-3, "decoder_lr": 1e-4, "budget": 1000, "nullity": 2}
    same |= dict.fromkeys(("ideal_accuracy", "accuracy", "train_accuracy", "test_accuracy"), 0.5)
    rows = [
        same
        | {"arm": design, "place": seed, "mask": OP.random_training_set(9, seed), "lambda3": 3.0 - number}
        | dict.fromkeys(("steps_to_rqi", "steps_to_train", "steps_to_test"), time)
        for number, (design, times) in enumerate(steps.items())
        for seed, time in enumerate(times)
    ]
    return pd.DataFrame(rows)


def test_who_was_first_counts_a_censored_run_as_later_than_any():
    """By hand: 7 earlier, 1 later, 2 neither."""
    fast = [10, 20, 30, 40, 50, 60, math.nan, math.nan, 70, 100]
    slow = [20, 40, 60, 80, 100, math.nan, math.nan, 90, math.nan, 100]
    scores = scored(made_up({"fast": fast, "slow": slow}).sample(frac=1, random_state=1).sort_values("arm"), NOTHING)
    [row] = pair_rows(scores)
    assert (row["pair"], row["first"], row["second"], row["wanted"]) == ("fast, slow", "7", "1", "10")
    # Clopper-Pearson for 7 of 8: the bounds are roots of binomial tails
    earlier = one_score(scores, statistic="earlier")
    assert (earlier.low, earlier.high) == pytest.approx((0.4735, 0.9968), abs=1e-4)
    assert (earlier.value, earlier.n, row["order"]) == (7 / 8, 8, "not certain")


@pytest.mark.parametrize(
    ("times", "says"),
    [
        ([(10.0, 20.0)] * 10, "as the theory says"),  # [0.69, 1.00]
        ([(20.0, 10.0)] * 10, "against the theory"),
        ([(10.0, math.nan), (math.nan, 10.0)] * 5, "not certain"),
        ([(math.nan, math.nan)] * 10, "not certain"),
    ],
)
def test_the_verdict_goes_whichever_way_the_intervals_go(times, says):
    fast, slow = map(list, zip(*times, strict=True))
    first, last = verdict(scored(made_up({"fast": fast, "slow": slow}), NOTHING))
    assert first.endswith(f"Times to RQI > 0.95, {says}: fast before slow.")
    counts = [int("as the theory" in says), int("against" in says)]
    assert f"in {counts[0]} of 1 comparisons, the reverse in {counts[1]}, and not certain in {1 - sum(counts)}" in last


def test_many_comparisons_ask_for_wider_intervals():
    """Three pairs instead of one: the same counts, a wider interval."""
    two = {"fast": [1.0] * 9 + [4.0], "slow": [3.0] * 10}
    found = (scored(made_up(steps), NOTHING) for steps in (two, two | {"random": [2.0] * 10}))
    alone, among = (one_score(scores, statistic="earlier", arm="fast", against="slow") for scores in found)
    assert alone.value == among.value == 0.9
    assert among.low < alone.low < alone.high < among.high


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--p 2", "`p` must be an integer of at least 3, but is 2."),
        ("--seeds 0", "`seeds` must be an integer of at least 1, but is 0."),
        ("--decoder-draws 0", "`decoder_draws` must be an integer of at least 1, but is 0."),
        ("--sizes", "`sizes` must be at least one number, but is empty."),
        ("--decoder-lr", "`decoder_lr` must be at least one number, but is empty."),
        ("--sizes 30 55", "`sizes` must be in 1..54, not all 55 samples, but one is 55."),
        ("--sizes 0", "`sizes` must be in 1..54, not all 55 samples, but one is 0."),
        ("--repr-lr nan", "`repr_lr` must be a finite number above 0, but is nan."),
        ("--sizes 3", "Argument `n_train` must allow a linear-unique training set, but none was found."),
    ],
)
def test_a_mistake_is_one_clear_line(tmp_path, monkeypatch, capsys, arguments, says):
    """And a design that cannot be had."""
    none = et.ArgumentError("n_train", "allow a linear-unique training set", "none was found")
    monkeypatch.setattr(et, "design_training_set", Mock(side_effect=none))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["design_experiment", *arguments.split()])
    with pytest.raises(SystemExit) as stop:
        run_command(Arguments, main, PROG, ERRORS)
    assert stop.value.code == 1
    assert capsys.readouterr().err.split("\r")[-1].strip() == f"error: {says}"
