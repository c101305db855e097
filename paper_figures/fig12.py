"""The hierarchy of figure 11 in trained networks: p = 4, d = 1, all training-set sizes
from 1 to 9, budget 1e4.

(a) A box a closed set of equations, with the networks whose training set determines
just these: the final embeddings of some, a line a network, standardised, a colour a
symbol. (b) How many networks realise which equations (within delta = 0.1 in
standardised units, as RQI counts them), against what their training set determines. Two
equations may hold within delta while the third, their difference, does not: such a set
is not closed. The paper believes that a network realises no more than its training set
determines, P(R) in P(D). The title counts the networks that realise more; since an
equation can hold within delta by chance, also those that do so before training.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from analysis.paper.hierarchy import hierarchy, realisations
from analysis.paper.runs import run_of
from analysis.runs.store import RunStore
from paper_figures.fig11 import P, draw_hierarchy, label_node
from paper_figures.scale import Scale, part, runs_of
from paper_figures.style import BLUE, GREY, VERMILION

TITLE = "p = 4: what training sets determine and what networks realise"
SHOWN = 7  # networks a box
NOT_CLOSED = "not closed"
runs = runs_of(part(run_of("toy", p=P, n_train=1), "n_train=1:9:9", seeds=8))


def tables(store: RunStore, scale: Scale) -> dict[str, Any]:
    """The closed sets and their edges as in figure 11; the networks: by name what is
    determined and what is realised, whether that is more (beyond, and beyond_at_start
    of the initial embedding), embedding (p,), line (its place in the box, nan if not
    shown).
    """
    nodes, edges, _ = hierarchy(P)
    names = dict(zip(nodes["closed"], nodes["name"], strict=True))
    found = realisations(store, runs(scale))
    networks = found.assign(
        determined=found["determined"].map(names.__getitem__),
        realised=[names.get(closed, NOT_CLOSED) for closed in found["realised"]],
        beyond=_beyond(found, "realised"),
        beyond_at_start=_beyond(found, "at_start"),
        line=np.nan,
    )
    for _, group in networks.groupby("determined"):  # evenly chosen, from small training sets to large
        chosen = group.index[np.linspace(0, len(group) - 1, min(SHOWN, len(group))).round().astype(int)]
        networks.loc[chosen, "line"] = np.arange(len(chosen))
    return {"nodes": nodes, "edges": edges, "networks": networks}


def _beyond(networks: pd.DataFrame, what: str) -> list[bool]:
    return [not set(found) <= set(known) for found, known in zip(networks[what], networks["determined"], strict=True)]


def draw(nodes: pd.DataFrame, edges: list[tuple[int, int]], networks: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(11.5, 5))
    left, right = figure.subplots(1, 2, width_ratios=[1.4, 1])
    colours = colormaps["viridis"](np.linspace(0, 1, P))
    for box, node in draw_hierarchy(left, nodes, edges):
        here = networks[networks["determined"] == node.name]
        for _, network in here[here["line"].notna()].iterrows():
            height = 0.5 - network["line"] / (SHOWN - 1)
            box.plot([-2, 2], [height, height], color=GREY, linewidth=0.5, zorder=0)
            box.scatter(network["embedding"], np.full(P, height), c=colours, s=14, edgecolors=GREY, linewidths=0.4)
        label_node(box, node, f"{len(here)} network{'s' * (len(here) != 1)}")
    handles = [
        left.plot([], [], "o", color=colour, mec=GREY, label=f"$E_{symbol}$")[0]
        for symbol, colour in enumerate(colours)
    ]
    left.legend(handles=handles, loc="lower left", fontsize="small")
    left.set_title("(a)", loc="left")
    _matrix(right, networks, list(nodes["name"]))
    violations, at_start = networks["beyond"].sum(), networks["beyond_at_start"].sum()
    said = f"{violations} of {len(networks)} networks realise more than is determined ({at_start} at the start)"
    right.set_title(f"(b) {said}", loc="left")
    return figure


def _matrix(axes: Axes, networks: pd.DataFrame, rows: list[str]) -> None:
    columns = [*rows, NOT_CLOSED]
    cells = dict(list(networks.groupby(["determined", "realised"])["beyond"]))
    most = max(map(len, cells.values()))
    for y, row in enumerate(rows):
        for x, column in enumerate(columns):
            here = cells.get((row, column), [])
            if len(here):
                colour = VERMILION if any(here) else BLUE if row == column else GREY
                shade = 0.15 + 0.5 * len(here) / most
                axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, color=colour, alpha=shade, linewidth=0))
            axes.text(x, y, f"{len(here) or '·'}", ha="center", va="center")
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(-0.5, len(rows) - 0.5), aspect="equal")
    axes.set_xticks(range(len(columns)), columns, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    axes.set(xlabel="realised by the network", ylabel="determined by the training set")
    axes.grid(visible=False)
    kinds = {"just that": BLUE, "less": GREY, "more": VERMILION}
    handles = [Patch(color=colour, alpha=0.5, label=label) for label, colour in kinds.items()]
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1, 1), fontsize="small", title="realises")
