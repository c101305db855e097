"""How much is trained for a figure, so that a laptop can draw a coarse one in
minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from analysis.runs.plan import Axis, grid
from neural import ConfigError, ModularConfig, RunConfig

Run = TypeVar("Run", RunConfig, ModularConfig)


@dataclass(frozen=True)
class Scale:
    """How much is trained for a figure; what is None is as its caption says."""

    seeds: int | None = None
    """How many seeds a point: 0..seeds-1; by default each figure's own number."""
    points: int | None = None
    """At most how many values an axis (training-set sizes, both axes of a phase diagram), evenly chosen with both ends;
    by default all.
    """
    budget: int | None = None
    """Steps after which a run is censored; by default 100,000 for phase diagrams and 10,000 for all else."""

    def __post_init__(self) -> None:
        for name, low in (("seeds", 1), ("points", 2), ("budget", 1)):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < low):
                raise ConfigError(f"`{name}` must be an integer of at least {low}, but is {value!r}.")

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

    def __str__(self) -> str:
        """What differs from the caption, "" if nothing does."""
        parts = []
        if self.seeds is not None:
            parts.append(f"{self.seeds} seed{'s' * (self.seeds > 1)} a point")
        if self.points is not None:
            parts.append(f"at most {self.points} values an axis")
        if self.budget is not None:
            parts.append(f"a budget of {self.budget:,} steps")
        return ", ".join(parts)
