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
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.paper.tables import lower_medians
from analysis.runs.plan import Axis
from analysis.runs.store import RunStore
from neural import DigitsConfig
from paper_figures.scale import Scale
from paper_figures.style import BLUE, VERMILION

TITLE = "digits: the time to generalise against the training-set size"
SEEDS = 3
QUICK = Scale(points=5, small=True)
BASE = DigitsConfig(init_scale=8.0, weight_decay=0.03, budget=100_000)
SMALL = replace(BASE, width=100, batch_size=100, weight_decay=0.1, budget=10_000)  # more decay, and so fewer steps
SIZES = Axis("n_train", (250, 350, 500, 700, 1_000, 1_400, 2_000, 2_800, 4_000), log=True)
_LINES = {
    "steps_to_train": ("train accuracy 0.9", BLUE, "s", "--"),
    "steps_to_test_60": ("test accuracy 0.6", VERMILION, "o", "-"),
}


class Tables(NamedTuple):
    """A row a run, as in the store's table, and the medians by size."""

    runs: pd.DataFrame
    medians: pd.DataFrame


def runs(scale: Scale) -> list[DigitsConfig]:
    return scale.runs(SMALL if scale.small else BASE, [SIZES], SEEDS)


def tables(store: RunStore, scale: Scale) -> Tables:
    table = store.table(runs(scale))
    return Tables(table, lower_medians(table, "n_train", list(_LINES)))


def draw(drawn: Tables) -> Figure:
    figure = Figure(figsize=(6, 4.2))
    axes = figure.subplots()
    shift = {"steps_to_train": 0.985, "steps_to_test_60": 1.015}  # so that none hides another
    for name, (label, colour, marker, line) in _LINES.items():
        x = drawn.runs["n_train"] * shift[name]
        late = drawn.runs[name].isna()
        axes.plot(x[~late], drawn.runs.loc[~late, name], marker, color=colour, alpha=0.6, ms=5, ls="none")
        axes.plot(x[late], drawn.runs.loc[late, "budget"], "^", color=colour, mfc="none", ls="none")
        medians = drawn.medians[name].replace(np.inf, np.nan)
        axes.plot(drawn.medians["n_train"], medians, line, color=colour, marker=marker, ms=3, label=label)
    if drawn.runs[list(_LINES)].isna().to_numpy().any():
        axes.plot([], [], "^", color="black", mfc="none", label="not within the budget")
    sizes = drawn.medians["n_train"]
    axes.set(xlabel="training digits", ylabel="steps", xscale="log", yscale="log")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.legend()
    return figure
