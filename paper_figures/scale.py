"""How much is trained for a figure: the published size, or what a laptop trains in
minutes; and what the difference is.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
import tyro

from analysis.runs.plan import Axis, grid
from neural import ConfigError

Run = TypeVar("Run", bound=Any)
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
        for name, low in (("seeds", 1), ("points", 2), ("budget", 1)):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < low):
                raise ConfigError(f"`{name}` must be an integer of at least {low}, but is {value!r}.")

    def but(self, given: Scale) -> Scale:
        """This scale, but for what `given` says."""
        said = {one.name: getattr(given, one.name) for one in fields(given)}
        return replace(self, **{name: value for name, value in said.items() if value})

    def run(self, config: Run) -> Run:
        """`config` with this scale's budget."""
        return config if self.budget is None else replace(config, budget=self.budget)

    def axis(self, axis: Axis) -> Axis:
        """`axis` with this scale's number of values."""
        n = len(axis.values)
        if self.points is None or self.points >= n:
            return axis
        chosen = np.linspace(0, n - 1, self.points).round().astype(int)
        return replace(axis, values=tuple(axis.values[k] for k in chosen))

    def runs(self, base: Run, axes: Sequence[Axis], seeds: int) -> list[Run]:
        """Every combination of the axes' values and seeds; `seeds` is how many there
        are if the scale does not say.
        """
        return grid(self.run(base), [self.axis(axis) for axis in axes], self.seeds or seeds)


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
