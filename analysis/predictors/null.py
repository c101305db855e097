"""What a theory must beat: predictors that know the amount of data, or the outcomes of
other seeds.

What is fitted is fitted to the seeds other than that of the run it is asked of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from analysis.predictors.predictor import Predictor, Run, Told, of_sums, on, size_field, targets_of
from analysis.runs.store import key

RIDGE = 0.1  # keeps the logistic finite where steps tell success from failure without an error


def _less_data(run: Run, draws: int) -> dict[str, Told]:
    config = run.config
    said = Told(-(config.n_train / config.n_samples if on("toy")(config) else getattr(config, size_field(config))))
    return dict.fromkeys(targets_of(config), said)


def _has_size(config: object) -> bool:
    return hasattr(config, size_field(config))


def _settings(runs: Sequence[Run], *without: str) -> NDArray[np.int64]:
    """The number of each run's setting, (n,): all but its seed and these fields."""
    names = {"seed", "replica", "samples", *without}
    labels = [tuple((name, value) for name, value in vars(run.config).items() if name not in names) for run in runs]
    return pd.factorize(pd.Series(labels))[0]


def _succeeded(runs: Sequence[Run]) -> NDArray[np.bool_]:
    """Whether each run reached the first of its targets within its budget."""
    return np.array([not np.isnan(run.row[f"steps_to_{targets_of(run.config)[0]}"] or np.nan) for run in runs])


def _share_by_size(runs: Sequence[Run], said: pd.DataFrame) -> list[dict[str, Told]]:
    """The share of the other seeds' runs of the same setting and size; 1/2 of none."""
    setting, success = _settings(runs), _succeeded(runs)
    seeds = np.array([run.config.seed for run in runs])
    found = []
    for k, run in enumerate(runs):
        others = success[(setting == setting[k]) & (seeds != seeds[k])]
        found.append({targets_of(run.config)[0]: Told(probability=others.mean() if len(others) else 0.5)})
    return found


def _of_replicas(runs: Sequence[Run], said: pd.DataFrame) -> list[dict[str, Told]]:
    """The share of the others that differ in the decoder's initial weights alone."""
    success = _succeeded(runs)
    same = pd.factorize(pd.Series([repr(replace(run.config, replica=0)) for run in runs]))[0]
    others = [success[(same == same[k]) & (np.arange(len(runs)) != k)] for k in range(len(runs))]
    return [{"rqi": Told(probability=float(one.mean()) if len(one) else 0.5)} for one in others]


def _logistic(runs: Sequence[Run], said: pd.DataFrame, of: str) -> list[dict[str, Told]]:
    """A logistic regression on the logarithm of predicted steps, and on whether they
    are finite, within a setting, whatever the size; 1/2 without other seeds.
    """
    here = said[(said["predictor"] == of) & (said["target"] == "rqi")].set_index("key")["value"]
    steps = here.reindex([key(run.config) for run in runs]).to_numpy(float)
    setting, success = _settings(runs, size_field(runs[0].config)), _succeeded(runs)
    seeds = np.array([run.config.seed for run in runs])
    chance = np.empty(len(runs))
    for number in range(setting.max() + 1):
        group = np.flatnonzero(setting == number)
        x = _features(steps[group])
        for seed in np.unique(seeds[group]):
            left = seeds[group] == seed
            fitted = fit_logistic(x[~left], success[group][~left])
            chance[group[left]] = expit(x[left] @ fitted)
    return [{"rqi": Told(probability=float(one))} for one in chance]


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


_LOGISTIC = {"inverse_lambda3": "Z0/(lambda_3 eta)", "exact_flow": "exact flow", "optimizer_flow": "optimiser flow"}
_KNOWS = ("D", "E0", "eta_r", "other seeds")
_FITTED = partial(Predictor, gives="chance", fitted=True)
NULL = Predictor("training_fraction", "size alone (null model)", ("size",), _has_size, _less_data, gives="order")
PREDICTORS = (
    NULL,
    _FITTED("share_by_size", "share by size", ("size", "other seeds"), _has_size, of_runs=_share_by_size),
    *(
        _FITTED(f"logistic_{name}", f"logistic of {title}", _KNOWS, of_sums, of_runs=partial(_logistic, of=name))
        for name, title in _LOGISTIC.items()
    ),
)
# Not in the catalogue: it asks of runs that were trained several times.
REPLICAS = _FITTED("replicas", "its other replicas", ("other decoders",), on("toy"), of_runs=_of_replicas)
