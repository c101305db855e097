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
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analysis.phase_diagram import __main__ as phase_diagram
from analysis.phase_diagram import diagram
from analysis.phase_diagram.diagram import TARGETS, compare, foretold, other_seeds
from analysis.runs.executors import Execution
from analysis.runs.phases import PHASES, UNDECIDED, points, with_phases
from analysis.runs.plan import Axis, parse_axis
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
    steps = zip(*(STEPS[name] for name in names), strict=True)
    runs["train"], runs["test"] = steps
    runs["rqi"] = [30.0 if name == C else INF for name in names]
    measured = {f"steps_to_{name}": runs[name].replace(INF, math.nan) for name in TARGETS}
    return with_phases(runs.assign(**measured), 1000)


def as_predicted(runs: pd.DataFrame) -> pd.DataFrame:
    """A theory that says of each run just what was measured."""
    shares = {f"{name}_share": np.isfinite(runs[name]).astype(float) for name in TARGETS}
    return runs[[*TARGETS, "delay", "phase"]].assign(**shares)


def pick(scores: pd.DataFrame, **words: str) -> pd.DataFrame:
    """The scores with these words."""
    return scores[(scores[[*words]] == [*words.values()]).all(axis=1)]


# --- the scores ---


def test_equal_share_by_hand():
    pairs = pd.DataFrame({"measured": [M, M, C, G], "majority": [M, C, C, G]})
    found = diagram.equal_share("runs_equal", pairs)
    assert (found["n"], found["value"]) == (4, 0.75)
    # Clopper and Pearson: P(at least 3 of 4) = 0.025 at the lower end, P(at most 3) at
    # the upper
    low, high = found["low"], found["high"]
    assert 4 * low**3 * (1 - low) + low**4 == pytest.approx(0.025)
    assert 1 - high**4 == pytest.approx(0.025)
    always = diagram.commonest("runs_equal", pairs["measured"])
    assert (always["phase"], always["value"]) == (M, 0.5)
    assert diagram.commonest("runs_equal", pd.Series([M, C]))["phase"] == C  # of equals the first


NAMES = st.sampled_from(PHASES)


@settings(max_examples=30)
@given(st.lists(st.lists(NAMES, min_size=1, max_size=3), min_size=1, max_size=4))
@example([[M, M, C], [M, M, M], [X]])
@example([[M], [C]])
def test_other_seeds_against_a_loop(rows):
    """M M C: an M sees M C, half a success; the C sees M M, none. One run alone has no
    others.
    """
    credit, n = 0.0, 0
    for here in rows:
        for i, name in enumerate(here if len(here) > 1 else ()):
            others = [*here[:i], *here[i + 1 :]]
            best = [one for one in set(others) if others.count(one) == max(map(others.count, others))]
            credit, n = credit + (name in best) / len(best), n + 1
    places = [(float(x), name) for x, here in enumerate(rows) for name in here]
    runs = pd.DataFrame(places, columns=["decoder_wd", "phase"]).assign(repr_wd=0.0, delay=1.0)
    found = other_seeds(points(runs, axes_of(len(rows), 1)))
    assert (found["n"], found["value"]) == (n, pytest.approx(credit / n if n else math.nan, nan_ok=True))


# --- boundaries ---


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
    touches, near = diagram.boundary_zone(points(runs_of(names, nx, ny), axes), axes)
    assert touches.tolist() == [crosses(*place) for place in at]
    assert near.tolist() == [any(crosses(x + i, y + j) for i, j in around if (x + i, y + j) in at) for x, y in at]


def test_a_refined_plane_has_the_cells_of_its_first_grid():
    """Points at 0, 1, 1.5, 2, 3 of an axis in steps of 1: M / C between 1 and 1.5, and
    2 is still within a step.
    """
    axes = (parse_axis(RunConfig, "x", "decoder_lr=1e-5:1e-2:4:log"), Axis("loss", ("mse",)))
    places = [1e-5, 1e-4, 0.000316228, 1e-3, 1e-2]
    runs = pd.DataFrame({"decoder_lr": places, "loss": "mse", "delay": 1.0, "phase": [M, M, C, C, C]})
    touches, near = diagram.boundary_zone(points(runs, axes), axes)
    assert touches.tolist() == [False, True, True, False, False]
    assert near.tolist() == [True, True, True, True, False]


