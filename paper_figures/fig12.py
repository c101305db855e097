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

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

import efftheory as et
from analysis.paper.hierarchy import determined, hierarchy, realised, upright
from analysis.runs.plan import Axis
from analysis.runs.store import RunStore
from neural import RunConfig
from paper_figures.fig11 import P, draw_hierarchy, label_node
from paper_figures.scale import Scale
from paper_figures.style import BLUE, GREY, VERMILION

TITLE = "p = 4: what training sets determine and what networks realise"
SEEDS = 8
SIZES = tuple(range(1, 10))
SHOWN = 7  # networks a box
NOT_CLOSED = "not closed"


class Tables(NamedTuple):
    """What is drawn: the networks; the closed sets as in figure 11; the edges between
    them; the counts.

    Networks: n_train, seed, determined, realised, beyond (whether it realises more than
    is determined), beyond_at_start (the same of its initial embedding), embedding (p,),
    line (its place in the box, nan if not shown). Cells, a row a pair of names:
    determined, realised, networks, beyond (how many of these). Belief: networks,
    violations, at_start.
    """

    networks: pd.DataFrame
    nodes: pd.DataFrame
    edges: list[tuple[int, int]]
    cells: pd.DataFrame
    belief: dict[str, int]


def runs(scale: Scale) -> list[RunConfig]:
    return scale.runs(RunConfig(p=P, n_train=1), [Axis("n_train", SIZES)], SEEDS)


def tables(store: RunStore, scale: Scale) -> Tables:
    op = et.addition(P)
    nodes, edges = hierarchy(op)
    names = dict(zip(nodes["closed"], nodes["name"], strict=True))
    rows = []
    for _, run in store.table(runs(scale)).iterrows():
        known, found = determined(op, run["mask"]), realised(op, run["final_embedding"])
        at_start = realised(op, run["initial_embedding"])
        rows.append(
            {
                "n_train": run["n_train"],
                "seed": run["seed"],
                "determined": names[known],
                "realised": names.get(found, NOT_CLOSED),
                "beyond": not set(found) <= set(known),
                "beyond_at_start": not set(at_start) <= set(known),
                "embedding": upright(run["final_embedding"]),
            }
        )
    networks = pd.DataFrame(rows)
    networks["line"] = np.nan
    for _, group in networks.groupby("determined"):  # evenly chosen, from small training sets to large
        chosen = group.index[np.linspace(0, len(group) - 1, min(SHOWN, len(group))).round().astype(int)]
        networks.loc[chosen, "line"] = np.arange(len(chosen))
    cells = [
        {"determined": row, "realised": column, "networks": len(here), "beyond": int(here["beyond"].sum())}
        for row in names.values()
        for column in [*names.values(), NOT_CLOSED]
        for here in [networks[(networks["determined"] == row) & (networks["realised"] == column)]]
    ]
    belief = {
        "networks": len(networks),
        "violations": int(networks["beyond"].sum()),
        "at_start": int(networks["beyond_at_start"].sum()),
    }
    return Tables(networks, nodes, edges, pd.DataFrame(cells), belief)


def draw(drawn: Tables) -> Figure:
    figure = Figure(figsize=(11.5, 5))
    left, right = figure.subplots(1, 2, width_ratios=[1.4, 1])
    networks = drawn.networks
    colours = colormaps["viridis"](np.linspace(0, 1, P))
    for box, node in draw_hierarchy(left, drawn.nodes, drawn.edges):
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
    _matrix(right, drawn.cells)
    belief = drawn.belief
    right.set_title(
        f"(b) {belief['violations']} of {belief['networks']} networks realise more than is determined "
        f"({belief['at_start']} at the start)",
        loc="left",
    )
    return figure


def _matrix(axes: Axes, cells: pd.DataFrame) -> None:
    rows, columns = list(dict.fromkeys(cells["determined"])), list(dict.fromkeys(cells["realised"]))
    most = cells["networks"].max()
    for _, cell in cells.iterrows():
        x, y, networks = columns.index(cell["realised"]), rows.index(cell["determined"]), cell["networks"]
        if networks:
            colour = VERMILION if cell["beyond"] else BLUE if cell["determined"] == cell["realised"] else GREY
            shade = 0.15 + 0.5 * networks / most
            axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, color=colour, alpha=shade, linewidth=0))
        axes.text(x, y, f"{networks or '·'}", ha="center", va="center")
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(-0.5, len(rows) - 0.5), aspect="equal")
    axes.set_xticks(range(len(columns)), columns, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    axes.set(xlabel="realised by the network", ylabel="determined by the training set")
    axes.grid(visible=False)
    kinds = {"just that": BLUE, "less": GREY, "more": VERMILION}
    handles = [Patch(color=colour, alpha=0.5, label=label) for label, colour in kinds.items()]
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1, 1), fontsize="small", title="realises")
