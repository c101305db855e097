"""Train a grid of runs and keep them in the store: one or two axes, some seeds.

    python -m analysis.sweep --x decoder_lr=1e-5:1e-2:7:log --seeds 4 --budget 10000

A stopped sweep goes on where it was, a finished one can be extended: only what is new
is trained.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import tyro

from analysis.report.command import environment, leave, print_trained, trained_on
from analysis.report.files import prepare_folder, table
from analysis.report.words import seed_range
from analysis.runs.cost import print_cost
from analysis.runs.executors import Execution, WorkerError
from analysis.runs.experiments import Plane, PlaneOptions
from analysis.runs.store import RunStore, StoreError, config_columns, step_columns
from analysis.runs.sweep import ensure
from neural.command import run_command

PROG = "python -m analysis.sweep"
ERRORS = (StoreError, WorkerError)


@dataclass(frozen=True)
class Arguments:
    """Train a grid of runs and keep them in the store. What is there already is not
    trained again.
    """

    plane: tyro.conf.OmitArgPrefixes[PlaneOptions] = field(default_factory=PlaneOptions)
    dry_run: tyro.conf.FlagCreatePairsOff[bool] = False
    """Only say how many runs are missing and what they would cost."""
    execution: tyro.conf.OmitArgPrefixes[Execution] = field(default_factory=Execution)
    out: Path = Path("results/sweep")
    """Folder for the report."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


def main(arguments: Arguments) -> None:
    plane = arguments.plane.resolved(n_axes=1)
    execution = arguments.execution.resolved()
    configs = plane.configs()
    if arguments.dry_run:
        print_cost(configs, arguments.store, execution)
        return
    prepare_folder(arguments.out)
    with RunStore(arguments.store) as store:
        n_trained = ensure(configs, store, execution)
        runs = store.table(configs)
    print_trained(len(runs), n_trained)
    summary = shares(runs, plane)
    family = plane.family
    numbers = [*config_columns(family), *step_columns(family), "steps_run", "retired", "accuracy"]
    numbers += [metric.name for metric in family.METRICS if metric.kind == "share"]
    report = {
        "plane": {axis.field: axis.values for axis in plane.axes},
        "summary": summary.to_dict("records"),
        "runs": runs[numbers].astype(object).where(runs[numbers].notna(), None).to_dict("records"),
        "environment": environment(PROG, trained_on(runs)),
    }
    text = table([{name: _text(value) for name, value in row.items()} for row in report["summary"]])
    page = [
        f"# {plane.title}",
        f"{len(runs)} runs, {plane.seeds} seeds a point ({seed_range(runs['seed'])}). Shares of runs that reached the "
        "thresholds within the budget, and the medians of the steps it took (a run that did not get there counts as "
        "longer; - where most did not).",
        text,
    ]
    leave(arguments.out, report, {}, page, [text, ""])


def shares(runs: pd.DataFrame, plane: Plane) -> pd.DataFrame:
    """A row a point: how many runs reached each threshold, and the median steps."""
    names = [axis.field for axis in plane.axes]
    rows = []
    for values, group in runs.groupby(names, dropna=False):
        row = dict(zip(names, values, strict=True)) | {"runs": len(group)}
        for steps in step_columns(plane.family):
            taken = group[steps].fillna(float("inf"))
            row[f"{steps}: share"] = float((taken < float("inf")).mean())
            row[f"{steps}: median"] = float(taken.quantile(0.5, interpolation="lower"))
        rows.append(row)
    return pd.DataFrame(rows)


def _text(value: object) -> str | None:
    if isinstance(value, float):
        return f"{value:g}" if abs(value) < float("inf") else None
    return str(value)


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
