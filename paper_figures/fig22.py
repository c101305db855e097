"""How many components does the network use? The accuracy of the trained transformer of
figure 1 when its embeddings keep only their first k principal components; 3 seeds,
budget 1e4.

Solid: test samples, dashed: training samples; the dotted line is the 99 % that the
paper (appendix K) reports from the first few.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.paper.representations import accuracy_by_components
from analysis.runs.store import RunStore
from paper_figures.scale import Scale
from paper_figures.style import GREY
from paper_figures.transformer import QUICK as QUICK
from paper_figures.transformer import SEED_COLOURS, SEED_MARKERS
from paper_figures.transformer import runs as runs

TITLE = "accuracy from the first few principal components, modular addition"


def tables(store: RunStore, scale: Scale) -> dict[str, Any]:
    return {"seeds": {config.seed: accuracy_by_components(store, config) for config in runs(scale)}}


def draw(seeds: dict[int, pd.DataFrame]) -> Figure:
    figure = Figure(figsize=(7, 4))
    axes = figure.subplots()
    for number, (seed, table) in enumerate(seeds.items()):
        colour, marker = SEED_COLOURS[number % 4], SEED_MARKERS[number % 4]
        axes.plot(table["components"], table["test_accuracy"], marker, ls="-", color=colour, ms=3, label=f"seed {seed}")
        axes.plot(table["components"], table["train_accuracy"], ls="--", color=colour, lw=1)
    axes.axhline(0.99, color=GREY, ls=":", label="0.99")
    axes.set(xlabel="principal components kept", ylabel="accuracy (dashed: training samples)", ylim=(-0.03, 1.03))
    axes.legend()
    return figure
