"""The measures of anybody's checkpoints: of arrays in files, of which options say what
they are. Everything is measured in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tyro
from numpy.typing import NDArray
from tqdm.auto import tqdm

from analysis.grokking.files import read_array, read_checkpoint
from analysis.measures.components import effective_dimension
from analysis.measures.rings import fourier_shares, gini, inverse_participation, ring_rqi
from analysis.measures.series import or_nan
from analysis.measures.waves import cyclic, excluded, key_parts, mean_cross_entropy, restricted
from analysis.report.files import printable
from neural import ConfigError

Arrays = Mapping[str, NDArray]
_OTHERS = {"c": "complex numbers", "i": "whole numbers", "u": "whole numbers", "b": "truth values"}


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which array is which, and which are weights."""

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
    include: tuple[str, ...] = ()
    """Patterns of the names of the arrays that are weights, for example 'blocks.*' W_E; by default all arrays of real
    floating-point numbers are."""
    exclude: tuple[str, ...] = ()
    """Patterns of the names of arrays that are none: copies, masks, buffers."""


def measured_files(
    files: Mapping[int, Path], options: Options
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, str], list[str]]:
    """Of files by step: a row a file, its step and the measures that apply, nan where
    one is not defined. The arrays that count as weights, a row in each file: step,
    array, shape, norm, and the largest change of a number since the first file. Why
    others do not count. And what a reader must know. ConfigError: a file cannot be
    read, an array is not what an option says, or there is nothing to measure.
    """
    steps = list(files)
    first, last = read_checkpoint(files[steps[0]]), read_checkpoint(files[steps[-1]])
    _check_patterns(options, sorted(first | last))
    final = _Named(last, options).logits
    final_keys = None if final is None or not np.isfinite(final).all() else key_parts(final, cyclic(len(final)))
    seen, rows, notes = [], [], {}
    for step in tqdm(steps, desc="measuring", unit="file", leave=False):
        arrays = read_checkpoint(files[step])
        here = _Named(arrays, options)
        seen += [{"step": step} | _size(name, array, first.get(name, array)) for name, array in arrays.items()]
        rows.append({"step": step} | _measures(here, final_keys))
        notes |= dict.fromkeys(here.notes)
    found = pd.DataFrame(rows)
    columns = ["step", "array", "shape", "norm", "change", "why"]
    weights, left_out = _counted(pd.DataFrame(seen, columns=columns), len(steps), options)
    if len(weights):
        said = options.include or options.exclude  # else nobody knows whether they are
        by_file = weights.groupby("step")  # a norm that is nan is that of a weight which has diverged
        norms, changes = by_file["norm"].agg(np.linalg.norm), by_file["change"].max(skipna=False)
        found.insert(1, "weight norm" if said else "norm of all arrays", norms.to_numpy())
        found.insert(2, "largest change of a weight" if said else "largest change in all arrays", changes.to_numpy())
    if len(found.columns) == 1:
        raise ConfigError("`folder` must have arrays of floating point numbers that count, but has none.")
    return found, weights, left_out, [*notes, *_on_weights(weights, left_out)]


# --- which arrays count as weights ---


def _check_patterns(options: Options, names: list[str]) -> None:
    for option in ("include", "exclude"):
        for pattern in getattr(options, option):
            if not any(fnmatchcase(name, pattern) for name in names):
                but = f"{printable(pattern)} is that of none of {', '.join(map(printable, names))}"
                raise ConfigError(f"`{option}` must have patterns of arrays' names, but {but}.")


def _size(name: str, array: NDArray, start: NDArray) -> dict[str, Any]:
    """A row of an array in one file; norm and change are nan where it is not finite."""
    row = {"array": name, "shape": array.shape, "norm": np.nan, "change": np.nan, "why": ""}
    if array.dtype.kind != "f":
        row["why"] = _OTHERS.get(array.dtype.kind, f"no numbers, {array.dtype}")
    elif not array.size:
        row["why"] = "empty"
    elif np.isfinite(array).all():
        values = array.astype(np.float64)
        row["norm"] = np.linalg.norm(values.ravel())
        if start.shape == array.shape and start.dtype.kind == "f":
            with np.errstate(invalid="ignore"):  # of a start that is not finite
                row["change"] = np.abs(values - start.astype(np.float64)).max()
    return row


