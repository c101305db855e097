"""Phases, boundaries and refinement, on made-up tables whose answer is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.agreement.phases import (
    PHASES,
    Thresholds,
    boundaries,
    classify,
    phase,
    points,
    steps_to,
    uncertain,
)
from analysis.runs.plan import Axis, parse_axis
from neural import History

LINE = Axis("decoder_wd", (0.0, 1.0, 2.0, 3.0, 4.0))
OTHER = Axis("loss", ("mse",))
A, B, C = "memorisation", "grokking", "comprehension"


def table_of(line: list[dict[str, int]], places=None, at: float | str = "mse") -> pd.DataFrame:
    """Cells of one row of the plane, from the number of runs in each phase."""
    rows = []
    for x, counts in zip(range(len(line)) if places is None else places, line, strict=True):
        full = {name: counts.get(name, 0) for name in PHASES}
        majority = max(PHASES, key=lambda name: full[name])
        n = sum(full.values())
        rows.append(
            {"x": x, "y": at, "n": n} | full | {"majority": majority, "agreement": full[majority] / n, "delay": 1.0}
        )
    return pd.DataFrame(rows)


def two(*counts: int, n: int = 5) -> list[dict[str, int]]:
    """Points at which `counts` of n runs are in phase B and the others in A."""
    return [{A: n - k, B: k} for k in counts]


def along_x(cells: pd.DataFrame, axis: Axis = LINE) -> list[dict[str, Any]]:
    return [found for found in boundaries(cells, (axis, OTHER)) if found["along"] == axis.field]


# --- phases -----------------------------------------------------------------------------------------------------------


def naive_phase(train: float, test: float, delay: float) -> str:
    """Table 1, row by row, with yes and no for "reached"."""
    learned, generalised = train < math.inf, test < math.inf
    soon = learned and generalised and test < train + delay
    names = {
        (True, True, True): "comprehension",
        (True, True, False): "grokking",
        (True, False, False): "memorisation",
        (False, False, False): "confusion",
        (False, True, False): "test only",
    }
    return names[learned, generalised, soon]


@pytest.mark.parametrize(
    ("train", "test", "expected"),
    [
        (100, 1099, "comprehension"),
        (100, 1100, "grokking"),  # "later than" begins at the threshold itself
        (100, 1101, "grokking"),
        (100, 100, "comprehension"),
        (5000, 10, "comprehension"),  # the test accuracy is there first
        (0, 0, "comprehension"),
        (0, 999, "comprehension"),
        (0, 1000, "grokking"),
        (100, math.inf, "memorisation"),
        (0, math.inf, "memorisation"),
        (math.inf, math.inf, "confusion"),
        (math.inf, 0, "test only"),
        (math.inf, 5000, "test only"),
    ],
)
def test_the_truth_table(train, test, expected):
    assert phase(train, test, 1000) == expected
    assert naive_phase(train, test, 1000) == expected


STEPS = st.one_of(st.integers(0, 30).map(float), st.just(math.inf))


@given(STEPS, STEPS, st.integers(1, 20).map(float))
def test_a_phase_is_that_of_the_table(train, test, delay):
    assert phase(train, test, delay) == naive_phase(train, test, delay)


@given(
    st.lists(st.one_of(st.integers(0, 55), st.none()), min_size=1, max_size=30),
    st.integers(1, 55),
    st.integers(1, 55),
)
def test_steps_to_any_threshold_from_the_record(hits, size, wanted):
    """Accuracies as float32, of which only a record is kept; None: undefined."""
    accuracy = np.array([np.nan if k is None else min(k, size) / size for k in hits], dtype=np.float32)
    record = History.record(cast(History, SimpleNamespace(accuracy=accuracy)), "accuracy")
    threshold = min(wanted, size) / size
    reached = [s for s, k in enumerate(hits) if k is not None and min(k, size) >= min(wanted, size)]
    # a share is kept by its shortest decimals as float32: at least k/size is at least that many of them
    found = steps_to(np.array(record, dtype=np.float64), float(str(np.float32(threshold))))
    assert found == (reached[0] if reached else math.inf)
    for other in (0.0, 0.9, 1.0):
        decimals = [float(str(value)) for value in accuracy]
        naive = next((s for s, value in enumerate(decimals) if value >= other), math.inf)
        assert steps_to(np.array(record, dtype=np.float64), other) == naive


def test_nine_of_ten_are_enough():
    accuracy = np.array([0.5, 0.9, 1.0], dtype=np.float32)
    record = History.record(cast(History, SimpleNamespace(accuracy=accuracy)), "accuracy")
    assert steps_to(np.array(record), 0.9) == 1
    assert steps_to(np.array(([], []), dtype=np.float64), 0.5) == math.inf


def test_runs_are_classified_from_their_records():
    def at(step: float) -> np.ndarray:
        return np.array([[0, 7], [0.1, 0.2]]) if step == math.inf else np.array([[0, step], [0.1, 0.95]])

    steps = [(10, 50), (10, 5000), (10, math.inf), (math.inf, math.inf), (math.inf, 40), (900, 30)]
    runs = pd.DataFrame({"train_record": [at(a) for a, _ in steps], "test_record": [at(b) for _, b in steps]})
    found = classify(runs, Thresholds())
    assert found["train"].tolist() == [a for a, _ in steps]
    assert found["test"].tolist() == [b for _, b in steps]
    assert found["phase"].tolist() == [*PHASES[:5], "comprehension"]
    assert found["delay"].tolist() == [40, 4990, math.inf, math.inf, math.inf, -870]
    assert "phase" not in runs
    # other thresholds need no other runs
    assert classify(runs, Thresholds(delay=40))["phase"][0] == "grokking"
    assert classify(runs, Thresholds(train=0.96))["phase"].tolist()[:3] == ["test only", "test only", "confusion"]
    assert classify(runs, Thresholds(test=0.2))["test"].tolist() == [50, 5000, 7, 7, 40, 30]


# --- points -----------------------------------------------------------------------------------------------------------

RUNS = st.lists(
    st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from(["mse", "ce"]), STEPS, STEPS), min_size=1, max_size=25
)
PLANE = (Axis("decoder_wd", (0.0, 1.0)), Axis("loss", ("mse", "ce")))


def classified(runs) -> pd.DataFrame:
    rows = []
    for wd, loss, train, test in runs:
        delay = math.inf if test == math.inf else test - (0 if train == math.inf else train)
        rows.append({"decoder_wd": wd, "loss": loss, "delay": delay, "phase": phase(train, test, 10)})
    return pd.DataFrame(rows)


@settings(max_examples=30)
@given(RUNS, st.randoms())
def test_points_against_counting(runs, random):
    cells = points(classified(runs), PLANE)
    assert len(cells) == len({run[:2] for run in runs})
    for cell in cells.to_dict("records"):
        here = [run for run in runs if run[:2] == (cell["x"], cell["y"])]
        names = [naive_phase(train, test, 10) for _, _, train, test in here]
        assert cell["n"] == sum(cell[name] for name in PHASES) == len(here)
        for name in PHASES:
            assert cell[name] == names.count(name)
        assert names.count(cell["majority"]) == max(map(names.count, names))
        assert cell["agreement"] == names.count(cell["majority"]) / len(names)
        for earlier in PHASES[: PHASES.index(cell["majority"])]:  # of equals the first
            assert names.count(earlier) < names.count(cell["majority"])
        delays = sorted(math.inf if b == math.inf else b - (0 if a == math.inf else a) for _, _, a, b in here)
        assert cell["delay"] == delays[(len(delays) - 1) // 2]
        never = sum(test == math.inf for _, _, _, test in here)
        assert (cell["delay"] == math.inf) == (2 * never > len(here))
    shuffled = random.sample(runs, len(runs))
    pd.testing.assert_frame_equal(points(classified(shuffled), PLANE), cells)


def test_points_have_the_values_of_runs():
    """A column of a table cannot hold None and integers: they come back as nan and floats."""
    axes = (parse_axis("x", "decoder_lr=1e-4:1e-2:3:log"), parse_axis("y", "batch_size=5,15,full"))
    rows = [
        {"decoder_lr": lr, "batch_size": size, "delay": math.inf, "phase": A if lr < 1e-3 else B}
        for lr, size in product(axes[0].values, (5.0, 15.0, math.nan))
    ]
    cells = points(pd.DataFrame(rows), axes)
    assert len(cells) == 9
    found = boundaries(cells, axes)
    assert [line["at"]["batch_size"] for line in found] == [5, 15, None]
    assert list(uncertain(cells, axes, 1)) == [(0.000316228, 5), (0.000316228, 15), (0.000316228, None)]
    assert all(isinstance(size, int) for _, size in list(uncertain(cells, axes, 1))[:2])


def test_points_of_one_setting_only():
    axes = (Axis("n_train", (10,)), Axis("batch_size", (None,)))
    [cell] = points(pd.DataFrame({"n_train": [10], "batch_size": [None], "delay": 3.0, "phase": B}), axes).to_dict(
        "records"
    )
    assert (cell["x"], cell["y"], cell["n"], cell["majority"], cell["delay"]) == (10, None, 1, B, 3)


# --- boundaries -------------------------------------------------------------------------------------------------------


def naive_interval(a: list[int], b: list[int], places: list[float]) -> tuple[float, float, float]:
    """Position and interval over all cuts; each side's likelihood at its best of a fine scan of probabilities."""
    share = np.linspace(0, 1, 2001)[1:-1]

    def side(k: int, n: int) -> float:
        inner = np.max(k * np.log(share) + (n - k) * np.log1p(-share))
        return max(inner, 0.0 if k in (0, n) else -math.inf)

    total = {}
    for cut in range(1, len(places)):
        near, far = (sum(a[:cut]), sum(b[:cut])), (sum(a[cut:]), sum(b[cut:]))
        if near[1] / sum(near) <= far[1] / sum(far):
            total[cut] = side(near[1], sum(near)) + side(far[1], sum(far))
    best = [cut for cut, value in total.items() if value > max(total.values()) - 1e-9]
    within = [cut for cut, value in total.items() if value >= max(total.values()) - 1.9207]
    middle = (places[best[0] - 1] + places[best[-1]]) / 2
    return middle, places[within[0] - 1], places[within[-1]]


