"""What several of the second paper's figures draw."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from analysis.paper.runs import lower_medians
from analysis.runs.store import RunStore
from analysis.weight_norm.pictures import draw_contours, draw_curve
from analysis.weight_norm.tables import landscape
from paper_figures.scale import Part, Scale
from paper_figures.style import BLUE, GREY, ORANGE

_PER_DECADE = 40  # marks of a line


def held(store: RunStore, still: Part, scale: Scale, against: str) -> pd.DataFrame:
    """What runs at constant norm came to after all steps, over the norm and the field
    `against`, as `landscape` makes it.
    """
    configs = still.runs(scale)
    found = landscape(store, configs, against, [configs[0].budget])
    return found[found["kind"] == "final"]


def draw_losses(axes: Axes, table: pd.DataFrame) -> None:
    """Training and test loss of such runs against the norm."""
    draw_curve(axes, table, "train_loss", ORANGE, "training loss")
    draw_curve(axes, table, "test_loss", BLUE, "test loss")
    axes.legend()


def draw_errors(
    figure: Figure, panels: Mapping[str, Axes], table: pd.DataFrame, against: str, label: str, *, log: bool = False
) -> None:
    """Training error and test error of such runs over the norm and a field, by the
    panels' titles.
    """
    for name, (title, axes) in zip(("train_accuracy", "test_accuracy"), panels.items(), strict=True):
        axes.grid(False)
        colours = draw_contours(axes, table, name, against, log=log)
        axes.set_title(title, loc="left")
        axes.set_ylabel(label)
        figure.colorbar(colours, ax=axes, label="share that is wrong")


def draw_history(axes: Axes, table: pd.DataFrame, value: str, colour: str, line: str = "-", label: str = "") -> None:
    """A metric over training, from step 1 on: a line a seed. Of looks that a
    logarithmic axis has no room for, the median of neighbours.
    """
    for number, (_, run) in enumerate(table[table["step"] > 0].groupby("seed")):
        place = (_PER_DECADE * np.log10(run["step"])).round()
        shown = run[["step", value]].groupby(place).median()
        axes.plot(shown["step"], shown[value], line, color=colour, lw=1.3, alpha=0.8, label="" if number else label)
    axes.set(xscale="log", xlabel="steps")
    if value.endswith("accuracy"):
        axes.set(ylim=(-0.02, 1.02), ylabel="accuracy")
    elif value.endswith("loss"):
        axes.set(yscale="log", ylabel="loss")


def draw_times(axes: Axes, table: pd.DataFrame, name: str, against: str, colour: str, marker: str, label: str) -> None:
    """Steps to a threshold against a field: a mark a run, a triangle at the budget for
    those that did not get there; a line through the medians of fields where most did.
    """
    there = table[name].notna()
    axes.plot(table.loc[there, against], table.loc[there, name], marker, color=colour, ms=4, alpha=0.6)
    axes.plot(table.loc[~there, against], table.loc[~there, "budget"], "^", color=colour, mfc="none")
    medians = _medians(table, name, against)
    axes.plot(medians, color=colour, lw=1.2, label=label)
    axes.set(xscale="log", yscale="log", ylabel="steps")
    values = sorted(table[against].unique())
    axes.set_xticks(values, [f"{value:.2g}" for value in values])
    axes.xaxis.set_minor_locator(NullLocator())


def draw_inverse(axes: Axes, table: pd.DataFrame, name: str, against: str) -> None:
    """The line of slope -1 through the median of the least of a field's values whose
    runs mostly got there, if there are two such.
    """
    medians = _medians(table, name, against)
    if len(medians) > 1:
        x = np.array([medians.index[0], table[against].max()])
        y = medians.iloc[0] * x[0] / x
        axes.plot(x, y, ":", color=GREY, lw=1.2, label="$\\propto 1/\\gamma$")


def _medians(table: pd.DataFrame, name: str, against: str) -> pd.Series:
    """Lower medians, a censored run counting as longer, where they are known."""
    medians = lower_medians(table, against, [name]).set_index(against)[name]
    return medians[np.isfinite(medians)]
