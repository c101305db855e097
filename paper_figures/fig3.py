"""Accuracy and representation, p = 10, d = 1, after 5000 steps; a point a run, the line
the median of the seeds.

(a) Accuracy of the network over all of D0 against the training fraction. (b) The
accuracy that the theory predicts from the trained embedding (Acc-hat), with the ideal
accuracy that the training set allows. (c) One against the other; the theory is right
where the points lie on the diagonal.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.paper.runs import run_of
from analysis.paper.tables import states_at
from analysis.runs.store import RunStore
from paper_figures.scale import Scale, part, runs_of
from paper_figures.style import BLUE, GREY, ORANGE, VERMILION, name_panels

TITLE = "accuracy, predicted accuracy and training fraction"
RUNS = part(run_of("toy"), "n_train=5,10,15,20,25,30,35,40,45,50,54", seeds=8)  # of figures 3 to 5 and 10
STEP = 5000
runs = runs_of(RUNS)


def tables(store: RunStore, scale: Scale) -> dict[str, Any]:
    return {"states": states_at(store, runs(scale), STEP)}


def draw(states: pd.DataFrame) -> Figure:
    median = states.groupby("fraction").median().reset_index()
    figure = Figure(figsize=(10, 3.4))
    left, centre, right = panels = figure.subplots(1, 3, sharey=True)
    left.plot(states["fraction"], states["accuracy"], "o", color=VERMILION, alpha=0.5, markersize=4)
    left.plot(median["fraction"], median["accuracy"], color=VERMILION, label="network, median")
    left.set(xlabel="training fraction |D|/|D0|", ylabel="accuracy on D0")
    centre.plot(states["fraction"], states["predicted_accuracy"], "o", color=BLUE, alpha=0.5, markersize=4)
    centre.plot(median["fraction"], median["predicted_accuracy"], color=BLUE, label="predicted accuracy, median")
    centre.plot(median["fraction"], median["ideal_accuracy"], color=ORANGE, ls="--", label="ideal accuracy, median")
    centre.set(xlabel="training fraction |D|/|D0|")
    right.plot([0, 1], [0, 1], color=GREY, linewidth=1, label="network = predicted")
    right.plot(states["predicted_accuracy"], states["accuracy"], "o", color=VERMILION, alpha=0.5, markersize=4)
    right.set(xlabel="predicted accuracy")
    name_panels(panels)
    for axes in panels:
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        axes.legend(loc="lower right", fontsize="small")
    return figure
