"""Accuracy and representation for S3; 11 seeds a training fraction, after 1e4 steps.

(a) Accuracy of the network over all of D0: a dot a run, the line the seed of each
fraction with the best RQI. (b) The accuracy that the trained embedding predicts
(Acc-hat). (c) One against the other; above the diagonal Acc-hat is a lower bound, as
the paper finds it to be. Larger dots: several runs.
"""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from analysis.runs.store import RunStore
from paper_figures.s3 import QUICK as QUICK
from paper_figures.s3 import SEEDS as SEEDS
from paper_figures.s3 import outcomes
from paper_figures.s3 import runs as runs
from paper_figures.scale import Scale
from paper_figures.style import BLUE, GREY, VERMILION, draw_best

TITLE = "S3: accuracy, predicted accuracy and training fraction"


class Tables(NamedTuple):
    """The runs; how many there are at each pair of accuracies; and of them all, how
    often Acc-hat <= Acc.
    """

    runs: pd.DataFrame
    pairs: pd.DataFrame
    n_bounded: int


def tables(store: RunStore, scale: Scale) -> Tables:
    table = outcomes(store, scale)
    both = ["predicted_accuracy", "accuracy"]
    bounded = table["predicted_accuracy"] <= table["accuracy"]  # both are counts over the same 36
    return Tables(table, table.groupby(both).size().reset_index(name="n"), int(bounded.sum()))


def draw(drawn: Tables) -> Figure:
    figure = Figure(figsize=(10, 3.4))
    left, centre, right = figure.subplots(1, 3, sharey=True)
    draw_best(left, drawn.runs, "accuracy", VERMILION)
    left.set(xlabel="training fraction |D|/|D0|", ylabel="accuracy on D0")
    draw_best(centre, drawn.runs, "predicted_accuracy", BLUE)
    centre.set(xlabel="training fraction |D|/|D0|", ylabel="predicted accuracy")
    right.plot([0, 1], [0, 1], color=GREY, linewidth=1, label="network = predicted")
    label = f"predicted $\\leq$ network: {drawn.n_bounded} of {len(drawn.runs)} runs"
    x, y = drawn.pairs["predicted_accuracy"], drawn.pairs["accuracy"]
    size = 12 * drawn.pairs["n"]
    right.scatter(x, y, s=size, color=VERMILION, alpha=0.6, linewidths=0, clip_on=False, label=label)
    right.set(xlabel="predicted accuracy", ylabel="accuracy on D0")
    for axes, letter in zip((left, centre, right), "abc", strict=True):
        axes.set_title(f"({letter})", loc="left")
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        axes.legend(loc="lower right", fontsize="small")
    return figure
