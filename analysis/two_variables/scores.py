"""Three times kept apart: the formula's, the reduced equations', the network's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.runs.store import RunStore
from analysis.runs.traces import Traces
from analysis.two_variables.landscape import Geometry, Landscape, geometry
from analysis.two_variables.trajectory import Flow, Trajectory, reduced
from neural import MessinessConfig


@dataclass(frozen=True, eq=False)
class Surface:
    """What training found at every norm and messiness, for one training set.

    Attributes:
        operation, n_train, seed: which.
        landscape: of the training loss.
        test_accuracy: (A, M), at the look with the least training loss; nan where all
            is trained on.
        unit: the norm of the decoder's usual initial weights.
    """

    operation: str
    n_train: int
    seed: int
    landscape: Landscape
    test_accuracy: NDArray[np.float64]
    unit: float


@dataclass(frozen=True, eq=False)
class Case:
    """One free run, and what was said of it.

    Attributes:
        operation, n_train, seed, weight_decay, budget, hold: which.
        geometry: None where the border does not lie between start and corner.
        formula, other_angle: steps to the corner; None without a geometry.
        path: of the reduced equations.
        traces: of the network.
        measured: the first look after the hold that sees m at the corner; None: none.
        steps_to_test: to test accuracy 0.9; None: not reached.
    """

    operation: str
    n_train: int
    seed: int
    weight_decay: float
    budget: int
    hold: int
    geometry: Geometry | None
    formula: float | None
    other_angle: float | None
    path: Trajectory
    traces: Traces
    measured: int | None
    steps_to_test: int | None

    @property
    def tests_the_formula(self) -> bool:
        """Whether m may move before the formula says that it is over."""
        return self.formula is not None and self.formula > self.hold

    def row(self) -> dict[str, Any]:
        """For report.json."""
        metrics = self.traces.metrics
        return {
            "operation": self.operation,
            "n_train": self.n_train,
            "seed": self.seed,
            "weight_decay": self.weight_decay,
            "budget": self.budget,
            "distance": None if self.geometry is None else self.geometry.distance,
            "height": None if self.geometry is None else self.geometry.height,
            "angle": None if self.geometry is None else self.geometry.angle,
            "formula": self.formula,
            "formula_by_the_other_angle": self.other_angle,
            "reduced_to_border": self.path.to_border,
            "reduced": self.path.to_corner,
            "reduced_end": self.path.end,
            "reduced_messiness": float(self.path.messiness[-1]),
            "measured": self.measured,
            "steps_to_test": self.steps_to_test,
            "messiness": float(metrics["messiness_now"][-1]),
            "weight_norm": float(metrics["weight_norm"][-1]),
            "train_loss": float(metrics["train_loss"][-1]),
            "reduced/formula": _ratio(self.path.to_corner, self.formula),
            "measured/formula": _ratio(self.measured, self.formula),
            "measured/reduced": _ratio(self.measured, self.path.to_corner),
        }


def _ratio(one: float | None, other: float | None) -> float | None:
    return None if one is None or not other else one / other


def surface(configs: list[MessinessConfig], store: RunStore) -> Surface:
    """Of runs of one operation, size and seed: at each norm and m the least training
    loss at any look, as near as training came to the argmin.
    """
    scales = sorted({config.init_scale for config in configs})
    levels = sorted({config.messiness for config in configs})
    loss, test = np.full((2, len(scales), len(levels)), np.nan)
    norms = np.zeros(len(scales))
    for config in configs:
        metrics = store.traces(config).metrics
        where = scales.index(config.init_scale), levels.index(config.messiness)
        if np.isfinite(metrics["train_loss"]).any():
            look = np.nanargmin(metrics["train_loss"])
            loss[where], test[where] = metrics["train_loss"][look], metrics["test_accuracy"][look]
        norms[where[0]] = metrics["weight_norm"][0]
    one = configs[0]
    landscape = Landscape(np.log(norms), np.array(levels), loss)
    return Surface(one.operation, one.n_train, one.seed, landscape, test, float(norms[0] / scales[0]))


def case(config: MessinessConfig, surface: Surface, store: RunStore, corner: float) -> Case:
    """Of one free run, on the landscape of its training set."""
    traces, [found] = store.traces(config), store.table([config]).to_dict("records")
    flow = Flow(config.learning_rate, config.messiness_lr, config.weight_decay, config.hold, config.budget)
    log_w, m = math.log(config.init_scale * surface.unit), config.messiness
    shape = geometry(surface.landscape, log_w, m, corner)
    there = (traces.metrics["messiness_now"] <= corner) & (traces.steps >= config.hold)
    test = found["steps_to_test"]
    return Case(
        config.operation,
        config.n_train,
        config.seed,
        config.weight_decay,
        config.budget,
        config.hold,
        geometry=shape,
        formula=None if shape is None else shape.steps(flow.drift),
        other_angle=None if shape is None else shape.steps_by_the_other_angle(flow.drift),
        path=reduced(surface.landscape, log_w, m, flow, corner),
        traces=traces,
        measured=int(traces.steps[there.argmax()]) if there.any() else None,
        steps_to_test=None if test is None or math.isnan(test) else int(test),
    )
