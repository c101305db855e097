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
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.experiments import EXPERIMENTS
from analysis.paper.runs import histories, run_of
from analysis.runs.store import RunStore
from paper_figures.scale import Part, Scale, part, runs_of
from paper_figures.style import BLUE, VERMILION
from paper_figures.weight_norm import draw_history, draw_losses, held

TITLE = "molecules: a graph network whose weights are too large"
QUICK = Scale(small=True)
BASE = run_of("molecules", budget=100_000)
HELD = run_of("molecules", constrained=True, weight_decay=0.0, budget=5_000)
CURVES = part(BASE, "init_scale=1,3").or_small(replace(BASE, budget=50_000))
STILL = Part(HELD, EXPERIMENTS["landscape"]["molecules"].axes[:1]).or_small(replace(HELD, budget=2_000))
runs = runs_of(CURVES, STILL)
_COLOURS = {3.0: VERMILION, 1.0: BLUE}


def tables(store: RunStore, scale: Scale) -> dict[str, Any]:
    """As `histories` and `held` make them."""
    return {
        "curves": histories(store, CURVES.runs(scale), "init_scale"),
        "landscape": held(store, STILL, scale, "n_train"),
    }


def draw(curves: pd.DataFrame, landscape: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(9.5, 4.2))
    losses, still = figure.subplots(1, 2)
    for start, colour in _COLOURS.items():
        here = curves[curves["init_scale"] == start]
        draw_history(losses, here, "train_loss", colour, "--")
        draw_history(losses, here, "test_loss", colour, label=f"$\\alpha$ = {start:g}")
    losses.plot([], [], "--", color="black", label="training molecules")
    losses.set_title("(a) mean square error, bohr$^6$", loc="left")
    losses.legend()
    draw_losses(still, landscape)
    still.set_title("(b) at constant norm", loc="left")
    return figure
