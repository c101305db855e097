"""What the theory of rings says of a training set of addition modulo p; no network is
asked.

On a ring the angle of a sum is the sum of the angles. A training set determines the
ring where its parallelograms modulo p leave no other angles nearby: where the nullity
is that of all data. A deviation from the ring then decays, mode by mode, at the
eigenvalues of the parallelograms' Hessian over Z0; the slowest is lambda, the first
that is not 0 on all data. Times are in units of Z0/eta steps, which a network of many
rings does not tell: they put runs in order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import efftheory as et
from analysis.predictors.predictor import Predictor, Run, Told, on, targets_of
from neural import ModularConfig
from neural.families.modular import Modular


def operation(config: ModularConfig) -> et.Operation:
    """What a run learns: of one table of embeddings where both symbols of a sum are
    looked up in the same.
    """
    return et.modular_addition(config.p, 1 if config.network == "transformer" or config.inputs == "sum" else 2)


def training_set(config: ModularConfig, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The run's own, as samples of its operation: of one table, (a, b) and (b, a) are
    one.
    """
    op, ordered = operation(config), mask.reshape(config.p, config.p)
    if op.n_samples == ordered.size:
        return ordered.ravel()
    left, right = op.pairs.T
    return (ordered | ordered.T)[left, right]


def describe(config: ModularConfig, mask: NDArray[np.bool_]) -> dict[str, float]:
    """Of the training set `mask` (p p,) of a run.

    `unique`: it determines the ring. `ideal_accuracy`: the share of all samples that
    its parallelograms lead to. `inverse_lambda`: 1/lambda, inf where it does not
    determine the ring. `mean_time`: the mean of 1/eigenvalue over all modes that all
    data drive. `few_parallelograms`: -|P0(D)|. `rarest_symbol`: minus how many training
    samples have the symbol that the fewest have.
    """
    op, trained = operation(config), training_set(config, mask)
    found = et.spectrum(op, trained)
    with np.errstate(divide="ignore"):
        times = 1 / found.eigenvalues[op.full_nullity :]
    counts = np.bincount(op.pairs[trained].ravel(), minlength=op.n_symbols)
    return {
        "unique": float(found.nullity == op.full_nullity),
        "ideal_accuracy": et.ideal_accuracy(op, trained),
        "inverse_lambda": 1 / found.lambda3 if found.lambda3 > 0 else math.inf,
        "mean_time": float(times.mean()),
        "few_parallelograms": -float(et.count_parallelograms(op, trained)),
        "rarest_symbol": -float(counts.min()),
    }


def _applies(config: Any) -> bool:
    return on("modular")(config) and config.operation == "modular_addition"


def _of(name: str, probability: bool = False) -> Callable[[Run, int], dict[str, Told]]:
    def told(run: Run, draws: int) -> dict[str, Told]:
        number = run.once("rings", lambda: describe(run.config, Modular.data(run.config).mask))[name]
        success, *others = targets_of(run.config)
        if probability:
            return {success: Told(probability=number)}
        return dict.fromkeys((success, *others), Told(number))

    return told


# The last two know no theory but the count.
_ORDERS = {
    "inverse_lambda": "rings: 1/lambda",
    "mean_time": "rings: mean of 1/eigenvalue",
    "few_parallelograms": "rings: few parallelograms",
    "rarest_symbol": "rings: rarest symbol",
}
PREDICTORS = (
    Predictor("ring_unique", "rings: unique", ("D",), _applies, _of("unique", probability=True), gives="chance"),
    *(Predictor(f"rings_{name}", title, ("D",), _applies, _of(name), gives="order") for name, title in _ORDERS.items()),
)
