"""Every measure that a theory of grokking proposes, on the same runs: which of them
foretell, within a setting, which run generalises first, and which only move when it
does.

    python -m analysis.league

trains what is missing and leaves report.json, report.md and pictures in results/league.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import tyro

from analysis._pieces import Piece, computed
from analysis.league.measures import Series, series_of, sources
from analysis.league.page import Table, page, rank_rows, way_rows
from analysis.league.pictures import picture_of_moves, picture_of_ranks
from analysis.league.scores import moves, pooled, ranks
from analysis.league.settings import GENERALISED, LEARNED, SETTINGS, Setting
from analysis.report.command import environment, leave, print_trained, seeds_of, trained_on
from analysis.report.files import prepare_folder, table
from analysis.runs.cost import print_cost
from analysis.runs.executors import Execution, WorkerError
from analysis.runs.store import RunStore, StoreError, key
from analysis.runs.sweep import ensure
from analysis.scores.bootstrap import MIN_OBSERVED
from neural.command import run_command

PROG = "python -m analysis.league"
ERRORS = (StoreError, WorkerError)
_SECONDS = 0.3  # that measuring a run takes, about
_TOGETHER = ("squares-40", "squares-32")  # settings that differ in the training fraction alone


@dataclass(frozen=True)
class Arguments:
    """Train networks that grok, take every measure of them, and say which measures rank
    their times before they generalise.
    """

    names: tyro.conf.Positional[
        tuple[Literal["squares-40", "squares-32", "transformer", "symmetric", "parity"], ...]
    ] = ("squares-40", "squares-32", "transformer", "symmetric", "parity")
    """Which settings; all by default."""
    seeds: int | None = None
    """How many seeds, 10 at least; by default each setting's own number, 32 or 48."""
    first_seed: int = 0
    """The seeds are first_seed .. first_seed + seeds - 1, so that runs nobody has looked at can be asked for."""
    dry_run: tyro.conf.FlagCreatePairsOff[bool] = False
    """Only say how many runs are missing and what they would cost."""
    execution: tyro.conf.OmitArgPrefixes[Execution] = field(default_factory=Execution)
    out: Path = Path("results/league")
    """Folder for the report, and for the measures that were taken."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


def main(arguments: Arguments) -> None:
    settings = {name: SETTINGS[name] for name in dict.fromkeys(arguments.names)}
    execution = arguments.execution.resolved()
    # with fewer than MIN_OBSERVED nothing can be said
    seeds = {name: seeds_of(arguments, setting.seeds, least=MIN_OBSERVED) for name, setting in settings.items()}
    plans = {name: setting.runs(seeds[name]) for name, setting in settings.items()}
    configs = [config for plan in plans.values() for config in plan]
    if arguments.dry_run:
        print_cost(configs, arguments.store, execution)
        return
    prepare_folder(arguments.out)
    with RunStore(arguments.store) as store:
        n_trained = ensure(configs, store, execution)
        tables = {name: store.table(plan) for name, plan in plans.items()}
    print_trained(len(configs), n_trained)
    runs = {name: times(tables[name], setting) for name, setting in settings.items()}
    series = taken(arguments, settings, plans, runs)
    found = {
        name: Table(
            settings[name],
            runs[name],
            ranks(runs[name], series[name], settings[name].early),
            moves(runs[name], series[name]),
        )
        for name in settings
    }
    together = [name for name in _TOGETHER if name in settings]
    both = (
        pooled(
            {name: (runs[name], series[name]) for name in together},
            {name: -settings[name].base.fraction for name in together},
        )
        if len(together) > 1
        else None
    )
    made_with = environment(PROG, trained_on(*tables.values()))
    report = {
        "settings": {
            name: {
                "runs": one.runs.to_dict("records"),
                "ranks": [asdict(rank) for rank in one.ranks],
                "moves": [asdict(move) for move in one.moves],
            }
            for name, one in found.items()
        },
        "pooled": None if both is None else both.to_dict("records"),
        "environment": made_with,
    }
    pictures = {"ranks.png": picture_of_ranks(found), "moves.png": picture_of_moves(found)}
    said = [table(rank_rows(found), "simple"), "", "which way each moves:", table(way_rows(found), "simple"), ""]
    leave(arguments.out, report, pictures, page(found, both, made_with["command"]), said)


def times(runs: pd.DataFrame, setting: Setting) -> pd.DataFrame:
    """A row a run: seed, budget, and the steps learned and generalised, nan for not
    reached.
    """
    columns = {"learned": LEARNED, "generalised": GENERALISED}
    return pd.DataFrame(
        {"seed": runs["seed"], "budget": setting.base.budget}
        | {new: runs[old].astype(float) for new, old in columns.items()}
    )


def taken(
    arguments: Arguments, settings: dict[str, Setting], plans: dict[str, list[Any]], runs: dict[str, pd.DataFrame]
) -> dict[str, list[Series]]:
    """The measures of every run, from the folder or taken now and kept there."""
    code = sources()
    pieces = [
        Piece(
            f"{code} {key(config)} {learned} {generalised} {settings[name].early}",
            series_of,
            (str(arguments.store), config, learned, generalised, settings[name].early),
            _SECONDS,
        )
        for name in settings
        for config, learned, generalised in zip(
            plans[name], runs[name]["learned"], runs[name]["generalised"], strict=True
        )
    ]
    workers = 1 if arguments.execution.executor == "in-process" else arguments.execution.workers
    found = iter(computed(arguments.out / "measures.sqlite", pieces, workers, "measuring"))
    return {name: [next(found) for _ in plans[name]] for name in settings}


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
