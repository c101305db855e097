"""The two reduced equations, in steps of the optimiser:

    dw/dt = -eta_D (d l~/dw + gamma w),   dm/dt = -eta_R d l~/dm.

Source: Liu, Michaud, Tegmark, "Omnigrok", appendix D.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from analysis.two_variables.landscape import BORDER, Landscape

_LOOKS = 400  # states that are kept


@dataclass(frozen=True)
class Flow:
    """What moves a state.

    Attributes:
        decoder_lr, messiness_lr: eta_D and eta_R.
        weight_decay: gamma.
        hold: steps before m may move.
        steps: after which all ends.
    """

    decoder_lr: float
    messiness_lr: float
    weight_decay: float
    hold: int
    steps: int

    @property
    def drift(self) -> float:
        """By how much log w falls a step where there is no gradient."""
        return self.decoder_lr * self.weight_decay


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Of the reduced equations.

    Attributes:
        steps, log_w, messiness: (S,) the states.
        to_border: the step at which the loss first rose to BORDER; None: never, or it
            was above from the first.
        to_corner: the step at which m fell to the corner's; None: never.
        end: at the corner, at norms below those of the landscape, or at the last step.
    """

    steps: NDArray[np.float64]
    log_w: NDArray[np.float64]
    messiness: NDArray[np.float64]
    to_border: float | None
    to_corner: float | None
    end: Literal["corner", "small norm", "last step"]


@dataclass(frozen=True)
class _Event:
    """As the integrator wants them: where `of` a state crosses 0 in a direction."""

    of: Callable[[NDArray[np.float64]], float]
    direction: float
    terminal: bool = True

    def __call__(self, t: float, state: NDArray[np.float64]) -> float:
        return self.of(state)


def reduced(landscape: Landscape, log_w: float, m: float, flow: Flow, corner: float) -> Trajectory:
    """The state from (log w, m) on, until m is at `corner`, the norm below all of the
    landscape's, or the steps are over. m stays between the landscape's ends.
    """
    low, high = landscape.messiness[0], landscape.messiness[-1]

    def velocity(state: NDArray[np.float64], messiness_lr: float) -> list[float]:
        by_w, by_m = landscape.gradient(*state)
        fall = -messiness_lr * by_m
        if (state[1] <= low and fall < 0) or (state[1] >= high and fall > 0):
            fall = 0.0
        # d log w/dt = (dw/dt)/w, and d l~/dw = (d l~/d log w)/w
        return [-flow.decoder_lr * (by_w * math.exp(-2 * state[0]) + flow.weight_decay), fall]

    events = (
        _Event(lambda state: landscape.loss(*state) - BORDER, 1, terminal=False),
        _Event(lambda state: state[1] - corner, -1),
        _Event(lambda state: state[0] - landscape.log_w[0], -1),
    )
    parts = [np.array([[0.0], [log_w], [m]])]
    borders: list[float] = []
    ends = [m <= corner, False]  # at the corner, at too small a norm
    hold = min(flow.hold, flow.steps)
    for begin, stop, messiness_lr in ((0, hold, 0.0), (hold, flow.steps, flow.messiness_lr)):
        if stop == begin or any(ends):
            continue
        found = solve_ivp(
            lambda t, state, rate=messiness_lr: velocity(state, rate),
            (begin, stop),
            parts[-1][1:, -1],
            method="LSODA",
            t_eval=np.linspace(begin, stop, _LOOKS)[1:],
            events=events,
            rtol=1e-6,
            atol=1e-9,
        )
        parts.append(np.array([found.t, *found.y]))
        borders += found.t_events[0].tolist()
        for number in (1, 2):
            if len(found.t_events[number]):
                ends[number - 1] = True
                parts.append(np.array([found.t_events[number], *found.y_events[number].T]))
    steps, path_w, path_m = np.concatenate(parts, axis=1)
    return Trajectory(
        steps,
        path_w,
        path_m,
        to_border=borders[0] if borders else None,
        to_corner=float(steps[-1]) if ends[0] else None,
        end="corner" if ends[0] else "small norm" if ends[1] else "last step",
    )
