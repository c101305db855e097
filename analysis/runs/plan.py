"""A plan: the runs that axes and seeds span. An axis is said in text."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from types import NoneType
from typing import Any, get_args

import numpy as np

from neural import ConfigError, family_of
from neural.config import filled, kinds, nearest, option_of
from neural.family import Family

_DIGITS = 6  # significant ones of a grid value, so that one and the same grid has one and the same keys
MAX_RUNS = 1_000_000  # more is a slip of the hand
FORM = "FIELD=LO:HI:N[:log] or FIELD=A,B,C"


@dataclass(frozen=True)
class Axis:
    """One axis of a grid: a field of configurations and its values, in order."""

    field: str
    values: tuple[Any, ...]
    log: bool = False
    """Whether steps between the values are factors."""
    label: str = dataclasses.field(default="", compare=False)
    """What pictures call it; the field's name where that says enough."""

    @property
    def kind(self) -> type:
        """What the values are, None aside: int, float or another type."""
        found = {type(value) for value in self.values if value is not None}
        return found.pop() if len(found) == 1 else float if found == {int, float} else str

    @property
    def is_number(self) -> bool:
        return all(_is_number(value) for value in self.values)

    def position(self, value: Any) -> float:
        """Where a value stands, in units of equal steps; categories are counted."""
        if not self.is_number:
            return float(self.values.index(self.value(value)))
        return math.log10(value) if self.log else float(value)

    def value(self, cell: Any) -> Any:
        """A run's value, of a cell: None may be nan there, an integer a float."""
        if cell is None or cell != cell:
            return None
        return int(cell) if self.kind is int else cell

    def between(self, low: Any, high: Any) -> Any | None:
        """The value halfway, None where there is none: next integers, categories."""
        if not self.is_number or self.kind not in (int, float):
            return None
        value = _number(self.kind, math.sqrt(low * high) if self.log else (low + high) / 2)
        return value if low < value < high else None


@dataclass(frozen=True)
class Experiment:
    """A run for every combination of the axes' values, with each of `seeds` seeds from
    `first_seed` on. `title`: of its part of a page. `base`: a configuration with all
    that the runs share. `early`: steps, before any run generalises, at which measures
    are read as well. `budget`: of a run, where it follows from its other fields.
    """

    title: str
    base: Any
    axes: tuple[Axis, ...] = ()
    seeds: int = 3
    first_seed: int = 0
    early: tuple[int, ...] = ()
    budget: Callable[[Any], int] | None = None

    @property
    def family(self) -> type[Family]:
        """Of its runs."""
        return family_of(self.base)

    def configs(self, seeds: range | None = None) -> list[Any]:
        """Its runs, the seed changing fastest, the first axis slowest; `seeds`: others
        than its own. ConfigError if a run cannot be, or there are none.
        """
        first, n = (self.first_seed, self.seeds) if seeds is None else (seeds.start, len(seeds))
        runs = grid(self.base, self.axes, n, first)
        return runs if self.budget is None else [replace(run, budget=self.budget(run)) for run in runs]

    def at(self, **values: Any) -> Experiment:
        """The part of it in which these fields have these values."""
        axes = tuple(axis for axis in self.axes if axis.field not in values)
        return replace(self, base=replace(self.base, **values), axes=axes)

    def varied(self, texts: Mapping[str, str | None], settings: Mapping[str, Any]) -> Experiment:
        """Another one, as the options of a command say: the text of each axis in turn,
        by its option's name (without one it stays), and fields that all runs share.
        ConfigError if that cannot be.
        """
        given = {n: parse_axis(type(self.base), name, text) for n, (name, text) in enumerate(texts.items()) if text}
        axes = tuple((dict(enumerate(self.axes)) | given).values())
        for axis in axes:
            if axis.field in settings:
                raise ConfigError(f"{axis.field} must be an axis or one value for all runs, but is both.")
        # an axis may make valid what settings alone are not: n_train below p(p+1)/2
        base = replace(self.base, **{axis.field: axis.values[0] for axis in axes} | dict(settings))
        return replace(self, base=base, axes=axes)


def planned(title: str, base: Any, *axes: str, **others: Any) -> Experiment:
    """An experiment, of the texts that say its axes."""
    return Experiment(title, base, tuple(parse_axis(type(base), "axes", text) for text in axes), **others)


