"""RQI and accuracy against the most that the training set allows, p = 10, d = 1, at the
end of the budget of 1e4 steps.

(a) RQI of the final embedding, and the ideal RQI = |P(D)|/|P0|: the share of all
parallelograms whose equations depend linearly on those of the training set. (b)
Accuracy over all of D0, and the ideal accuracy. A mark a run, lines for the medians
over the seeds. The paper believes that neither measured quantity exceeds its ideal; the
titles count the runs in which it does. Neither is a bound: an embedding may be within
delta of a parallelogram that nothing asks for (also counted: the runs in which this is
so before training), and a sample that no parallelogram leads to may be guessed.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.paper.hierarchy import ideals
from analysis.runs.store import RunStore
from paper_figures.fig3 import runs as runs
from paper_figures.scale import Scale
from paper_figures.style import BLUE, VERMILION

TITLE = "RQI and accuracy beside their ideals"
QUANTITIES = {"rqi": "RQI", "accuracy": "accuracy"}
_ROUNDING = 1e-6  # both are counts, divided by 70 or 55; RQI comes from float32
_ASIDE = 0.006  # so that marks of one training fraction stand beside each other


def tables(store: RunStore, scale: Scale) -> dict[str, Any]:
    """As `ideals` makes it, and whether runs are above their ideals, in the end and
    before training.
    """
    table = ideals(store, runs(scale))
    of = {"rqi": "ideal_rqi", "initial_rqi": "ideal_rqi", "accuracy": "ideal_accuracy"}
    above = {name: int((table[name] - table[ideal] > _ROUNDING).sum()) for name, ideal in of.items()}
    return {"table": table, "above": above}


def draw(table: pd.DataFrame, above: dict[str, int]) -> Figure:
    figure = Figure(figsize=(9.5, 3.8))
    counts = (f"{above['rqi']} ({above['initial_rqi']} at the start)", f"{above['accuracy']}")
    median = table.groupby("fraction").median()
    panels = figure.subplots(1, 2, sharey=True)
    for axes, letter, (name, label), count in zip(panels, "ab", QUANTITIES.items(), counts, strict=True):
        ideal = f"ideal_{name}"
        axes.plot(table["fraction"] - _ASIDE, table[name], "o", color=VERMILION, alpha=0.5, ms=4)
        axes.plot(table["fraction"] + _ASIDE, table[ideal], "s", color=BLUE, mfc="none", alpha=0.6, ms=5)
        axes.plot(median.index, median[name], color=VERMILION, label=f"network: {label}, median")
        axes.plot(median.index, median[ideal], "--", color=BLUE, label=f"theory: ideal {label}, median")
        axes.set(xlabel="training fraction |D|/|D0|", ylabel=label, xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        axes.set_title(f"({letter}) above the ideal: {count} of {len(table)} runs", loc="left")
        axes.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    return figure
