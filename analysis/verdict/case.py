"""What the rules of a verdict read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

import efftheory as et
from analysis.logs.log import Log
from neural import ConfigError

Mask = NDArray[np.bool_]
_LETTERS = {6: 3, 24: 4, 120: 5}  # that so many permutations are of


class UnknownError(Exception):
    """A rule cannot speak; for want of what, is its message."""


@dataclass(frozen=True)
class Case:
    """A run, and what is known of its task: its log, settings (the log's, and the
    task's above them), operation and training samples.
    """

    log: Log
    settings: Mapping[str, Any]
    op: et.Operation | None = None
    mask: Mask | None = None

    @property
    def toy(self) -> bool:
        """Whether it has the toy model's recipe: rates of embeddings and decoder."""
        return {"repr_lr", "decoder_lr"} <= set(self.settings)

    def operation(self) -> et.Operation:
        if self.op is None:
            raise UnknownError("no operation that is known: give `task`")
        return self.op

    def fraction(self) -> float:
        """The share of all samples that is trained on."""
        if self.mask is not None:
            return float(self.mask.mean())
        if "fraction" in self.settings:
            return self.settings["fraction"]
        if "n_train" in self.settings:
            op, n_train = self.operation(), self.settings["n_train"]
            is_ordered = n_train + self.settings.get("n_test", 0) > op.n_samples  # where `op` has unordered pairs
            return min(n_train / ((op.n_symbols // op.tables) ** 2 if is_ordered else op.n_samples), 1)
        raise UnknownError("no training fraction: give settings or a mask")

    def has(self, name: str) -> bool:
        """Whether this curve was ever logged."""
        return bool(np.isfinite(self.log.curves.get(name, np.nan)).any())

    def curve(self, name: str) -> NDArray[np.float64]:
        if not self.has(name):
            raise UnknownError(f"no {name} in the log")
        return self.log.curves[name]

    def memorised(self, *names: str, last: float = 1.0) -> NDArray[np.float64]:
        """Steps and these curves (1 + n, looks) at the looks that have all of them,
        since the run memorised, or in the last share of its steps if that is later.
        """
        self.curve("train_accuracy")
        curves = np.stack([self.log.steps, *map(self.curve, names)])
        begin = np.inf if self.log.memorised_at is None else self.log.memorised_at
        begin = max(begin, (1 - last) * self.log.steps[-1])
        return curves[:, (self.log.steps >= begin) & np.isfinite(curves).all(axis=0)]


def case_of(log: Log, task: Any) -> Case:
    """A case of the arguments of `judge`; ConfigError where they cannot be."""
    if not isinstance(log, Log):
        raise ConfigError(f"`log` must be a Log, one of those of `read_logs`, but is a {type(log).__name__}.")
    if not len(log.steps):
        raise ConfigError("`log` must have at least one look, but is empty.")
    op, mask = task if isinstance(task, tuple) and len(task) == 2 else (task, None)
    if not isinstance(op, Mapping | et.Operation | str | None):
        raise ConfigError(f"`task` must be an operation, (operation, mask) or a dict of settings, but is {task!r}.")
    own = {"operation": op} if isinstance(op, str) else op if isinstance(op, Mapping) else {}
    settings = {**log.settings, **own}
    fraction = settings.get("fraction", 0)
    if not (isinstance(fraction, int | float) and 0 <= fraction <= 1):
        raise ConfigError(f"`fraction` must be a share of all samples, in [0, 1], but is {fraction!r}.")
    if not isinstance(op, et.Operation):
        return Case(log, settings, _operation(settings))
    if mask is not None and (np.shape(mask) != (op.n_samples,) or np.asarray(mask).dtype != bool):
        raise ConfigError(f"`task` must have a mask of bool ({op.n_samples},), but it has shape {np.shape(mask)}.")
    return Case(log, settings, op, None if mask is None else np.asarray(mask))


def _operation(settings: Mapping[str, Any]) -> et.Operation | None:
    """What settings with a `p` say; without a name it is addition modulo p, or the toy
    model's addition.
    """
    toy = "repr_lr" in settings
    name, p = settings.get("operation", "addition" if toy else "modular_addition"), settings.get("p")
    known = {"symmetric": p in _LETTERS, "dihedral": True, "addition": toy, "modular_addition": not toy}
    return _named(name, int(p)) if p is not None and known.get(name) else None


@lru_cache(maxsize=64)
def _named(name: str, p: int) -> et.Operation:
    if name == "symmetric":
        return et.symmetric_group(_LETTERS[p])
    if name == "dihedral":
        return et.dihedral_group(p // 2)
    return et.addition(p) if name == "addition" else et.modular_addition(p, tables=2)
