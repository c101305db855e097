"""Which measures rank runs by when they generalise, before they do; and when each
moves.

Within a setting. A measure's score rises with the time it foretells (its sign is the
theory's, not fitted). Runs that did not generalise within the budget are censored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import false_discovery_control, rankdata

from analysis.league.measures import BY_NAME, Series
from analysis.statistics.bootstrap import bootstrap_weights, interval
from analysis.statistics.concordance import compare_pairs

MEMORISED = "memorised"  # the reading at the end of memorisation; the others are steps
_SEED = 0
_DEALS, _BLOCK, _CHANCE = (1_000, 20_000), 500, 0.1
_LEAST = 10  # runs with a value


@dataclass(frozen=True)
class Rank:
    """How well a measure, read at one moment, ranks the runs of a setting.

    Attributes:
        measure, reading: which, and when it was read.
        runs: that had a value then, and had not generalised yet.
        concordance: Harrell's index of score and time; .5 is chance.
        interval: 95 %, runs drawn with replacement.
        p: of an index as far from .5, either way, when scores are dealt to the runs
            anew.
        q: p with all measures and readings of the setting accounted for (false
            discovery rate, Benjamini and Yekutieli, which allows them to depend on one
            another).
    """

    measure: str
    reading: str
    runs: int
    concordance: float
    interval: tuple[float, float] | None
    p: float
    q: float = float("nan")


@dataclass(frozen=True)
class Move:
    """When a measure has covered half of its way from the end of memorisation to the
    end of the run.

    Attributes:
        measure: which.
        runs: in which it moved, among those that generalised.
        lead: median steps from there to the half of generalisation, positive if the
            measure is first.
        interval: 95 % of that median, runs drawn with replacement.
        share: the lead in units of the steps between memorisation and that half; the
            median.
    """

    measure: str
    runs: int
    lead: float
    interval: tuple[float, float] | None
    share: float


def read(series: Series, name: str, step: float) -> float:
    """The value at the first checkpoint from `step` on; nan without one."""
    if name not in series or not np.isfinite(step):
        return float("nan")
    steps, values = series[name]
    if len(steps) == 1:  # known from the start, or, as the steps to memorise, from then on
        return float(values[0])
    k = int(np.searchsorted(steps, step))
    return float(values[k]) if k < len(steps) else float("nan")


def ranks(runs: pd.DataFrame, series: Sequence[Series], early: Sequence[int]) -> list[Rank]:
    """Of a setting: a rank a measure and reading.

    Args:
        runs: a row a run: learned, half, generalised (steps, nan for not reached) and
            budget.
        series: of the same runs.
        early: fixed steps to read at, beside the end of memorisation.
    """
    names = [name for name in BY_NAME if any(name in one for one in series)]
    found = []
    for reading in (MEMORISED, *early):
        at = runs["learned"].to_numpy(float) if reading == MEMORISED else np.full(len(runs), float(reading))
        for name in names:
            if name == "steps to memorise" and reading != MEMORISED:
                continue  # not known yet
            score = BY_NAME[name].sign * np.array([read(one, name, step) for one, step in zip(series, at, strict=True)])
            usable = np.isfinite(score) & ~(runs["generalised"].to_numpy(float) <= at)
            if usable.sum() >= _LEAST and np.ptp(score[usable]) > 0:
                found.append(_rank(name, str(reading), runs[usable], score[usable]))
    q = false_discovery_control([one.p for one in found], method="by") if found else []
    return [Rank(**{**vars(one), "q": float(value)}) for one, value in zip(found, q, strict=True)]


def _rank(name: str, reading: str, runs: pd.DataFrame, score: NDArray) -> Rank:
    observed = runs["generalised"].notna().to_numpy()
    times = runs["generalised"].fillna(runs["budget"]).to_numpy(float)
    pairs = compare_pairs(times, observed, score)
    index = float(pairs.index(np.ones((1, len(runs))))[0])
    drawn = pairs.index(bootstrap_weights(np.zeros(len(runs)), _SEED))
    return Rank(name, reading, len(runs), index, interval(drawn), _permutation_p(pairs.comparable, score, index))


def _permutation_p(comparable: NDArray, score: NDArray, index: float) -> float:
    """Share of deals of the scores whose index is as far from .5, the observed one
    among them; more deals where few are.
    """
    order = rankdata(score, "dense").astype(np.int16)  # all that the deals depend on
    p = 1.0
    for deals in _DEALS:
        far = _dealt(comparable.tobytes(), np.sort(order).tobytes(), deals)
        p = (1 + int((far >= abs(index - 0.5) - 1e-12).sum())) / (1 + deals)
        if p > _CHANCE:
            break
    return p


@lru_cache(maxsize=64)
def _dealt(comparable: bytes, order: bytes, deals: int) -> NDArray[np.float64]:
    """How far from .5 the index is when scores of these ranks are dealt anew, (deals,).
    The same for all measures without ties.
    """
    ranks = np.frombuffer(order, np.int16)
    first, second = np.nonzero(np.frombuffer(comparable, float).reshape(len(ranks), -1))
    if not len(first):
        return np.zeros(deals)
    rng = np.random.default_rng(_SEED)
    found = []
    for _ in range(deals // _BLOCK):
        dealt = rng.permuted(np.tile(ranks, (_BLOCK, 1)), axis=1)
        one, other = dealt[:, first], dealt[:, second]
        found.append((one < other).mean(axis=1) + 0.5 * (one == other).mean(axis=1))
    return np.abs(np.concatenate(found) - 0.5)


def half_way(steps: ArrayLike, values: ArrayLike, since: float) -> float:
    """The first step, linear between checkpoints, at which values (S,) have covered
    half of their way from the checkpoint at `since` to the last; nan if there is none.
    """
    at, value = np.asarray(steps, float), np.asarray(values, float)
    late = (at >= since) & np.isfinite(value)
    at, value = at[late], value[late]
    if len(at) < 2 or value[0] == value[-1]:
        return float("nan")
    share = (value - value[0]) / (value[-1] - value[0])
    k = int(np.argmax(share >= 0.5))
    return float(np.interp(0.5, share[k - 1 : k + 1], at[k - 1 : k + 1]))


def moves(runs: pd.DataFrame, series: Sequence[Series]) -> list[Move]:
    """Of a setting: when each measure moves, against the half of generalisation."""
    found = []
    for name in BY_NAME:
        leads, shares = [], []
        for (_, run), one in zip(runs.iterrows(), series, strict=True):
            if name not in one or len(one[name][0]) < 3 or not np.isfinite([run["half"], run["learned"]]).all():
                continue
            when = half_way(*one[name], since=run["learned"])
            if np.isfinite(when):
                leads.append(run["half"] - when)
                shares.append((run["half"] - when) / max(run["half"] - run["learned"], 1))
        if len(leads) >= _LEAST:
            weights = bootstrap_weights(np.zeros(len(leads)), _SEED)
            drawn = np.array([np.median(np.repeat(leads, row.astype(int))) for row in weights])
            found.append(Move(name, len(leads), float(np.median(leads)), interval(drawn), float(np.median(shares))))
    return found


def pooled(settings: Mapping[str, tuple[pd.DataFrame, Sequence[Series]]], null: Mapping[str, float]) -> pd.DataFrame:
    """Several settings together: how well each measure at the end of memorisation ranks
    all their runs, and beside it the null model, which knows of a run only its setting.

    null: a score a setting that rises with the time it foretells, such as minus the
        training fraction.
    """
    runs = pd.concat([frame.assign(setting=name) for name, (frame, _) in settings.items()], ignore_index=True)
    series = [one for _, some in settings.values() for one in some]
    observed = runs["generalised"].notna().to_numpy()
    times = runs["generalised"].fillna(runs["budget"]).to_numpy(float)
    label = runs["setting"].to_numpy()
    weights = bootstrap_weights(label, _SEED)
    scores = {"null model": runs["setting"].map(null).to_numpy(float)}
    for name, measure in BY_NAME.items():
        value = [read(one, name, step) for one, step in zip(series, runs["learned"], strict=True)]
        scores[name] = measure.sign * np.array(value)
    rows = []
    for name, score in scores.items():
        known = np.isfinite(score)
        if known.sum() < 0.9 * len(score):
            continue
        over = {}
        for kind, strata in (("all", None), ("within", label[known])):
            pairs = compare_pairs(times[known], observed[known], score[known], strata)
            over[kind] = float(pairs.index(np.ones((1, known.sum())))[0])
            over[f"{kind}_interval"] = interval(pairs.index(weights[:, known]))
        rows.append({"measure": name} | over)
    return pd.DataFrame(rows)
