"""Where a transformer that adds modulo p generalises at constant norm: over the norm
(alpha times the usual one) and the training fraction, without decay; the network of
figure 7, p = 113, after 10,000 steps.

(a) Training loss and test loss at the largest fraction: medians and range of the seeds
(2). (b) and (c) Training and test error over both (medians). The paper: L and U for
alpha between .1 and 4, and a critical training fraction of .25.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from analysis.experiments import EXPERIMENTS
from analysis.runs.store import RunStore
from analysis.weight_norm.pictures import draw_contours, draw_curve
from analysis.weight_norm.tables import landscape
from neural import ModularConfig
from paper_figures.omnigrok7 import BASE
from paper_figures.scale import Scale
from paper_figures.style import BLUE, ORANGE

TITLE = "addition modulo p: the landscape over norm and training fraction"
SEEDS = 2
QUICK = Scale(small=True)
STILL = replace(BASE, constrained=True, weight_decay=0.0, look_every=50, budget=10_000)
SMALL_STILL = EXPERIMENTS["landscape"]["transformer"].base
NORMS = EXPERIMENTS["landscape"]["transformer"].axes[0]
FRACTIONS = EXPERIMENTS["landscape"]["transformer"].axes[1]


class Tables(NamedTuple):
    """As `landscape` makes it, after all steps."""

    landscape: pd.DataFrame


def runs(scale: Scale) -> list[ModularConfig]:
    return scale.runs(SMALL_STILL if scale.small else STILL, [NORMS, FRACTIONS], SEEDS)


def tables(store: RunStore, scale: Scale) -> Tables:
    still = runs(scale)
    found = landscape(store, still, "fraction", [still[0].budget])
    return Tables(found[found["kind"] == "final"])


def draw(drawn: Tables) -> Figure:
    table = drawn.landscape
    figure = Figure(figsize=(12.5, 4))
    losses, train, test = figure.subplots(1, 3)
    most = table[table["fraction"] == table["fraction"].max()]
    for name, colour, label in (("train_loss", ORANGE, "training loss"), ("test_loss", BLUE, "test loss")):
        draw_curve(losses, most, name, colour, label)
    losses.set_title(f"(a) fraction {most['fraction'].iloc[0]:g}", loc="left")
    losses.legend()
    for axes, name, title in ((train, "train", "(b) training error"), (test, "test", "(c) test error")):
        axes.grid(False)
        colours = draw_contours(axes, table, f"{name}_accuracy", "fraction", log=False)
        axes.set_title(title, loc="left")
        axes.set_ylabel("training fraction")
        figure.colorbar(colours, ax=axes, label="share that is wrong")
    return figure
