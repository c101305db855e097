"""What the theory predicts of a plane, held against what was measured: hand-made
tables, and one small real plane.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.phase_diagram import __main__ as phase_diagram
from analysis.phase_diagram import theory as phase_theory
from analysis.phase_diagram.phases import PHASES, UNDECIDED, phase, points, with_phases
from analysis.phase_diagram.records import OtherSeeds
from analysis.phase_diagram.theory import (
    boundary_zone,
    compare,
    confusion,
    equal_share,
    other_seeds,
    predict,
    score_target,
)
from analysis.runs.executors import Execution
from analysis.runs.experiments import PlaneOptions
from analysis.runs.plan import Axis, parse_axis
from analysis.theory.decoder_theory import Outlook
from neural import ConfigError, RunConfig

INF = math.inf
C, G, M, X, T = PHASES
# steps to train and to test that make each phase
STEPS = {C: (10.0, 20.0), G: (10.0, 5000.0), M: (10.0, INF), X: (INF, INF), T: (INF, 20.0)}


def axes_of(nx: int, ny: int) -> tuple[Axis, Axis]:
    return Axis("decoder_wd", tuple(map(float, range(nx)))), Axis("repr_wd", tuple(map(float, range(ny))))


def runs_of(names: Sequence[str], nx: int, ny: int) -> pd.DataFrame:
    """Runs in the given phases, point by point (x slowest) and seed by seed; RQI > 0.95
    where a run comprehends.
    """
    seeds = len(names) // (nx * ny)
    places = list(product(map(float, range(nx)), map(float, range(ny)), range(seeds)))
    runs = pd.DataFrame(places, columns=["decoder_wd", "repr_wd", "seed"])
    runs["train"], runs["test"] = zip(*(STEPS[name] for name in names), strict=True)
    runs["steps_to_rqi"] = [30.0 if name == C else math.nan for name in names]
    return with_phases(runs, 1000)


def as_predicted(runs: pd.DataFrame) -> pd.DataFrame:
    """A theory that says of each run just what was measured."""
    found = runs[["train", "test", "delay", "phase"]].assign(rqi=runs["steps_to_rqi"].fillna(INF))
    return found.assign(
        **{f"{name}_share": np.isfinite(found[name]).astype(float) for name in ("train", "test", "rqi")}
    )


# --- the scores ---


def test_equal_share_by_hand():
    measured, predicted = pd.Series([M, M, C, G]), pd.Series([M, C, C, G])
    found = equal_share(measured, predicted)
    assert (found.n, found.equal, found.share) == (4, 3, 0.75)
    assert (found.commonest, found.baseline) == (M, 0.5)
    # Clopper and Pearson: P(at least 3 of 4) = 0.025 at the lower end, P(at most 3) at
    # the upper
    low, high = found.interval
    assert 4 * low**3 * (1 - low) + low**4 == pytest.approx(0.025)
    assert 1 - high**4 == pytest.approx(0.025)
    assert equal_share(pd.Series([M, C]), pd.Series([M, M])).commonest == C  # of equals the first


def test_confusion_by_hand():
    found = confusion(pd.Series([M, M, C, G]), pd.Series([M, C, C, G]))
    assert {(a, b): n for a, row in found.items() for b, n in row.items() if n} == {
        (M, M): 1,
        (M, C): 1,
        (C, C): 1,
        (G, G): 1,
    }


def test_other_seeds_by_hand():
    """M M C: an M sees M C, half a success; the C sees M M, none. M M M: three. One run
    alone has no others.
    """
    axes = axes_of(3, 1)
    runs = pd.concat([runs_of([M, M, C, M, M, M], 2, 1), runs_of([X], 1, 1).assign(decoder_wd=2.0)])
    found = other_seeds(points(runs, axes))
    assert (found.n, found.share) == (6, pytest.approx((0.5 + 0.5 + 0 + 3) / 6))
    assert other_seeds(points(runs_of([M, C, X], 3, 1), axes)) == OtherSeeds(n=0, share=None)


NAMES = st.sampled_from(PHASES)


@settings(max_examples=30)
@given(st.lists(st.tuples(NAMES, NAMES, NAMES), min_size=1, max_size=4))
def test_other_seeds_against_a_loop(rows):
    credit = 0.0
    for here in rows:
        for i, name in enumerate(here):
            others = [*here[:i], *here[i + 1 :]]
            best = [one for one in set(others) if others.count(one) == max(map(others.count, others))]
            credit += (name in best) / len(best)
    cells = points(runs_of([name for here in rows for name in here], len(rows), 1), axes_of(len(rows), 1))
    assert other_seeds(cells).share == pytest.approx(credit / (3 * len(rows)))


def test_censored_steps_are_no_steps():
    """Of five runs one gets there by both at 10/20, one at 30/20; one by measurement
    only, one by theory only.
    """
    measured = pd.DataFrame({"rqi": [10.0, 30.0, 50.0, INF, INF]})
    predicted = pd.DataFrame({"rqi": [20.0, 20.0, INF, 40.0, INF], "rqi_share": [1.0, 1.0, 0.0, 1.0, 0.0]})
    found = score_target(measured, predicted, "rqi")
    assert (found.n, found.n_measured, found.n_predicted, found.n_ratio) == (5, 3, 3, 2)
    assert (found.right, found.baseline) == (0.6, 0.6)
    assert found.ratio == [0.5, 0.5, 1.5]
    assert found.brier == pytest.approx(0.4)
    assert found.brier_base_rate == pytest.approx(0.24)
    # what is true from the start has no ratio
    start = score_target(pd.DataFrame({"rqi": [0.0]}), pd.DataFrame({"rqi": [3.0], "rqi_share": [1.0]}), "rqi")
    assert (start.n_ratio, start.ratio, start.right) == (0, None, 1)


# --- boundaries ---


def test_one_cell_from_a_boundary_by_hand():
    """C fills the leftmost of six columns, of three rows: two columns touch its border,
    one more is a cell away.
    """
    axes = axes_of(6, 3)
    touches, near = boundary_zone(points(runs_of([C] * 3 + [M] * 15, 6, 3), axes), axes)
    np.testing.assert_array_equal(touches.reshape(6, 3).all(axis=1), [1, 1, 0, 0, 0, 0])
    np.testing.assert_array_equal(near.reshape(6, 3).all(axis=1), [1, 1, 1, 0, 0, 0])
    np.testing.assert_array_equal(near.reshape(6, 3).any(axis=1), near.reshape(6, 3).all(axis=1))


@settings(max_examples=25)
@given(st.integers(1, 5), st.integers(1, 5), st.lists(st.sampled_from([C, M, X]), min_size=25, max_size=25))
def test_boundaries_against_a_loop(nx, ny, names):
    axes = axes_of(nx, ny)
    names = names[: nx * ny]
    at = dict(zip(product(range(nx), range(ny)), names, strict=True))

    def crosses(x: int, y: int) -> bool:
        beside = [(x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)]
        return any(at.get(place, at[x, y]) != at[x, y] for place in beside)

    around = list(product((-1, 0, 1), repeat=2))
    touches, near = boundary_zone(points(runs_of(names, nx, ny), axes), axes)
    assert touches.tolist() == [crosses(*place) for place in at]
    assert near.tolist() == [any(crosses(x + i, y + j) for i, j in around if (x + i, y + j) in at) for x, y in at]


def test_a_refined_plane_has_the_cells_of_its_first_grid():
    """Points at 0, 1, 1.5, 2, 3 of an axis in steps of 1: M / C between 1 and 1.5, and
    2 is still within a step.
    """
    axes = (parse_axis(RunConfig, "x", "decoder_lr=1e-5:1e-2:4:log"), Axis("loss", ("mse",)))
    places = [1e-5, 1e-4, 0.000316228, 1e-3, 1e-2]
    runs = pd.DataFrame({"decoder_lr": places, "loss": "mse", "delay": 1.0, "phase": [M, M, C, C, C]})
    touches, near = boundary_zone(points(runs, axes), axes)
    assert touches.tolist() == [False, True, True, False, False]
    assert near.tolist() == [True, True, True, True, False]


def test_places_without_numbers():
    axes = (parse_axis(RunConfig, "x", "batch_size=5,15,25,full"), Axis("loss", ("mse", "ce")))
    rows = [(size, loss, C if size == 5 else M) for size in (5.0, 15.0, 25.0, math.nan) for loss in ("mse", "ce")]
    runs = pd.DataFrame(rows, columns=["batch_size", "loss", "phase"]).assign(delay=1.0)
    cells = points(runs, axes)
    touches, near = boundary_zone(cells, axes)
    assert set(cells["x"][touches]) == {5, 15}
    assert set(cells["x"][near]) == {5, 15, 25}


# --- all of it ---

PLANES = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3))


@settings(max_examples=10)
@given(PLANES, st.lists(NAMES, min_size=48, max_size=48))
def test_a_theory_that_says_what_was_measured_is_right(plane, names):
    nx, ny, seeds = plane
    runs = runs_of(names[: nx * ny * seeds], nx, ny)
    found = compare(runs, as_predicted(runs), axes_of(nx, ny))
    decided = int((points(runs, axes_of(nx, ny))["majority"] != UNDECIDED).sum())
    for name, n in (("points", decided), ("runs", nx * ny * seeds)):
        equal, pairs = getattr(found.equal, name), getattr(found.confusion, name)
        assert (equal.n, equal.equal) == (n, n)
        assert all(a == b or not count for a, row in pairs.items() for b, count in row.items())
    assert found.boundary.touches.differ == found.boundary.near.differ == 0
    for target in found.targets:
        assert target.right == 1
        assert target.brier == 0
        assert target.ratio in (None, [1, 1, 1])
    for cell in found.points.to_dict("records"):
        assert cell["majority"] == cell["measured"]
        for name in ("test_share", "rqi_share"):
            assert cell[name] == cell[f"measured_{name}"]
    assert [(by.n, by.equal) for by in found.equal_by_seed] == [(nx * ny, nx * ny)] * seeds


@settings(max_examples=6)
@given(PLANES, st.lists(NAMES, min_size=48, max_size=48), st.lists(NAMES, min_size=48, max_size=48), st.randoms())
def test_neither_order_nor_axes_matter(plane, measured, predicted, random):
    nx, ny, seeds = plane
    n = nx * ny * seeds
    runs, told = runs_of(measured[:n], nx, ny), as_predicted(runs_of(predicted[:n], nx, ny))
    axes = axes_of(nx, ny)
    found = compare(runs, told, axes)
    order = random.sample(range(n), n)
    shuffled = compare(runs.iloc[order], told.iloc[order], axes)
    turned = compare(runs, told, axes[::-1])
    for other in (shuffled, turned):
        for name in ("equal", "equal_by_seed", "other_seeds", "confusion", "boundary"):
            assert getattr(other, name) == getattr(found, name)
    assert shuffled.points.equals(found.points)
    sums = found.confusion.runs
    assert sum(sums[name][name] for name in PHASES) == found.equal.runs.equal
    assert sum(sum(row.values()) for row in sums.values()) == n
    assert sum(by.equal for by in found.equal_by_seed) == found.equal.runs.equal


@settings(max_examples=6)
@given(st.lists(NAMES, min_size=12, max_size=12), st.lists(NAMES, min_size=12, max_size=12), st.permutations(PHASES))
def test_other_names_for_the_phases(measured, predicted, names):
    """One run a point, so that no tie is broken by a name."""
    renamed = dict(zip(PHASES, names, strict=True))
    axes = axes_of(4, 3)
    runs, told = runs_of(measured, 4, 3), as_predicted(runs_of(predicted, 4, 3))
    found = compare(runs, told, axes)
    other = compare(
        runs.assign(phase=[renamed[name] for name in runs["phase"]]),
        told.assign(phase=[renamed[name] for name in told["phase"]]),
        axes,
    )
    for name in ("equal", "share", "baseline"):
        assert getattr(other.equal.points, name) == getattr(found.equal.points, name)
    assert other.boundary == found.boundary
    for a, b in product(PHASES, repeat=2):
        assert other.confusion.runs[renamed[a]][renamed[b]] == found.confusion.runs[a][b]


def test_shares_of_a_point_are_means_over_its_runs():
    runs = runs_of([C, C, M, X, T, G], 2, 1)
    told = as_predicted(runs).assign(test_share=[1, 0.5, 0, 0, 0, 0.5], rqi_share=[1 / 3, 0, 0, 0, 0, 0])
    first, second = compare(runs, told, axes_of(2, 1)).points.to_dict("records")
    assert first["test_share"] == pytest.approx(0.5)
    assert first["measured_test_share"] == pytest.approx(2 / 3)
    assert second["measured_test_share"] == pytest.approx(2 / 3)  # "test only" has generalised
    assert first["rqi_share"] == pytest.approx(1 / 9)
    assert first["measured_rqi_share"] == pytest.approx(2 / 3)


def test_a_phase_is_that_of_the_median_steps(monkeypatch):
    """Each of the three draws has a phase of its own, the medians have the second's;
    two of three never have RQI.
    """
    draws = Outlook(np.array([10.0, 30.0, 20.0]), np.array([INF, 500.0, 5000.0]), np.array([INF, INF, 7.0]))
    told = []
    monkeypatch.setattr(phase_theory, "outlooks", lambda configs, n, on_run: [on_run() or draws for _ in configs])
    found = predict([RunConfig(), RunConfig(seed=1)], 1000, lambda: told.append(1))
    assert len(found) == len(told) == 2
    row = found.to_dict("records")[0]
    assert (row["train"], row["test"], row["rqi"], row["delay"]) == (20, 5000, INF, 4980)
    assert row["phase"] == phase(20, 5000, 1000) == G
    assert row["rqi_share"] == pytest.approx(1 / 3)
    assert row["test_share"] == pytest.approx(2 / 3)
    assert predict([RunConfig()], 5000)["phase"].tolist() == [C]


# --- the command ---


def arguments(folder: Path, **options) -> phase_diagram.Arguments:
    """Two by two points of a tiny network, two seeds each."""
    plane = PlaneOptions(
        x="repr_lr=1e-3,1e-2", y="decoder_lr=1e-3,1e-2", set=("p=5", "n_train=12", "width=16"), seeds=2, budget=100
    )
    here = Execution(device="cpu", executor="in-process")
    options = {"theory": True, "execution": here, "out": folder / "out", "store": folder / "runs.sqlite"} | options
    return phase_diagram.Arguments(plane, **options)


def test_the_command_predicts_its_very_runs(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["phase_diagram", "--theory"])
    phase_diagram.main(arguments(tmp_path))
    first = (tmp_path / "out/report.json").read_text()
    report = json.loads(first)
    theory = report["theory"]
    assert len(theory["runs"]) == len(report["runs"]) == 8
    assert len(theory["points"]) == len(report["points"]) == 4
    for run, told in zip(report["runs"], theory["runs"], strict=True):
        assert all(run[name] == told[name] for name in ("repr_lr", "decoder_lr", "seed"))
        train, test = (INF if told[name] is None else told[name] for name in ("train", "test"))
        assert told["phase"] == phase(train, test, 1000)
    equal = sum(run["phase"] == told["phase"] for run, told in zip(report["runs"], theory["runs"], strict=True))
    assert theory["equal"]["runs"]["equal"] == equal
    for picture in ("theory.png", "success.png"):
        assert (tmp_path / "out" / picture).stat().st_size > 10_000
        assert picture in (tmp_path / "out/report.md").read_text()
    out, err = capsys.readouterr()
    assert f"theory: {theory['equal']['points']['equal']} of 4 points equal" in out
    assert "8 runs, 8 of them trained now" in err
    # again: nothing is trained, nothing is different
    phase_diagram.main(arguments(tmp_path))
    assert (tmp_path / "out/report.json").read_text() == first
    out, err = capsys.readouterr()
    assert "8 runs, 0 of them trained now" in err
    # without the theory the rest is the same
    phase_diagram.main(arguments(tmp_path, theory=False, out=tmp_path / "plain"))
    del report["theory"]
    assert json.loads((tmp_path / "plain/report.json").read_text()) == report
    assert "theory" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["train_threshold", "test_threshold"])
def test_other_thresholds_are_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=rf"^`{name}` must be 0.9 with --theory, .* but is 0.95\.$"):
        phase_diagram.main(arguments(tmp_path, **{name: 0.95}))
    assert not (tmp_path / "runs.sqlite").exists()
    phase_diagram.plan(arguments(tmp_path, **{name: 0.95}, theory=False))
    phase_diagram.plan(arguments(tmp_path, delay=50.0))