def test_places_without_numbers():
    axes = (parse_axis(RunConfig, "x", "batch_size=5,15,25,full"), Axis("loss", ("mse", "ce")))
    rows = [(size, loss, C if size == 5 else M) for size in (5.0, 15.0, 25.0, math.nan) for loss in ("mse", "ce")]
    cells = points(pd.DataFrame(rows, columns=["batch_size", "loss", "phase"]).assign(delay=1.0), axes)
    touches, near = diagram.boundary_zone(cells, axes)
    assert set(cells["x"][touches]) == {5, 15}
    assert set(cells["x"][near]) == {5, 15, 25}


# --- all of it ---

PLANES, LISTS = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3)), st.lists(NAMES, min_size=48)


@settings(max_examples=10)
@given(PLANES, LISTS)
def test_a_theory_that_says_what_was_measured_is_right(plane, names):
    nx, ny, seeds = plane
    runs = runs_of(names[: nx * ny * seeds], nx, ny)
    axes = axes_of(nx, ny)
    expected, scores = compare(runs, as_predicted(runs), axes)
    decided = int((points(runs, axes)["majority"] != UNDECIDED).sum())
    equal = scores[scores["statistic"].str.endswith("_equal") & (scores["predictor"] == "memory_flow")]
    assert set(equal["value"][equal["n"] > 0]) <= {1}
    for of, n in (("points", decided), ("runs", nx * ny * seeds)):
        assert pick(equal, statistic=f"{of}_equal", where="")["n"].item() == n
        pairs = pick(scores, statistic=of)
        assert (pairs["phase"] == pairs["other"]).all()
    assert (pick(scores, statistic="right")["value"] == 1).all()
    assert (expected["majority"] == expected["measured"]).all()
    for name in ("test_share", "rqi_share"):
        assert (expected[name] == expected[f"measured_{name}"]).all()
    assert equal["where"].str.startswith("seed").sum() == seeds


@settings(max_examples=6)
@given(PLANES, LISTS, LISTS, st.randoms())
def test_neither_order_nor_axes_matter(plane, measured, predicted, random):
    nx, ny, seeds = plane
    n = nx * ny * seeds
    runs, told = runs_of(measured[:n], nx, ny), as_predicted(runs_of(predicted[:n], nx, ny))
    axes = axes_of(nx, ny)
    expected, scores = compare(runs, told, axes)
    order = random.sample(range(n), n)
    again, shuffled = compare(runs.iloc[order], told.iloc[order], axes)
    pd.testing.assert_frame_equal(again, expected)
    for other in (shuffled, compare(runs, told, axes[::-1])[1]):
        pd.testing.assert_frame_equal(other, scores)
    pairs, right = pick(scores, statistic="runs"), pick(scores, statistic="runs_equal", predictor="memory_flow")
    assert pairs["value"].sum() == n
    n_right = pairs["value"][pairs["phase"] == pairs["other"]].sum()
    by_seed = right["where"].str.startswith("seed")
    for part in (right[by_seed], right[~by_seed]):
        assert (part["value"] * part["n"]).sum() == pytest.approx(n_right)


@settings(max_examples=6)
@given(LISTS, LISTS, st.permutations(PHASES))
def test_other_names_for_the_phases(measured, predicted, names):
    """One run a point, so that no tie is broken by a name."""
    renamed = dict(zip(PHASES, names, strict=True))
    axes = axes_of(4, 3)
    runs, told = runs_of(measured[:12], 4, 3), as_predicted(runs_of(predicted[:12], 4, 3))
    _, scores = compare(runs, told, axes)
    runs, told = (table.assign(phase=table["phase"].map(renamed)) for table in (runs, told))
    _, other = compare(runs, told, axes)
    equal, same = (one["value"][one["statistic"].str.endswith("_equal")] for one in (scores, other))
    np.testing.assert_array_equal(same, equal)
    columns = ["statistic", "phase", "other", "value"]
    pairs, found = (one.loc[one["other"] != "", columns] for one in (scores, other))
    assert set(found.itertuples(index=False, name=None)) == set(
        pairs.replace(renamed).itertuples(index=False, name=None)
    )


