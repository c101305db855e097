"""What every command that trains has in common: its options, those that name a grid of
runs among them, and the way from the runs that it wants to a store that has them, or
with --dry-run to what they would cost.
"""

from __future__ import annotations

import sys
import timeit
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import tyro

from analysis.report.command import check_at_least
from analysis.report.files import prepare_folder
from analysis.runs.executors import Execution, WorkerError, lanes_for, whole
from analysis.runs.plan import FORM, Experiment, parse_settings
from analysis.runs.store import RunStore, StoreError
from analysis.runs.sweep import ensure, missing_runs
from neural import ConfigError, ModularConfig, RunConfig, find_family
from neural.counting import count

ERRORS = (StoreError, WorkerError)  # what is the user's to fix, beside ConfigError
ACHIEVED = 0.4  # share of the GEMM rate that the compiled ensemble achieves (docs/engine.md)
_PAPER_BUDGET = 100_000  # of phase diagrams
# How the size of a training set is said, in the families that learn a table.
_SIZES: dict[type, str] = {RunConfig: "n_train", ModularConfig: "fraction"}


@dataclass(frozen=True, kw_only=True)
class Trains:
    """The options of every command that trains; it has its own `seeds` and `out`."""

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


@dataclass(frozen=True, kw_only=True)
class PlaneOptions(Trains):
    """Which grid of runs: a named diagram, one of your own, or one with other axes."""

    name: tyro.conf.Positional[str | None] = None
    """lr_lr, regression, classification, s3 (figure 6 a-d); batch_size, init_scale, repr_weight_decay (figures 13-15;
    with _ce for classification); or nothing, with axes of your own.
    """
    family: str = "toy"
    """Which networks: toy, modular, digits, teacher, reviews, molecules, messiness, parity, or a file of yours,
    NAME.py."""
    x: str | None = None
    """Horizontal axis: FIELD=LO:HI:N[:log] or FIELD=A,B,C, with any field of a run (see neural.train --help)."""
    y: str | None = None
    """Vertical axis, likewise; a sweep may do without."""
    set: tuple[str, ...] = ()
    """FIELD=VALUE that all runs share, for example n_train=30 loss=ce."""
    table: Path | None = None
    """CSV file with your own operation, for families toy and modular: a square of results (see neural.train --help)."""
    pairs: Path | None = None
    """CSV file with the training set of all runs, for these families: rows a,b or a,b,result."""
    fraction: float | None = None
    """Share of the samples of these families that is trained on; then a sweep may do without --x."""
    seeds: int = 3
    """How many seeds a point."""
    budget: int | None = None
    """Steps after which a run is censored; of the toy model by default 100,000, as in the paper."""

    def plane(self, diagrams: Mapping[str, Experiment], n_axes: int) -> Experiment:
        """The plane that the options name, of these `diagrams` or of axes of one's own,
        `n_axes` at least; ConfigError if there is none, or a run cannot be.
        """
        if self.name is not None and self.name not in diagrams:
            raise ConfigError(f"`name` must be one of {', '.join(diagrams)}, but is {self.name!r}.")
        config_type = find_family(self.family).Config
        base = RunConfig(budget=_PAPER_BUDGET) if config_type is RunConfig else config_type()
        known = diagrams[self.name] if self.name else Experiment("A plane of runs", base)
        if type(known.base) is not config_type:
            raise ConfigError(f"`family` must be that of the diagram {self.name}, but is {self.family!r}.")
        texts = {"x": self.x, "y": self.y}
        settings = parse_settings(config_type, "set", self.set)
        if self.budget is not None:
            settings["budget"] = self.budget
        own = self._own_task(known.base, settings)
        settings |= own
        if own and n_axes == 1 and not (self.x or known.axes):  # a plane of one point
            size = _SIZES[config_type]
            texts["x"] = f"{size}={getattr(replace(known.base, **settings), size)!r}"
            settings.pop(size, None)
        for axis in ("x", "y")[:n_axes]:
            if not (known.axes or texts[axis]):
                raise ConfigError(f"`{axis}` must be {FORM} where no diagram is named, but is not given.")
        seeds = self.seed_range()
        plane = replace(known.varied(texts, settings), seeds=len(seeds), first_seed=seeds.start)
        plane.configs()  # checks every value
        return plane

    def _own_task(self, base: Any, settings: dict[str, Any]) -> dict[str, Any]:
        """The fields that --table, --pairs and --fraction set."""
        files = {"operation": self.table, "samples": self.pairs}
        fields: dict[str, Any] = {name: str(path) for name, path in files.items() if path is not None}
        if self.fraction is not None:
            fields[_SIZES.get(type(base), "fraction")] = self.fraction
        if fields and type(base) not in _SIZES:
            wanted = "toy or modular with table, pairs and fraction"
            raise ConfigError(f"`family` must be {wanted}, but is {self.family!r}.")
        if twice := [name for name in fields if name in settings]:
            raise ConfigError(f"`set` must not name what has an option of its own, but names {twice[0]}.")
        if isinstance(base, RunConfig) and self.fraction is not None:
            if not 0 < self.fraction <= 1:
                raise ConfigError(f"`fraction` must be above 0 and at most 1, but is {self.fraction}.")
            n_samples = replace(base, **settings | fields | {"n_train": 1, "samples": ""}).n_samples
            fields["n_train"] = max(1, round(self.fraction * n_samples))
        return fields


@contextmanager
def trained(arguments: Trains, configs: Sequence[Any], out: Path | None = None) -> Iterator[RunStore]:
    """The open store, in which all of `configs` are: those that were missing are
    trained now; and the folder `out` of the report (by default `arguments.out`) is
    made. With --dry-run the command ends here. ConfigError, StoreError or WorkerError
    if the folder, the store or the execution cannot be used.
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
