"""The picture of a kind of networks: predicted against measured steps, a panel a
law.
"""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.norm_law.tables import LAWS
from analysis.report.look import GREY, LOOK

_MARKERS = "os^Dv"


def picture(table: pd.DataFrame, title: str) -> Figure:
    """Every run of every target: a colour a decay, a marker a target; triangles to the
    right for runs that did not get there within the budget.
    """
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(11, 7.2))
        panels: Any = figure.subplots(2, 3, sharex=True, sharey=True)
        for axes, law in zip(panels.flat, LAWS, strict=True):
            _draw(axes, table, law)
        for axes in panels[-1]:
            axes.set_xlabel("measured steps")
        for axes in panels[:, 0]:
            axes.set_ylabel("predicted steps")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
        figure.suptitle(title, fontsize="large")
        return figure


def _draw(axes: Axes, table: pd.DataFrame, law: str) -> None:
    decays = sorted(table["weight_decay"].unique())
    colours = colormaps["viridis"](np.linspace(0, 0.9, len(decays)))
    times = table["steps"].fillna(table["budget"])
    low, high = times[times > 0].min() / 1.5, times.max() * 1.5
    axes.plot([low, high], [low, high], color=GREY, lw=0.8)
    for decay, colour in zip(decays, colours, strict=True):
        for (target, part), marker in zip(table.groupby("target"), _MARKERS, strict=False):
            here = part[part["weight_decay"] == decay]
            there = here["steps"].notna()
            said = here[law].clip(low, high)
            label = f"decay {decay:g}, {target}"
            axes.plot(here["steps"][there], said[there], marker, color=colour, ms=4, alpha=0.7, label=label)
            axes.plot(here["budget"][~there], said[~there], ">", color=colour, mfc="none")
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low * 0.8, high * 1.25))
    axes.set_title(law, loc="left")
