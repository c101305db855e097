"""Who succeeds, when, and in which order: the theory of rings beside the networks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import efftheory as et
from analysis.modular_theory.predictions import PREDICTORS, Prediction
from analysis.runs.tables import measured
from analysis.scores.bootstrap import MIN_OBSERVED, bootstrap_weights, interval
from analysis.scores.concordance import compare_pairs
from analysis.scores.survival import survival_curve

# Test accuracies whose first steps are asked for, with the columns of the store.
TARGETS = {"test accuracy 0.5": "test_50", "test accuracy 0.95": "test_95"}
NULL_MODEL = "training fraction"


@dataclass(frozen=True)
class Time:
    """Steps to a target.

    Attributes:
        target: of TARGETS.
        n_observed: how many runs got there.
        median: Kaplan-Meier's; None: half of the runs never do.
        interval: of the median, 95 %; None: no bound.
    """

    target: str
    n_observed: int
    median: float | None
    interval: tuple[float | None, float | None]


@dataclass(frozen=True)
class Setting:
    """The runs of a set-up at one training fraction.

    Attributes:
        setup, fraction: which.
        n: how many runs.
        unique: the share whose training set determines the ring.
        ideal_accuracy: the mean of the share of samples that parallelograms lead to.
        inverse_lambda: the median of 1/lambda; None: infinite.
        memorised: the share that reaches train accuracy 0.99.
        generalised, generalised_interval: the share that reaches test accuracy 0.95
            within the budget, with its exact 95 % interval.
        times: one a target.
    """

    setup: str
    fraction: float
    n: int
    unique: float
    ideal_accuracy: float
    inverse_lambda: float | None
    memorised: float
    generalised: float
    generalised_interval: tuple[float, float]
    times: list[Time]


@dataclass(frozen=True)
class Order:
    """Does a predictor put the runs in the order of their times?

    Attributes:
        setup, fraction: which runs; fraction None: all of the set-up.
        target: of TARGETS.
        predictor: of PREDICTORS, or NULL_MODEL.
        n, n_observed: runs, and those that got there.
        c_index: concordance; None where fewer than MIN_OBSERVED got there.
        interval: bootstrap over the runs of each fraction, 95 %.
    """

    setup: str
    fraction: float | None
    target: str
    predictor: str
    n: int
    n_observed: int
    c_index: float | None
    interval: tuple[float, float] | None


def setting(name: str, runs: pd.DataFrame, predictions: list[Prediction]) -> Setting:
    """Of the runs of one set-up and fraction, and what was predicted of each."""
    [fraction] = set(runs["fraction"])
    reached = et.proportion(int(runs["steps_to_test_95"].notna().sum()), len(runs))
    slowest = float(np.median([one.inverse_lambda for one in predictions]))
    return Setting(
        setup=name,
        fraction=float(fraction),
        n=len(runs),
        unique=float(np.mean([one.unique for one in predictions])),
        ideal_accuracy=float(np.mean([one.ideal_accuracy for one in predictions])),
        inverse_lambda=slowest if np.isfinite(slowest) else None,
        memorised=float(runs["steps_to_train_99"].notna().mean()),
        generalised=reached.value,
        generalised_interval=reached.interval,
        times=[_time(runs, target) for target in TARGETS],
    )


def _time(runs: pd.DataFrame, target: str) -> Time:
    steps, seen = measured(runs, TARGETS[target])
    curve = survival_curve(steps, seen)
    return Time(target, int(seen.sum()), curve.quantile(0.5), curve.quantile_interval(0.5))


def orders(name: str, runs: pd.DataFrame, predictions: list[Prediction]) -> list[Order]:
    """Of the runs of a set-up: within each fraction, and over all of them, where the
    fraction alone is a predictor as well.
    """
    scores = {predictor: np.array([of(one) for one in predictions]) for predictor, of in PREDICTORS.items()}
    fractions = runs["fraction"].to_numpy(float)
    found = []
    for target in TARGETS:
        for fraction in sorted(set(fractions.tolist())):
            here = fractions == fraction
            for predictor, values in scores.items():
                found.append(_order((name, fraction, target, predictor), runs[here], values[here]))
        for predictor, values in {NULL_MODEL: -fractions, **scores}.items():
            found.append(_order((name, None, target, predictor), runs, values))
    return found


def _order(which: tuple[str, float | None, str, str], runs: pd.DataFrame, predicted: NDArray[np.float64]) -> Order:
    steps, seen = measured(runs, TARGETS[which[2]])
    n_observed = int(seen.sum())
    if n_observed < MIN_OBSERVED:
        return Order(*which, len(runs), n_observed, None, None)
    pairs = compare_pairs(steps, seen, predicted)
    weights = bootstrap_weights(runs["fraction"], seed=0)
    index = float(pairs.index(np.ones((1, len(runs))))[0])
    return Order(*which, len(runs), n_observed, index, interval(pairs.index(weights)))
