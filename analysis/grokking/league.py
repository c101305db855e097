"""Which measures rank runs by when they generalise, before they do; and when each
moves.

Within a setting. A measure's score rises with the time it foretells (its sign is the
theory's, not fitted). Runs that did not generalise within the budget are censored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.stats import false_discovery_control, rankdata

import efftheory as et
from analysis._pieces import Piece, computed
from analysis.measures.series import Series, measured
from analysis.predictors import measures, rings
from analysis.predictors.catalogue import predict
from analysis.predictors.measures import LEARNED, MEASURES, MEMORISED, Measure
from analysis.predictors.null import NULL
from analysis.predictors.predictor import Predictor, digest
from analysis.runs.plan import Experiment
from analysis.runs.store import RunStore, config_of
from analysis.scores.bootstrap import BOOTSTRAPS, MIN_OBSERVED, interval
from analysis.scores.concordance import compare_pairs
from analysis.scores.table import measured as times_of
from analysis.scores.table import score

GENERALISED = "test_95"
_SPAN = (LEARNED, f"steps_to_{GENERALISED}")  # when runs memorise, and when they generalise
NULL_MODEL, TOGETHER = "null model", "together"
_SECONDS = 0.3  # that measuring a run takes, about
_SEED = 0
# Deals of the scores to the runs, until a p that is not so small that more would tell.
_DEALS, _ENOUGH, _BLOCK = (1_000, 20_000, 200_000), 50, 500
_FROZEN = "Hjorth"  # after the early loss they never move
_POINTS = 8  # of a measure that can be said to move at a time
_CLEAR = 4.0  # of a change, in units of the scatter from checkpoint to checkpoint

_RINGS = [one for one in rings.PREDICTORS if one.gives == "order"]
# All that pages list: of the theory of rings, too, which knows the training set alone.
_OF_RINGS = [Measure(one.title, "Liu 2205.10343, modulo p", "the task", "later") for one in _RINGS]
LISTED = (*MEASURES[:-4], *_OF_RINGS, *MEASURES[-4:])


def taken(
    store: Path, out: Path, runs: pd.DataFrame, settings: Mapping[str, Experiment], workers: int | None
) -> list[Series]:
    """The measures of every run, from the folder or taken now and kept there."""
    pieces = []
    for setting, name, *span in runs[["setting", "key", *_SPAN]].itertuples(index=False):
        told = (name, *span, settings[setting].early)
        piece = " ".join(map(str, (digest(measures.CODE), *told)))
        pieces.append(Piece(piece, _series_of, (str(store), *told), _SECONDS))
    return computed(out / "measures.sqlite", pieces, workers, "measuring")


def _series_of(store: str, key: str, learned: float, generalised: float, early: Sequence[int]) -> Series:
    config = config_of(key)
    with RunStore(Path(store), read_only=True) as opened:
        traces = opened.traces(config)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the products are small, and others are measured beside this one
    try:
        return measured(config, traces, learned, generalised, early)
    finally:
        torch.set_num_threads(threads)


def predicted(store: RunStore, runs: pd.DataFrame, early: Sequence[int], series: Sequence[Series]) -> pd.DataFrame:
    """What is said of the runs of one setting at the end of memorisation and at early
    steps: rows of predictions, with the `measure` and the `reading`. What is known
    before a run begins counts from the end of memorisation too, whose own time nothing
    ranks.
    """
    memo: dict[str, dict[str, Any]] = {}
    for key, learned, one in zip(runs["key"], runs[LEARNED], series, strict=True):
        steps = {reading: measures.step_of({LEARNED: learned}, reading) for reading in (MEMORISED, *early)}
        memo[key] = {measures.memo_of(at): measures.read_all(one, step) for at, step in steps.items()}
    names = _names(early)
    said = predict(store, runs, list(names), memo=memo)
    learned = said["key"].map(runs.set_index("key")[LEARNED])
    said["read_at"] = said["read_at"].where(said["read_at"] > 0, learned)
    known = {one.name: name for one, name in names.items()}
    said[["measure", "reading"]] = [known[name] for name in said["predictor"]]
    return said[said["read_at"].notna()]


def _names(early: Sequence[int]) -> dict[Predictor, tuple[str, str]]:
    """The measure and the reading of each predictor."""
    found = {one: (one.title, MEMORISED) for one in _RINGS} | {NULL: (NULL_MODEL, MEMORISED)}
    for reading in (MEMORISED, *early):
        listed = [one for one in MEASURES if reading == MEMORISED or not one.constant]
        for measure, one in zip(listed, measures.predictors_at(reading), strict=True):
            found[one] = (measure.name, str(reading))
    return found


def ranks(runs: pd.DataFrame, predictions: pd.DataFrame, early: Sequence[int]) -> pd.DataFrame:
    """Of one setting: concordance of each measure and reading with the steps that
    remain, 95 % interval (runs drawn with replacement); p, of an index as far from .5,
    either way, when scores are dealt to the runs anew; and q, p with all measures and
    readings of the setting accounted for (false discovery rate, Benjamini and
    Yekutieli, which allows them to depend on one another). Neither p nor q with too few
    runs that got there, or scores or times that are all the same.
    """
    asked = [one for one in _names(early) if one is not NULL]
    found = score(runs, predictions, asked, [GENERALISED], within=None, null=NULL.name)
    found = found[(found["statistic"] == "concordance") & (found["against"] == "")]
    times, observed = times_of(runs, GENERALISED)
    said = predictions[predictions["target"] == GENERALISED]
    chances = []
    for row in found.to_dict("records"):
        here = said[said["predictor"] == row["predictor"]].set_index("key").reindex(runs["key"])
        value, read_at = here["value"].to_numpy(), here["read_at"].to_numpy()
        there = ~np.isnan(value) & ~(observed & (times <= read_at))
        pairs = compare_pairs((times - read_at)[there], observed[there], value[there])
        if observed[there].sum() >= MIN_OBSERVED and len(np.unique(value[there])) > 1 and pairs.comparable.any():
            p = permutation_p(pairs.comparable, value[there], row["value"])
            chances.append(row | {"statistic": "p", "value": p, "low": np.nan, "high": np.nan})
    q = false_discovery_control([row["value"] for row in chances], method="by") if chances else []
    rows = [*chances, *(row | {"statistic": "q", "value": float(value)} for row, value in zip(chances, q, strict=True))]
    known = predictions.drop_duplicates("predictor").set_index("predictor")
    found = pd.concat([found, pd.DataFrame(rows, columns=found.columns)], ignore_index=True)
    return found.assign(**{name: found["predictor"].map(known[name]) for name in ("measure", "reading")})


def permutation_p(comparable: NDArray, score: NDArray, index: float) -> float:
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


def pooled(runs: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Several settings together: how well each measure at the end of memorisation ranks
    all their runs, and beside it the null model, which knows of a run only its training
    fraction. Measures that a tenth of the runs do not have are left out.
    """
    said = predictions[predictions["reading"] == MEMORISED]
    asked = [one for one, (_, reading) in _names(()).items() if reading == MEMORISED]
    found = score(runs, said, asked, [GENERALISED], within="setting", null=NULL.name)
    known = said.drop_duplicates("predictor").set_index("predictor")["measure"]
    found = found.assign(measure=found["predictor"].map(known), reading=MEMORISED, setting=TOGETHER)
    return found[found["statistic"].str.startswith("concordance") & (found["n"] >= 0.9 * len(runs))]