def test_a_perfect_step_is_between_two_points():
    [found] = along_x(table_of(two(0, 0, 0, 5, 5)))
    assert found == {
        "along": "decoder_wd",
        "at": {"loss": "mse"},
        "from": A,
        "to": B,
        "position": 2.5,
        "low": 2.0,
        "high": 3.0,
    }


def test_two_runs_already_have_a_boundary():
    [found] = along_x(table_of(two(0, 1, n=1)))
    assert (found["low"], found["position"], found["high"]) == (0, 0.5, 1)


def test_few_seeds_leave_more_open():
    """One seed a point, a step: moving the cut by a point costs log-likelihood, by hand.

    A A | B B B at c = 2: 0. At c = 1: the far side has one A of 4: log(1/4) + 3 log(3/4) = -2.249, beyond the 1.921
    of 95 %. At c = 3 the near side has one B of 3: log(1/3) + 2 log(2/3) = -1.910, within.
    """
    assert math.log(1 / 4) + 3 * math.log(3 / 4) == pytest.approx(-2.249, abs=1e-3)
    assert math.log(1 / 3) + 2 * math.log(2 / 3) == pytest.approx(-1.910, abs=1e-3)
    [found] = along_x(table_of(two(0, 0, 1, 1, 1, n=1)))
    assert (found["low"], found["position"], found["high"]) == (1, 1.5, 3)