def _counted(seen: pd.DataFrame, n_files: int, options: Options) -> tuple[pd.DataFrame, dict[str, str]]:
    """The rows of arrays that count, and why others do not. What is finite in no file
    is left out (a mask of -inf); what is finite in some is a weight that has diverged.
    """
    taken = {options.logits: "logits", options.train_mask: "train-mask", options.test_mask: "test-mask"}
    left_out = {}
    for name, rows in seen.groupby("array", sort=False):
        name = str(name)
        reasons = {
            f"it is --{taken.get(name)}": name in taken,
            "not in --include": options.include and not any(fnmatchcase(name, one) for one in options.include),
            "in --exclude": any(fnmatchcase(name, one) for one in options.exclude),
            **dict.fromkeys(filter(None, rows["why"]), True),
            "not in all files": len(rows) < n_files,
            "of several shapes": rows["shape"].nunique() > 1,
            "not finite": rows["norm"].isna().all(),
        }
        why = next((why for why, is_so in reasons.items() if is_so), None)
        if why is not None:
            left_out[name] = why
    return seen[~seen["array"].isin(list(left_out))].drop(columns="why"), left_out


def _on_weights(weights: pd.DataFrame, left_out: Mapping[str, str]) -> Iterator[str]:
    if left_out:
        why = ", ".join(f"{printable(name)} ({why})" for name, why in left_out.items())
        yield f"Not counted in the norm: {why}."
    still = []
    for name, rows in weights.groupby("array", sort=False):
        steps = rows["step"][rows["norm"].isna()]
        if len(steps):
            at = ", ".join(map(str, steps[:3])) + (f" and {len(steps) - 3} more" if len(steps) > 3 else "")
            yield f"{printable(str(name))} is not finite at step {at}: there the norm is nan (see --exclude)."
        if len(rows) > 1 and (rows["change"] == 0).all():
            still.append(printable(str(name)))
    if still:
        yield f"Counted, but the same in all files, so perhaps masks or buffers (see --exclude): {', '.join(still)}."


# --- what options name ---


