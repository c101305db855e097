"""Representations of S3: their quality and when they form; 11 seeds a training
fraction, budget 1e4.

(a) RQI of the final embeddings: a dot a run, the line the best seed of each fraction.
(b) Steps to RQI > 0.95: a dot a run, triangles at the top for runs that did not get
there, the line their Kaplan-Meier median, drawn where at least half of the runs got
there. The paper shows the best seed, and a transition at half of the 36 samples
(dotted).

RQI here: E is divided by its root mean square, and (a, b, c, e) with a b = c e counts
if the mean square over the entries of E_a E_b - E_c E_e is below 0.5, as in the
official code.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.paper.tables import outcomes
from analysis.runs.store import RunStore
from analysis.scores.survival import survival_curve
from analysis.scores.table import measured
from paper_figures.s3 import QUICK as QUICK
from paper_figures.s3 import runs as runs
from paper_figures.scale import Scale
from paper_figures.style import GREY, VERMILION, draw_best, draw_steps, name_panels

TITLE = "S3: RQI and the steps to RQI > 0.95"
TRANSITION = 0.5


def tables(store: RunStore, scale: Scale) -> dict[str, Any]:
    """The runs, and the median steps of each fraction (inf: more than half were
    censored).
    """
    table = outcomes(store, runs(scale))
    groups = table.groupby("fraction")
    return {
        "table": table,
        "medians": {x: survival_curve(*measured(group, "rqi")).quantile(0.5)[0] for x, group in groups},
    }


def draw(table: pd.DataFrame, medians: dict[float, float]) -> Figure:
    figure = Figure(figsize=(9.5, 4.2))
    left, right = panels = figure.subplots(1, 2)
    draw_best(left, table, "rqi", VERMILION)
    left.set(ylabel="RQI", ylim=(-0.03, 1.03))
    draw_steps(right, table)
    right.plot(pd.Series(medians).replace(np.inf, np.nan), "D-", color=VERMILION, ms=4, label="median")
    right.set(ylabel="steps to RQI > 0.95", yscale="log")
    name_panels(panels)
    for axes in panels:
        axes.axvline(TRANSITION, color=GREY, ls=":", label="the paper's transition")
        axes.set(xlabel="training fraction |D|/|D0|", xlim=(-0.03, 1.03))
        axes.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2)
    return figure
