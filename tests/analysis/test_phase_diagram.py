"""A phase diagram's numbers, pictures and page say what was measured, and how far the
theory predicts it: made-up tables, and one small real plane.
"""

from __future__ import annotations

import json
import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib import colors
from matplotlib.collections import QuadMesh
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis.phase_diagram import __main__ as command
from analysis.phase_diagram import diagram
from analysis.phase_diagram.diagram import TARGETS, boundaries, compare, foretold, other_seeds
from analysis.phase_diagram.pictures import phase_diagram, success_maps, theory_diagram
from analysis.report.look import VERMILION
from analysis.runs.executors import Execution
from analysis.runs.phases import COLOURS, LETTERS, PHASES, UNDECIDED, Thresholds, points, with_phases
from analysis.runs.plan import Axis, Experiment, parse_axis, planned
from neural import ConfigError, RunConfig

INF = math.inf
C, G, M, X, T = PHASES
# steps to train and to test that make each phase
STEPS = {C: (10.0, 20.0), G: (10.0, 5000.0), M: (10.0, INF), X: (INF, INF), T: (INF, 20.0)}
LR, WD = "decoder_lr=1e-4:1e-2:5:log", "decoder_wd=0:8:5"


def axes_of(nx: int, ny: int) -> tuple[Axis, Axis]:
    return Axis("decoder_wd", tuple(map(float, range(nx)))), Axis("repr_wd", tuple(map(float, range(ny))))


def runs_at(have: dict, axes, rule) -> pd.DataFrame:
    """`have`: how many seeds at (x, y). `rule(u, v, seed)` tells steps to train and to
    test at a place of the plane (0 to 1 each); RQI > 0.95 where a run generalises soon.
    """

    def share(axis: Axis, value) -> float:
        first, last, here = (axis.position(one) for one in (axis.values[0], axis.values[-1], value))
        return (here - first) / ((last - first) or 1)

    places = [(x, y, seed) for (x, y), n in have.items() for seed in range(n)]
    rows = [(x, y, seed, *rule(share(axes[0], x), share(axes[1], y), seed)) for x, y, seed in places]
    columns = [axes[0].field, axes[1].field, "seed", "train", "test"]
    runs = with_phases(pd.DataFrame(rows, columns=columns).astype({"train": float, "test": float}), 1000)
    runs = runs.assign(rqi=runs["test"].where(runs["test"] < 1000, INF))
    return runs.assign(**{f"steps_to_{name}": runs[name].replace(INF, math.nan) for name in TARGETS})


def runs_of(names: Sequence[str], nx: int, ny: int) -> pd.DataFrame:
    """Runs in the given phases, point by point (x slowest) and seed by seed."""
    axes, steps = axes_of(nx, ny), (STEPS[name] for name in names)
    have = dict.fromkeys(product(*(axis.values for axis in axes)), len(names) // (nx * ny))
    return runs_at(have, axes, lambda u, v, seed: next(steps))


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
    # Clopper and Pearson: P(at least 3 of 4), and P(at most 3) at the upper end
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
    """M M C: an M sees M C, half a success; the C sees M M, none."""
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
    """At 0, 1, 1.5, 2, 3: M / C between 1 and 1.5, and 2 is within a step."""
    axes = (parse_axis(RunConfig, "x", "decoder_lr=1e-5:1e-2:4:log"), Axis("loss", ("mse",)))
    places = [1e-5, 1e-4, 0.000316228, 1e-3, 1e-2]
    runs = pd.DataFrame({"decoder_lr": places, "loss": "mse", "delay": 1.0, "phase": [M, M, C, C, C]})
    touches, near = diagram.boundary_zone(points(runs, axes), axes)
    assert [touches.tolist(), near.tolist()] == [[False, True, True, False, False], [True, True, True, True, False]]


def test_places_without_numbers():
    axes = planned("", RunConfig(), "batch_size=5,15,25,full", "loss=mse,ce").axes
    rows = [(size, loss, C if size == 5 else M) for size in (5.0, 15.0, 25.0, math.nan) for loss in ("mse", "ce")]
    cells = points(pd.DataFrame(rows, columns=["batch_size", "loss", "phase"]).assign(delay=1.0), axes)
    assert [set(cells["x"][where]) for where in diagram.boundary_zone(cells, axes)] == [{5, 15}, {5, 15, 25}]


PLANES, LISTS = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3)), st.lists(NAMES, min_size=48)


