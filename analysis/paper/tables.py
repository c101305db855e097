"""The tables behind the paper's figures 3 to 5, theory beside experiment; and medians
for any of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

import efftheory as et
from analysis.predictors.catalogue import CATALOGUE, predict
from analysis.predictors.effective import described
from analysis.predictors.predictor import Run
from analysis.runs.store import RunStore
from analysis.scores.table import score
from neural import RunConfig

_FLOWS = [CATALOGUE[name] for name in ("inverse_lambda3", "exact_flow", "optimizer_flow")]


def states_at(store: RunStore, configs: Sequence[RunConfig], step: int) -> pd.DataFrame:
    """Each run at `step` (its last state if it retired before; recorded every 50 steps
    at the default budget).

    Columns: n_train, seed, fraction, accuracy (over D0), rqi, predicted_accuracy (of
    the embedding at that step), ideal_accuracy.
    """
    rows = []
    runs = store.table(configs)
    for config, mask in zip(configs, runs["mask"], strict=True):
        op = et.addition(config.p)
        curves = store.curves(config)
        at = int(np.searchsorted(curves["steps"], step, side="right")) - 1
        n_test = op.n_samples - config.n_train
        right = curves["train_accuracy"][at] * config.n_train
        if n_test:
            right += curves["test_accuracy"][at] * n_test
        rows.append(
            {
                "n_train": config.n_train,
                "seed": config.seed,
                "fraction": config.n_train / op.n_samples,
                "accuracy": right / op.n_samples,
                "rqi": curves["rqi"][at],
                "predicted_accuracy": et.predicted_accuracy(op, mask, curves["embedding"][at]),
                "ideal_accuracy": et.ideal_accuracy(op, mask),
            }
        )
    return pd.DataFrame(rows)


def measured_times(store: RunStore, configs: Sequence[RunConfig]) -> pd.DataFrame:
    """The runs with `nullity`, `lambda3` and `z0`, steps to RQI > 0.95 by each of the
    theories without a decoder, `fraction`, and `inverse_lambda3_standardized`.

    The latter is Z0/(lambda_3 eta) with the Z0 = (p - 1) d of a standardised embedding.
    """
    runs = store.table(configs)
    said = predict(store, runs, _FLOWS).query("target == 'rqi'").pivot(index="key", columns="predictor", values="value")
    runs = runs.join(pd.DataFrame([described(Run(config, runs.iloc[k])) for k, config in enumerate(configs)]))
    runs = runs.merge(said.reset_index(), on="key")
    return runs.assign(
        fraction=runs["n_train"] / (runs["p"] * (runs["p"] + 1) / 2),
        inverse_lambda3_standardized=runs["inverse_lambda3"] * (runs["p"] - 1) * runs["d"] / runs["z0"],
    )


def steps_by_size(store: RunStore, configs: Sequence[RunConfig]) -> pd.DataFrame:
    """Shares of runs that reach RQI > 0.95 (`did`) and medians of the steps, measured
    and predicted, by size: rows of `score`, with `fraction`.
    """
    runs = store.table(configs)
    said = predict(store, runs, _FLOWS)
    found = score(runs, said, _FLOWS, ["rqi"], ["n_train"], within=None)
    return found.sort_values("n_train", kind="stable").assign(fraction=found["n_train"] / configs[0].n_samples)


def lambda3_samples(p: int, sizes: Sequence[int], sets: int, seed: int) -> pd.DataFrame:
    """lambda_3 of `sets` random training sets of each size: n_train, fraction, lambda3
    (0 if not linear).
    """
    op = et.addition(p)
    rng = np.random.default_rng(seed)
    rows = [
        {
            "n_train": n,
            "fraction": n / op.n_samples,
            "lambda3": et.describe(op, op.random_training_set(n, rng)).lambda3,
        }
        for n in sizes
        for _ in range(sets)
    ]
    return pd.DataFrame(rows)


def trajectories(store: RunStore, config: RunConfig) -> tuple[pd.DataFrame, pd.DataFrame, float]:
    """Standardised embeddings of one run over time: (theory's exact flow, network,
    n_h = Z0/(lambda_3 eta)).

    Both tables: steps, and a column a symbol, 0..p-1. The theory starts at the run's
    own initial embedding. d = 1.
    """
    op = et.addition(config.p)
    run = store.table([config]).iloc[0]
    start = run["initial_embedding"] - run["initial_embedding"].mean(axis=0)
    steps = np.concatenate(([0.0], np.geomspace(1, config.budget, 200)))
    flow = et.flow(op, run["mask"], start, steps * config.repr_lr)
    curves = store.curves(config)
    e_folding = et.grokking_steps(op, run["mask"], config.repr_lr, float((start**2).sum()))
    return _standardized(steps, flow.E), _standardized(curves["steps"], curves["embedding"]), e_folding


def _standardized(steps: np.ndarray, E: np.ndarray) -> pd.DataFrame:
    x = E[:, :, 0]
    x = (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, ddof=1, keepdims=True)
    return pd.DataFrame(x).assign(steps=steps)


def lower_medians(runs: pd.DataFrame, field: str, names: Sequence[str]) -> pd.DataFrame:
    """A row a value of `field`: the lower medians over its runs of these steps; inf
    where fewer than half of the runs got there.
    """
    steps = runs[list(names)].fillna(np.inf).assign(**{field: runs[field]})
    return steps.groupby(field).quantile(0.5, interpolation="lower").reset_index()
