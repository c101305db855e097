"""Digits that are seen through their labels: m times the image and 1 - m times a
constant one, whose every pixel is a ninth of the label; m = 1 is the image. MLP
784-200-200-10, ReLU, MSE, AdamW at 1e-3, 1,000 training digits, full batches.

(a) Training error and (b) test error after 1e4 steps at constant norm without
decay, over the norm and m: medians of the seeds (2). The paper, with 60,000 digits:
both agree, depend little on m, and nothing groks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from analysis.runs.plan import Axis, parse_axis
from analysis.runs.store import RunStore
from analysis.weight_norm.pictures import draw_contours
from analysis.weight_norm.tables import landscape
from neural import DigitsConfig
from paper_figures.scale import Scale

TITLE = "digits seen through their labels: the landscape over norm and messiness"
SEEDS = 2
QUICK = Scale(small=True)
STILL = DigitsConfig(constrained=True, weight_decay=0.0, batch_size=None, look_every=100, budget=10_000)
SMALL_STILL = replace(STILL, data="small", n_test=700, width=50, budget=4_000)
NORMS = parse_axis(DigitsConfig, "x", "init_scale=0.1:10:11:log")
SMALL_NORMS = Axis("init_scale", (0.3, 1.0, 3.0, 8.0), log=True)
MESSINESS = Axis("messiness", (0.0, 0.25, 0.5, 0.75, 1.0))


class Tables(NamedTuple):
    """As `landscape` makes it, after all steps."""

    landscape: pd.DataFrame


def runs(scale: Scale) -> list[DigitsConfig]:
    if scale.small:
        return scale.runs(SMALL_STILL, [SMALL_NORMS, MESSINESS], SEEDS)
    return scale.runs(STILL, [NORMS, MESSINESS], SEEDS)


def tables(store: RunStore, scale: Scale) -> Tables:
    still = runs(scale)
    found = landscape(store, still, "messiness", [still[0].budget])
    return Tables(found[found["kind"] == "final"])


def draw(drawn: Tables) -> Figure:
    figure = Figure(figsize=(10, 4.2))
    parts = (("train_accuracy", "(a) training error"), ("test_accuracy", "(b) test error"))
    for axes, (name, title) in zip(figure.subplots(1, 2), parts, strict=True):
        axes.grid(False)
        colours = draw_contours(axes, drawn.landscape, name, "messiness", log=False)
        axes.set_title(title, loc="left")
        axes.set_ylabel("messiness $m$")
        figure.colorbar(colours, ax=axes, label="share that is wrong")
    return figure
