"""Phase diagrams of the named planes, several in one figure: figures 6 and 13 to 15."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from analysis.phase_diagram.pictures import draw_phases, legend
from analysis.runs.experiments import Plane, PlaneOptions
from analysis.runs.phases import Thresholds, classify, points
from analysis.runs.store import RunStore
from neural import RunConfig
from paper_figures.scale import Scale

SEEDS = 3
QUICK = Scale(seeds=1, points=5, budget=10_000)  # one seed a cell, as in the paper


class Panel(NamedTuple):
    """One diagram: its plane, and a row a point as by
    `analysis.runs.phases.points`.
    """

    plane: Plane
    cells: pd.DataFrame


def plane(name: str, scale: Scale) -> Plane:
    """A named plane of the run plans at `scale`."""
    full = PlaneOptions(name).resolved(n_axes=2)
    axes = tuple(scale.axis(axis) for axis in full.axes)
    return replace(full, base=scale.run(full.base), axes=axes, seeds=scale.seeds or SEEDS)


def plane_runs(names: Sequence[str], scale: Scale) -> list[RunConfig]:
    """The runs of several planes, each once: where planes cross they share some."""
    return list(dict.fromkeys(run for name in names for run in plane(name, scale).configs()))


def plane_tables(names: Sequence[str], store: RunStore, scale: Scale) -> list[Panel]:
    planes = [plane(name, scale) for name in names]
    return [Panel(p, points(classify(store.table(p.configs()), Thresholds()), p.axes)) for p in planes]


def draw_panels(panels: Sequence[Panel]) -> Figure:
    """Two diagrams a row, and one legend."""
    n_rows = (len(panels) + 1) // 2
    figure = Figure(figsize=(11, 4.7 * n_rows + 0.4))
    for axes, panel, letter in zip(figure.subplots(n_rows, 2).flat, panels, "abcd", strict=False):
        axes.grid(False)
        draw_phases(axes, panel.cells, panel.plane.axes)
        axes.set_title(f"({letter}) {panel.plane.title}", loc="left")
    everything = pd.concat([panel.cells for panel in panels])
    figure.legend(handles=legend(everything), loc="outside lower center", ncols=5)
    return figure
