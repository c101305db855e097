"""What counts as success where a way to train is recommended.

A decoder that hardly moves lets the embeddings find their representation, and learns
nothing. So a run must reach its goal and have learned its training set as well, both
within the budget.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

# Targets that ask for train accuracy 0.9 beside what they are named after.
LEARNED = {"rqi": "learned_rqi", "test": "learned_test"}


def with_learned(runs: pd.DataFrame) -> pd.DataFrame:
    """A table of runs with steps_to_learned_rqi and steps_to_learned_test, the later of
    both; nan: not within the budget. As it is, where runs have no such targets.
    """
    goals = [name for name in LEARNED if {f"steps_to_{name}", "steps_to_train"} <= {*runs}]
    steps = {name: runs[f"steps_to_{name}"].to_numpy(float) for name in (*goals, "train") if goals}
    return runs.assign(**{f"steps_to_{LEARNED[name]}": np.maximum(steps[name], steps["train"]) for name in goals})
