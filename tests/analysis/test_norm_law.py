"""The laws of grokking by weight norm: on landscapes where the answer is known in
closed form, their scores, and the command on real runs.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.norm_law import laws, setups
from analysis.norm_law.__main__ import ERRORS, Arguments, main, plan
from analysis.norm_law.laws import Reduced
from analysis.norm_law.scores import errors, scores
from analysis.norm_law.tables import LAWS
from neural import TeacherConfig
from neural.command import run_command
from tests.tolerances import LINALG

OURS = "crossing in time"
STEPS = np.arange(0, 10_001, 100)
GRID = np.geomspace(0.1, 10, 41)
shells = st.floats(0.2, 3)
beyond = st.floats(1.05, 3)
rates = st.floats(1e-6, 1e-3)


def ramp(shell: np.ndarray, train_loss: np.ndarray | None = None) -> Reduced:
    """A landscape whose accuracy falls linearly in log alpha through 0.95 at a shell,
    (L,), after each number of steps, and whose test loss is least at half the usual
    norm.
    """
    accuracies = 0.95 - np.log(GRID[:, None] / shell)
    flat = np.full(len(GRID), 1e-6)
    return Reduced(
        GRID, STEPS, accuracies, np.exp(np.log(GRID / 0.5) ** 2), flat if train_loss is None else train_loss, 0.95, 2.0
    )


@given(shells, beyond, rates)
def test_a_shell_that_stays_is_met_in_time(shell: float, ratio: float, rate: float) -> None:
    """ln(w0/w_c)/(eta gamma); ours to the next look of the landscape, while that
    lasts.
    """
    reduced, scale = ramp(np.full(len(STEPS), shell)), shell * ratio
    exact = np.log(ratio) / rate
    found = laws.crossing_in_time(scale, rate, reduced)
    if exact > STEPS[-1]:
        assert found == pytest.approx(exact, rel=1e-8)
    else:
        assert exact * (1 - 1e-8) <= found <= exact + 100 + 1e-6
    assert laws.minimum_of_the_u(scale, rate, reduced) == pytest.approx(max(np.log(scale / 0.5) / rate, 0), rel=1e-6)


@given(shells, beyond, rates, st.floats(1, 4))
def test_the_time_falls_with_decay_and_rises_with_the_norm(
    shell: float, ratio: float, rate: float, more: float
) -> None:
    reduced = ramp(np.full(len(STEPS), shell))
    for law in (laws.crossing_in_time, laws.minimum_of_the_u):
        here = law(shell * ratio, rate, reduced)
        assert law(shell * ratio, rate * more, reduced) <= here * (1 + LINALG)
        assert law(shell * ratio * more, rate, reduced) >= here * (1 - LINALG)


def test_a_shell_that_moves_out_is_met_sooner() -> None:
    """w_c(t) = 0.3 exp(t/5000): with w = 2 exp(-rate t) they meet at
    ln(2/.3)/(rate + 1/5000).
    """
    rate = 2e-4
    reduced = ramp(0.3 * np.exp(STEPS / 5_000))
    exact = np.log(2 / 0.3) / (rate + 1 / 5_000)
    found = laws.crossing_in_time(2.0, rate, reduced)
    assert exact <= found <= exact + 100


def paced(paces: np.ndarray) -> Reduced:
    """A landscape in which a run held at GRID's norms takes 1/pace steps, (41,)."""
    with np.errstate(divide="ignore"):
        takes = 1 / paces
    steps = np.unique([0, *takes[np.isfinite(takes)]])
    return replace(ramp(np.ones(1)), steps=steps, accuracies=(steps >= takes[:, None]).astype(float))


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
    assert laws.time_inside(shell * ratio, rate, reduced) == pytest.approx(enters + inside, rel=1e-3)


@given(st.integers(0, 39), st.floats(0.01, 0.99), st.floats(1e-6, 1e-3), st.floats(1, 4))
def test_time_inside_at_constant_norm_and_its_order(k: int, share: float, rate: float, more: float) -> None:
    """Without decay it is what the landscape has; it rises with the norm, and no decay
    makes it shorter than the shortest that the landscape has.
    """
    paces = 1e-3 * np.exp(-np.log(GRID) / 3)
    reduced, scale = paced(paces), GRID[k] * (GRID[k + 1] / GRID[k]) ** share
    held = 1 / ((1 - share) * paces[k] + share * paces[k + 1])
    assert laws.time_inside(scale, 0.0, reduced) == pytest.approx(held, rel=1e-8)
    found = laws.time_inside(scale, rate, reduced)
    assert 1 / paces[0] * (1 - LINALG) <= found <= held * (1 + LINALG)
    assert laws.time_inside(scale * more, rate, reduced) >= found * (1 - 1e-5)


