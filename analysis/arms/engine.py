"""The same training sets and initial weights under several treatments: what differs is
what the treatment did. Arms are data: names and their runs, in one order in all arms.
The runs at one place are a pair; the first arm is the base, in which nothing is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.predictors import catalogue
from analysis.runs.session import Trains, trained
from analysis.runs.store import PREDICTIONS, RunStore
from analysis.scores.bootstrap import FINE, MIN_OBSERVED, bootstrap_weights, interval, means
from analysis.scores.paired import paired_difference, paired_ratio
from analysis.scores.success import with_learned
from analysis.scores.table import COLUMNS, MEASURED, measured, score, with_target

Arms = Mapping[str, Sequence[Any]]
Row = dict[str, Any]
_NOTHING = pd.DataFrame(columns=[*PREDICTIONS])


def runs_of(arms: Arms) -> list[Any]:
    """All runs, once those that two arms share."""
    return list(dict.fromkeys(config for arm in arms.values() for config in arm))


def tabulate(store: RunStore, arms: Arms) -> pd.DataFrame:
    """The trained runs of all arms, with their `arm`, their `place` in it, and the
    steps until they have learned as well (`with_learned`).
    """
    tables = [store.table(configs).assign(arm=name, place=range(len(configs))) for name, configs in arms.items()]
    return with_learned(pd.concat(tables, ignore_index=True))


def train(
    arguments: Trains, arms: Arms, draws: Mapping[str, int], by: Sequence[str] = ()
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The runs of all arms (`tabulate`), sorted by these columns, trained where they
    were missing; and what predictors say of each, with so many draws by their names.
    """
    with trained(arguments, runs_of(arms)) as store:
        runs = tabulate(store, arms)
        runs = runs.sort_values([*by], kind="stable", ignore_index=True) if by else runs
        predictors = [catalogue.CATALOGUE[name] for name in draws]
        return runs, catalogue.predict(store, runs.drop_duplicates("key"), predictors, draws)


def score_arms(
    runs: pd.DataFrame,
    targets: Sequence[str],
    predictions: pd.DataFrame = _NOTHING,
    *,
    by: Sequence[str] = (),
    pairs: Sequence[tuple[str, str]] | None = None,
    coverage: float = 0.95,
    ends: Sequence[str] = (),
    also: Callable[[pd.DataFrame, pd.DataFrame, str, float], Iterable[Row]] = lambda *_: (),
) -> pd.DataFrame:
    """Tidy scores of the runs of `tabulate`, with the columns `by` (arms are compared
    where these are equal), `arm` and those of `analysis.scores.table`.

    Each arm's are what `score` says of its runs. Of one arm `against` another (`pairs`;
    by default all others against the first), on the same runs and with this `coverage`:
    `did`, the difference of the shares (Tango); `gained` and `lost`, in how many pairs
    only the first, only the second gets there; `ratio` of the steps (`paired_ratio`);
    and what `also` says of both tables of runs, the second's name and the coverage. And
    `mean` of the columns `ends`, of an arm or of the differences, with a bootstrap
    interval.
    """
    names, within = list(dict.fromkeys(runs["arm"])), "n_train" if "n_train" in runs else None
    pairs = [(name, names[0]) for name in names[1:]] if pairs is None else pairs
    predictors = [catalogue.CATALOGUE[name] for name in dict.fromkeys(predictions["predictor"])]
    rows = []
    groups: Any = runs.groupby([*by], sort=False) if by else [((), runs)]
    for values, group in groups:
        where = dict(zip(by, values, strict=True))
        arms = {name: group[group["arm"] == name].sort_values("place", ignore_index=True) for name in names}
        if len({tuple(arm["place"]) for arm in arms.values()}) > 1:
            raise AssertionError("arms are compared run by run")
        for name, arm in arms.items():
            rows += [where | {"arm": name} | row for row in _means(arm[[*ends]], "", 0.95)]
        for name, other in pairs:
            one, two = arms[name], arms[other]
            gaps = [row for target in targets for row in _against(one, two, other, target, coverage)]
            gaps += [*also(one, two, other, coverage), *_means(one[[*ends]] - two[[*ends]], other, coverage)]
            rows += [where | {"arm": name} | row for row in gaps]
    found = score(runs, predictions, predictors, targets, [*by, "arm"], within=within)
    return pd.concat([found, pd.DataFrame(rows)] if rows else [found], ignore_index=True)[[*by, "arm", *COLUMNS]]


def row_of(target: str, against: str, statistic: str, value: float, bounds: Any, n: int) -> Row:
    """A score of what was measured; no bounds: None."""
    low, high = (np.nan, np.nan) if bounds is None else map(float, bounds)
    label = {"target": target, "predictor": MEASURED, "against": against, "statistic": statistic}
    return label | {"value": float(value), "low": low, "high": high, "n": n, "n_censored": 0}


def _against(arm: pd.DataFrame, base: pd.DataFrame, other: str, target: str, coverage: float) -> Iterator[Row]:
    one, two = with_target(arm, target), with_target(base, target)
    if one.empty or len(one) != len(two):
        return
    first, second = measured(one, target), measured(two, target)
    gap = paired_difference(first[1], second[1], coverage)
    ratio = paired_ratio(first, second, one.get("n_train"), coverage)
    yield row_of(target, other, "did", gap.value, gap.interval, gap.n)
    yield row_of(target, other, "gained", gap.gained, None, gap.n)
    yield row_of(target, other, "lost", gap.lost, None, gap.n)
    yield row_of(target, other, "ratio", ratio.value, ratio.interval, ratio.n)


def _means(values: pd.DataFrame, against: str, coverage: float) -> Iterator[Row]:
    n = len(values)
    for name in values:
        numbers = values[name].to_numpy(float)
        drawn = means(numbers, bootstrap_weights(np.zeros(n), draws=FINE)) if n >= MIN_OBSERVED else np.empty(0)
        yield row_of(str(name), against, "mean", numbers.mean(), interval(drawn, coverage), n)
