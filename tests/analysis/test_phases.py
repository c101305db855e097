"""Phases, boundaries and refinement, on made-up tables whose answer is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations, pairwise, product
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analysis.phase_diagram.diagram import boundaries, uncertain
from analysis.runs.phases import PHASES, UNDECIDED, Thresholds, classify, phase, points, steps_to, with_phases
from analysis.runs.plan import Axis, parse_axis, planned
from neural import History, RunConfig

LINE = Axis("decoder_wd", (0.0, 1.0, 2.0, 3.0, 4.0))
OTHER = Axis("loss", ("mse",))
A, B, C = "memorisation", "grokking", "comprehension"


def table_of(line: Sequence[dict[str, int]], places=None, at: float | str = "mse") -> pd.DataFrame:
    """Cells of one row of the plane, from the number of runs in each phase."""
    rows = []
    for x, counts in zip(range(len(line)) if places is None else places, line, strict=True):
        full = dict.fromkeys(PHASES, 0) | counts
        most, n = max(PHASES, key=lambda name: full[name]), sum(full.values())
        majority = most if full[most] > n / 2 else UNDECIDED
        row = {"x": x, "y": at, "n": n, **full, "majority": majority, "agreement": full[most] / n, "delay": 1.0}
        rows.append(row)
    return pd.DataFrame(rows)


def two(*counts: int, n: int = 5) -> list[dict[str, int]]:
    """Points at which `counts` of n runs are in phase B and the others in A."""
    return [{A: n - k, B: k} for k in counts]


def along_x(cells: pd.DataFrame, axis: Axis = LINE) -> list[Any]:
    return [found for found in boundaries(cells, (axis, OTHER)).itertuples() if found.along == axis.field]


# --- phases ---


def naive_phase(train: float, test: float, delay: float) -> str:
    """Table 1, row by row, with yes and no for "reached"."""
    learned, generalised = train < math.inf, test < math.inf
    if learned and generalised:
        return "comprehension" if test < train + delay else "grokking"
    return {(True, False): "memorisation", (False, False): "confusion", (False, True): "test only"}[
        learned, generalised
    ]


STEPS = st.one_of(st.integers(0, 30).map(float), st.just(math.inf))


@given(STEPS, STEPS, st.integers(1, 20).map(float))
@example(100, 1099, 1000)
@example(100, 1100, 1000)  # "later than" begins at the threshold itself
@example(5000, 10, 1000)  # the test accuracy is there first
def test_a_phase_is_that_of_the_table(train, test, delay):
    assert phase(train, test, delay) == naive_phase(train, test, delay)


HITS = st.lists(st.one_of(st.integers(0, 55), st.none()), min_size=1, max_size=30)


@given(HITS, st.integers(1, 55), st.integers(1, 55))
@example([5, 9, 10], 10, 9)
def test_steps_to_any_threshold_from_the_record(hits, size, wanted):
    """Accuracies as float32, of which only a record is kept; None: undefined."""
    accuracy = np.array([np.nan if k is None else min(k, size) / size for k in hits], dtype=np.float32)
    history = SimpleNamespace(steps=np.arange(len(accuracy)), traces={"accuracy": accuracy})
    record = np.array(History.record(cast(History, history), "accuracy"), dtype=np.float64)
    reached = [s for s, k in enumerate(hits) if k is not None and min(k, size) >= min(wanted, size)]
    # a share is kept by its shortest decimals as float32, and so is k/size asked for
    decimals = [float(str(value)) for value in accuracy]
    threshold = float(str(np.float32(min(wanted, size) / size)))
    assert steps_to(record, threshold) == (reached[0] if reached else math.inf)
    for other in (0.0, 0.9, 1.0):
        assert steps_to(record, other) == next((s for s, value in enumerate(decimals) if value >= other), math.inf)
    assert steps_to(np.empty((2, 0)), 0.5) == math.inf


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
    strict = classify(runs, Thresholds(train_threshold=0.96))
    assert strict["phase"].tolist()[:3] == ["test only", "test only", "confusion"]
    assert classify(runs, Thresholds(test_threshold=0.2))["test"].tolist() == [50, 5000, 7, 7, 40, 30]


# --- points ---

PLACES = st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from(["mse", "ce"]), STEPS, STEPS)
RUNS = st.lists(PLACES, min_size=1, max_size=25)
PLANE = (Axis("decoder_wd", (0.0, 1.0)), Axis("loss", ("mse", "ce")))


def classified(runs) -> pd.DataFrame:
    return with_phases(pd.DataFrame(runs, columns=["decoder_wd", "loss", "train", "test"]), 10)


@settings(max_examples=30)
@given(RUNS, st.randoms())
def test_points_against_counting(runs, random):
    cells = points(classified(runs), PLANE)
    assert len(cells) == len({run[:2] for run in runs})
    for cell in cells.to_dict("records"):
        here = [run for run in runs if run[:2] == (cell["x"], cell["y"])]
        names = [naive_phase(train, test, 10) for _, _, train, test in here]
        assert {name: cell[name] for name in PHASES} == {name: names.count(name) for name in PHASES}
        assert cell["n"] == len(here)
        assert cell["agreement"] == max(map(names.count, names)) / len(names)
        most = [name for name in PHASES if names.count(name) > len(names) / 2]
        assert cell["majority"] == (most[0] if most else UNDECIDED)
        delays = sorted(math.inf if math.inf in (a, b) else b - a for _, _, a, b in here)
        assert cell["delay"] == delays[(len(delays) - 1) // 2]
        assert (cell["delay"] == math.inf) == (2 * sum(math.inf in run for run in here) > len(here))
    shuffled = random.sample(runs, len(runs))
    pd.testing.assert_frame_equal(points(classified(shuffled), PLANE), cells)


def test_points_have_the_values_of_runs():
    """In a column with None integers are floats, and None is nan."""
    axes = planned("", RunConfig(), "decoder_lr=1e-4:1e-2:3:log", "batch_size=5,15,full").axes
    places = product(axes[0].values, (5.0, 15.0, math.nan), range(3))
    rows = [(lr, size, A if lr < 1e-3 else B) for lr, size, _ in places]
    cells = points(pd.DataFrame(rows, columns=["decoder_lr", "batch_size", "phase"]).assign(delay=math.inf), axes)
    assert len(cells) == 9
    found = boundaries(cells, axes)
    assert [axes[1].value(at) for at in found["at"]] == [5, 15, None]
    assert found["where"].tolist() == [f"decoder_lr at batch_size = {size}" for size in (5, 15, None)]
    assert list(uncertain(cells, axes, 1)) == [(0.000316228, 5), (0.000316228, 15), (0.000316228, None)]
    assert all(isinstance(size, int) for _, size in list(uncertain(cells, axes, 1))[:2])


def test_points_of_one_setting_only():
    runs = pd.DataFrame({"n_train": [10], "batch_size": [None], "delay": 3.0, "phase": B})
    cells = points(runs, (Axis("n_train", (10,)), Axis("batch_size", (None,))))
    assert cells[["x", "y", "n", "majority", "delay"]].to_numpy().tolist() == [[10, None, 1, B, 3]]


# --- boundaries ---

PENALTY, DROP = 4.0, 4.0  # as scores/changes.py has them
Counts = list[list[int]]  # point by point, how many runs in each of PHASES


def cells_from(line: Counts, places=None, at: float | str = "mse") -> pd.DataFrame:
    return table_of([dict(zip(PHASES, point, strict=True)) for point in line], places, at)


def naive_pool(line: Counts) -> list[int]:
    return [sum(column) for column in zip(*line, strict=True)]


def naive_likelihood(line: Counts, ends: tuple[int, ...]) -> float:
    total = 0.0
    for a, b in pairwise(ends):
        pooled = naive_pool(line[a:b])
        total += sum(k * math.log(k / sum(pooled)) for k in pooled if k)
    return total


def naive_partitions(line: Counts) -> list[tuple[int, ...]]:
    """The best of all partitions; more than one if they are equally good."""
    n = len(line)
    every = [(0, *inner, n) for size in range(n) for inner in combinations(range(1, n), size)]
    score = {ends: naive_likelihood(line, ends) - PENALTY * (len(ends) - 2) for ends in every}
    return [ends for ends in every if score[ends] >= max(score.values()) - 1e-9]


def naive_sides(line: Counts, begin: int, cut: int, end: int) -> list[str]:
    """Of equally common phases the first."""
    return [PHASES[pool.index(max(pool))] for pool in (naive_pool(line[begin:cut]), naive_pool(line[cut:end]))]


def naive_name(pool: list[int]) -> str:
    return PHASES[pool.index(max(pool))] if pool.count(max(pool)) == 1 else UNDECIDED


def naive_boundaries(line: Counts, ends: tuple[int, ...]) -> list[tuple[str, str, float, float, float]]:
    """from, to, low, position, high on an axis of the numbers from 0."""
    found = []
    for i, (begin, here, end) in enumerate(zip(ends, ends[1:], ends[2:], strict=False), 1):
        sides = naive_sides(line, begin, here, end)
        if sides[0] == sides[1]:
            continue
        moved = {
            cut: naive_likelihood(line, (*ends[:i], cut, *ends[i + 1 :]))
            for cut in range(begin + 1, end)
            if naive_sides(line, begin, cut, end) == sides
        }
        best = [cut for cut, value in moved.items() if value >= max(moved.values()) - 1e-9]
        within = [cut for cut, value in moved.items() if value >= max(moved.values()) - DROP]
        names = (naive_name(naive_pool(part)) for part in (line[begin:here], line[here:end]))
        found.append((*names, min(within) - 1, (min(best) - 1 + max(best)) / 2, max(within)))
    return found


def told(cells: pd.DataFrame) -> list[tuple]:
    return [(one.phase, one.other, one.low, one.value, one.high) for one in along_x(cells)]


POINT = st.lists(st.integers(0, 9), min_size=len(PHASES), max_size=len(PHASES)).filter(any)
# points that are mostly of one phase, so that there is something to find
PURE = st.tuples(st.integers(0, len(PHASES) - 1), st.integers(1, 9), st.integers(0, len(PHASES) - 1)).map(
    lambda drawn: [drawn[1] * (i == drawn[0]) + (i == drawn[2]) for i in range(len(PHASES))]
)
LINES = st.lists(st.one_of(POINT, PURE), min_size=1, max_size=7)


@settings(max_examples=100)
@given(LINES)
def test_boundaries_against_all_partitions(line):
    expected = [naive_boundaries(line, ends) for ends in naive_partitions(line)]
    assert told(cells_from(line)) in expected  # there are equally good ones


@settings(max_examples=50)
@given(LINES, st.randoms())
def test_neither_the_order_of_rows_nor_the_name_of_the_axis_matters(line, random):
    cells = cells_from(line)
    found = boundaries(cells, (LINE, OTHER))
    order = random.sample(range(len(cells)), len(cells))
    swapped = cells.rename(columns={"x": "y", "y": "x"})
    for other in (boundaries(cells.iloc[order], (LINE, OTHER)), boundaries(swapped, (OTHER, LINE))):
        pd.testing.assert_frame_equal(other, found)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (two(0, 0, 0, 5, 5), [(A, B, 2, 2.5, 3)]),
        # one seed a point, 6 in A and 7 in B: a cut one point off leaves one stray in 7
        # or in 8, 2.87 and 3.01 less, within 4; two points off two: 4.50, 4.77
        (two(*[0] * 6, *[1] * 7, n=1), [(A, B, 4, 5.5, 7)]),
        # a point of half and half: cuts before and after it are mirror images
        (two(0, 0, 2, 4, 4, n=4), [(A, B, 1, 2.0, 3)]),
        *((two(*np.eye(13, dtype=int)[place], n=n), []) for n, place in product((1, 3, 5), range(13))),  # a stray
        (two(5), []),
        (two(*[5] * 13), []),
        (two(*[1, 2] * 6, n=3), []),  # the majority changes at every point
        ([{A: 20}] * 3 + [{A: 12, B: 8}] * 3, []),  # certainty ends at a place, the majority does not
        ([{A: 20}] * 3 + [{B: 10, C: 10}] * 3, [(A, UNDECIDED, 2, 2.5, 3)]),
        # the step to C is too small for a cut of its own; alone it is nearly as likely
        ([{A: 3}, {B: 3}, {B: 3}, {C: 2, B: 1}, {C: 2, B: 1}], [(A, B, 0, 0.5, 1)]),
        (
            [{A: 3}, {A: 3}, {B: 3}, {B: 3}, {C: 3}, {C: 3}, {A: 3}, {A: 3}],
            [(A, B, 1, 1.5, 2), (B, C, 3, 3.5, 4), (C, A, 5, 5.5, 6)],
        ),
    ],
)
def test_boundaries_by_hand(line, expected):
    assert told(table_of(line)) == expected


def test_a_plane_has_boundaries_along_both_axes():
    """B above and right of a staircase."""
    axes = (Axis("decoder_wd", (0.0, 1.0, 2.0)), Axis("repr_wd", (0.0, 1.0, 2.0)))
    cells = pd.concat([table_of(two(*(5 * (x + y >= 3) for x in range(3))), at=float(y)) for y in range(3)])
    found = {(one.along, one.at): one.value for one in boundaries(cells, axes).itertuples()}
    assert found == {(field, at): 2.5 - at for field in ("decoder_wd", "repr_wd") for at in (1.0, 2.0)}


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        (3.5, [two(*[k] * 4, *[40 - k] * 4, n=40) for k in (0, 4, 8, 12, 16)]),  # noise
        (2.5, [two(*(n * k for k in (1, 1, 1, 2, 2, 2)), n=3 * n) for n in (100, 20, 10, 5)]),  # fewer seeds
    ],
)
def test_what_is_less_certain_has_wider_intervals(value, lines):
    found = [along_x(table_of(line)) for line in lines]
    widths = [one.high - one.low for [one] in found]
    assert {one.value for [one] in found} == {value}
    assert widths == sorted(widths)
    assert widths[0] == 1 < widths[-1]


def test_a_logarithmic_axis_is_cut_in_its_own_units():
    axis = parse_axis(RunConfig, "x", "decoder_lr=1e-5:1e-1:5:log")
    [found] = along_x(table_of(two(0, 0, 5, 5, 5), places=axis.values), axis)
    assert (found.low, found.high) == (1e-4, 1e-3)  # the very values of the two points
    assert found.value == pytest.approx(10**-3.5)


def test_categories_have_neither_boundaries_nor_refinement():
    axis = Axis("loss", ("mse", "ce"))
    cells = table_of(two(0, 5), places=axis.values)
    assert boundaries(cells, (axis, OTHER)).empty
    assert boundaries(cells.rename(columns={"x": "y", "y": "x"}), (OTHER, axis)).empty
    assert uncertain(cells, (axis, OTHER), 5) == {}


def simulated(before: float, seeds: int, step: bool, n_lines: int = 400) -> list[tuple[int, list[Any]]]:
    """A random cut and what was found, a line each: 13 points, a share of B."""
    rng = np.random.default_rng(7)
    names = tuple(f"{number:03}" for number in range(n_lines))  # categories: there is no line across the lines
    cuts = rng.integers(1, 13, n_lines)
    share = np.where(np.arange(13) < cuts[:, None], before, 1 - before if step else before)
    counts = rng.binomial(seeds, share)
    rows = [cells_from([[0, k, seeds - k, 0, 0] for k in line], at=at) for at, line in zip(names, counts, strict=True)]
    lines: dict[str, list] = {name: [] for name in names}
    for at, found in boundaries(pd.concat(rows), (LINE, Axis("loss", names))).groupby("at"):
        lines[str(at)] += found.itertuples()
    return list(zip(cuts.tolist(), lines.values(), strict=True))


@pytest.mark.parametrize(
    ("seeds", "share", "detected", "coverage"),
    [
        *((1, 0.1, 0.580, 0.99), (1, 0.25, 0.244, 0.9), (3, 0.1, 0.941, 0.99), (3, 0.25, 0.553, 0.96)),
        *((5, 0.25, 0.760, 0.97), (1, 0.5, 0.055, None), (3, 0.5, 0.053, None)),
        *((3, 0.1, 0.015, None), (5, 0.25, 0.019, None)),
    ],
)
def test_boundaries_are_found_as_often_as_the_table_says(seeds, share, detected, coverage):
    """That in scores/changes.py; with a step, or without one (no coverage). A test may
    be three standard errors of its own sample worse.
    """
    lines = simulated(share, seeds, step=coverage is not None)
    errors = 3 * math.sqrt(detected * (1 - detected) / len(lines))
    found = np.mean([bool(found) for _, found in lines])
    assert (found <= detected + errors) if coverage is None else (found >= detected - errors)
    if coverage is not None:
        held = [one.low <= cut - 1 and cut <= one.high for cut, found in lines for one in found]
        assert np.mean(held) >= coverage - 3 * math.sqrt(coverage * (1 - coverage) / len(held))


# --- refinement ---


@pytest.mark.parametrize(
    ("line", "values", "places", "expected"),
    [
        (two(0, 0, 0, 0, 0), LINE.values, LINE.values, {}),
        (two(0, 0, 5, 5, 5), LINE.values, LINE.values, {1.5: 5}),  # between unlike neighbours
        # unless they are farther apart than the grid: that is other lines' matter
        (two(0, 5, 5), LINE.values, (0.0, 2.0, 2.5), {}),
        (two(0, 5, 5), (0.0, 2.0), (0.0, 2.0, 2.5), {1.0: 5}),
        (two(0, 5), (10, 11), (10, 11), {}),  # neighbouring integers have nothing between
        *(([{A: 1, B: n - 1}], LINE.values, None, {0: k}) for n, k in ((5, 10), (9, 18), (10, 20), (19, 20))),
        *(([{A: 1, B: n - 1}], LINE.values, None, {}) for n in (20, 40)),  # doubled, up to four times the seeds
    ],
)
def test_where_the_next_runs_tell_most(line, values, places, expected):
    axis, cells = Axis("decoder_wd", values), table_of(line, places)
    assert uncertain(cells, (axis, OTHER), 5) == {(x, "mse"): n for x, n in expected.items()}
    swapped = cells.rename(columns={"x": "y", "y": "x"})
    assert uncertain(swapped, (OTHER, axis), 5) == {("mse", x): n for x, n in expected.items()}


def cells_of(wanted: dict, rule: Callable[[Any, Any, int], str], axes) -> pd.DataFrame:
    """The cells of runs whose phase `rule(x, y, seed)` decides."""
    rows = [(x, y, rule(x, y, seed)) for (x, y), n in wanted.items() for seed in range(n)]
    columns = [axes[0].field, axes[1].field, "phase"]
    return points(pd.DataFrame(rows, columns=columns).assign(delay=1.0), axes)


@settings(max_examples=20)
@given(st.integers(2, 5), st.integers(2, 5), st.lists(st.sampled_from(PHASES), min_size=75), st.integers(1, 3))
def test_only_new_runs_are_wanted(nx, ny, names, seeds):
    axes = (Axis("decoder_wd", tuple(map(float, range(nx)))), Axis("n_train", tuple(range(10, 10 + 3 * ny, 3))))
    have: Any = dict.fromkeys(product(axes[0].values, axes[1].values), seeds)
    drawn = iter(names)
    found = uncertain(cells_of(have, lambda x, y, seed: next(drawn), axes), axes, seeds)
    for point, n in found.items():
        on_line = sum(value in a.values for a, value in zip(axes, point, strict=True))
        # else halfway along one of the axes
        assert seeds < n <= 4 * seeds if point in have else (n, on_line) == (seeds, 1)


@pytest.mark.parametrize("log", [False, True])
def test_each_round_halves_what_is_not_known(log):
    """The points on either side of a border come twice closer each round."""
    text = "decoder_lr=1e-5:1e-2:7:log" if log else "decoder_wd=0:6:7"
    axes = (parse_axis(RunConfig, "x", text), Axis("repr_wd", (0.0, 1.0, 2.0)))

    def rule(x, y, seed):
        return A if axes[0].position(x) < axes[0].position(axes[0].values[3]) + (0.1 + 0.15 * y) else B

    have = dict.fromkeys(product(axes[0].values, axes[1].values), 2)
    spacing = axes[0].position(axes[0].values[1]) - axes[0].position(axes[0].values[0])
    cells = cells_of(have, rule, axes)
    for number in range(1, 7):
        wanted = uncertain(cells, axes, 2)
        assert 0 < len(wanted) <= 30 * 2**number  # work goes to the border, not to the plane
        assert not set(wanted) & set(have)
        have |= wanted
        cells = cells_of(have, rule, axes)
        for _, line in cells.groupby("y"):
            if set(axes[0].values) <= set(line["x"]):  # not a line that began with a refinement
                below = max(axes[0].position(x) for x in line["x"][line["majority"] == A])
                above = min(axes[0].position(x) for x in line["x"][line["majority"] == B])
                assert above - below == pytest.approx(spacing / 2**number, rel=1e-3)


def test_rounds_come_to_an_end_on_integers():
    axes = (Axis("n_train", (10, 20, 30)), Axis("width", (8, 16)))
    have = dict.fromkeys(product(axes[0].values, axes[1].values), 1)
    for _ in range(12):
        have |= uncertain(cells_of(have, lambda x, y, seed: A if x + y < 33 else B, axes), axes, 1)
    assert not uncertain(cells_of(have, lambda x, y, seed: A if x + y < 33 else B, axes), axes, 1)
    assert all(isinstance(x, int) and isinstance(y, int) for x, y in have)
    for y in (8, 16):  # the border is known to one sample
        assert {(32 - y, y), (33 - y, y)} <= set(have)
