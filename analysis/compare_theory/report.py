"""All numbers of a comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.compare_theory.outcomes import (
    Accuracy,
    Agreement,
    SuccessCalibration,
    SuccessShare,
    score_accuracy,
    score_probability,
)
from analysis.compare_theory.predictors import NULL_MODEL, PREDICTORS
from analysis.compare_theory.success import (
    SUCCESS_PREDICTORS,
    BrierDifference,
    Irreducible,
    SuccessScore,
    predict_success,
    score_differences,
    score_irreducible,
    score_success,
)
from analysis.compare_theory.times import MedianSteps, TimeScore, score_medians, score_time
from analysis.compare_theory.verdict import verdict
from analysis.runs.store import config_columns, config_of
from analysis.runs.tables import TARGETS
from analysis.theory.decoder_theory import operation
from analysis.theory.predictions import LinearProbability, linear_probabilities
from neural.families.toy import Toy


@dataclass(frozen=True)
class Comparison:
    """All numbers of the report; the command adds its options and what they were made
    with.

    Attributes:
        verdict: the numbers in words, a sentence each.
        time: order and size of the times, a row a setting, target and predictor.
        medians: median steps, a row a setting, target and training-set size.
        probability: P(linear) and successes, a row a setting and training-set size.
        calibration: P(linear) as a probability of success, a row a setting.
        linear_probability: P(linear) at every training-set size.
        success: each predictor's probability of success, a row a setting and predictor.
        brier_differences: of two predictors' Brier scores, a row a setting and pair.
        irreducible: what replicas leave to any predictor, a row a setting.
        accuracy: measured and predicted accuracy, in all and by setting.
        runs: each run: its configuration, what came of it, what was predicted.
        draws: random training sets behind P(linear).
        random_seeds: of what is drawn.
    """

    verdict: list[str]
    time: list[TimeScore]
    medians: list[MedianSteps]
    probability: list[SuccessShare]
    calibration: list[SuccessCalibration]
    linear_probability: list[LinearProbability]
    success: list[SuccessScore]
    brier_differences: list[BrierDifference]
    irreducible: list[Irreducible]
    accuracy: Accuracy
    runs: list[dict[str, Any]]
    draws: int
    random_seeds: dict[str, int]


def compare(runs: pd.DataFrame, everyone: pd.DataFrame, draws: int) -> Comparison:
    """From a table of runs with predictions, and of those with all their replicas."""
    time = score_time(runs, seed=0)
    op = operation(config_of(runs["key"].iloc[0]))
    chances = linear_probabilities(op, draws, seed=0)
    probability, calibration = score_probability(runs, chances, op.full_nullity)
    accuracy = score_accuracy(runs)
    predicted_success = predict_success(runs, chances)
    success = score_success(runs, predicted_success, seed=0)
    differences = score_differences(runs, predicted_success, seed=0)
    irreducible = score_irreducible(everyone, seed=0)
    records: Any = runs.join(predicted_success.add_prefix("success_by_")).to_dict("records")
    return Comparison(
        verdict=verdict(time, probability, calibration, accuracy, success, irreducible),
        time=time,
        medians=score_medians(runs),
        probability=probability,
        calibration=calibration,
        linear_probability=chances,
        success=success,
        brier_differences=differences,
        irreducible=irreducible,
        accuracy=accuracy,
        runs=[_run_entry(run) for run in records],
        draws=draws,
        random_seeds={"bootstrap": 0, "linear_probability": 0},
    )


def _run_entry(run: dict[str, Any]) -> dict[str, Any]:
    def steps(value: float) -> int | None:
        return None if value != value else int(value)

    names = [*config_columns(Toy), "steps_run", "accuracy", "train_accuracy", "test_accuracy", "rqi"]
    names += ["predicted_accuracy", "ideal_accuracy", "lambda3", "nullity", "z0"]
    return {
        **{name: run[name] for name in names},
        **{f"steps_to_{target}": steps(run[f"steps_to_{target}"]) for target in TARGETS},
        "predicted_steps": {name: run[name] for name in PREDICTORS if name != NULL_MODEL},
        "predicted_success": {name: run[f"success_by_{name}"] for name in SUCCESS_PREDICTORS},
    }


def as_report(comparison: Comparison) -> dict[str, Any]:
    """The comparison as report.json has it: both kinds of accuracy beside each other.

    The fields of the ideal accuracy begin with ideal_; there are no intervals over all
    settings.
    """
    accuracy = comparison.accuracy
    overall = _beside(accuracy.predicted, accuracy.ideal).items()
    by_setting = [
        {"repr_lr": entry.repr_lr, "decoder_lr": entry.decoder_lr, **_beside(entry.predicted, entry.ideal)}
        for entry in accuracy.by_setting
    ]
    fields = {name: value for name, value in overall if "interval" not in name} | {"by_setting": by_setting}
    return vars(comparison) | {"accuracy": fields}


def _beside(predicted: Agreement, ideal: Agreement) -> dict[str, Any]:
    return vars(predicted) | {f"ideal_{name}": value for name, value in vars(ideal).items()}