def test_where_nothing_generalises_never_is_said() -> None:
    dark = replace(ramp(np.ones(len(STEPS))), accuracies=np.zeros((len(GRID), len(STEPS))))
    assert laws.crossing_in_time(2.0, 1e-4, dark) == np.inf
    for rate in (0.0, 1e-4):
        assert laws.time_inside(2.0, rate, dark) == np.inf
    assert laws.crossing_in_time(2.0, 0.0, ramp(np.ones(len(STEPS)))) == np.inf  # no decay
    bright = replace(dark, accuracies=np.ones((len(GRID), len(STEPS))))
    assert laws.crossing_in_time(2.0, 1e-4, bright) == 0


@settings(max_examples=20)
@given(st.floats(1.2, 4), st.floats(1e-4, 1e-3), st.floats(0, 0.5))
def test_the_radial_gradient_of_a_logarithm_is_exact(scale: float, rate: float, k: float) -> None:
    """l~ = k ln w: w^2 = (w0^2 + eta k/rate) exp(-2 rate t) - eta k/rate, in the
    weights' units.
    """
    eta = 1e-3
    reduced = ramp(np.ones(len(STEPS)), k * np.log(GRID))
    offset, usual = eta * k / rate, reduced.usual_norm
    exact = np.log(((scale * usual) ** 2 + offset) / (usual**2 + offset)) / (2 * rate)
    found = laws.with_radial_gradient(scale, rate, reduced, eta)
    if exact < STEPS[-1] - 100:
        assert exact * (1 - 1e-4) <= found <= exact * (1 + 1e-4) + 100


@given(st.lists(beyond, min_size=1, max_size=6), shells, rates, st.floats(0.5, 2), st.floats(10, 1e4))
def test_rivals_find_what_they_were_calibrated_on(
    ratios: list[float], shell: float, rate: float, contraction: float, learned: float
) -> None:
    """Norms that fall at kappa times the rate of decay to one shell."""
    begin = shell * np.array(ratios)
    delays = np.log(ratios) / (contraction * rate)
    by = laws.calibrate(delays, np.full(len(delays), rate), begin, np.full(len(delays), shell))
    assert by is not None
    assert by.contraction == pytest.approx(contraction, rel=1e-8)
    for norm, delay in zip(begin, delays, strict=True):
        for law in (laws.first_passage, laws.norm_separation):
            assert law(learned, norm, rate, by) == pytest.approx(learned + delay, rel=1e-8)
            # elsewhere inversely with the decay
            assert law(learned, norm, 2 * rate, by) == pytest.approx(learned + delay / 2, rel=1e-8)


def test_without_a_run_that_generalised_nothing_is_calibrated() -> None:
    assert laws.calibrate([], [], [], []) is None


def made_up() -> pd.DataFrame:
    """Four runs of two seeds; the last did not get there within 1,000 steps."""
    rows = {"seed": [0, 0, 1, 1], "steps": [100.0, 200.0, 400.0, np.nan], "budget": 1_000}
    said = {OURS: [110.0, 180.0, 400.0, 2_000.0], "minimum of the U": [200.0, 400.0, np.inf, np.nan]}
    return pd.DataFrame(rows | {law: said.get(law, [1.0, 2.0, 3.0, 4.0]) for law in LAWS})


def test_scores_by_hand() -> None:
    """Never counts as 100 % for a run that got there, nothing for one that did not; the
    order of censored runs counts.
    """
    np.testing.assert_allclose(errors(made_up(), OURS), [0.1, 0.1, 0, np.nan])
    np.testing.assert_allclose(errors(made_up(), "minimum of the U"), [1, 1, 1, np.nan])
    found = {score.law: score for score in scores(made_up(), OURS)}
    assert found[OURS].mape == pytest.approx(0.2 / 3)
    assert found[OURS].concordance == 1
    assert found[OURS].excess == 0
    assert found["minimum of the U"].excess == pytest.approx(1 - 0.2 / 3)
    assert found["minimum of the U"].never == 1
    assert found["minimum of the U"].concordance == pytest.approx(5.5 / 6)  # inf twice: a tie
    assert found[OURS].median_ratio == 1.0


