"""Accuracy and representation for S3; 11 seeds a training fraction, after 1e4 steps.

(a) Accuracy of the network over all of D0: a dot a run, the line the seed of each
fraction with the best RQI. (b) The accuracy that the trained embedding predicts
(Acc-hat). (c) One against the other; above the diagonal Acc-hat is a lower bound, as
the paper finds it to be. Larger dots: several runs.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.paper.tables import outcomes
from analysis.runs.store import RunStore
from paper_figures.s3 import QUICK as QUICK
from paper_figures.s3 import runs as runs
from paper_figures.scale import Scale
from paper_figures.style import BLUE, GREY, VERMILION, draw_best, name_panels

TITLE = "S3: accuracy, predicted accuracy and training fraction"


def tables(store: RunStore, scale: Scale) -> dict[str, Any]:
    return {"table": outcomes(store, runs(scale))}


def draw(table: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(10, 3.4))
    left, centre, right = panels = figure.subplots(1, 3, sharey=True)
    draw_best(left, table, "accuracy", VERMILION)
    left.set(xlabel="training fraction |D|/|D0|", ylabel="accuracy on D0")
    draw_best(centre, table, "predicted_accuracy", BLUE)
    centre.set(xlabel="training fraction |D|/|D0|", ylabel="predicted accuracy")
    right.plot([0, 1], [0, 1], color=GREY, linewidth=1, label="network = predicted")
    n_bounded = (table["predicted_accuracy"] <= table["accuracy"]).sum()  # both are counts over the same 36
    label = f"predicted $\\leq$ network: {n_bounded} of {len(table)} runs"
    pairs = table.groupby(["predicted_accuracy", "accuracy"]).size().reset_index(name="n")
    x, y, size = pairs["predicted_accuracy"], pairs["accuracy"], 12 * pairs["n"]
    right.scatter(x, y, s=size, color=VERMILION, alpha=0.6, linewidths=0, clip_on=False, label=label)
    right.set(xlabel="predicted accuracy", ylabel="accuracy on D0")
    name_panels(panels)
    for axes in panels:
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        axes.legend(loc="lower right", fontsize="small")
    return figure
