"""Phase diagrams of the named planes, several in one figure: figures 6 and 13 to 15;
and what other figures that have one draw.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.experiments import EXPERIMENTS
from analysis.phase_diagram.pictures import draw_phases, legend
from analysis.runs.phases import Thresholds, classify, points
from analysis.runs.plan import Axis
from analysis.runs.store import RunStore
from paper_figures.scale import Part, Scale, runs_of

DIAGRAMS = EXPERIMENTS["phase_diagram"]
USUAL = Thresholds()
QUICK = Scale(seeds=1, points=5, budget=10_000)  # one seed a cell, as in the paper


class Phases(NamedTuple):
    """A row a point of a plane as by `analysis.runs.phases.points`, and the
    plane's axes.
    """

    cells: pd.DataFrame
    axes: tuple[Axis, ...]


def phases(store: RunStore, plane: Part, scale: Scale, thresholds: Thresholds = USUAL) -> Phases:
    axes = plane.at(scale).axes
    return Phases(points(classify(store.table(plane.runs(scale)), thresholds), axes), axes)


def draw_plane(axes: Axes, found: Phases, title: str) -> None:
    axes.grid(False)
    draw_phases(axes, found.cells, found.axes)
    axes.set_title(title, loc="left")


def of_planes(*names: str) -> tuple[Callable[[Scale], list[Any]], Callable[[RunStore, Scale], dict[str, Any]]]:
    """What figures of named planes have: the runs, and the phases in which they end, by
    the planes' titles. Where planes cross they share runs.
    """
    planes = {DIAGRAMS[name].title: Part(DIAGRAMS[name].base, DIAGRAMS[name].axes) for name in names}

    def tables(store: RunStore, scale: Scale) -> dict[str, Any]:
        return {"diagrams": {title: phases(store, plane, scale) for title, plane in planes.items()}}

    return runs_of(*planes.values()), tables


def draw(diagrams: dict[str, Phases]) -> Figure:
    """Two diagrams a row, and one legend."""
    n_rows = (len(diagrams) + 1) // 2
    figure = Figure(figsize=(11, 4.7 * n_rows + 0.4))
    for axes, (title, found), letter in zip(figure.subplots(n_rows, 2).flat, diagrams.items(), "abcd", strict=False):
        draw_plane(axes, found, f"({letter}) {title}")
    everything = pd.concat([found.cells for found in diagrams.values()])
    figure.legend(handles=legend(everything), loc="outside lower center", ncols=5)
    return figure