@settings(max_examples=10)
@given(PLANES, LISTS, LISTS, st.randoms())
def test_a_theory_is_held_against_what_was_measured(plane, measured, predicted, random):
    """Whatever the order of runs and axes; one that says just that is right."""
    nx, ny, seeds = plane
    n, axes = nx * ny * seeds, axes_of(nx, ny)
    runs, told = runs_of(measured[:n], nx, ny), as_predicted(runs_of(predicted[:n], nx, ny))
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
    assert by_seed.sum() == seeds
    for part in (right[by_seed], right[~by_seed]):
        assert (part["value"] * part["n"]).sum() == pytest.approx(n_right)

    expected, scores = compare(runs, as_predicted(runs), axes)
    equal = scores[scores["statistic"].str.endswith("_equal") & (scores["predictor"] == "memory_flow")]
    assert set(equal["value"][equal["n"] > 0]) <= {1}
    decided = int((points(runs, axes)["majority"] != UNDECIDED).sum())
    for of, several in (("points", decided), ("runs", n)):
        assert pick(equal, statistic=f"{of}_equal", where="")["n"].item() == several
        pairs = pick(scores, statistic=of)
        assert (pairs["phase"] == pairs["other"]).all()
    assert (pick(scores, statistic="right")["value"] == 1).all()
    assert (expected["majority"] == expected["measured"]).all()
    for name in ("test_share", "rqi_share"):
        assert (expected[name] == expected[f"measured_{name}"]).all()


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
    pairs, found = (one.loc[one["other"] != "", columns] for one in (scores.replace(renamed), other))
    assert {*found.itertuples(index=False, name=None)} == {*pairs.itertuples(index=False, name=None)}


def test_shares_of_a_point_are_means_over_its_runs():
    runs = runs_of([C, C, M, X, T, G], 2, 1)
    told = as_predicted(runs).assign(test_share=[1, 0.5, 0, 0, 0, 0.5], rqi_share=[1 / 3, 0, 0, 0, 0, 0])
    found, _ = compare(runs, told, axes_of(2, 1))
    assert found["test_share"].tolist() == pytest.approx([0.5, 1 / 6])
    assert found["measured_test_share"].tolist() == pytest.approx([2 / 3, 2 / 3])  # "test only" has generalised
    assert found["rqi_share"].tolist() == pytest.approx([1 / 9, 0])
    assert found["measured_rqi_share"][0] == pytest.approx(2 / 3)


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


# --- pictures and page ---


def all_phases(u, v, seed):
    """Confusion above; below the others from left to right; one seed strays."""
    if v > 0.9:
        return INF, (50.0 if u > 0.8 else INF)
    test = 10 ** (4.6 - 3 * (u - 0.3 * v)) + (5000 if seed == 2 else 0)
    return 10.0, (test if u > 0.2 + 0.3 * v else INF)


def at_odds(u, v, seed):
    """Every seed has a border of its own."""
    return 10.0, (20.0 if u > 0.3 + 0.2 * v + 0.4 * (seed * 7 % 12) / 12 else INF)


def ties(u, v, seed):
    """At the left every seed ends in a phase of its own."""
    if u > 0.1:
        return all_phases(u, v, seed)
    return [(10.0, 20.0), (10.0, INF), (INF, INF)][seed]


