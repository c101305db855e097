"""Where on a plane one phase ends and another begins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import KDTree

from analysis.runs.phases import PHASES, UNDECIDED
from analysis.runs.plan import Axis
from analysis.scores.changes import changes

_DIGITS = 6  # of a place on the grid


def boundaries(cells: pd.DataFrame, axes: Sequence[Axis]) -> pd.DataFrame:
    """Where one phase gives way to another along each line of the plane, with
    likelihood intervals: a row a boundary.

    `along`: the field; `at`: the value of the other axis; `where`: both, in words. A
    segment has the phase of most of its runs, UNDECIDED where two have equally many: a
    change (`analysis.scores.changes`) from a `phase` to the `other` is a boundary. Its
    `value` is the middle of the two points that it separates (of all of them where
    several cuts are equally likely). Its interval from `low` to `high` is never
    narrower than the two points: finer is not known without a run in between.

    Only lines along an axis of numbers have boundaries.
    """
    found = []
    for along, across, axis, other in zip("xy", "yx", axes, axes[::-1], strict=True):
        for at, line in cells.sort_values(along).groupby(across, dropna=False) if axis.is_number else ():
            at = other.value(at)
            said = f"{axis.field} at {other.field} = " + (f"{at:g}" if other.is_number else f"{at}")
            places = [axis.position(value) for value in line[along]]
            for change in changes(line[[*PHASES]].to_numpy()):
                middle = (places[change.best[0] - 1] + places[change.best[1]]) / 2
                low, high = line[along].iloc[[change.within[0] - 1, change.within[1]]].astype(float)
                sides = {"phase": _commonest(change.before), "other": _commonest(change.after)}
                place = {"value": float(10**middle if axis.log else middle), "low": low, "high": high}
                found.append({"along": axis.field, "at": at, "where": said} | sides | place)
    return pd.DataFrame(found, columns=["along", "at", "where", "phase", "other", "value", "low", "high"])


def _commonest(counts: NDArray[np.int64]) -> str:
    """The phase that most runs of a segment have, UNDECIDED where two have as many."""
    return UNDECIDED if (counts == counts.max()).sum() > 1 else PHASES[counts.argmax()]


def uncertain(cells: pd.DataFrame, axes: Sequence[Axis], seeds: int) -> dict[tuple[Any, Any], int]:
    """Where the next runs tell most: {(x, y): how many seeds there should be}.

    Halfway between neighbours on a line whose majorities differ (no farther apart than
    the first grid was), with `seeds` seeds; and twice as many seeds as there are where
    the seeds disagree, up to four times `seeds`.
    """
    points = [(axes[0].value(x), axes[1].value(y)) for x, y in zip(cells["x"], cells["y"], strict=True)]
    wanted = {
        point: min(2 * n, 4 * seeds)
        for point, n, agreement in zip(points, cells["n"], cells["agreement"], strict=True)
        if agreement < 1 and n < 4 * seeds
    }
    majority, have = cells["majority"].to_numpy(), set(points)
    for along, (axis, pairs) in enumerate(zip(axes, _neighbours(_places(cells, axes)), strict=True)):
        for a, b in pairs[majority[pairs[:, 0]] != majority[pairs[:, 1]]].tolist():
            middle = axis.between(points[a][along], points[b][along])
            point = (middle, points[a][1]) if along == 0 else (points[a][0], middle)
            if middle is not None and point not in have:
                wanted.setdefault(point, seeds)
    return wanted


def boundary_zone(cells: pd.DataFrame, axes: Sequence[Axis]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which points lie at a measured boundary, and which within one cell of one:
    (touches, near), bool (n,) each.

    A boundary passes between two points with different majorities that follow each
    other on a line of the plane, at most one step of the first grid apart: both touch
    it. A point is near one that it touches, or that a point around it does, at most
    such a step away along each axis (the eight neighbours, where the plane is not
    refined).
    """
    places, majority = _places(cells, axes), cells["majority"].to_numpy()
    touches = np.zeros(len(cells), dtype=bool)
    for pairs in _neighbours(places):
        touches[pairs[majority[pairs[:, 0]] != majority[pairs[:, 1]]]] = True
    near = touches.copy()
    a, b = KDTree(places).query_pairs(1, p=np.inf, output_type="ndarray").T
    near[a[touches[b]]] = near[b[touches[a]]] = True
    return touches, near


def _places(cells: pd.DataFrame, axes: Sequence[Axis]) -> NDArray[np.float64]:
    """Where the points are in steps of the first grid, (n, 2)."""
    columns = []
    for name, axis in zip("xy", axes, strict=True):
        known = [axis.position(value) for value in axis.values]
        columns.append(np.interp([axis.position(value) for value in cells[name]], known, np.arange(len(known))))
    return np.array(columns).T.round(_DIGITS)


def _neighbours(places: NDArray[np.float64]) -> Iterator[NDArray[np.int64]]:
    """For each axis the pairs of points (k, 2) that follow each other along it, at most
    a step of the first grid apart.
    """
    for along, across in ((0, 1), (1, 0)):
        order = np.lexsort((places[:, along], places[:, across]))
        a, b = order[:-1], order[1:]
        beside = (places[a, across] == places[b, across]) & (places[b, along] - places[a, along] <= 1)
        yield np.array([a[beside], b[beside]]).T