def test_equally_likely_cuts_have_their_middle():
    """A point of half and half in the middle: cuts before and after it are mirror images."""
    [found] = along_x(table_of(two(0, 0, 2, 4, 4, n=4)))
    assert found["position"] == 2.0
    assert (found["low"], found["high"]) == (1, 3)


COUNTS = st.integers(2, 7).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.integers(0, n), min_size=2, max_size=8)))


def single(n: int, counts: list[int]) -> pd.DataFrame | None:
    """Their cells if they have one boundary, from A to B. (grokking stands before memorisation: B has the ties)"""
    cells = table_of(two(*counts, n=n))
    majority = [2 * k >= n for k in counts]
    return cells if majority == sorted(majority) and len(set(majority)) == 2 else None


@given(COUNTS)
def test_against_all_cuts(case):
    n, counts = case
    counts = sorted(counts, key=lambda k: 2 * k >= n)
    cells = single(n, counts)
    if cells is None:
        return
    [found] = along_x(cells)
    expected = naive_interval([n - k for k in counts], counts, list(range(len(counts))))
    assert (found["position"], found["low"], found["high"]) == expected


LINES = st.lists(
    st.lists(st.integers(0, 3), min_size=len(PHASES), max_size=len(PHASES)).filter(any), min_size=1, max_size=7
)


