"""A transformer that adds modulo p is cured of grokking by holding its weight norm: one
layer on "a b =", 128 dimensions, 4 heads, an MLP of 512, no layer norm, 30 % of all
pairs, full batches, AdamW at 1e-3, p = 113; a line a seed (3).

(a) Free, decay 1: training accuracy (dashed) and test accuracy over 8,000 steps. (b)
Held at .8 times the usual norm, without decay, over 2,000 steps. (c) The norm of all
weights of both. The paper: free, the training set is learned at step 150 and the test
set at 8,000; held, they come together.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.paper.runs import histories, run_of
from analysis.runs.store import RunStore
from paper_figures.scale import Scale, part, runs_of
from paper_figures.style import BLUE, VERMILION
from paper_figures.weight_norm import draw_history

TITLE = "addition modulo p: a transformer, free and at constant norm"
QUICK = Scale(small=True)
BASE = run_of(
    "modular",
    network="transformer",
    p=113,
    fraction=0.3,
    learning_rate=1e-3,
    look_every=10,
    budget=8_000,
    checkpoints=0,
)
SMALL = replace(BASE, p=53, fraction=0.4, budget=6_000)
HELD = {"init_scale": 0.8, "constrained": True, "weight_decay": 0.0}
FREE = part(BASE).or_small(SMALL)
STILL = part(replace(BASE, **HELD, budget=2_000)).or_small(replace(SMALL, **HELD, budget=1_000))
runs = runs_of(FREE, STILL)


def tables(store: RunStore, scale: Scale) -> dict[str, Any]:
    """As `histories` makes them."""
    return {"free": histories(store, FREE.runs(scale)), "still": histories(store, STILL.runs(scale))}


def draw(free: pd.DataFrame, still: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(11, 3.9))
    left, centre, norms = figure.subplots(1, 3)
    kinds = ((left, free, VERMILION, "(a) free, decay 1"), (centre, still, BLUE, "(b) held at .8, no decay"))
    for axes, table, colour, title in kinds:
        draw_history(axes, table, "train_accuracy", colour, "--", "training pairs")
        draw_history(axes, table, "test_accuracy", colour, label="test pairs")
        draw_history(norms, table, "weight_norm", colour, label=title[4:])
        axes.set_title(title, loc="left")
        axes.legend()
    norms.set(ylabel=r"norm of all weights $\|\theta\|$", ylim=(0, None))
    norms.set_title("(c) weight norm", loc="left")
    norms.legend()
    return figure
