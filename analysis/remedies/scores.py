"""How many runs succeed and generalise with a remedy: measured, and as predicted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

import efftheory as et
from analysis.runs.tables import measured
from analysis.scores.survival import survival_curve
from analysis.theory.decoder_theory import Outlook

BASE = "none"
_BOOTSTRAPS = 10_000


@dataclass(frozen=True)
class Reached:
    """How many runs reach a target within the budget.

    Attributes:
        share: of the runs.
        interval: of the share, exact, at 95 %.
        gain: the share minus that without a remedy.
        gain_interval: bootstrap at 95 %, over the pairs of runs that share training set
            and initial embeddings.
        predicted: the share, by the theory with a decoder.
        median_steps: Kaplan-Meier's; None: most do not get there.
    """

    share: float
    interval: tuple[float, float]
    gain: float
    gain_interval: tuple[float, float]
    predicted: float
    median_steps: float | None


@dataclass(frozen=True)
class Score:
    """How many runs succeed and generalise with a remedy.

    Attributes:
        remedy: its name; BASE: without one.
        n: number of runs.
        rqi: RQI > 0.95.
        test: test accuracy 0.9.
    """

    remedy: str
    n: int
    rqi: Reached
    test: Reached


def score(name: str, runs: dict[str, pd.DataFrame], theory: list[Outlook]) -> Score:
    """Of the remedy `name`: the runs by remedy, and what the theory says of those with
    this one.
    """
    rng = np.random.default_rng(0)
    return Score(
        remedy=name,
        n=len(theory),
        rqi=_reached(runs[name], runs[BASE], theory, "rqi", rng),
        test=_reached(runs[name], runs[BASE], theory, "test", rng),
    )


def _reached(
    runs: pd.DataFrame, without: pd.DataFrame, theory: list[Outlook], target: str, rng: np.random.Generator
) -> Reached:
    here, base = (arm[f"steps_to_{target}"].notna().to_numpy(float) for arm in (runs, without))
    share = et.proportion(int(here.sum()), len(here))
    draws = rng.integers(len(here), size=(_BOOTSTRAPS, len(here)))
    low, high = np.quantile((here - base)[draws].mean(axis=1), [0.025, 0.975])
    steps, seen = measured(runs, target)
    return Reached(
        share=share.value,
        interval=share.interval,
        gain=float((here - base).mean()),
        gain_interval=(float(low), float(high)),
        predicted=float(np.mean([one.share(target) for one in theory])),
        median_steps=survival_curve(steps, seen).quantile(0.5),
    )
