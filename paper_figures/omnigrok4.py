"""Film reviews (IMDb): an LSTM whose weights are too large. Two layers of 256, words
embedded in 64 dimensions, the 1,000 most frequent words, 500 of them a review, 1,000
training reviews, Adam at 1e-3, binary cross-entropy.

(a) Training accuracy (dashed) and test accuracy, initial weights 6 times the usual ones
with decay 1, and the usual ones without: a line a seed (3). (b) Training loss and test
error after 5 epochs at constant norm, against the norm (medians and range of 3 seeds).
The paper: from alpha = 6 a plateau of the test accuracy at .47 until step 300 to 500,
then up to .7; none from alpha = 1; the least test error at alpha = .3, and a training
loss that is a U as well.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.experiments import EXPERIMENTS
from analysis.paper.runs import histories, run_of
from analysis.runs.store import RunStore
from analysis.weight_norm.pictures import draw_curve
from paper_figures.scale import Part, Scale, part, runs_of
from paper_figures.style import BLUE, ORANGE, VERMILION
from paper_figures.weight_norm import draw_history, held

TITLE = "film reviews: an LSTM whose weights are too large"
QUICK = Scale(small=True)
BASE = run_of("reviews", skip=0, length=500, width=256, budget=50_000)
_REVIEWS = EXPERIMENTS["landscape"]["reviews"]
SMALL_HELD = _REVIEWS.base
SMALL = replace(SMALL_HELD, constrained=False, look_every=50, budget=4_000)
_STARTS = {6.0: (1.0, VERMILION), 1.0: (0.0, BLUE)}  # initial scales, with their decay
CURVES = [
    part(replace(BASE, **start)).or_small(replace(SMALL, **start))
    for start in ({"init_scale": scale, "weight_decay": decay} for scale, (decay, _) in _STARTS.items())
]
STILL = Part(replace(BASE, constrained=True, budget=100), _REVIEWS.axes[:1]).or_small(SMALL_HELD)
runs = runs_of(*CURVES, STILL)


def tables(store: RunStore, scale: Scale) -> dict[str, Any]:
    """As `histories` and `held` make them."""
    return {
        "curves": histories(store, runs_of(*CURVES)(scale), "init_scale"),
        "landscape": held(store, STILL, scale, "n_train"),
    }


def draw(curves: pd.DataFrame, landscape: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(11, 3.9))
    accuracy, losses, errors = figure.subplots(1, 3)
    for start, (decay, colour) in _STARTS.items():
        here = curves[curves["init_scale"] == start]
        draw_history(accuracy, here, "train_accuracy", colour, "--")
        draw_history(accuracy, here, "test_accuracy", colour, label=f"$\\alpha$ = {start:g}, decay {decay:g}")
    accuracy.plot([], [], "--", color="black", label="training reviews")
    accuracy.set_title("(a) accuracy", loc="left")
    accuracy.legend()
    draw_curve(losses, landscape, "train_loss", ORANGE, "training loss")
    losses.set_title("(b) training loss at constant norm", loc="left")
    wrong = landscape.assign(test_error=1 - landscape["test_accuracy"])
    draw_curve(errors, wrong, "test_error", BLUE, "test error")
    errors.set(ylabel="share of test reviews that are wrong", ylim=(0, 0.6))
    errors.set_title("(b) test error at constant norm", loc="left")
    return figure
