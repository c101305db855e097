"""The laws of grokking by weight norm: on landscapes where the answer is known in
closed form, as predictors of real runs, and the command.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import norm_law
from analysis.experiments import EXPERIMENTS
from analysis.predictors import norm
from analysis.predictors.catalogue import applying, predict
from analysis.predictors.norm import PREDICTORS, Landscape, calibration_runs, landscape_runs
from analysis.runs.executors import Execution
from analysis.runs.plan import planned
from analysis.runs.store import RunStore
from analysis.runs.sweep import ensure
from neural import TeacherConfig
from neural.command import run_command
from tests.tolerances import LINALG

STEPS = np.arange(0, 10_001, 100)
GRID = np.geomspace(0.1, 10, 41)
shells = st.floats(0.2, 3)
beyond = st.floats(1.05, 3)
rates = st.floats(1e-6, 1e-3)


def run(scale: float, rate: float, learning_rate: float = 1.0) -> Any:
    """What laws are told of a run."""
    return SimpleNamespace(init_scale=scale, learning_rate=learning_rate, weight_decay=rate / learning_rate)


def ramp(shell: Any, train_loss: np.ndarray | None = None) -> Landscape:
    """A landscape whose accuracy falls linearly in log alpha through 0.95 at a shell,
    (L,), after each number of steps, and whose test loss is least at half the usual
    norm.
    """
    accuracies = 0.95 - np.log(GRID[:, None] / np.broadcast_to(shell, STEPS.shape))
    learned = np.full(len(GRID), 1e-6) if train_loss is None else train_loss
    return Landscape(GRID, STEPS, accuracies, np.exp(np.log(GRID / 0.5) ** 2), learned, 0.95, 2.0)


@given(shells, beyond, rates)
def test_a_shell_that_stays_is_met_in_time(shell: float, ratio: float, rate: float) -> None:
    """ln(w0/w_c)/(eta gamma); ours to the next look of the landscape, while that
    lasts.
    """
    reduced, scale = ramp(shell), shell * ratio
    exact = np.log(ratio) / rate
    found = norm.crossing_in_time(run(scale, rate), reduced)
    if exact > STEPS[-1]:
        assert found == pytest.approx(exact, rel=1e-8)
    else:
        assert exact * (1 - 1e-8) <= found <= exact + 100 + 1e-6
    exact = max(np.log(scale / 0.5) / rate, 0)
    assert norm.minimum_of_the_u(run(scale, rate), reduced) == pytest.approx(exact, rel=1e-6)


def test_a_shell_that_moves_out_is_met_sooner() -> None:
    """w_c(t) = 0.3 exp(t/5000): with w = 2 exp(-rate t) they meet at
    ln(2/.3)/(rate + 1/5000).
    """
    rate = 2e-4
    reduced = ramp(0.3 * np.exp(STEPS / 5_000))
    exact = np.log(2 / 0.3) / (rate + 1 / 5_000)
    found = norm.crossing_in_time(run(2.0, rate), reduced)
    assert exact <= found <= exact + 100


def paced(paces: np.ndarray) -> Landscape:
    """A landscape in which a run held at GRID's norms takes 1/pace steps, (41,)."""
    with np.errstate(divide="ignore"):
        takes = 1 / paces
    steps = np.unique([0, *takes[np.isfinite(takes)]])
    return replace(ramp(1.0), steps=steps, accuracies=(steps >= takes[:, None]).astype(float))


@given(st.integers(10, 35), beyond, st.floats(1e-5, 1e-3), st.floats(1e-5, 1e-3))
def test_time_inside_adds_up_shares_of_the_way(k: int, ratio: float, rate: float, pace: float) -> None:
    """1/T = pace ln(s/w) inside the shell s: after ln(w0/s)/rate steps the share is
    pace rate t^2/2, so sqrt(2/(pace rate)) more are needed; if the norm has left the
    landscape before, the pace stays what it is there.
    """
    shell = GRID[k]
    reduced = paced(pace * np.maximum(np.log(shell / GRID), 0))
    depth = np.log(shell / GRID[0])
    enters, crosses = np.log(ratio) / rate, depth / rate
    share = pace * rate * crosses**2 / 2
    inside = np.sqrt(2 / (pace * rate)) if share >= 1 else crosses + (1 - share) / (pace * depth)
    assert norm.time_inside(run(shell * ratio, rate), reduced) == pytest.approx(enters + inside, rel=1e-3)


@given(st.integers(0, 39), st.floats(0.01, 0.99), st.floats(1e-6, 1e-3), st.floats(1, 4))
def test_time_inside_at_constant_norm_and_its_order(k: int, share: float, rate: float, more: float) -> None:
    """Without decay it is what the landscape has; it rises with the norm, and no decay
    makes it shorter than the shortest that the landscape has.
    """
    paces = 1e-3 * np.exp(-np.log(GRID) / 3)
    reduced, scale = paced(paces), GRID[k] * (GRID[k + 1] / GRID[k]) ** share
    held = 1 / ((1 - share) * paces[k] + share * paces[k + 1])
    assert norm.time_inside(run(scale, 0.0), reduced) == pytest.approx(held, rel=1e-8)
    found = norm.time_inside(run(scale, rate), reduced)
    assert 1 / paces[0] * (1 - LINALG) <= found <= held * (1 + LINALG)
    assert norm.time_inside(run(scale * more, rate), reduced) >= found * (1 - 1e-5)


