"""What counts as success, of predicted runs and of trained ones alike.

A decoder that hardly moves lets the embeddings find their representation, and learns
nothing; so a run has to have learned as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.theory.decoder_theory import Outlook

Goal = Literal["rqi", "test"]
TARGETS = ("rqi", "train", "test")


@dataclass(frozen=True)
class Outcomes:
    """Of n runs, the steps to RQI > 0.95, train and test accuracy 0.9; inf where that
    is not reached within the budget.

    rqi, train, test: float64 (n,).
    """

    rqi: NDArray[np.float64]
    train: NDArray[np.float64]
    test: NDArray[np.float64]

    def steps(self, goal: Goal) -> NDArray[np.float64]:
        """Steps to success: the goal and train accuracy 0.9 have both been reached."""
        return np.maximum(getattr(self, goal), self.train)

    def success(self, goal: Goal) -> NDArray[np.bool_]:
        """Whether that is within the budget."""
        return np.isfinite(self.steps(goal))


def predicted(outlooks: Sequence[Outlook]) -> Outcomes:
    """All draws of all runs, one after the other."""
    return Outcomes(*(np.concatenate([getattr(one, f"steps_to_{target}") for one in outlooks]) for target in TARGETS))


def measured(runs: pd.DataFrame) -> Outcomes:
    """Of a table of the run store."""
    return Outcomes(*(runs[f"steps_to_{target}"].fillna(np.inf).to_numpy(float) for target in TARGETS))


def joined(first: Outcomes, second: Outcomes) -> Outcomes:
    """The runs of both."""
    return Outcomes(*(np.concatenate([getattr(first, one), getattr(second, one)]) for one in TARGETS))


def median(steps: NDArray[np.float64]) -> float:
    """Lower median; inf where most never get there."""
    return float(np.quantile(steps, 0.5, method="inverted_cdf"))