@settings(max_examples=30)
@given(LINES)
def test_every_line_has_its_boundaries_in_order(line):
    cells = table_of([dict(zip(PHASES, counts, strict=True)) for counts in line])
    found = along_x(cells)
    majority = cells["majority"].tolist()
    changes = [i for i in range(1, len(majority)) if majority[i] != majority[i - 1]]
    assert [(one["from"], one["to"]) for one in found] == [(majority[i - 1], majority[i]) for i in changes]
    for one in found:
        assert one["low"] < one["high"]
        assert one["low"] <= one["position"] <= one["high"]
        assert {one["low"], one["high"]} <= set(cells["x"])
    # a boundary lies on the two stretches that it parts, so it is no farther than the ones beside it
    ends = [0, *changes, len(majority)]
    for one, begin, end in zip(found, ends, ends[2:], strict=False):
        assert begin <= one["low"]
        assert one["high"] <= end - 1


@settings(max_examples=30)
@given(LINES)
def test_the_mirrored_line_has_the_mirrored_boundaries(line):
    counts = [dict[str, int](zip(PHASES, point, strict=True)) for point in line]
    found = along_x(table_of(counts))
    mirrored = along_x(table_of(counts, places=[-x for x in range(len(counts))]))
    assert len(found) == len(mirrored)
    for one, other in zip(found, reversed(mirrored), strict=True):
        assert (one["from"], one["to"]) == (other["to"], other["from"])
        assert (one["low"], one["high"]) == (-other["high"], -other["low"])
        assert one["position"] == -other["position"]


@settings(max_examples=30)
@given(LINES, st.randoms())
def test_neither_the_order_of_rows_nor_the_name_of_the_axis_matters(line, random):
    cells = table_of([dict(zip(PHASES, counts, strict=True)) for counts in line])
    found = boundaries(cells, (LINE, OTHER))
    order = random.sample(range(len(cells)), len(cells))
    assert boundaries(cells.iloc[order], (LINE, OTHER)) == found
    swapped = cells.rename(columns={"x": "y", "y": "x"})
    assert boundaries(swapped, (OTHER, LINE)) == found


def test_a_plane_has_boundaries_along_both_axes():
    """B above and right of a staircase."""
    axes = (Axis("decoder_wd", (0.0, 1.0, 2.0)), Axis("repr_wd", (0.0, 1.0, 2.0)))
    cells = pd.concat([table_of(two(*(5 * (x + y >= 3) for x in range(3))), at=float(y)) for y in range(3)])
    found = {(one["along"], *one["at"].values()): one["position"] for one in boundaries(cells, axes)}
    assert found == {
        ("decoder_wd", 1.0): 1.5,
        ("decoder_wd", 2.0): 0.5,
        ("repr_wd", 1.0): 1.5,
        ("repr_wd", 2.0): 0.5,
    }


def test_noise_widens_the_interval():
    widths = []
    for k in range(5):
        [found] = along_x(table_of(two(*[k] * 4, *[10 - k] * 4, n=10)))
        assert found["position"] == 3.5
        widths.append(found["high"] - found["low"])
    assert widths == sorted(widths)
    assert widths[0] == 1 < widths[-1]


def test_more_seeds_narrow_the_interval():
    widths = []
    for times in (1, 2, 5, 20):
        [found] = along_x(table_of(two(*(times * k for k in (1, 1, 1, 2, 2, 2)), n=3 * times)))
        widths.append(found["high"] - found["low"])
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] == 1 < widths[0]


def test_a_logarithmic_axis_is_cut_in_its_own_units():
    axis = parse_axis("x", "decoder_lr=1e-5:1e-1:5:log")
    [found] = along_x(table_of(two(0, 0, 5, 5, 5), places=axis.values), axis)
    assert (found["low"], found["high"]) == (1e-4, 1e-3)  # the very values of the two points
    assert found["position"] == pytest.approx(10**-3.5)


