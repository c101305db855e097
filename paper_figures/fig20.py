"""When digits are generalised to, against how many there are to train on; initial
weights 8 times the usual ones, else as in figure 8.

A dot a run (3 seeds a size): steps to train accuracy 0.9, and to test accuracy 0.6 on
1,000 other digits; triangles at the budget for runs that do not get there; lines
through the medians. Weight decay .03, budget 1e5.

The paper (appendix J) shows the time to generalise against the number of training
digits: more of them, and it comes sooner.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.paper.runs import lower_medians, run_of
from analysis.runs.store import RunStore
from paper_figures.scale import Scale, part, runs_of
from paper_figures.style import BLUE, VERMILION

TITLE = "digits: the time to generalise against the training-set size"
QUICK = Scale(points=5, small=True)
BASE = run_of("digits", init_scale=8.0, weight_decay=0.03, budget=100_000)
SMALL = replace(BASE, width=100, batch_size=100, weight_decay=0.1, budget=10_000)  # more decay, and so fewer steps
runs = runs_of(part(BASE, "n_train=250,350,500,700,1000,1400,2000,2800,4000").or_small(SMALL))
_LINES = {
    "steps_to_train": ("train accuracy 0.9", BLUE, "s", "--", 0.985),
    "steps_to_test_60": ("test accuracy 0.6", VERMILION, "o", "-", 1.015),  # aside, so that none hides another
}


def tables(store: RunStore, scale: Scale) -> dict[str, Any]:
    return {"table": store.table(runs(scale))}


def draw(table: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(6, 4.2))
    axes = figure.subplots()
    medians = lower_medians(table, "n_train", list(_LINES)).replace(np.inf, np.nan)
    for name, (label, colour, marker, line, aside) in _LINES.items():
        x, late = table["n_train"] * aside, table[name].isna()
        axes.plot(x[~late], table.loc[~late, name], marker, color=colour, alpha=0.6, ms=5, ls="none")
        axes.plot(x[late], table.loc[late, "budget"], "^", color=colour, mfc="none", ls="none")
        axes.plot(medians["n_train"], medians[name], line, color=colour, marker=marker, ms=3, label=label)
    if table[list(_LINES)].isna().to_numpy().any():
        axes.plot([], [], "^", color="black", mfc="none", label="not within the budget")
    sizes = medians["n_train"]
    axes.set(xlabel="training digits", ylabel="steps", xscale="log", yscale="log")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.legend()
    return figure
