"""Arms of one experiment, remedies, interventions and what these cut out."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis import interventions, remedies
from analysis.arms.engine import arm_rows, beside, one_score, score_arms, survival, verdict
from analysis.interventions import BASE, arms, cuts
from analysis.measures.networks import Network, active_neurons
from analysis.predictors.memory import success_of
from analysis.runs.traces import Traces
from analysis.scores.success import with_learned
from neural import ConfigError, ModularConfig
from neural.command import run_command

NEVER = math.nan


def made_up(steps: dict[str, list[float]], **more: Any) -> pd.DataFrame:
    """Runs with these steps to RQI > 0.95, a row a run; nan: not within the budget."""
    rows = [(arm, place, time) for arm, times in steps.items() for place, time in enumerate(times)]
    runs = pd.DataFrame(rows, columns=["arm", "place", "steps_to_rqi"])
    return runs.assign(budget=1000, key=runs["arm"] + " " + runs["place"].astype(str), **more)


def test_runs_are_compared_with_themselves_under_another_treatment() -> None:
    """By hand, in whatever order they stand; the ratio is that of pairs, not of
    medians.
    """
    runs = made_up({"none": [10, 20, 30, NEVER], "remedy": [20, 30, 15, 40], "harm": [NEVER] * 4})
    scores = score_arms(runs.sample(frac=1, random_state=1).sort_values("arm", key=lambda arm: arm != "none"), ["rqi"])
    value: Any = scores.set_index(["statistic", "against", "arm"])["value"].unstack()
    assert value.loc["did", ""].to_dict() == {"none": 0.75, "remedy": 1, "harm": 0}
    assert value.loc["median", ""].to_dict() == {"none": 20, "remedy": 20, "harm": math.inf}
    compared = value.xs("none", level="against")
    assert compared["remedy"].to_dict() == {"did": 0.25, "gained": 1, "lost": 0, "ratio": 0.5}  # of 2, 1.5, 0.5, and 0
    assert compared["harm"].to_dict() == {"did": -0.75, "gained": 0, "lost": 3, "ratio": math.inf}
    with pytest.raises(AssertionError, match="run by run"):
        score_arms(runs.iloc[1:], ["rqi"])


def test_each_group_and_pair_that_is_asked_for() -> None:
    """With wider intervals where many are to hold at once, and means of what runs have
    at their end.
    """
    steps = {"a": [1.0] * 11 + [4.0], "b": [2.0] * 6 + [NEVER] * 6, "c": [3.0] * 12}
    runs = pd.concat([made_up(steps, size=size, accuracy=size / 100) for size in (30, 40)])
    pairs = [("a", "b"), ("b", "c")]
    scores = score_arms(runs, ["rqi"], by=["size"], pairs=pairs, ends=["accuracy"])
    compared = scores.query("statistic == 'did' and against != ''")[["size", "arm", "against"]]
    assert compared.to_numpy().tolist() == [[size, *pair] for size in (30, 40) for pair in pairs]
    means = scores[scores["statistic"] == "mean"]["value"].tolist()
    assert means == pytest.approx([0.3] * 3 + [0.0] * 2 + [0.4] * 3 + [0.0] * 2)
    wide = score_arms(runs, ["rqi"], by=["size"], pairs=pairs, coverage=0.999)
    narrow_one, wide_one = (one_score(some, size=30, statistic="did", arm="a", against="b") for some in (scores, wide))
    assert wide_one.low < narrow_one.low < narrow_one.high < wide_one.high
    few = one_score(score_arms(made_up({"a": [1.0] * 9}, accuracy=0.5), ["rqi"], ends=["accuracy"]), statistic="mean")
    assert np.isnan(few.low)  # a bootstrap of so few does not know its own error


def test_predictions_stand_beside_what_was_measured() -> None:
    """Of the arm's own runs: the mean probability, the lower median of the steps."""
    runs = made_up({"none": [10, 20], "remedy": [NEVER, 5]})
    told = {"none 0": (0.5, 8.0), "none 1": (1.0, 12.0), "remedy 0": (0.0, math.inf), "remedy 1": (0.25, math.inf)}
    said = pd.DataFrame([(key, *of) for key, of in told.items()], columns=["key", "probability", "value"])
    scores = score_arms(runs, ["rqi"], said.assign(predictor="memory_flow", target="rqi", read_at=0.0))
    here = scores[(scores["predictor"] == "memory_flow") & scores["statistic"].isin(["said", "median"])]
    assert here["value"].tolist() == [0.75, 8, 0.125, math.inf]
    columns = {"share": ("did", ".2f"), "predicted": ("said", ".2f"), "gain": ("did", "+.2f", "none")}
    none, remedy = arm_rows(scores, {"arm": "remedy"}, {"rqi": columns, "train": columns})
    assert none == {"remedy": "none", "share": "1.00 [0.16, 1.00]", "predicted": "0.75", "gain": "-"}
    assert remedy["gain"].startswith("-0.50 [")
    assert beside([{"a": "1"}], [], [{"b": "2"}]) == [{"a": "1", "b": "2"}]


