"""The runs that the laws are held against: networks that begin at too large a norm, and
the landscapes of the same seeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from analysis.runs.plan import parse_axis
from neural import DigitsConfig, ModularConfig, TeacherConfig

# On these seeds the form of the law was chosen, and its rivals are calibrated on one
# cell of them; what is reported comes from others.
CALIBRATION_SEEDS = (100, 101, 102, 103)
_PATIENCE = 1.5  # of a budget, in units of the time to the smallest shell it leaves room for


@dataclass(frozen=True)
class Target:
    """A threshold, as the store's columns name it.

    Attributes:
        name: in words.
        accuracy: the metric of the test set that must reach `threshold`.
        steps, learned: columns of the steps to it, and to learning the training set.
    """

    name: str
    accuracy: str
    threshold: float
    steps: str
    learned: str


@dataclass(frozen=True)
class Setup:
    """One kind of networks.

    Attributes:
        title: of its section.
        base: a run; its learning rate and look_every are those of all.
        large: initial scales that runs begin at.
        decays: their weight decays.
        shells: the axis of the landscape's scales.
        landscape_budget: steps of its runs.
        smallest: the shell that budgets leave room for; runs whose shell is smaller may
            be censored.
        cell: the (initial scale, weight decay) that rivals are calibrated on.
        targets: what is predicted.
        form: of our law, one of `laws.FORMS`: the better one on CALIBRATION_SEEDS.
        seeds: how many are reported by default.
        budget: of all runs but the landscape's; by default what their decay asks for.
    """

    title: str
    base: Any
    large: tuple[float, ...]
    decays: tuple[float, ...]
    shells: str
    landscape_budget: int
    smallest: float
    cell: tuple[float, float]
    targets: tuple[Target, ...]
    form: str
    seeds: int
    budget: int | None = None

    def runs(self, seeds: Sequence[int]) -> list[Any]:
        """Those that the laws are held against."""
        return [self._run(scale, decay, seed) for scale in self.large for decay in self.decays for seed in seeds]

    def calibration(self) -> list[Any]:
        """Those that rivals are calibrated on."""
        return [self._run(*self.cell, seed) for seed in CALIBRATION_SEEDS]

    def landscape(self, seeds: Sequence[int]) -> list[Any]:
        """Runs at constant norm, of the same training sets and initial weights."""
        axis = parse_axis(type(self.base), "shells", self.shells)
        still = replace(self.base, constrained=True, weight_decay=0.0, budget=self.landscape_budget)
        return [replace(still, init_scale=scale, seed=seed) for seed in seeds for scale in axis.values]

    def _run(self, scale: float, decay: float, seed: int) -> Any:
        """With a budget that leaves room for the smallest shell."""
        steps = _PATIENCE * math.log(scale / self.smallest) / (self.base.learning_rate * decay)
        every = 50 * self.base.look_every
        budget = math.ceil((steps + self.landscape_budget / 2) / every) * every
        return replace(self.base, init_scale=scale, weight_decay=decay, seed=seed, budget=self.budget or budget)


SETUPS = {
    "teacher": Setup(
        "A student and a teacher",
        TeacherConfig(),
        (2.0, 3.0),
        (0.03, 0.1, 0.3, 1.0),
        "init_scale=0.4:3:21:log",
        10_000,
        0.5,
        (2.0, 0.1),
        (
            Target("95 % within 0.001", "test_accuracy", 0.95, "steps_to_test", "steps_to_train"),
            Target("95 % within 0.01", "test_accuracy_01", 0.95, "steps_to_test_01", "steps_to_train_01"),
        ),
        "crossing in time",
        8,
    ),
    "digits": Setup(
        "Digits",
        DigitsConfig(width=100, batch_size=100),
        (6.0, 7.0, 8.0, 9.0),
        (0.03, 0.1, 0.3),
        "init_scale=1:9:21:log",
        5_000,
        3.0,
        (8.0, 0.1),
        (Target("test accuracy 0.6", "test_accuracy", 0.6, "steps_to_test_60", "steps_to_train"),),
        "time inside",
        5,
    ),
    "transformer": Setup(
        "A transformer that adds modulo 31",
        ModularConfig(network="transformer", p=31, d=32, mlp=128, fraction=0.6, learning_rate=1e-3, checkpoints=0),
        (1.0, 1.5),
        (0.5, 1.0, 2.0, 3.0),
        "init_scale=0.25:2:10:log",
        4_000,
        0.5,
        (1.0, 2.0),
        (Target("test accuracy 0.95", "test_accuracy", 0.95, "steps_to_test_95", "steps_to_train_99"),),
        "crossing in time",
        5,
        budget=12_000,
    ),
}
