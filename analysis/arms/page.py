"""Arms in words, in a table and in a picture; and what a command about them leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from analysis.report.command import environment, leave, trained_on
from analysis.report.files import table
from analysis.report.look import BLUE, GREEN, GREY, LOOK, ORANGE, PURPLE, VERMILION
from analysis.report.tables import wide
from analysis.report.words import TARGETS_IN_WORDS, judged
from analysis.runs.session import Trains
from analysis.scores.survival import survival_curve
from analysis.scores.table import MEASURED, measured

_LINES = ((BLUE, "-"), (GREEN, ":"), (VERMILION, "-."), (ORANGE, "-"), (PURPLE, "--"))
_WITH_BANDS = 4  # so many arms at most: the bands of more could not be told apart


def leave_arms(
    arguments: Trains,
    prog: str,
    title: str,
    answer: Sequence[str],
    rows: list[dict[str, str]],
    rest: str,
    pictures: Mapping[str, Figure],
    **tables: pd.DataFrame,
) -> None:
    """Leave a report that begins with the sentences of the answer, the table of `rows`
    behind it and survival.png (one of the pictures), and print the first two. Among the
    tables are `runs` and `scores`.
    """
    report: dict[str, Any] = {"seeds": arguments.seeds, "first_seed": arguments.first_seed, "answer": list(answer)}
    report["scores"] = tables["scores"].to_dict("records")
    report["environment"] = environment(prog, trained_on(tables["runs"]))
    bullets = "\n".join(f"- {sentence}" for sentence in answer)
    caption = "![survival](survival.png)\n\nShare of runs that are not there yet (Kaplan-Meier; bands: 95 %)."
    page = [f"# {title}", f"`{report['environment']['command']}`", bullets, table(rows), caption, rest]
    leave(arguments.out or Path(), report, pictures, page, [table(rows, "simple"), "", *answer], **tables)


def one_score(scores: pd.DataFrame, **where: Any) -> Any:
    """The only row with these values."""
    for name, value in where.items():
        scores = scores[scores[name] == value]
    [row] = scores.itertuples()
    return row


def arm_rows(
    scores: pd.DataFrame, rows: Mapping[str, str], columns: Mapping[str, Mapping[str, tuple[str, ...]]]
) -> list[dict[str, str]]:
    """A table of the arms: what was measured, and what predictors had `said`. Columns by
    target, rows and each column as in `wide`; without a score there is no column.
    """
    shown = scores[(scores["predictor"] == MEASURED) | (scores["statistic"] == "said")]
    return beside(*(wide(shown[shown["target"] == of], rows, some, TARGETS_IN_WORDS) for of, some in columns.items()))


def beside(*tables: list[dict[str, str]]) -> list[dict[str, str]]:
    """Tables of the same rows as one, the columns of each that has any in turn."""
    full = filter(None, tables)
    return [{name: cell for row in rows for name, cell in row.items()} for rows in zip(*full, strict=True)]


def verdict(scores: pd.DataFrame, target: str) -> str:
    """With which arms more, or fewer, runs get to the target than with the base; which
    do not tell; and with which they get there sooner, or later.
    """
    more, fewer, open_ = f"More runs reach {TARGETS_IN_WORDS[target]} with", "Fewer with", "Not certain with"
    found: dict[str, list[str]] = {more: [], fewer: [], open_: [], "Sooner with": [], "Later with": []}
    for one in scores[(scores["target"] == target) & (scores["against"] != "")].itertuples():
        one: Any
        if one.statistic == "did":
            said = judged((one.low, one.high), (0, 0), below=fewer, above=more, otherwise=open_)
            found[said].append(f"{one.arm} ({one.value:+.2f})")
        elif one.statistic == "ratio" and 0 < one.value < np.inf:
            said = judged((one.low, one.high), (1, 1), below="Sooner with", above="Later with", otherwise="")
            found.get(said, []).append(f"{one.arm} ({one.value:.2f} times the steps)")
    return " ".join(f"{word}: {', '.join(names)}." for word, names in found.items() if names)


def looks(names: Sequence[str], base: str) -> dict[str, tuple[str, str]]:
    """Colour and line of each arm; the base is grey."""
    others = [name for name in names if name != base]
    return {base: (GREY, "--")} | dict(zip(others, _LINES, strict=False))


def survival(groups: Mapping[str, pd.DataFrame], targets: Sequence[str], base: str) -> Figure:
    """Kaplan-Meier curves of the steps to each target, a curve an arm, a column a
    target, a row a group of runs under its title.
    """
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(3.6 * len(targets) + 0.6, 3 * len(groups) + 0.9))
        grid: Any = figure.subplots(len(groups), len(targets), squeeze=False, sharey=True)
        for panels, (title, runs) in zip(grid, groups.items(), strict=True):
            budget = int(runs["budget"].max())
            first = min(budget / 10, *(measured(runs, target)[0].min() for target in targets))
            for axes, target in zip(panels, targets, strict=True):
                _curves(axes, runs, target, base)
                axes.set(xscale="log", ylim=(-0.02, 1.02), xlim=(max(0.8 * first, 1), budget))
                axes.xaxis.set_minor_formatter(NullFormatter())
                axes.set_title(f"not yet at {TARGETS_IN_WORDS[target]}", loc="left")
            panels[0].set_ylabel(f"share of runs\n{title}".strip())
        for axes in grid[-1]:
            axes.set_xlabel("steps")
        handles, names = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=3 if len(names) > _WITH_BANDS else len(names))
        return figure


def _curves(axes: Any, runs: pd.DataFrame, target: str, base: str) -> None:
    names = list(dict.fromkeys(runs["arm"]))
    look = looks(names, base)
    for name in names:
        (colour, style), arm = look[name], runs[runs["arm"] == name]
        curve = survival_curve(*measured(arm, target))
        x = np.append(curve.times, arm["budget"].max()).clip(min=1)
        low, y, high = (np.append(v, v[-1]) for v in (curve.low, curve.survival, curve.high))
        if len(names) <= _WITH_BANDS:
            axes.fill_between(x, low, high, step="post", color=colour, alpha=0.12, linewidth=0)
        axes.step(x, y, where="post", color=colour, ls=style, label=name.replace("eta_r", r"$\eta_r$"))
