"""The picture and the page of a phase diagram show what was measured: every point in
its phase's colour.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib import colors
from matplotlib.collections import QuadMesh
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis.phase_diagram.__main__ import boundary_rows, confusion_rows, page, phase_rows, theory_line
from analysis.phase_diagram.diagram import TARGETS, boundaries, compare, measured_scores, uncertain
from analysis.phase_diagram.pictures import draw_phases, phase_diagram, success_maps, theory_diagram
from analysis.report.look import VERMILION
from analysis.runs.phases import COLOURS, LETTERS, PHASES, UNDECIDED, Thresholds, points, with_phases
from analysis.runs.plan import Axis, Experiment, parse_axis
from neural import RunConfig

X, Y = "decoder_lr=1e-4:1e-2:5:log", "decoder_wd=0:8:5"


def runs_of(have: dict, axes, rule) -> pd.DataFrame:
    """`rule(u, v, seed)` tells steps to train and to test at a place of the plane (0 to
    1 each).
    """

    def share(axis: Axis, value) -> float:
        first, last, here = (axis.position(one) for one in (axis.values[0], axis.values[-1], value))
        return (here - first) / ((last - first) or 1)

    places = [(x, y, seed) for (x, y), n in have.items() for seed in range(n)]
    rows = [(x, y, seed, *rule(share(axes[0], x), share(axes[1], y), seed)) for x, y, seed in places]
    columns = [axes[0].field, axes[1].field, "seed", "train", "test"]
    runs = with_phases(pd.DataFrame(rows, columns=columns).astype({"train": float, "test": float}), 1000)
    runs = runs.assign(rqi=runs["test"].where(runs["test"] < 1000, math.inf))
    return runs.assign(**{f"steps_to_{name}": runs[name].replace(math.inf, math.nan) for name in TARGETS})


def all_phases(u, v, seed):
    """Confusion above, then memorisation, grokking and comprehension from left to
    right; one seed strays.
    """
    if v > 0.9:
        return math.inf, (50.0 if u > 0.8 else math.inf)
    test = 10 ** (4.6 - 3 * (u - 0.3 * v)) + (5000 if seed == 2 else 0)
    return 10.0, (test if u > 0.2 + 0.3 * v else math.inf)


def at_odds(u, v, seed):
    """Every seed has a border of its own."""
    return 10.0, (20.0 if u > 0.3 + 0.2 * v + 0.4 * (seed * 7 % 12) / 12 else math.inf)


def ties(u, v, seed):
    """At the left every seed ends in a phase of its own."""
    if u > 0.1:
        return all_phases(u, v, seed)
    return [(10.0, 20.0), (10.0, math.inf), (math.inf, math.inf)][seed]


CASES = {
    "regular": (X, Y, 0, all_phases),
    "refined": (X, Y, 2, all_phases),
    "at odds": (X, Y, 2, at_odds),
    "ties": (X, Y, 0, ties),
    "one row": (X, "decoder_wd=0", 0, all_phases),
    "one column": ("decoder_wd=1", X, 0, all_phases),
    "one point": ("decoder_wd=1", "n_train=10", 0, all_phases),
    "full batches": (X, "batch_size=5,15,full", 0, all_phases),
    "full batches, refined": (X, "batch_size=5,15,full", 1, all_phases),
    "categories along x": ("loss=mse,ce", "n_train=10:50:5", 1, all_phases),
    "within a decade": ("decoder_lr=2e-4:8e-4:4:log", Y, 0, all_phases),
    "uneven list": (X, "decoder_wd=0,1,2,5,10,50,200", 1, all_phases),
    "never": (X, Y, 0, lambda u, v, seed: (10.0, math.inf)),
    "always at once": (X, Y, 0, lambda u, v, seed: (10.0, 10.0)),
    "test before train": (X, Y, 0, lambda u, v, seed: (100.0, 20.0 * u)),
    "test only": (X, Y, 0, lambda u, v, seed: (math.inf, 20.0)),
    "late": (X, Y, 0, lambda u, v, seed: (1.0, 90_000.0)),
}


@cache
def case(name: str):
    x, y, rounds, rule = CASES[name]
    axes = (parse_axis(RunConfig, "x", x), parse_axis(RunConfig, "y", y))
    have = dict.fromkeys(product(*(axis.values for axis in axes)), 3)
    for _ in range(rounds):
        have |= uncertain(points(runs_of(have, axes, rule), axes), axes, 3)
    cells = points(runs_of(have, axes, rule), axes)
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
    cells, axes = case(name)
    panel = Figure().subplots()
    draw_phases(panel, cells, axes)
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


def test_ties_are_drawn_and_counted_as_undecided():
    """They were drawn as the best of their phases."""
    cells, _ = case("ties")
    left = cells["x"] == cells["x"].min()
    assert cells.loc[left, ["comprehension", "memorisation", "confusion"]].to_numpy().tolist() == [[1, 1, 1]] * 5
    assert ((cells["majority"] == UNDECIDED) == left).all()
    _, scores = theory_of("ties")
    counted = {row["phase"]: row["points"] for row in phase_rows(scores)}
    assert counted[UNDECIDED] == "5"
    assert counted["comprehension"] == f"{(cells['majority'] == 'comprehension').sum()}"
    equal = scores[scores["statistic"] == "points_equal"].set_index("where")
    assert equal["n"].max() == equal.loc[""]["n"].min() == 20
    [undecided] = [row for row in confusion_rows(scores) if row["measured"] == UNDECIDED]
    assert sum(int(cell.split()[0]) for name, cell in undecided.items() if name != "measured") == 5


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
    """Large diagrams have none. Colours 12 apart, as comprehension and grokking were in
    protanopia, are one colour at a glance.
    """
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


def test_delays_are_the_colours_of_the_right_panel():
    cells, _ = case("regular")
    assert set(cells["majority"]) == set(PHASES)
    right = drawn("regular").axes[1]
    _, shown, _ = painted(right)
    expected = np.where(np.isfinite(cells["delay"]), np.maximum(cells["delay"], 1), np.nan)
    np.testing.assert_array_equal(shown.T.ravel(), expected)  # x by x, as the cells
    hatched = [patch for patch in right.patches if patch.get_hatch()]
    assert len(hatched) == np.isinf(cells["delay"]).sum()


def test_edges_of_generalisation_are_where_the_table_says():
    right = drawn("regular").axes[1]
    [marks] = [line.get_xydata() for line in right.lines if line.get_marker() == "o"]
    found = boundaries(*case("regular"))
    crossing = found[["phase", "other"]].isin(("grokking", "comprehension")).sum(axis=1) == 1
    wanted = found[crossing & (found["along"] == "decoder_lr")]
    assert len(wanted)
    np.testing.assert_array_equal(marks, np.column_stack([[math.log10(x) for x in wanted["value"]], wanted["at"]]))


def runs_of_case(name: str) -> pd.DataFrame:
    cells, axes = case(name)
    return runs_of({(cell["x"], cell["y"]): cell["n"] for cell in cells.to_dict("records")}, axes, CASES[name][-1])


def page_of(name: str, scores: pd.DataFrame) -> str:
    limits = Thresholds(test_threshold=0.8, delay=500.0)
    made = {"command": "python -m analysis.phase_diagram x", "trained_on": ["cpu, torch 2"]}
    return "\n\n".join(page(Experiment("Title", RunConfig(), case(name)[1]), runs_of_case(name), scores, limits, made))


def scores_of(name: str) -> pd.DataFrame:
    cells, axes = case(name)
    return measured_scores(runs_of_case(name), cells, boundaries(cells, axes))


@pytest.mark.parametrize("name", CASES)
def test_the_page_adds_up(name):
    scores, (cells, axes) = scores_of(name), case(name)
    rows, lines, found = phase_rows(scores), boundary_rows(scores), boundaries(cells, axes)
    assert sum(int(row["points"]) for row in rows) == len(cells)
    assert sum(int(row["runs"]) for row in rows) == cells["n"].sum()
    text = page_of(name, scores)
    for said in ("0.8. Comp", "less than 500 steps", "p = 10", "loss = mse", "more than half of the seeds"):
        assert (said in text) or said.split(" = ")[0] in (axis.field for axis in axes)
    assert ("## Boundaries" in text) == (len(found) > 0)
    assert not [wrong for wrong in ("np.", "nan", "95 %", "inf") if wrong in text]
    assert sum(row["boundaries"].count(";") + 1 for row in lines) == len(found)
    assert all("|" not in row["boundaries"] for row in lines)  # it would end a cell of the table


def test_a_line_of_the_page():
    scores, runs = scores_of("one row"), runs_of_case("one row")
    [row] = [row for row in boundary_rows(scores) if row["along"] == "decoder_lr at decoder_wd = 0"]
    first = row["boundaries"].split("; ")[0]
    assert first == "memorisation / 0.000178 [0.0001, 0.000316] / grokking"
    grokking = next(row for row in phase_rows(scores) if row["phase"] == "grokking")
    delays = sorted(runs["delay"][runs["phase"] == "grokking"])
    assert grokking["median delay (steps)"] == f"{delays[(len(delays) - 1) // 2]:,.0f}"  # the lower one of two
    assert not any(row["phase"] == "test only" for row in phase_rows(scores))
    assert any(row["phase"] == "test only" for row in phase_rows(scores_of("test only")))


# --- measured beside predicted ---


@cache
def theory_of(name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Points and scores of the case held against the same rule a little further to the
    left, its first seed alone: a theory of one mind.
    """
    cells, axes = case(name)
    have, rule = {(cell["x"], cell["y"]): cell["n"] for cell in cells.to_dict("records")}, CASES[name][-1]
    predicted = runs_of(have, axes, lambda u, v, seed: rule(u - 0.2, v, 0))
    shares = {f"{target}_share": np.isfinite(predicted[target]).astype(float) for target in TARGETS}
    predicted = predicted[[*TARGETS, "delay", "phase"]].assign(**shares)
    expected, scores = compare(runs_of_case(name), predicted, axes)
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


@pytest.mark.parametrize("name", ["regular", "one point", "full batches, refined", "never", "test only", "ties"])
def test_the_page_of_the_theory_adds_up(name):
    cells, _ = case(name)
    _, scores = theory_of(name)
    text = page_of(name, scores)
    assert "Predicted without training" in text
    assert "Predicted without training" not in page_of(name, scores_of(name))
    assert theory_line(scores) in text
    assert f" of {(cells['majority'] != UNDECIDED).sum()} points" in theory_line(scores)
    counts = [cell.split() for row in confusion_rows(scores) for a, cell in row.items() if a != "measured"]
    assert sum(int(points) for points, _ in counts) == len(cells)
    assert sum(int(runs.strip("()")) for _, runs in counts) == cells["n"].sum()
    assert not [wrong for wrong in ("np.", "nan", "inf]") if wrong in text]
