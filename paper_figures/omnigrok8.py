"""Digits that are seen through their labels: m times the image and 1 - m times a
constant one, whose every pixel is a ninth of the label; m = 1 is the image. MLP
784-200-200-10, ReLU, MSE, AdamW at 1e-3, 1,000 training digits, full batches.

(a) Training error and (b) test error after 1e4 steps at constant norm without
decay, over the norm and m: medians of the seeds (2). The paper, with 60,000 digits:
both agree, depend little on m, and nothing groks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.paper.runs import run_of
from analysis.runs.store import RunStore
from paper_figures.scale import Scale, part, runs_of
from paper_figures.weight_norm import draw_errors, held

TITLE = "digits seen through their labels: the landscape over norm and messiness"
QUICK = Scale(small=True)
BASE = run_of("digits", constrained=True, weight_decay=0.0, batch_size=None, look_every=100, budget=10_000)
SMALL = replace(BASE, data="small", n_test=700, width=50, budget=4_000)
MESSINESS = "messiness=0,0.25,0.5,0.75,1"
STILL = part(BASE, "init_scale=0.1:10:11:log", MESSINESS, seeds=2).or_small(SMALL, "init_scale=0.3,1,3,8", MESSINESS)
runs = runs_of(STILL)


def tables(store: RunStore, scale: Scale) -> dict[str, Any]:
    return {"landscape": held(store, STILL, scale, "messiness")}


def draw(landscape: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(10, 4.2))
    train, test = figure.subplots(1, 2)
    draw_errors(figure, {"(a) training error": train, "(b) test error": test}, landscape, "messiness", "messiness $m$")
    return figure
