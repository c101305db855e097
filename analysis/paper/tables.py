"""The tables behind figures 3 to 5 and 16 to 18: theory beside experiment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

import efftheory as et
from analysis.predictors.catalogue import CATALOGUE, predict
from analysis.predictors.effective import described
from analysis.predictors.predictor import Run
from analysis.runs.store import RunStore
from analysis.scores.table import score
from efftheory.embeddings import standardize
from neural import RunConfig

_FLOWS = [CATALOGUE[name] for name in ("inverse_lambda3", "exact_flow", "optimizer_flow")]


def states_at(store: RunStore, configs: Sequence[RunConfig], step: int) -> pd.DataFrame:
    """Each run of one p at `step` (its last state if it retired before; recorded every
    50 steps at the default budget).

    Columns: n_train, seed, fraction, accuracy (over D0), rqi, predicted_accuracy (of
    the embedding at that step), ideal_accuracy.
    """
    op, runs = et.addition(configs[0].p), store.table(configs)
    states = []
    for curves in map(store.curves, configs):
        at = int(np.searchsorted(curves["steps"], step, side="right")) - 1
        states.append({name: values[at] for name, values in curves.items()})
    there, n = pd.DataFrame(states), runs["n_train"]
    right = there["train_accuracy"] * n + there["test_accuracy"].fillna(0) * (op.n_samples - n)
    pairs = zip(runs["mask"], there["embedding"], strict=True)
    return runs[["n_train", "seed"]].assign(
        fraction=n / op.n_samples,
        accuracy=right / op.n_samples,
        rqi=there["rqi"],
        predicted_accuracy=[et.predicted_accuracy(op, mask, E) for mask, E in pairs],
        ideal_accuracy=[et.ideal_accuracy(op, mask) for mask in runs["mask"]],
    )


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
    found = score(runs, predict(store, runs, _FLOWS), _FLOWS, ["rqi"], ["n_train"], within=None)
    return found.sort_values("n_train", kind="stable").assign(fraction=found["n_train"] / configs[0].n_samples)


def lambda3_samples(p: int, sizes: Sequence[int], sets: int, seed: int) -> pd.DataFrame:
    """lambda_3 of `sets` random training sets of each size: fraction, lambda3 (0 if not
    linear).
    """
    op, rng = et.addition(p), np.random.default_rng(seed)
    found = pd.DataFrame({"fraction": np.repeat(sizes, sets) / op.n_samples})
    drawn = (op.random_training_set(n, rng) for n in sizes for _ in range(sets))
    return found.assign(lambda3=[et.describe(op, mask).lambda3 for mask in drawn])


def trajectories(store: RunStore, config: RunConfig) -> tuple[pd.DataFrame, pd.DataFrame, float]:
    """Standardised embeddings of one run over time: (theory's exact flow, network,
    n_h = Z0/(lambda_3 eta)).

    Both tables: steps, and a column a symbol, 0..p-1. The theory starts at the run's
    own initial embedding. d = 1.
    """
    op, run = et.addition(config.p), store.table([config]).iloc[0]
    start = run["initial_embedding"] - run["initial_embedding"].mean(axis=0)
    steps = np.concatenate(([0.0], np.geomspace(1, config.budget, 200)))
    flow = et.flow(op, run["mask"], start, steps * config.repr_lr)
    curves = store.curves(config)
    theory, network = (
        pd.DataFrame(standardize(E)[:, :, 0]).assign(steps=at)
        for at, E in ((steps, flow.E), (curves["steps"], curves["embedding"]))
    )
    return theory, network, et.grokking_steps(op, run["mask"], config.repr_lr, float((start**2).sum()))


def outcomes(store: RunStore, configs: Sequence[Any]) -> pd.DataFrame:
    """Runs on the group S3 as in the store, with `fraction`, `predicted_accuracy` of
    the final embedding, and `best`: whether a run has the highest final RQI of its size
    (of equals the highest accuracy, then the lowest seed).
    """
    op, table = et.symmetric_group(3), store.table(configs)
    states = zip(table["mask"], table["final_embedding"], strict=True)
    ranked = table.sort_values(["rqi", "accuracy", "seed"], ascending=[False, False, True])
    return table.assign(
        fraction=table["n_train"] / op.n_samples,
        predicted_accuracy=[et.predicted_accuracy(op, mask, E) for mask, E in states],
        best=table.index.isin(ranked.groupby("n_train").head(1).index),
    )
