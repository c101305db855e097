"""Who succeeds, and how well? P(linear) against the share of successes, and predicted
against measured accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import pearsonr

import efftheory as et
from analysis.runs.tables import Setting, settings, sizes
from analysis.scores.bootstrap import MIN_OBSERVED, bootstrap_weights, interval
from analysis.scores.calibration import Calibration, calibrate
from analysis.scores.entries import number
from analysis.theory.predictions import LinearProbability

_SEED = 0


@dataclass(frozen=True)
class SuccessShare(LinearProbability, Setting):
    """P(linear) at one size of a setting, and how many of its runs succeeded.

    Attributes:
        runs_linear: share of the very sets that were trained on whose linear
            representation is unique; `predicted` is over random ones.
        measured, measured_interval: share of runs that succeeded, with its exact 95 %
            interval.
        n: number of runs.
    """

    runs_linear: float
    measured: float
    measured_interval: tuple[float, float]
    n: int


@dataclass(frozen=True)
class SuccessCalibration(Calibration, Setting):
    """P(linear) as the probability of success of a setting's runs, and counts of runs.

    Attributes:
        linear_with_time: runs with a unique linear representation that the exact flow
            reaches within the budget.
        n_diverged: runs whose loss is not a number at the end.
        linear_and_success, linear_and_failure, not_linear_and_success,
            not_linear_and_failure: runs with and without a unique linear representation
            that succeeded, and that did not.
        same_sizes_linear_and_success, same_sizes_linear_and_failure: those with one
            among the sizes at which there are runs without. The larger the set, the
            likelier both the representation and success, so only the comparison with
            these is a fair one.
        brier_gap_interval: of the Brier score less that of a constant, at 95 %, runs of
            each size drawn with replacement.
    """

    linear_with_time: int
    n_diverged: int
    linear_and_success: int
    linear_and_failure: int
    not_linear_and_success: int
    not_linear_and_failure: int
    same_sizes_linear_and_success: int
    same_sizes_linear_and_failure: int
    brier_gap_interval: tuple[float, float] | None


@dataclass(frozen=True)
class Agreement:
    """The accuracy of networks against one that is predicted.

    Attributes:
        pearson_r, pearson_r_interval: correlation with its 95 % interval; None where it
            is not defined, the interval also over several settings.
        mean_absolute_error, mean_error: of predicted minus measured; None without runs.
        mean_error_interval: at 95 %, runs of each size drawn with replacement; None as
            that of the correlation, and with fewer than MIN_OBSERVED runs.
        n_accuracy_above: runs in which the network was above the prediction.
        n: runs that are compared.
        n_collapsed: runs without a prediction, or without an accuracy.
    """

    pearson_r: float | None
    pearson_r_interval: tuple[float, ...] | None
    mean_absolute_error: float | None
    mean_error: float | None
    mean_error_interval: tuple[float, float] | None
    n_accuracy_above: int
    n: int
    n_collapsed: int


@dataclass(frozen=True)
class SettingAccuracy(Setting):
    """Accuracy on D0 at the end of a setting's runs, against Acc-hat of their final
    embeddings (`predicted`) and the ideal accuracy (`ideal`).
    """

    predicted: Agreement
    ideal: Agreement


@dataclass(frozen=True)
class Accuracy:
    """The same over all runs, and `by_setting`.

    Runs of different settings may share a training set, so that over all of them there
    is no interval.
    """

    predicted: Agreement
    ideal: Agreement
    by_setting: list[SettingAccuracy]


def score_probability(
    runs: pd.DataFrame, chances: list[LinearProbability], full_nullity: int = 2
) -> tuple[list[SuccessShare], list[SuccessCalibration]]:
    """P(linear) at each size (`linear_probabilities`) against the measured share: by
    setting and size, and over the sizes of each setting.

    Success is RQI > 0.95 within the budget. A set whose nullity is that of all data
    leaves one linear representation.
    """
    chance = {entry.n_train: entry for entry in chances}
    by_size, calibration = [], []
    for setting, group in settings(runs):
        success, linear = group["steps_to_rqi"].notna(), group["nullity"] == full_nullity
        for n in sizes(group):
            here = group["n_train"] == n
            share = et.proportion(int(success[here].sum()), int(here.sum()))
            by_size.append(
                SuccessShare(
                    **vars(setting),
                    **vars(chance[n]),
                    runs_linear=float(linear[here].mean()),
                    measured=share.value,
                    measured_interval=share.interval,
                    n=share.draws,
                )
            )
        mixed = group["n_train"].isin(group["n_train"][~linear])
        predicted = np.array([chance[n].predicted for n in group["n_train"]])
        calibration.append(
            SuccessCalibration(
                **vars(setting),
                **vars(calibrate(predicted, success)),
                linear_with_time=int((linear & (group["exact_flow"] <= group["budget"])).sum()),
                n_diverged=int(group["train_loss"].isna().sum()),
                linear_and_success=int((linear & success).sum()),
                linear_and_failure=int((linear & ~success).sum()),
                not_linear_and_success=int((~linear & success).sum()),
                not_linear_and_failure=int((~linear & ~success).sum()),
                same_sizes_linear_and_success=int((mixed & linear & success).sum()),
                same_sizes_linear_and_failure=int((mixed & linear & ~success).sum()),
                brier_gap_interval=_brier_gap(predicted, np.asarray(success, np.float64), group["n_train"]),
            )
        )
    return by_size, calibration


def _brier_gap(p: NDArray[np.float64], y: NDArray[np.float64], sizes: pd.Series) -> tuple[float, float] | None:
    """The interval of the Brier score of `p` less that of the constant share of the
    outcomes `y`, 0 or 1.
    """
    drawn = bootstrap_weights(sizes, _SEED) / len(y)
    share = drawn @ y
    return interval(drawn @ (p - y) ** 2 - share * (1 - share))


def _of_the_mean(values: pd.Series, sizes: pd.Series) -> tuple[float, float] | None:
    return interval(bootstrap_weights(sizes[values.index], _SEED) @ values.to_numpy(float) / len(values))


def score_accuracy(runs: pd.DataFrame) -> Accuracy:
    """Accuracy at the end of the runs, predicted and measured: over all, by setting."""
    predicted, ideal = (
        replace(agreement, pearson_r_interval=None, mean_error_interval=None) for agreement in _both(runs)
    )
    by_setting = [
        SettingAccuracy(setting.repr_lr, setting.decoder_lr, *_both(group)) for setting, group in settings(runs)
    ]
    return Accuracy(predicted, ideal, by_setting)


def _both(runs: pd.DataFrame) -> tuple[Agreement, Agreement]:
    return _agreement(runs, "predicted_accuracy"), _agreement(runs, "ideal_accuracy")


def _agreement(runs: pd.DataFrame, predictor: str) -> Agreement:
    pairs = runs[["accuracy", predictor]].dropna()
    gap = pairs[predictor] - pairs["accuracy"]
    varied = len(pairs) > 3 and (pairs.nunique() > 1).all()
    r: Any = pearsonr(pairs["accuracy"], pairs[predictor]) if varied else None
    return Agreement(
        pearson_r=None if r is None else float(r.statistic),
        pearson_r_interval=None if r is None else tuple(map(float, r.confidence_interval())),
        mean_absolute_error=number(gap.abs().mean()),
        mean_error=number(gap.mean()),
        mean_error_interval=_of_the_mean(gap, runs["n_train"]) if len(pairs) >= MIN_OBSERVED else None,
        n_accuracy_above=int((gap < -1e-6).sum()),
        n=len(pairs),
        n_collapsed=len(runs) - len(pairs),
    )
