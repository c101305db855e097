"""The table behind figure 2: embeddings in the plane, and what the decoder reads
wherever it looks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.runs.store import RunStore
from neural import ModularConfig
from neural.families.modular import answers_at, task

_MARGIN = 0.15  # of the symbols' extent, drawn around them


@dataclass(frozen=True, eq=False)
class Plane:
    """A trained network with two-dimensional embeddings.

    Attributes:
        config: its run.
        train_accuracy: of the network.
        unseen_accuracy: over the samples of which the set has neither (a, b) nor
            (b, a), which the decoder cannot tell apart; nan if there are none.
        n_unseen: how many unordered pairs these are.
        places: float64 (p, 2), the symbols.
        answers: int64 (n, n), the most probable result where a row (second component)
            and a column (first) of `grid` meet.
        grid: float64 (2, n), the components.
        means, results, trained: of each unordered pair the mean of its symbols (M, 2),
            its result (M,), and whether it is trained on, bool (M,).
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
    mirrored = traces.mask.reshape(config.p, config.p).T.ravel()
    seen, once = traces.mask | mirrored, pairs[:, 0] <= pairs[:, 1]
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
