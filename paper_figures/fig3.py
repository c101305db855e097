"""Accuracy and representation, p = 10, d = 1, after 5000 steps; a point a run, the line
the median of the seeds.

(a) Accuracy of the network over all of D0 against the training fraction. (b) The
accuracy that the theory predicts from the trained embedding (Acc-hat), with the ideal
accuracy that the training set allows. (c) One against the other; the theory is right
where the points lie on the diagonal.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analysis.paper.tables import states_at
from analysis.runs.experiments import PAPER_SIZES
from analysis.runs.plan import Axis
from analysis.runs.store import RunStore
from neural import RunConfig
from paper_figures.scale import Scale
from paper_figures.style import BLUE, GREY, ORANGE, VERMILION

TITLE = "accuracy, predicted accuracy and training fraction"
SEEDS = 8
STEP = 5000


def runs(scale: Scale) -> list[RunConfig]:
    """The runs of figures 3 to 5: the paper's training-set sizes."""
    return scale.runs(RunConfig(), [Axis("n_train", PAPER_SIZES)], SEEDS)


def tables(store: RunStore, scale: Scale) -> pd.DataFrame:
    return states_at(store, runs(scale), STEP)


def draw(table: pd.DataFrame) -> Figure:
    median = table.groupby("fraction").median().reset_index()
    figure = Figure(figsize=(10, 3.4))
    left, centre, right = figure.subplots(1, 3, sharey=True)
    left.plot(table["fraction"], table["accuracy"], "o", color=VERMILION, alpha=0.5, markersize=4)
    left.plot(median["fraction"], median["accuracy"], color=VERMILION, label="network, median")
    left.set(xlabel="training fraction |D|/|D0|", ylabel="accuracy on D0")
    centre.plot(table["fraction"], table["predicted_accuracy"], "o", color=BLUE, alpha=0.5, markersize=4)
    centre.plot(median["fraction"], median["predicted_accuracy"], color=BLUE, label="predicted accuracy, median")
    centre.plot(median["fraction"], median["ideal_accuracy"], color=ORANGE, ls="--", label="ideal accuracy, median")
    centre.set(xlabel="training fraction |D|/|D0|")
    right.plot([0, 1], [0, 1], color=GREY, linewidth=1, label="network = predicted")
    right.plot(table["predicted_accuracy"], table["accuracy"], "o", color=VERMILION, alpha=0.5, markersize=4)
    right.set(xlabel="predicted accuracy")
    for axes, letter in zip((left, centre, right), "abc", strict=True):
        axes.set_title(f"({letter})", loc="left")
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        axes.legend(loc="lower right", fontsize="small")
    return figure