CASES = {
    "regular": (LR, WD, 0, all_phases),
    "refined": (LR, WD, 2, all_phases),
    "at odds": (LR, WD, 2, at_odds),
    "ties": (LR, WD, 0, ties),
    "one row": (LR, "decoder_wd=0", 0, all_phases),
    "one column": ("decoder_wd=1", LR, 0, all_phases),
    "one point": ("decoder_wd=1", "n_train=10", 0, all_phases),
    "full batches": (LR, "batch_size=5,15,full", 0, all_phases),
    "full batches, refined": (LR, "batch_size=5,15,full", 1, all_phases),
    "categories along x": ("loss=mse,ce", "n_train=10:50:5", 1, all_phases),
    "within a decade": ("decoder_lr=2e-4:8e-4:4:log", WD, 0, all_phases),
    "uneven list": (LR, "decoder_wd=0,1,2,5,10,50,200", 1, all_phases),
    "never": (LR, WD, 0, lambda u, v, seed: (10.0, INF)),
    "test before train": (LR, WD, 0, lambda u, v, seed: (100.0, 20.0 * u)),
    "test only": (LR, WD, 0, lambda u, v, seed: (INF, 20.0)),
    "late": (LR, WD, 0, lambda u, v, seed: (1.0, 90_000.0)),
}


@cache
def case(name: str):
    x, y, rounds, rule = CASES[name]
    axes = planned("", RunConfig(), x, y).axes
    have = dict.fromkeys(product(*(axis.values for axis in axes)), 3)
    for _ in range(rounds):
        have |= diagram.uncertain(points(runs_at(have, axes, rule), axes), axes, 3)
    cells = points(runs_at(have, axes, rule), axes)
    assert len(cells) == len(have)
    return cells, axes


