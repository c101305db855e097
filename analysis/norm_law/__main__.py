"""The law of grokking by weight norm: steps predicted from a landscape, against
measured ones, beside its rivals.

    python -m analysis.norm_law

trains what is missing and leaves report.json, report.md and a picture a kind of
networks in results/norm_law.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import tyro

from analysis.norm_law.page import Scored, page, rows, section
from analysis.norm_law.pictures import picture
from analysis.norm_law.scores import scores
from analysis.norm_law.setups import CALIBRATION_SEEDS, SETUPS, Setup
from analysis.norm_law.tables import predicted
from analysis.report.command import check_given, environment, leave, print_trained, seeds_of, trained_on
from analysis.report.files import prepare_folder, table
from analysis.report.words import seed_range
from analysis.runs.cost import print_cost
from analysis.runs.executors import Execution, WorkerError
from analysis.runs.store import RunStore, StoreError
from analysis.runs.sweep import ensure
from neural import ConfigError
from neural.command import run_command

PROG = "python -m analysis.norm_law"
ERRORS = (StoreError, WorkerError)


@dataclass(frozen=True)
class Arguments:
    """Predict when networks generalise from the landscape of weight norms, and hold
    that and its rivals against training runs.
    """

    names: tyro.conf.Positional[tuple[Literal["teacher", "digits", "transformer"], ...]] = ("teacher",)
    """Which networks: teacher, digits, transformer."""
    seeds: int | None = None
    """How many seeds; by default 8 of the teacher, 5 of the others."""
    first_seed: int = 0
    """The seeds are first_seed .. first_seed + seeds - 1, so that runs nobody has looked at can be asked for."""
    dry_run: tyro.conf.FlagCreatePairsOff[bool] = False
    """Only say how many runs are missing and what they would cost."""
    execution: tyro.conf.OmitArgPrefixes[Execution] = field(default_factory=Execution)
    out: Path = Path("results/norm_law")
    """Folder for the report."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


def main(arguments: Arguments) -> None:
    check_given(arguments, "names")
    setups = {name: SETUPS[name] for name in dict.fromkeys(arguments.names)}
    seeds = {name: seeds_of(arguments, setup.seeds) for name, setup in setups.items()}
    for some in seeds.values():
        if set(some) & set(CALIBRATION_SEEDS):
            raise ConfigError(
                f"`seeds` and `first_seed` must leave out {seed_range(CALIBRATION_SEEDS)}, the seeds of the "
                f"calibration, but are {seed_range(some)}."
            )
    execution = arguments.execution.resolved()
    configs = [config for name, setup in setups.items() for config in plan(setup, seeds[name])]
    if arguments.dry_run:
        print_cost(configs, arguments.store, execution)
        return
    prepare_folder(arguments.out)
    with RunStore(arguments.store) as store:
        n_trained = ensure(configs, store, execution)
        found = {
            name: [
                Scored(target.name, runs, scores(runs, setup.form))
                for target in setup.targets
                for runs in [predicted(store, setup, seeds[name], target)]
            ]
            for name, setup in setups.items()
        }
        trained = [store.table(plan(setup, seeds[name])) for name, setup in setups.items()]
    print_trained(len(configs), n_trained)
    made_with = environment(PROG, trained_on(*trained))
    report = {name: [_numbers(one) for one in scored] for name, scored in found.items()} | {"environment": made_with}
    sections = [part for name, scored in found.items() for part in section(name, setups[name], scored)]
    pictures = {
        f"{name}.png": picture(pd.concat([one.runs.assign(target=one.target) for one in scored]), setups[name].title)
        for name, scored in found.items()
    }
    said = []
    for name, scored in found.items():
        for one in scored:
            said += [f"{setups[name].title}, {one.target}:", table(rows(one.scores), "simple"), ""]
    leave(arguments.out, report, pictures, page(sections, made_with["command"]), said)


def plan(setup: Setup, seeds: range) -> list[Any]:
    """All runs of one kind of networks."""
    return [*setup.landscape(seeds), *setup.runs(seeds), *setup.calibration()]


def _numbers(one: Scored) -> dict[str, Any]:
    return {
        "target": one.target,
        "scores": [asdict(score) for score in one.scores],
        "runs": one.runs.to_dict("records"),
    }


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
