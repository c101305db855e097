"""What a run is told: a frozen dataclass a family, whose fields say what they may be.
Two equal ones are one run.

Every configuration has `seed`, `budget` (updates after which what was not reached is
censored), `dtype`, and, as fields or properties, `n_samples` and `n_train`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import Field, dataclass, field, fields, replace
from difflib import get_close_matches
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

# Names of different families for one thing.
_SAME = (("n_train", "fraction"), ("steps", "budget"), ("lr", "learning_rate", "decoder_lr"))


class ConfigError(Exception):
    """A run was asked for that cannot be trained."""


@dataclass(frozen=True)
class Option:
    """What is known of a field beside its type and default.

    Attributes:
        low: the least value that it may have.
        above: whether `low` itself is excluded.
        below: an integer that it must stay under.
        mixed: whether runs of one ensemble may differ in it: it changes no tensor's
            shape and no code path.
        aliases: other names that people use for it; of options, too.
        label: what pictures call it, where its name does not say enough.
        later: whether runs were stored before there was this field. It is absent from
            the keys of runs that have the default, so that no key ever changes.
        found: what gives the field, of a configuration that leaves it at its default,
            the value that only the machine knows: see `filled`.
    """

    low: float | None = None
    above: bool = False
    below: int | None = None
    mixed: bool = False
    aliases: tuple[str, ...] = ()
    label: str = ""
    later: bool = False
    found: Callable[[Any], Any] | None = None


def option(default: Any, low: float | None = None, **known: Any) -> Any:
    """A field with a default and an `Option` of `low` and `known`."""
    return field(default=default, metadata={"option": Option(low, **known)})


def option_of(one: Field[Any]) -> Option:
    """The `Option` of a field of a configuration."""
    return one.metadata.get("option", Option())


@cache
def kinds(config_type: type) -> dict[str, Any]:
    """The type of each field."""
    hints = get_type_hints(config_type)
    return {one.name: hints[one.name] for one in fields(config_type)}


@cache
def mixed(config_type: type) -> frozenset[str]:
    """The fields in which the runs of one ensemble may differ."""
    return frozenset(one.name for one in fields(config_type) if option_of(one).mixed)


def shape(config: Any) -> tuple[object, ...]:
    """All that the runs of one ensemble must have in common; equal for runs that fit
    together.
    """
    kind = type(config)
    return tuple(getattr(config, name) for name in kinds(kind) if name not in mixed(kind))


def defaults(config_type: type, which: Callable[[Option], bool]) -> dict[str, Any]:
    """The defaults of the fields whose `Option` is `which`."""
    return {one.name: one.default for one in fields(config_type) if which(option_of(one))}


def nearest(name: str, names: Iterable[str]) -> str:
    """Which of `names` somebody meant who wrote `name`: the one that asks for the same
    thing, else the one that is spelt alike, "" if none is.
    """
    known = list(names)
    found = [other for other in also_called(name) if other in known]
    return next(iter([*found, *get_close_matches(name, known, 1)]), "")


def also_called(name: str) -> list[str]:
    """What other families call the same thing."""
    return [other for names in _SAME if name in names for other in names if other != name]


def filled(config: Any) -> Any:
    """The configuration with what its fields' `Option.found` say, where they have their
    defaults.

    A configuration alone reads no files: what makes them for commands calls this, so
    that the keys of runs know the data of this machine.

    Raises:
        ConfigError: the data is not there, or damaged.
    """
    finders = {one.name: option_of(one).found for one in fields(config) if getattr(config, one.name) == one.default}
    new = {name: find(config) for name, find in finders.items() if find is not None}
    return replace(config, **new) if new else config


def check(config: Any) -> None:
    """See that every field has a value of its type, within its bounds. 1 and 1.0 are
    one value of a real field; numpy's numbers are kept as Python's.

    Raises:
        ConfigError: it has not; the message names the field.
    """
    for name, known, kind, choices, optional in _rules(type(config)):
        value = _plain(getattr(config, name))
        if not (optional and value is None):
            if rule := _broken(value, kind, choices, known):
                raise ConfigError(f"`{name}` must be {rule}, but is {value!r}.")
            value = float(value) if kind is float else value
        object.__setattr__(config, name, value)


@cache
def _rules(config_type: type) -> list[tuple[str, Option, Any, tuple[Any, ...], bool]]:
    """Of each field: its name, Option, type, which values it may have where these are
    few, and whether it may be None.
    """
    found = []
    for one in fields(config_type):
        kind, optional = kinds(config_type)[one.name], False
        if get_origin(kind) in (Union, UnionType):
            [kind], optional = [part for part in get_args(kind) if part is not NoneType], True
        choices = get_args(kind) if get_origin(kind) is Literal else (False, True) if kind is bool else ()
        found.append((one.name, option_of(one), kind, choices, optional))
    return found


def _plain(value: Any) -> Any:
    """Python's own number, truth value or text for one of numpy, reals by their
    shortest decimal form, so that float32's 0.1 is 0.1; anything else as it is.
    """
    if isinstance(value, np.floating):
        return float(str(value))
    return value.item() if isinstance(value, np.generic) else value


def _broken(value: Any, kind: Any, choices: tuple[Any, ...], known: Option) -> str:
    """What a value must be and is not; "" where it is all that it must be."""
    if choices:
        fits = any(type(value) is type(one) and value == one for one in choices)
        return "" if fits else f"one of {', '.join(map(str, choices))}"
    whole = isinstance(value, int) and not isinstance(value, bool)
    if kind is int:
        low = 1 if known.low is None else int(known.low)
        if not whole or value < low:
            return f"an integer of at least {low}"
        if known.below is not None and value >= known.below:
            return f"below {f'2^{known.below.bit_length() - 1}' if known.below.bit_count() == 1 else known.below}"
    elif kind is float:
        low = 0 if known.low is None else known.low
        number = (whole or isinstance(value, float)) and math.isfinite(value)
        if not number or value < low or (value == low and known.above):
            return f"a finite number {'above' if known.above else 'at least'} {low:g}"
    return ""
