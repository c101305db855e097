"""The tables behind figure 7: the effective dimension of transformers that learn
addition modulo p.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.paper.representations import structure_over_time
from analysis.runs.store import RunStore
from neural import ModularConfig


def dimensions(store: RunStore, configs: Sequence[ModularConfig]) -> pd.DataFrame:
    """Effective dimension of the embeddings, a row a run and checkpoint: seed, step,
    effective_dimension, and of the run steps_to_test_95 (nan: not within the budget).
    """
    times = store.table(configs).set_index("seed")["steps_to_test_95"]
    tables = [structure_over_time(store, config).assign(seed=config.seed) for config in configs]
    return pd.concat(tables).assign(steps_to_test_95=lambda table: table["seed"].map(times))


def around_generalisation(table: pd.DataFrame) -> pd.DataFrame:
    """What `dimensions` did in each run that generalised: a row a run with seed, start,
    most (until steps_to_test_95), general (the last checkpoint until then) and end.
    """
    rows = []
    for seed, run in table.dropna(subset="steps_to_test_95").groupby("seed"):
        run = run.sort_values("step")
        before = run[run["step"] <= run["steps_to_test_95"]]
        rows.append(
            {
                "seed": seed,
                "start": run["effective_dimension"].iloc[0],
                "most": before["effective_dimension"].max(),
                "general": before["effective_dimension"].iloc[-1],
                "end": run["effective_dimension"].iloc[-1],
            }
        )
    return pd.DataFrame(rows, columns=["seed", "start", "most", "general", "end"])
