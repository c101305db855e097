"""The grid of runs that the options of a command name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tyro

from analysis.runs.plan import FORM, Experiment, parse_settings
from analysis.runs.session import Trains
from neural import ConfigError, ModularConfig, RunConfig, find_family

_PAPER_BUDGET = 100_000  # of phase diagrams
# How the size of a training set is said, in the families that learn a table.
_SIZES: dict[type, str] = {RunConfig: "n_train", ModularConfig: "fraction"}


@dataclass(frozen=True, kw_only=True)
class PlaneOptions(Trains):
    """Which grid of runs: a named diagram, one of your own, or one with other axes."""

    name: tyro.conf.Positional[str | None] = None
    """lr_lr, regression, classification, s3 (figure 6 a-d); batch_size, init_scale, repr_weight_decay (figures 13-15;
    with _ce for classification); or nothing, with axes of your own.
    """
    family: str = "toy"
    """Which networks: toy, modular, digits, teacher, reviews, molecules, messiness, parity, or a file of yours,
    NAME.py."""
    x: str | None = None
    """Horizontal axis: FIELD=LO:HI:N[:log] or FIELD=A,B,C, with any field of a run (see neural.train
    --help)."""
    y: str | None = None
    """Vertical axis, likewise; a sweep may do without."""
    set: tuple[str, ...] = ()
    """FIELD=VALUE that all runs share, for example n_train=30 loss=ce."""
    table: Path | None = None
    """CSV file with your own operation, for families toy and modular: a square of results (see neural.train --help)."""
    pairs: Path | None = None
    """CSV file with the training set of all runs, for these families: rows a,b or a,b,result."""
    fraction: float | None = None
    """Share of the samples of these families that is trained on; then a sweep may do without --x."""
    seeds: int = 3
    """How many seeds a point."""
    budget: int | None = None
    """Steps after which a run is censored; of the toy model by default 100,000, as in the paper."""

    def plane(self, diagrams: Mapping[str, Experiment], n_axes: int) -> Experiment:
        """The plane that the options name, of these `diagrams` or of axes of one's own,
        `n_axes` at least; ConfigError if there is none, or a run cannot be.
        """
        if self.name is not None and self.name not in diagrams:
            raise ConfigError(f"`name` must be one of {', '.join(diagrams)}, but is {self.name!r}.")
        config_type = find_family(self.family).Config
        base = RunConfig(budget=_PAPER_BUDGET) if config_type is RunConfig else config_type()
        known = diagrams[self.name] if self.name else Experiment("A plane of runs", base)
        if type(known.base) is not config_type:
            raise ConfigError(f"`family` must be that of the diagram {self.name}, but is {self.family!r}.")
        texts = {"x": self.x, "y": self.y}
        settings = parse_settings(config_type, "set", self.set)
        if self.budget is not None:
            settings["budget"] = self.budget
        own = self._own_task(known.base, settings)
        settings |= own
        if own and n_axes == 1 and not (self.x or known.axes):  # a plane of one point
            size = _SIZES[config_type]
            texts["x"] = f"{size}={getattr(replace(known.base, **settings), size)!r}"
            settings.pop(size, None)
        for axis in ("x", "y")[:n_axes]:
            if not (known.axes or texts[axis]):
                raise ConfigError(f"`{axis}` must be {FORM} where no diagram is named, but is not given.")
        seeds = self.seed_range()
        plane = replace(known.varied(texts, settings), seeds=len(seeds), first_seed=seeds.start)
        plane.configs()  # checks every value
        return plane

    def _own_task(self, base: Any, settings: dict[str, Any]) -> dict[str, Any]:
        """The fields that --table, --pairs and --fraction set."""
        files = {"operation": self.table, "samples": self.pairs}
        fields: dict[str, Any] = {name: str(path) for name, path in files.items() if path is not None}
        if self.fraction is not None:
            fields[_SIZES.get(type(base), "fraction")] = self.fraction
        if fields and type(base) not in _SIZES:
            wanted = "toy or modular with table, pairs and fraction"
            raise ConfigError(f"`family` must be {wanted}, but is {self.family!r}.")
        if twice := [name for name in fields if name in settings]:
            raise ConfigError(f"`set` must not name what has an option of its own, but names {twice[0]}.")
        if isinstance(base, RunConfig) and self.fraction is not None:
            if not 0 < self.fraction <= 1:
                raise ConfigError(f"`fraction` must be above 0 and at most 1, but is {self.fraction}.")
            n_samples = replace(base, **settings | fields | {"n_train": 1, "samples": ""}).n_samples
            fields["n_train"] = max(1, round(self.fraction * n_samples))
        return fields
