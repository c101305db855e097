"""The runs on the group S3 (appendix H) behind figures 16 to 18, and what they came to.

The paper does not publish its training-set sizes. The penalty 1e-3 mean |E| is in its
code, not in its text.
"""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

import efftheory as et
from analysis.runs.experiments import DIAGRAMS
from analysis.runs.plan import Axis
from analysis.runs.store import RunStore
from neural import RunConfig
from paper_figures.scale import Scale

SEEDS = 11
QUICK = Scale(seeds=5)
SIZES = (*range(3, 36, 3), 35)  # of 36 samples
BASE = replace(DIAGRAMS["s3"].base, budget=10_000)


def runs(scale: Scale) -> list[RunConfig]:
    return scale.runs(BASE, [Axis("n_train", SIZES)], SEEDS)


def outcomes(store: RunStore, scale: Scale) -> pd.DataFrame:
    """The runs as in the store, with `fraction`, `predicted_accuracy` of the final
    embedding, and `best`.

    best: whether a run has the highest final RQI of its size (of equals the highest
    accuracy, then the lowest seed).
    """
    op = et.symmetric_group(3)
    table = store.table(runs(scale))
    states = zip(table["mask"], table["final_embedding"], strict=True)
    ranked = table.sort_values(["rqi", "accuracy", "seed"], ascending=[False, False, True])
    return table.assign(
        fraction=table["n_train"] / op.n_samples,
        predicted_accuracy=[et.predicted_accuracy(op, mask, E) for mask, E in states],
        best=table.index.isin(ranked.groupby("n_train").head(1).index),
    )
