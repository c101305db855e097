"""The picture of the remedies."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.report.look import BLUE, GREEN, GREY, LOOK, ORANGE, VERMILION
from analysis.runs.tables import measured
from analysis.scores.survival import survival_curve

_STYLES = ((GREY, "-"), (BLUE, "-"), (GREEN, "--"), (GREEN, "-"), (ORANGE, "-"), (VERMILION, "-"))


def picture(runs: dict[str, pd.DataFrame], budget: int) -> Figure:
    """Survival curves of the steps to RQI > 0.95 and to test accuracy 0.9, a curve a
    remedy.
    """
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(9.5, 4.6))
        panels: Any = figure.subplots(1, 2, sharey=True)
        for axes, target, goal in zip(panels, ("rqi", "test"), ("RQI > 0.95", "test accuracy 0.9"), strict=True):
            _curves(axes, runs, target, budget)
            axes.set(xscale="log", xlabel="steps", title=f"not yet at {goal}", xlim=(budget / 50, budget))
        panels[0].set(ylabel="share of runs", ylim=(0, 1.02))
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
        return figure


def _curves(axes: Axes, runs: dict[str, pd.DataFrame], target: str, budget: int) -> None:
    for (name, arm), (colour, style) in zip(runs.items(), _STYLES, strict=True):
        curve = survival_curve(*measured(arm, target))
        x, y = np.append(curve.times, budget), np.append(curve.survival, curve.survival[-1])
        axes.step(x.clip(min=1), y, where="post", color=colour, ls=style, label=name.replace("eta_r", r"$\eta_r$"))
