"""Landscapes: the shells on exact ones, the table on real runs, the command."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.landscape import ERRORS, LANDSCAPES, Arguments, main, resolved, summary
from analysis.predictors.norm import crossing, least
from analysis.runs.executors import Execution
from analysis.runs.store import RunStore, StoreError
from analysis.runs.sweep import ensure
from analysis.weight_norm.tables import landscape
from neural import ConfigError, TeacherConfig
from neural.command import run_command
from tests.tolerances import LINALG

GRID = np.geomspace(0.1, 10, 21)
inside = st.floats(0.15, 7)


@given(inside, st.floats(0.1, 20), st.floats(1e-9, 1e3))
def test_the_least_of_a_parabola_is_exact(centre: float, steepness: float, floor: float) -> None:
    """log l = log floor + steepness (log alpha - log centre)^2, on any grid."""
    losses = floor * np.exp(steepness * (np.log(GRID / centre)) ** 2)
    # a parabola through three points: the second difference over the round-off of logs
    assert least(GRID, losses) == pytest.approx(centre, rel=1e-9 / min(steepness, 1))


@given(inside, st.floats(0.2, 5), st.floats(0.05, 0.95))
def test_the_crossing_of_a_ramp_is_exact(at: float, slope: float, threshold: float) -> None:
    """accuracy = threshold - slope (log alpha - log at), linear between the values."""
    accuracies = threshold - slope * np.log(GRID / at)
    assert crossing(GRID, accuracies, threshold) == pytest.approx(at, rel=LINALG)


@given(st.lists(st.floats(0, 1), min_size=3, max_size=30), st.floats(0.01, 1))
def test_beyond_the_crossing_no_scale_is_above(accuracies: list[float], threshold: float) -> None:
    """And it lies beside one that is."""
    scales = np.geomspace(0.3, 3, len(accuracies))
    found, above = crossing(scales, accuracies, threshold), np.array(accuracies) >= threshold
    if not above.any():
        assert np.isnan(found)
    elif above[-1]:
        assert found == np.inf
    else:
        last = np.flatnonzero(above)[-1]
        assert scales[last] * (1 - LINALG) <= found <= scales[last + 1] * (1 + LINALG)


def test_a_landscape_without_losses_has_no_minimum() -> None:
    assert np.isnan(least([1, 2, 3], [np.nan, np.inf, np.nan]))
    assert least([1, 2, 3], [1.0, np.nan, 3.0]) == 1  # no parabola through what is not there
    assert least([1, 2, 3], [1.0, 2.0, 3.0]) == 1


SMALL = TeacherConfig(
    n_train=20, n_test=15, width=8, look_every=10, budget=60, constrained=True, weight_decay=0.0, learning_rate=0.03
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory):
    configs = [replace(SMALL, init_scale=scale, seed=seed) for scale in (0.5, 1.0, 2.0) for seed in (0, 1)]
    with RunStore(tmp_path_factory.mktemp("landscape") / "runs.sqlite") as filled:
        ensure(configs, filled, Execution(executor="in-process"))
        yield filled, configs


def test_final_and_best_are_kept_apart(store) -> None:
    """At that step; at the least training loss until then, whatever the test loss."""
    filled, configs = store
    table = landscape(filled, configs, "n_train", (20, 60))
    assert len(table) == len(configs) * 2 * 2
    by_run = table.set_index(["init_scale", "seed", "step", "kind"])
    for config in configs:
        train, test = (filled.traces(config).metrics[name] for name in ("train_loss", "test_loss"))
        for step, looks in ((20, 3), (60, 7)):
            here = by_run.xs((config.init_scale, config.seed, step))
            assert here.loc["final", "test_loss"] == test[looks - 1]
            assert here.loc["best", "train_loss"] == train[:looks].min()
            assert here.loc["best", "test_loss"] == test[train[:looks].argmin()]
    scores = summary(table, "n_train")
    assert scores["step"].unique().tolist() == [20, 60]
    last = scores[(scores["step"] == 60) & (scores["kind"] == "final")].set_index("statistic")
    final = table[(table["kind"] == "final") & (table["step"] == 60)]
    medians = final.groupby("init_scale")["test_loss"].median()
    assert last["value"]["least_test_loss"] == medians.min()
    assert last["value"]["right_wall"] == medians[2.0] / medians.min()
    assert last["low"]["alpha_c"] <= last["value"]["alpha_c"] <= last["high"]["alpha_c"]


def test_a_run_that_ended_before_its_budget_is_no_landscape(store, monkeypatch) -> None:
    """As runs at constant norm of an earlier version may have."""
    filled, configs = store
    traces = filled.traces(configs[0])
    monkeypatch.setattr(filled, "traces", lambda config: traces)
    with pytest.raises(StoreError, match=r"^`store` must have runs at constant norm .* \(at step 60 of 80\): use"):
        landscape(filled, [replace(configs[0], budget=80)], "n_train", (60,))


def test_the_command_leaves_numbers_pictures_and_a_page(tmp_path: Path, monkeypatch, capsys) -> None:
    """And a second one trains nothing."""
    monkeypatch.setitem(LANDSCAPES, "teacher", replace(LANDSCAPES["teacher"], base=SMALL))
    out = tmp_path / "out"
    words = f"--x init_scale=0.3:3:4:log --y n_train=10,20 --executor in-process --store {tmp_path}/runs.sqlite"
    monkeypatch.setattr(sys, "argv", ["landscape", "teacher", "--seeds", "1", f"--out={out}", *words.split()])
    for trained in (8, 0):
        run_command(Arguments, main, "landscape", ERRORS)
        assert f"8 runs, {trained} of them trained now" in capsys.readouterr().err
    table = pd.read_csv(out / "landscape.csv")
    assert sorted(table["step"].unique()) == [10, 20, 60]
    assert len(table) == 8 * 3 * 2
    scores = pd.read_csv(out / "scores.csv", keep_default_na=False)
    assert len(scores) == len(json.loads((out / "report.json").read_text())["scores"]) == 2 * 3 * 2 * 6
    page = (out / "report.md").read_text()
    for picture in ("curves.png", "contours.png"):
        assert f"({picture})" in page
        assert (out / picture).stat().st_size > 10_000


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": "moon"}, "`name` must be one of teacher, "),
        ({"x": "learning_rate=1,2,3"}, "`x` must be an axis of init_scale (alpha), but is one of learning_rate."),
        ({"y": "weight_decay=0,1"}, "`y` must be an axis of numbers, of data sizes say, but is one of weight_decay."),
        ({"x": "init_scale=1,2"}, "`x` must have three values at least, but has 2."),
        ({"set": ("weight_decay=1",)}, "`set` must not name what a landscape fixes or varies, but names"),
        ({"set": ("n_train=50",)}, "n_train must be an axis or one value for all runs, but is both."),
        ({"budget": 55}, "`budget` must be a multiple of look_every = 100, but is 55."),
    ],
    ids=str,
)
def test_bad_input_is_one_line(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(says)}"):
        resolved(replace(Arguments(name="teacher"), **options))


def test_every_landscape_holds_the_norm_without_decay() -> None:
    for config in [config for name in LANDSCAPES for config in resolved(Arguments(name=name)).configs()]:
        assert (config.constrained, config.weight_decay) == (True, 0)
