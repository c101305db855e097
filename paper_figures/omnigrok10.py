"""Where a transformer that adds modulo p generalises at constant norm: over the norm
(alpha times the usual one) and the training fraction, without decay; the network of
figure 7, p = 113, after 10,000 steps.

(a) Training loss and test loss at the largest fraction: medians and range of the seeds
(2). (b) and (c) Training and test error over both (medians). The paper: L and U for
alpha between .1 and 4, and a critical training fraction of .25.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.experiments import EXPERIMENTS
from analysis.runs.store import RunStore
from paper_figures.omnigrok7 import BASE
from paper_figures.scale import Part, Scale, runs_of
from paper_figures.weight_norm import draw_errors, draw_losses, held

TITLE = "addition modulo p: the landscape over norm and training fraction"
QUICK = Scale(small=True)
SMALL = EXPERIMENTS["landscape"]["transformer"]
HELD = replace(BASE, constrained=True, weight_decay=0.0, look_every=50, budget=10_000)
STILL = Part(HELD, SMALL.axes, seeds=2).or_small(SMALL.base)
runs = runs_of(STILL)


def tables(store: RunStore, scale: Scale) -> dict[str, Any]:
    return {"landscape": held(store, STILL, scale, "fraction")}


def draw(landscape: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(12.5, 4))
    losses, train, test = figure.subplots(1, 3)
    most = landscape[landscape["fraction"] == landscape["fraction"].max()]
    draw_losses(losses, most)
    losses.set_title(f"(a) fraction {most['fraction'].iloc[0]:g}", loc="left")
    panels = {"(b) training error": train, "(c) test error": test}
    draw_errors(figure, panels, landscape, "fraction", "training fraction")
    return figure
