"""Fresh networks, trained as advised and with the default rates: does it help?"""

from __future__ import annotations

from dataclasses import dataclass

import efftheory as et
from analysis.advise.candidates import DEFAULT, Candidate
from analysis.advise.outcomes import Goal, Outcomes, predicted
from analysis.advise.rows import Row, row_of
from analysis.scores.paired import Difference, paired_difference
from analysis.theory.decoder_theory import Outlook


@dataclass(frozen=True)
class Arm:
    """Trained runs of one candidate.

    Attributes:
        row: what was measured.
        rqi, train, test: shares of the runs that reach RQI > 0.95, train and test
            accuracy 0.9 within the budget.
        predicted: share of success that the theory gives these very training sets,
            targets and initial embeddings.
    """

    row: Row
    rqi: et.Estimate
    train: et.Estimate
    test: et.Estimate
    predicted: float


@dataclass(frozen=True)
class Check:
    """The same training sets and initial weights, trained in both ways.

    Attributes:
        seeds: the first and the last.
        advised, default: what became of them.
        gain: of the share of success, by the advice.
    """

    seeds: tuple[int, int]
    advised: Arm
    default: Arm
    gain: Difference


def check(
    seeds: tuple[int, int],
    advised: Candidate,
    runs: dict[Candidate, Outcomes],
    theory: dict[Candidate, list[Outlook]],
    goal: Goal,
) -> Check:
    """Of measured runs and what the theory says of each, both by candidate and in one
    order.
    """
    return Check(
        seeds=seeds,
        advised=_arm(advised, runs[advised], theory[advised], goal),
        default=_arm(DEFAULT, runs[DEFAULT], theory[DEFAULT], goal),
        gain=paired_difference(runs[advised].success(goal), runs[DEFAULT].success(goal)),
    )


def _arm(candidate: Candidate, runs: Outcomes, theory: list[Outlook], goal: Goal) -> Arm:
    return Arm(
        row=row_of(candidate, runs, goal),
        rqi=_reached(runs.rqi),
        train=_reached(runs.train),
        test=_reached(runs.test),
        predicted=float(predicted(theory).success(goal).mean()),
    )


def _reached(steps) -> et.Estimate:
    return et.proportion(int((steps < float("inf")).sum()), len(steps))
