"""The tables behind figures 1, 2, 7, 21 and 22: embeddings of networks that learn
addition modulo p, from their checkpoints; and what the decoder reads wherever it looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.measures.components import component_accuracy, effective_dimension, projected
from analysis.runs.store import RunStore
from analysis.runs.traces import Traces
from neural import ModularConfig
from neural.families.modular import answers_at, correct_samples, task

_MARGIN = 0.15  # of the symbols' extent, drawn around them


class Stage(NamedTuple):
    """The symbols at one moment of training: what the moment is, updates done and the
    accuracies then; their places, float64 (p, 2), along the first two principal
    components, and the share of the variance along these.
    """

    name: str
    step: int
    train_accuracy: float
    test_accuracy: float
    places: NDArray[np.float64]
    share: float


def _symbols(traces: Traces) -> NDArray[np.float64]:
    """A transformer's symbols at each checkpoint, (S, p, d), without equals sign."""
    return traces.checkpoints["embedding"][:, :-1].astype(np.float64)


def film(store: RunStore, config: ModularConfig) -> list[Stage]:
    """All checkpoints, along the first two principal components of the last."""
    traces = store.traces(config)
    E = _symbols(traces)
    return [_stage("checkpoint", traces, number, projected(here, E[-1])) for number, here in enumerate(E)]


def stages(store: RunStore, config: ModularConfig) -> list[Stage]:
    """At the start, at the checkpoints after which the training set is memorised and
    half of the test set is right, and at the end; those that there were.
    """
    traces = store.traces(config)
    E, at = _symbols(traces), traces.checkpoint_steps
    test, train = traces.metrics["test_accuracy"], traces.metrics["train_accuracy"]
    moments = {"start": 0}
    for name, reached in (("memorised", train >= 0.99), ("half of the test set", test >= 0.5)):
        if reached.any():
            moments[name] = int(np.searchsorted(at, traces.steps[reached.argmax()]))
    moments["end"] = len(at) - 1
    return [_stage(name, traces, number, projected(E[number], E[number])) for name, number in moments.items()]


def _stage(name: str, traces: Traces, number: int, places: NDArray[np.float64]) -> Stage:
    """A checkpoint, with its symbols at `places`."""
    step, here = int(traces.checkpoint_steps[number]), _symbols(traces)[number]
    look = int(np.searchsorted(traces.steps, step))
    accuracies = {of: float(traces.metrics[of][look]) for of in ("train_accuracy", "test_accuracy")}
    share = float((places**2).sum() / ((here - here.mean(axis=0)) ** 2).sum())
    return Stage(name=name, step=step, places=places, share=share, **accuracies)


def accuracy_by_components(store: RunStore, config: ModularConfig) -> pd.DataFrame:
    """Accuracies of the last network with the first k components: a row a k, from 0."""
    traces = store.traces(config)
    last = {name: values[-1] for name, values in traces.checkpoints.items()}
    E = _symbols(traces)[-1]
    accuracies = {}
    for name, samples in (("train_accuracy", traces.mask), ("test_accuracy", ~traces.mask)):

        def correct(embedding: NDArray[np.float64], samples: NDArray[np.bool_] = samples) -> NDArray[np.bool_]:
            table = np.concatenate([embedding, last["embedding"][-1:]]).astype(last["embedding"].dtype)
            return correct_samples(config, last | {"embedding": table})[samples]

        accuracies[name] = component_accuracy(E, E, correct)
    return pd.DataFrame(accuracies).rename_axis("components").reset_index()


def dimensions(store: RunStore, configs: Sequence[ModularConfig]) -> pd.DataFrame:
    """Effective dimension of the embeddings, a row a run and checkpoint: seed, step,
    effective_dimension, and of the run steps_to_test_95 (nan: not within the budget).
    """
    tables = []
    for config, time in zip(configs, store.table(configs)["steps_to_test_95"], strict=True):
        traces = store.traces(config)
        found = {"step": traces.checkpoint_steps, "effective_dimension": map(effective_dimension, _symbols(traces))}
        tables.append(pd.DataFrame(found).assign(seed=config.seed, steps_to_test_95=time))
    return pd.concat(tables)


def around_generalisation(table: pd.DataFrame) -> pd.DataFrame:
    """What `dimensions` did in each run that generalised: a row a run with seed, start,
    most (until steps_to_test_95), general (the last checkpoint until then) and end.
    """
    there = table.dropna(subset="steps_to_test_95").sort_values("step")
    before = there[there["step"] <= there["steps_to_test_95"]]
    whole, until = (some.groupby("seed")["effective_dimension"] for some in (there, before))
    found = {"start": whole.first(), "most": until.max(), "general": until.last(), "end": whole.last()}
    return pd.DataFrame(found).reset_index()


class Plane(NamedTuple):
    """A trained network with two-dimensional embeddings.

    unseen_accuracy, n_unseen: over the unordered pairs that are not trained on in
    either order, which the decoder cannot tell apart, and how many these are; nan if
    there are none. places: float64 (p, 2), the symbols. answers: int64 (n, n), the most
    probable result where a row (second component) and a column (first) of `grid`,
    float64 (2, n), meet. means, results, trained: of each unordered pair the mean of
    its symbols (M, 2), its result (M,), and whether it is trained on, bool (M,).
    """

    config: ModularConfig
    train_accuracy: float
    unseen_accuracy: float
    n_unseen: int
    places: NDArray[np.float64]
    answers: NDArray[np.int64]
    grid: NDArray[np.float64]
    means: NDArray[np.float64]
    results: NDArray[np.int64]
    trained: NDArray[np.bool_]


def plane(store: RunStore, config: ModularConfig, n: int = 300) -> Plane:
    """Of a finished run of the perceptron with d = 2, on a grid of n x n places."""
    traces, (pairs, results) = store.traces(config), task(config)
    weights = {name: values[-1] for name, values in traces.checkpoints.items()}
    E = weights["embedding"].astype(np.float64)
    seen = traces.mask | traces.mask.reshape(config.p, config.p).T.ravel()
    once = pairs[:, 0] <= pairs[:, 1]
    unseen = ~seen & once
    low, high = E.min(axis=0), E.max(axis=0)
    margin = _MARGIN * (high - low).max()
    grid = np.linspace(low - margin, high + margin, n).T
    places = np.stack(np.meshgrid(*grid), axis=-1).reshape(-1, 2)
    return Plane(
        config=config,
        train_accuracy=float(traces.correct[traces.mask].mean()),
        unseen_accuracy=float(traces.correct[unseen].mean()) if unseen.any() else float("nan"),
        n_unseen=int(unseen.sum()),
        places=E,
        answers=answers_at(config, weights, places).reshape(n, n),
        grid=grid,
        means=E[pairs[once]].mean(axis=1),
        results=results[once],
        trained=seen[once],
    )
