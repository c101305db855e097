"""Is a predicted probability of success the share of runs that succeed?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

import efftheory as et

N_BINS = 10  # of equal width


@dataclass(frozen=True)
class Bin:
    """The n runs whose predictions lie in one bin: mean prediction, share of successes
    with its exact interval.
    """

    predicted: float
    measured: float
    measured_interval: tuple[float, float]
    n: int


def bins(predicted: ArrayLike, outcome: ArrayLike) -> list[Bin]:
    """Probabilities (n,) and outcomes, bool (n,), by the bins of the former that have
    runs.
    """
    p, y = np.asarray(predicted, float), np.asarray(outcome, float)
    label = np.minimum((p * N_BINS).astype(int), N_BINS - 1)
    found = []
    for here in (label == number for number in np.unique(label)):
        share = et.proportion(int(y[here].sum()), int(here.sum()))
        found.append(Bin(float(p[here].mean()), share.value, share.interval, share.draws))
    return found


def calibration_error(predicted: ArrayLike, outcome: ArrayLike) -> float:
    """Mean over runs of |mean prediction - share of successes| in the run's bin."""
    found = bins(predicted, outcome)
    return sum(abs(one.predicted - one.measured) * one.n for one in found) / sum(one.n for one in found)
