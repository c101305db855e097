"""Cause or company: the league's networks without what a theory says makes them
generalise.

    python -m analysis.interventions

trains the same training sets and initial weights without decay, with decay until they
have memorised, at constant norm, with a larger epsilon of Adam, by plain SGD; cuts keys
and neurons out of the finished networks; and leaves report.json, report.md and a
picture in results/interventions.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import tyro
from tqdm import tqdm

from analysis.interventions.arms import BASE, GENERALISED, LEARNED, SETTINGS, arms
from analysis.interventions.page import page, rows
from analysis.interventions.pictures import picture
from analysis.interventions.scores import Outcome, outcomes
from analysis.interventions.surgery import Cuts, cuts
from analysis.report.command import environment, leave, print_trained, seeds_of, trained_on
from analysis.report.files import prepare_folder, table
from analysis.runs.cost import print_cost
from analysis.runs.executors import Execution, WorkerError
from analysis.runs.store import RunStore, StoreError
from analysis.runs.sweep import ensure
from neural.command import run_command

PROG = "python -m analysis.interventions"
ERRORS = (StoreError, WorkerError)


@dataclass(frozen=True)
class Arguments:
    """Take away what a theory says makes networks generalise, and see whether they
    still do.
    """

    names: tyro.conf.Positional[tuple[Literal["squares-40", "transformer"], ...]] = ("squares-40", "transformer")
    """Which networks of the league."""
    seeds: int = 16
    """How many seeds."""
    first_seed: int = 0
    """The seeds are first_seed .. first_seed + seeds - 1, so that runs nobody has looked at can be asked for."""
    dry_run: tyro.conf.FlagCreatePairsOff[bool] = False
    """Only say how many runs are missing and what they would cost."""
    execution: tyro.conf.OmitArgPrefixes[Execution] = field(default_factory=Execution)
    out: Path = Path("results/interventions")
    """Folder for the report."""
    store: Path = Path("results/runs.sqlite")
    """The run store; shared with the league, whose runs are used."""


@dataclass(frozen=True)
class Found:
    """Of one setting: its runs by arm, an outcome an arm, and what is left after cuts,
    at memorisation and at the end, a pair a run that memorised.
    """

    runs: dict[str, pd.DataFrame]
    outcomes: list[Outcome]
    cuts: list[tuple[Cuts, Cuts]]


def main(arguments: Arguments) -> None:
    seeds = seeds_of(arguments)
    names = list(dict.fromkeys(arguments.names))
    execution = arguments.execution.resolved()
    if arguments.dry_run:
        # when runs memorise is not known yet
        plans = [arms(name, seeds, [SETTINGS[name].base.budget] * len(seeds)) for name in names]
        print_cost([run for plan in plans for arm in plan.values() for run in arm], arguments.store, execution)
        return
    prepare_folder(arguments.out)
    with RunStore(arguments.store) as store:
        bases = {name: SETTINGS[name].configs(seeds) for name in names}
        n_trained = ensure([run for base in bases.values() for run in base], store, execution)
        plans = {name: arms(name, seeds, store.table(base)[LEARNED].tolist()) for name, base in bases.items()}
        configs = [run for plan in plans.values() for arm in plan.values() for run in arm]
        n_trained += ensure(configs, store, execution)
        tables = {name: {arm: store.table(runs) for arm, runs in plan.items()} for name, plan in plans.items()}
        found = {name: _found(store, bases[name], tables[name]) for name in names}
    print_trained(len(set(configs)), n_trained)
    made_with = environment(PROG, trained_on(*(runs for arm in tables.values() for runs in arm.values())))
    report: dict[str, Any] = {
        name: {
            "outcomes": [asdict(one) for one in here.outcomes],
            "cuts": [{"memorised": asdict(early), "end": asdict(late)} for early, late in here.cuts],
            "runs": {
                arm: runs[["seed", LEARNED, GENERALISED, "steps_run"]].to_dict("records")
                for arm, runs in here.runs.items()
            },
        }
        for name, here in found.items()
    }
    pictures = {
        f"{name}.png": picture(here.runs, SETTINGS[name].base.budget, SETTINGS[name].title)
        for name, here in found.items()
    }
    titles = {name: SETTINGS[name].title for name in names}
    parts = page({titles[name]: (name, here.outcomes, here.cuts) for name, here in found.items()}, made_with["command"])
    said = [line for here in found.values() for line in (table(rows(here.outcomes), "simple"), "")]
    leave(arguments.out, report | {"environment": made_with}, pictures, parts, said)


def _found(store: RunStore, base: list[Any], runs: dict[str, pd.DataFrame]) -> Found:
    learned = runs[BASE][LEARNED]
    with tqdm(total=len(base), desc="cutting", unit="run", leave=False) as bar:
        cut = []
        for config, step in zip(base, learned, strict=True):
            if np.isfinite(step):
                cut.append(cuts(config, store.traces(config), step))
            bar.update()
    return Found(runs, outcomes(runs), cut)


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
