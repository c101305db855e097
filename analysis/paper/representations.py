"""The tables behind figures 1, 21 and 22: embeddings of a transformer that learns
addition modulo p, from its checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.measures.components import (
    component_accuracy,
    effective_dimension,
    projected,
)
from analysis.runs.store import RunStore
from analysis.runs.traces import Traces
from neural import ModularConfig
from neural.families.modular import correct_samples


@dataclass(frozen=True, eq=False)
class Stage:
    """The symbols at one moment of training.

    Attributes:
        name: what the moment is.
        step: updates done.
        train_accuracy, test_accuracy: then.
        places: float64 (p, 2), along the first two principal components.
        share: of the variance, along these two.
    """

    name: str
    step: int
    train_accuracy: float
    test_accuracy: float
    places: NDArray[np.float64]
    share: float


def symbols(traces: Traces) -> NDArray[np.float64]:
    """The embeddings of the symbols at each checkpoint, (S, p, d), without that of the
    equals sign.
    """
    return traces.checkpoints["embedding"][:, :-1].astype(np.float64)


def film(store: RunStore, config: ModularConfig) -> list[Stage]:
    """All checkpoints, along the first two principal components of the last."""
    traces = store.traces(config)
    E = symbols(traces)
    return [_stage("checkpoint", traces, number, projected(here, E[-1])) for number, here in enumerate(E)]


def stages(store: RunStore, config: ModularConfig) -> list[Stage]:
    """At the start, at the checkpoints after which the training set is memorised and
    half of the test set is right, and at the end; those that there were.
    """
    traces = store.traces(config)
    E, at = symbols(traces), traces.checkpoint_steps
    test, train = traces.metrics["test_accuracy"], traces.metrics["train_accuracy"]
    moments = {"start": 0}
    for name, reached in (("memorised", train >= 0.99), ("half of the test set", test >= 0.5)):
        first = np.flatnonzero(reached)
        if len(first):
            moments[name] = int(np.searchsorted(at, traces.steps[first[0]]))
    moments["end"] = len(at) - 1
    return [_stage(name, traces, number, projected(E[number], E[number])) for name, number in moments.items()]


def _stage(name: str, traces: Traces, number: int, places: NDArray[np.float64]) -> Stage:
    """A checkpoint, with its symbols at `places`."""
    step, here = int(traces.checkpoint_steps[number]), symbols(traces)[number]
    look = int(np.searchsorted(traces.steps, step))
    return Stage(
        name=name,
        step=step,
        train_accuracy=float(traces.metrics["train_accuracy"][look]),
        test_accuracy=float(traces.metrics["test_accuracy"][look]),
        places=places,
        share=float((places**2).sum() / ((here - here.mean(axis=0)) ** 2).sum()),
    )


def structure_over_time(store: RunStore, config: ModularConfig) -> pd.DataFrame:
    """A row a checkpoint: step, effective_dimension."""
    traces = store.traces(config)
    dimensions = [effective_dimension(E) for E in symbols(traces)]
    return pd.DataFrame({"step": traces.checkpoint_steps, "effective_dimension": dimensions})


def learning_curves(store: RunStore, config: ModularConfig) -> pd.DataFrame:
    """A row a look: step, train_accuracy, test_accuracy."""
    traces = store.traces(config)
    accuracies = {name: traces.metrics[name] for name in ("train_accuracy", "test_accuracy")}
    return pd.DataFrame({"step": traces.steps} | accuracies)


def projections(store: RunStore, config: ModularConfig) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The symbols of the first and of the last checkpoint, (p, 2) each, along the first
    two principal components of the last.
    """
    E = symbols(store.traces(config))
    return projected(E[0], E[-1]), projected(E[-1], E[-1])


def accuracy_by_components(store: RunStore, config: ModularConfig) -> pd.DataFrame:
    """Train and test accuracy of the last network with only the first k components of
    its embedding: a row a k, from 0 on.
    """
    traces = store.traces(config)
    last = {name: values[-1] for name, values in traces.checkpoints.items()}
    E = symbols(traces)[-1]
    accuracies = {}
    for name, samples in (("train_accuracy", traces.mask), ("test_accuracy", ~traces.mask)):

        def correct(embedding: NDArray[np.float64], samples: NDArray[np.bool_] = samples) -> NDArray[np.bool_]:
            table = np.concatenate([embedding, last["embedding"][-1:]]).astype(last["embedding"].dtype)
            return correct_samples(config, last | {"embedding": table})[samples]

        accuracies[name] = component_accuracy(E, E, correct)
    return pd.DataFrame(accuracies).rename_axis("components").reset_index()