def half_way(steps: ArrayLike, values: ArrayLike, since: float, until: float) -> float:
    """The step, linear between checkpoints, from which on values (S,) have covered half
    of their way between `since` and `until` (the checkpoints that enclose them); nan if
    there are too few values in between, or the way is not clear of their scatter, taken
    from second differences.
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


def _on_the_way(steps: ArrayLike, values: ArrayLike, since: float, until: float) -> tuple[NDArray, NDArray]:
    """Those between two moments, of the checkpoints that enclose them too."""
    at, value = np.asarray(steps, float), np.asarray(values, float)
    at, value = at[np.isfinite(value)], value[np.isfinite(value)]
    way = slice(int(np.searchsorted(at, since)), int(np.searchsorted(at, until)) + 1)
    return at[way], value[way]


def moves(runs: pd.DataFrame, series: Sequence[Series]) -> pd.DataFrame:
    """Of one setting: when each measure has covered half of its way, on its scale, from
    the end of memorisation to test accuracy .95; and which way.

    `lead`: steps from there until test accuracy has covered half of its way, positive
    if the measure is first; median and its 95 % interval, runs drawn with replacement.
    `lead_95`: to test accuracy .95; `lead_share`: of the steps from memorisation to
    that. `start`, `end`: its values there, medians. `rising`: share of the runs in
    which it rises, not falls, and its exact 95 % interval. n: runs in which it moved.
    """
    rows, rng = [], np.random.default_rng(_SEED)
    spans = list(runs[[*_SPAN]].itertuples(index=False))
    halves = [half_way(*one.get("test accuracy", ((), ())), *span) for one, span in zip(series, spans, strict=True)]
    for measure in MEASURES:
        leads, ends = [], []
        for one, (since, until), half in zip(series, spans, halves, strict=True):
            if measure.name not in one or measure.name.startswith(_FROZEN) or not since < until:
                continue
            steps, values = one[measure.name]
            with np.errstate(invalid="ignore", divide="ignore"):
                values = np.log(values) if measure.scale == "log" else values
            when = half_way(steps, values, since, until)
            if np.isfinite([when, half]).all():
                leads.append((half - when, until - when, (until - when) / (until - since)))
                way = _on_the_way(steps, values, since, until)[1]
                ends.append((way[0], way[-1]))
        if len(leads) >= MIN_OBSERVED:
            drawn = np.median(np.array(leads)[rng.integers(len(leads), size=(BOOTSTRAPS, len(leads)))], axis=1)
            lead, lead_95, share = np.median(leads, axis=0)
            start, end = np.median(np.exp(ends) if measure.scale == "log" else ends, axis=0)
            rising = et.proportion(sum(last > first for first, last in ends), len(ends))
            statistics = {
                "lead": (lead, interval(drawn[:, 0])),
                "lead_95": (lead_95, interval(drawn[:, 1])),
                "lead_share": (share, None),
                "start": (start, None),
                "end": (end, None),
                "rising": (rising.value, rising.interval),
            }
            for statistic, (value, bounds) in statistics.items():
                low, high = bounds or (np.nan, np.nan)
                row = {"measure": measure.name, "statistic": statistic, "value": float(value), "low": low, "high": high}
                rows.append({"target": GENERALISED, **row, "n": len(leads), "n_censored": 0})
    return pd.DataFrame(rows)
