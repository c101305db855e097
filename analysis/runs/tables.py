"""A table of the run store, cut by learning rates and by size; and what was measured,
with its censoring.

Runs of different learning rates are scored separately (the theory leaves the decoder
out, so their ratio is an axis of every comparison); each entry of a score carries its
`repr_lr` and `decoder_lr`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.statistics.entries import Entry

TARGETS = ("rqi", "train", "test")
SETTING = ["repr_lr", "decoder_lr"]  # runs that differ in these are compared among themselves
# With fewer test samples "90 % of them are right" is the first lucky hit, not
# generalisation.
MIN_TEST_SAMPLES = 5


def settings(runs: pd.DataFrame) -> list[tuple[Entry, pd.DataFrame]]:
    """The runs of each setting of the learning rates."""
    values: list[Any] = sorted(set(runs[SETTING].itertuples(index=False, name=None)))
    return [
        (dict(zip(SETTING, value, strict=True)), runs[(runs[SETTING] == list(value)).all(axis=1)]) for value in values
    ]


def sizes(runs: pd.DataFrame) -> list[int]:
    """The training-set sizes of the runs, ascending."""
    return sorted(set(runs["n_train"].tolist()))


def measured(runs: pd.DataFrame, target: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(times, observed): steps to `target`, the budget where it was not reached."""
    steps = runs[f"steps_to_{target}"].to_numpy(float)
    observed = np.isfinite(steps)
    return np.where(observed, steps, runs["budget"].to_numpy(float)), observed


def with_target(runs: pd.DataFrame, target: str) -> pd.DataFrame:
    """The runs in which `target` means something, whatever they learn: test samples are
    those outside `mask`.
    """
    if target != "test":
        return runs
    n_test = np.array([np.count_nonzero(~mask) for mask in runs["mask"]], dtype=int)
    return runs[n_test >= MIN_TEST_SAMPLES]