@cache
def drawn(name: str) -> Figure:
    """The case's diagram, laid out; not to be changed."""
    cells, axes = case(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = phase_diagram(cells, boundaries(cells, axes), axes, "Title")
        figure.draw_without_rendering()
    return figure


def painted(panel: Any) -> tuple[Any, np.ndarray, Callable[[float, float], float]]:
    """The coloured mesh of a panel, its values, and the one at a place."""
    [mesh] = [artist for artist in panel.collections if isinstance(artist, QuadMesh)]
    corners, values = np.asarray(mesh.get_coordinates()), np.ma.asarray(mesh.get_array(), dtype=float)
    values = np.ma.filled(np.ma.masked_invalid(values), np.nan)
    assert values.shape == (len(corners) - 1, len(corners[0]) - 1)
    xs, ys = corners[0, :, 0], corners[:, 0, 1]
    return mesh, values, lambda x, y: values[np.searchsorted(ys, y) - 1, np.searchsorted(xs, x) - 1]


def overlapping(artists: Iterable[Any]) -> list[Any]:
    boxes = [artist.get_window_extent() for artist in artists]
    return [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]


@pytest.mark.parametrize("name", CASES)
def test_every_point_is_in_its_colour_and_has_its_letter(name):
    (cells, _), panel = case(name), drawn(name).axes[0]
    mesh, _, at = painted(panel)
    letters = [(text.get_position(), text.get_text()[0]) for text in panel.texts]
    for ((x, y), letter), majority in zip(letters, cells["majority"], strict=True):
        assert letter == LETTERS[majority]
        assert (*PHASES, UNDECIDED)[int(at(x, y))] == majority
        shown = mesh.cmap(mesh.norm(at(x, y)))
        np.testing.assert_allclose(shown[:3], colors.to_rgb(COLOURS[majority]), atol=1e-6)
    # bars of the phases where, and only where, the seeds disagree
    boxes = [patch for patch in panel.patches if isinstance(patch, Rectangle)]
    hatched = [patch for patch in boxes if patch.get_hatch()]
    regular = len(cells) == cells["x"].nunique(dropna=False) * cells["y"].nunique(dropna=False)
    undecided = (cells["majority"] == UNDECIDED).sum()
    assert len(hatched) == (regular and undecided)
    areas = [artist for artist in panel.collections if isinstance(artist, ContourSet)]
    assert [area.hatches for area in areas] == [["////"]] * bool(undecided and not regular)
    bars = [patch for patch in boxes if not patch.get_hatch() and patch.get_width() > 0]
    shares = cells[cells["agreement"] < 1]
    assert len(bars) == sum((shares[phase_name] > 0).sum() for phase_name in PHASES)


@pytest.mark.parametrize("name", CASES)
def test_it_can_be_drawn_without_a_complaint(name):
    cells, _ = case(name)
    figure = drawn(name)
    [legend] = figure.legends
    told = [text.get_text() for text in legend.get_texts()]
    present = [f"{LETTERS[name]}  {name}" for name in PHASES if cells[name].sum() > 0]
    if (cells["majority"] == UNDECIDED).any():
        present.append(f"?  {UNDECIDED}")
    assert told[: len(present)] == present
    box = legend.get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width
    left, right = figure.axes[:2]
    assert left.get_xlim() == right.get_xlim()
    assert left.get_ylim() == right.get_ylim()
    lines = [line for line in right.lines if colors.to_hex(line.get_color()) == VERMILION.lower()]
    edges = [line for line in lines if np.size(line.get_xdata())]
    assert (len(told) > len(present)) == bool(edges)  # what is not drawn is not in the legend


# Colours as they are seen, in linear RGB: Machado, Oliveira and Fernandes 2009, all of
# the cones for red, for green, or for blue gone.
VISION = {
    "all": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def lab_of(colour: str, vision: Any) -> np.ndarray:
    """CIELAB, white point D65."""
    rgb = np.array(colors.to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(to_xyz @ np.clip(np.asarray(vision) @ linear, 0.01, 1) / to_xyz.sum(axis=1))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("vision", VISION)
def test_phases_are_told_apart_without_letters(vision: str):
    """Of large diagrams. Colours 12 apart are one colour at a glance."""
    seen = {name: lab_of(colour, VISION[vision]) for name, colour in COLOURS.items()}
    far = {(a, b): float(np.linalg.norm(seen[a] - seen[b])) for a, b in combinations(seen, 2)}
    assert min(far.values()) > 15
    assert far["comprehension", "grokking"] > 40


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("full batches", ["5", "15", "full", "$10^{-4}$", "$10^{-3}$", "$10^{-2}$"]),
        ("refined", ["0", "2", "4", "6", "8", "$10^{-4}$", "$10^{-3}$", "$10^{-2}$"]),
        ("within a decade", ["0", "2", "4", "6", "8", "0.0002", "0.0003175", "0.000504", "0.0008"]),
    ],
)
def test_labels_of_categories_and_numbers(name, labels):
    panel = drawn(name).axes[0]
    assert [text.get_text() for text in (*panel.get_yticklabels(), *panel.get_xticklabels())] == labels


@pytest.mark.parametrize("name", ["regular", "refined", "at odds", "uneven list"])
def test_no_letters_and_no_labels_overlap(name):
    panel = drawn(name).axes[0]
    assert not overlapping(panel.texts)
    assert not overlapping(panel.get_yticklabels())
    # where the rows of a refined diagram are very near, a bar touches a letter
    bars, texts = ([one.get_window_extent() for one in some] for some in (panel.patches, panel.texts))
    assert name == "uneven list" or not any(bar.overlaps(text) for bar in bars for text in texts)


def test_the_right_panel_has_the_delays_and_edges_of_the_tables():
    (cells, axes), right = case("regular"), drawn("regular").axes[1]
    assert set(cells["majority"]) == set(PHASES)
    _, shown, _ = painted(right)
    expected = np.where(np.isfinite(cells["delay"]), np.maximum(cells["delay"], 1), np.nan)
    np.testing.assert_array_equal(shown.T.ravel(), expected)  # x by x, as the cells
    hatched = [patch for patch in right.patches if patch.get_hatch()]
    assert len(hatched) == np.isinf(cells["delay"]).sum()
    [marks] = [line.get_xydata() for line in right.lines if line.get_marker() == "o"]
    found = boundaries(cells, axes)
    crossing = found[["phase", "other"]].isin(("grokking", "comprehension")).sum(axis=1) == 1
    wanted = found[crossing & (found["along"] == "decoder_lr")]
    assert len(wanted)
    np.testing.assert_array_equal(marks, np.column_stack([[math.log10(x) for x in wanted["value"]], wanted["at"]]))


def runs_of_case(name: str) -> pd.DataFrame:
    cells, axes = case(name)
    return runs_at({(cell["x"], cell["y"]): cell["n"] for cell in cells.to_dict("records")}, axes, CASES[name][-1])


def page_of(name: str, scores: pd.DataFrame) -> str:
    limits, plane = Thresholds(test_threshold=0.8, delay=500.0), Experiment("Title", RunConfig(), case(name)[1])
    made = {"command": "python -m analysis.phase_diagram x", "trained_on": ["cpu, torch 2"]}
    return "\n\n".join(command.page(plane, runs_of_case(name), scores, limits, made))


def scores_of(name: str) -> pd.DataFrame:
    cells, axes = case(name)
    return diagram.measured_scores(runs_of_case(name), cells, boundaries(cells, axes))


@pytest.mark.parametrize("name", CASES)
def test_the_page_adds_up(name):
    scores, (cells, axes), (_, told) = scores_of(name), case(name), theory_of(name)
    rows, lines, found = command.phase_rows(scores), command.boundary_rows(scores), boundaries(cells, axes)
    majorities, decided = cells["majority"].value_counts().to_dict(), (cells["majority"] != UNDECIDED).sum()
    counted = {row["phase"]: int(row["points"]) for row in rows}
    assert {name: n for name, n in counted.items() if n} == majorities
    assert sum(int(row["runs"]) for row in rows) == cells["n"].sum()
    text, predicted = page_of(name, scores), page_of(name, told)
    for said in ("0.8. Comp", "less than 500 steps", "p = 10", "loss = mse", "more than half of the seeds"):
        assert (said in text) or said.split(" = ")[0] in (axis.field for axis in axes)
    assert ("## Boundaries" in text) == (len(found) > 0)
    assert not [wrong for wrong in ("np.", "nan", "95 %", "inf") if wrong in text]
    assert sum(row["boundaries"].count(";") + 1 for row in lines) == len(found)
    assert all("|" not in row["boundaries"] for row in lines)  # it would end a cell of the table
    # with what the theory says
    assert ["Predicted without training" in one for one in (text, predicted)] == [False, True]
    assert command.theory_line(told) in predicted
    assert f" of {decided} points" in command.theory_line(told)
    assert not [wrong for wrong in ("np.", "nan", "inf]") if wrong in predicted]
    counts = pd.DataFrame(command.confusion_rows(told)).set_index("measured").stack().str.split(expand=True)
    by_phase = counts[0].astype(int).groupby("measured").sum()
    assert by_phase[by_phase > 0].to_dict() == majorities
    assert counts[1].str.strip("()").astype(int).sum() == cells["n"].sum()


def test_a_line_of_the_page():
    scores, runs = scores_of("one row"), runs_of_case("one row")
    [row] = [row for row in command.boundary_rows(scores) if row["along"] == "decoder_lr at decoder_wd = 0"]
    assert row["boundaries"].split("; ")[0] == "memorisation / 0.000178 [0.0001, 0.000316] / grokking"
    grokking = next(row for row in command.phase_rows(scores) if row["phase"] == "grokking")
    delays = sorted(runs["delay"][runs["phase"] == "grokking"])
    assert grokking["median delay (steps)"] == f"{delays[(len(delays) - 1) // 2]:,.0f}"  # the lower one of two
    assert not any(row["phase"] == "test only" for row in command.phase_rows(scores))
    assert any(row["phase"] == "test only" for row in command.phase_rows(scores_of("test only")))


# --- measured beside predicted ---


@cache
def theory_of(name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The case against its rule a little further to the left, its first seed alone."""
    cells, axes = case(name)
    have, rule = {(cell["x"], cell["y"]): cell["n"] for cell in cells.to_dict("records")}, CASES[name][-1]
    predicted = runs_at(have, axes, lambda u, v, seed: rule(u - 0.2, v, 0))
    expected, scores = compare(runs_of_case(name), as_predicted(predicted), axes)
    return expected, pd.concat([scores_of(name), scores])


@pytest.mark.parametrize("name", ["regular", "one point", "full batches, refined", "ties"])
def test_the_theory_can_be_drawn_without_a_complaint(name):
    cells, axes = case(name)
    expected, _ = theory_of(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure, maps = theory_diagram(cells, expected, axes, "Title"), success_maps(expected, axes)
        figure.draw_without_rendering()
        maps.draw_without_rendering()
    for text in [text for panel in figure.axes for text in (panel.title, panel.xaxis.label, panel.yaxis.label)]:
        low, high = text.get_window_extent().get_points()
        assert (low >= 0).all()
        assert (high <= figure.bbox.size).all()
    differences = figure.axes[2]
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    decided = expected["measured"] != UNDECIDED
    differ = decided & (expected["majority"] != expected["measured"])
    assert ("equal" in told) == (decided & ~differ).any()
    assert ("measured: undecided" in told) == (~decided).any()
    assert ("differ at a measured boundary" in told) == (differ & expected["touches"]).any()
    assert ("differ elsewhere" in told) == (differ & ~expected["touches"]).any()
    _, _, at = painted(differences)
    assert {at(*text.get_position()) for text in differences.texts} <= {1, 2}
    assert not overlapping(differences.texts)
    if name == "regular":  # all differing points have both letters
        assert 0 < differ.sum() < len(expected)
        pairs = zip(expected["measured"][differ], expected["majority"][differ], strict=True)
        assert Counter(text.get_text() for text in differences.texts) == Counter(
            f"{LETTERS[a]}\n{LETTERS[b]}" for a, b in pairs
        )


def test_success_maps_show_the_shares():
    expected, _ = theory_of("regular")
    names = ("measured_test_share", "test_share", "measured_rqi_share", "rqi_share")
    assert len({tuple(expected[name]) for name in names}) == 4
    for panel, name in zip(success_maps(expected, case("regular")[1]).axes[:4], names, strict=True):
        mesh, values, _ = painted(panel)
        np.testing.assert_array_equal(values.T.ravel(), expected[name])
        assert mesh.get_clim() == (0, 1)


# --- the command ---


def arguments(folder: Path, **options) -> command.Arguments:
    """Two by two points of a tiny network, two seeds each."""
    tiny = {"x": "repr_lr=1e-3,3e-2", "y": "decoder_lr=1e-3,1e-2", "set": ("p=5", "n_train=12", "width=16")}
    here = {"out": folder / "out", "store": folder / "runs.sqlite", "seeds": 2, "budget": 300, "theory": True}
    execution = Execution(device="cpu", executor="in-process")
    return command.Arguments(**{"execution": execution, **tiny, **here, **options})


def test_the_command_predicts_its_very_runs(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["phase_diagram", "--theory"])
    command.main(arguments(tmp_path))
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
    command.main(arguments(tmp_path))
    assert (tmp_path / "out/report.json").read_text() == first
    assert "8 runs, 0 of them trained now" in capsys.readouterr().err
    # without the theory the rest is the same
    command.main(arguments(tmp_path, theory=False, out=tmp_path / "plain"))
    plain = json.loads((tmp_path / "plain/report.json").read_text())
    assert plain["scores"] == [row for row in report["scores"] if not row["predictor"]]
    assert "the theory" not in capsys.readouterr().out
    assert not (tmp_path / "plain/predictions.csv").exists()


@pytest.mark.parametrize("name", ["train_threshold", "test_threshold"])
def test_other_thresholds_are_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=rf"^`{name}` must be 0.9 with --theory, .* but is 0.95\.$"):
        command.main(arguments(tmp_path, **{name: 0.95}))
    assert not (tmp_path / "runs.sqlite").exists()
    command.plan(arguments(tmp_path, **{name: 0.95}, theory=False))
    command.plan(arguments(tmp_path, delay=50.0))
