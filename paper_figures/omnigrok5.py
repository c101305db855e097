"""Molecules (QM9): a graph network whose weights are too large predicts the isotropic
polarisability. Two edge-conditioned convolutions (11 to 32 to 16), the sum over atoms,
16-32-1; 50 training and 50 test molecules of the first 100, Adam at 1e-3, batches of
32, no decay.

(a) Training loss (dashed) and test loss over 1e5 steps, initial weights 3 times the
usual ones, and the usual ones: a line a seed (3). Losses are mean squares in bohr^6;
the paper's code divides its once more by the 32 molecules of a batch. (b) Loss after
5,000 steps at constant norm, against the norm (medians and range of 3 seeds). The
paper: from alpha = 3 the test error stays at 4 to 8 until step 15,000, then drops to .1
to .2; from alpha = 1 it is .05 without such a drop; at constant norm both errors grow
fast beyond alpha = 2.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from analysis.experiments import EXPERIMENTS
from analysis.paper.weight_norms import histories
from analysis.runs.plan import Axis
from analysis.runs.store import RunStore
from analysis.weight_norm.pictures import draw_curve
from analysis.weight_norm.tables import landscape
from neural import MoleculesConfig
from paper_figures.scale import Scale
from paper_figures.style import BLUE, ORANGE, VERMILION
from paper_figures.weight_norm import draw_history

TITLE = "molecules: a graph network whose weights are too large"
SEEDS = 3
QUICK = Scale(small=True)
BASE = MoleculesConfig(budget=100_000)
SMALL = replace(BASE, budget=50_000)
STILL = MoleculesConfig(constrained=True, weight_decay=0.0, budget=5_000)
SMALL_STILL = replace(STILL, budget=2_000)
STARTS = Axis("init_scale", (1.0, 3.0))
NORMS = EXPERIMENTS["landscape"]["molecules"].axes[0]
_COLOURS = {3.0: VERMILION, 1.0: BLUE}


class Tables(NamedTuple):
    """As `histories` and `landscape` make them."""

    histories: pd.DataFrame
    landscape: pd.DataFrame


def _curve_runs(scale: Scale) -> list[MoleculesConfig]:
    return scale.runs(SMALL if scale.small else BASE, [STARTS], SEEDS)


def _still_runs(scale: Scale) -> list[MoleculesConfig]:
    return scale.runs(SMALL_STILL if scale.small else STILL, [NORMS], SEEDS)


def runs(scale: Scale) -> list[MoleculesConfig]:
    return [*_curve_runs(scale), *_still_runs(scale)]


def tables(store: RunStore, scale: Scale) -> Tables:
    still = _still_runs(scale)
    found = landscape(store, still, "n_train", [still[0].budget])
    return Tables(histories(store, _curve_runs(scale), "init_scale"), found[found["kind"] == "final"])


def draw(drawn: Tables) -> Figure:
    figure = Figure(figsize=(9.5, 4.2))
    losses, still = figure.subplots(1, 2)
    for start, colour in _COLOURS.items():
        here = drawn.histories[drawn.histories["init_scale"] == start]
        draw_history(losses, here, "train_loss", colour, "--")
        draw_history(losses, here, "test_loss", colour, label=f"$\\alpha$ = {start:g}")
    losses.plot([], [], "--", color="black", label="training molecules")
    losses.set_title("(a) mean square error, bohr$^6$", loc="left")
    losses.legend()
    draw_curve(still, drawn.landscape, "train_loss", ORANGE, "training loss")
    draw_curve(still, drawn.landscape, "test_loss", BLUE, "test loss")
    still.set_title("(b) at constant norm", loc="left")
    still.legend()
    return figure
