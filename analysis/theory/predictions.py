"""The theory on the runs' very training sets and initial embeddings, side by side with
what was measured.

Nothing is fitted. Embeddings are centred first: the theory's have mean 0, and a network
of sums does not see a common shift as more than a bias. Z0 is that of the run's own
centred initial embedding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

import efftheory as et
from analysis.runs.store import config_of
from analysis.runs.tables import TARGETS
from analysis.theory.decoder_theory import operation, outlooks

# The theory with a decoder, without the run's targets and with them: a time for each
# target, and a probability of success.
DECODER_FLOWS = ("memory_flow_blind", "memory_flow")


def predict(runs: pd.DataFrame, on_run: Callable[[], object] = lambda: None) -> pd.DataFrame:
    """What the theory says of each run in a table of the run store; a row a run, with
    its `key`.

    `nullity`, `lambda3`, `ideal_accuracy`: of the run's training set.
    `predicted_accuracy`: Acc-hat of its final embedding. `z0`: of its initial
    embedding. One column a predictor: predicted steps to RQI > 0.95, inf = never (for
    `optimizer_flow`: not within the run's budget); for `training_fraction` minus the
    fraction, which ranks only.
    """
    rows = []
    for run in runs.itertuples():
        rows.append(_predict_run(run))
        on_run()
    return pd.DataFrame(rows)


def _predict_run(run: Any) -> dict[str, Any]:
    op = operation(config_of(run.key))
    start = run.initial_embedding - run.initial_embedding.mean(axis=0)
    z0 = float((start**2).sum())
    described = et.describe(op, run.mask)
    descent = et.optimizer_flow(op, run.mask, start, run.repr_optimizer, run.repr_lr, run.budget, run.repr_wd)
    return {
        "key": run.key,
        "nullity": described.nullity,
        "lambda3": described.lambda3,
        "ideal_accuracy": described.ideal_accuracy,
        "predicted_accuracy": _accuracy(op, run.mask, run.final_embedding),
        "z0": z0,
        "inverse_lambda3": et.grokking_steps(op, run.mask, run.repr_lr, z0),
        "exact_flow": et.time_to_rqi(op, run.mask, start) / run.repr_lr,
        "optimizer_flow": descent.time_to_rqi(),
        "training_fraction": -run.n_train / op.n_samples,
    }


def _accuracy(op: et.Operation, mask: np.ndarray, E: np.ndarray) -> float:
    """Acc-hat, nan where training has made the embedding diverge."""
    try:
        return et.predicted_accuracy(op, mask, E)
    except et.ArgumentError:
        return math.nan


def predict_decoder(
    runs: pd.DataFrame,
    draws: int,
    names: Sequence[str] = DECODER_FLOWS,
    on_draws: Callable[[int], object] = lambda n: None,
) -> pd.DataFrame:
    """What the theory with a decoder says of each run in a table of the run store; a
    row a run, with its `key`.

    For each of `names`, of DECODER_FLOWS: the median steps to each target
    (`time_column`), and as NAME_success the probability of RQI > 0.95 within the
    budget, the share of draws. `memory_flow_blind` does not know the run's targets, and
    has twice the `draws`.
    """
    configs = [config_of(key) for key in runs["key"]]
    columns: dict[str, Any] = {"key": runs["key"]}
    for name in names:
        n = n_draws(name, draws)
        found = outlooks(configs, n, _blind(name), on_run=partial(on_draws, n))
        for target in TARGETS:
            columns[time_column(name, target)] = [outlook.median(target) for outlook in found]
        columns[f"{name}_success"] = [outlook.success for outlook in found]
    return pd.DataFrame(columns)


def n_draws(name: str, draws: int) -> int:
    """How many initial decoders a run one of DECODER_FLOWS has: twice the `draws` where
    it draws the targets, too.
    """
    return 2 * draws if _blind(name) else draws


def _blind(name: str) -> bool:
    return name.endswith("_blind")


def time_column(predictor: str, target: str) -> str:
    """The column of a predictor's steps to a target: only the theory with a decoder has
    others than those to RQI.
    """
    return f"{predictor}_{target}" if predictor in DECODER_FLOWS and target != "rqi" else predictor


@dataclass(frozen=True)
class LinearProbability:
    """P(linear) at one training-set size: the share of random training sets that leave
    the linear representation as the only one.

    Attributes:
        n_train: the size |D|.
        fraction: |D|/|D0|.
        predicted, predicted_interval: the share, with its exact 95 % interval.
    """

    n_train: int
    fraction: float
    predicted: float
    predicted_interval: tuple[float, float]


def linear_probabilities(op: et.Operation | int, draws: int, seed: int) -> list[LinearProbability]:
    """P(linear) at every training-set size, from the same draws; of an operation, or of
    addition on so many symbols.
    """
    op = et.addition(op) if isinstance(op, int) else op
    shares = et.linear_probability(op, None, draws, seed)
    return [LinearProbability(n, n / op.n_samples, share.value, share.interval) for n, share in enumerate(shares) if n]