def test_where_nothing_generalises_never_is_said() -> None:
    dark = replace(ramp(1.0), accuracies=np.zeros((len(GRID), len(STEPS))))
    assert norm.crossing_in_time(run(2.0, 1e-4), dark) == np.inf
    for rate in (0.0, 1e-4):
        assert norm.time_inside(run(2.0, rate), dark) == np.inf
    assert norm.crossing_in_time(run(2.0, 0.0), ramp(1.0)) == np.inf  # no decay
    bright = replace(dark, accuracies=np.ones((len(GRID), len(STEPS))))
    assert norm.crossing_in_time(run(2.0, 1e-4), bright) == 0


@settings(max_examples=20)
@given(st.floats(1.2, 4), st.floats(1e-4, 1e-3), st.floats(0, 0.5))
def test_the_radial_gradient_of_a_logarithm_is_exact(scale: float, rate: float, k: float) -> None:
    """l~ = k ln w: w^2 = (w0^2 + eta k/rate) exp(-2 rate t) - eta k/rate, in the
    weights' units.
    """
    eta = 1e-3
    reduced = ramp(1.0, k * np.log(GRID))
    offset, usual = eta * k / rate, reduced.usual_norm
    exact = np.log(((scale * usual) ** 2 + offset) / (usual**2 + offset)) / (2 * rate)
    found = norm.with_radial_gradient(run(scale, rate, eta), reduced)
    if exact < STEPS[-1] - 100:
        assert exact * (1 - 1e-4) <= found <= exact * (1 + 1e-4) + 100


@given(st.lists(beyond, min_size=1, max_size=6), shells, rates, st.floats(0.5, 2))
def test_rivals_find_what_they_were_calibrated_on(
    ratios: list[float], shell: float, rate: float, contraction: float
) -> None:
    """Norms that fall at kappa times the rate of decay to one shell."""
    begin = shell * np.array(ratios)
    delays = np.log(ratios) / (contraction * rate)
    found, factors = norm.calibrate(delays, np.full(len(delays), rate), begin, np.full(len(delays), shell))
    assert found == pytest.approx(shell, rel=1e-8)
    assert set(factors) <= {one.name for one in PREDICTORS}
    for factor in factors.values():
        assert factor == pytest.approx(1 / contraction, rel=1e-8)
        for start, delay in zip(begin, delays, strict=True):
            assert factor * norm.time_to_fall(start, found, rate) == pytest.approx(delay, rel=1e-8)


@pytest.mark.parametrize("lost", [np.nan, np.inf])
def test_a_landscape_run_that_diverged_stops_no_law(lost: float) -> None:
    """The radial gradient goes on with the losses that there are."""
    whole = ramp(1.0)
    losses = whole.train_loss.copy()
    losses[10:20] = lost
    part = replace(whole, train_loss=losses)
    slow = run(2.0, 1e-4, 1e-3)
    expected = norm.with_radial_gradient(slow, whole)
    assert norm.with_radial_gradient(slow, part) == pytest.approx(expected, abs=100)
    assert np.isnan(norm.with_radial_gradient(slow, replace(whole, train_loss=np.full(41, lost))))


def test_a_shell_that_appears_late_is_met_by_the_radial_law_too() -> None:
    """After the norm has left the landscape."""
    shells = np.where(STEPS < 8_000, np.nan, 0.2)
    late = replace(ramp(shells), scales=GRID, accuracies=np.nan_to_num(ramp(shells).accuracies))
    assert norm.crossing_in_time(run(2.0, 1e-3), late) == 8_000
    assert norm.with_radial_gradient(run(2.0, 1e-3, 1e-9), late) == 8_000


TINY = TeacherConfig(n_train=30, n_test=20, width=12, init_scale=1.5, learning_rate=0.01, look_every=10)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunStore]:
    """A small student that groks: all that the command on two seeds needs."""
    own = planned("A small student", TINY, "weight_decay=1,3", budget=EXPERIMENTS["norm_law"]["teacher"].budget)
    shells = planned("A small student", replace(TINY, budget=300), "init_scale=0.3:2:5:log")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(EXPERIMENTS["norm_law"], "teacher", own)
        patch.setitem(EXPERIMENTS["shells"], "teacher", shells)
        patch.setitem(norm.CELLS, "teacher", (1.5, 1.0))
        patch.setattr(norm, "CALIBRATION_SEEDS", (100, 101))
        runs = own.configs(range(2))
        held = [one for run in runs for one in landscape_runs(run)]
        with RunStore(tmp_path_factory.mktemp("norm_law") / "runs.sqlite") as filled:
            ensure([*runs, *held, *calibration_runs(runs[0])], filled, Execution(executor="in-process"))
            yield filled


