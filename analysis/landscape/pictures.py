"""The pictures of a landscape: the L and the U, and the contours over data sizes."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from analysis.landscape.setups import SCALES, Landscape
from analysis.landscape.shells import medians
from analysis.report.look import BLUE, GREEN, GREY, LOOK, VERMILION

ALPHA = r"weight norm, in units of the usual initial one, $\alpha$"
TIME_COLOURS = (GREEN, BLUE, VERMILION)
_CONTOURS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def curves_picture(table: pd.DataFrame, plan: Landscape) -> Figure:
    """Training loss, test loss and test accuracy against alpha, at the largest data
    size: a colour a number of steps, median and range of the seeds.
    """
    size, generalised = plan.sizes.field, plan.family.METRICS[1].name
    part = table[(table[size] == table[size].max()) & (table["kind"] == "final")]
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(11, 3.9))
        for axes, name in zip(figure.subplots(1, 3), ("train_loss", "test_loss", generalised), strict=True):
            for colour, (step, here) in zip(TIME_COLOURS, part.groupby("step"), strict=False):
                draw_curve(axes, here, name, colour, f"{step:,} steps")
            axes.set_title(name.replace("_", " ").replace("train", "training"), loc="left")
        figure.axes[0].legend(title=f"{size} = {part[size].iloc[0]:g}")
        figure.suptitle(f"{plan.title}: trained at constant norm", fontsize="large")
        return figure


def draw_curve(axes: Axes, table: pd.DataFrame, name: str, colour: str, label: str) -> None:
    """One metric against alpha: the median and the range of the seeds."""
    by_scale = table.groupby(SCALES)[name]
    axes.plot(by_scale.median(), "o-", color=colour, ms=3, label=label)
    axes.fill_between(by_scale.min().index, by_scale.min(), by_scale.max(), color=colour, alpha=0.15, lw=0)
    axes.axvline(1, color=GREY, lw=0.8, ls=":")
    _norm_axis(axes)
    if name.endswith("loss"):
        axes.set(yscale="log", ylabel="loss")
    else:
        axes.set(ylim=(-0.02, 1.02), ylabel="share")


def contours_picture(table: pd.DataFrame, plan: Landscape) -> Figure:
    """Training and test error over alpha and data size after all steps, with A, B and
    C.
    """
    size, (learned, generalised) = plan.sizes.field, (metric.name for metric in plan.family.METRICS[:2])
    last = table[(table["step"] == table["step"].max()) & (table["kind"] == "final")]
    with mpl.rc_context(LOOK | {"axes.grid": False}):
        figure = Figure(figsize=(10, 4.4))
        panels: Any = figure.subplots(1, 2, sharey=True)
        draw_contours(panels[0], last, learned, size, plan.sizes.log)
        drawn = draw_contours(panels[1], last, generalised, size, plan.sizes.log)
        for axes, words in zip(panels, ("training error", "test error"), strict=True):
            axes.set_title(words, loc="left")
        panels[0].set(ylabel=size)
        draw_places(panels[1], last, size)
        figure.colorbar(drawn, ax=panels, label="share of samples that are wrong")
        figure.suptitle(f"{plan.title}: error after {last['step'].iloc[0]:,} steps at constant norm", fontsize="large")
        return figure


def _norm_axis(axes: Axes) -> None:
    """Logarithmic in alpha, with ticks at 1, 2 and 5."""
    axes.set(xscale="log", xlabel=ALPHA)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def draw_contours(axes: Axes, table: pd.DataFrame, name: str, size: str, log: bool) -> Any:
    """1 - accuracy as colour and contours; what to make a colour bar of."""
    x, y, accuracy = medians(table, size, name)
    drawn = axes.pcolormesh(x, y, 1 - accuracy, cmap=colormaps["viridis_r"], vmin=0, vmax=1, shading="nearest")
    lines = axes.contour(x, y, 1 - accuracy, levels=_CONTOURS, colors="white", linewidths=0.7)
    axes.clabel(lines, fontsize=7, fmt="%g")
    _norm_axis(axes)
    if log:
        axes.set_yscale("log")
        axes.set_yticks(y, [f"{value:g}" for value in y])
        axes.minorticks_off()
    return drawn


def draw_places(axes: Axes, table: pd.DataFrame, size: str) -> None:
    """A: the usual norm and few data; B: too large a norm and as few; C: as large a
    norm, and most data. From B to A a run groks; from B to C it need not.
    """
    scales, sizes = np.unique(table[SCALES]), np.unique(table[size])
    usual, large = (scales[np.abs(np.log(scales / of)).argmin()] for of in (1, scales[-1] ** 0.85))
    for name, place in {"A": (usual, sizes[0]), "B": (large, sizes[0]), "C": (large, sizes[-1])}.items():
        axes.annotate(
            name, place, color="black", ha="center", va="center", bbox={"boxstyle": "circle", "fc": "white", "lw": 0.8}
        )
