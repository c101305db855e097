"""The planes that a store's runs span, whatever command varied the fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pandas as pd

from analysis.runs.plan import Axis, kind_of, parse_axis
from analysis.runs.store import config_columns
from neural.config import kinds
from neural.families.external import External
from neural.family import Family

LEAST_CELLS = 3
_FILLED = 0.5  # of the cells of each line of a plane that have runs, at least
_REPEATS = ("seed", "replica", "checkpoints", "source")  # runs that differ in these alone are of one cell
# Of logs of others these are no settings, or follow from others.
_IMPORTED = ("file", "name", "content", "budget", "n_test")
_NONE = "None"  # for a field without a value: pandas groups by it, and `parse_axis` reads it


@dataclass(frozen=True, eq=False)
class Plane:
    """Runs, a row each with its key and settings at least, that differ in one field or
    two (`axes`), and in their seeds; `shared`: what they have of the fields that other
    runs of the store have otherwise; `n_cells`: settings.
    """

    family: type[Family]
    axes: tuple[Axis, ...]
    shared: dict[str, Any]
    runs: pd.DataFrame
    n_cells: int


def find_planes(runs: pd.DataFrame, family: type[Family]) -> list[Plane]:
    """The planes of a family's runs, those with most cells first; runs that are in one
    already make no second one unless half of its runs are new.
    """
    imported = _IMPORTED if family.name == External.name else ()
    if imported:  # the fraction says it, and of several p in one plane
        runs = runs.assign(n_train=runs["n_train"].where(runs["fraction"].isna()))
    fields = [name for name in config_columns(family) if name not in (*_REPEATS, *imported)]
    apart = [*fields, *(name for name in ("seed", "replica", *imported) if name in runs)]
    runs = runs.drop_duplicates(apart)
    if "samples" in fields:  # a training set that was given makes a run of its own kind
        runs = runs[runs["samples"] == ""]
    # as `parse_axis` reads them: sqlite has 0 and 1 for bool, and nothing for None
    values, own = runs[fields].astype(object).where(runs[fields].notna(), _NONE), kinds(family.Config)
    truths = [name for name in fields if own.get(name) is bool]
    values = values.assign(**{name: values[name].astype(bool).astype(object) for name in truths})
    for name in fields:  # pandas makes integers of a column with gaps reals
        if kind_of(family.Config, name) is int:
            values[name] = [value if value == _NONE else int(value) for value in values[name]]
    varied = [name for name in fields if values[name].nunique() > 1]
    if not varied:
        return []
    number = values.groupby(varied, sort=False).ngroup()  # of each run's setting
    found = sorted(_candidates(values.drop_duplicates(varied), varied), key=lambda one: (-len(one[2]), one[0]))
    planes: list[Plane] = []
    covered: set[int] = set()
    for names, shared, index in found:
        members = number.index[number.isin(number.loc[index])]
        new = set(members) - covered
        if len(new) < len(members) / 2:
            continue
        covered |= new
        texts = (f"{name}={','.join(map(str, values.loc[members, name].unique()))}" for name in names)
        axes = tuple(parse_axis(family.Config, "x", text) for text in texts)  # as a diagram of them would be
        if imported:
            shared = {name: value for name, value in shared.items() if value not in ("", _NONE)}
        planes.append(Plane(family, axes, shared, runs.loc[members], len(index)))
    return planes


def _candidates(settings: pd.DataFrame, varied: list[str]) -> Iterator[tuple[tuple[str, ...], dict[str, Any], Any]]:
    """Names of the axes, what is shared, and the index of the settings: a row each."""
    for names in [*combinations(varied, 2), *((name,) for name in varied)]:
        rest = [name for name in varied if name not in names]
        for shared, group in settings.groupby(rest, sort=False) if rest else [((), settings)]:
            if len(names) == 2:
                group = _filled(group, *names)
            if len(group) >= LEAST_CELLS:
                yield names, dict(zip(rest, shared, strict=True)), group.index


def _filled(group: pd.DataFrame, x: str, y: str) -> pd.DataFrame:
    """The plane without lines of hardly any cells; nothing where no plane is left."""
    while len(group) >= LEAST_CELLS:
        for one, other in ((x, y), (y, x)):
            share = group.groupby(one)[other].transform("size") / group[other].nunique()
            if share.min() < _FILLED:
                group = group[share > share.min()]
                break
        else:
            break
    return group if min(group[x].nunique(), group[y].nunique()) > 1 else group.head(0)
