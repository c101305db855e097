"""Train a grid of runs and keep them in the store: one or two axes, some seeds.

    python -m analysis.sweep --x decoder_lr=1e-5:1e-2:7:log --seeds 4 --budget 10000

A stopped sweep goes on where it was, a finished one can be extended: only what is new
is trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.experiments import DIAGRAMS
from analysis.report.command import environment, leave, trained_on
from analysis.report.files import table
from analysis.report.tables import number, seed_range
from analysis.runs.plan import Experiment
from analysis.runs.session import ERRORS, PlaneOptions, trained
from analysis.runs.store import config_columns, step_columns
from neural.command import run_command

PROG = "python -m analysis.sweep"
PAGE = """# {title}

{runs} runs, {seeds} seeds a point ({which}). Shares of runs that reached the thresholds within the budget, and the
medians of the steps it took (a run that did not get there counts as longer; - where most did not).

{table}"""


@dataclass(frozen=True, kw_only=True)
class Arguments(PlaneOptions):
    """Train a grid of runs and keep them in the store. What is there already is not
    trained again.
    """

    out: Path = Path("results/sweep")


def main(arguments: Arguments) -> None:
    plane = arguments.plane(DIAGRAMS, n_axes=1)
    configs, family = plane.configs(), plane.family
    with trained(arguments, configs) as store:
        runs = store.table(configs)
    summary = shares(runs, plane)
    numbers = [*config_columns(family), *step_columns(family), "steps_run", "retired", "accuracy"]
    numbers += [metric.name for metric in family.METRICS if metric.kind == "share"]
    report = {
        "plane": {axis.field: axis.values for axis in plane.axes},
        "summary": summary.to_dict("records"),
        "runs": runs[numbers].astype(object).where(runs[numbers].notna(), None).to_dict("records"),
        "environment": environment(PROG, trained_on(runs)),
    }
    cells: Any = summary.map(lambda value: number(value, "g") if isinstance(value, float) else str(value))
    text = table(cells.to_dict("records"))
    page = PAGE.format(title=plane.title, runs=len(runs), seeds=plane.seeds, which=seed_range(runs["seed"]), table=text)
    leave(arguments.out, report, {}, [page], [text, ""])


def shares(runs: pd.DataFrame, plane: Experiment) -> pd.DataFrame:
    """A row a point: how many runs reached each threshold, and the median steps."""
    rows = []
    for values, group in runs.groupby([axis.field for axis in plane.axes], dropna=False):
        row = {axis.field: value for axis, value in zip(plane.axes, values, strict=True)} | {"runs": len(group)}
        for steps in step_columns(plane.family):
            row[f"{steps}: share"] = float(group[steps].notna().mean())
            row[f"{steps}: median"] = float(group[steps].fillna(float("inf")).quantile(0.5, interpolation="lower"))
        rows.append(row)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