def test_a_line_can_have_several_boundaries():
    cells = table_of([{A: 3}, {A: 3}, {B: 3}, {B: 3}, {C: 3}, {C: 3}, {A: 3}])
    found = along_x(cells)
    assert [(one["from"], one["to"], one["position"]) for one in found] == [(A, B, 1.5), (B, C, 3.5), (C, A, 5.5)]


def test_a_uniform_line_has_none():
    assert boundaries(table_of(two(0, 1, 2, 0, 0)), (LINE, OTHER)) == []
    assert boundaries(table_of(two(5)), (LINE, OTHER)) == []


def test_a_cut_the_wrong_way_round_is_another_boundary():
    """A cut after the first point is likely too, but has fewer runs in B beyond it."""
    [found] = along_x(table_of([{A: 11, B: 10}, {A: 100}, {A: 9, B: 10}]))
    assert (found["low"], found["position"], found["high"]) == (1, 1.5, 2)


def test_other_phases_do_not_count_for_a_boundary():
    """A third phase in some of the runs leaves the odds between the two as they are."""
    plain = along_x(table_of(two(1, 1, 4, 4)))
    mixed = along_x(table_of([point | {"confusion": 1} for point in two(1, 1, 4, 4)]))
    assert plain == mixed


def test_categories_have_no_boundaries():
    axis = Axis("loss", ("mse", "ce"))
    cells = table_of(two(0, 5), places=axis.values)
    assert boundaries(cells, (axis, OTHER)) == []
    assert boundaries(cells.rename(columns={"x": "y", "y": "x"}), (OTHER, axis)) == []


def test_the_interval_covers_the_true_cut():
    """Lines of 9 points with 5 seeds, a sharp step from 0.1 to 0.9 at a random place.

    The likelihood of a cut is no smooth function, so 95 % is a guide. A boundary that noise makes elsewhere (a point
    with another majority) parts other stretches: what counts is whether any of the line's intervals holds the cut.
    """
    rng = np.random.default_rng(7)
    n_lines, held, single_held, n_single = 400, 0, 0, 0
    cuts = rng.integers(2, 8, n_lines)
    lines = [two(*(rng.binomial(5, 0.1 if x < cut else 0.9) for x in range(9))) for cut in cuts]
    names = tuple(f"{number:03}" for number in range(n_lines))  # categories: there is no line across the lines
    cells = pd.concat([table_of(line, at=name) for name, line in zip(names, lines, strict=True)])
    everything = boundaries(cells, (LINE, Axis("loss", names)))
    for cut, name in zip(cuts, names, strict=True):
        found = [one for one in everything if one["at"]["loss"] == name and (one["from"], one["to"]) == (A, B)]
        inside = any(one["low"] <= cut - 1 and cut <= one["high"] for one in found)
        held += inside
        if len(found) == 1:
            n_single += 1
            single_held += inside
    error = math.sqrt(0.9 * 0.1 / n_lines)
    assert held / n_lines >= 0.9 - 2 * error
    assert n_single > n_lines / 2
    assert single_held / n_single >= 0.9 - 2 * error


# --- refinement -------------------------------------------------------------------------------------------------------


def test_where_all_agree_nothing_is_uncertain():
    assert uncertain(table_of(two(0, 0, 0, 0, 0)), (LINE, OTHER), 5) == {}


def test_between_unlike_neighbours_lies_the_next_point():
    assert uncertain(table_of(two(0, 0, 5, 5, 5)), (LINE, OTHER), 5) == {(1.5, "mse"): 5}
    swapped = table_of(two(0, 0, 5, 5, 5)).rename(columns={"x": "y", "y": "x"})
    assert uncertain(swapped, (OTHER, LINE), 5) == {("mse", 1.5): 5}


def test_unlike_neighbours_farther_apart_than_the_grid_are_left():
    """After a refinement some lines have few points; what lies between them is the other lines' matter."""
    cells = table_of(two(0, 5, 5), places=(0.0, 2.0, 2.5))
    assert uncertain(cells, (LINE, OTHER), 5) == {}
    assert uncertain(cells, (Axis("decoder_wd", (0.0, 2.0)), OTHER), 5) == {(1.0, "mse"): 5}


