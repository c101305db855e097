"""The four phases of learning.

Source: paper, table 1. It says "> 90 %" of an accuracy, the official code compares with
>=, as here; with 10 test samples that decides whether 9 are enough. A run that never
crosses is censored at its budget. The table leaves one case open, a test accuracy that
gets there while the training accuracy does not: "test only" here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.runs.plan import Axis
from efftheory.constants import ACCURACY_THRESHOLD
from neural import ConfigError

UNDECIDED = "undecided"  # what seeds that disagree leave a point without a majority
PHASES = ("comprehension", "grokking", "memorisation", "confusion", "test only")
# Letters and colours in pictures. The colours are the paper's but for comprehension,
# whose green is darker: without the eye's cones for red the paper's is the yellow of
# grokking, and points of large diagrams have no letters. "test only" and white, which
# is hatched, are ours.
LETTERS: dict[str, str] = dict(zip((*PHASES, UNDECIDED), "CGMXT?", strict=True))
_COLOURS = ("#3ca046", "#fde725", "#46327e", "#1e1e1e", "#e678a0", "#ffffff")
COLOURS: dict[str, str] = dict(zip(LETTERS, _COLOURS, strict=True))
GENERALISING = ("comprehension", "grokking")


@dataclass(frozen=True)
class Thresholds:
    """What counts as learned, and as late: options of commands."""

    train_threshold: float = ACCURACY_THRESHOLD
    """Training accuracy that counts as learned (at least this)."""
    test_threshold: float = ACCURACY_THRESHOLD
    """Test accuracy that counts as generalised."""
    delay: float = 1000.0
    """Steps between the two from which on generalisation is grokking."""

    def __post_init__(self) -> None:
        for name, value in (("train_threshold", self.train_threshold), ("test_threshold", self.test_threshold)):
            if not 0 < value <= 1:
                raise ConfigError(f"`{name}` must be a number above 0 and at most 1, but is {value}.")
        if not self.delay > 0:
            raise ConfigError(f"`delay` must be a number of steps above 0, but is {self.delay}.")


def steps_to(record: NDArray[np.float64], threshold: float) -> float:
    """Where a record (2, n), steps and values, is at least `threshold`; or inf."""
    steps, values = record
    first = np.searchsorted(values, threshold)
    return float(steps[first]) if first < len(steps) else np.inf


def phase(train: float, test: float, delay: float) -> str:
    """Table 1 for one run, of its steps to the two thresholds, inf if not reached."""
    if np.isinf(train):
        return "confusion" if np.isinf(test) else "test only"
    if np.isinf(test):
        return "memorisation"
    return "comprehension" if test - train < delay else "grokking"


def classify(
    runs: pd.DataFrame, limits: Thresholds, records: tuple[str, str] = ("train_record", "test_record")
) -> pd.DataFrame:
    """`runs` with the columns `train` and `test` (steps, inf = not within the budget),
    `delay` and `phase`; from the `records` of what is learned and what is generalised.
    """
    train = [steps_to(record, limits.train_threshold) for record in runs[records[0]]]
    test = [steps_to(record, limits.test_threshold) for record in runs[records[1]]]
    return with_phases(runs.assign(train=train, test=test), limits.delay)


def with_phases(runs: pd.DataFrame, limit: float) -> pd.DataFrame:
    """`runs` with the columns `delay` (inf where not both were reached) and `phase`,
    from `train` and `test`; from a delay of `limit` on generalisation is grokking.
    """
    train, test = runs["train"].to_numpy(), runs["test"].to_numpy()
    both = np.isfinite(train) & np.isfinite(test)
    delay = np.subtract(test, train, where=both, out=np.full(len(runs), np.inf))
    return runs.assign(delay=delay, phase=[phase(*steps, limit) for steps in zip(train, test, strict=True)])


def points(runs: pd.DataFrame, axes: Sequence[Axis]) -> pd.DataFrame:
    """A row a point of the plane: how many runs, how many in each phase, the majority,
    its agreement, the delay.

    majority: the phase of more than half of the runs; UNDECIDED where there is none.
    agreement: the share of the runs in the most frequent phase. delay: lower median
    over the runs, inf where more than half of them have none.
    """
    rows = []
    for values, group in runs.groupby([axis.field for axis in axes], sort=True, dropna=False):
        n, counts = len(group), {name: int((group["phase"] == name).sum()) for name in PHASES}
        most = max(PHASES, key=lambda name: counts[name])
        row = {name: axis.value(value) for name, axis, value in zip("xy", axes, values, strict=True)} | {"n": n}
        majority = most if 2 * counts[most] > n else UNDECIDED
        delay = float(np.quantile(group["delay"], 0.5, method="inverted_cdf"))
        rows.append(row | counts | {"majority": majority, "agreement": counts[most] / n, "delay": delay})
    return pd.DataFrame(rows)
