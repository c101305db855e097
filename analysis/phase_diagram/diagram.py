"""Where on a plane one phase ends and another begins; and the numbers of a phase
diagram, in one table of scores: how many points and runs end in each phase, where
phases border on one another, and how many are as predicted.

Beside what `analysis.scores.table` has: `where` of the plane, if not everywhere; the
`phase`; and the `other` one, behind a boundary, or predicted.

| statistic | what |
|---|---|
| `agreed` | share of the points at which all seeds have one phase |
| `points`, `runs` | how many have a phase; of those measured in it, predicted in another |
| `median_delay` | lower median of its runs' steps between the two accuracies |
| `boundary` | where it gives way to another, with its likelihood interval |
| `points_equal`, `runs_equal` | share of the phases that are as predicted |
| `right`, `right_constant` | share of the runs that reach a target as predicted; by one answer for all |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import KDTree

import efftheory as et
from analysis.runs.phases import PHASES, UNDECIDED, points, with_phases
from analysis.runs.plan import Axis
from analysis.scores.changes import changes
from analysis.scores.table import COLUMNS

PREDICTOR = "memory_flow"
DRAWS = 3  # initial decoders a run
TARGETS = ("train", "test", "rqi")
BY = ("where", "phase", "other")
_DIGITS = 6  # of a place on the grid
_NO_WORDS = dict.fromkeys((*BY, *COLUMNS[:4]), "")
Row = dict[str, Any]


def boundaries(cells: pd.DataFrame, axes: Sequence[Axis]) -> pd.DataFrame:
    """Where one phase gives way to another along each line of an axis of numbers, with
    likelihood intervals: a row a boundary.

    `along`: the field; `at`: the value of the other axis; `where`: both, in words. A
    segment has the phase of most of its runs, UNDECIDED where two have equally many: a
    change (`analysis.scores.changes`) from a `phase` to the `other` is a boundary. Its
    `value` is the middle of the two points that it separates (of all of them where
    several cuts are equally likely), `low` to `high` never less than these two.
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
                place = {"value": float(10**middle if axis.log else middle), "low": low, "high": high}
                sides = {"phase": _commonest(change.before), "other": _commonest(change.after)}
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
    for along, pairs in enumerate(_unlike_neighbours(cells, _places(cells, axes))):
        for a, b in pairs.tolist():
            middle = axes[along].between(points[a][along], points[b][along])
            point = (middle, points[a][1]) if along == 0 else (points[a][0], middle)
            if middle is not None and point not in points:
                wanted.setdefault(point, seeds)
    return wanted


