"""How much is trained for a figure: the published size, or what a laptop trains in
minutes; and what the difference is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import tyro

from analysis.report.command import check_at_least
from analysis.runs.plan import Axis, grid, parse_axis

_LISTED = 2  # so many values are listed, more are counted


@dataclass(frozen=True)
class Scale:
    """How much is trained for a figure; what is None is as its caption says."""

    seeds: int | None = None
    """How many seeds a point: 0..seeds-1; by default each figure's own number."""
    points: int | None = None
    """At most how many values an axis (training-set sizes, both axes of a phase diagram), evenly chosen with both ends;
    by default each figure's own number.
    """
    budget: int | None = None
    """Steps after which a run is censored; by default each figure's own."""
    small: tyro.conf.Suppress[bool] = False
    """Smaller networks, where a figure has such."""

    def __post_init__(self) -> None:
        check_at_least(1, self, "seeds", "budget")
        check_at_least(2, self, "points")

    def but(self, given: Scale) -> Scale:
        """This scale, but for what `given` says."""
        said = {one.name: getattr(given, one.name) for one in fields(given)}
        return replace(self, **{name: value for name, value in said.items() if value})

    def run(self, config: Any) -> Any:
        """`config` with this scale's budget."""
        return config if self.budget is None else replace(config, budget=self.budget)

    def axis(self, axis: Axis) -> Axis:
        """`axis` with this scale's number of values."""
        n = len(axis.values)
        if self.points is None or self.points >= n:
            return axis
        chosen = np.linspace(0, n - 1, self.points).round().astype(int)
        return replace(axis, values=tuple(axis.values[k] for k in chosen))


@dataclass(frozen=True)
class Part:
    """The runs behind a part of a figure, at any scale.

    Attributes:
        base: what all of them share, at the published size.
        axes: what they differ in, beside the seed.
        seeds: how many, if the scale does not say.
        small: the same with smaller networks; by default there are none.
        whole: whether no scale thins the axes.
    """

    base: Any
    axes: tuple[Axis, ...] = ()
    seeds: int = 3
    small: Part | None = None
    whole: bool = False

    def or_small(self, base: Any, *axes: str, seeds: int | None = None) -> Part:
        """With `base` for smaller networks, and other axes and seeds where these are
        given.
        """
        small = part(base, *axes, seeds=seeds or self.seeds)
        return replace(self, small=small if axes else replace(small, axes=self.axes))

    def at(self, scale: Scale) -> Part:
        """What of it is trained at `scale`, and how often."""
        here = self.small if self.small is not None and scale.small else self
        axes = here.axes if self.whole else tuple(map(scale.axis, here.axes))
        return Part(scale.run(here.base), axes, scale.seeds or here.seeds)

    def runs(self, scale: Scale) -> list[Any]:
        """Every combination of the axes' values and seeds."""
        here = self.at(scale)
        return grid(here.base, here.axes, here.seeds)


def part(base: Any, *axes: str, seeds: int = 3, whole: bool = False) -> Part:
    """A part of a figure, with axes as `parse_axis` reads them."""
    return Part(base, tuple(parse_axis(type(base), "axes", text) for text in axes), seeds, whole=whole)


def runs_of(*parts: Part) -> Callable[[Scale], list[Any]]:
    """The runs of a figure at a scale: those of all its parts, each once."""
    return lambda scale: list(dict.fromkeys(run for one in parts for run in one.runs(scale)))


def differences(drawn: Sequence[Any], published: Sequence[Any]) -> str:
    """What a figure's runs have otherwise than those of the published size, field by
    field: "6 runs instead of 90; budget 10,000 instead of 100,000; seed 0 and 1 instead
    of 11 values". "" if nothing.
    """
    if set(drawn) == set(published):
        return ""
    n_drawn, n_published = len(set(drawn)), len(set(published))
    parts = [f"{n_drawn:,} runs instead of {n_published:,}"] if n_drawn != n_published else []
    for kind in dict.fromkeys(type(run) for run in published):
        here, there = ([run for run in runs if type(run) is kind] for runs in (drawn, published))
        for one in fields(kind):
            ours, theirs = (dict.fromkeys(getattr(run, one.name) for run in runs) for runs in (here, there))
            if set(ours) == set(theirs) or one.name == "checkpoints":  # which changes no run
                continue
            parts.append(f"{one.name} {_values(ours)} instead of {_values(theirs)}")
    return "; ".join(dict.fromkeys(parts))


def _values(values: Collection[Any]) -> str:
    """The values, or how many there are."""
    if not 0 < len(values) <= _LISTED:
        return f"{len(values)} values"
    texts = [f"{value:,}" if isinstance(value, int | float) else str(value) for value in values]
    return " and ".join(texts)
