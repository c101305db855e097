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

import efftheory as et
from analysis.league.measures import BY_NAME, Series
from analysis.report.words import judged
from analysis.scores.bootstrap import BOOTSTRAPS, MIN_OBSERVED, bootstrap_weights, interval
from analysis.scores.concordance import compare_pairs

MEMORISED = "memorised"  # the reading at the end of memorisation; the others are steps
_SEED = 0
# Deals of the scores to the runs, until a p that is not so small that more would tell.
_DEALS, _ENOUGH, _BLOCK = (1_000, 20_000, 200_000), 50, 500
_FROZEN = "Hjorth"  # after the early loss they never move
_POINTS = 8  # of a measure that can be said to move at a time
_CLEAR = 4.0  # of a change, in units of the scatter from checkpoint to checkpoint


@dataclass(frozen=True)
class Rank:
    """How well a measure, read at one moment, ranks the runs of a setting.

    Attributes:
        measure, reading: which, and when it was read.
        runs: that had a value then, and had not generalised yet.
        concordance: Harrell's index of score and the steps that remain; .5 is chance.
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
    """When a measure has covered half of its way, on its scale, from the end of
    memorisation to test accuracy .95.

    Attributes:
        measure: which.
        runs: in which it moved, among those that generalised.
        lead, interval: steps from there until test accuracy has covered half of its
            way, positive if the measure is first; median and its 95 % interval, runs
            drawn with replacement.
        lead_95, interval_95: to test accuracy .95.
        share: lead_95 in units of the steps from memorisation to that; median.
        start, end: its values there, medians.
        rising, rising_interval: runs in which it rises, and the exact 95 % interval of
            their share. In the others it falls.
        expected: which of the two its theory says.
        agrees: whether most runs do, by all of that interval: yes, no, or not certain.
    """

    measure: str
    runs: int
    lead: float
    interval: tuple[float, float] | None
    lead_95: float
    interval_95: tuple[float, float] | None
    share: float
    start: float
    end: float
    rising: int
    rising_interval: tuple[float, float]
    expected: str
    agrees: str


def read(series: Series, name: str, step: float) -> tuple[float, float]:
    """The value at a step, and the last step that it knows of: linear between the
    checkpoints around it; nan without one of them. What is known from the start is a
    single value.
    """
    if name not in series or not np.isfinite(step):
        return float("nan"), step
    steps, values = (np.asarray(part, float) for part in series[name])
    if len(steps) == 1:
        return float(values[0]), step
    later = int(np.searchsorted(steps, step))
    if later == len(steps):
        return float("nan"), step
    earlier = later if steps[later] == step else max(later - 1, 0)
    if steps[earlier] > step:
        return float("nan"), step
    return float(np.interp(step, steps[[earlier, later]], values[[earlier, later]])), float(steps[later])


def ranks(runs: pd.DataFrame, series: Sequence[Series], early: Sequence[int]) -> list[Rank]:
    """Of a setting: a rank a measure and reading; what is known from the start is read
    once.

    Args:
        runs: a row a run: learned, generalised (steps, nan for not reached) and budget.
        series: of the same runs.
        early: fixed steps to read at, beside the end of memorisation.
    """
    found = []
    for reading in (MEMORISED, *early):
        at = runs["learned"].to_numpy(float) if reading == MEMORISED else np.full(len(runs), float(reading))
        for name, measure in BY_NAME.items():
            if reading != MEMORISED and all(len(one[name][0]) == 1 for one in series if name in one):
                continue
            value, known_at = np.array([read(one, name, step) for one, step in zip(series, at, strict=True)]).T
            rank = _rank(name, str(reading), runs, measure.sign * value, at, known_at)
            found += [] if rank is None else [rank]
    q = false_discovery_control([one.p for one in found], method="by") if found else []
    return [Rank(**{**vars(one), "q": float(value)}) for one, value in zip(found, q, strict=True)]


def _rank(name: str, reading: str, runs: pd.DataFrame, score: NDArray, at: NDArray, known_at: NDArray) -> Rank | None:
    """None with too few runs that got there, or scores or times that are all the
    same.
    """
    usable = ~np.isnan(score) & ~(runs["generalised"].to_numpy(float) <= known_at)
    runs, score = runs[usable], score[usable]
    observed = runs["generalised"].notna().to_numpy()
    if observed.sum() < MIN_OBSERVED or len(np.unique(score)) < 2:
        return None
    remain = runs["generalised"].fillna(runs["budget"]).to_numpy(float) - at[usable]
    pairs = compare_pairs(remain, observed, score)
    if not pairs.comparable.any():
        return None
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
        count = int((far >= abs(index - 0.5) - 1e-12).sum())
        p = (1 + count) / (1 + deals)
        if count > _ENOUGH:
            break
    return p


@lru_cache(maxsize=64)
def _dealt(comparable: bytes, order: bytes, deals: int) -> NDArray[np.float64]:
    """How far from .5 the index is when scores of these ranks are dealt anew, (deals,).
    The same for all measures without ties.
    """
    ranks = np.frombuffer(order, np.int16)
    first, second = np.nonzero(np.frombuffer(comparable, float).reshape(len(ranks), -1))
    rng = np.random.default_rng(_SEED)
    found = []
    for _ in range(deals // _BLOCK):
        dealt = rng.permuted(np.tile(ranks, (_BLOCK, 1)), axis=1)
        one, other = dealt[:, first], dealt[:, second]
        found.append((one < other).mean(axis=1) + 0.5 * (one == other).mean(axis=1))
    return np.abs(np.concatenate(found) - 0.5)


def half_way(steps: ArrayLike, values: ArrayLike, since: float, until: float) -> float:
    """The step, linear between checkpoints, from which on values (S,) have covered half
    of their way between `since` and `until` (the checkpoints that enclose them).

    nan if there are too few values in between, or the way is not clear of their
    scatter, taken from second differences.
    """
    at, value = _on_the_way(steps, values, since, until)
    if len(at) < _POINTS:
        return float("nan")
    way, scatter = value[-1] - value[0], np.median(np.abs(np.diff(value, 2))) / 0.6745 / np.sqrt(6)
    if way == 0 or abs(way) < _CLEAR * scatter:
        return float("nan")
    share = (value - value[0]) / way
    k = int(np.flatnonzero(share < 0.5)[-1])
    return float(np.interp(0.5, share[k : k + 2], at[k : k + 2]))


def _on_the_way(
    steps: ArrayLike, values: ArrayLike, since: float, until: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The steps and values between two moments, those of the checkpoints that enclose
    them included.
    """
    at, value = np.asarray(steps, float), np.asarray(values, float)
    at, value = at[np.isfinite(value)], value[np.isfinite(value)]
    first, last = int(np.searchsorted(at, since)), int(np.searchsorted(at, until))
    return at[first : last + 1], value[first : last + 1]


