"""The picture and the page of a phase diagram show what was measured: every point in
its phase's colour.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from functools import cache
from itertools import combinations, pairwise, product
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
from analysis.runs.phases import COLOURS, LETTERS, PHASES, UNDECIDED, Thresholds, phase, points
from analysis.runs.plan import Axis, Experiment, parse_axis
from neural import RunConfig

X, Y = "decoder_lr=1e-4:1e-2:5:log", "decoder_wd=0:8:5"


def runs_of(have: dict, axes, rule) -> pd.DataFrame:
    """`rule(u, v, seed)` tells steps to train and to test at a place of the plane (0 to
    1 each).
    """

    def share(axis: Axis, value) -> float:
        first, last = axis.position(axis.values[0]), axis.position(axis.values[-1])
        return (axis.position(value) - first) / ((last - first) or 1)

    rows = []
    for (x, y), n in have.items():
        for seed in range(n):
            train, test = rule(share(axes[0], x), share(axes[1], y), seed)
            delay = math.inf if math.inf in (train, test) else test - train
            rows.append(
                {axes[0].field: x, axes[1].field: y, "seed": seed, "train": train, "test": test, "delay": delay}
                | {"phase": phase(train, test, 1000), "rqi": test if test < 1000 else math.inf}
            )
    runs = pd.DataFrame(rows)
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


@pytest.mark.parametrize("name", CASES)
def test_every_point_is_in_its_colour_and_has_its_letter(name):
    cells, axes = case(name)
    figure = Figure()
    panel = figure.subplots()
    draw_phases(panel, cells, axes)
    [mesh] = [artist for artist in panel.collections if isinstance(artist, QuadMesh)]
    corners, codes = np.asarray(mesh.get_coordinates()), np.asarray(mesh.get_array())
    assert codes.shape == (len(corners) - 1, len(corners[0]) - 1)
    xs, ys = corners[0, :, 0], corners[:, 0, 1]
    letters = [(text.get_position(), text.get_text()[0]) for text in panel.texts]
    assert Counter(letter for _, letter in letters) == Counter(LETTERS[majority] for majority in cells["majority"])
    for ((x, y), letter), majority in zip(letters, cells["majority"], strict=True):
        code = codes[np.searchsorted(ys, y) - 1, np.searchsorted(xs, x) - 1]
        assert letter == LETTERS[majority]
        assert (*PHASES, UNDECIDED)[int(code)] == majority
        shown = mesh.cmap(mesh.norm(code))
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
    edges = [
        line
        for line in right.lines
        if colors.to_hex(line.get_color()) == VERMILION.lower() and np.size(line.get_xdata())
    ]
    assert (len(told) > len(present)) == bool(edges)  # what is not drawn is not in the legend


def test_ties_are_drawn_and_counted_as_undecided():
    """They were drawn as the best of their phases."""
    cells, axes = case("ties")
    left = cells[cells["x"] == cells["x"].min()]
    assert left[["comprehension", "memorisation", "confusion"]].to_numpy().tolist() == [[1, 1, 1]] * 5
    assert (cells["majority"] == UNDECIDED).tolist() == cells["x"].isin(left["x"]).tolist()
    _, scores = theory_of("ties")
    counted = {row["phase"]: row["points"] for row in phase_rows(scores)}
    assert counted[UNDECIDED] == "5"
    assert counted["comprehension"] == f"{(cells['majority'] == 'comprehension').sum()}"
    panel = Figure().subplots()
    draw_phases(panel, cells, axes)
    assert [text.get_text() for text in panel.texts if "?" in text.get_text()] == ["?"] * 5
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


def test_the_regular_case_has_all_five_phases():
    cells, _ = case("regular")
    assert set(cells["majority"]) == set(PHASES)


def test_labels_of_categories_and_numbers():
    panel = drawn("full batches").axes[0]
    assert [text.get_text() for text in panel.get_yticklabels()] == ["5", "15", "full"]
    assert [text.get_text() for text in panel.get_xticklabels()] == ["$10^{-4}$", "$10^{-3}$", "$10^{-2}$"]
    panel = drawn("refined").axes[0]
    assert [text.get_text() for text in panel.get_yticklabels()] == ["0", "2", "4", "6", "8"]
    panel = drawn("within a decade").axes[0]
    assert [text.get_text() for text in panel.get_xticklabels()] == ["0.0002", "0.0003175", "0.000504", "0.0008"]


def test_no_labels_overlap_where_steps_are_uneven():
    figure = drawn("uneven list")
    boxes = [text.get_window_extent() for text in figure.axes[0].get_yticklabels()]
    assert all(a.y1 < b.y0 for a, b in pairwise(boxes))


@pytest.mark.parametrize("name", ["regular", "refined", "at odds", "uneven list"])
def test_no_letters_overlap(name):
    figure = drawn(name)
    panel = figure.axes[0]
    # where the rows of a refined diagram are very near, a bar touches a letter
    boxes = [text.get_window_extent() for text in panel.texts]
    bars = [bar.get_window_extent() for bar in panel.patches]
    assert name == "uneven list" or not any(bar.overlaps(text) for bar in bars for text in boxes)
    for i, a in enumerate(boxes):
        assert not any(a.overlaps(b) for b in boxes[:i])


def test_delays_are_the_colours_of_the_right_panel():
    cells, _ = case("regular")
    right = drawn("regular").axes[1]
    [mesh] = [artist for artist in right.collections if isinstance(artist, QuadMesh)]
    shown = np.ma.filled(
        np.ma.masked_invalid(np.ma.asarray(mesh.get_array())), np.nan
    ).T.ravel()  # x by x, as the cells
    expected = np.where(np.isfinite(cells["delay"]), np.maximum(cells["delay"], 1), np.nan)
    np.testing.assert_array_equal(shown, expected)
    hatched = [patch for patch in right.patches if patch.get_hatch()]
    assert len(hatched) == np.isinf(cells["delay"]).sum()


def test_edges_of_generalisation_are_where_the_table_says():
    cells, axes = case("regular")
    found = boundaries(cells, axes)
    right = drawn("regular").axes[1]
    [marks] = [line.get_xydata() for line in right.lines if line.get_marker() == "o"]
    there = ("grokking", "comprehension")
    wanted = [
        (math.log10(one["value"]), one["at"])
        for one in found.to_dict("records")
        if one["along"] == "decoder_lr" and (one["phase"] in there) != (one["other"] in there)
    ]
    assert wanted
    np.testing.assert_array_equal(marks, wanted)


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
    rows = phase_rows(scores)
    assert sum(int(row["points"]) for row in rows) == len(cells)
    assert sum(int(row["runs"]) for row in rows) == cells["n"].sum()
    text = page_of(name, scores)
    for said in ("0.8. Comp", "less than 500 steps", "p = 10", "loss = mse", "more than half of the seeds"):
        assert (said in text) or said.split(" = ")[0] in (axis.field for axis in axes)
    found = boundaries(cells, axes)
    assert ("## Boundaries" in text) == (len(found) > 0)
    for wrong in ("np.", "nan", "95 %", "inf"):
        assert wrong not in text.replace("information", "")
    lines = boundary_rows(scores)
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
    width, height = figure.bbox.size
    for text in [text for panel in figure.axes for text in (panel.title, panel.xaxis.label, panel.yaxis.label)]:
        box = text.get_window_extent()
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height
    differences = figure.axes[2]
    [mesh] = [artist for artist in differences.collections if isinstance(artist, QuadMesh)]
    corners, codes = np.asarray(mesh.get_coordinates()), np.asarray(mesh.get_array())
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    decided = expected["measured"] != UNDECIDED
    differ = decided & (expected["majority"] != expected["measured"])
    assert ("equal" in told) == (decided & ~differ).any()
    assert ("measured: undecided" in told) == (~decided).any()
    assert ("differ at a measured boundary" in told) == (differ & expected["touches"]).any()
    assert ("differ elsewhere" in told) == (differ & ~expected["touches"]).any()
    for text in differences.texts:
        x, y = text.get_position()
        code = codes[np.searchsorted(corners[:, 0, 1], y) - 1, np.searchsorted(corners[0, :, 0], x) - 1]
        assert code in (1, 2)
    boxes = [text.get_window_extent() for text in differences.texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_differing_points_have_both_letters():
    cells, axes = case("regular")
    expected, _ = theory_of("regular")
    figure = theory_diagram(cells, expected, axes, "Title")
    differ = expected[(expected["majority"] != expected["measured"]) & (expected["measured"] != UNDECIDED)]
    assert 0 < len(differ) < len(expected)
    texts = Counter(text.get_text() for text in figure.axes[2].texts)
    pairs = zip(differ["measured"], differ["majority"], strict=True)
    assert texts == Counter(f"{LETTERS[a]}\n{LETTERS[b]}" for a, b in pairs)


def test_success_maps_show_the_shares():
    _, axes = case("regular")
    expected, _ = theory_of("regular")
    panels = success_maps(expected, axes).axes[:4]
    names = ("measured_test_share", "test_share", "measured_rqi_share", "rqi_share")
    assert len({tuple(expected[name]) for name in names}) == 4
    for panel, name in zip(panels, names, strict=True):
        [mesh] = [artist for artist in panel.collections if isinstance(artist, QuadMesh)]
        np.testing.assert_array_equal(np.asarray(mesh.get_array()).T.ravel(), expected[name])
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
    for wrong in ("np.", "nan", "inf]"):
        assert wrong not in text
