"""What is said of runs that are trained in one way."""

from __future__ import annotations

from dataclasses import dataclass

import efftheory as et
from analysis.advise.candidates import Candidate
from analysis.advise.outcomes import Goal, Outcomes, median


@dataclass(frozen=True)
class Row:
    """Of one candidate.

    Attributes:
        candidate: the way to train.
        success: share of the runs that reach the goal and train accuracy 0.9 within
            the budget, with the exact 95 % interval.
        steps: median steps to both; inf: most runs do not get there.
        rqi, train, test: median steps to RQI > 0.95, train and test accuracy 0.9.
    """

    candidate: Candidate
    success: et.Estimate
    steps: float
    rqi: float
    train: float
    test: float


def row_of(candidate: Candidate, outcomes: Outcomes, goal: Goal) -> Row:
    success = outcomes.success(goal)
    return Row(
        candidate=candidate,
        success=et.proportion(int(success.sum()), len(success)),
        steps=median(outcomes.steps(goal)),
        rqi=median(outcomes.rqi),
        train=median(outcomes.train),
        test=median(outcomes.test),
    )
