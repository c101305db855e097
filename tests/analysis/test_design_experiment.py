"""The experiment pairs what it compares, counts what is censored, says what the
intervals say, and goes on after a kill.
"""

from __future__ import annotations

import json
import math
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import efftheory as et
from analysis.design_experiment.__main__ import ERRORS, OBJECTIVES, PROG, Arguments, main, plan
from analysis.design_experiment.designs import Estimate, PredictedSteps, Ratio, compare_designs, score_designs, verdict
from analysis.runs.executors import Execution
from analysis.runs.store import RunStore
from analysis.runs.sweep import ensure
from neural import start as start_of
from neural import write_samples
from neural.command import run_command

OP = et.addition(5)


def one_of_many(op: et.Operation, n_train: int, objective: str = "lambda3", seed: int = 0) -> np.ndarray:
    """A design that is quick to find: the best of forty random sets."""
    rng = np.random.default_rng([n_train, seed])
    masks = [op.random_training_set(n_train, rng) for _ in range(40)]
    lambda3 = [et.spectrum(op, mask).lambda3 if et.is_linear(op, mask) else 0.0 for mask in masks]
    if objective == "lambda3":
        return masks[int(np.argmax(lambda3))]
    return masks[int(np.argmin([value or math.inf for value in lambda3]))]


@pytest.fixture(autouse=True)
def _quick_designs(monkeypatch):
    monkeypatch.setattr(et, "design_training_set", one_of_many, raising=False)


def small(folder: Path) -> Arguments:
    return Arguments(
        p=5,
        sizes=(11, 9),
        seeds=3,
        budget=60,
        repr_lr=(1e-2,),
        decoder_lr=(1e-3,),
        decoder_draws=1,
        execution=Execution("cpu", "in-process"),
        out=folder / "out",
        store=folder / "runs.sqlite",
    )


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


def test_from_end_to_end_and_on_after_a_kill(tmp_path, monkeypatch, capsys):
    """The same report from a store in which a killed command has left some of the
    runs.
    """
    monkeypatch.setattr(sys, "argv", ["design_experiment"])
    undisturbed, disturbed = small(tmp_path / "a"), small(tmp_path / "b")
    main(undisturbed)
    assert "18 runs, 18 of them trained now" in capsys.readouterr().err

    child = os.fork()
    if child == 0:  # dies as soon as two runs are kept, without a word
        keep, kept = RunStore.add, []

        def add(store: RunStore, *run: Any) -> None:
            keep(store, *run)
            kept.append(run)
            if len(kept) == 2:
                os.kill(os.getpid(), 9)

        monkeypatch.setattr(RunStore, "add", add)
        with RunStore(disturbed.store) as store:
            ensure([run for arm in plan(disturbed).values() for run in arm], store, disturbed.execution)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 9
    main(disturbed)
    assert "18 runs, 16 of them trained now" in capsys.readouterr().err
    reports = [(arguments.out / "report.json").read_text() for arguments in (undisturbed, disturbed)]
    assert reports[0] == reports[1]

    with RunStore(disturbed.store) as store:
        assert store.missing([run for arm in plan(disturbed).values() for run in arm]) == []
    report, page = json.loads(reports[0]), (undisturbed.out / "report.md").read_text()
    assert [(e["n_train"], e["design"]) for e in report["designs"]] == [(n, d) for n in (9, 11) for d in OBJECTIVES]
    assert len(report["runs"]) == 24
    assert report["seeds"] == 3
    assert all(0 <= run["memory_flow_success"] <= 1 for run in report["runs"])  # as in a comparison's predictions
    for entry in report["designs"]:
        runs = [r for r in report["runs"] if (r["n_train"], r["design"]) == (entry["n_train"], entry["design"])]
        assert entry["n"] == len(runs) == 3
        assert entry["rqi"]["share"] == np.mean([run["steps_to_rqi"] is not None for run in runs])
        assert entry["accuracy"]["mean"] == pytest.approx(np.mean([run["accuracy"] for run in runs]))
        # too few test samples at 11 of 15
        assert ("test" in entry) == (entry["n_train"] == 9)
    for picture in ("survival.png", "lambda3.png"):
        assert f"({picture})" in page
        assert (undisturbed.out / picture).stat().st_size > 10_000
    assert all(sentence in page for sentence in report["verdict"])


