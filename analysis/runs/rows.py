"""What a row of the store must hold, checked where it is read: people and faulty disks
change it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neural import History, family_of
from neural.foreign import source_of


def values_of(config: Any) -> dict[str, Any]:
    """The fields of a configuration, and of a user's family the digest of its file;
    `dataclasses.asdict` would copy each value.
    """
    source = source_of(family_of(config))
    values = {one.name: getattr(config, one.name) for one in fields(config)}
    return values if source is None else values | {"source": source.digest}


class DamagedRow(Exception):
    """What of a row is not what was written."""


def demand(holds: bool, name: str, wanted: str, found: Any) -> None:
    if not holds:
        raise DamagedRow(f"`{name}` must be {wanted}, but is {found!r:.60}")


def check_settings(config: Any, row: Mapping[str, Any]) -> None:
    """DamagedRow unless a row has the settings that its key has."""
    for name, value in values_of(config).items():
        if row[name] != value:
            demand(False, name, f"{value!r}, as its key says", row[name])


def array(name: str, text: Any, dtype: np.dtype) -> NDArray:
    """The array of a cell, from its JSON; DamagedRow if it is none."""
    try:
        values = json.loads(text)
        demand(isinstance(values, list), name, "an array", text)
        return _numbers(name, values, dtype)
    except (ValueError, TypeError, RecursionError):
        raise DamagedRow(f"`{name}` must be an array, but is {text!r:.60}") from None


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
    """The curves that `thinned_curves` has made, from their JSON: steps and metrics
    (S,), embedding (S, p, ...).
    """
    try:
        found = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        found = None
    names = {"steps", *metrics, "embedding"}
    demand(isinstance(found, Mapping) and set(found) == names, "curves", f"those of {', '.join(sorted(names))}", text)
    assert isinstance(found, Mapping)
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
