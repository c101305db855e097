"""All numbers of a comparison."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.compare_theory.outcomes import score_accuracy, score_probability
from analysis.compare_theory.predictors import NULL_MODEL, PREDICTORS
from analysis.compare_theory.success import SUCCESS_PREDICTORS, predict_success, score_irreducible, score_success
from analysis.compare_theory.times import score_medians, score_time
from analysis.compare_theory.verdict import verdict
from analysis.runs.store import config_columns
from analysis.runs.tables import TARGETS
from analysis.statistics.entries import Entry
from analysis.theory.predictions import linear_probabilities
from neural.families.toy import Toy


def compare(runs: pd.DataFrame, everyone: pd.DataFrame, draws: int) -> dict[str, Any]:
    """All numbers of the report from a table of runs with predictions, and of those with all their replicas."""
    time = score_time(runs, seed=0)
    chances = linear_probabilities(int(runs["p"].iloc[0]), draws, seed=0)
    probability, calibration = score_probability(runs, chances)
    accuracy = score_accuracy(runs)
    predicted_success = predict_success(runs, chances)
    success = score_success(runs, predicted_success, seed=0)
    irreducible = score_irreducible(everyone, seed=0)
    records: Any = runs.join(predicted_success.add_prefix("success_by_")).to_dict("records")
    return {
        "verdict": verdict(time, probability, calibration, accuracy, success, irreducible),
        "time": time,
        "medians": score_medians(runs),
        "probability": probability,
        "calibration": calibration,
        "linear_probability": chances,
        "success": success,
        "irreducible": irreducible,
        "accuracy": accuracy,
        "runs": [_run_entry(run) for run in records],
        "draws": draws,
        "random_seeds": {"bootstrap": 0, "linear_probability": 0},
    }


def _run_entry(run: Entry) -> Entry:
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
