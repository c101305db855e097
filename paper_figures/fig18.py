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
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.runs.store import RunStore
from paper_figures.s3 import QUICK as QUICK
from paper_figures.s3 import SEEDS as SEEDS
from paper_figures.s3 import outcomes
from paper_figures.s3 import runs as runs
from paper_figures.scale import Scale
from paper_figures.style import BLUE, VERMILION

TITLE = "S3: the embeddings in their principal components"
ELEMENTS = list(permutations((1, 2, 3)))  # in the order of the symbols
_COLUMNS = ("PC1", "PC2", "PC3")


class State(NamedTuple):
    """The embeddings at one time.

    title: when, and of which run. points: a row an element, in the symbols' order:
    `element`, `even`, PC1 to PC3. shares: of the variance, one a component.
    """

    title: str
    points: pd.DataFrame
    shares: NDArray[np.float64]


def tables(store: RunStore, scale: Scale) -> list[State]:
    ranked = outcomes(store, scale).sort_values(["rqi", "accuracy", "n_train"], ascending=[False, False, True])
    run = ranked.iloc[0]
    return [
        _state("before training", run["initial_embedding"]),
        _state(
            f"|D| = {run['n_train']}, seed {run['seed']}, after {run['steps_run']:,} steps: RQI {run['rqi']:.2f}, "
            f"accuracy {run['accuracy']:.2f}",
            run["final_embedding"],
        ),
    ]


def _state(title: str, E: NDArray[np.float64]) -> State:
    components, shares = principal_components(E.reshape(len(E), -1))
    names = ["".join(map(str, element)) for element in ELEMENTS]
    even = [sum(a > b for a, b in combinations(element, 2)) % 2 == 0 for element in ELEMENTS]
    return State(title, pd.DataFrame(components, columns=_COLUMNS).assign(element=names, even=even), shares)


def principal_components(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The rows of x (n, m) along its first three principal axes, (n, 3), and the shares
    of the variance there, (3,).

    A sign is free: the first row has none below 0.
    """
    left, sizes, _ = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    components = (left * sizes)[:, :3]
    return np.where(components[0] < 0, -components, components), (sizes**2 / (sizes**2).sum())[:3]


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
    x, y = state.points[_COLUMNS[first]], state.points[_COLUMNS[second]]
    even = state.points["even"]
    axes.plot(x[even], y[even], "o", color=BLUE, label="even permutations")
    axes.plot(x[~even], y[~even], "s", color=VERMILION, label="odd permutations")
    places = np.stack([x, y], axis=1)
    for name, place, (right, up) in zip(state.points["element"], places, _away(places), strict=True):
        offset = {"xytext": (14 * right, 10 * up), "textcoords": "offset points"}
        axes.annotate(name, place, **offset, ha="center", va="center", fontsize="small")
    for setter, number in ((axes.set_xlabel, first), (axes.set_ylabel, second)):
        setter(f"{_COLUMNS[number]} ({state.shares[number]:.0%} of the variance)")
    limit = 1.45 * np.abs(state.points[list(_COLUMNS)].to_numpy()).max()
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