def boundary_zone(cells: pd.DataFrame, axes: Sequence[Axis]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which points lie at a measured boundary, that is, have an unlike neighbour, and
    which within one cell of one: (touches, near), bool (n,) each.

    A point is near a boundary that it touches, or that a point around it does, at most
    one step of the first grid away along each axis.
    """
    places, touches = _places(cells, axes), np.zeros(len(cells), dtype=bool)
    for pairs in _unlike_neighbours(cells, places):
        touches[pairs] = True
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


def _unlike_neighbours(cells: pd.DataFrame, places: NDArray[np.float64]) -> Iterator[NDArray[np.int64]]:
    """For each axis the pairs of points (k, 2) with different majorities that follow
    each other along it, at most a step of the first grid apart.
    """
    majority = cells["majority"].to_numpy()
    for along, across in ((0, 1), (1, 0)):
        order = np.lexsort((places[:, along], places[:, across]))
        a, b = order[:-1], order[1:]
        beside = (places[a, across] == places[b, across]) & (places[b, along] - places[a, along] <= 1)
        yield np.array([a, b])[:, beside & (majority[a] != majority[b])].T


def table_of(rows: Sequence[Mapping[Any, Any]]) -> pd.DataFrame:
    """Scores as one table: "" for words that a row does not have, nan for numbers."""
    table = pd.DataFrame([_NO_WORDS | dict(row) for row in rows], columns=[*BY, *COLUMNS])
    return table.astype(dict.fromkeys(COLUMNS[4:], float))


def measured_scores(runs: pd.DataFrame, cells: pd.DataFrame, edges: pd.DataFrame) -> pd.DataFrame:
    """Of classified runs, the points that they make, and the boundaries of these."""
    rows: list[Row] = [{"statistic": "agreed", "value": (cells["agreement"] == 1).mean(), "n": len(cells)}]
    for name in (*PHASES, UNDECIDED):
        for of, phases in {"points": cells["majority"], "runs": runs["phase"]}.items():
            rows.append({"phase": name, "statistic": of, "value": (phases == name).sum(), "n": len(phases)})
        delays = runs["delay"][(runs["phase"] == name) & np.isfinite(runs["delay"])]
        median = np.quantile(delays, 0.5, method="inverted_cdf") if len(delays) else np.nan
        rows.append({"phase": name, "statistic": "median_delay", "value": median, "n": len(delays)})
    return table_of([*rows, *edges.assign(statistic="boundary").to_dict("records")])


def foretold(predictions: pd.DataFrame, keys: Sequence[str], delay: float) -> pd.DataFrame:
    """What PREDICTOR says of the runs with these keys, in their order, from its rows in
    a table of predictions.

    `train`, `test`, `rqi`: steps to the accuracies and to RQI > 0.95, inf = not within
    the budget, and in `..._share` the draws that get there. `delay`, `phase`: those of
    these steps.
    """
    wide = predictions.pivot(index="key", columns="target").loc[[*keys]]
    told = wide["value"][[*TARGETS]].join(wide["probability"][[*TARGETS]].add_suffix("_share"))
    return with_phases(told.reset_index(drop=True), delay)


def compare(runs: pd.DataFrame, predicted: pd.DataFrame, axes: Sequence[Axis]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The predicted diagram held against the measured one, from classified runs and, in
    the same order, what is `foretold`: (points, scores).

    points: as predicted, with the `measured` majority, the predicted and the measured
    shares of runs that generalise and that have RQI > 0.95, and `touches` and `near` of
    `boundary_zone`. Points whose measured phase is UNDECIDED are not compared: no
    prediction can be right or wrong there. A predicted one is wrong.
    """
    fields = [axis.field for axis in axes]
    runs = runs.reset_index(drop=True)
    predicted = runs[fields].join(predicted.reset_index(drop=True))
    there = {target: np.isfinite(runs[f"steps_to_{target}"].astype(float)) for target in TARGETS}
    cells, expected = points(runs, axes), points(predicted, axes)
    touches, near = boundary_zone(cells, axes)
    expected = expected.assign(measured=cells["majority"], touches=touches, near=near)
    for target in ("test", "rqi"):  # sorted as `points` are
        shares = predicted.assign(measured=there[target]).groupby(fields, sort=True, dropna=False)
        expected[f"{target}_share"] = shares[f"{target}_share"].mean().to_numpy()
        expected[f"measured_{target}_share"] = shares["measured"].mean().to_numpy()

    decided = expected[expected["measured"] != UNDECIDED]
    both = pd.DataFrame({"measured": runs["phase"], "majority": predicted["phase"]})
    rows = [
        equal_share("points_equal", decided),
        equal_share("runs_equal", both),
        equal_share("points_equal", decided[decided["touches"]], where="touches a boundary"),
        equal_share("points_equal", decided[decided["near"]], where="within a cell of one"),
        *(equal_share("runs_equal", here, where=f"seed {seed}") for seed, here in both.groupby(runs["seed"])),
        commonest("points_equal", decided["measured"]),
        commonest("runs_equal", both["measured"]),
        other_seeds(cells),
    ]
    for statistic, pairs in {"points": expected, "runs": both}.items():
        for (a, b), same in pairs.groupby(["measured", "majority"]):
            rows.append({"phase": a, "other": b, "statistic": statistic, "value": len(same), "n": len(pairs)})
    for target, reached in there.items():
        pairs = pd.DataFrame({"measured": reached, "majority": np.isfinite(predicted[target])})
        rows.append(equal_share("right", pairs) | {"target": target})
        constant = max(reached.mean(), 1 - reached.mean())
        rows.append({"target": target, "statistic": "right_constant", "value": constant, "n": len(reached)})
    return expected, table_of([{"target": "phase", "predictor": PREDICTOR} | row for row in rows])


def equal_share(statistic: str, pairs: pd.DataFrame, **words: str) -> Row:
    """How many are as predicted: of a table with `measured` and the predicted
    `majority`; nothing is known of none. The interval takes the cases as independent,
    so it is too narrow: neighbouring points, and those of the same seeds, are alike.
    """
    row = {"statistic": statistic, "n": len(pairs), "low": 0, "high": 1, **words}
    if not len(pairs):
        return row
    share = et.proportion(int((pairs["measured"] == pairs["majority"]).sum()), len(pairs))
    return row | {"value": share.value, "low": share.interval[0], "high": share.interval[1]}


def commonest(statistic: str, measured: pd.Series) -> Row:
    """The share that the commonest phase gets; of equals the first in PHASES."""
    counts = measured.value_counts().reindex(PHASES, fill_value=0)
    row = {"phase": counts.idxmax(), "predictor": "constant", "statistic": statistic, "n": len(measured)}
    return row | {"value": counts.max() / len(measured) if len(measured) else np.nan}


def other_seeds(cells: pd.DataFrame) -> Row:
    """How well experiments predict one another: the share of runs in the commonest
    phase of the point's other runs; of k such phases each is the answer with
    probability 1/k. nan where no point has two runs.
    """
    counts = cells.loc[cells["n"] > 1, [*PHASES]].to_numpy()
    others = counts[:, None, :] - np.eye(len(PHASES), dtype=int)  # without a run of the second index's phase
    commonest = others == others.max(axis=-1, keepdims=True)
    right = np.diagonal(commonest, axis1=1, axis2=2) / commonest.sum(axis=-1)
    n = int(counts.sum())
    value = float((counts * right).sum() / n) if n else np.nan
    return {"predictor": "other seeds", "statistic": "runs_equal", "value": value, "n": n}
