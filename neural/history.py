"""What a run leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neural.config import RunConfig

# Thresholds of the paper: accuracies (table 1) and RQI ("high", section 3.1).
ACCURACY_THRESHOLD = 0.9
RQI_THRESHOLD = 0.95


@dataclass(frozen=True)
class History:
    """One finished run. Index s of the arrays is the state after s updates, s = 0..steps_run.

    Attributes:
        config: the run's configuration.
        mask: bool (N,), the training set D.
        train_accuracy, test_accuracy, rqi, train_loss, test_loss: float (steps_run + 1,). Test values are nan
            if all samples are trained on; a test loss is the mean over the samples outside D. RQI is
            over all of P0 (at delta = 0.1 for sums).
        snapshot_steps, snapshots: int (S,), float (S, p, ...): the embeddings now and then, the first and last
            state always among them.
        correct: bool (N,), which samples of D0 the final network gets right.
        retired: whether the run ended before its budget because nothing was left to measure: every threshold
            crossed and every sample right, for a while.
        compiled: whether it was trained by a compiled step; another one rounds otherwise.
    """

    config: RunConfig
    mask: NDArray[np.bool_]
    train_accuracy: NDArray[np.float32]
    test_accuracy: NDArray[np.float32]
    rqi: NDArray[np.float32]
    train_loss: NDArray[np.float32]
    test_loss: NDArray[np.float32]
    snapshot_steps: NDArray[np.int64]
    snapshots: NDArray[np.float64]
    correct: NDArray[np.bool_]
    retired: bool
    compiled: bool = False

    @property
    def steps_run(self) -> int:
        return len(self.train_loss) - 1

    @property
    def steps_to_train(self) -> int | None:
        """Updates until train accuracy is first >= 0.9; None if not within the budget."""
        return first_step(self.train_accuracy >= ACCURACY_THRESHOLD)

    @property
    def steps_to_test(self) -> int | None:
        """Updates until test accuracy is first >= 0.9; None if not within the budget."""
        return first_step(self.test_accuracy >= ACCURACY_THRESHOLD)

    @property
    def steps_to_rqi(self) -> int | None:
        """Updates until RQI is first > 0.95; None if not within the budget."""
        return first_step(self.rqi > RQI_THRESHOLD)

    def record(self, name: str) -> tuple[list[int], list[float]]:
        """Steps at which a metric first exceeded all it had been, and its values there.

        The first step at which it is >= x is that of the first value >= x.
        """
        values = getattr(self, name)
        best = np.maximum.accumulate(np.nan_to_num(values, nan=-1))
        steps = np.flatnonzero(np.diff(best, prepend=-1) > 0)
        return steps.tolist(), [float(str(value)) for value in best[steps]]

    @property
    def accuracy(self) -> float:
        """Final accuracy over the full data set D0, as the paper's ideal and predicted accuracy are."""
        return float(self.correct.mean())

    def summary(self) -> dict[str, Any]:
        """The run in plain numbers, for a JSON file or a row of a table; None stands for not reached and for
        undefined.
        """
        return {
            "steps_to_train": self.steps_to_train,
            "steps_to_test": self.steps_to_test,
            "steps_to_rqi": self.steps_to_rqi,
            "steps_run": self.steps_run,
            "retired": self.retired,
            "accuracy": self.accuracy,
            "train_accuracy": _number(self.train_accuracy[-1]),
            "test_accuracy": _number(self.test_accuracy[-1]),
            "rqi": _number(self.rqi[-1]),
            "train_loss": _number(self.train_loss[-1]),
            "test_loss": _number(self.test_loss[-1]),
        }


def first_step(reached: NDArray[np.bool_]) -> int | None:
    """The first index at which `reached` is True, None if it never is."""
    where = np.flatnonzero(reached)
    return int(where[0]) if len(where) else None


def _number(value: np.floating) -> float | None:
    # by its shortest decimal form: float32's 0.9 is 0.9, not 0.8999999761581421
    return float(str(value)) if np.isfinite(value) else None
