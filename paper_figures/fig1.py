"""Embeddings of a transformer as it generalises: addition modulo 53, 3 seeds, budget
1e4.

Above: the embeddings of the symbols of the first seed along their first two principal
components, at four moments, with the share of the variance that lies along these two.
Colours are places on the ring of the last moment; lines join its neighbours. Below: (e)
train and test accuracy and (f) the effective dimension e^S of the embeddings, a line a
seed. The animation has all checkpoints of the first seed, along the components of the
last.

The paper shows circles at p = 59, and says that they appear with generalisation,
and (figure 7) that the effective dimension rises before, and falls as they do. One
layer, 128 dimensions, 4 heads, an MLP of 512, full batches, 40 % of all ordered pairs,
AdamW (rate 1e-3, decay 1): the paper does not publish its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.measures.rings import Ring, ring
from analysis.paper.representations import Stage, dimensions, film, stages
from analysis.paper.runs import histories
from analysis.runs.store import RunStore
from paper_figures.scale import Scale
from paper_figures.style import name_panels
from paper_figures.transformer import QUICK as QUICK
from paper_figures.transformer import SEED_COLOURS, draw_ring
from paper_figures.transformer import runs as runs

TITLE = "embeddings of a transformer as it generalises, modular addition"
_STYLES = ("-", "--", ":", "-.")


def tables(store: RunStore, scale: Scale) -> dict[str, Any]:
    """The first seed's stages, its checkpoints and the ring of the last of them; and of
    each seed the learning curves, and the structure at each checkpoint.
    """
    configs = runs(scale)
    first = stages(store, configs[0])
    return {
        "moments": first,
        "frames": film(store, configs[0]),
        "around": ring(first[-1].places),
        "learning": dict(list(histories(store, configs).groupby("seed"))),
        "structures": dict(list(dimensions(store, configs).groupby("seed"))),
    }


def draw(
    moments: list[Stage],
    around: Ring,
    learning: dict[int, pd.DataFrame],
    structures: dict[int, pd.DataFrame],
    **_: Any,
) -> Figure:
    figure = Figure(figsize=(11, 6.2))
    halves: Any = figure.subfigures(2, 1)
    above, below = halves
    panels: Any = above.subplots(1, len(moments))
    for axes, stage, letter in zip(panels, moments, "abcd", strict=False):
        _circle(axes, stage, around)
        axes.set_title(f"({letter}) {stage.name}: step {stage.step:,}", loc="left")
    curves, structure = below.subplots(1, 2)
    for number, (seed, table) in enumerate(learning.items()):
        colour = SEED_COLOURS[number % len(SEED_COLOURS)]
        curves.plot(table["step"], table["train_accuracy"], "--", color=colour, label=f"train, seed {seed}")
        curves.plot(table["step"], table["test_accuracy"], "-", color=colour, label=f"test, seed {seed}")
        found = structures[seed]
        style = _STYLES[number % len(_STYLES)]
        structure.plot(
            found["step"], found["effective_dimension"], "o", ls=style, color=colour, ms=3, label=f"seed {seed}"
        )
    curves.set(xlabel="steps", ylabel="accuracy", ylim=(-0.03, 1.03))
    structure.set(xlabel="steps", ylabel="effective dimension $e^S$", ylim=(0, None))
    name_panels((curves, structure), "ef")
    for axes in (curves, structure):
        axes.set_xscale("symlog", linthresh=25)
        axes.set_xlim(left=0)
        axes.legend(fontsize="small")
    return figure


def animate(frames: list[Stage], around: Ring, **_: Any) -> tuple[Figure, Callable[[int], None], int]:
    """A frame a checkpoint of the first seed, along the principal components of the
    last.
    """
    figure = Figure(figsize=(5, 5.2))
    axes = figure.subplots()
    reach = 1.08 * max(abs(stage.places).max() for stage in frames)

    def frame(number: int) -> None:
        axes.clear()
        stage = frames[number]
        _circle(axes, stage, around)
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach), adjustable="box")
        axes.set_title(f"step {stage.step:,}", loc="left")

    return figure, frame, len(frames)


def _circle(axes: Axes, stage: Stage, around: Ring) -> None:
    """The symbols by their names, joined in the order of a ring."""
    draw_ring(axes, stage.places, around)
    for symbol, place in enumerate(stage.places):
        axes.annotate(str(symbol), place, fontsize=5, xytext=(2, 2), textcoords="offset points")
    said = f"train {stage.train_accuracy:.2f}, test {stage.test_accuracy:.2f}; {stage.share:.0%} of variance"
    axes.set(xlabel=f"first component\n{said}", ylabel="second component")
