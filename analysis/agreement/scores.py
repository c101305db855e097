"""The comparison: from a table of runs with predictions to the numbers of the report.

Runs of different learning rates are scored separately (the theory leaves the decoder out, so their ratio is
an axis of every comparison); each entry carries its `repr_lr` and `decoder_lr`.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import pearsonr

import efftheory as et
from analysis.agreement.calibration import calibrate
from analysis.agreement.concordance import bootstrap_weights, compare_pairs, interval
from analysis.agreement.predictions import PREDICTORS, SETTING, TARGETS
from analysis.agreement.survival import survival_curve

Entry = dict[str, Any]
NULL_MODEL = "training_fraction"


def settings(runs: pd.DataFrame) -> list[tuple[Entry, pd.DataFrame]]:
    """The runs of each setting of the learning rates."""
    values: list[Any] = sorted(set(runs[SETTING].itertuples(index=False, name=None)))
    return [
        (dict(zip(SETTING, value, strict=True)), runs[(runs[SETTING] == list(value)).all(axis=1)]) for value in values
    ]


def sizes(runs: pd.DataFrame) -> list[int]:
    """The training-set sizes of the runs, ascending."""
    return sorted(set(runs["n_train"].tolist()))


def measured(runs: pd.DataFrame, target: str) -> tuple[np.ndarray, np.ndarray]:
    """(times, observed): steps to `target`, the budget where it was not reached."""
    steps = runs[f"steps_to_{target}"].to_numpy(float)
    observed = np.isfinite(steps)
    return np.where(observed, steps, runs["budget"].to_numpy(float)), observed


def score_time(runs: pd.DataFrame, seed: int) -> list[Entry]:
    """Concordance of each predictor with each measured time, over all sizes and within each, and absolute
    ratios.

    Runs without any test sample have no time to test accuracy and are left out of that target.
    """
    entries = []
    for setting, everyone in settings(runs):
        for target in TARGETS:
            group = _with_target(everyone, target)
            if group.empty:
                continue
            times, observed = measured(group, target)
            clusters = group["n_train"].astype(str) + "/" + group["seed"].astype(str)
            weights = bootstrap_weights(clusters, seed)
            null = compare_pairs(times, observed, group[NULL_MODEL]).index(weights)
            for predictor in PREDICTORS:
                predicted = group[predictor].to_numpy(float)
                entry = {"target": target, "predictor": predictor, **setting}
                entry |= _concordance(times, observed, predicted, group, weights)
                pooled = compare_pairs(times, observed, predicted).index(weights)
                entry["gain_over_null_interval"] = interval(pooled - null)
                entry |= {"n": len(group), "n_observed": int(observed.sum())}
                if predictor != NULL_MODEL:
                    entry |= _ratio(times, observed, predicted, group)
                entries.append(entry)
    return entries


def _with_target(runs: pd.DataFrame, target: str) -> pd.DataFrame:
    if target != "test":
        return runs
    return runs[runs["n_train"] < runs["p"] * (runs["p"] + 1) // 2]


def _concordance(times, observed, predicted, group: pd.DataFrame, weights) -> Entry:
    once = np.ones((1, len(times)))
    overall = compare_pairs(times, observed, predicted)
    within = compare_pairs(times, observed, predicted, group["n_train"])
    by_size = []
    for size in sizes(group):
        here = (group["n_train"] == size).to_numpy()
        pairs = compare_pairs(times[here], observed[here], predicted[here])
        value = _number(pairs.index(np.ones((1, here.sum())))[0])
        bounds = interval(pairs.index(weights[:, here]))
        by_size.append({"n_train": size, "c_index": value, "interval": bounds})
    return {
        "c_index": _number(overall.index(once)[0]),
        "interval": interval(overall.index(weights)),
        "c_index_within_size": _number(within.index(once)[0]),
        "interval_within_size": interval(within.index(weights)),
        "by_size": by_size,
    }


def _ratio(times, observed, predicted, group: pd.DataFrame) -> Entry:
    """Quartiles of measured / predicted steps over the runs with a finite prediction above 0; censored runs count as
    "longer than".

    Kaplan-Meier quantiles; None where so many runs are censored that the quantile lies beyond what was seen.
    `ratio_standardized` has the prediction in the paper's units, Z0 = (p - 1) d, instead of the run's own Z0.
    """
    finite = np.isfinite(predicted) & (predicted > 0)
    entry: Entry = {
        "n_predicted": int(finite.sum()),
        "n_reached_though_predicted_never": int((observed & np.isinf(predicted)).sum()),
    }
    if not finite.any():
        return entry | {"ratio": None, "ratio_standardized": None}
    rescale = (group["p"] - 1) * group["d"] / group["z0"]  # Adam does not see Z0, gradient flow does
    return entry | {
        "ratio": _quartiles(times[finite] / predicted[finite], observed[finite]),
        "ratio_standardized": _quartiles(
            times[finite] / predicted[finite] / rescale.to_numpy()[finite], observed[finite]
        ),
    }


def _quartiles(ratio: np.ndarray, observed: np.ndarray) -> Entry:
    """Kaplan-Meier quartiles, and those of the observed runs alone (which look faster than all runs are)."""
    curve = survival_curve(ratio, observed)
    seen = np.quantile(ratio[observed], [0.25, 0.5, 0.75]) if observed.any() else [math.nan] * 3
    return {
        "lower_quartile": curve.quantile(0.25),
        "median": curve.quantile(0.5),
        "upper_quartile": curve.quantile(0.75),
        "observed_only": [_number(value) for value in seen],
    }


def score_medians(runs: pd.DataFrame) -> list[Entry]:
    """Kaplan-Meier median of each measured time for each setting and size; None = more than half were
    censored.
    """
    entries = []
    for setting, everyone in settings(runs):
        for target in TARGETS:
            with_target = _with_target(everyone, target)
            for size in sizes(with_target):
                group = with_target[with_target["n_train"] == size]
                times, observed = measured(group, target)
                curve = survival_curve(times, observed)
                entries.append(
                    {
                        **setting,
                        "n_train": size,
                        "target": target,
                        "n": len(group),
                        "n_observed": int(observed.sum()),
                        "median": curve.quantile(0.5),
                        "interval": curve.quantile_interval(0.5),
                        **{
                            f"predicted_median_{name}": _number(group[name].median())
                            for name in PREDICTORS
                            if name != NULL_MODEL
                        },
                    }
                )
    return entries


def score_probability(runs: pd.DataFrame, chances: list[Entry]) -> tuple[list[Entry], list[Entry]]:
    """P(linear) at each size (`linear_probabilities`) against the measured share: (by size, calibration).

    `predicted` is over random training sets of the size; `runs_linear` is the share of the very sets that
    were trained on.
    """
    chance = {entry["n_train"]: entry for entry in chances}
    by_size, calibration = [], []
    for setting, group in settings(runs):
        success = group["steps_to_rqi"].notna()
        for n in sizes(group):
            here = group[group["n_train"] == n]
            share = et.proportion(int(success[here.index].sum()), len(here))
            by_size.append(
                {
                    **setting,
                    **chance[n],
                    "runs_linear": float((here["nullity"] == 2).mean()),
                    "measured": share.value,
                    "measured_interval": share.interval,
                    "n": len(here),
                }
            )
        linear = group["nullity"] == 2
        calibration.append(
            {
                **setting,
                **asdict(calibrate([chance[n]["predicted"] for n in group["n_train"]], success)),
                "linear_and_success": int((linear & success).sum()),
                "linear_and_failure": int((linear & ~success).sum()),
                "not_linear_and_success": int((~linear & success).sum()),
                "not_linear_and_failure": int((~linear & ~success).sum()),
            }
        )
    return by_size, calibration


def score_accuracy(runs: pd.DataFrame) -> Entry:
    """Accuracy on D0 at the end of the runs against Acc-hat of their final embeddings and the ideal
    accuracy.
    """
    ideal = _agreement(runs, "ideal_accuracy")
    return {
        **_agreement(runs, "predicted_accuracy"),
        **{f"ideal_{name}": value for name, value in ideal.items()},
        "by_setting": [
            {
                **setting,
                **_agreement(group, "predicted_accuracy"),
                **{f"ideal_{k}": v for k, v in _agreement(group, "ideal_accuracy").items()},
            }
            for setting, group in settings(runs)
        ],
    }


def _agreement(runs: pd.DataFrame, predictor: str) -> Entry:
    pairs = runs[["accuracy", predictor]].dropna()
    gap = pairs[predictor] - pairs["accuracy"]
    varied = len(pairs) > 3 and (pairs.nunique() > 1).all()
    r: Any = pearsonr(pairs["accuracy"], pairs[predictor]) if varied else None
    return {
        "pearson_r": None if r is None else float(r.statistic),
        "pearson_r_interval": None if r is None else tuple(map(float, r.confidence_interval())),
        "mean_absolute_error": _number(gap.abs().mean()),
        "mean_error": _number(gap.mean()),
        "n_accuracy_above": int((gap < -1e-6).sum()),
        "n": len(pairs),
    }


def _number(value: float) -> float | None:
    """None for nan and inf, which JSON does not have."""
    return float(value) if math.isfinite(value) else None