def test_an_arm_that_does_not_tell_is_named() -> None:
    gains = {"one": (0.1, 0.3), "two": (-0.1, 0.3), "three": (-0.3, -0.1), "four": (0.0, 0.2)}
    ratios = {"one": (1.2, math.inf), "two": (0.5, 0.9), "three": (NEVER, NEVER), "four": (0.5, 1.5)}
    rows = [("did", arm, 0.25, *bounds) for arm, bounds in gains.items()]
    rows += [("ratio", arm, 1.5, *bounds) for arm, bounds in ratios.items()]
    scores = pd.DataFrame(rows, columns=["statistic", "arm", "value", "low", "high"])
    assert verdict(scores.assign(against="none", target="rqi"), "rqi") == (
        "More runs reach RQI > 0.95 with: one (+0.25). Fewer with: three (+0.25). Not certain with: two (+0.25), four "
        "(+0.25). Sooner with: two (1.50 times the steps). Later with: one (1.50 times the steps)."
    )


def test_curves_of_arms() -> None:
    """A panel a group and target, a curve an arm, bands only where they can be told
    apart.
    """
    for names, bands in (("abcd", 4), ("abcdef", 0)):
        runs = made_up({name: [10, NEVER] for name in names})
        one, other = survival({"one": runs, "two": runs}, ["rqi"], "b").axes
        for axes in (one, other):
            assert [line.get_label() for line in axes.lines] == [*names]
            assert len(axes.collections) == bands
            assert axes.lines[1].get_color() == "#666666"


def test_remedies_pair_the_runs() -> None:
    found = remedies.plan(remedies.Arguments(sizes=(30, 45), seeds=2))
    assert len(found) == 6
    assert len({tuple((run.n_train, run.seed) for run in arm) for arm in found.values()}) == 1
    assert {run.decoder_warmup for run in found["warm-up over 3/eta_r steps"]} == {3000}
    with pytest.raises(ConfigError, match="`sizes` must be at least one number, but is empty"):
        remedies.plan(remedies.Arguments(sizes=()))


def test_remedies_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """The scores are those of the runs, and nobody is told of gains that are not there.
    A dry run and a second one train nothing.
    """
    small = f"--p 5 --sizes 9 --seeds 2 --budget 60 --out {tmp_path}/out --store {tmp_path}/runs.sqlite"
    monkeypatch.setattr(sys, "argv", f"remedies {small} --decoder-draws 2 --executor in-process --dry-run".split())
    with pytest.raises(SystemExit):
        run_command(remedies.Arguments, remedies.main, remedies.PROG, remedies.ERRORS)
    assert capsys.readouterr().out.startswith("12 runs in the plan\n12 runs to train")
    assert list(tmp_path.iterdir()) == []
    sys.argv.remove("--dry-run")
    for n in (12, 0):
        run_command(remedies.Arguments, remedies.main, remedies.PROG, remedies.ERRORS)
        assert f"12 runs, {n} of them trained now" in capsys.readouterr().err
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert (report["seeds"], report["first_seed"]) == (2, 0)
    scores = pd.DataFrame(report["scores"])
    assert len(scores[(scores["target"] == "learned_rqi") & (scores["statistic"] == "said")]) == 6
    said = one_score(scores, target="train", statistic="said", arm=remedies.BASE).value
    runs = remedies.plan(remedies.Arguments(p=5, sizes=(9,), seeds=2, budget=60))[remedies.BASE]
    found = [np.isfinite(success_of(run, 2).steps_to_train).mean() for run in runs]
    assert said == np.mean(found)
    page = (tmp_path / "out/report.md").read_text()
    assert "\n- Not certain with: decoder 10 times slower (+0.00), " in page
    assert (tmp_path / "out/survival.png").stat().st_size > 10_000
    assert len(pd.read_csv(tmp_path / "out/runs.csv")) == 12


def test_a_remedy_that_teaches_nothing_is_not_recommended() -> None:
    """A decoder that hardly moves: all runs get to RQI > 0.95, none learns."""
    runs = made_up({"none": [50.0] * 10 + [NEVER] * 10, "frozen": [50.0] * 20}, steps_to_test=NEVER)
    runs["steps_to_train"] = np.where(runs["arm"] == "none", 90.0, NEVER)
    scores = score_arms(with_learned(runs), remedies.TARGETS)
    assert verdict(scores, "rqi").startswith("More runs reach RQI > 0.95 with: frozen")
    assert verdict(scores, remedies.GOAL).startswith("Fewer with: frozen (-0.50)")


P = 7
CONFIG = ModularConfig(p=P, width=27, fraction=0.5)


