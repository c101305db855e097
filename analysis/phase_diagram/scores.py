"""The numbers of a phase diagram, in one table of scores: how many points and runs end
in each phase, where phases border on one another, and how many are as predicted.

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

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

import efftheory as et
from analysis.phase_diagram.boundaries import boundary_zone
from analysis.runs.phases import PHASES, UNDECIDED, points, with_phases
from analysis.runs.plan import Axis
from analysis.scores.table import COLUMNS

PREDICTOR = "memory_flow"
DRAWS = 3  # initial decoders a run
TARGETS = ("train", "test", "rqi")
BY = ("where", "phase", "other")
_NO_WORDS = dict.fromkeys((*BY, *COLUMNS[:4]), "")
Row = dict[str, Any]


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
    the budget. `delay`, `phase`: those of these steps, so that phase and steps tell one
    story. `train_share`, `test_share`, `rqi_share`: of the draws, those that get there.
    """
    wide = predictions.pivot(index="key", columns="target").loc[[*keys]]
    told = wide["value"][[*TARGETS]].join(wide["probability"][[*TARGETS]].add_suffix("_share"))
    return with_phases(told.reset_index(drop=True), delay)


def compare(runs: pd.DataFrame, predicted: pd.DataFrame, axes: Sequence[Axis]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The predicted diagram held against the measured one, from classified runs and, in
    the same order, what is `foretold`: (points, scores).

    points: as predicted. `measured` is the majority that was measured, `test_share` and
    `rqi_share` are the predicted shares of its runs that generalise and that have
    RQI > 0.95, `measured_...` the measured ones; `touches` and `near` are those of
    `boundary_zone`. Points whose measured phase is UNDECIDED are not compared: no
    prediction can be right or wrong there. A predicted one is wrong.
    """
    fields = [axis.field for axis in axes]
    runs = runs.reset_index(drop=True)
    predicted = runs[[*fields, "seed"]].join(predicted.reset_index(drop=True))
    there = {target: np.isfinite(runs[f"steps_to_{target}"].astype(float)) for target in TARGETS}
    cells, expected = points(runs, axes), points(predicted, axes)
    touches, near = boundary_zone(cells, axes)
    expected = expected.assign(measured=cells["majority"], touches=touches, near=near)
    for target in ("test", "rqi"):
        shares = predicted.assign(measured=there[target]).groupby(fields, sort=True, dropna=False)
        expected[f"{target}_share"] = shares[f"{target}_share"].mean().to_numpy()  # sorted as `points` are
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
    `majority`. Nothing is known of none.

    The interval takes the cases as independent. Neighbouring points are not, and all
    points have the same few seeds, so it is too narrow.
    """
    row, n = {"statistic": statistic, "n": len(pairs), **words}, len(pairs)
    if not n:
        return row | {"low": 0, "high": 1}
    share = et.proportion(int((pairs["measured"] == pairs["majority"]).sum()), n)
    return row | {"value": share.value, "low": share.interval[0], "high": share.interval[1]}


def commonest(statistic: str, measured: pd.Series) -> Row:
    """The share that one answer for all gets, the commonest phase: of equals the first
    in PHASES.
    """
    shares = measured.value_counts(normalize=True).reindex(PHASES, fill_value=0)
    value = shares.max() if len(measured) else np.nan
    row = {"phase": shares.idxmax(), "predictor": "constant", "statistic": statistic}
    return row | {"value": value, "n": len(measured)}


def other_seeds(cells: pd.DataFrame) -> Row:
    """How well experiments predict one another: the share of runs in the commonest
    phase of the point's other runs.

    Of k equally common phases each is the answer with probability 1/k. nan where no
    point has two runs.
    """
    counts = cells.loc[cells["n"] > 1, [*PHASES]].to_numpy()
    others = counts[:, None, :] - np.eye(len(PHASES), dtype=int)  # without a run of the second index's phase
    commonest = others == others.max(axis=-1, keepdims=True)
    right = np.diagonal(commonest, axis1=1, axis2=2) / commonest.sum(axis=-1)
    n = int(counts.sum())
    value = float((counts * right).sum() / n) if n else np.nan
    return {"predictor": "other seeds", "statistic": "runs_equal", "value": value, "n": n}
