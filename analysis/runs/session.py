"""What every command that trains has in common: its options, and the way from the runs
that it wants to a store that has them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tyro

from analysis.report.command import check_at_least
from analysis.report.files import prepare_folder
from analysis.runs.cost import print_cost
from analysis.runs.executors import Execution, WorkerError
from analysis.runs.store import RunStore, StoreError
from analysis.runs.sweep import ensure

ERRORS = (StoreError, WorkerError)  # what is the user's to fix, beside ConfigError


@dataclass(frozen=True, kw_only=True)
class Trains:
    """The options of every command that trains, and the base of its arguments, which
    are given by keyword as well. A command has defaults of its own for `seeds` and
    `out`, and a docstring where more is to be said.
    """

    seeds: int | None = None
    """How many seeds."""
    first_seed: int = 0
    """The seeds are first_seed .. first_seed + seeds - 1, so that runs nobody has looked at can be asked for."""
    dry_run: tyro.conf.FlagCreatePairsOff[bool] = False
    """Only say how many runs are missing and what they would cost."""
    execution: tyro.conf.OmitArgPrefixes[Execution] = field(default_factory=Execution)
    out: Path | None = None
    """Folder for the report."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""

    def seed_range(self, by_default: int | None = None, *, least: int = 1) -> range:
        """The seeds that are asked for.

        Args:
            by_default: how many, where the command line does not say.
            least: how many there must be.

        Raises:
            ConfigError: there are fewer, or one is negative.
        """
        check_at_least(least, self, "seeds")
        check_at_least(0, self, "first_seed")
        n = by_default if self.seeds is None else self.seeds
        if n is None:
            raise AssertionError("a command has a number of seeds of its own")
        return range(self.first_seed, self.first_seed + n)


@contextmanager
def trained(arguments: Trains, configs: Sequence[Any], out: Path | None = None) -> Iterator[RunStore]:
    """The open store, in which all of `configs` are: those that were missing are
    trained now. With --dry-run the command ends here.

    Args:
        arguments: of the command.
        configs: the runs that it wants.
        out: the folder of its report, which is made; by default `arguments.out`.

    Raises:
        ConfigError, StoreError, WorkerError: the folder, the store or the execution
            cannot be used.
    """
    end_dry_run(arguments, configs)
    folder = out or arguments.out
    if folder is None:
        raise AssertionError("a command has a folder of its own")
    prepare_folder(folder)
    with RunStore(arguments.store) as store:
        n_trained = ensure(configs, store, arguments.execution)
        print(f"{len(set(configs))} runs, {n_trained} of them trained now", file=sys.stderr)
        yield store


def end_dry_run(arguments: Trains, configs: Sequence[Any]) -> None:
    """With --dry-run, print what training `configs` would cost and end the command.
    `trained` does so by itself; a command calls this where its runs depend on others'
    results.
    """
    execution = arguments.execution.resolved()
    if arguments.dry_run:
        print_cost(list(dict.fromkeys(configs)), arguments.store, execution)
        sys.stdout.flush()  # a reader that has gone is met here, where it is answered
        sys.exit()
