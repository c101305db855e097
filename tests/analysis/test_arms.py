"""Arms of one experiment: what is compared with what, and what the page says of it."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis import remedies
from analysis.arms.engine import score_arms
from analysis.arms.page import arm_rows, beside, one_score, survival, verdict
from analysis.predictors.memory import success_of
from analysis.scores.success import with_learned
from neural import ConfigError
from neural.command import run_command

NEVER = math.nan


def made_up(arms: dict[str, list[float]], **more: Any) -> pd.DataFrame:
    """Runs with these steps to RQI > 0.95, a row a run; nan: not within the budget."""
    rows = [(arm, place, time) for arm, times in arms.items() for place, time in enumerate(times)]
    runs = pd.DataFrame(rows, columns=["arm", "place", "steps_to_rqi"])
    return runs.assign(budget=1000, key=runs["arm"] + " " + runs["place"].astype(str), **more)


def test_runs_are_compared_with_themselves_under_another_treatment() -> None:
    """By hand, in whatever order they stand; the ratio is that of pairs, not of
    medians.
    """
    runs = made_up({"none": [10, 20, 30, NEVER], "remedy": [20, 30, 15, 40], "harm": [NEVER] * 4})
    scores = score_arms(runs.sample(frac=1, random_state=1).sort_values("arm", key=lambda arm: arm != "none"), ["rqi"])
    value = scores.set_index(["statistic", "against", "arm"])["value"].unstack()
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
    arms = {"a": [1.0] * 11 + [4.0], "b": [2.0] * 6 + [NEVER] * 6, "c": [3.0] * 12}
    runs = pd.concat([made_up(arms, size=size, accuracy=size / 100) for size in (30, 40)])
    pairs = [("a", "b"), ("b", "c")]
    scores = score_arms(runs, ["rqi"], by=["size"], pairs=pairs, ends=["accuracy"])
    compared = scores[(scores["statistic"] == "did") & (scores["against"] != "")]
    assert list(zip(compared["size"], compared["arm"], compared["against"], strict=True)) == [
        (size, *pair) for size in (30, 40) for pair in pairs
    ]
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
    assert (none["share"], none["predicted"], none["gain"]) == ("1.00 [0.16, 1.00]", "0.75", "-")
    assert remedy["gain"].startswith("-0.50 [")
    assert beside([{"a": "1"}], [], [{"b": "2"}]) == [{"a": "1", "b": "2"}]


def scores_of(gains: dict[str, tuple[float, float]], ratios: dict[str, tuple[float, float]]) -> pd.DataFrame:
    rows = [("did", arm, 0.25, *bounds) for arm, bounds in gains.items()]
    rows += [("ratio", arm, 1.5, *bounds) for arm, bounds in ratios.items()]
    scores = pd.DataFrame(rows, columns=["statistic", "arm", "value", "low", "high"])
    return scores.assign(against="none", target="rqi")


def test_an_arm_that_does_not_tell_is_named() -> None:
    gains = {"one": (0.1, 0.3), "two": (-0.1, 0.3), "three": (-0.3, -0.1), "four": (0.0, 0.2)}
    ratios = {"one": (1.2, math.inf), "two": (0.5, 0.9), "three": (NEVER, NEVER), "four": (0.5, 1.5)}
    assert verdict(scores_of(gains, ratios), "rqi") == (
        "More runs reach RQI > 0.95 with: one (+0.25). Fewer with: three (+0.25). Not certain with: two (+0.25), four "
        "(+0.25). Sooner with: two (1.50 times the steps). Later with: one (1.50 times the steps)."
    )


def test_curves_of_arms() -> None:
    """A panel a group and target, a curve an arm, bands only where they can be told
    apart.
    """
    few = made_up({name: [10, NEVER] for name in "abcd"})
    many = made_up({name: [10, NEVER] for name in "abcdef"})
    for runs, names, bands in ((few, "abcd", 4), (many, "abcdef", 0)):
        one, other = survival({"one": runs, "two": runs}, ["rqi"], "b").axes
        for axes in (one, other):
            assert [line.get_label() for line in axes.lines] == [*names]
            assert len(axes.collections) == bands
            assert axes.lines[1].get_color() == "#666666"


SMALL = "--p 5 --sizes 9 --seeds 2 --budget 60 --decoder-draws 2 --executor in-process --device cpu"


def test_remedies_pair_the_runs() -> None:
    arms = remedies.plan(remedies.Arguments(sizes=(30, 45), seeds=2))
    assert len(arms) == 6
    assert len({tuple((run.n_train, run.seed) for run in arm) for arm in arms.values()}) == 1
    assert {run.decoder_warmup for run in arms["warm-up over 3/eta_r steps"]} == {3000}
    with pytest.raises(ConfigError, match="`sizes` must be at least one number, but is empty"):
        remedies.plan(remedies.Arguments(sizes=()))


def test_remedies_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """The scores are those of the runs, and nobody is told of gains that are not there.
    A dry run and a second one train nothing.
    """
    where = ["--out", str(tmp_path / "out"), "--store", str(tmp_path / "runs.sqlite")]
    monkeypatch.setattr(sys, "argv", ["remedies", *SMALL.split(), *where, "--dry-run"])
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
    arms = remedies.plan(remedies.Arguments(p=5, sizes=(9,), seeds=2, budget=60))
    found = [np.isfinite(success_of(run, 2).steps_to_train).mean() for run in arms[remedies.BASE]]
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
