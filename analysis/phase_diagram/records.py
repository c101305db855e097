"""What the report of a phase diagram has: a record for each kind of row, in
report.json's order of fields.

Tables stay tables (pandas), a row a point or a run; what their columns are is said
where they are made: `phases.points`, `phases.classify`, `theory.predict`,
`theory.compare`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import pandas as pd

from analysis.runs.plan import Axis
from efftheory.constants import ACCURACY_THRESHOLD
from neural import ConfigError

_T = TypeVar("_T")


@dataclass(frozen=True)
class Thresholds:
    """What counts as learned, and as late."""

    train: float = ACCURACY_THRESHOLD
    """Training accuracy to be reached (at least this much)."""
    test: float = ACCURACY_THRESHOLD
    """Test accuracy to be reached."""
    delay: float = 1000.0
    """Steps between the two from which on generalisation is grokking."""

    def __post_init__(self) -> None:
        for name in ("train", "test"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(
                    f"`{name}_threshold` must be a number above 0 and at most 1, but is {getattr(self, name)}."
                )
        if not self.delay > 0:
            raise ConfigError(f"`delay` must be a number of steps above 0, but is {self.delay}.")


@dataclass(frozen=True)
class Boundary:
    """Where one phase gives way to another on a line of the plane.

    Attributes:
        along: field of the axis along which it is crossed.
        at: field and value of the other axis.
        before, after: the phases, "from" and "to" in report.json.
        position: the likeliest place; low, high: the points that hold its likelihood
            interval. All three are values of `along`.
    """

    along: str
    at: dict[str, Any]
    before: str
    after: str
    position: float
    low: float
    high: float


@dataclass(frozen=True)
class OfBoth(Generic[_T]):
    """The same of points and of single runs."""

    points: _T
    runs: _T


@dataclass(frozen=True)
class EqualShare:
    """How many phases are as predicted.

    Attributes:
        n: how many there are; points whose measured phase is undecided are not counted.
        equal: of these, as predicted.
        share, interval: equal / n, with its exact binomial 95 % interval.
        commonest: the commonest measured phase.
        baseline: the share that one answer for all gets, the commonest.
    """

    n: int
    equal: int
    share: float
    interval: tuple[float, float]
    commonest: str
    baseline: float


@dataclass(frozen=True)
class SeedShare:
    """Of the n runs with one seed, how many phases are as predicted."""

    seed: int
    n: int
    equal: int


@dataclass(frozen=True)
class OtherSeeds:
    """How well experiments predict one another: the share of the n runs in the phase
    of their point's other runs; None where no point has two runs.
    """

    n: int
    share: float | None


@dataclass(frozen=True)
class Zone:
    """Some of the points, and how many of them have another phase than predicted."""

    n: int
    differ: int


@dataclass(frozen=True)
class Zones:
    """Points that touch a measured boundary, and that are within a cell of one."""

    touches: Zone
    near: Zone


@dataclass(frozen=True)
class TargetScore:
    """Who gets to a target, "train", "test" or "rqi", and when.

    Attributes:
        n, n_measured, n_predicted: runs; those that get there, and that should.
        right: share of the runs that get there where it is predicted, or do not where
            that is.
        baseline: the share that one answer for all gets.
        brier: of the share of draws that get there as a probability.
        brier_base_rate: of a constant.
        n_ratio: runs for which the measured and the predicted steps are known and
            above 0.
        ratio: their measured / predicted steps, lower quartile, median and upper
            quartile; None without such runs.
    """

    target: str
    n: int
    n_measured: int
    n_predicted: int
    right: float
    baseline: float
    brier: float
    brier_base_rate: float
    n_ratio: int
    ratio: list[float] | None


@dataclass(frozen=True, eq=False)
class Theory:
    """The predicted diagram held against the measured one.

    Attributes:
        draws: initial decoders a run.
        equal_by_seed: by ascending seed.
        confusion: [measured][predicted]: how many have these phases.
        targets: who gets where, and when.
        points, runs: what was predicted of each.
    """

    draws: int
    equal: OfBoth[EqualShare]
    equal_by_seed: list[SeedShare]
    other_seeds: OtherSeeds
    confusion: OfBoth[dict[str, dict[str, int]]]
    boundary: Zones
    targets: list[TargetScore]
    points: pd.DataFrame
    runs: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Study:
    """The report.

    Attributes:
        name, title: of the plane.
        x, y: its axes.
        base: what all runs share, by field.
        points, runs: what was measured.
        theory: None, and absent from report.json, where nothing was to be predicted.
        environment: what the numbers were made with.
    """

    name: str
    title: str
    x: Axis
    y: Axis
    base: dict[str, Any]
    thresholds: Thresholds
    points: pd.DataFrame
    boundaries: list[Boundary]
    runs: pd.DataFrame
    theory: Theory | None
    environment: dict[str, Any]
