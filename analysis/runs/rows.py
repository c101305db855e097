"""What the store knows of a run: the columns of its row, its key, and what these must
hold, checked where they are read: people and faulty disks change them. And what it
keeps of users' families: the text of their files is never executed from a store.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, field, fields, make_dataclass
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from analysis.runs.plan import kind_of
from neural import ConfigError, History, family_of
from neural.config import defaults, kinds, option
from neural.families import STORED
from neural.family import Family, Metric
from neural.foreign import Source, known, remember, source_of

FIRST = "toy"  # its table is `runs`; what a store had before there were other families


class StoreError(Exception):
    """The run store cannot be used as it is; nothing in it was changed."""


def table_name(family: type[Family]) -> str:
    """The table of a family's runs, and of those of other versions of a user's file."""
    return "runs" if family.name == FIRST else f"runs_{family.name}"


def only(family: type[Family]) -> str:
    """The SQL condition for the runs of a family in its table."""
    source = source_of(family)
    return "1" if source is None else f"source = '{source.digest}'"


def config_columns(family: type[Family]) -> list[str]:
    """The fields of a family's configurations; and `source`, of a user's."""
    return [field.name for field in fields(family.Config)] + ["source"] * (source_of(family) is not None)


def step_columns(family: type[Family]) -> list[str]:
    """Steps to each threshold."""
    return [name for metric in family.METRICS for name in metric.crossings]


def number_columns(family: type[Family]) -> list[str]:
    """What is one number, or true or false."""
    return [*step_columns(family), "steps_run", "retired", "accuracy", *(metric.name for metric in family.METRICS)]


def record_columns(family: type[Family]) -> dict[str, str]:
    """The columns of records, with the metric of each."""
    return {metric.record: metric.name for metric in family.METRICS if metric.record}


def phase_records(family: type[Family]) -> tuple[str, str]:
    """The records of what is learned (the training set) and generalised (the rest)."""
    learned, generalised = family.METRICS[:2]
    return learned.record or "", generalised.record or ""


def columns_of(family: type[Family]) -> list[str]:
    """All of a run: its settings, what was measured, and with what."""
    results = [*number_columns(family), "device", "torch", *family.ARRAYS, *record_columns(family), "compiled"]
    return ["key", *config_columns(family), *results]


def values_of(config: Any) -> dict[str, Any]:
    """The fields of a configuration, and of a user's family the digest of its file."""
    source = source_of(family_of(config))
    values = {one.name: getattr(config, one.name) for one in fields(config)}
    return values if source is None else values | {"source": source.digest}


def key(config: Any) -> str:
    """A run's identity: its whole configuration, as JSON; and its family, unless that
    is the first one. A field that came later is left out where it has its default, so
    that the keys of older runs stay.
    """
    family = family_of(config)
    later = later_fields(family.Config)
    values = {name: value for name, value in values_of(config).items() if name not in later or value != later[name]}
    return json.dumps(values if family.name == FIRST else values | {"family": family.name}, sort_keys=True)


@cache
def later_fields(config_type: type) -> dict[str, Any]:
    """Fields that came after the first runs, with what these were trained with."""
    return defaults(config_type, lambda option: option.later)


def config_of(name: str) -> Any:
    """The configuration that has this key; StoreError if none has. A table of results
    is one that this process has seen, as those of all open stores are.
    """
    try:
        values = json.loads(name)
        of, source = values.pop("family", FIRST), values.pop("source", None)
        config = (known(of, source) if source else STORED[of]).Config(**values)
        if key(config) != name:
            raise ValueError
        return config
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, ConfigError) as error:
        found = f"one is {name!r:.400} ({type(error).__name__})"
        raise StoreError(f"`store` must have configurations as the keys of its runs, but {found}.") from None


class DamagedRow(Exception):
    """What of a row is not what was written."""


def demand(holds: bool, name: str, wanted: str, found: Any) -> None:
    """DamagedRow unless it holds."""
    if not holds:
        raise DamagedRow(f"`{name}` must be {wanted}, but is {found!r:.60}")


def check_settings(config: Any, row: Mapping[str, Any]) -> None:
    """DamagedRow unless a row has the settings that its key has."""
    for name, value in values_of(config).items():
        if row[name] != value:  # quick: most settings are as they were
            demand(False, name, f"{value!r}, as its key says", row[name])


