"""The four phases of learning, and where one ends and another begins.

Source: paper, table 1. It says "> 90 %" of an accuracy, the official code compares with
>=; so does this module, and with 10 test samples that decides whether 9 of them are
enough. A run that never crosses is censored at its budget. The table leaves one case
open, a test accuracy that gets there while the training accuracy does not: "test only"
here.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import xlogy

from analysis.phase_diagram.records import Boundary, Thresholds
from analysis.runs.plan import Axis

PHASES = ("comprehension", "grokking", "memorisation", "confusion", "test only")
UNDECIDED = "undecided"  # what seeds that disagree leave a point without a majority
GENERALISING = ("comprehension", "grokking")

# What a cut must gain in log-likelihood, and how much less likely than the best one a
# cut of an interval may be. A change point has no chi-squared, so both are calibrated
# by simulation: lines of 13 points with two phases, 4,000 of each kind. No step: one
# phase has the probability p everywhere. Step: p before a cut (any of the 12, at
# random) and 1 - p behind it.
#
#   seeds   no step: lines           step: lines              step: boundaries whose
#           with a boundary          with a boundary          interval holds the cut
#           p = 0.1   0.25    0.5    p = 0    0.1     0.25    p = 0    0.1    0.25
#   1         1.0 %  4.0 %  5.5 %    84.5 %  58.0 %  24.4 %   100 %    99 %   90 %
#   3         1.5 %  3.3 %  5.3 %     100 %  94.1 %  55.3 %   100 %    99 %   96 %
#   5         0.6 %  1.9 %  5.0 %     100 %  98.6 %  76.0 %   100 %    99 %   97 %
#
# Longer lines have more false boundaries: with 3 seeds and p = 0.5, 3.3 % of those of 7
# points, 7.3 % of 25 and 10.1 % of 49 (1,500 of each).
_PENALTY = 4.0
_DROP = 4.0
_ROUNDING = 1e-9  # log-likelihoods nearer than this are equal


def steps_to(record: NDArray[np.float64], threshold: float) -> float:
    """First step at which a metric was at least `threshold`, inf if never; from its
    record (2, n): steps, values.
    """
    steps, values = record
    first = np.searchsorted(values, threshold)
    return float(steps[first]) if first < len(steps) else np.inf


def phase(train: float, test: float, delay: float) -> str:
    """Table 1 for one run: steps to the two thresholds, inf where they were not
    reached.
    """
    if np.isinf(train):
        return "confusion" if np.isinf(test) else "test only"
    if np.isinf(test):
        return "memorisation"
    return "comprehension" if test - train < delay else "grokking"


def classify(
    runs: pd.DataFrame, thresholds: Thresholds, records: tuple[str, str] = ("train_record", "test_record")
) -> pd.DataFrame:
    """`runs` with the columns `train` and `test` (steps, inf = not within the budget),
    `delay` and `phase`; from the `records` of what is learned and of what is
    generalised.
    """
    train = np.array([steps_to(record, thresholds.train) for record in runs[records[0]]])
    test = np.array([steps_to(record, thresholds.test) for record in runs[records[1]]])
    return with_phases(runs.assign(train=train, test=test), thresholds.delay)


def with_phases(runs: pd.DataFrame, limit: float) -> pd.DataFrame:
    """`runs` with the columns `delay` (inf where not both were reached) and `phase`,
    from `train` and `test`; `limit` is the delay from which on generalisation is
    grokking.
    """
    train, test = runs["train"].to_numpy(), runs["test"].to_numpy()
    both = np.isfinite(train) & np.isfinite(test)
    delay = np.subtract(test, train, where=both, out=np.full(len(runs), np.inf))
    return runs.assign(delay=delay, phase=[phase(*steps, limit) for steps in zip(train, test, strict=True)])


def points(runs: pd.DataFrame, axes: Sequence[Axis]) -> pd.DataFrame:
    """A row a point of the plane: how many runs, how many in each phase, the majority,
    its agreement, the delay.

    majority: the phase of more than half of the runs; UNDECIDED where there is none.
    agreement: the share of the runs in the most frequent phase. delay: lower median
    over the runs, inf where more than half of them have none.
    """
    rows = []
    for values, group in runs.groupby([axis.field for axis in axes], sort=True, dropna=False):
        counts = {name: int((group["phase"] == name).sum()) for name in PHASES}
        most = max(PHASES, key=lambda name: counts[name])
        rows.append(
            {name: axis.value(value) for name, axis, value in zip("xy", axes, values, strict=True)}
            | {"n": len(group)}
            | counts
            | {
                "majority": most if 2 * counts[most] > len(group) else UNDECIDED,
                "agreement": counts[most] / len(group),
                "delay": float(np.quantile(group["delay"], 0.5, method="inverted_cdf")),
            }
        )
    return pd.DataFrame(rows)


def boundaries(cells: pd.DataFrame, axes: Sequence[Axis]) -> list[Boundary]:
    """Where one phase gives way to another along each line of the plane, with
    likelihood intervals.

    A line (one value of the other axis) is cut into segments, in each of which every
    phase has one probability: the partition with the greatest likelihood, less a
    penalty a cut. A segment has the phase of most of its runs, UNDECIDED where two have
    equally many; a cut between segments with different ones is a boundary. Its
    position is the middle of the two points that it separates (of all of them where
    several cuts are equally likely), its interval holds every cut that has the same
    phases on both sides (of equally frequent ones the first in PHASES) and is not much
    less likely while the cuts beside it stay. It is never narrower than the two points:
    finer is not known without a run in between.

    Only lines along an axis of numbers have boundaries.
    """
    found = []
    for along, (axis, other) in {"x": (axes[0], axes[1]), "y": (axes[1], axes[0])}.items():
        if not axis.is_number:
            continue
        across = "y" if along == "x" else "x"
        for at, line in cells.groupby(across, dropna=False):
            line = line.sort_values(along)
            where = {other.field: other.value(at)}
            counts = line[list(PHASES)].to_numpy()
            found += _boundaries_of_line(line[along].to_numpy(), counts, axis, where)
    return found


def _boundaries_of_line(
    values: NDArray, counts: NDArray[np.int64], axis: Axis, where: dict[str, Any]
) -> list[Boundary]:
    """From the points' values and how many runs each has in every phase, (n,
    len(PHASES)); `where`: field and value of the other axis.
    """
    places = np.array([axis.position(value) for value in values])
    likelihood = _log_likelihoods(counts)
    found = []
    ends = _partition(likelihood)
    for begin, cut, end in zip(ends, ends[1:], ends[2:], strict=False):
        cuts = np.arange(begin + 1, end)
        before = counts[begin:end].cumsum(axis=0)
        behind = before[-1] - before[:-1]
        near, far = before[:-1].argmax(axis=1), behind.argmax(axis=1)  # the first of equals
        here = cut - begin - 1
        if near[here] == far[here]:
            continue
        cuts = cuts[(near == near[here]) & (far == far[here])]  # others are other boundaries
        total = likelihood[begin, cuts] + likelihood[cuts, end]
        best, within = (cuts[total >= total.max() - drop] for drop in (_ROUNDING, _DROP))
        position = (places[best[0] - 1] + places[best[-1]]) / 2
        found.append(
            Boundary(
                along=axis.field,
                at=where,
                before=_commonest(before[here]),
                after=_commonest(behind[here]),
                position=float(10**position if axis.log else position),
                low=float(values[within[0] - 1]),
                high=float(values[within[-1]]),
            )
        )
    return found


def _commonest(counts: NDArray[np.int64]) -> str:
    """The phase that most runs of a segment have, UNDECIDED where two have as many."""
    return UNDECIDED if (counts == counts.max()).sum() > 1 else PHASES[counts.argmax()]


def _log_likelihoods(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """[i, j] is that of the points from i to j - 1 as one segment, each phase's
    probability at its best value.
    """
    sums = np.concatenate((np.zeros_like(counts[:1]), counts.cumsum(axis=0)))
    segments = np.abs(sums - sums[:, None])
    n_runs = segments.sum(axis=-1)
    return xlogy(segments, segments).sum(axis=-1) - xlogy(n_runs, n_runs)


def _partition(likelihood: NDArray[np.float64]) -> list[int]:
    """Where the segments of the best partition begin, and where the last one ends."""
    best = np.full(len(likelihood), _PENALTY)  # of the points before j; the first segment needs no cut
    last = np.zeros(len(likelihood), dtype=int)  # where the last segment of them begins
    for j in range(1, len(likelihood)):
        total = best[:j] + likelihood[:j, j] - _PENALTY
        last[j] = np.argmax(total >= total.max() - _ROUNDING)
        best[j] = total[last[j]]
    ends = [len(likelihood) - 1]
    while ends[0]:
        ends.insert(0, int(last[ends[0]]))
    return ends


def uncertain(cells: pd.DataFrame, axes: Sequence[Axis], seeds: int) -> dict[tuple[Any, Any], int]:
    """Where the next runs tell most: {(x, y): how many seeds there should be}.

    Halfway between neighbours on a line whose majorities differ (no farther apart than
    the first grid was), with `seeds` seeds; and twice as many seeds as there are where
    the seeds disagree, up to four times `seeds`.
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