def parse_axis(config_type: type, name: str, text: str) -> Axis:
    """An axis from FIELD=LO:HI:N[:log] (N values, both ends included) or FIELD=A,B,C;
    ConfigError, which names the option `name`, if there is no such field or value.
    """
    field, _, values = text.partition("=")
    field = field.replace("-", "_")
    field = {alias: one.name for one in fields(config_type) for alias in option_of(one).aliases}.get(field, field)
    if not values:
        raise ConfigError(f"`{name}` must be {FORM}, but is {text!r}.")
    if field not in kinds(config_type):
        near = nearest(field, kinds(config_type))
        meant = f"; is it {near}?" if near else "."
        raise ConfigError(f"`{name}` must name one of {', '.join(kinds(config_type))}, but names {field!r}{meant}")
    if field == "seed":
        raise ConfigError(f"`{name}` must not be seed: how many seeds there are is an option of its own.")
    label = option_of(config_type.__dataclass_fields__[field]).label
    if ":" in values:
        kind = kind_of(config_type, field)
        found, log = _between_ends(name, text, values.split(":"), kind)
        return Axis(field, tuple(dict.fromkeys(_number(kind, value) for value in found)), log, label)
    listed = tuple(parse_value(config_type, name, field, value) for value in values.split(","))
    if len(set(listed)) < len(listed):
        raise ConfigError(f"`{name}` must have every value once, but is {text!r}.")
    if all(_is_number(value) for value in listed):
        listed = tuple(sorted(listed))
    if len(listed) < 3 or not all(_is_number(value) and value > 0 for value in listed):
        return Axis(field, listed, False, label)
    # where factors are more even than differences, it is a logarithmic axis
    factors, differences = (np.std(steps) / np.mean(steps) for steps in (np.diff(np.log(listed)), np.diff(listed)))
    return Axis(field, listed, bool(factors < differences), label)


def _between_ends(name: str, text: str, parts: list[str], kind: type) -> tuple[np.ndarray, bool]:
    """The values of LO:HI:N[:log], and whether they are on a logarithmic axis."""
    log = parts[3:] == ["log"]
    try:
        low, high, n = float(parts[0]), float(parts[1]), int(parts[2])
        if len(parts) > 3 + log or kind not in (int, float):
            raise ValueError
    except (ValueError, IndexError):
        raise ConfigError(f"`{name}` must be {FORM}, but is {text!r}.") from None
    if n < 1 or not (math.isfinite(low) and math.isfinite(high)) or low > high or (log and low <= 0):
        bounds = "0 < LO <= HI" if log else "LO <= HI"
        raise ConfigError(f"`{name}` must have {bounds} and N of at least 1, but is {text!r}.")
    if n > MAX_RUNS:
        raise ConfigError(f"`{name}` must have at most {MAX_RUNS:,} values, but is {text!r}.")
    return (np.geomspace if log else np.linspace)(low, high, n), log


def parse_value(config_type: type, name: str, field: str, text: str) -> Any:
    """One value of a field, from text; whether it is valid its configuration says."""
    kind = kind_of(config_type, field)
    if text in ("None", "none", "full") and NoneType in get_args(kinds(config_type)[field]):
        return None
    if kind is str:
        return text
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ConfigError(f"`{name}` must have true or false for {field}, but one is {text!r}.")
        return text.lower() == "true"
    try:
        number = float(text)
        if not math.isfinite(number) or (kind is int and number != int(number)):
            raise ValueError
    except ValueError:
        wanted = "whole numbers" if kind is int else "numbers"
        raise ConfigError(f"`{name}` must have {wanted} for {field}, but one is {text!r}.") from None
    return int(number) if kind is int else number


def parse_settings(config_type: type, name: str, texts: Sequence[str]) -> dict[str, Any]:
    """Fields that are set for all runs, from FIELD=VALUE texts."""
    settings = {}
    for text in texts:
        axis = parse_axis(config_type, name, text)
        if len(axis.values) != 1:
            raise ConfigError(f"`{name}` must have one value a field, but is {text!r}.")
        settings[axis.field] = axis.values[0]
    return settings


def grid(base: Any, axes: Sequence[Axis], seeds: int, first_seed: int = 0) -> list[Any]:
    """Every combination of the axes' values and `seeds` seeds, or ConfigError."""
    if len({axis.field for axis in axes}) < len(axes):
        raise ConfigError(f"`y` must be another field than x, but both are {axes[0].field}.")
    if seeds < 1:
        raise ConfigError(f"`seeds` must be an integer of at least 1, but is {seeds}.")
    if first_seed < 0:
        raise ConfigError(f"`first_seed` must be an integer of at least 0, but is {first_seed}.")
    n_runs = math.prod(len(axis.values) for axis in axes) * seeds
    if n_runs > MAX_RUNS:
        raise ConfigError(f"`x`, `y` and `seeds` must span at most {MAX_RUNS:,} runs, but span {n_runs:,}.")
    points = product(*(axis.values for axis in axes))
    return [run for point in points for run in at_point(base, axes, point, seeds, first_seed)]


def at_point(base: Any, axes: Sequence[Axis], point: Sequence[Any], seeds: int, first_seed: int = 0) -> list[Any]:
    """The runs at one point of the plane, with `seeds` seeds from `first_seed` on."""
    values = {axis.field: value for axis, value in zip(axes, point, strict=True)}
    return [filled(replace(base, **values, seed=seed)) for seed in range(first_seed, first_seed + seeds)]


def kind_of(config_type: type, field: str) -> type:
    """What a field's values are: int, float, bool or str."""
    hint = kinds(config_type)[field]
    return next((kind for kind in (hint, *get_args(hint)) if kind in (int, float, bool)), str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(kind: type, value: float) -> int | float:
    return round(value) if kind is int else float(f"{value:.{_DIGITS}g}")
