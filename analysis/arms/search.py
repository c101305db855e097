"""Which way to train succeeds most often, by runs that are only imagined.

Successive halving: all ways on a few runs, the best third on more, the best few on
many. All ways of a round have the same runs: training sets, targets, initial embeddings
and the theory's decoders. The last round has runs that no earlier one had, so that its
shares are not those of lucky draws. A way to train is the run that is trained so,
whatever its seed; the first of several is the default.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise, product, takewhile
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.scores.paired import paired_difference
from analysis.scores.success import LEARNED, with_learned
from neural import RunConfig

Goal = Literal["rqi", "test"]
WAY = ("repr_lr", "decoder_lr", "decoder_warmup", "decoder_wd")
# Of runs: what et.success_probability says of each, with one draw.
Imagine = Callable[[Sequence[RunConfig]], Sequence[Any]]
FIRST_SEED, FIRST_SEED_OF_LAST = 1000, 2000  # of the runs that are only imagined
SEEDS = (4, 8)  # new runs of the rounds before the last
FINALISTS = 4  # and the default
# How far predicted shares were off on average where the targets were not known, on 200
# networks that nothing in the theory was chosen on: see docs/decoder/README.md.
CALIBRATION_ERROR = 0.06
LIKELY = 0.8  # a share of success that is enough


def grid(base: RunConfig, *values: Iterable[float]) -> list[RunConfig]:
    """The default, and all combinations of WAY; warm-ups in units of 1/repr_lr."""
    ways = ((r, d, round(warmup / r), decay) for r, d, warmup, decay in product(*values))
    return list(dict.fromkeys([base, *(replace(base, **dict(zip(WAY, way, strict=True))) for way in ways)]))


def rounds(n_ways: int, seeds: int) -> list[tuple[int, int]]:
    """How many ways, the default among them, have how many new runs each."""
    others, found = n_ways - 1, []
    for new, kept in zip(SEEDS, (max(FINALISTS, math.ceil(others / 3)), FINALISTS), strict=True):
        if others > kept:
            found.append((others + 1, new))
            others = kept
    return [*found, (others + 1, seeds)]


def search(ways: Sequence[RunConfig], seeds: int, goal: Goal, imagine: Imagine) -> dict[RunConfig, pd.DataFrame]:
    """The runs of the ways of the last round, the default among them; best first."""
    plan, default = rounds(len(ways), seeds), ways[0]
    remaining, known, seed = list(ways), {}, FIRST_SEED
    for (_, new), (following, _) in pairwise(plan):
        fresh = imagined(remaining, seed, new, imagine)
        known = {way: pd.concat([known[way], runs]) if way in known else runs for way, runs in fresh.items()}
        others = [way for way in ranked(known, goal) if way != default]
        remaining = [default, *others[: following - 1]]
        seed += new
    found = imagined(remaining, FIRST_SEED_OF_LAST, seeds, imagine)
    return {way: found[way] for way in ranked(found, goal)}


def imagined(ways: Sequence[RunConfig], first: int, seeds: int, imagine: Imagine) -> dict[RunConfig, pd.DataFrame]:
    """Tables of runs with the seeds first, first + 1 .., trained in each way."""
    runs = [replace(way, seed=first + number) for way in ways for number in range(seeds)]
    found = imagine(runs)  # at once: no core waits
    columns: dict[str, Any] = {
        name: [getattr(run, name) for run in runs] for name in ("seed", "n_train", "budget", *WAY)
    }
    for name in ("steps_to_rqi", "steps_to_train", "steps_to_test"):
        columns[name] = np.concatenate([getattr(one, name) for one in found])
    table = with_learned(pd.DataFrame(columns).replace(np.inf, np.nan).assign(place=columns["seed"]))
    return {way: table[k * seeds : (k + 1) * seeds] for k, way in enumerate(ways)}


def ranked(found: dict[RunConfig, pd.DataFrame], goal: Goal) -> dict[RunConfig, NDArray[np.float64]]:
    """Steps to the goal, learned, or inf: most successes first, then the quickest."""
    steps = {way: runs[f"steps_to_{LEARNED[goal]}"].fillna(np.inf).to_numpy(float) for way, runs in found.items()}
    return dict(sorted(steps.items(), key=lambda one: (-np.isfinite(one[1]).sum(), _median(one[1]))))


def choose(found: dict[RunConfig, pd.DataFrame], goal: Goal) -> RunConfig:
    """The quickest of those that are as good as the best one: less than the theory's
    own error below it, and not told from it by the interval of the paired difference,
    which alone would, with few runs, give up much success for a little speed.
    """
    steps = ranked(found, goal)
    best, *others = steps
    gaps = {way: paired_difference(np.isfinite(steps[best]), np.isfinite(steps[way])) for way in others}
    tied = [way for way, gap in gaps.items() if gap.value < CALIBRATION_ERROR and not gap.decided]
    return min([best, *tied], key=lambda way: _median(steps[way]))


def needed(sizes: Iterable[int], shares: Iterable[float]) -> int | None:
    """The size from which on success is likely at all; None: there is none."""
    enough = takewhile(lambda one: one[1] >= LIKELY, sorted(zip(sizes, shares, strict=True), reverse=True))
    return min((n for n, _ in enough), default=None)


def _median(steps: NDArray[np.float64]) -> float:
    """Lower median; inf where most never get there."""
    return float(np.quantile(steps, 0.5, method="inverted_cdf"))