def told(store: RunStore, configs: list[Any]) -> pd.DataFrame:
    """What laws say of when 95 % of the samples are within 0.01: a row a run."""
    said = predict(store, store.table(configs), PREDICTORS)
    return said[said["target"] == "test_01"].pivot(index="key", columns="predictor", values="value")


def test_laws_are_predictors_of_runs_whose_norm_is_free(store: RunStore) -> None:
    """As the theories are; each says what its function does of the landscape."""
    runs, laws = EXPERIMENTS["norm_law"]["teacher"].configs(range(2)), {one.name for one in PREDICTORS}
    assert laws <= {one.name for one in applying(runs)}
    assert not laws & {one.name for one in applying(landscape_runs(runs[0]))}
    said = told(store, runs)
    for config, name in zip(runs, store.table(runs)["key"], strict=True):
        held = landscape_runs(config)
        landscape = norm.read_landscape(store, tuple(held), "test_01")
        assert landscape.threshold == 0.95
        for number, one in enumerate(held):
            assert (one.seed, one.n_train, one.weight_decay, one.constrained) == (config.seed, 30, 0, True)
            traces = store.traces(one)
            np.testing.assert_array_equal(landscape.accuracies[number], traces.metrics["test_accuracy_01"])
            assert traces.metrics["weight_norm"][0] == pytest.approx(one.init_scale * landscape.usual_norm, rel=1e-5)
        for law in ("crossing_in_time", "time_inside", "minimum_of_the_u"):
            assert said[law][name] == getattr(norm, law)(config, landscape)


def test_rivals_read_the_run_until_it_has_learned(store: RunStore) -> None:
    """And the cell of other seeds; from its own runs they keep silent."""
    runs = EXPERIMENTS["norm_law"]["teacher"].configs(range(2))
    table, cell = store.table(runs), store.table(calibration_runs(runs[0]))
    said = predict(store, table, PREDICTORS[-1:])
    said = said[said["target"] == "test_01"].merge(table, on="key")
    assert said["read_at"].tolist() == said["steps_to_train_01"].tolist()
    # the same decay, and about the same norms: about the same delay
    same, delays = said[said["weight_decay"] == 1], cell["steps_to_test_01"] - cell["steps_to_train_01"]
    np.testing.assert_allclose(same["value"] - same["read_at"], delays.median(), rtol=0.5)
    assert predict(store, cell, PREDICTORS[-1:])["value"].isna().all()


def test_where_the_store_has_no_landscape_nothing_is_said(store: RunStore, tmp_path: Path) -> None:
    runs = EXPERIMENTS["norm_law"]["teacher"].configs(range(1))[:1]
    landscape = landscape_runs(runs[0])
    with RunStore(tmp_path / "runs.sqlite") as other:
        ensure([*runs, *landscape[1:]], other, Execution(executor="in-process"))
        assert told(other, runs).isna().all(axis=None)
        ensure(landscape, other, Execution(executor="in-process"))
        assert told(other, runs).notna().all().to_dict() == {one.name: not one.fitted for one in PREDICTORS}


def test_the_command_on_real_runs(store: RunStore, tmp_path: Path, monkeypatch, capsys) -> None:
    """Every law says something, ours comes first, and nothing is trained again."""
    monkeypatch.setitem(norm_law.TARGETS, "teacher", {"test_01": "95 % within 0.01"})
    monkeypatch.setattr(sys, "argv", ["norm_law", "teacher", "--seeds", "2", "--executor", "in-process"])
    sys.argv += ["--out", str(out := tmp_path / "out"), "--store", str(store.path)]
    run_command(norm_law.Arguments, norm_law.main, "norm_law", norm_law.ERRORS)
    assert "16 runs, 0 of them trained now" in capsys.readouterr().err
    scores = pd.read_csv(out / "scores.csv", keep_default_na=False)
    errors = scores[(scores["statistic"] == "mape") & (scores["against"] == "")]
    assert errors["predictor"].tolist() == [one.name for one in PREDICTORS]
    assert (errors["low"] == "").all()  # two seeds know no error of theirs
    runs = pd.read_csv(out / "runs.csv")
    assert len(runs) == 4
    # decay alone, within what so small a student adds to it
    slow = runs[runs["weight_decay"] == 1].dropna(subset="steps")
    assert len(slow) > 0
    np.testing.assert_allclose(slow["decay_error"], 1, atol=0.5)
    assert (out / "teacher.png").stat().st_size > 10_000
    assert all(f"| {law.title} " in (out / "report.md").read_text() for law in PREDICTORS)


@pytest.mark.parametrize(
    ("seeds", "says"),
    [("0", "at least 1, but is 0"), ("101", "must leave out 100..103, the seeds of the calibration, but are 0..100")],
)
def test_bad_input_is_one_line(seeds: str, says: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["norm_law", "--seeds", *seeds.split(), "--store", str(tmp_path / "runs.sqlite")])
    with pytest.raises(SystemExit):
        run_command(norm_law.Arguments, norm_law.main, "norm_law", norm_law.ERRORS)
    assert capsys.readouterr().err.endswith(f"{says}.\n")
