"""A table of the run store, cut by learning rates and by size; and what was measured,
with its censoring.

Runs of different learning rates are scored separately (the theory leaves the decoder
out, so their ratio is an axis of every comparison); each row of a score carries its
`repr_lr` and `decoder_lr`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

TARGETS = ("rqi", "train", "test")
# With fewer test samples "90 % of them are right" is the first lucky hit, not
# generalisation.
MIN_TEST_SAMPLES = 5


@dataclass(frozen=True)
class Setting:
    """Runs that differ in these are compared among themselves.

    Base of the rows of a report that are about one setting: a dataclass has the fields
    of its last base first.

    Attributes:
        repr_lr, decoder_lr: learning rates of the embeddings and of the decoder; None
            for both: runs of all settings.
    """

    repr_lr: float | None
    decoder_lr: float | None

    def has(self, row: Setting) -> bool:
        """Whether a row of a report is about this setting."""
        return (self.repr_lr, self.decoder_lr) == (row.repr_lr, row.decoder_lr)


SETTING = [field.name for field in fields(Setting)]  # columns of a table of runs


def settings(runs: pd.DataFrame) -> list[tuple[Setting, pd.DataFrame]]:
    """The runs of each setting of the learning rates."""
    values: list[Any] = sorted(set(runs[SETTING].itertuples(index=False, name=None)))
    return [(Setting(*value), runs[(runs[SETTING] == list(value)).all(axis=1)]) for value in values]


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
