"""How many runs succeed and generalise with a remedy: measured, and as predicted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

import efftheory as et
from analysis.runs.tables import measured
from analysis.statistics.survival import survival_curve
from analysis.theory.decoder_theory import Outlook

BASE = "none"


_BOOTSTRAPS = 10_000


def score(name: str, runs: dict[str, pd.DataFrame], theory: list[Outlook]) -> dict[str, Any]:
    """How many runs succeed (RQI > 0.95) and generalise (test accuracy 0.9) within the budget, and how many more than
    without a remedy; bootstrap over the pairs of runs that share training set and initial embeddings.
    """
    rng = np.random.default_rng(0)
    row: dict[str, Any] = {"remedy": name, "n": len(theory)}
    for target in ("rqi", "test"):
        here, base = (runs[arm][f"steps_to_{target}"].notna().to_numpy(float) for arm in (name, BASE))
        share = et.proportion(int(here.sum()), len(here))
        draws = rng.integers(len(here), size=(_BOOTSTRAPS, len(here)))
        low, high = np.quantile((here - base)[draws].mean(axis=1), [0.025, 0.975])
        steps, seen = measured(runs[name], target)
        row[target] = {
            "share": share.value,
            "interval": share.interval,
            "gain": float((here - base).mean()),
            "gain_interval": (float(low), float(high)),
            "predicted": float(np.mean([one.share(target) for one in theory])),
            "median_steps": survival_curve(steps, seen).quantile(0.5),
        }
    return row
