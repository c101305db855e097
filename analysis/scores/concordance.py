"""Does a predictor put runs in the right order? Harrell's concordance index for
censored times, from which bootstrap weights make intervals.

A pair of runs is comparable if it is known which took longer: the shorter time was
observed, and the other is longer, or was censored no earlier. Its score is 1 if the
prediction for the shorter one is smaller, 1/2 if the predictions are equal (two times
"never" are), else 0. The index is the mean score of the comparable pairs: 1 = perfect,
1/2 = no information.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Pairs:
    """Comparable pairs and their scores, float64 (n, n): row = the run with the shorter
    time.
    """

    comparable: NDArray[np.float64]
    score: NDArray[np.float64]

    def index(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Concordance with each run counted weights[b, run] times, (B, n) -> (B,); nan
        without comparable pairs.
        """
        pairs = np.einsum("bi,ij,bj->b", weights, self.comparable, weights, optimize=True)
        scores = np.einsum("bi,ij,bj->b", weights, self.score, weights, optimize=True)
        with np.errstate(invalid="ignore"):
            return scores / pairs


def compare_pairs(
    times: ArrayLike, observed: ArrayLike, predicted: ArrayLike, strata: ArrayLike | None = None
) -> Pairs:
    """All pairs of runs, or, with `strata` (n,), a label a run, the pairs within one.

    times (n,): of the event, or of the censoring. observed: bool (n,), False =
    censored. predicted (n,): any score that should rise with the time; inf allowed.
    """
    t, seen, score = np.asarray(times, float), np.asarray(observed, bool), np.asarray(predicted, float)
    outlasts = (t[:, None] < t[None, :]) | ((t[:, None] == t[None, :]) & ~seen[None, :])
    comparable = seen[:, None] & outlasts
    if strata is not None:
        label = np.asarray(strata)
        comparable &= label[:, None] == label[None, :]
    points = (score[:, None] < score[None, :]) + 0.5 * (score[:, None] == score[None, :])
    return Pairs(comparable.astype(float), comparable * points)
