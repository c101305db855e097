"""The picture of the theory of rings beside the networks."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.modular_theory.predictions import PREDICTORS
from analysis.modular_theory.scores import TARGETS, Order, Setting
from analysis.report.look import BLUE, GREEN, GREY, LOOK, ORANGE, PURPLE, VERMILION

_PREDICTORS = dict(zip(PREDICTORS, ((BLUE, "o"), (GREEN, "s"), (ORANGE, "^"), (PURPLE, "D")), strict=True))
_TARGETS = dict(zip(TARGETS, ((ORANGE, "s", "--"), (VERMILION, "o", "-")), strict=True))


def picture(settings: list[Setting], orders: list[Order], budget: int) -> Figure:
    """A row a set-up: shares over the training fraction, steps over it, and the
    concordance within each fraction.
    """
    names = list(dict.fromkeys(one.setup for one in settings))
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(11, 3.6 * len(names)))
        rows: Any = figure.subplots(len(names), 3, squeeze=False)
        for panels, name in zip(rows, names, strict=True):
            own = [one for one in settings if one.setup == name]
            _shares(panels[0], own)
            _times(panels[1], own, budget)
            _orders(panels[2], [one for one in orders if one.setup == name and one.fraction is not None])
            panels[0].set_title(f"{name}: who generalises")
            panels[1].set_title(f"{name}: when")
            panels[2].set_title(f"{name}: in which order (test accuracy 0.95)")
        return figure


def _shares(axes: Axes, settings: list[Setting]) -> None:
    x = [one.fraction for one in settings]
    axes.plot(x, [one.unique for one in settings], "--", color=BLUE, label="theory: the ring is determined")
    axes.plot(x, [one.ideal_accuracy for one in settings], ":", color=GREEN, label="theory: ideal accuracy")
    y = np.array([one.generalised for one in settings])
    off = np.abs(np.array([one.generalised_interval for one in settings]).T - y)
    axes.errorbar(x, y, off, color=VERMILION, marker="o", capsize=2, label="networks: test accuracy 0.95")
    axes.set(xlabel="training fraction", ylabel="share", ylim=(-0.03, 1.03))
    axes.legend(fontsize=7)


def _times(axes: Axes, settings: list[Setting], budget: int) -> None:
    for target, (colour, marker, line) in _TARGETS.items():
        found = [(one.fraction, time) for one in settings for time in one.times if time.target == target]
        seen = [(x, time.median, time.interval) for x, time in found if time.median is not None]
        if not seen:
            continue
        x, y = np.array([(x, median) for x, median, _ in seen], float).T
        low, high = zip(*(bounds for *_, bounds in seen), strict=True)
        ends = [[budget if bound is None else bound for bound in side] for side in (low, high)]
        axes.errorbar(
            x, y, np.abs(np.array(ends) - y), color=colour, marker=marker, ls=line, capsize=2, label=f"to {target}"
        )
    slowest = [(one.fraction, one.inverse_lambda) for one in settings if one.inverse_lambda is not None]
    medians = [time.median for one in settings[-1:] for time in one.times if time.median is not None]
    if slowest and medians and settings[-1].inverse_lambda is not None:
        x, y = np.array(slowest).T
        axes.plot(x, y / y[-1] * medians[-1], ":", color=BLUE, label="theory: 1/lambda, scaled at the last")
    axes.axhline(budget, color=GREY, lw=0.8, label="budget")
    axes.set(xlabel="training fraction", ylabel="median steps", yscale="log")
    axes.set_xlim(settings[0].fraction - 0.02, settings[-1].fraction + 0.02)
    if axes.get_legend_handles_labels()[0]:  # somebody got there
        axes.legend(fontsize=7)


def _orders(axes: Axes, orders: list[Order]) -> None:
    target = list(TARGETS)[-1]
    fractions = sorted({one.fraction for one in orders if one.fraction is not None})
    for number, (predictor, (colour, marker)) in enumerate(_PREDICTORS.items()):
        own = [one for one in orders if one.predictor == predictor and one.target == target and one.interval]
        x = [fractions.index(one.fraction) + 0.15 * (number - 1.5) for one in own if one.fraction is not None]
        y = np.array([one.c_index for one in own], float)
        bounds = np.array([one.interval for one in own], float).reshape(-1, 2).T
        axes.errorbar(x, y, np.abs(bounds - y), color=colour, marker=marker, ls="", capsize=2, label=predictor)
    axes.axhline(0.5, color=GREY, lw=0.8)
    axes.set_xticks(range(len(fractions)), [f"{fraction:g}" for fraction in fractions])
    axes.set(xlabel="training fraction", ylabel="concordance within it", ylim=(0, 1), xlim=(-0.6, len(fractions) - 0.4))
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7, ncols=2, loc="lower center")
