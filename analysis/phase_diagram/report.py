"""All numbers of a phase diagram."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pandas as pd

from analysis.phase_diagram.phases import boundaries, classify, points
from analysis.phase_diagram.records import Study, Thresholds
from analysis.phase_diagram.theory import compare
from analysis.runs.experiments import Plane
from analysis.runs.store import phase_records, step_columns


def study(
    runs: pd.DataFrame,
    plane: Plane,
    thresholds: Thresholds,
    environment: dict[str, Any],
    predicted: pd.DataFrame | None = None,
) -> Study:
    """The report from a table of runs, and what the theory predicts of them."""
    runs = classify(runs, thresholds, phase_records(plane.family))
    cells = points(runs, plane.axes)
    x, y = plane.axes
    base = {name: value for name, value in asdict(plane.base).items() if name not in (x.field, y.field, "seed")}
    numbers = [x.field, y.field, "seed", "phase", "train", "test", "delay"]
    numbers += [name for name in step_columns(plane.family) if name not in ("steps_to_train", "steps_to_test")]
    numbers += ["steps_run", *(metric.name for metric in plane.family.METRICS if metric.kind == "share")]
    return Study(
        name=plane.name,
        title=plane.title,
        x=x,
        y=y,
        base=base,
        thresholds=thresholds,
        points=cells,
        boundaries=boundaries(cells, plane.axes),
        runs=runs[numbers],
        theory=None if predicted is None else compare(runs, predicted, plane.axes),
        environment=environment,
    )


def as_json(report: Study) -> dict[str, Any]:
    """What report.json has: tables are lists of rows, `theory` is there only where
    something was predicted.
    """
    x, y = ({"field": axis.field, "values": axis.values, "log": axis.log} for axis in (report.x, report.y))
    names = {"before": "from", "after": "to"}  # "from" cannot be a field of a record
    edges = [{names.get(name, name): value for name, value in asdict(found).items()} for found in report.boundaries]
    content: dict[str, Any] = asdict(report) | {"x": x, "y": y, "boundaries": edges}
    content |= _rows(report.points, report.runs)
    if report.theory is None:
        del content["theory"]
    else:
        content["theory"] |= _rows(report.theory.points, report.theory.runs)
    return content


def _rows(points: pd.DataFrame, runs: pd.DataFrame) -> dict[str, Any]:
    return {"points": points.to_dict("records"), "runs": runs.to_dict("records")}
