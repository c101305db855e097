"""What the theory of rings says of a run's training set; no network is asked.

On a ring the angle of a sum is the sum of the angles. A training set determines the
ring where its parallelograms modulo p leave no other angles nearby: where the nullity
is that of all data. A deviation from the ring then decays, mode by mode, at the
eigenvalues of the parallelograms' Hessian over Z0; the slowest is lambda, the first
that is not 0 on all data.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import efftheory as et
from analysis.modular_theory.setups import Setup
from neural import ModularConfig, family_of


@dataclass(frozen=True)
class Prediction:
    """Of one training set.

    Attributes:
        unique: it determines the ring.
        ideal_accuracy: the share of all samples that its parallelograms lead to.
        inverse_lambda: 1/lambda, in units of Z0/eta steps; inf where it does not
            determine the ring.
        mean_time: the mean of 1/eigenvalue over all modes that all data drive,
            likewise.
        parallelograms: |P0(D)|.
        rarest: how many training samples have the symbol that the fewest have.
    """

    unique: bool
    ideal_accuracy: float
    inverse_lambda: float
    mean_time: float
    parallelograms: int
    rarest: int


# What is held against the order of the times: the larger, the later. The last two know
# no theory but the count.
PREDICTORS: dict[str, Callable[[Prediction], float]] = {
    "1/lambda": lambda one: one.inverse_lambda,
    "mean of 1/eigenvalue": lambda one: one.mean_time,
    "few parallelograms": lambda one: -float(one.parallelograms),
    "rarest symbol": lambda one: -float(one.rarest),
}


def operation(setup: Setup) -> et.Operation:
    """The operation that the networks of a set-up learn, with their tables."""
    return et.modular_addition(setup.base.p, setup.tables)


def predict(op: et.Operation, mask: NDArray[np.bool_]) -> Prediction:
    """Of the training set `mask` of `op`, bool (N,)."""
    found = et.spectrum(op, mask)
    driven = found.eigenvalues[op.full_nullity :]
    with np.errstate(divide="ignore"):
        times = 1 / driven
    counts = np.bincount(op.pairs[mask].ravel(), minlength=op.n_symbols)
    return Prediction(
        unique=found.nullity == op.full_nullity,
        ideal_accuracy=et.ideal_accuracy(op, mask),
        inverse_lambda=1 / found.lambda3 if found.lambda3 > 0 else math.inf,
        mean_time=float(times.mean()),
        parallelograms=et.count_parallelograms(op, mask),
        rarest=int(counts.min()),
    )


def training_set(op: et.Operation, config: ModularConfig) -> NDArray[np.bool_]:
    """The run's own, as samples of `op`: of one table, (a, b) and (b, a) are one."""
    ordered = family_of(config).start(config).mask.reshape(config.p, config.p)
    if op.n_samples == config.n_samples:
        return ordered.ravel()
    left, right = op.pairs.T
    return (ordered | ordered.T)[left, right]
