"""What training at constant weight norm finds, over the norm and the data size: the
reduced landscape of the LU mechanism.

    python -m analysis.landscape teacher

trains what is missing and leaves report.json, report.md and pictures in
results/landscape/teacher.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import tyro

from analysis.landscape.page import page, rows
from analysis.landscape.pictures import contours_picture, curves_picture
from analysis.landscape.setups import resolved
from analysis.landscape.shells import landscape, summary
from analysis.report.command import environment, leave, print_trained, trained_on
from analysis.report.files import prepare_folder, table
from analysis.runs.cost import print_cost
from analysis.runs.executors import Execution, WorkerError
from analysis.runs.store import RunStore, StoreError
from analysis.runs.sweep import ensure
from neural.command import run_command

PROG = "python -m analysis.landscape"
ERRORS = (StoreError, WorkerError)


@dataclass(frozen=True)
class Arguments:
    """Train networks at constant weight norm, over the norm and the data size, and draw
    training and test loss: the L and the U.
    """

    name: tyro.conf.Positional[str]
    """Which networks: teacher, digits, transformer, reviews or molecules."""
    x: str | None = None
    """Axis of norms, init_scale=LO:HI:N:log in units of the usual initial norm; by default the landscape's own."""
    y: str | None = None
    """Axis of data sizes, n_train=A,B,C (of the transformer fraction=A,B,C); by default the landscape's own."""
    set: tuple[str, ...] = ()
    """FIELD=VALUE that all runs share, for example width=200."""
    seeds: int | None = None
    """How many seeds a point; by default the landscape's own number."""
    first_seed: int = 0
    """The seeds are first_seed .. first_seed + seeds - 1, so that runs nobody has looked at can be asked for."""
    budget: int | None = None
    """Steps of each run; by default the landscape's own number."""
    dry_run: tyro.conf.FlagCreatePairsOff[bool] = False
    """Only say how many runs are missing and what they would cost."""
    execution: tyro.conf.OmitArgPrefixes[Execution] = field(default_factory=Execution)
    out: Path | None = None
    """Folder for the report; by default results/landscape/NAME."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


def main(arguments: Arguments) -> None:
    plan = resolved(
        arguments.name,
        arguments.x,
        arguments.y,
        arguments.set,
        arguments.seeds,
        budget=arguments.budget,
        first_seed=arguments.first_seed,
    )
    execution, configs = arguments.execution.resolved(), plan.configs()
    if arguments.dry_run:
        print_cost(configs, arguments.store, execution)
        return
    out = arguments.out or Path("results/landscape") / arguments.name
    prepare_folder(out)
    size = plan.sizes.field
    with RunStore(arguments.store) as store:
        n_trained = ensure(configs, store, execution)
        runs = store.table(configs)
        found = landscape(store, configs, size, plan.times)
    print_trained(len(configs), n_trained)
    summed = summary(found, size)
    pictures = {"curves.png": curves_picture(found, plan)}
    if len(plan.sizes.values) > 1:
        pictures["contours.png"] = contours_picture(found, plan)
    report = {
        "landscape": found.to_dict("records"),
        "summary": summed.to_dict("records"),
        "environment": environment(PROG, trained_on(runs)),
    }
    last = summed[(summed["step"] == summed["step"].max())]
    said = [table(rows(last, size), "simple"), ""]
    leave(out, report, pictures, page(plan, summed, report["environment"]["command"]), said)


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
