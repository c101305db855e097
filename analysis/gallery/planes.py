"""The planes that the runs of a store span: which fields were varied together, whatever
command did it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pandas as pd

from analysis.runs.plan import Axis, parse_axis
from analysis.runs.store import config_columns
from neural.family import Family

LEAST_CELLS = 3
_FILLED = 0.7  # of a plane's cells that have runs, at least
_REPEATS = ("seed", "replica", "checkpoints")  # runs that differ in these alone are of one cell
_NONE = "None"  # for a field without a value: pandas groups by it, and `parse_axis` reads it


@dataclass(frozen=True, eq=False)
class Plane:
    """Runs that differ in one field or two, and in their seeds.

    Attributes:
        family: of its networks.
        axes: one or two.
        shared: of the fields that other runs of the store have otherwise, what these
            have.
        runs: a row a run, as the store's table has them.
    """

    family: type[Family]
    axes: tuple[Axis, ...]
    shared: dict[str, Any]
    runs: pd.DataFrame


def find_planes(runs: pd.DataFrame, family: type[Family]) -> list[Plane]:
    """The planes of a family's runs, those with most cells first; runs that are in one
    already make no second one unless half of its runs are new.
    """
    fields = [name for name in config_columns(family) if name not in _REPEATS]
    if "samples" in fields:  # a training set that was given makes a run of its own kind
        runs = runs[runs["samples"] == ""]
    values = runs[fields].astype(object).where(runs[fields].notna(), _NONE)
    varied = [name for name in fields if values[name].nunique() > 1]
    found = sorted(_candidates(values, varied), key=lambda one: (-one[0], -len(one[3]), one[1]))
    planes, covered = [], set()
    for _, names, shared, index in found:
        new = set(index) - covered
        if len(new) < len(index) / 2:
            continue
        covered |= new
        axes = tuple(_axis(family, name, values.loc[index, name].unique()) for name in names)
        planes.append(Plane(family, axes, shared, runs.loc[index]))
    return planes


def _candidates(
    values: pd.DataFrame, varied: list[str]
) -> Iterator[tuple[int, tuple[str, ...], dict[str, Any], list[int]]]:
    """Number of cells, names of the axes, what is shared, index of the runs."""
    for names in [*combinations(varied, 2), *((name,) for name in varied)]:
        rest = [name for name in varied if name not in names]
        groups = values.groupby(rest, sort=False) if rest else [((), values)]
        for shared, group in groups:
            sizes = [group[name].nunique() for name in names]
            n_cells = len(group[list(names)].drop_duplicates())
            whole = sizes[0] * sizes[-1] if len(names) == 2 else sizes[0]
            if n_cells >= max(LEAST_CELLS, _FILLED * whole) and min(sizes) > 1:
                yield n_cells, names, dict(zip(rest, shared, strict=True)), list(group.index)


def _axis(family: type[Family], name: str, values: Any) -> Axis:
    """The axis with these values, drawn as a diagram of them would be."""
    return parse_axis(family.Config, "x", f"{name}={','.join(map(str, values))}")
