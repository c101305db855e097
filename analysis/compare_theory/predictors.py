"""The theories that are held against runs: their names and the columns they have."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd

from analysis.runs.store import config_of
from analysis.runs.tables import TARGETS
from analysis.theory.decoder_theory import outlooks

# Every predictor gives steps; the null model `training_fraction` knows only |D|, so it
# ranks but has no steps.
PREDICTORS = (
    "inverse_lambda3",
    "exact_flow",
    "optimizer_flow",
    "decoder_flow_blind",
    "decoder_flow",
    "training_fraction",
)
NULL_MODEL = "training_fraction"
DECODER_FLOWS = ("decoder_flow_blind", "decoder_flow")  # a time for each target, and a probability of success
GRADIENT_FLOWS = ("inverse_lambda3", "exact_flow")  # times proportional to Z0
NAMES = {
    "inverse_lambda3": "Z0/(lambda_3 eta)",
    "exact_flow": "exact gradient flow",
    "optimizer_flow": "optimiser-aware flow",
    "decoder_flow_blind": "decoder theory, blind",
    "decoder_flow": "decoder theory",
    "training_fraction": "training fraction (null model)",
}


def predict_decoder(runs: pd.DataFrame, draws: int, on_draws: Callable[[int], object] = lambda n: None) -> pd.DataFrame:
    """What the theory with a decoder says of each run in a table of the run store; a
    row a run, with its `key`.

    For `decoder_flow`, which knows the run's targets, and `decoder_flow_blind`, which
    does not and has twice the `draws`: the median steps to each target (`time_column`),
    and as NAME_success the probability of RQI > 0.95 within the budget, the share of
    draws.
    """
    configs = [config_of(key) for key in runs["key"]]
    columns: dict[str, Any] = {"key": runs["key"]}
    for name, n in (("decoder_flow_blind", 2 * draws), ("decoder_flow", draws)):
        found = outlooks(configs, n, name == "decoder_flow_blind", partial(on_draws, n))
        for target in TARGETS:
            columns[time_column(name, target)] = [outlook.median(target) for outlook in found]
        columns[f"{name}_success"] = [outlook.success for outlook in found]
    return pd.DataFrame(columns)


def time_column(predictor: str, target: str) -> str:
    """The column of a predictor's steps to a target: only the theory with a decoder has
    others than those to RQI.
    """
    return f"{predictor}_{target}" if predictor in DECODER_FLOWS and target != "rqi" else predictor
