"""Is a predicted probability of success the share of runs that succeed?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

import efftheory as et

N_BINS = 10  # of equal width


@dataclass(frozen=True)
class Bin:
    """The runs whose predictions lie in one bin: mean prediction, share of successes
    with its exact interval.
    """

    predicted: float
    measured: float
    measured_interval: tuple[float, float]
    n: int


@dataclass(frozen=True)
class Calibration:
    """How far predicted probabilities are from outcomes.

    Attributes:
        brier: mean of (predicted - outcome)^2; smaller is better.
        brier_base_rate: the same for a constant prediction, the share of successes;
            what a theory must beat.
        mean_predicted, mean_measured: overall predicted and measured share of
            successes.
        calibration_error: mean over runs of |mean prediction - share of successes| in
            the run's bin.
        bins: those that have runs, of N_BINS of equal width.
        n: number of runs.
    """

    brier: float
    brier_base_rate: float
    mean_predicted: float
    mean_measured: float
    calibration_error: float
    bins: list[Bin]
    n: int


def calibrate(predicted: ArrayLike, outcome: ArrayLike) -> Calibration:
    """Hold probabilities (n,) against outcomes, bool (n,)."""
    p, y = np.asarray(predicted, float), np.asarray(outcome, float)
    label = np.minimum((p * N_BINS).astype(int), N_BINS - 1)
    bins = []
    for here in (label == number for number in np.unique(label)):
        share = et.proportion(int(y[here].sum()), int(here.sum()))
        bins.append(Bin(float(p[here].mean()), share.value, share.interval, share.draws))
    return Calibration(
        brier=float(((p - y) ** 2).mean()),
        brier_base_rate=float(((y.mean() - y) ** 2).mean()),
        mean_predicted=float(p.mean()),
        mean_measured=float(y.mean()),
        calibration_error=sum(abs(bin.predicted - bin.measured) * bin.n for bin in bins) / len(p),
        bins=bins,
        n=len(p),
    )
