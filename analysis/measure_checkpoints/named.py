"""The arrays of a checkpoint that options name, once it is known that they are what
the options say: real numbers, of these axes, as float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from numpy.typing import NDArray

from analysis.measure_checkpoints.counted import shown
from analysis.measure_checkpoints.files import read_array
from neural import ConfigError


@dataclass(frozen=True)
class Options:
    """Which array is which."""

    embedding: str | None = None
    """Array (p, d) of the symbols' embeddings; of one with more rows the first p: effective dimension, and waves
    modulo p."""
    transposed: tyro.conf.FlagCreatePairsOff[bool] = False
    """The embedding is stored as (d, p)."""
    output: str | None = None
    """Array of the last layer: its norm."""
    logits: str | None = None
    """Array (p, p, C) or (p^2, C): the outputs for all pairs (a, b), which should be
    largest at a + b modulo p: restricted and excluded loss, all pairs."""
    train_mask: str | None = None
    """Array (p, p) or (p^2,) of truth values, or a .npy file of one: the pairs that are trained on, for the loss of
    these and of all others."""
    test_mask: str | None = None
    """Likewise, the pairs for test loss, where these are not all others."""
    p: int | None = None
    """Symbols; by default what the logits have, or the rows of the embedding."""

    def taken(self) -> dict[str, str]:
        """Arrays that are no weights, and the options that say so."""
        options = {"logits": self.logits, "train-mask": self.train_mask, "test-mask": self.test_mask}
        return {name: option for option, name in options.items() if name is not None}


@dataclass(frozen=True, eq=False)
class Named:
    """What the options name in one file; None what they do not.

    Attributes:
        embedding: float64 (p, d).
        output: float64, of any shape.
        logits: float64 (p, p, C).
        train: bool (p^2,).
        test: bool (p^2,).
        notes: what was decided on the way.
    """

    embedding: NDArray[np.float64] | None
    output: NDArray[np.float64] | None
    logits: NDArray[np.float64] | None
    train: NDArray[np.bool_] | None
    test: NDArray[np.bool_] | None
    notes: tuple[str, ...]


def named(arrays: dict[str, NDArray], options: Options) -> Named:
    """What the options name in one file.

    Raises:
        ConfigError: there is no such array, or it is something else.
    """
    notes: list[str] = []
    logits = None if options.logits is None else _logits(arrays, options.logits, options.p, notes)
    p = options.p if logits is None else len(logits)
    train, test = _masks(arrays, options, p if logits is not None else None)
    return Named(
        embedding=None if options.embedding is None else _embedding(arrays, options, p, notes),
        output=None if options.output is None else _reals(arrays, "output", options.output),
        logits=logits,
        train=train,
        test=test,
        notes=tuple(notes),
    )


def _logits(arrays: dict[str, NDArray], name: str, p: int | None, notes: list[str]) -> NDArray[np.float64]:
    values = _reals(arrays, "logits", name)
    n = p or (values.shape[0] if values.ndim == 3 else round(len(values) ** 0.5))
    C = values.shape[-1]
    if values.shape not in ((n, n, C), (n * n, C)) or n > C:
        raise ConfigError(
            f"`logits` must name an array (p, p, C) or (p^2, C) with p = {n} and C at least p, but {shown(name)} "
            f"has shape {values.shape}."
        )
    if n < C:
        notes.append(f"{shown(name)} has {C} outputs for p = {n} symbols: none of the last {C - n} is ever right.")
    return values.reshape(n, n, C)


def _embedding(arrays: dict[str, NDArray], options: Options, p: int | None, notes: list[str]) -> NDArray[np.float64]:
    """Without a p it is the rows; one is not always enough to tell the axes apart."""
    assert options.embedding is not None
    name, stored = shown(options.embedding), _reals(arrays, "embedding", options.embedding)
    if stored.ndim != 2:
        raise ConfigError(f"`embedding` must name an array (p, d), but {name} has shape {stored.shape}.")
    E, axes = (stored.T, ("second", "first")) if options.transposed else (stored, ("first", "second"))
    rows, d = E.shape
    if p is None:
        notes.append(
            f"p = {rows}, the {axes[0]} axis of {name} {stored.shape}, is taken for the number of symbols; --p says "
            "another, --transposed that it is the other axis."
        )
        return E
    if d in (p, p + 1):
        if rows not in (p, p + 1):
            other = "leave out --transposed" if options.transposed else "--transposed takes it so"
            raise ConfigError(
                f"`embedding` must have its p = {p} symbols along the {axes[0]} axis, but {name} has shape "
                f"{stored.shape}: {other}."
            )
        notes.append(f"Both axes of {name} {stored.shape} may be those of p = {p} symbols: the {axes[0]} one is taken.")
    if rows < p:
        raise ConfigError(f"`p` must be at most the embedding's {rows} rows, but is {p}.")
    if rows > p:
        notes.append(f"{name} has {rows} rows for p = {p} symbols: of the last {rows - p} nothing is measured.")
    return E[:p]


def _masks(
    arrays: dict[str, NDArray], options: Options, p: int | None
) -> tuple[NDArray[np.bool_] | None, NDArray[np.bool_] | None]:
    """Of training and of test pairs; these are all others where nothing is said."""
    train = None if options.train_mask is None else _mask(arrays, "train_mask", options.train_mask, p)
    test = None if options.test_mask is None else _mask(arrays, "test_mask", options.test_mask, p)
    if train is not None and test is not None and (train & test).any():
        raise ConfigError(f"`test_mask` must have no pair of train_mask, but has {(train & test).sum():,} of them.")
    if train is not None and test is None and not train.all():
        test = ~train
    return train, test


def _mask(arrays: dict[str, NDArray], option: str, name: str, p: int | None) -> NDArray[np.bool_]:
    if p is None:
        raise ConfigError(f"`{option}` must stand beside logits, but there are none.")
    alone = name not in arrays and name.endswith(".npy")
    values = read_array(option, Path(name)) if alone else _of(arrays, option, name)
    if values.shape not in ((p, p), (p * p,)) or values.dtype.kind not in "fiub" or not np.isin(values, (0, 1)).all():
        raise ConfigError(
            f"`{option}` must name an array ({p}, {p}) or ({p * p},) of truth values, but {shown(name)} has shape "
            f"{values.shape} and type {values.dtype}."
        )
    if not values.any():
        raise ConfigError(f"`{option}` must have a pair at least, but {shown(name)} has none.")
    return values.ravel() != 0


def _of(arrays: dict[str, NDArray], option: str, name: str) -> NDArray:
    if name not in arrays:
        raise ConfigError(f"`{option}` must be one of {', '.join(map(shown, sorted(arrays)))}, but is {shown(name)}.")
    return arrays[name]


def _reals(arrays: dict[str, NDArray], option: str, name: str) -> NDArray[np.float64]:
    values = _of(arrays, option, name)
    if values.dtype.kind not in "fiu":
        raise ConfigError(f"`{option}` must name an array of real numbers, but {shown(name)} has type {values.dtype}.")
    if values.ndim == 0 or values.size == 0:
        raise ConfigError(
            f"`{option}` must name an array with an axis and a number, but {shown(name)} has shape {values.shape}."
        )
    return values.astype(np.float64)