class _Named:
    """What the options name in one file, once it is known that it is what they say;
    None what they do not name: float64 `embedding` (p, d), `output`, `logits` (p, p,
    C), bool (p^2,) `train` and `test`. `notes`: what was decided on the way.
    """

    def __init__(self, arrays: Arrays, options: Options):
        self._arrays, self._options = arrays, options
        self.notes: list[str] = []
        self.output = None if options.output is None else self._reals("output", options.output)
        self.logits = None if options.logits is None else self._logits(options.logits)
        self.p = options.p if self.logits is None else len(self.logits)
        self.embedding = None if options.embedding is None else self._embedding(options.embedding)
        self.train, self.test = self._mask("train_mask"), self._mask("test_mask")
        if self.train is not None and self.test is not None and (both := (self.train & self.test).sum()):
            raise ConfigError(f"`test_mask` must have no pair of train_mask, but has {both:,} of them.")
        if self.train is not None and self.test is None and not self.train.all():
            self.test = ~self.train

    def _logits(self, name: str) -> NDArray[np.float64]:
        values = self._reals("logits", name)
        n = self._options.p or (values.shape[0] if values.ndim == 3 else round(len(values) ** 0.5))
        C = values.shape[-1]
        name = printable(name)
        if values.shape not in ((n, n, C), (n * n, C)) or n > C:
            must = f"name an array (p, p, C) or (p^2, C) with p = {n} and C at least p"
            raise ConfigError(f"`logits` must {must}, but {name} has shape {values.shape}.")
        if n < C:
            self.notes.append(f"{name} has {C} outputs for p = {n} symbols: none of the last {C - n} is ever right.")
        return values.reshape(n, n, C)

    def _embedding(self, name: str) -> NDArray[np.float64]:
        """Without a p it is the rows; with one the axes may be told apart."""
        stored, p, name = self._reals("embedding", name), self.p, printable(name)
        if stored.ndim != 2:
            raise ConfigError(f"`embedding` must name an array (p, d), but {name} has shape {stored.shape}.")
        turned = self._options.transposed
        E, axes = (stored.T, ("second", "first")) if turned else (stored, ("first", "second"))
        rows, d = E.shape
        if p is None:
            taken = f"p = {rows}, the {axes[0]} axis of {name} {stored.shape}, is taken for the number of symbols"
            self.notes.append(f"{taken}; --p says another, --transposed that it is the other axis.")
            return E
        if d in (p, p + 1):
            if rows not in (p, p + 1):
                but = f"{name} has shape {stored.shape}"
                other = "leave out --transposed" if turned else "--transposed takes it so"
                must = f"have its p = {p} symbols along the {axes[0]} axis"
                raise ConfigError(f"`embedding` must {must}, but {but}: {other}.")
            both = f"Both axes of {name} {stored.shape} may be those of p = {p} symbols"
            self.notes.append(f"{both}: the {axes[0]} one is taken.")
        if rows < p:
            raise ConfigError(f"`p` must be at most the embedding's {rows} rows, but is {p}.")
        if rows > p:
            beyond = f"of the last {rows - p} nothing is measured"
            self.notes.append(f"{name} has {rows} rows for p = {p} symbols: {beyond}.")
        return E[:p]

    def _mask(self, option: str) -> NDArray[np.bool_] | None:
        name, p = getattr(self._options, option), self.p
        if name is None:
            return None
        if p is None or self.logits is None:
            raise ConfigError(f"`{option}` must stand beside logits, but there are none.")
        alone = name not in self._arrays and name.endswith(".npy")
        values = read_array(option, Path(name)) if alone else self._of(option, name)
        fits = values.shape in ((p, p), (p * p,)) and values.dtype.kind in "fiub"
        if not fits or not np.isin(values, (0, 1)).all():
            but = f"{printable(name)} has shape {values.shape} and type {values.dtype}"
            raise ConfigError(f"`{option}` must name an array ({p}, {p}) or ({p * p},) of truth values, but {but}.")
        if not values.any():
            raise ConfigError(f"`{option}` must have a pair at least, but {printable(name)} has none.")
        return values.ravel() != 0

    def _reals(self, option: str, name: str) -> NDArray[np.float64]:
        values, shown = self._of(option, name), printable(name)
        if values.dtype.kind not in "fiu":
            raise ConfigError(f"`{option}` must name an array of real numbers, but {shown} has type {values.dtype}.")
        if values.ndim == 0 or values.size == 0:
            but = f"{shown} has shape {values.shape}"
            raise ConfigError(f"`{option}` must name an array with an axis and a number, but {but}.")
        return values.astype(np.float64)

    def _of(self, option: str, name: str) -> NDArray:
        if name not in self._arrays:
            there = ", ".join(map(printable, sorted(self._arrays)))
            raise ConfigError(f"`{option}` must be one of {there}, but is {printable(name)}.")
        return self._arrays[name]


# --- what is measured ---


def _measures(here: _Named, final_keys: NDArray | None) -> dict[str, float]:
    """nan where a measure is not defined, of an embedding that is 0, say."""
    found: dict[str, Callable[[], float]] = {}
    if (output := here.output) is not None:
        found["last layer's norm"] = lambda: float(np.linalg.norm(output))
    if (E := here.embedding) is not None:
        found |= {
            "effective dimension": lambda: effective_dimension(E),
            "Gini of the first layer": lambda: gini(np.sqrt(fourier_shares(E))),
            "participation ratio": lambda: float(pd.Series(inverse_participation(E)).median()),
            "ring quality": lambda: ring_rqi(E),
        }
    if (logits := here.logits) is not None:
        group = cyclic(len(logits))
        labels = group.products.ravel()
        keys = cache(lambda: key_parts(logits, group))

        def loss(values: NDArray, mask: NDArray[np.bool_] | slice = slice(None)) -> float:
            return mean_cross_entropy(values.reshape(len(labels), -1)[mask], labels[mask])

        found["loss"] = lambda: loss(logits)
        for name, mask in (("train loss", here.train), ("test loss", here.test)):
            if mask is not None:
                found[name] = lambda mask=mask: loss(logits, mask)
        found["key frequencies"] = lambda: float(len(keys()))
        found["restricted loss, current keys"] = lambda: loss(restricted(logits, group, keys()))
        found["excluded loss, current keys"] = lambda: loss(excluded(logits, group, keys()))
        if final_keys is not None:
            found["restricted loss, final keys"] = lambda: loss(restricted(logits, group, final_keys))
            found["excluded loss, final keys"] = lambda: loss(excluded(logits, group, final_keys))
    return {name: or_nan(measure) for name, measure in found.items()}
