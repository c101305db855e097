"""The effective theory meets addition modulo p.

    python -m analysis.modular_theory
    python -m analysis.modular_theory --only squares --seeds 8

trains networks that learn addition modulo p at several training fractions, asks the
theory of rings of each training set, and leaves report.json, report.md and theory.png
in results/modular_theory: from which fraction on networks generalise, when, in which
order, and what the theory had said.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd
import tyro
from tqdm import tqdm

import efftheory as et
from analysis.modular_theory.page import Report, critical, order_rows, page, setting_rows, verdict
from analysis.modular_theory.pictures import picture
from analysis.modular_theory.predictions import operation, predict, training_set
from analysis.modular_theory.scores import orders, setting
from analysis.modular_theory.setups import SETUPS
from analysis.report.command import check_at_least, environment, leave, print_trained, seeds_of, trained_on
from analysis.report.files import prepare_folder, table
from analysis.runs.executors import Execution, WorkerError
from analysis.runs.store import RunStore, StoreError
from analysis.runs.sweep import ensure
from neural import ConfigError
from neural.command import run_command

PROG = "python -m analysis.modular_theory"
ERRORS = (StoreError, WorkerError)


@dataclass(frozen=True)
class Arguments:
    """Hold the theory of rings against networks that learn addition modulo p."""

    only: tuple[str, ...] = ()
    """Set-ups by name: squares (a hidden layer of squares), transformer (small); by default both."""
    seeds: int = 24
    """How many seeds a training fraction."""
    first_seed: int = 0
    """The seeds are first_seed .. first_seed + seeds - 1, so that runs nobody has looked at can be asked for."""
    budget: int = 10_000
    """Steps after which a run that has not reached a threshold is censored; a multiple of 25."""
    draws: int = 2000
    """Random training sets behind the theory's critical fraction."""
    execution: tyro.conf.OmitArgPrefixes[Execution] = field(default_factory=Execution)
    out: Path = Path("results/modular_theory")
    """Folder for the report."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


def main(arguments: Arguments) -> None:
    seeds = seeds_of(arguments)
    check_at_least(1, arguments, "draws")
    unknown = set(arguments.only) - set(SETUPS)
    if unknown:
        raise ConfigError(f"`only` must be among {', '.join(SETUPS)}, but is {', '.join(sorted(unknown))}.")
    setups = {name: setup for name, setup in SETUPS.items() if name in (arguments.only or SETUPS)}
    plan = {
        (name, fraction): setup.at(fraction, seeds, arguments.budget)
        for name, setup in setups.items()
        for fraction in setup.fractions
    }
    execution = arguments.execution.resolved()
    prepare_folder(arguments.out)
    configs = [config for some in plan.values() for config in some]
    with RunStore(arguments.store) as store:
        n_trained = ensure(configs, store, execution)
        runs = {which: store.table(some) for which, some in plan.items()}
    print_trained(len(configs), n_trained)
    settings, ranks, criticals = [], [], []
    with tqdm(total=len(configs), desc="theory", unit="run", leave=False) as bar:
        for name, setup in setups.items():
            op, foretold = operation(setup), {}
            for which in (which for which in plan if which[0] == name):
                foretold[which] = []
                for config in plan[which]:
                    foretold[which].append(predict(op, training_set(op, config)))
                    bar.update()
                settings.append(setting(name, runs[which], foretold[which]))
            everyone = pd.concat([runs[which] for which in foretold], ignore_index=True)
            ranks += orders(name, everyone, [one for some in foretold.values() for one in some])
            theory = et.critical_fraction(op, arguments.draws, seed=0)
            criticals.append(critical(name, [one for one in settings if one.setup == name], theory))
    report = Report(
        verdict=verdict(criticals, settings, ranks),
        critical=criticals,
        settings=settings,
        orders=ranks,
        shared={name: asdict(setup.base) | {"fraction": setup.fractions} for name, setup in setups.items()},
        seeds=arguments.seeds,
        first_seed=arguments.first_seed,
        budget=arguments.budget,
        environment=environment(PROG, trained_on(*runs.values())),
    )
    said = [table(setting_rows(settings), "simple"), "", table(order_rows(ranks), "simple"), "", *report.verdict]
    leave(
        arguments.out,
        asdict(report),
        {"theory.png": picture(settings, ranks, arguments.budget)},
        page(report),
        said,
    )


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