def test_shares_of_a_point_are_means_over_its_runs():
    runs = runs_of([C, C, M, X, T, G], 2, 1)
    told = as_predicted(runs).assign(test_share=[1, 0.5, 0, 0, 0, 0.5], rqi_share=[1 / 3, 0, 0, 0, 0, 0])
    first, second = compare(runs, told, axes_of(2, 1))[0].to_dict("records")
    assert first["test_share"] == pytest.approx(0.5)
    assert first["measured_test_share"] == pytest.approx(2 / 3)
    assert second["measured_test_share"] == pytest.approx(2 / 3)  # "test only" has generalised
    assert first["rqi_share"] == pytest.approx(1 / 9)
    assert first["measured_rqi_share"] == pytest.approx(2 / 3)


def test_a_phase_is_that_of_the_predicted_steps():
    """In the order of the runs, whatever that of the predictions."""
    rows = [("b", "train", 20.0, 1.0), ("b", "test", 5000.0, 2 / 3), ("b", "rqi", INF, 1 / 3)]
    rows += [("a", name, INF, 0.0) for name in TARGETS]
    predictions = pd.DataFrame(rows[::-1], columns=["key", "target", "value", "probability"])
    row, other = foretold(predictions, ["b", "a"], 1000).to_dict("records")
    assert (row["train"], row["test"], row["rqi"], row["delay"]) == (20, 5000, INF, 4980)
    assert (row["phase"], other["phase"]) == (G, X)
    assert [row[f"{name}_share"] for name in TARGETS] == [1, 2 / 3, 1 / 3]
    assert foretold(predictions, ["b"], 5000)["phase"].tolist() == [C]


# --- the command ---


def arguments(folder: Path, **options) -> phase_diagram.Arguments:
    """Two by two points of a tiny network, two seeds each."""
    options = {
        "x": "repr_lr=1e-3,3e-2",
        "y": "decoder_lr=1e-3,1e-2",
        "set": ("p=5", "n_train=12", "width=16"),
        "seeds": 2,
        "budget": 300,
        "theory": True,
        "execution": Execution(device="cpu", executor="in-process"),
        "out": folder / "out",
        "store": folder / "runs.sqlite",
    } | options
    return phase_diagram.Arguments(**options)


def test_the_command_predicts_its_very_runs(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["phase_diagram", "--theory"])
    phase_diagram.main(arguments(tmp_path))
    first = (tmp_path / "out/report.json").read_text()
    report = json.loads(first)
    runs, told = (pd.read_csv(tmp_path / f"out/{name}.csv") for name in ("runs", "predictions"))
    assert set(runs["key"]) == set(told["key"])
    assert (len(runs), len(report["points"])) == (8, 4)
    predicted = foretold(told, runs["key"].tolist(), 1000)
    equal = (runs["phase"] == predicted["phase"]).mean()
    scores = pd.DataFrame(report["scores"])
    [row] = pick(scores, statistic="runs_equal", predictor="memory_flow", where="").to_dict("records")
    assert (row["value"], row["n"]) == (equal, 8)
    assert {"brier", "ratio", "concordance"} <= set(pick(scores, target="rqi")["statistic"])
    assert len(pd.read_csv(tmp_path / "out/scores.csv")) == len(scores)
    page = (tmp_path / "out/report.md").read_text()
    for picture in ("theory.png", "success.png"):
        assert (tmp_path / "out" / picture).stat().st_size > 10_000
        assert picture in page
    out, err = capsys.readouterr()
    assert f"{equal:.0%} [" in out
    assert "8 runs, 8 of them trained now" in err
    # again: nothing is trained, nothing is different
    phase_diagram.main(arguments(tmp_path))
    assert (tmp_path / "out/report.json").read_text() == first
    out, err = capsys.readouterr()
    assert "8 runs, 0 of them trained now" in err
    # without the theory the rest is the same
    phase_diagram.main(arguments(tmp_path, theory=False, out=tmp_path / "plain"))
    plain = json.loads((tmp_path / "plain/report.json").read_text())
    assert plain["scores"] == [row for row in report["scores"] if not row["predictor"]]
    assert "the theory" not in capsys.readouterr().out
    assert not (tmp_path / "plain/predictions.csv").exists()


@pytest.mark.parametrize("name", ["train_threshold", "test_threshold"])
def test_other_thresholds_are_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=rf"^`{name}` must be 0.9 with --theory, .* but is 0.95\.$"):
        phase_diagram.main(arguments(tmp_path, **{name: 0.95}))
    assert not (tmp_path / "runs.sqlite").exists()
    phase_diagram.plan(arguments(tmp_path, **{name: 0.95}, theory=False))
    phase_diagram.plan(arguments(tmp_path, delay=50.0))
