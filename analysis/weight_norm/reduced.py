"""The reduced training loss l~(w, m) of a decoder of norm w on embeddings of messiness
m, what a formula reads off it, and the two equations that move on it.

Source: Liu, Michaud, Tegmark, "Omnigrok", section 4 and appendix D.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.interpolate import PchipInterpolator, RectBivariateSpline
from scipy.optimize import brentq

BORDER = 0.05  # loss between the region of little loss and that of much
# Below this a loss says how the optimiser shakes, not how well one could learn.
FLOOR = 1e-4
_FINE = 161  # points an axis of the smooth surface
_KEPT = 400  # states of a path


class Surface:
    """log l~ between the points of a grid of log w and m: monotone between neighbours
    where they are (pchip, on a fine grid) and with a continuous gradient (a cubic
    spline through that).

    Two things are done to what training found. A loss below FLOOR counts as FLOOR: grad
    l~ = l~ grad log l~ is then 0, so that only the decay moves a state there. And of
    all norms up to w the least loss counts: a function of norm w is also one of any
    larger norm (one layer times c, the next over c), so the true l~ never rises with w;
    where it seems to, training had not got so far.
    """

    def __init__(self, log_w: NDArray[np.float64], messiness: NDArray[np.float64], loss: NDArray[np.float64]):
        """log_w (A,) and messiness (M,) rising, loss (A, M); a loss that is not finite
        counts as the largest, and as 1 at least.
        """
        finite = np.where(np.isfinite(loss), loss, np.inf)
        least = np.minimum.accumulate(finite, axis=0)
        least = np.where(np.isfinite(least), least, np.max(least[np.isfinite(least)], initial=1.0))
        self.log_w, self.messiness, self.log_loss = log_w, messiness, np.log(least.clip(min=FLOOR))
        fine_w, fine_m = (np.linspace(axis[0], axis[-1], _FINE) for axis in (log_w, messiness))
        along_w = PchipInterpolator(log_w, self.log_loss, axis=0)(fine_w)
        fine = PchipInterpolator(messiness, along_w, axis=1)(fine_m)
        self._spline = RectBivariateSpline(fine_w, fine_m, fine, s=0)

    def loss(self, log_w: float, m: float) -> float:
        """l~; beyond the grid that of its edge."""
        return math.exp(self._spline(log_w, m)[0, 0])

    def gradient(self, log_w: float, m: float) -> tuple[float, float]:
        """By log w and by m."""
        loss = self.loss(log_w, m)
        return loss * self._spline(log_w, m, dx=1)[0, 0], loss * self._spline(log_w, m, dy=1)[0, 0]

    def losses(self, log_w: NDArray[np.float64], m: NDArray[np.float64]) -> NDArray[np.float64]:
        """l~ on a grid, (A, M)."""
        return np.exp(self._spline(log_w, m))

    def border(self, m: float) -> float:
        """log w at which l~ is BORDER; nan where it is above, or below, at all norms of
        the grid.
        """

        def above(log_w: float) -> float:
            return self._spline(log_w, m)[0, 0] - math.log(BORDER)

        low, high = self.log_w[0], self.log_w[-1]
        if not above(low) > 0 > above(high):
            return math.nan
        return float(brentq(above, low, high))  # pyright: ignore[reportArgumentType]


def geometry(surface: Surface, log_w: float, m: float, corner: float) -> tuple[float, float, float]:
    """What t = (L + h tan theta)/(eta_D gamma) needs, of a state that starts at (log w,
    m) and generalises at m = corner.

    L: from the start to the border along log w. h: from the start's m down to the
    corner's. theta: of the border's straight line of least squares with the axis of m,
    in degrees (with the other axis, which the source names, h tan theta would be no
    distance along log w). All nan where there is no border at some m between, or the
    start is on its wrong side, or the border leans so far that no time is left.
    """
    levels = np.linspace(corner, m, 41)
    border = np.array([surface.border(level) for level in levels])
    if m > corner and not np.isnan(border).any() and log_w >= border[-1]:
        slope = np.polyfit(levels, border, 1)[0]
        found = float(log_w - border[-1]), m - corner, math.degrees(math.atan(slope))
        if formula(*found, rate=1.0) > 0:
            return found
    return math.nan, math.nan, math.nan


def formula(distance: float, height: float, angle: float, rate: float) -> float:
    """The steps of `geometry`, where log w falls by `rate` a step."""
    return (distance + height * math.tan(math.radians(angle))) / rate


@dataclass(frozen=True)
class _Event:
    """As the integrator wants them: where `of` a state crosses 0 in a direction."""

    of: Callable[[NDArray[np.float64]], float]
    direction: float
    terminal: bool = True

    def __call__(self, t: float, state: NDArray[np.float64]) -> float:
        return self.of(state)


@dataclass(frozen=True, eq=False)
class Path:
    """Of the reduced equations: the states, (S,) each; the step at which the loss first
    rose to BORDER, inf for never, or if it was above from the first; the step at which
    m fell to the corner's, inf for never; and whether it ended there ("corner"), at a
    "small norm", below those of the surface, or at the "last step".
    """

    steps: NDArray[np.float64]
    log_w: NDArray[np.float64]
    messiness: NDArray[np.float64]
    to_border: float
    to_corner: float
    end: str


def follow(surface: Surface, log_w: float, run: Any, corner: float) -> Path:
    """The two reduced equations, in steps of the optimiser,

        dw/dt = -eta_D (d l~/dw + gamma w),   dm/dt = -eta_R d l~/dm,

    from log w on, until m is at `corner`, the norm below all of the surface's, or the
    steps are over. m stays between the surface's ends, and begins to move after the
    hold. `run` is, or is like, a MessinessConfig with a trained m.
    """
    low, high = surface.messiness[0], surface.messiness[-1]

    def velocity(state: NDArray[np.float64], messiness_lr: float) -> list[float]:
        by_w, by_m = surface.gradient(*state)
        fall = -messiness_lr * by_m
        if (state[1] <= low and fall < 0) or (state[1] >= high and fall > 0):
            fall = 0.0
        # d log w/dt = (dw/dt)/w, and d l~/dw = (d l~/d log w)/w
        return [-run.learning_rate * (by_w * math.exp(-2 * state[0]) + run.weight_decay), fall]

    events = (
        _Event(lambda state: surface.loss(*state) - BORDER, 1, terminal=False),
        _Event(lambda state: state[1] - corner, -1),
        _Event(lambda state: state[0] - surface.log_w[0], -1),
    )
    parts = [np.array([[0.0], [log_w], [run.messiness]])]
    border, end = math.inf, "corner" if run.messiness <= corner else "last step"
    hold = min(run.hold, run.budget)
    for begin, stop, messiness_lr in ((0, hold, 0.0), (hold, run.budget, run.messiness_lr)):
        if stop == begin or end != "last step":
            continue
        found = solve_ivp(
            lambda t, state, rate=messiness_lr: velocity(state, rate),
            (begin, stop),
            parts[-1][1:, -1],
            method="LSODA",
            t_eval=np.linspace(begin, stop, _KEPT)[1:],
            events=events,
            rtol=1e-6,
            atol=1e-9,
        )
        parts.append(np.array([found.t, *found.y]))
        border = min([border, *found.t_events[0]])
        for name, steps, states in zip(("corner", "small norm"), found.t_events[1:], found.y_events[1:], strict=True):
            if len(steps):
                end = name
                parts.append(np.array([steps, *states.T]))
    steps, path_w, path_m = np.concatenate(parts, axis=1)
    return Path(steps, path_w, path_m, float(border), float(steps[-1]) if end == "corner" else math.inf, end)