def made_up(steps: dict[str, list[float]], accuracy: dict[str, float] | None = None) -> pd.DataFrame:
    """Runs with these steps to RQI > 0.95, a row a seed; nan: not within the budget."""
    rows = []
    for design, times in steps.items():
        for seed, time in enumerate(times):
            mask = OP.random_training_set(9, seed)
            rows.append(
                {"n_train": 9, "p": 5, "repr_lr": 1e-3, "decoder_lr": 1e-4, "budget": 1000, "design": design}
                | {"seed": seed, "mask": mask, "lambda3": 3.0 - list(steps).index(design), "nullity": 2}
                | {"ideal_accuracy": 0.8, "memory_flow_success": 0.5, "inverse_lambda3": 10.0}
                | {"exact_flow": [10.0, math.inf][seed % 2], "memory_flow": math.inf}
                | {f"steps_to_{target}": time for target in ("rqi", "train", "test")}
                | dict.fromkeys(("accuracy", "train_accuracy", "test_accuracy"), (accuracy or {}).get(design, 0.5))
            )
    return pd.DataFrame(rows)


def bounds(interval: tuple[Any, Any] | None) -> tuple[Any, Any]:
    assert interval is not None
    return interval


def test_who_was_first_counts_a_censored_run_as_later_than_any():
    """By hand: 7 earlier, 1 later, 2 neither; the medians are the fifth of ten."""
    nan = math.nan
    fast = [10, 20, 30, 40, 50, 60, nan, nan, 70, 100]
    slow = [20, 40, 60, 80, 100, nan, nan, 90, nan, 100]
    runs = made_up({"fast": fast, "slow": slow}, {"fast": 0.9, "slow": 0.4}).sample(frac=1, random_state=1)
    [pair] = compare_designs(runs, ["fast", "slow"])
    assert (pair.earlier, pair.later, pair.equal, pair.n, pair.ordered) == (7, 1, 2, 10, 10)
    # Clopper-Pearson for 7 of 8: the bounds are roots of binomial tails
    low, high = bounds(pair.interval)
    assert low == pytest.approx(0.4735, abs=1e-4)
    assert high == pytest.approx(0.9968, abs=1e-4)
    assert pair.ratio.value == 90 / 50
    assert bounds(pair.ratio.interval)[0] < 90 / 50
    assert pair.gain.success.mean == pytest.approx(0.1)
    low, high = bounds(pair.gain.success.interval)
    assert low < 0 < high
    assert pair.gain.test_accuracy.interval == pytest.approx((0.5, 0.5))

    one, other = score_designs(runs.sort_values("design"))
    assert one.rqi.share == 0.8
    assert one.rqi.median_steps == 50
    assert other.rqi.median_steps == 90
    assert one.predicted_steps == PredictedSteps(inverse_lambda3=10.0, exact_flow=10.0, memory_flow=None)


@pytest.mark.parametrize(
    ("times", "says"),
    [
        ([(10.0, 20.0)] * 10, "in 10 of the 10 seeds in which one of them was [0.69, 1.00], as the theory says"),
        ([(20.0, 10.0)] * 10, "in 0 of the 10 seeds in which one of them was [0.00, 0.31], against the theory"),
        ([(10.0, math.nan), (math.nan, 10.0)] * 5, "[0.19, 0.81], which is not certain"),
        ([(math.nan, math.nan)] * 10, "Neither was earlier at RQI > 0.95 in any seed."),
    ],
)
def test_the_verdict_goes_whichever_way_the_intervals_go(times, says):
    runs = made_up(dict(zip(("fast", "slow"), map(list, zip(*times, strict=True)), strict=True)), {"fast": 0.3})
    pairs = compare_designs(runs, ["fast", "slow"])
    first, last = verdict(pairs)
    assert says in first
    assert "Test accuracy at the end: -0.20 [-0.20, -0.20], lower." in first
    counts = [int("as the theory" in says), int("against" in says)]
    assert f"in {counts[0]} of 1 comparisons, the reverse in {counts[1]}, and not certain in {1 - sum(counts)}" in last


