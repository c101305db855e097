"""What the decoder reads where: a network that adds with embeddings in two dimensions,
p = 11.

A decoder (a perceptron of two hidden layers of 128) is trained on (E_a + E_b)/2, on 60
% of all ordered pairs; colours are the most probable result at each place of the plane.
White: the symbols; dots: the means of all pairs, filled where the pair is trained on,
with their results. (a), (b) Addition; (c), (d) addition modulo 11. Left networks of
seed 0 that memorise (initial weights as they are, no decay), right the best of 32 seeds
with initial weights a tenth of that and decay 1 of the decoder. Embeddings have
learning rate 3e-3 and no decay, the decoder 1e-3; budget 8,000. In the titles accuracy
over the pairs that are trained on, and over those that are not in either order: the two
orders look the same to the decoder.

The paper shows that networks which generalise have embeddings on a line, or on a
circle, and decoders with regions to match; its settings are not published. With two
dimensions most seeds memorise: titles of (b) and (d) say how many have at least 0.9 of
the unseen pairs right.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from analysis.paper.representations import Plane, plane
from analysis.paper.runs import run_of
from analysis.runs.store import RunStore
from paper_figures.scale import Scale, part

TITLE = "what the decoder reads where: two-dimensional embeddings, p = 11"
GENERALISED = 0.9
BASE = run_of(
    "modular",
    network="perceptron",
    p=11,
    d=2,
    fraction=0.6,
    learning_rate=1e-3,
    embedding_lr=3e-3,
    embedding_wd=0.0,
    look_every=50,
    budget=8_000,
)
OPERATIONS = {"addition": "addition", "modular_addition": "addition mod 11"}
_EDGE: Any = [withStroke(linewidth=1.5, foreground="white")]


def memorising(operation: str, scale: Scale) -> Any:
    return scale.run(replace(BASE, operation=operation, weight_decay=0.0))


def generalising(operation: str, scale: Scale) -> list[Any]:
    return part(replace(BASE, operation=operation, init_scale=0.1), seeds=32).runs(scale)


def runs(scale: Scale) -> list[Any]:
    return [run for each in OPERATIONS for run in (memorising(each, scale), *generalising(each, scale))]


def tables(store: RunStore, scale: Scale) -> dict[str, Any]:
    """Of each operation the network that memorised, and those of all seeds that might
    have generalised.
    """
    return {
        "memorised": {each: plane(store, memorising(each, scale)) for each in OPERATIONS},
        "others": {each: [plane(store, run) for run in generalising(each, scale)] for each in OPERATIONS},
    }


def draw(memorised: dict[str, Plane], others: dict[str, list[Plane]]) -> Figure:
    figure = Figure(figsize=(11, 11.4))
    panels: Any = figure.subplots(2, 2)
    letters = iter("abcd")
    for pair, (each, words) in zip(panels, OPERATIONS.items(), strict=True):
        best = max(others[each], key=lambda one: one.unseen_accuracy)
        succeeded = sum(one.unseen_accuracy >= GENERALISED for one in others[each])
        said = {"memorised": memorised[each], f"best of {len(others[each])} seeds ({succeeded} generalise)": best}
        for axes, (what, one) in zip(pair, said.items(), strict=True):
            _draw_plane(axes, one)
            shares = f"trained {one.train_accuracy:.2f}, unseen {one.unseen_accuracy:.2f} of {one.n_unseen}"
            axes.set_title(f"({next(letters)}) {words}, {what}\n{shares}", loc="left")
    return figure


def _draw_plane(axes: Axes, one: Plane) -> None:
    n = one.config.n_results
    colours = colormaps["twilight" if one.config.operation == "modular_addition" else "viridis"]
    x, y = one.grid
    values = (one.answers + 0.5) / n
    axes.pcolormesh(x, y, colours(values), rasterized=True, alpha=0.75)
    for inside, fill in ((one.trained, "black"), (~one.trained, "none")):
        axes.plot(*one.means[inside].T, "o", ms=4, color="black", mfc=fill, mew=0.8, ls="none")
    for place, result in zip(one.means, one.results, strict=True):
        axes.annotate(str(result), place, fontsize=5.5, xytext=(3, 2), textcoords="offset points", path_effects=_EDGE)
    for symbol, place in enumerate(one.places):
        axes.plot(*place, "o", ms=13, color="white", mec="black", mew=0.8)
        axes.annotate(str(symbol), place, ha="center", va="center", fontsize=8, weight="bold")
    axes.grid(False)
    axes.set(xlabel="$E_1$", ylabel="$E_2$", xlim=(x[0], x[-1]), ylim=(y[0], y[-1]), aspect="equal")
