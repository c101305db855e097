"""Is a predicted probability of success the share of runs that succeed?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Calibration:
    """How far predicted probabilities are from outcomes.

    Attributes:
        brier: mean of (predicted - outcome)^2; smaller is better.
        brier_base_rate: the same for a constant prediction, the share of successes; what a theory must beat.
        mean_predicted, mean_measured: overall predicted and measured share of successes.
        calibration_error: mean over runs of |mean prediction - share of successes| in the run's group of
            equal predictions.
        n: number of runs.
    """

    brier: float
    brier_base_rate: float
    mean_predicted: float
    mean_measured: float
    calibration_error: float
    n: int


def calibrate(predicted: ArrayLike, outcome: ArrayLike) -> Calibration:
    """Hold probabilities (n,) against outcomes, bool (n,)."""
    p, y = np.asarray(predicted, float), np.asarray(outcome, float)
    _, group = np.unique(p, return_inverse=True)
    size = np.bincount(group)
    gap = np.abs(np.bincount(group, p) - np.bincount(group, y)) / size
    return Calibration(
        brier=float(((p - y) ** 2).mean()),
        brier_base_rate=float(((y.mean() - y) ** 2).mean()),
        mean_predicted=float(p.mean()),
        mean_measured=float(y.mean()),
        calibration_error=float((gap * size).sum() / len(p)),
        n=len(p),
    )
