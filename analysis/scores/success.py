"""What counts as success where a way to train is recommended.

A decoder that hardly moves lets the embeddings find their representation, and learns
nothing. So a run must reach its goal and have learned its training set as well, both
within the budget.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# Targets that ask for train accuracy 0.9 beside what they are named after.
LEARNED = {"rqi": "learned_rqi", "test": "learned_test"}


def steps_to_learned(goal: NDArray[np.float64], train: NDArray[np.float64]) -> NDArray[np.float64]:
    """Steps until both are reached, (n,): the later of the two; nan or inf where one of
    them never is.
    """
    return np.maximum(goal, train)


def with_learned(runs: pd.DataFrame) -> pd.DataFrame:
    """A table of runs with steps_to_learned_rqi and steps_to_learned_test; nan: not
    within the budget. As it is, where runs have no such targets.
    """
    steps = {name: runs.get(f"steps_to_{name}") for name in ("train", *LEARNED)}
    train = steps.pop("train")
    columns = {
        f"steps_to_{LEARNED[name]}": steps_to_learned(column.to_numpy(float), train.to_numpy(float))
        for name, column in steps.items()
        if column is not None and train is not None
    }
    return runs.assign(**columns)
