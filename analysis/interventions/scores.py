"""What each intervention does to the steps until a network has memorised and
generalised.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import efftheory as et
from analysis.interventions.arms import BASE, GENERALISED, LEARNED
from analysis.scores.survival import survival_curve

_BOOTSTRAPS = 10_000


@dataclass(frozen=True)
class Outcome:
    """Of one arm.

    Attributes:
        arm: its name.
        runs: how many.
        memorised, generalised: shares of the runs, within the budget.
        interval: of the share that generalised, exact, at 95 %.
        memorised_steps, generalised_steps: Kaplan-Meier medians; None: most do not get
            there.
        ratio: of the steps to generalise to those of the same run as it is; the median
            of the pairs in which the latter does, None for more than half that do not.
        ratio_interval: bootstrap at 95 % over these pairs; a bound is None where half
            of a draw do not.
        pairs: how many.
    """

    arm: str
    runs: int
    memorised: float
    generalised: float
    interval: tuple[float, float]
    memorised_steps: float | None
    generalised_steps: float | None
    ratio: float | None
    ratio_interval: tuple[float | None, float | None] | None
    pairs: int


def outcomes(runs: dict[str, pd.DataFrame]) -> list[Outcome]:
    """Of tables of runs by arm, the same seeds in the same order."""
    return [_outcome(arm, table, runs[BASE]) for arm, table in runs.items()]


def _outcome(arm: str, runs: pd.DataFrame, base: pd.DataFrame) -> Outcome:
    steps, before = (table[GENERALISED].to_numpy(float) for table in (runs, base))
    there = np.isfinite(before)
    ratios = np.where(np.isfinite(steps), steps, np.inf)[there] / before[there]
    share = et.proportion(int(np.isfinite(steps).sum()), len(steps))
    return Outcome(
        arm=arm,
        runs=len(runs),
        memorised=float(runs[LEARNED].notna().mean()),
        generalised=share.value,
        interval=share.interval,
        memorised_steps=_median(runs, LEARNED),
        generalised_steps=_median(runs, GENERALISED),
        ratio=_known(np.quantile(ratios, 0.5, method="higher")) if len(ratios) else None,
        ratio_interval=_drawn(ratios) if len(ratios) > 1 else None,
        pairs=len(ratios),
    )


def _median(runs: pd.DataFrame, column: str) -> float | None:
    seen = runs[column].notna().to_numpy()
    return survival_curve(runs[column].fillna(runs["budget"]).to_numpy(float), seen).quantile(0.5)


def _drawn(ratios: NDArray[np.float64]) -> tuple[float | None, float | None]:
    draws = np.random.default_rng(0).integers(len(ratios), size=(_BOOTSTRAPS, len(ratios)))
    # an observed value, not between two: one of them may be inf
    medians = np.quantile(ratios[draws], 0.5, axis=1, method="higher")
    low, high = np.quantile(medians, [0.025, 0.975], method="higher")
    return _known(low), _known(high)


def _known(value: np.floating) -> float | None:
    return float(value) if np.isfinite(value) else None