def cosines(frequency: int) -> dict[str, np.ndarray]:
    """An exact network of squares, cos(w (a + b - c)) with 3 x 3 phases on a grid, and
    as many neurons that do nothing.
    """
    w = 2 * np.pi * frequency / P
    one, other = (phases.ravel() * 2 * np.pi / 3 for phases in np.meshgrid(range(3), range(3)))
    a = np.arange(P)[:, None]
    first = np.stack([np.cos(w * a + one), np.cos(w * a + other)])
    output = np.cos(w * a + one + other)
    idle = np.zeros((2, P, 18))
    return {"hidden": np.concatenate([first, idle + 0.01], 2), "output": np.concatenate([output, idle[0]], 1)}


def made_up_traces() -> Traces:
    """The wrong frequency in the output at step 0, the right network at step 10."""
    right, wrong = cosines(2), cosines(2) | {"output": cosines(3)["output"]}
    mask = np.arange(P * P) % 2 == 0
    steps, checkpoints = np.array([0, 10]), {name: np.stack([wrong[name], right[name]]) for name in right}
    return Traces(steps, {}, {}, checkpoint_steps=steps, checkpoints=checkpoints, mask=mask, correct=mask)


def test_cuts_of_a_known_network() -> None:
    """All of it is its key frequency and its nine neurons."""
    early, late = cuts(CONFIG, made_up_traces(), 0).values()
    assert all(late[name] == 1 for name in ("train", "test", "test_keys_alone", "test_active"))
    assert late["active"] <= 9 / 27
    assert all(late[name] < 0.5 for name in ("test_without_keys", "train_without_keys", "test_others"))
    assert early["test"] < 0.5
    assert cuts(CONFIG, made_up_traces(), 10)["memorised"] == late
    assert list(late) == list(interventions.CUTS)


def test_active_neurons_are_the_fewest_of_the_largest() -> None:
    """Two neurons decide; the third, with smaller incoming weights, never does; what
    passes no neuron is kept.
    """
    hidden = np.array([[1.0, 0, 0.1], [0, 1, 0.1], [1, 1, 0.1]])
    readout = np.array([[2.0, 0, 1], [0, 1, 1]])
    direct = np.tile([0.0, 0.5], (3, 1))
    network = Network(direct + hidden @ readout.T, hidden, readout, np.array([3.0, 2, 1]), direct, ())
    assert active_neurons(network, np.ones(3, bool)).tolist() == [0]
    network = replace(network, incoming=np.array([2.0, 1, 3]))
    assert active_neurons(network, np.ones(3, bool)).tolist() == [2, 0]


def test_interventions_differ_in_what_they_say_and_nothing_else() -> None:
    base = interventions.NETWORKS["transformer"].configs(range(3))
    found = arms("transformer", base, [30.0, float("nan"), 50.0])
    assert found[BASE] == base
    assert [run.decay_until for run in found["decay removed after memorisation"]] == [30, None, 50]
    touched = {"weight_decay", "decay_until", "constrained", "epsilon", "optimizer", "learning_rate"}
    for arm in found.values():
        for run, before in zip(arm, base, strict=True):
            differ = {one.name for one in fields(run) if getattr(run, one.name) != getattr(before, one.name)}
            assert differ <= touched
    assert all(run.constrained and run.weight_decay == 0 for run in found["norm held"])


def test_interventions_on_real_runs(tmp_path: Path, monkeypatch, capsys) -> None:
    tiny = ModularConfig(p=5, width=16, fraction=0.6, learning_rate=0.03, look_every=10, budget=100, checkpoints=2)
    few = replace(interventions.NETWORKS["squares-40"], base=tiny)
    monkeypatch.setitem(interventions.NETWORKS, "squares-40", few)
    monkeypatch.setattr(sys, "argv", ["interventions", "squares-40", "--seeds", "3", "--executor", "in-process"])
    sys.argv += ["--out", str(tmp_path / "out"), "--store", str(tmp_path / "runs.sqlite")]
    for base, others in ((3, 15), (0, 0)):
        run_command(interventions.Arguments, interventions.main, "interventions", interventions.ERRORS)
        printed = capsys.readouterr().err
        assert f"3 runs, {base} of them trained now" in printed
        assert f"18 runs, {others} of them trained now" in printed
    scores = pd.DataFrame(json.loads((tmp_path / "out/report.json").read_text())["scores"])
    shares = scores.query("target == 'test_95' and statistic == 'did' and against == ''")
    assert list(shares["arm"]) == list(arms("squares-40", few.configs(range(1)), [1.0]))
    left = pd.read_csv(tmp_path / "out/cuts.csv")
    assert list(left["moment"]) == ["memorised", "end"] * 3
    at_the_end = one_score(scores, statistic="end", target="test_without_keys")
    mean = left[left["moment"] == "end"]["test_without_keys"].mean()
    np.testing.assert_allclose((at_the_end.value, at_the_end.n), (mean, 3))
    assert (tmp_path / "out/survival.png").stat().st_size > 10_000
    page = (tmp_path / "out/report.md").read_text()
    assert "| plain SGD " in page
    assert "test accuracy without the keys" in page
