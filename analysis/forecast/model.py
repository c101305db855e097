"""The forecast: when a run generalises, and how surely, from its log so far.

P(T <= t e^k | features), of the step T at which a log of t steps generalises, is a sum
of boosted trees, which are fitted with k as one of the numbers that they see, and rise
with it. So one function gives probability, median and interval. Runs that did not
generalise are known for every k not to have done so by the end of their log, and count
as runs that do not: what is said is said of budgets like theirs. The form is ours; the
interval's ends are moved by a factor as in conformal prediction.

The same log is looked at whole and without its norm, its training curves, its test
loss and its changes of test accuracy. The mean counts, so parts that disagree, as those
of unusual runs do, make the interval wide.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numba import njit
from numpy.typing import NDArray

from analysis.forecast.features import NAMES, features
from analysis.logs.log import Log
from efftheory._cache import CACHE
from neural import ConfigError

FILE = Path(__file__).with_name("model.npz")
LOOKS = ((), ("norm",), ("train",), ("norm", "train"), ("loss",), ("accuracy",))  # what each goes without
FURTHEST = 4.2  # the largest k
GRID = np.linspace(0.0, FURTHEST, 85)
REACH = 8.0  # times the steps so far, within which a generalisation is foreseen
LEVEL = 0.9
FEWEST_LOOKS = 8
STRANGE = 2  # features outside of all that it was fitted to, from which on nothing is known
_TREES = ("roots", "feature", "threshold", "left", "right", "missing_left", "value")


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What is said of a run at a step.

    Attributes:
        step: the last one that was seen.
        phase: "learning", "memorised", "generalising", "generalised" or "diverged".
        median: of the step at which it generalises; inf: not foreseen.
        low, high: 90 % interval of that step; inf: beyond all that can be said.
        probability: that it generalises within the horizon.
        basis: how this is known.
    """

    step: float
    phase: str
    median: float
    low: float
    high: float
    probability: float
    basis: str