def checked_row(config: Any, row: dict[str, Any]) -> dict[str, Any]:
    """A run's row with arrays in place of their text; DamagedRow unless it is whole."""
    family = family_of(config)
    check_settings(config, row)
    for name in [*number_columns(family), "compiled"]:
        demand(row[name] is None or isinstance(row[name], int | float), name, "a number", row[name])
    for name in ("device", "torch"):
        demand(isinstance(row[name], str), name, "text", row[name])
    arrays, records = {}, record_columns(family)
    for name in [*family.ARRAYS, *records]:
        values = _json(row[name])
        demand(isinstance(values, list), name, "an array", row[name])
        found = arrays[name] = _numbers(name, values, np.dtype(bool if name == "mask" else float))
        wanted, fits = "(p, ...)", found.ndim > 1
        if name == "mask":
            wanted, fits = f"({config.n_samples},)", found.shape == (config.n_samples,)
        elif name in records:
            wanted, fits = "(2, n)", found.shape[:-1] == (2,)
        demand(fits, name, f"of shape {wanted}", found.shape)
    return row | arrays


def _json(text: Any) -> Any:
    """None where a text is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None


def _numbers(name: str, values: Any, dtype: np.dtype) -> NDArray:
    """Nested lists of numbers as an array; null is nan."""
    try:
        found = np.array(values)
        if found.dtype.kind == "O" and dtype.kind == "f":  # with null
            return np.array(values, dtype=dtype)
        if found.dtype.kind not in "biuf":
            raise ValueError
        return found.astype(dtype)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise DamagedRow(f"`{name}` must be numbers in an array, but is {str(values)!r:.60}") from None


def checked_curves(text: Any, metrics: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """What `thinned_curves` made, from JSON: (S,) each, embedding (S, p, ...)."""
    found, names = _json(text), {"steps", *metrics, "embedding"}
    demand(isinstance(found, dict) and set(found) == names, "curves", f"those of {', '.join(sorted(names))}", text)
    curves = {name: _numbers(f"curves: {name}", values, np.dtype(float)) for name, values in found.items()}
    n = len(curves["steps"]) if curves["steps"].ndim else 0
    for name, values in curves.items():
        fits = values.ndim > 2 if name == "embedding" else values.ndim == 1
        demand(n > 0 and fits and len(values) == n, f"curves: {name}", f"of {n} snapshots", values.shape)
    return curves


def thinned_curves(history: History) -> dict[str, list[Any]]:
    """What `RunStore.curves` returns, thinned to the snapshots, with null for nan."""
    steps = history.checkpoint_steps
    metrics = {
        name: [None if math.isnan(value) else round(float(value), 7) for value in values[steps]]
        for name, values in history.traces.items()
    }
    return {"steps": steps.tolist(), **metrics, "embedding": history.checkpoints["embedding"].tolist()}


def called(family: type[Family]) -> str:
    """A family's name; of a user's, with the beginning of its file's digest."""
    source = source_of(family)
    return family.name if source is None else f"{family.name}@{source.digest[:8]}"


def told(family: type[Family]) -> str:
    """Where a user's family is, and if the file is gone or has changed; else ""."""
    source = source_of(family)
    if source is None:
        return ""
    try:
        text = Path(source.path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return f"{source.path}, which is missing"
    now = Source(source.path, text).digest
    return source.path if now == source.digest else f"{source.path}, which has changed since and is now {now[:8]}"


def description(family: type[Family]) -> str:
    """All that is needed to read the runs of a user's family, as JSON."""
    found, later = {}, later_fields(family.Config)
    for name, hint in kinds(family.Config).items():
        found[name] = {"kind": kind_of(family.Config, name).__name__, "optional": NoneType in get_args(hint)}
        found[name] |= {"later": later[name]} if name in later else {}
    metrics = [asdict(metric) for metric in family.METRICS]
    return json.dumps({"fields": found, "metrics": metrics, "arrays": list(family.ARRAYS)})


def kept_family(name: str, digest: str, path: str, text: str, described: str) -> type[Family]:
    """The family that a store describes: the class itself where this process has loaded
    it, else one whose runs can be read only. ValueError if it is damaged.
    """
    with suppress(KeyError):
        return known(name, digest)
    source = Source(path, text)
    if source.digest != digest or not name.isidentifier():
        raise ValueError
    kinds_of = {kind.__name__: kind for kind in (int, float, bool, str)}
    try:
        found, columns = json.loads(described), []
        for one, has in found["fields"].items():
            kind = kinds_of[has["kind"]]
            later = option(has["later"], later=True) if "later" in has else field()
            columns.append((one, kind | None if has["optional"] else kind, later))
        config = make_dataclass(f"{name.title()}Config", columns, frozen=True, kw_only=True)
        metrics = tuple(Metric(**metric) for metric in found["metrics"])
        parts = {"name": name, "Config": config, "METRICS": metrics, "ARRAYS": dict.fromkeys(found["arrays"])}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError from error
    family: Any = type(name.title(), (), parts)
    remember(family, source)
    return family
