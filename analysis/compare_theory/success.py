"""Who succeeds, run by run? Each predictor's probability of RQI > 0.95 within the
budget, against what happened.

For every predictor alike a run that was censored or diverged has failed. What is fitted
is fitted within a setting, to the seeds other than that of the run it is asked of.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from analysis.runs.tables import SETTING, Setting, settings
from analysis.scores.bootstrap import BOOTSTRAPS, MIN_OBSERVED, bootstrap_weights, interval
from analysis.scores.calibration import Calibration, calibrate
from analysis.scores.concordance import compare_pairs
from analysis.scores.entries import number
from analysis.theory.predictions import DECODER_FLOWS, LinearProbability

LOGISTIC = {f"logistic_{name}": name for name in ("inverse_lambda3", "exact_flow", "optimizer_flow")}
SUCCESS_PREDICTORS = ("share_by_size", "linear_probability", *LOGISTIC, *DECODER_FLOWS)
BASELINE = "logistic_exact_flow"  # what a theory with a decoder must beat
FITTED = ("share_by_size", *LOGISTIC)  # to the other seeds
RIDGE = 0.1  # keeps the logistic finite where steps tell success from failure without an error


@dataclass(frozen=True)
class _Discrimination:
    """Whether successes were given higher probabilities than failures.

    Attributes:
        auc: the chance that of a success and a failure the success was; None without
            either.
        auc_interval: its 95 % interval; None where fewer than MIN_OBSERVED runs
            succeeded, or failed.
    """

    auc: float | None
    auc_interval: tuple[float, float] | None


@dataclass(frozen=True)
class Score(Calibration, _Discrimination):
    """Discrimination and calibration; and the 95 % interval of the Brier score."""

    brier_interval: tuple[float, float] | None


@dataclass(frozen=True)
class _OfPredictor:
    predictor: str  # of SUCCESS_PREDICTORS


@dataclass(frozen=True)
class SuccessScore(Score, Setting, _OfPredictor):
    """How well one predictor says who succeeds, in a setting's runs or in all.

    Attributes:
        brier_minus_baseline, brier_minus_baseline_interval: difference to the Brier
            score of BASELINE on the same runs, with its 95 % interval.
    """

    brier_minus_baseline: float
    brier_minus_baseline_interval: tuple[float, float] | None


@dataclass(frozen=True)
class _OfPair(_OfPredictor):
    minus: str  # another of SUCCESS_PREDICTORS


@dataclass(frozen=True)
class BrierDifference(Setting, _OfPair):
    """The Brier score of one predictor minus that of another, on the same runs: those
    of a setting, or all.

    Attributes:
        difference, interval: below 0 where `predictor` is better than `minus`, with its
            95 % interval.
        n: number of runs.
    """

    difference: float
    interval: tuple[float, float] | None
    n: int


@dataclass(frozen=True)
class Irreducible(Setting):
    """What even a perfect predictor that knows D, E0 and the targets gets wrong.

    Attributes:
        brier: the mean over runs of p (1 - p).
        brier_interval: its 95 % interval; None where no replicas disagree.
        n_replicas, n: replicas of each run, runs.
        by_replicas: of predicting replica 0 by the share of the others.
    """

    brier: float
    brier_interval: tuple[float, float] | None
    n_replicas: int
    n: int
    by_replicas: Score


def predict_success(runs: pd.DataFrame, chances: list[LinearProbability]) -> pd.DataFrame:
    """Each predictor's probability of success, a row a run as in `runs`; `chances` are
    `linear_probabilities`.

    `share_by_size`: the share of the other seeds' runs of the same size.
    `logistic_NAME`: a logistic regression on the logarithm of the predicted steps, and
    on whether they are finite. Both say 1/2 where there are no other seeds.
    """
    linear = {entry.n_train: entry.predicted for entry in chances}
    predicted = pd.DataFrame(index=runs.index)
    predicted["linear_probability"] = [linear[n] for n in runs["n_train"]]
    for name in DECODER_FLOWS:
        predicted[name] = runs[f"{name}_success"]
    for _, group in settings(runs):
        success, n_train = succeeded(group), group["n_train"].to_numpy()
        features = {name: _features(group[steps].to_numpy(float)) for name, steps in LOGISTIC.items()}
        for seed in sorted(set(group["seed"])):
            left = (group["seed"] == seed).to_numpy()
            rows = group.index[left]
            shares = [success[~left & (n_train == n)] for n in n_train[left]]
            predicted.loc[rows, "share_by_size"] = [share.mean() if len(share) else 0.5 for share in shares]
            for name, x in features.items():
                predicted.loc[rows, name] = expit(x[left] @ fit_logistic(x[~left], success[~left]))
    return predicted[list(SUCCESS_PREDICTORS)]


def succeeded(runs: pd.DataFrame) -> NDArray[np.bool_]:
    return runs["steps_to_rqi"].notna().to_numpy()


def _features(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 3): 1, log steps (standardised; 0 where they are infinite), whether they are
    infinite.
    """
    finite = np.isfinite(steps)
    logs = np.zeros(len(steps))
    if finite.any():
        logs[finite] = np.log(steps[finite].clip(min=1))
        logs[finite] -= logs[finite].mean()
        logs /= logs[finite].std() or 1
    return np.column_stack([np.ones(len(steps)), logs, ~finite])


