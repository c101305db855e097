"""Digits with cross-entropy: 784-200-200-10, ReLU, AdamW at 1e-3, 200 training digits.

(a) Training accuracy (dashed) and test accuracy over 1e5 steps from initial weights 100
times the usual ones, decay .01, batches of 50: a line a seed (3). (b) Test error after
1e4 steps at constant norm without decay, against the norm, with cross-entropy and with
the mean square error: median and range of the seeds (3). The paper (appendix E): a
wider zone of good norms with cross-entropy; from alpha = 100 a plateau at .3 to .4,
then .75.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.paper.runs import histories, run_of
from analysis.runs.store import RunStore
from analysis.weight_norm.pictures import draw_curve
from paper_figures.scale import Scale, part, runs_of
from paper_figures.style import BLUE, ORANGE, VERMILION
from paper_figures.weight_norm import draw_history, held

TITLE = "digits: cross-entropy, and initial weights 100 times too large"
QUICK = Scale(small=True)
BASE = run_of("digits", loss="ce", n_train=200, batch_size=50, init_scale=100.0, budget=100_000)
HELD = replace(BASE, constrained=True, weight_decay=0.0, look_every=100, budget=10_000)
CURVES = part(BASE).or_small(replace(BASE, width=100, weight_decay=0.1, budget=30_000))
STILL = part(HELD, "init_scale=0.1:100:19:log", "loss=ce,mse").or_small(
    replace(HELD, width=100, budget=3_000), "init_scale=0.1:100:10:log", "loss=ce,mse"
)
runs = runs_of(CURVES, STILL)


def tables(store: RunStore, scale: Scale) -> dict[str, Any]:
    """As `histories` and `held` make them."""
    return {"curves": histories(store, CURVES.runs(scale)), "landscape": held(store, STILL, scale, "loss")}


def draw(curves: pd.DataFrame, landscape: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(9.5, 4))
    accuracy, still = figure.subplots(1, 2)
    draw_history(accuracy, curves, "train_accuracy", VERMILION, "--", "training digits")
    draw_history(accuracy, curves, "test_accuracy", VERMILION, label="test digits")
    accuracy.set_title("(a) cross-entropy, $\\alpha = 100$", loc="left")
    accuracy.legend()
    wrong = landscape.assign(test_error=1 - landscape["test_accuracy"])
    for loss, colour, label in (("ce", BLUE, "cross-entropy"), ("mse", ORANGE, "mean square error")):
        draw_curve(still, wrong[wrong["loss"] == loss], "test_error", colour, label)
    still.set(ylabel="share of test digits that are wrong", ylim=(0, 1))
    still.set_title("(b) at constant norm", loc="left")
    still.legend()
    return figure
