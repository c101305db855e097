"""Which candidate succeeds most often, by fictitious runs.

Successive halving: all candidates on a few runs, the best third on more, the best few
on many. Every candidate of a round has the same runs: training sets, targets, initial
embeddings and the theory's decoders; so what differs is the candidate. The last round
has runs that no earlier one had, so that its shares are not those of lucky draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from analysis.advise.candidates import DEFAULT, Candidate
from analysis.advise.outcomes import Goal, Outcomes, joined, median, predicted
from analysis.scores.paired import paired_difference
from analysis.theory.decoder_theory import Outlook
from neural import RunConfig

Predict = Callable[[Sequence[RunConfig]], Sequence[Outlook]]
FIRST_SEED, FIRST_SEED_OF_LAST = 1000, 2000  # of the runs that are only imagined
SEEDS = (4, 8)  # new runs of the rounds before the last
FINALISTS = 4  # and the default
# How far predicted shares were off on average where the targets were not known, on 200
# networks that nothing in the theory was chosen on: see docs/decoder/README.md.
CALIBRATION_ERROR = 0.06


@dataclass(frozen=True)
class Trial:
    """A candidate and what is predicted of its runs."""

    candidate: Candidate
    outcomes: Outcomes


@dataclass(frozen=True)
class Round:
    """How many candidates had how many new runs each."""

    candidates: int
    seeds: int


def rounds(n_candidates: int, seeds: int) -> list[Round]:
    """The default is one of the candidates, goes through all rounds, and takes no place
    from another.
    """
    others, found = n_candidates - 1, []
    for new, kept in zip(SEEDS, (max(FINALISTS, math.ceil(others / 3)), FINALISTS), strict=True):
        if others > kept:
            found.append(Round(others + 1, new))
            others = kept
    return [*found, Round(others + 1, seeds)]


def search(candidates: Sequence[Candidate], base: RunConfig, seeds: int, goal: Goal, predict: Predict) -> list[Trial]:
    """The candidates of the last round, the default among them, best first."""
    plan = rounds(len(candidates), seeds)
    remaining, known, seed = list(candidates), {}, FIRST_SEED
    for one, following in pairwise(plan):
        new = imagined(remaining, base, seed, one.seeds, predict)
        known = {way: joined(known[way], some) if way in known else some for way, some in new.items()}
        others = [trial.candidate for trial in ranked(_trials(known), goal) if trial.candidate != DEFAULT]
        remaining = [DEFAULT, *others[: following.candidates - 1]]
        seed += one.seeds
    return ranked(_trials(imagined(remaining, base, FIRST_SEED_OF_LAST, seeds, predict)), goal)


def _trials(known: dict[Candidate, Outcomes]) -> list[Trial]:
    return [Trial(candidate, outcomes) for candidate, outcomes in known.items()]


def imagined(
    candidates: Sequence[Candidate], base: RunConfig, first: int, seeds: int, predict: Predict
) -> dict[Candidate, Outcomes]:
    """What is predicted of runs with the seeds first, first + 1 .., trained in each of
    these ways.
    """
    runs = [replace(base, seed=first + number) for number in range(seeds)]
    found = predict([way.applied_to(run) for way in candidates for run in runs])  # at once: no core waits
    return {way: predicted(found[k * seeds : (k + 1) * seeds]) for k, way in enumerate(candidates)}


def ranked(trials: Sequence[Trial], goal: Goal) -> list[Trial]:
    """Most successes first; equal ones: the quickest first, then as they stand."""
    return sorted(trials, key=lambda one: (-one.outcomes.success(goal).sum(), median(one.outcomes.steps(goal))))


def choose(trials: Sequence[Trial], goal: Goal) -> Trial:
    """The quickest of those that are as good as the best one.

    As good: less than the theory's own error below it, and not told from it by the
    interval of the paired difference. The runs are the same, so this tells more than
    the overlap of two intervals would; but alone it would, with few runs, give up much
    success for a little speed.
    """
    best, *others = ranked(trials, goal)
    first = best.outcomes.success(goal)
    gaps = [(one, paired_difference(first, one.outcomes.success(goal))) for one in others]
    tied = [one for one, gap in gaps if gap.value < CALIBRATION_ERROR and not gap.decided]
    return min([best, *tied], key=lambda one: median(one.outcomes.steps(goal)))
