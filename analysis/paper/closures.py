"""What networks realise, against what their training sets determine: the tables behind
figures 9 to 12.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import count, islice
from math import comb
from typing import Any

import pandas as pd
from numpy.typing import NDArray

import efftheory as et
from analysis.paper.hierarchy import (
    determined,
    hierarchy,
    linear_counts,
    realised,
    shares_by_size,
    smallest_linear_set,
    upright,
)
from analysis.runs.store import RunStore
from efftheory.embeddings import standardize
from neural import start


@cache
def first_runs(base: Any, n: int, *, linear: bool) -> list[Any]:
    """`base` with the first n seeds whose training sets leave the linear representation
    as the only one, or do not.
    """
    op = et.addition(base.p)
    runs = (replace(base, seed=seed) for seed in count())
    return list(islice((run for run in runs if et.is_linear(op, start(run).mask) == linear), n))


def best_path(store: RunStore, configs: Sequence[Any]) -> tuple[dict[str, Any], pd.DataFrame]:
    """Of runs of one size, as `reached` counts them, the one with the highest final
    RQI, the first of several: its seed, rqi and samples as text; and its standardised
    embedding over training, the last symbol above the first in the end: steps and a
    column a symbol.
    """
    table = store.table(configs)
    best = int(table["rqi"].argmax())
    curves = store.curves(configs[best])
    x = standardize(curves["embedding"])[:, :, 0]
    path = pd.DataFrame(x if x[-1, -1] >= x[-1, 0] else -x).assign(steps=curves["steps"])
    samples = _sums(et.addition(configs[0].p), table["mask"][best])
    return {**reached(table), "seed": configs[best].seed, "rqi": table["rqi"][best], "samples": samples}, path


def reached(runs: pd.DataFrame) -> dict[str, Any]:
    """How many of the networks reached RQI > 0.95: networks, value, interval."""
    share = et.proportion(int(runs["steps_to_rqi"].notna().sum()), len(runs))
    return {"networks": len(runs), "value": share.value, "interval": share.interval}


def linear_shares(p: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    """How many training sets of each size leave the linear representation as the only
    one: n_train, sets, linear (how many of them do), share; and the row of the smallest
    such set, with its samples as text.
    """
    op = et.addition(p)
    counts = linear_counts(op)
    sets = [comb(op.n_samples, n) for n in range(len(counts))]
    rows = [{"n_train": n, "sets": k, "linear": int(counts[n]), "share": counts[n] / k} for n, k in enumerate(sets)]
    smallest = smallest_linear_set(op, counts)
    return pd.DataFrame(rows), rows[int(smallest.sum())] | {"samples": _sums(op, smallest)}


def _sums(op: et.Operation, mask: NDArray) -> str:
    """The samples of D as text, by result."""
    chosen = op.by_result[mask[op.by_result]]
    return "  ".join(f"{i}+{j}" for i, j in op.pairs[chosen].tolist())


def ideals(store: RunStore, configs: Sequence[Any]) -> pd.DataFrame:
    """Runs of one p beside the most that their training sets allow: n_train, seed, rqi,
    accuracy, fraction, initial_rqi, ideal_rqi, ideal_accuracy.
    """
    op, table = et.addition(configs[0].p), store.table(configs)
    return table[["n_train", "seed", "rqi", "accuracy"]].assign(
        fraction=table["n_train"] / op.n_samples,
        initial_rqi=[et.rqi(op, E) for E in table["initial_embedding"]],
        ideal_rqi=[len(determined(op, mask)) / et.count_parallelograms(op) for mask in table["mask"]],
        ideal_accuracy=[et.ideal_accuracy(op, mask) for mask in table["mask"]],
    )


def closed_sets(p: int) -> tuple[pd.DataFrame, list[tuple[int, int]], pd.DataFrame]:
    """The hierarchy of closed sets of addition, its edges, and the training sets by
    closed set and size, as `hierarchy` and `shares_by_size` make them.
    """
    op = et.addition(p)
    return *hierarchy(op), shares_by_size(op)


def realisations(store: RunStore, configs: Sequence[Any]) -> pd.DataFrame:
    """A row a network: the equations that its training set determines, that it
    realises, and that it realises before training; its embedding (p,).
    """
    op, table = et.addition(configs[0].p), store.table(configs)
    return pd.DataFrame(
        {
            "determined": [determined(op, mask) for mask in table["mask"]],
            "realised": [realised(op, E) for E in table["final_embedding"]],
            "at_start": [realised(op, E) for E in table["initial_embedding"]],
            "embedding": [upright(E) for E in table["final_embedding"]],
        }
    )
