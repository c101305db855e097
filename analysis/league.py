"""Every measure that a theory of grokking proposes, on the same runs: which of them
foretell, within a setting, which run generalises first, and which only move when it
does.

    python -m analysis.league

trains what is missing and leaves its report and pictures in results/league.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
import tyro

from analysis.experiments import EXPERIMENTS
from analysis.grokking.league import GENERALISED, moves, pooled, predicted, ranks, taken
from analysis.grokking.league_page import page, picture_of_moves, picture_of_ranks
from analysis.predictors.measures import LEARNED
from analysis.report.command import environment, leave, trained_on
from analysis.runs.session import ERRORS, Trains, trained
from analysis.scores.bootstrap import MIN_OBSERVED
from neural.command import run_command

PROG = "python -m analysis.league"
SETTINGS = EXPERIMENTS["league"]
_TOGETHER = ("squares-40", "squares-32")  # settings that differ in the training fraction alone


@dataclass(frozen=True, kw_only=True)
class Arguments(Trains):
    """Train networks that grok, take every measure of them, and say which measures rank
    their times before they generalise.
    """

    names: tyro.conf.Positional[
        tuple[Literal["squares-40", "squares-32", "transformer", "symmetric", "parity"], ...]
    ] = ("squares-40", "squares-32", "transformer", "symmetric", "parity")
    """Which settings; all by default."""
    seeds: int | None = None
    """How many seeds, 10 at least; by default each setting's own number, 32 or 48."""
    out: Path = Path("results/league")
    """Folder for the report, and for the measures that were taken."""


def main(arguments: Arguments) -> None:
    settings = {name: SETTINGS[name] for name in dict.fromkeys(arguments.names)}
    # with fewer than MIN_OBSERVED nothing can be said
    plans = {name: one.configs(arguments.seed_range(one.seeds, least=MIN_OBSERVED)) for name, one in settings.items()}
    with trained(arguments, [config for plan in plans.values() for config in plan]) as store:
        runs = {name: store.table(plan).assign(setting=name) for name, plan in plans.items()}
        columns = ["setting", "key", "seed", "budget", LEARNED, f"steps_to_{GENERALISED}"]
        everything = pd.concat([some[columns] for some in runs.values()], ignore_index=True)
        execution = arguments.execution.resolved()
        workers = 1 if execution.executor == "in-process" else execution.workers
        measured = iter(taken(arguments.store, arguments.out, everything, settings, workers))
        series = {name: [next(measured) for _ in plan] for name, plan in plans.items()}
        predictions = {name: predicted(store, runs[name], settings[name].early, series[name]) for name in settings}
    scores = [
        part.assign(setting=name)
        for name, one in settings.items()
        for part in (ranks(runs[name], predictions[name], one.early), moves(runs[name], series[name]))
    ]
    together = [name for name in _TOGETHER if name in settings]
    if len(together) > 1:
        scores.append(pooled(*(pd.concat([some[name] for name in together]) for some in (runs, predictions))))
    found = pd.concat(scores, ignore_index=True).fillna({"against": "", "reading": "", "predictor": ""})
    made_with = environment(PROG, trained_on(*runs.values()))
    text, answer = page(runs, settings, found, made_with["command"])
    report = {"runs": everything.to_dict("records"), "scores": found.to_dict("records"), "environment": made_with}
    drawn = {"ranks.png": picture_of_ranks, "moves.png": picture_of_moves}
    pictures = {name: picture([*settings], found) for name, picture in drawn.items()}
    said = everything[["setting", "seed", "key"]].merge(pd.concat(predictions.values()), on="key")
    said = said[said["target"] == GENERALISED].drop(columns=["key", "version"])
    leave(arguments.out, report, pictures, [text], [answer, ""], runs=everything, predictions=said, scores=found)


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
