"""How far does the theory with a decoder hold? Other shapes, losses, optimisers, sizes
and groups than the paper's.

    python -m analysis.decoder_range
    python -m analysis.decoder_range --only "width 400" "d = 2"

trains networks of each set-up and holds the theory against them, as it is: nothing in
it is adapted. Leaves report.json and report.md in results/decoder_range.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import tyro
from tqdm import tqdm

from analysis.decoder_range.page import Report, page, page_rows
from analysis.decoder_range.scores import score
from analysis.decoder_range.setups import SETUPS, Setup
from analysis.report.command import check_at_least, environment, leave, seeds_of, trained_on
from analysis.report.files import prepare_folder, table
from analysis.runs.executors import Execution, WorkerError
from analysis.runs.store import RunStore, StoreError
from analysis.runs.sweep import ensure
from analysis.theory.decoder_theory import outlooks
from neural import ConfigError
from neural.command import run_command

PROG = "python -m analysis.decoder_range"
ERRORS = (StoreError, WorkerError)


@dataclass(frozen=True)
class Arguments:
    """Hold the theory with a decoder against other networks than the paper's."""

    only: tuple[str, ...] = ()
    """Set-ups by name; by default all of them (a wrong name lists them)."""
    seeds: int | None = None
    """How many seeds a size; by default 5, fewer where a run is expensive."""
    first_seed: int = 0
    """The seeds are first_seed .. first_seed + seeds - 1, so that runs nobody has looked at can be asked for."""
    decoder_draws: int = 8
    """Initial functions of the decoder behind each of the theory's probabilities (large p: fewer, at least 2)."""
    execution: tyro.conf.OmitArgPrefixes[Execution] = field(default_factory=Execution)
    out: Path = Path("results/decoder_range")
    """Folder for the report."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


def main(arguments: Arguments) -> None:
    setups = chosen(arguments)
    execution = arguments.execution.resolved()
    prepare_folder(arguments.out)
    rows, trained = [], []
    with RunStore(arguments.store) as store, tqdm(setups.items(), desc="set-ups", leave=False) as bar:
        for name, setup in bar:
            bar.set_postfix_str(name)
            configs = setup.configs()
            ensure(configs, store, execution)
            runs = store.table(configs)
            trained.append(runs)
            # a flow costs as the cube of the training set
            draws = max(2, min(arguments.decoder_draws, round(arguments.decoder_draws * 120 / max(setup.sizes))))
            rows.append(score(name, runs, outlooks(configs, draws), draws))
    report = Report(
        setups=rows,
        shared={name: asdict(setup.base) | {"sizes": setup.sizes} for name, setup in setups.items()},
        environment=environment(PROG, trained_on(*trained)),
    )
    leave(arguments.out, report.plain(), {}, page(report), [table(page_rows(rows), "simple"), ""])


def chosen(arguments: Arguments) -> dict[str, Setup]:
    """The set-ups that the arguments ask for; ConfigError if one has no such name."""
    unknown = set(arguments.only) - set(SETUPS)
    if unknown:
        raise ConfigError(f"`only` must be among {', '.join(SETUPS)}, but is {', '.join(sorted(unknown))}.")
    check_at_least(1, arguments, "decoder_draws")
    names = arguments.only or tuple(SETUPS)
    seeds = {name: seeds_of(arguments, SETUPS[name].seeds) for name in names}
    return {name: replace(SETUPS[name], seeds=len(some), first_seed=some.start) for name, some in seeds.items()}


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
