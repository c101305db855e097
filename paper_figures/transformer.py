"""The transformer that learns addition modulo 53 behind figures 1, 21 and 22; 3 seeds.

What the paper does not publish is chosen as Nanda et al. have it: one layer, 128
dimensions, 4 heads, an MLP of 512, full batches, 40 % of all ordered pairs, one AdamW
for all weights (rate 1e-3, decay 1).
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from analysis.measures.rings import Ring
from analysis.paper.runs import run_of
from paper_figures.scale import Scale, part, runs_of
from paper_figures.style import BLUE, GREEN, GREY, ORANGE, VERMILION

QUICK = Scale(budget=5_000)
SEED_COLOURS, SEED_MARKERS = (BLUE, VERMILION, GREEN, ORANGE), "osD^"
RUNS = part(run_of("modular", network="transformer", p=53, learning_rate=1e-3))
runs = runs_of(RUNS)


def draw_ring(axes: Axes, places: NDArray[np.float64], around: Ring) -> None:
    """Places (p, 2) of the symbols, coloured by and joined in the order of a ring."""
    p = len(around.order)
    order = np.empty(p)
    order[around.order] = np.arange(p) / p
    axes.plot(*places[np.append(around.order, around.order[0])].T, color=GREY, lw=0.4, alpha=0.6)
    axes.scatter(*places.T, c=order, cmap="twilight", s=16, vmin=0, vmax=1, zorder=3)
    axes.set(aspect="equal", adjustable="datalim", xticks=[], yticks=[])