def test_intervals_are_of_seeds_drawn_with_replacement() -> None:
    """Runs of one seed come together: six seeds of two equal errors have the interval
    of six numbers, by all draws of which the percentiles are known here by brute force.
    """
    wrong = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    rows = {"seed": np.repeat(np.arange(6), 2), "steps": 100.0, "budget": 1_000}
    table = pd.DataFrame(rows | {law: 100 * (1 + np.repeat(wrong, 2)) for law in LAWS})
    [ours, *_] = scores(table, OURS)
    draws = np.random.default_rng(1).integers(0, 6, (20_000, 6))
    low, high = np.quantile(wrong[draws].mean(axis=1), [0.025, 0.975])
    assert ours.mape_interval == pytest.approx((low, high), abs=0.02)
    assert ours.excess_interval == (0, 0)
    few = scores(table[table["seed"] < 3], OURS)
    assert {score.mape_interval for score in few} == {None}


@pytest.mark.parametrize("lost", [np.nan, np.inf])
def test_a_landscape_run_that_diverged_stops_no_law(lost: float) -> None:
    """The radial gradient goes on with the losses that there are."""
    whole = ramp(np.ones(len(STEPS)))
    losses = whole.train_loss.copy()
    losses[10:20] = lost
    part = replace(whole, train_loss=losses)
    expected = laws.with_radial_gradient(2.0, 1e-4, whole, 1e-3)
    assert laws.with_radial_gradient(2.0, 1e-4, part, 1e-3) == pytest.approx(expected, abs=100)
    assert np.isnan(laws.with_radial_gradient(2.0, 1e-4, replace(whole, train_loss=np.full(41, lost)), 1e-3))


def test_a_shell_that_appears_late_is_met_by_the_radial_law_too() -> None:
    """After the norm has left the landscape."""
    shells = np.where(STEPS < 8_000, np.nan, 0.2)
    late = replace(ramp(shells), scales=GRID, accuracies=np.nan_to_num(ramp(shells).accuracies))
    assert laws.crossing_in_time(2.0, 1e-3, late) == 8_000
    assert laws.with_radial_gradient(2.0, 1e-3, late, 1e-9) == 8_000


TINY = TeacherConfig(n_train=30, n_test=20, width=12, learning_rate=0.01, look_every=10)


def test_the_command_on_real_runs(tmp_path: Path, monkeypatch, capsys) -> None:
    """A small student that groks: every law says something, the page has all of them,
    and what was trained is not trained again.
    """
    one = setups.SETUPS["teacher"]
    small = replace(one, base=TINY, large=(1.5,), decays=(1.0, 3.0), shells="init_scale=0.3:2:5:log", cell=(1.5, 1.0))
    monkeypatch.setattr(setups, "CALIBRATION_SEEDS", (100, 101))
    monkeypatch.setitem(setups.SETUPS, "teacher", replace(small, landscape_budget=300, targets=one.targets[1:]))
    monkeypatch.setattr(sys, "argv", ["norm_law", "teacher", "--seeds", "2", "--executor", "in-process"])
    sys.argv += ["--out", str(tmp_path / "out"), "--store", str(tmp_path / "runs.sqlite")]
    for trained in (16, 0):
        run_command(Arguments, main, "norm_law", ERRORS)
        assert f"16 runs, {trained} of them trained now" in capsys.readouterr().err
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    [target] = report["teacher"]
    assert [score["law"] for score in target["scores"]] == list(LAWS)  # ours comes first
    runs = pd.DataFrame(target["runs"])
    assert len(runs) == 4
    # decay alone, within what so small a student adds to it
    slow = runs[runs["weight_decay"] == 1].dropna(subset="steps")
    assert len(slow) > 0
    np.testing.assert_allclose(slow["decay_error"], 1, atol=0.5)
    assert (tmp_path / "out" / "teacher.png").stat().st_size > 10_000
    page = (tmp_path / "out" / "report.md").read_text()
    assert all(f"| {law} " in page for law in LAWS)


def test_reported_seeds_are_not_those_of_the_calibration() -> None:
    for setup in setups.SETUPS.values():
        assert setup.form in laws.FORMS
        configs = plan(setup, range(3))
        held, free = ([run for run in configs if run.constrained is still] for still in (True, False))
        assert {run.seed for run in held} == {0, 1, 2}
        assert {run.seed for run in free} == {0, 1, 2, *setups.CALIBRATION_SEEDS}
        shared = {(run.init_scale, run.weight_decay) for run in free if run.seed in setups.CALIBRATION_SEEDS}
        assert shared == {setup.cell}


@pytest.mark.parametrize(
    ("seeds", "says"),
    [("0", "at least 1, but is 0"), ("101", "must leave out 100..103, the seeds of the calibration, but are 0..100")],
)
def test_bad_input_is_one_line(seeds: str, says: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["norm_law", "--seeds", *seeds.split(), "--store", str(tmp_path / "runs.sqlite")])
    with pytest.raises(SystemExit):
        run_command(Arguments, main, "norm_law", ERRORS)
    assert capsys.readouterr().err.endswith(f"{says}.\n")
