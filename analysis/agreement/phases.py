"""The four phases of learning, and where one ends and another begins.

Source: paper, table 1. It says "> 90 %" of an accuracy, the official code compares with >=; so does this module, and
with 10 test samples that decides whether 9 of them are enough. A run that never crosses is censored at its budget. The
table leaves one case open, a test accuracy that gets there while the training accuracy does not: "test only" here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.runs.plan import Axis

PHASES = ("comprehension", "grokking", "memorisation", "confusion", "test only")
GENERALISING = ("comprehension", "grokking")

# Half of the 95 % point of chi-squared with one degree of freedom: how far a profile log-likelihood may fall.
_DROP = 1.920729


@dataclass(frozen=True)
class Thresholds:
    """What counts as learned, and as late."""

    train: float = 0.9
    """Training accuracy to be reached (at least this much)."""
    test: float = 0.9
    """Test accuracy to be reached."""
    delay: float = 1000.0
    """Steps between the two from which on generalisation is grokking."""


def steps_to(record: NDArray[np.float64], threshold: float) -> float:
    """First step at which a metric was at least `threshold`, inf if never; from its record (2, n): steps, values."""
    steps, values = record
    first = np.searchsorted(values, threshold)
    return float(steps[first]) if first < len(steps) else np.inf


def phase(train: float, test: float, delay: float) -> str:
    """Table 1 for one run: steps to the two thresholds, inf where they were not reached."""
    if np.isinf(train):
        return "confusion" if np.isinf(test) else "test only"
    if np.isinf(test):
        return "memorisation"
    return "comprehension" if test - train < delay else "grokking"


def classify(runs: pd.DataFrame, thresholds: Thresholds) -> pd.DataFrame:
    """`runs` with the columns `train`, `test` (steps, inf = not within the budget), `delay` (inf unless both) and `phase`."""
    train = np.array([steps_to(record, thresholds.train) for record in runs["train_record"]])
    test = np.array([steps_to(record, thresholds.test) for record in runs["test_record"]])
    both = np.isfinite(train) & np.isfinite(test)
    delay = np.subtract(test, train, where=both, out=np.full(len(runs), np.inf))
    phases = [phase(*steps, thresholds.delay) for steps in zip(train, test, strict=True)]
    return runs.assign(train=train, test=test, delay=delay, phase=phases)


def points(runs: pd.DataFrame, axes: Sequence[Axis]) -> pd.DataFrame:
    """A row a point of the plane: how many runs, how many in each phase, the majority, its agreement, the delay.

    majority: the most frequent phase (of equally frequent ones the first in PHASES). agreement: the share of the
    runs that are in it. delay: lower median over the runs, inf where more than half of them never generalise.
    """
    rows = []
    for values, group in runs.groupby([axis.field for axis in axes], sort=True, dropna=False):
        counts = {name: int((group["phase"] == name).sum()) for name in PHASES}
        majority = max(PHASES, key=lambda name: counts[name])  # max keeps the first of equals
        rows.append(
            {name: axis.value(value) for name, axis, value in zip("xy", axes, values, strict=True)}
            | {"n": len(group)}
            | counts
            | {
                "majority": majority,
                "agreement": counts[majority] / len(group),
                "delay": float(np.quantile(group["delay"], 0.5, method="inverted_cdf")),
            }
        )
    return pd.DataFrame(rows)


def boundaries(cells: pd.DataFrame, axes: Sequence[Axis]) -> list[dict[str, Any]]:
    """Where the majority changes along each line of the plane, with a 95 % interval.

    On a line (one value of the other axis) every stretch of one majority borders on the next. Between stretches of
    phases A and B the model is a step: a run is in B with one probability on the near side of the boundary
    and with another beyond. The position is the likeliest cut (or the middle of those equally likely) between two
    neighbouring points, the interval holds every cut whose profile likelihood is within chi-squared's 95 %. It is
    never narrower than the two points between which the cut lies: finer is not known without a run in between.

    Only lines along an axis of numbers have boundaries.
    """
    found = []
    for along, (axis, other) in {"x": (axes[0], axes[1]), "y": (axes[1], axes[0])}.items():
        if not axis.is_number:
            continue
        across = "y" if along == "x" else "x"
        for at, line in cells.groupby(across, dropna=False):
            line = line.sort_values(along)
            stretches = [list(group) for _, group in groupby(line.to_dict("records"), key=lambda row: row["majority"])]
            for near, far in pairwise(stretches):
                found.append(
                    {"along": axis.field, "at": {other.field: other.value(at)}}
                    | {"from": near[0]["majority"], "to": far[0]["majority"]}
                    | _cut(near, far, along, axis)
                )
    return found


def _cut(near: list[dict], far: list[dict], along: str, axis: Axis) -> dict[str, float]:
    """Position and interval of the boundary between two neighbouring stretches of points."""
    line = [*near, *far]
    places = np.array([axis.position(row[along]) for row in line])
    before = np.array([row[near[0]["majority"]] for row in line])
    beyond = np.array([row[far[0]["majority"]] for row in line])
    cuts = np.arange(1, len(line))
    likelihood = np.array(
        [_log_likelihood(before[:c], beyond[:c]) + _log_likelihood(before[c:], beyond[c:]) for c in cuts]
    )
    # a cut the wrong way round (A beyond, B before) is another boundary
    slope = [_share(before[c:], beyond[c:]) - _share(before[:c], beyond[:c]) for c in cuts]
    likelihood[np.array(slope) < 0] = -np.inf
    best = cuts[likelihood >= likelihood.max() - 1e-9]
    within = cuts[likelihood >= likelihood.max() - _DROP]
    position = (places[best[0] - 1] + places[best[-1]]) / 2
    low, high = line[within[0] - 1][along], line[within[-1]][along]
    return {"position": float(10**position if axis.log else position), "low": float(low), "high": float(high)}


def _share(before: NDArray[np.int64], beyond: NDArray[np.int64]) -> float:
    total = before.sum() + beyond.sum()
    return beyond.sum() / total if total else 0.5


def _log_likelihood(before: NDArray[np.int64], beyond: NDArray[np.int64]) -> float:
    """Of a stretch in which each run is in the far phase with one probability, at its best value."""
    a, b = before.sum(), beyond.sum()
    return sum(k * np.log(k / (a + b)) for k in (a, b) if k)


def uncertain(cells: pd.DataFrame, axes: Sequence[Axis], seeds: int) -> dict[tuple[Any, Any], int]:
    """Where the next runs tell most: {(x, y): how many seeds there should be}.

    Halfway between neighbours on a line whose majorities differ (no farther apart than the first grid was), with
    `seeds` seeds; and twice as many seeds as there are where the seeds disagree, up to four times `seeds`.
    """
    x, y = axes
    places = [(x.value(a), y.value(b)) for a, b in zip(cells["x"], cells["y"], strict=True)]
    cells = cells.assign(point=pd.Series(places, index=cells.index, dtype=object))
    wanted: dict[tuple[Any, Any], int] = {}
    for row in cells.to_dict("records"):
        if row["agreement"] < 1 and row["n"] < 4 * seeds:
            wanted[row["point"]] = min(2 * row["n"], 4 * seeds)
    have = set(cells["point"])
    for along, axis in zip("xy", axes, strict=True):
        if not axis.is_number:
            continue
        spacing = max((axis.position(b) - axis.position(a) for a, b in pairwise(axis.values)), default=0)
        across = "y" if along == "x" else "x"
        for _, line in cells.groupby(across, dropna=False):
            for a, b in pairwise(line.sort_values(along).to_dict("records")):
                apart = axis.position(b[along]) - axis.position(a[along])
                middle = axis.between(a[along], b[along])
                if a["majority"] == b["majority"] or apart > 1.001 * spacing or middle is None:
                    continue
                point = (middle, a["point"][1]) if along == "x" else (a["point"][0], middle)
                if point not in have:
                    wanted.setdefault(point, seeds)
    return wanted