def test_many_comparisons_ask_for_wider_intervals():
    """Three pairs instead of one: the same counts, a wider interval."""
    steps = {"fast": [1.0] * 9 + [4.0], "random": [2.0] * 10, "slow": [3.0] * 10}
    [alone] = compare_designs(made_up({name: steps[name] for name in ("fast", "slow")}), ["fast", "slow"])
    among = compare_designs(made_up(steps), list(steps))[1]
    assert (alone.earlier, among.earlier) == (9, 9)
    (low, high), (widest_low, widest_high) = bounds(alone.interval), bounds(among.interval)
    assert widest_low < low < high < widest_high


def test_a_median_that_is_never_has_no_ratio():
    """Nor an upper bound; where neither is ever seen, anything could be."""
    never = [math.nan] * 12
    [pair] = compare_designs(made_up({"fast": [10.0] * 12, "slow": never}), ["fast", "slow"])
    assert pair.ratio == Ratio(None, (None, None))
    [pair] = compare_designs(made_up({"fast": never, "slow": [10.0] * 12}), ["fast", "slow"])
    assert pair.ratio == Ratio(0, (0, 0))
    [pair] = compare_designs(made_up({"fast": never, "slow": never}), ["fast", "slow"])
    assert pair.ratio == Ratio(None, (0, None))
    assert (pair.equal, pair.interval) == (12, None)


def test_few_seeds_have_no_bootstrap_interval():
    [pair] = compare_designs(made_up({"fast": [10.0] * 9, "slow": [20.0] * 9}), ["fast", "slow"])
    assert pair.ratio == Ratio(2, None)
    assert pair.gain.success == Estimate(0, None)
    assert "+0.00 (too few seeds for an interval)" in verdict([pair])[0]


def test_seeds_are_compared_with_themselves_only():
    runs = made_up({"fast": [10.0] * 3, "slow": [20.0] * 3})
    with pytest.raises(AssertionError, match="seed by seed"):
        compare_designs(runs.iloc[1:], ["fast", "slow"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--p 2", "`p` must be an integer of at least 3 (fewer symbols make no parallelogram), but is 2."),
        ("--seeds 0", "`seeds` must be an integer of at least 1, but is 0."),
        ("--decoder-draws 0", "`decoder_draws` must be an integer of at least 1, but is 0."),
        ("--sizes", "`sizes` must be at least one number, but is empty."),
        ("--decoder-lr", "`decoder_lr` must be at least one number, but is empty."),
        ("--sizes 30 55", "`sizes` must be in 1..54, not all 55 samples, but one is 55."),
        ("--sizes 0", "`sizes` must be in 1..54, not all 55 samples, but one is 0."),
        ("--repr-lr nan", "`repr_lr` must be a finite number above 0, but is nan."),
        ("--out /proc/nowhere", "`out` must be a folder that can be written, but /proc/nowhere: No such file"),
        ("--store /proc/nowhere/runs.sqlite", "`store` must be a file that can be written"),
        ("--bogus", "--bogus"),
    ],
)
def test_a_mistake_is_one_clear_line(tmp_path, monkeypatch, capsys, arguments, says):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["design_experiment", *arguments.split()])
    with pytest.raises(SystemExit) as stop:
        run_command(Arguments, main, PROG, ERRORS)
    assert stop.value.code in (1, 2)
    [line] = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ")
    assert says in line


def test_a_design_that_cannot_be_had_is_one_clear_line(tmp_path, monkeypatch, capsys):
    def refuse(*_: Any, **__: Any) -> None:
        raise et.ArgumentError("n_train", "allow a linear-unique training set", "none was found")

    monkeypatch.setattr(et, "design_training_set", refuse)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["design_experiment", "--sizes", "3", "--seeds", "1"])
    with pytest.raises(SystemExit):
        run_command(Arguments, main, PROG, ERRORS)
    assert capsys.readouterr().err.strip().splitlines()[-1].startswith("error: ")
