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
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from analysis.paper.weight_norms import histories
from analysis.runs.plan import Axis, parse_axis
from analysis.runs.store import RunStore
from analysis.weight_norm.pictures import draw_curve
from analysis.weight_norm.tables import landscape
from neural import DigitsConfig
from paper_figures.scale import Scale
from paper_figures.style import BLUE, ORANGE, VERMILION
from paper_figures.weight_norm import draw_history

TITLE = "digits: cross-entropy, and initial weights 100 times too large"
SEEDS = 3
QUICK = Scale(small=True)
BASE = DigitsConfig(loss="ce", n_train=200, batch_size=50, init_scale=100.0, budget=100_000)
SMALL = replace(BASE, width=100, weight_decay=0.1, budget=30_000)
STILL = replace(BASE, constrained=True, weight_decay=0.0, look_every=100, budget=10_000)
SMALL_STILL = replace(STILL, width=100, budget=3_000)
NORMS = parse_axis(DigitsConfig, "x", "init_scale=0.1:100:19:log")
SMALL_NORMS = parse_axis(DigitsConfig, "x", "init_scale=0.1:100:10:log")
LOSSES = Axis("loss", ("ce", "mse"))


class Tables(NamedTuple):
    """As `histories` and `landscape` make them."""

    histories: pd.DataFrame
    landscape: pd.DataFrame


def _curve_runs(scale: Scale) -> list[DigitsConfig]:
    return scale.runs(SMALL if scale.small else BASE, [], SEEDS)


def _still_runs(scale: Scale) -> list[DigitsConfig]:
    if scale.small:
        return scale.runs(SMALL_STILL, [SMALL_NORMS, LOSSES], SEEDS)
    return scale.runs(STILL, [NORMS, LOSSES], SEEDS)


def runs(scale: Scale) -> list[DigitsConfig]:
    return [*_curve_runs(scale), *_still_runs(scale)]


def tables(store: RunStore, scale: Scale) -> Tables:
    still = _still_runs(scale)
    found = landscape(store, still, "loss", [still[0].budget])
    return Tables(histories(store, _curve_runs(scale)), found[found["kind"] == "final"])


def draw(drawn: Tables) -> Figure:
    figure = Figure(figsize=(9.5, 4))
    accuracy, still = figure.subplots(1, 2)
    draw_history(accuracy, drawn.histories, "train_accuracy", VERMILION, "--", "training digits")
    draw_history(accuracy, drawn.histories, "test_accuracy", VERMILION, label="test digits")
    accuracy.set_title("(a) cross-entropy, $\\alpha = 100$", loc="left")
    accuracy.legend()
    for loss, colour, label in (("ce", BLUE, "cross-entropy"), ("mse", ORANGE, "mean square error")):
        here = drawn.landscape[drawn.landscape["loss"] == loss]
        draw_curve(still, here.assign(test_error=1 - here["test_accuracy"]), "test_error", colour, label)
    still.set(ylabel="share of test digits that are wrong", ylim=(0, 1))
    still.set_title("(b) at constant norm", loc="left")
    still.legend()
    return figure
