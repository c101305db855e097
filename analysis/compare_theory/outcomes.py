"""Who succeeds, and how well? P(linear) against the share of successes, predicted against measured accuracy."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pandas as pd
from scipy.stats import pearsonr

import efftheory as et
from analysis.runs.tables import settings, sizes
from analysis.statistics.calibration import calibrate
from analysis.statistics.entries import Entry, number


def score_probability(runs: pd.DataFrame, chances: list[Entry]) -> tuple[list[Entry], list[Entry]]:
    """P(linear) at each size (`linear_probabilities`) against the measured share: (by size, calibration).

    Success is RQI > 0.95 within the budget. `predicted` is over random training sets of the size; `runs_linear` is the
    share of the very sets that were trained on. The calibration also counts successes of runs with and without a unique
    linear representation, and (`same_sizes`) of those with one among the sizes at which there are runs without: the
    larger the set, the likelier both the representation and success, so only that comparison is a fair one.
    `linear_with_time`: runs with a unique linear representation that the exact flow reaches within the budget.
    `n_diverged`: runs whose loss is not a number at the end.
    """
    chance = {entry["n_train"]: entry for entry in chances}
    by_size, calibration = [], []
    for setting, group in settings(runs):
        success, linear = group["steps_to_rqi"].notna(), group["nullity"] == 2
        for n in sizes(group):
            here = group["n_train"] == n
            share = et.proportion(int(success[here].sum()), int(here.sum()))
            by_size.append(
                {
                    **setting,
                    **chance[n],
                    "runs_linear": float(linear[here].mean()),
                    "measured": share.value,
                    "measured_interval": share.interval,
                    "n": share.draws,
                }
            )
        mixed = group["n_train"].isin(group["n_train"][~linear])
        calibration.append(
            {
                **setting,
                **asdict(calibrate([chance[n]["predicted"] for n in group["n_train"]], success)),
                "linear_with_time": int((linear & (group["exact_flow"] <= group["budget"])).sum()),
                "n_diverged": int(group["train_loss"].isna().sum()),
                "linear_and_success": int((linear & success).sum()),
                "linear_and_failure": int((linear & ~success).sum()),
                "not_linear_and_success": int((~linear & success).sum()),
                "not_linear_and_failure": int((~linear & ~success).sum()),
                "same_sizes_linear_and_success": int((mixed & linear & success).sum()),
                "same_sizes_linear_and_failure": int((mixed & linear & ~success).sum()),
            }
        )
    return by_size, calibration


def score_accuracy(runs: pd.DataFrame) -> Entry:
    """Accuracy on D0 at the end of the runs against Acc-hat of their final embeddings and the ideal accuracy.

    Over all runs, and by setting with intervals: runs of different settings may share a training set, so that there is
    no interval over all of them.
    """
    everyone = _both(runs)
    by_setting = [{**setting, **_both(group)} for setting, group in settings(runs)]
    return {**{name: value for name, value in everyone.items() if "interval" not in name}, "by_setting": by_setting}


def _both(runs: pd.DataFrame) -> Entry:
    ideal = _agreement(runs, "ideal_accuracy")
    return _agreement(runs, "predicted_accuracy") | {f"ideal_{name}": value for name, value in ideal.items()}


def _agreement(runs: pd.DataFrame, predictor: str) -> Entry:
    pairs = runs[["accuracy", predictor]].dropna()
    gap = pairs[predictor] - pairs["accuracy"]
    varied = len(pairs) > 3 and (pairs.nunique() > 1).all()
    r: Any = pearsonr(pairs["accuracy"], pairs[predictor]) if varied else None
    return {
        "pearson_r": None if r is None else float(r.statistic),
        "pearson_r_interval": None if r is None else tuple(map(float, r.confidence_interval())),
        "mean_absolute_error": number(gap.abs().mean()),
        "mean_error": number(gap.mean()),
        "n_accuracy_above": int((gap < -1e-6).sum()),
        "n": len(pairs),
        "n_collapsed": len(runs) - len(pairs),
    }