@dataclass(frozen=True)
class Model:
    """Boosted trees, all in one: a node's `left` and `right` are numbers of nodes, a
    leaf has the feature -1.

    Attributes:
        stretch: what the distances of the interval's ends from the median are
            multiplied with, so that it covers LEVEL of settings that are left out.
        lowest, highest: of each feature, among the logs that it was fitted to.
        facts: what it was fitted to, and what came of it.
    """

    trees: tuple[NDArray[Any], ...]
    stretch: float
    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]
    facts: dict[str, Any]

    def cdf(self, found: NDArray[np.float64]) -> NDArray[np.float64]:
        """P(T <= t e^k) at GRID, (R, len(GRID)), of features (R, len(NAMES))."""
        total = sum(self._of(without(found, parts)) for parts in LOOKS)
        return np.maximum.accumulate(total / len(LOOKS), axis=1)  # rises, but for rounding

    def _of(self, found: NDArray[np.float64]) -> NDArray[np.float64]:
        rows = np.column_stack([np.repeat(found, len(GRID), axis=0), np.tile(GRID, len(found))])
        return 1 / (1 + np.exp(-_sums(rows, *self.trees))).reshape(len(found), len(GRID))

    def interval(self, cdf: NDArray[np.float64]) -> tuple[float, float, float]:
        """ln(T / t): its median and the ends of the interval; inf beyond GRID."""
        low, median, high = (quantile(cdf, level) for level in ((1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2))
        low = min(low, FURTHEST)  # later is all that can be said
        if not np.isfinite(median):
            return median, max(low, 0.0), np.inf
        return median, max(median - self.stretch * (median - low), 0.0), median + self.stretch * (high - median)

    def n_strange(self, found: NDArray[np.float64]) -> int:
        """How many features lie outside of all that the trees were fitted to."""
        return int(((found < self.lowest) | (found > self.highest)).sum())


def without(found: NDArray[np.float64], parts: Sequence[str]) -> NDArray[np.float64]:
    """Features (R, len(NAMES)) of logs that lack these parts."""
    lacking = np.array([name.partition(".")[0] in parts for name in NAMES])
    return np.where(lacking, np.nan, found)


def quantile(cdf: NDArray[np.float64], level: float) -> float:
    """ln(T / t) at which the probability reaches a level; inf: not within GRID."""
    return float(np.interp(level, cdf, GRID)) if cdf[-1] >= level else np.inf


def forecast(log: Log, horizon: float | None = None, model: Model | None = None) -> Forecast:
    """What the log of a run says of its future.

    Args:
        log: as far as it goes.
        horizon: the steps within which `probability` counts; by default as many as
            there were already.
        model: another than the one that comes with the project.

    Raises:
        ConfigError: the horizon is not above 0, or the log has no step.
    """
    if horizon is not None and not horizon > 0:
        raise ConfigError(f"`horizon` must be above 0 steps, but is {horizon:g}.")
    if len(log.steps) == 0:
        raise ConfigError(f"`log` must have a step, but {log.source or log.name} has none.")
    model, step, phase = model or load_model(), float(log.steps[-1]), phase_of(log)
    unknown: dict[str, Any] = {"step": step, "phase": phase, "median": np.inf, "low": step, "high": np.inf}
    if phase == "generalised":
        unknown |= dict.fromkeys(("median", "low", "high"), log.generalised_at)
        return Forecast(**unknown, probability=1.0, basis="seen in the log")
    if phase == "diverged":
        return Forecast(**unknown, probability=np.nan, basis="not known: the losses are not finite")
    n_looks = int(np.isfinite(log.curves.get("test_accuracy", np.nan)).sum())
    if n_looks < FEWEST_LOOKS or step <= 0:
        return Forecast(**unknown, probability=np.nan, basis=f"not known: {n_looks} looks, fewer than {FEWEST_LOOKS}")
    found = features(log)
    if (strange := model.n_strange(found)) >= STRANGE:
        unlike = f"{strange} of {np.isfinite(found).sum()} features lie outside of the logs it was fitted to"
        return Forecast(**unknown, probability=np.nan, basis=f"not known: {unlike}")
    [cdf] = model.cdf(found[None])
    median, low, high = model.interval(cdf)
    within = np.log1p((horizon or step) / step)
    said: dict[str, Any] = {"low": float(step * np.exp(low)), "high": float(step * np.exp(high))}
    if np.exp(median) <= REACH:
        said["median"] = float(step * np.exp(median))
    probability = float(np.interp(within, GRID, cdf))
    return Forecast(**unknown | said, probability=probability, basis=str(model.facts["basis"]))


def phase_of(log: Log) -> str:
    """Which phase a run is in at the end of its log. It is generalising once the test
    accuracy has gone a tenth of its way from where it was at memorisation, or at first
    where train accuracy was not logged.
    """
    if log.generalised_at is not None:
        return "generalised"
    if log.diverged_at is not None:
        return "diverged"
    at = log.memorised_at
    if at is None and "train_accuracy" in log.curves:
        return "learning"
    before = "learning" if at is None else "memorised"
    test = log.curves.get("test_accuracy", np.full(len(log.steps), np.nan))
    seen = np.flatnonzero(np.isfinite(test))
    if len(seen) == 0:
        return before
    start = test[seen[min(np.searchsorted(log.steps[seen], at or 0.0), len(seen) - 1)]]
    return "generalising" if test[seen[-1]] - start >= 0.1 * (log.generalised - start) else before


@cache
def load_model(file: Path = FILE) -> Model:
    """The fitted trees; ConfigError if the file is none of `python -m
    analysis.forecast.fit`.
    """
    try:
        with file.open("rb") as content, np.load(content, allow_pickle=False) as saved:
            facts = json.loads(str(saved["facts"]))
            if facts["features"] != list(NAMES):
                raise KeyError("other features")
            trees = tuple(saved[name] for name in _TREES)
            return Model(trees, float(saved["stretch"]), saved["lowest"], saved["highest"], facts)
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile, zlib.error) as error:
        left = f"a file that python -m analysis.forecast.fit left, but {file}: {' '.join(str(error).split())}"
        raise ConfigError(f"`model` must be {left}.") from None


def save_model(file: Path, model: Model) -> None:
    """Leave what `load_model` reads."""
    arrays: dict[str, Any] = dict(zip(_TREES, model.trees, strict=True))
    arrays |= {"stretch": np.float64(model.stretch), "lowest": model.lowest, "highest": model.highest}
    np.savez_compressed(file, facts=np.array(json.dumps(model.facts)), **arrays)


@njit(cache=CACHE)
def _sums(
    rows: NDArray[np.float64],
    roots: NDArray[np.int32],
    feature: NDArray[np.int16],
    threshold: NDArray[np.float64],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    missing_left: NDArray[np.bool_],
    value: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Of each row the sum of its leaves."""
    total = np.zeros(len(rows))
    for i in range(len(rows)):
        for root in roots:
            node = root
            while feature[node] >= 0:
                x = rows[i, feature[node]]
                goes_left = missing_left[node] if np.isnan(x) else x <= threshold[node]
                node = left[node] if goes_left else right[node]
            total[i] += value[node]
    return total
