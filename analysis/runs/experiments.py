"""The experiments that have a name: the paper's training-set sizes, and its phase
diagrams.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tyro

from analysis.runs.plan import FORM, Axis, grid, parse_axis, parse_settings
from neural import ConfigError, ModularConfig, RunConfig, family_of, find_family
from neural.family import Family

# The training-set sizes of the paper's figures 3 to 5 at p = 10, of 55 samples.
PAPER_SIZES = (5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 54)
DEFAULT_SIZES = PAPER_SIZES[3:]


@dataclass(frozen=True)
class Diagram:
    """A plane of runs: what they share, and two axes as `parse_axis` reads them."""

    title: str
    base: Any
    x: str
    y: str


# The official S3 code: latents in [-0.05, 0.05], and an L1 penalty that the paper does
# not mention.
S3 = RunConfig(operation="s3", p=6, n_train=24, d=3, init_scale=0.1, repr_l1=1e-3)
_TOY, _S3 = (replace(base, budget=100_000) for base in (RunConfig(), S3))
_CE = replace(_TOY, loss="ce")
_LEARNING_RATES = "decoder_lr=1e-5:1e-2:16:log"
_FAST = "decoder_lr=1e-4:1e-2:9:log"

# Figure 6 has the paper's grids. Those of figures 13 to 15 are not published beyond the
# range of the decoder's learning rate: their second axes are ours.
DIAGRAMS = {
    "lr_lr": Diagram("Learning rates, regression", _TOY, "repr_lr=1e-5:1e-2:13:log", "decoder_lr=1e-5:1e-2:13:log"),
    "regression": Diagram("Decoder, regression", _TOY, _LEARNING_RATES, "decoder_wd=0:10:11"),
    "classification": Diagram("Decoder, classification", _CE, _LEARNING_RATES, "decoder_wd=0:20:11"),
    "s3": Diagram("Decoder, S3, regression", _S3, _LEARNING_RATES, "decoder_wd=0,1,2,3,5,10,20,30,50,100,200"),
    "batch_size": Diagram("Batch size, regression", _TOY, _FAST, "batch_size=5:45:9"),
    "batch_size_ce": Diagram("Batch size, classification", _CE, _FAST, "batch_size=5:45:9"),
    "init_scale": Diagram("Initial scale of the embeddings, regression", _TOY, _FAST, "init_scale=0.1:10:9:log"),
    "init_scale_ce": Diagram("Initial scale of the embeddings, classification", _CE, _FAST, "init_scale=0.1:10:9:log"),
    "repr_weight_decay": Diagram("Weight decay of the embeddings, regression", _TOY, _FAST, "repr_wd=0:10:9"),
    "repr_weight_decay_ce": Diagram("Weight decay of the embeddings, classification", _CE, _FAST, "repr_wd=0:10:9"),
}


# How the size of a training set is said, in the families that learn a table.
_SIZES: dict[type, str] = {RunConfig: "n_train", ModularConfig: "fraction"}


@dataclass(frozen=True)
class Plane:
    """A grid of runs that is ready to be trained."""

    name: str
    title: str
    base: Any
    axes: tuple[Axis, ...]
    seeds: int
    first_seed: int = 0

    @property
    def family(self) -> type[Family]:
        """Of its runs."""
        return family_of(self.base)

    def configs(self) -> list[Any]:
        return grid(self.base, self.axes, self.seeds, self.first_seed)


@dataclass(frozen=True)
class PlaneOptions:
    """Which grid of runs: a named diagram, one of your own, or a named one with other
    axes.
    """

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
    first_seed: int = 0
    """The seeds are first_seed .. first_seed + seeds - 1, so that runs nobody has looked at can be asked for."""
    budget: int | None = None
    """Steps after which a run is censored; of the toy model by default 100,000, as in the paper."""

    def resolved(self, n_axes: int) -> Plane:
        """The plane that the options name, with at least `n_axes` axes.

        Raises:
            ConfigError: no such diagram, a missing axis, or values that a run cannot
                have.
        """
        if self.name is not None and self.name not in DIAGRAMS:
            raise ConfigError(f"`name` must be one of {', '.join(DIAGRAMS)}, but is {self.name!r}.")
        config_type = find_family(self.family).Config
        base = _TOY if config_type is RunConfig else config_type()
        known = DIAGRAMS[self.name] if self.name else Diagram("A plane of runs", base, "", "")
        if type(known.base) is not config_type:
            raise ConfigError(f"`family` must be that of the diagram {self.name}, but is {self.family!r}.")
        texts = {"x": self.x or known.x, "y": self.y or known.y}
        settings = parse_settings(config_type, "set", self.set)
        if self.budget is not None:
            settings["budget"] = self.budget
        own = self._own_task(known.base, settings)
        settings |= own
        if own and n_axes == 1 and not texts["x"]:  # a plane of one point
            size = _SIZES[config_type]
            texts["x"] = f"{size}={getattr(replace(known.base, **settings), size)!r}"
            settings.pop(size, None)
        for axis in ("x", "y")[:n_axes]:
            if not texts[axis]:
                raise ConfigError(f"`{axis}` must be {FORM} where no diagram is named, but is not given.")
        axes = tuple(parse_axis(config_type, name, text) for name, text in texts.items() if text)
        for axis in axes:
            if axis.field in settings:
                raise ConfigError(f"{axis.field} must be an axis or one value for all runs, but is both.")
        for axis in axes:  # an axis may make valid what the settings alone are not: n_train below p(p+1)/2, say
            settings.setdefault(axis.field, axis.values[0])
        name = self.name or "-".join(axis.field for axis in axes)
        plane = Plane(name, known.title, replace(known.base, **settings), axes, self.seeds, self.first_seed)
        plane.configs()  # checks every value
        return plane

    def _own_task(self, base: Any, settings: dict[str, Any]) -> dict[str, Any]:
        """The fields that --table, --pairs and --fraction set."""
        files = {"operation": self.table, "samples": self.pairs}
        fields: dict[str, Any] = {name: str(path) for name, path in files.items() if path is not None}
        if self.fraction is not None:
            fields[_SIZES.get(type(base), "fraction")] = self.fraction
        if fields and type(base) not in _SIZES:
            names = "table, pairs and fraction"
            raise ConfigError(f"`family` must be toy or modular with {names}, but is {self.family!r}.")
        for name in fields:
            if name in settings:
                raise ConfigError(f"`set` must not name what has an option of its own, but names {name}.")
        if isinstance(base, RunConfig) and self.fraction is not None:
            if not 0 < self.fraction <= 1:
                raise ConfigError(f"`fraction` must be above 0 and at most 1, but is {self.fraction}.")
            n_samples = replace(base, **settings | fields | {"n_train": 1, "samples": ""}).n_samples
            fields["n_train"] = max(1, round(self.fraction * n_samples))
        return fields
