"""What every command that trains has in common: its options, and the way from the runs
that it wants to a store that has them, or with --dry-run to what they would cost.
"""

from __future__ import annotations

import sys
import timeit
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import tyro

from analysis.report.command import check_at_least
from analysis.report.files import prepare_folder
from analysis.runs.executors import Execution, WorkerError, lanes_for, whole
from analysis.runs.store import RunStore, StoreError
from analysis.runs.sweep import ensure, missing_runs
from neural.counting import count

ERRORS = (StoreError, WorkerError)  # what is the user's to fix, beside ConfigError
ACHIEVED = 0.4  # share of the GEMM rate that the compiled ensemble achieves (docs/engine.md)


@dataclass(frozen=True, kw_only=True)
class Trains:
    """The options of every command that trains, and the base of its arguments, with
    defaults of its own for `seeds` and `out`.
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
        """The seeds that are asked for; `by_default` says how many where the command
        line does not. ConfigError if one is negative, or they are fewer than `least`.
        """
        check_at_least(least, self, "seeds")
        check_at_least(0, self, "first_seed")
        return range(self.first_seed, self.first_seed + (self.seeds or by_default or 0))


@contextmanager
def trained(arguments: Trains, configs: Sequence[Any], out: Path | None = None) -> Iterator[RunStore]:
    """The open store, in which all of `configs` are: those that were missing are
    trained now; and the folder `out` of the report (by default `arguments.out`) is
    made. With --dry-run the command ends here.

    Raises:
        ConfigError, StoreError, WorkerError: folder, store or execution cannot be used.
    """
    end_dry_run(arguments, configs)
    prepare_folder(out or arguments.out or Path("results"))
    with RunStore(arguments.store) as store:
        n_trained = ensure(configs, store, arguments.execution)
        print(f"{len(set(configs))} runs, {n_trained} of them trained now", file=sys.stderr)
        yield store


def end_dry_run(arguments: Trains, configs: Sequence[Any]) -> None:
    """With --dry-run, print what training `configs` would cost and end the command, as
    `trained` does: for commands whose runs depend on others' results.
    """
    execution = arguments.execution.resolved()
    if arguments.dry_run:
        missing = missing_runs(configs, arguments.store)
        print(f"{len(set(configs))} runs in the plan", cost(missing, execution), sep="\n")
        sys.stdout.flush()  # a reader that has gone is met here, where it is answered
        sys.exit()


def cost(missing: Sequence[Any], execution: Execution) -> str:
    """What training `missing` takes if each runs to its budget, in words; in time only
    where that is known: not on a GPU, or on other machines.
    """
    if not missing:
        return "nothing to train"
    work: dict[tuple[int, int, int], float] = defaultdict(float)
    for config in missing:
        work[count(config).product] += whole(config)
    steps = sum(config.budget for config in missing)
    text = f"{len(missing):,} runs to train, {steps:,} steps, {sum(work.values()):.2g} operations"
    if execution.device != "cpu" or execution.scheduler is not None:
        return text
    lanes, workers = lanes_for(missing, execution), execution.n_workers()
    seconds = sum(done / (ACHIEVED * gemm_rate(lanes, *product) * workers) for product, done in work.items())
    minutes = max(seconds / 60, 1)  # finer it is not known
    span = f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} hours"
    return f"{text}: about {span} on this machine if no run settles before its budget"


def gemm_rate(lanes: int, rows: int, inner: int, columns: int) -> float:
    """FLOP/s of a thread on float32 (rows x inner) (inner x columns), one a lane."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        a, b = torch.randn(lanes, rows, inner), torch.randn(lanes, inner, columns)
        out = torch.empty(lanes, rows, columns)
        best = min(timeit.repeat(lambda: torch.bmm(a, b, out=out), number=50, repeat=20))
    finally:
        torch.set_num_threads(threads)
    return 50 * lanes * 2 * rows * inner * columns / best
