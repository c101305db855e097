"""The six embeddings of S3 in their principal components, at the beginning (above) and
the end of training (below).

The embeddings (3, 3), flattened to 9 numbers and centred, in the three directions in
which they spread most; each row has its own, with their share of the variance. Labels:
the permutation k -> a(k) of 1, 2, 3 in one line; circles are even permutations, squares
odd ones. The run is that with the best RQI of figure 16 (of equal ones that with the
highest accuracy, then the smallest training set). In the paper the embeddings form a
hexagon.
"""

from __future__ import annotations

from itertools import combinations, permutations
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.measures.components import principal_components
from analysis.paper.tables import outcomes
from analysis.runs.store import RunStore
from paper_figures.s3 import QUICK as QUICK
from paper_figures.s3 import runs as runs
from paper_figures.scale import Scale
from paper_figures.style import BLUE, VERMILION

TITLE = "S3: the embeddings in their principal components"
ELEMENTS = list(permutations((1, 2, 3)))  # in the order of the symbols
EVEN = np.array([sum(a > b for a, b in combinations(element, 2)) % 2 == 0 for element in ELEMENTS])


class State(NamedTuple):
    """The embeddings at one time.

    title: when, and of which run. places: (6, 3), along the principal components; a
    sign is free: the first element has none below 0. shares: of the variance there.
    """

    title: str
    places: NDArray[np.float64]
    shares: NDArray[np.float64]


def tables(store: RunStore, scale: Scale) -> dict[str, Any]:
    table = outcomes(store, runs(scale))
    run = table.sort_values(["rqi", "accuracy", "n_train"], ascending=[False, False, True]).iloc[0]
    said = f"|D| = {run['n_train']}, seed {run['seed']}, after {run['steps_run']:,} steps: "
    said += f"RQI {run['rqi']:.2f}, accuracy {run['accuracy']:.2f}"
    return {
        "states": [
            along_components("before training", run["initial_embedding"]),
            along_components(said, run["final_embedding"]),
        ]
    }


def along_components(title: str, E: NDArray[np.float64]) -> State:
    found = principal_components(E.reshape(len(E), -1))
    places = found.scores[:, :3]
    return State(title, np.where(places[0] < 0, -places, places), found.shares[:3])


def draw(states: list[State]) -> Figure:
    figure = Figure(figsize=(9.5, 6.4))
    for row, state in zip(figure.subplots(2, 3), states, strict=True):
        row[0].set_title(state.title, loc="left").set_in_layout(False)  # it may reach over its neighbours,
        row[1].set_title(" ")  # and this one has the height for it
        for axes, pair in zip(row, combinations(range(3), 2), strict=True):
            _draw_plane(axes, state, *pair)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _draw_plane(axes: Axes, state: State, first: int, second: int) -> None:
    places = state.places[:, [first, second]]
    axes.plot(*places[EVEN].T, "o", color=BLUE, label="even permutations")
    axes.plot(*places[~EVEN].T, "s", color=VERMILION, label="odd permutations")
    for element, place, (right, up) in zip(ELEMENTS, places, _away(places), strict=True):
        offset = {"xytext": (14 * right, 10 * up), "textcoords": "offset points"}
        axes.annotate("".join(map(str, element)), place, **offset, ha="center", va="center", fontsize="small")
    for setter, number in ((axes.set_xlabel, first), (axes.set_ylabel, second)):
        setter(f"PC{number + 1} ({state.shares[number]:.0%} of the variance)")
    limit = 1.45 * np.abs(state.places).max()
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")


def _away(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """The direction (n, 2) from each point's nearest neighbour to the point itself:
    where its label is free.
    """
    apart = places[:, None] - places[None, :]  # (n, n, 2)
    distances = np.linalg.norm(apart, axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = distances.argmin(axis=1)[:, None]
    directions = np.take_along_axis(apart, nearest[:, :, None], axis=1)[:, 0]
    return directions / np.maximum(np.take_along_axis(distances, nearest, axis=1), 1e-12)
