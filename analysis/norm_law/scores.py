"""How near each law comes: percentage errors of what was observed, and the order of all
runs, the censored ones too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.norm_law.tables import LAWS
from analysis.scores.bootstrap import BOOTSTRAPS, interval
from analysis.scores.concordance import compare_pairs

_BOOTSTRAP_SEED = 0
FEWEST = 5
_NOTHING_SAID = 1.0  # the error of "never", or of no prediction, for a run that got there


@dataclass(frozen=True)
class Score:
    """One law on one target. Intervals: 95 %, seeds drawn with replacement; none with
    fewer than FEWEST seeds, whose draws are too few to tell.

    Attributes:
        law: its name.
        mape: mean of |predicted - measured|/measured over the runs that got there; a
            prediction of never, or none, counts as 100 %.
        median_ratio: of predicted over measured.
        never: for how many of these runs nothing, or never, was predicted.
        excess: this law's MAPE less ours, on the same runs.
        concordance: Harrell's index over all runs, censored ones kept.
    """

    law: str
    mape: float
    mape_interval: tuple[float, float] | None
    median_ratio: float
    never: int
    excess: float
    excess_interval: tuple[float, float] | None
    concordance: float
    concordance_interval: tuple[float, float] | None


def errors(table: pd.DataFrame, law: str) -> NDArray[np.float64]:
    """|predicted - measured|/measured, nan for censored runs."""
    measured, said = table["steps"].to_numpy(float), table[law].to_numpy(float)
    found = np.where(np.isfinite(said), np.abs(said - measured) / measured, _NOTHING_SAID)
    return np.where(np.isfinite(measured), found, np.nan)


def scores(table: pd.DataFrame, form: str) -> list[Score]:
    """Of a table of `predicted`: a score a law, first that of our form."""
    weights = _seeds_drawn(table["seed"].to_numpy())

    def between(values: NDArray) -> tuple[float, float] | None:
        return interval(values) if table["seed"].nunique() >= FEWEST else None

    whole = np.ones((1, len(table)))
    observed = table["steps"].notna().to_numpy()
    times = table["steps"].fillna(table["budget"]).to_numpy(float)
    ours = errors(table, form)
    found = []
    for law in (form, *(law for law in LAWS if law != form)):
        wrong = errors(table, law)
        pairs = compare_pairs(times, observed, table[law].fillna(np.inf))  # nothing said: never
        ratio = (table[law] / table["steps"])[observed & np.isfinite(table[law])]
        found.append(
            Score(
                law=law,
                mape=float(_mean(wrong, whole)[0]),
                mape_interval=between(_mean(wrong, weights)),
                median_ratio=float(ratio.median()),
                never=int((observed & ~np.isfinite(table[law])).sum()),
                excess=float(_mean(wrong - ours, whole)[0]),
                excess_interval=between(_mean(wrong - ours, weights)),
                concordance=float(pairs.index(whole)[0]),
                concordance_interval=between(pairs.index(weights)),
            )
        )
    return found


def _seeds_drawn(seeds: NDArray) -> NDArray[np.float64]:
    """How often each run is drawn when its seed is, (BOOTSTRAPS, n): runs of one seed
    share a data set.
    """
    names, label = np.unique(seeds, return_inverse=True)
    rng = np.random.default_rng(_BOOTSTRAP_SEED)
    return rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=BOOTSTRAPS)[:, label].astype(float)


def _mean(values: NDArray, weights: NDArray) -> NDArray[np.float64]:
    """Weighted means (B,) of the values that are there."""
    there = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return weights[:, there] @ values[there] / weights[:, there].sum(1)
