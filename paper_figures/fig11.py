"""The hierarchy of parallelogram equations, p = 4: what a training set can determine,
and how often it does.

(a) A training set determines all equations that depend linearly on those of its
parallelograms. The sets of equations that are closed in this sense, ordered by
inclusion: each with its equations, its degrees of freedom n_0 - 2 (beyond translation
and scaling), a representation drawn at random from those that satisfy it, standardised,
and the number of training sets that determine exactly this much, out of all there are.
Two of the three equations imply the third. The linear representation is the only one
left where no degree of freedom is. (b) The same numbers as shares of the training sets
of each size. All counts are exact; nothing is trained.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.paper.hierarchy import hierarchy
from analysis.runs.store import RunStore
from paper_figures.scale import Scale, runs_of
from paper_figures.style import BLUE, GREEN, GREY, ORANGE, VERMILION, name_panels

TITLE = "p = 4: the hierarchy of parallelogram equations"
P = 4
runs = runs_of()  # nothing is trained


def tables(store: RunStore, scale: Scale) -> dict[str, Any]:
    """The closed sets, a row each; the edges between them; the training sets by closed
    set and size.
    """
    nodes, edges, sizes = hierarchy(P)
    return {"nodes": nodes, "edges": edges, "sizes": sizes}


def draw(nodes: pd.DataFrame, edges: list[tuple[int, int]], sizes: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(11, 4.4))
    left, right = figure.subplots(1, 2, width_ratios=[1.35, 1])
    total = nodes["training_sets"].sum()
    for axes, node in draw_hierarchy(left, nodes, edges):
        _circles(axes, node.representation)
        label_node(axes, node, f"dof = {node.dof}; {node.training_sets:,} of {total:,} sets")
    below = 0.0
    for colour, closed, name in zip(_COLOURS, nodes["closed"], nodes["name"], strict=False):
        here = sizes[sizes["closed"] == closed].set_index("n_train")["share"]
        right.bar(here.index, here, bottom=below, color=colour, width=0.85, label=name)
        below = below + here
    right.set(xlabel="training-set size |D|", ylabel="share of the training sets of that size", ylim=(0, 1))
    right.grid(visible=False)
    right.legend(reverse=True, fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    name_panels((left, right))
    return figure


_COLOURS = (GREY, BLUE, ORANGE, GREEN, VERMILION)  # as many as there are closed sets at p = 4


def draw_hierarchy(axes: Axes, nodes: pd.DataFrame, edges: list[tuple[int, int]]) -> Iterator[tuple[Axes, Any]]:
    """The Hasse diagram of closed sets: a box for each node, still to be drawn into,
    and the node's row.
    """
    levels = sorted(set(nodes["dof"]), reverse=True)
    width, height = 0.92 / nodes["dof"].value_counts().max(), 0.74 / len(levels)
    middle = {}
    for dof, level in nodes.groupby("dof"):
        for k, number in enumerate(level.index):
            middle[number] = ((k + 0.5) / len(level), (levels.index(dof) + 0.5) / len(levels))
    for edge in edges:
        x, y = zip(*(middle[number] for number in edge), strict=True)
        axes.plot(x, y, color=GREY, linewidth=1)
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[])
    axes.set_xlabel("upwards: more equations, fewer degrees of freedom")
    axes.spines[:].set_visible(False)
    for colour, node in zip(_COLOURS, nodes.itertuples(), strict=False):
        x, y = middle[node.Index]
        box = axes.inset_axes((x - width / 2, y - height / 2, width, height))
        box.set(xticks=[], yticks=[], xlim=(-2, 2), ylim=(-1, 1))
        box.spines[:].set(visible=True, color=colour, linewidth=1.5)
        yield box, node


def label_node(box: Axes, node: Any, text: str) -> None:
    """The node's equations at the top of its box, `text` at the bottom."""
    box.text(0.5, 0.95, node.name, transform=box.transAxes, ha="center", va="top")
    box.text(0.5, 0.05, text, transform=box.transAxes, ha="center", va="bottom", fontsize="small")


def _circles(box: Axes, x: NDArray[np.float64]) -> None:
    """The symbols as numbered circles on a line."""
    box.plot(x, np.zeros(len(x)), "-o", color="black", linewidth=1, mfc="white", ms=12)
    for symbol, position in enumerate(x):
        box.annotate(f"{symbol}", (position, 0), ha="center", va="center", fontsize="small")
