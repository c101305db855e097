"""What runs on the group S3 came to: the table behind figures 16 to 18."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

import efftheory as et
from analysis.runs.store import RunStore


def outcomes(store: RunStore, configs: Sequence[Any]) -> pd.DataFrame:
    """The runs as in the store, with `fraction`, `predicted_accuracy` of the final
    embedding, and `best`.

    best: whether a run has the highest final RQI of its size (of equals the highest
    accuracy, then the lowest seed).
    """
    op, table = et.symmetric_group(3), store.table(configs)
    states = zip(table["mask"], table["final_embedding"], strict=True)
    ranked = table.sort_values(["rqi", "accuracy", "seed"], ascending=[False, False, True])
    return table.assign(
        fraction=table["n_train"] / op.n_samples,
        predicted_accuracy=[et.predicted_accuracy(op, mask, E) for mask, E in states],
        best=table.index.isin(ranked.groupby("n_train").head(1).index),
    )
