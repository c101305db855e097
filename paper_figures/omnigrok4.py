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
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from analysis.experiments import EXPERIMENTS
from analysis.paper.weight_norms import histories
from analysis.runs.store import RunStore
from analysis.weight_norm.pictures import draw_curve
from analysis.weight_norm.tables import landscape
from neural import ReviewsConfig
from paper_figures.scale import Scale
from paper_figures.style import BLUE, ORANGE, VERMILION
from paper_figures.weight_norm import draw_history

TITLE = "film reviews: an LSTM whose weights are too large"
SEEDS = 3
QUICK = Scale(small=True)
BASE = ReviewsConfig(skip=0, length=500, width=256, budget=50_000)
SMALL = replace(EXPERIMENTS["landscape"]["reviews"].base, constrained=False, look_every=50, budget=4_000)
STILL = replace(BASE, constrained=True, budget=100)
SMALL_STILL = EXPERIMENTS["landscape"]["reviews"].base
NORMS = EXPERIMENTS["landscape"]["reviews"].axes[0]
_STARTS = {6.0: 1.0, 1.0: 0.0}  # initial scales, with their decay
_COLOURS = {6.0: VERMILION, 1.0: BLUE}


class Tables(NamedTuple):
    """As `histories` and `landscape` make them."""

    histories: pd.DataFrame
    landscape: pd.DataFrame


def _curve_runs(scale: Scale) -> list[ReviewsConfig]:
    base = SMALL if scale.small else BASE
    starts = [replace(base, init_scale=start, weight_decay=decay) for start, decay in _STARTS.items()]
    return [run for one in starts for run in scale.runs(one, [], SEEDS)]


def _still_runs(scale: Scale) -> list[ReviewsConfig]:
    return scale.runs(SMALL_STILL if scale.small else STILL, [NORMS], SEEDS)


def runs(scale: Scale) -> list[ReviewsConfig]:
    return [*_curve_runs(scale), *_still_runs(scale)]


def tables(store: RunStore, scale: Scale) -> Tables:
    still = _still_runs(scale)
    found = landscape(store, still, "n_train", [still[0].budget])
    return Tables(histories(store, _curve_runs(scale), "init_scale"), found[found["kind"] == "final"])


def draw(drawn: Tables) -> Figure:
    figure = Figure(figsize=(11, 3.9))
    accuracy, losses, errors = figure.subplots(1, 3)
    for start, colour in _COLOURS.items():
        here = drawn.histories[drawn.histories["init_scale"] == start]
        draw_history(accuracy, here, "train_accuracy", colour, "--")
        label = f"$\\alpha$ = {start:g}, decay {_STARTS[start]:g}"
        draw_history(accuracy, here, "test_accuracy", colour, label=label)
    accuracy.plot([], [], "--", color="black", label="training reviews")
    accuracy.set_title("(a) accuracy", loc="left")
    accuracy.legend()
    draw_curve(losses, drawn.landscape, "train_loss", ORANGE, "training loss")
    losses.set_title("(b) training loss at constant norm", loc="left")
    error = drawn.landscape.assign(test_error=1 - drawn.landscape["test_accuracy"])
    draw_curve(errors, error, "test_error", BLUE, "test error")
    errors.set(ylabel="share of test reviews that are wrong", ylim=(0, 0.6))
    errors.set_title("(b) test error at constant norm", loc="left")
    return figure