def moves(runs: pd.DataFrame, series: Sequence[Series]) -> list[Move]:
    """Of a setting: when each measure moves, on its own scale, against test accuracy;
    and which way.
    """
    found, rng = [], np.random.default_rng(_SEED)
    spans = list(zip(runs["learned"], runs["generalised"], strict=True))
    halves = [half_way(*one["test accuracy"], *span) for one, span in zip(series, spans, strict=True)]
    for name, measure in BY_NAME.items():
        leads: list[tuple[float, float, float]] = []
        ends: list[tuple[float, float]] = []
        for one, (since, until), half in zip(series, spans, halves, strict=True):
            if name not in one or name.startswith(_FROZEN) or not since < until:
                continue
            with np.errstate(invalid="ignore", divide="ignore"):
                values = np.log(one[name][1]) if measure.scale == "log" else one[name][1]
            when = half_way(one[name][0], values, since, until)
            if np.isfinite([when, half]).all():
                leads.append((half - when, until - when, (until - when) / (until - since)))
                way = _on_the_way(one[name][0], values, since, until)[1]
                ends.append((way[0], way[-1]))
        if len(leads) >= MIN_OBSERVED:
            draws = rng.integers(len(leads), size=(BOOTSTRAPS, len(leads)))
            drawn = np.median(np.array(leads)[draws], axis=1)
            lead, lead_95, share = (float(value) for value in np.median(leads, axis=0))
            start, end = np.median(np.exp(ends) if measure.scale == "log" else ends, axis=0)
            rising = sum(last > first for first, last in ends)
            bounds = et.proportion(rising, len(ends)).interval
            words = {"rises": ("no", "yes"), "falls": ("yes", "no")}[measure.way]
            found.append(
                Move(
                    name,
                    len(leads),
                    lead,
                    interval(drawn[:, 0]),
                    lead_95,
                    interval(drawn[:, 1]),
                    share,
                    float(start),
                    float(end),
                    rising,
                    bounds,
                    measure.way,
                    judged(bounds, (0.5, 0.5), below=words[0], above=words[1]),
                )
            )
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
    remain = (runs["generalised"].fillna(runs["budget"]) - runs["learned"]).to_numpy(float)
    label = runs["setting"].to_numpy()
    weights = bootstrap_weights(label, _SEED)
    scores = {"null model": runs["setting"].map(null).to_numpy(float)}
    for name, measure in BY_NAME.items():
        value, known_at = np.array([read(one, name, at) for one, at in zip(series, runs["learned"], strict=True)]).T
        through = runs["generalised"].to_numpy(float) <= known_at
        scores[name] = np.where(through, np.nan, measure.sign * value)
    rows = []
    for name, score in scores.items():
        known = ~np.isnan(score) & ~np.isnan(remain)
        if known.sum() < 0.9 * len(score):
            continue
        over = {}
        for kind, strata in (("all", None), ("within", label[known])):
            pairs = compare_pairs(remain[known], observed[known], score[known], strata)
            over[kind] = float(pairs.index(np.ones((1, known.sum())))[0])
            over[f"{kind}_interval"] = interval(pairs.index(weights[:, known]))
        rows.append({"measure": name} | over)
    return pd.DataFrame(rows)
