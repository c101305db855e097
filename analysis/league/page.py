"""The page of the league."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.league.measures import BY_NAME
from analysis.league.scores import MEMORISED, Move, Rank
from analysis.league.settings import Setting
from analysis.report.files import table
from analysis.report.words import with_span

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Table:
    """A setting, its runs (`times`), and what was found."""

    setting: Setting
    runs: pd.DataFrame
    ranks: list[Rank]
    moves: list[Move]

    def rank(self, measure: str, reading: str = MEMORISED) -> Rank | None:
        return next((one for one in self.ranks if (one.measure, one.reading) == (measure, reading)), None)

    def move(self, measure: str) -> Move | None:
        return next((one for one in self.moves if one.measure == measure), None)


def rank_rows(found: Mapping[str, Table], reading: str = MEMORISED) -> list[dict[str, Any]]:
    """A row a measure: its concordance in each setting, starred if it is no chance."""
    rows = []
    for name, measure in BY_NAME.items():
        here = {title: one.rank(name, reading) for title, one in found.items()}
        if any(here.values()):
            cells = {title: _cell(rank) for title, rank in here.items()}
            rows.append({"measure": name, "needs": measure.needs} | cells)
    return rows


def _cell(rank: Rank | None) -> str:
    if rank is None:
        return "-"
    star = "" if rank.q >= SIGNIFICANT else " *" if rank.concordance > 0.5 else " * (reversed)"
    return with_span(rank.concordance, rank.interval) + star


def page(found: Mapping[str, Table], both: pd.DataFrame | None, command: str) -> list[str]:
    """The paragraphs of report.md."""
    parts = [
        "# The league of measures",
        f"`{command}`",
        "Every measure that a theory of grokking proposes, on the same runs. Within a setting all runs have the same "
        "training fraction and weight decay: these, the null model, rank nothing (concordance .5). Each measure is "
        "read at one moment, and ranks the runs by the steps that remain until their test accuracy reaches 0.95; the "
        "direction is the theory's, nothing is fitted. Runs that do not get there are censored and count; those that "
        "have got there before the reading do not.",
        "![ranks](ranks.png)",
        "## Which foretell: read at the end of memorisation",
        "Concordance with the remaining steps, 95 % interval (runs drawn with replacement). A star: "
        f"unlikely to be chance, either way (permutations of the runs, false discovery rate {SIGNIFICANT:g} over all "
        "measures and readings of a setting, Benjamini and Yekutieli). Below .5, and reversed: the other way round "
        "than the theory says. Needs: what one has to know beside the weights.",
        table(rank_rows(found)),
        "## Read at fixed early steps",
    ]
    for one in found.values():
        parts += [f"### {one.setting.title}", _times(one.runs), table(_early_rows(one))]
    parts += [
        "## When each moves",
        "![moves](moves.png)",
        "Steps from the moment at which a measure has covered half of its way (from the end of memorisation to test "
        "accuracy 0.95; losses and norms in logarithms) to the moment at which test accuracy has, and to "
        "test accuracy 0.95: medians, and the 95 % interval of the latter. Positive: the measure is first. Measures "
        "whose change is not clear of their scatter have none. In the picture crosses move the other way than their "
        "theory says, and open marks one that is not certain.",
        table(_move_rows(found)),
        "## Which way each moves",
        "Half of the way has no direction, so the direction is counted: in how many of the same runs a measure rises, "
        "and its median values from the end of memorisation to test accuracy 0.95. Expected: what its theory says, of "
        "which more means sooner rises. It agrees, yes or no, where the exact 95 % interval of the share of runs lies "
        "on one side of one half.",
        table(way_rows(found)),
    ]
    if both is not None:
        parts += [
            "## Two training fractions together",
            "The null model knows the training fraction alone. What a measure adds to it is its concordance within "
            "settings.",
            table(
                [
                    {
                        "measure": row["measure"],
                        "all runs": with_span(row["all"], row["all_interval"]),
                        "within settings": with_span(row["within"], row["within_interval"]),
                    }
                    for row in both.to_dict("records")
                ]
            ),
        ]
    sources = [
        {"measure": one.name, "source": one.source, "needs": one.needs, "more of it means": one.larger}
        for one in BY_NAME.values()
    ]
    return [*parts, "## The measures", table(sources)]


def _times(runs: pd.DataFrame) -> str:
    def middle(column: str) -> str:
        values = runs[column].dropna()
        return "-" if values.empty else f"{values.median():,.0f} ({values.min():,.0f} to {values.max():,.0f})"

    return (
        f"{len(runs)} runs, of which {runs['generalised'].notna().sum()} got there. Steps, median (range): memorised "
        f"{middle('learned')}, test accuracy 0.95 {middle('generalised')}."
    )


def _early_rows(one: Table) -> list[dict[str, Any]]:
    rows = []
    for name in BY_NAME:
        here = {str(step): one.rank(name, str(step)) for step in one.setting.early}
        if any(here.values()):
            rows.append(
                {"measure": name, "needs": BY_NAME[name].needs}
                | {f"step {step}": _cell(rank) for step, rank in here.items()}
            )
    return rows


def way_rows(found: Mapping[str, Table]) -> list[dict[str, Any]]:
    """A row a measure: which way it should move, and in how many runs it does."""
    rows = []
    for name, measure in BY_NAME.items():
        here = {title: one.move(name) for title, one in found.items()}
        if any(here.values()):
            rows.append(
                {"measure": name, "expected": measure.way} | {title: _way(move) for title, move in here.items()}
            )
    return rows


def _way(move: Move | None) -> str:
    if move is None:
        return "-"
    return f"rises in {move.rising} of {move.runs} ({move.start:.3g} to {move.end:.3g}): {move.agrees}"


def _move_rows(found: Mapping[str, Table]) -> list[dict[str, Any]]:
    rows = []
    for name in BY_NAME:
        here = {title: one.move(name) for title, one in found.items()}
        if any(here.values()):
            rows.append(
                {"measure": name}
                | {
                    title: "-"
                    if move is None
                    else f"{move.lead:+,.0f}; {with_span(move.lead_95, move.interval_95, '+,.0f')}"
                    for title, move in here.items()
                }
            )
    return rows
