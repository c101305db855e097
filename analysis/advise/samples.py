"""How success grows with the number of training samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import efftheory as et
from analysis.advise.candidates import DEFAULT, Candidate
from analysis.advise.outcomes import Goal
from analysis.advise.search import FIRST_SEED_OF_LAST, Predict, imagined
from neural import RunConfig

LIKELY = 0.8
_ORDERS = 2000


@dataclass(frozen=True)
class Size:
    """Random training sets of n_train samples.

    Attributes:
        n_train: number of samples.
        advised, default: predicted share of success as advised, and with the default
            rates.
        linear: share of the sets that leave one linear representation, which is what
            they allow in the best case.
    """

    n_train: int
    advised: et.Estimate
    default: et.Estimate
    linear: float


def growth(
    advised: Candidate,
    base: RunConfig,
    op: et.Operation,
    sizes: Sequence[int],
    seeds: int,
    goal: Goal,
    predict: Predict,
) -> list[Size]:
    """Of each size, with the same runs for both."""
    thresholds = et.linear_thresholds(op, _ORDERS, seed=0)
    found = []
    for n in sizes:
        ways = list(dict.fromkeys((advised, DEFAULT)))
        runs = imagined(ways, replace(base, n_train=n, samples=""), FIRST_SEED_OF_LAST, seeds, predict)
        shares = {way: et.proportion(int(some.success(goal).sum()), seeds) for way, some in runs.items()}
        found.append(Size(n, shares[advised], shares[DEFAULT], float((thresholds <= n).mean())))
    return found


def needed(sizes: Sequence[int], shares: Sequence[float]) -> int | None:
    """The size from which on success is likely, at it and at all larger ones; None: at
    none.
    """
    found = None
    for n, share in sorted(zip(sizes, shares, strict=True), reverse=True):
        if share < LIKELY:
            break
        found = n
    return found
