"""The effective theory on a run's very training set and initial embeddings: nothing is
fitted, and no decoder is known.

Embeddings are centred first: the theory's have mean 0, and a network of sums does not
see a common shift as more than a bias. Z0 is that of the run's own centred initial
embedding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

import efftheory as et
from analysis.predictors.predictor import Predictor, Run, Told, of_sums
from neural import ConfigError, RunConfig, Table

TARGETS = ("rqi", "train", "test")


def operation(config: RunConfig) -> et.Operation:
    """What a run of the toy model learns; one object for all that learn the same."""
    return _operation(config.operation, config.p)


@cache
def _operation(learned: Table | str, p: int) -> et.Operation:
    if isinstance(learned, Table):
        return et.from_table(learned.results, "sum", f"table {learned}")
    return et.addition(p) if learned == "addition" else et.symmetric_group(3)


def check_table(table: Table, theories: str) -> None:
    """ConfigError, which says why, unless these theories, all of embeddings that are
    added, say something of an operation.
    """
    instead = "analysis.sweep --family modular trains networks on it"
    if table.witness:
        reason = f"commute for the theories asked for ({theories}), which add embeddings of one table, E_a + E_b"
        raise ConfigError(f"`table` must {reason}, but {table.witness}; {instead}.")
    if et.from_table(table.results, "sum").full_nullity < 2:
        reason = "have sums of real embeddings that tell its symbols apart, but has none"
        nobody = f"no network gets there by the theories asked for ({theories})"
        raise ConfigError(f"`table` must {reason}: {nobody}; {instead}.")


def described(run: Run) -> dict[str, Any]:
    """What the theory says of a run's training set: nullity, lambda3, and z0 of its
    initial embeddings.
    """
    found = run.once("described", lambda: et.describe(operation(run.config), run.mask))
    return {"nullity": found.nullity, "lambda3": found.lambda3, "z0": float((_start(run) ** 2).sum())}


def _start(run: Run) -> NDArray[np.float64]:
    return run.row["initial_embedding"] - run.row["initial_embedding"].mean(axis=0)


def _inverse_lambda3(run: Run) -> float:
    z0 = described(run)["z0"]
    return et.grokking_steps(operation(run.config), run.mask, run.config.repr_lr, z0)


def _exact_flow(run: Run) -> float:
    return et.time_to_rqi(operation(run.config), run.mask, _start(run)) / run.config.repr_lr


def _optimizer_flow(run: Run) -> float:
    config = run.config
    rates = (config.repr_optimizer, config.repr_lr, config.budget, config.repr_wd)
    return et.optimizer_flow(operation(config), run.mask, _start(run), *rates).time_to_rqi()


def _steps(of: Callable[[Run], float]) -> Callable[[Run, int], dict[str, Told]]:
    """Steps to RQI > 0.95, which also put those to each accuracy in order."""

    def told(run: Run, draws: int) -> dict[str, Told]:
        return dict.fromkeys(TARGETS, Told(of(run)))

    return told


@cache
def linear_probabilities(op: et.Operation, draws: int) -> list[et.Estimate]:
    """P(linear) at every training-set size 0..N, from the same draws."""
    return et.linear_probability(op, None, draws, 0)


def _linear_probability(run: Run, draws: int) -> dict[str, Told]:
    share = linear_probabilities(operation(run.config), draws)[int(run.mask.sum())]
    return {"rqi": Told(probability=share.value, low=share.interval[0], high=share.interval[1])}


def _unique(run: Run, draws: int) -> dict[str, Told]:
    return {"rqi": Told(probability=float(described(run)["nullity"] == operation(run.config).full_nullity))}


def _ideal_accuracy(run: Run, draws: int) -> dict[str, Told]:
    return {"accuracy": Told(et.ideal_accuracy(operation(run.config), run.mask))}


def _predicted_accuracy(run: Run, draws: int) -> dict[str, Told]:
    try:
        share = et.predicted_accuracy(operation(run.config), run.mask, run.row["final_embedding"])
    except et.ArgumentError:  # training has made the embedding diverge
        share = math.nan
    return {"accuracy": Told(share, read_at=run.row["steps_run"])}


_ALL = ("D", "E0", "eta_r")
PREDICTORS = (
    Predictor("linear_probability", "P(linear)", ("size",), of_sums, _linear_probability, gives="chance", draws=20_000),
    Predictor("unique", "unique linear representation", ("D",), of_sums, _unique, gives="chance"),
    Predictor("inverse_lambda3", "Z0/(lambda_3 eta)", ("D", "norm of E0", "eta_r"), of_sums, _steps(_inverse_lambda3)),
    Predictor("exact_flow", "exact gradient flow", _ALL, of_sums, _steps(_exact_flow)),
    Predictor("optimizer_flow", "optimiser-aware flow", _ALL, of_sums, _steps(_optimizer_flow)),
    Predictor("ideal_accuracy", "ideal accuracy", ("D",), of_sums, _ideal_accuracy, gives="share"),
    Predictor("predicted_accuracy", "accuracy of E", ("D", "final E"), of_sums, _predicted_accuracy, gives="share"),
)