def test_seeds_are_doubled_where_they_disagree():
    def wanted(n: int) -> dict:
        return uncertain(table_of([{A: 1, B: n - 1}]), (LINE, OTHER), 3)

    assert [wanted(n) for n in (3, 6, 9, 11)] == [{(0, "mse"): k} for k in (6, 12, 12, 12)]
    assert wanted(12) == wanted(24) == {}


def test_neighbouring_integers_have_nothing_between():
    axis = Axis("n_train", (10, 11))
    assert uncertain(table_of(two(0, 5), places=axis.values), (axis, OTHER), 5) == {}


def test_categories_are_not_refined():
    axis = Axis("loss", ("mse", "ce"))
    assert uncertain(table_of(two(0, 5), places=axis.values), (axis, OTHER), 5) == {}


def cells_of(wanted: dict, rule: Callable[[Any, Any, int], str], axes) -> pd.DataFrame:
    """The cells of runs whose phase `rule(x, y, seed)` decides."""
    rows = [
        {axes[0].field: x, axes[1].field: y, "delay": 1.0, "phase": rule(x, y, seed)}
        for (x, y), n in wanted.items()
        for seed in range(n)
    ]
    return points(pd.DataFrame(rows), axes)


@settings(max_examples=20)
@given(
    st.integers(2, 5),
    st.integers(2, 5),
    st.lists(st.sampled_from(PHASES), min_size=75, max_size=75),
    st.integers(1, 3),
)
def test_only_new_runs_are_wanted(nx, ny, names, seeds):
    axes = (Axis("decoder_wd", tuple(map(float, range(nx)))), Axis("n_train", tuple(range(10, 10 + 3 * ny, 3))))
    have: Any = dict.fromkeys(product(axes[0].values, axes[1].values), seeds)
    drawn = iter(names)
    found = uncertain(cells_of(have, lambda x, y, seed: next(drawn), axes), axes, seeds)
    for point, n in found.items():
        if point in have:
            assert seeds < n <= 4 * seeds
        else:
            assert n == seeds
            on_line = [a for a, value in zip(axes, point, strict=True) if value in a.values]
            assert len(on_line) == 1  # halfway along the other


@pytest.mark.parametrize("log", [False, True])
def test_each_round_halves_what_is_not_known(log):
    """A phase that the place alone decides: the points on either side of its border come closer, twice each round."""
    text = "decoder_lr=1e-5:1e-2:7:log" if log else "decoder_wd=0:6:7"
    axes = (parse_axis("x", text), Axis("repr_wd", (0.0, 1.0, 2.0)))

    def rule(x, y, seed):
        return A if axes[0].position(x) < axes[0].position(axes[0].values[3]) + (0.1 + 0.15 * y) else B

    have = dict.fromkeys(product(axes[0].values, axes[1].values), 2)
    spacing = axes[0].position(axes[0].values[1]) - axes[0].position(axes[0].values[0])
    for number in range(1, 7):
        cells = cells_of(have, rule, axes)
        wanted = uncertain(cells, axes, 2)
        assert not set(wanted) & set(have)
        assert wanted
        have |= wanted
        refined = cells_of(have, rule, axes)
        for _, line in refined.groupby("y"):
            if not set(axes[0].values) <= set(line["x"]):
                continue  # a line that began with a refinement
            below = max(axes[0].position(x) for x in line["x"][line["majority"] == A])
            above = min(axes[0].position(x) for x in line["x"][line["majority"] == B])
            assert above - below == pytest.approx(spacing / 2**number, rel=1e-3)
        # work goes to the border, not to the plane
        assert len(wanted) <= 30 * 2**number


def test_rounds_come_to_an_end_on_integers():
    axes = (Axis("n_train", (10, 20, 30)), Axis("width", (8, 16)))

    def rule(x: int, y: int, seed: int) -> str:
        return A if x + y < 33 else B

    have = dict.fromkeys(product(axes[0].values, axes[1].values), 1)
    for _ in range(12):
        wanted = uncertain(cells_of(have, rule, axes), axes, 1)
        if not wanted:
            break
        have |= wanted
    else:
        pytest.fail("it goes on")
    assert all(isinstance(x, int) and isinstance(y, int) for x, y in have)
    for y in (8, 16):  # the border is known to one sample
        assert {(32 - y, y), (33 - y, y)} <= set(have)
