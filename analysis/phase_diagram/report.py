"""All numbers of a phase diagram."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pandas as pd

from analysis.phase_diagram.phases import Thresholds, boundaries, classify, points
from analysis.phase_diagram.theory import compare
from analysis.runs.experiments import Plane
from analysis.runs.store import phase_records, step_columns


def study(
    runs: pd.DataFrame, plane: Plane, thresholds: Thresholds, predicted: pd.DataFrame | None = None
) -> dict[str, Any]:
    """All numbers of the report from a table of runs, and what the theory predicts of them."""
    runs = classify(runs, thresholds, phase_records(plane.family))
    cells = points(runs, plane.axes)
    x, y = plane.axes
    base = {name: value for name, value in asdict(plane.base).items() if name not in (x.field, y.field, "seed")}
    numbers = [x.field, y.field, "seed", "phase", "train", "test", "delay"]
    numbers += [name for name in step_columns(plane.family) if name not in ("steps_to_train", "steps_to_test")]
    numbers += ["steps_run", *(metric.name for metric in plane.family.METRICS if metric.kind == "share")]
    return {
        "name": plane.name,
        "title": plane.title,
        "x": {"field": x.field, "values": x.values, "log": x.log},
        "y": {"field": y.field, "values": y.values, "log": y.log},
        "base": base,
        "thresholds": asdict(thresholds),
        "points": cells.to_dict("records"),
        "boundaries": boundaries(cells, plane.axes),
        "runs": runs[numbers].to_dict("records"),
    } | ({} if predicted is None else {"theory": compare(runs, predicted, plane.axes)})