def fit_logistic(x: NDArray[np.float64], outcome: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Coefficients (k,) of P = expit(x @ coefficients), x (n, k), by maximum likelihood
    with a ridge.
    """

    def cost(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = x @ w
        value = np.logaddexp(0, z).sum() - z[outcome].sum() + RIDGE / 2 * (w @ w)
        return float(value), x.T @ (expit(z) - outcome) + RIDGE * w

    return minimize(cost, np.zeros(x.shape[1]), jac=True, method="BFGS").x


def score_success(runs: pd.DataFrame, predicted: pd.DataFrame, seed: int) -> list[SuccessScore]:
    """Discrimination (AUC) and calibration of each predictor (`predict_success`) for
    each setting.

    Those over all settings come last, with None for the learning rates. Intervals take
    the predictions as they are: what is fitted is not fitted again.
    """
    scores = []
    for setting, group in _with_all(runs):
        success, weights = succeeded(group), cluster_weights(group, seed)
        chances = predicted.loc[group.index, list(SUCCESS_PREDICTORS)]
        errors = (chances.to_numpy() - success[:, None]) ** 2 - (chances[[BASELINE]].to_numpy() - success[:, None]) ** 2
        for name, gap in zip(SUCCESS_PREDICTORS, errors.T, strict=True):
            scores.append(
                SuccessScore(
                    predictor=name,
                    **vars(setting),
                    **vars(_score(chances[name].to_numpy(), success, weights)),
                    brier_minus_baseline=float(gap.mean()),
                    brier_minus_baseline_interval=interval(_means(gap, weights)),
                )
            )
    return scores


def score_differences(runs: pd.DataFrame, predicted: pd.DataFrame, seed: int) -> list[BrierDifference]:
    """Each theory with a decoder beside each fitted predictor: by setting, and last
    over all of them.

    Runs are drawn as in `score_success`, both predictors' together.
    """
    found = []
    for setting, group in _with_all(runs):
        success, weights = succeeded(group), cluster_weights(group, seed)
        errors = (predicted.loc[group.index] - success[:, None]) ** 2
        for name, other in product(DECODER_FLOWS, FITTED):
            gap = (errors[name] - errors[other]).to_numpy()
            found.append(
                BrierDifference(
                    predictor=name,
                    minus=other,
                    **vars(setting),
                    difference=float(gap.mean()),
                    interval=interval(_means(gap, weights)),
                    n=len(group),
                )
            )
    return found


def score_irreducible(everyone: pd.DataFrame, seed: int) -> list[Irreducible]:
    """`Irreducible` of each setting, and last of all runs; none without replicas.

    `everyone` has all replicas of each run; they differ in the decoder's initial
    weights. The mean of p (1 - p) is, without bias, that of k (R - k) / (R (R - 1)) for
    k successes in R replicas.
    """
    success = everyone.assign(success=succeeded(everyone).astype(float))
    table = success.pivot_table(index=[*SETTING, "n_train", "seed"], columns="replica", values="success")
    replicas = table.to_numpy()
    n_replicas = replicas.shape[1]
    if n_replicas == 1:
        return []
    k = replicas.sum(axis=1)
    runs = table.index.to_frame(index=False).assign(doubt=k * (n_replicas - k) / (n_replicas * (n_replicas - 1)))
    entries = []
    for setting, group in _with_all(runs):
        weights, first, *others = cluster_weights(group, seed), *replicas[group.index].T
        doubt = group["doubt"].to_numpy()
        bounds = interval(_means(doubt, weights)) if doubt.any() else None
        entries.append(
            Irreducible(
                **vars(setting),
                brier=float(doubt.mean()),
                brier_interval=bounds,
                n_replicas=n_replicas,
                n=len(group),
                by_replicas=_score(np.mean(others, axis=0), first == 1, weights),
            )
        )
    return entries


def cluster_weights(runs: pd.DataFrame, seed: int, draws: int = BOOTSTRAPS) -> NDArray[np.float64]:
    """Bootstrap weights (draws, n) that draw training sets, each with its runs of all
    settings, within each size.

    Runs of one (seed, n_train) share training set, initial embedding and targets.
    """
    clusters, member = np.unique(runs[["n_train", "seed"]].to_numpy(), axis=0, return_inverse=True)
    return bootstrap_weights(clusters[:, 0], seed, draws)[:, member.ravel()]


def _with_all(runs: pd.DataFrame) -> list[tuple[Setting, pd.DataFrame]]:
    return [*settings(runs), (Setting(None, None), runs)]


def _score(predicted: NDArray[np.float64], success: NDArray[np.bool_], weights: NDArray[np.float64]) -> Score:
    order = compare_pairs(~success, success, -predicted)  # a success is a time of 0, a failure is censored at 1
    enough = min(success.sum(), (~success).sum()) >= MIN_OBSERVED
    return Score(
        auc=number(order.index(np.ones((1, len(success))))[0]),
        auc_interval=interval(order.index(weights)) if enough else None,
        **vars(calibrate(predicted, success)),
        brier_interval=interval(_means((predicted - success) ** 2, weights)),
    )


def _means(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of values (n,) in each bootstrap of weights (draws, n)."""
    return weights @ values / weights.sum(axis=1)
