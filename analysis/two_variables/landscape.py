"""The reduced training loss l~(w, m) of a decoder of norm w on embeddings of messiness
m, as a function; and what a prediction reads off it.

Source: Liu, Michaud, Tegmark, "Omnigrok", section 4 and appendix D.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator, RectBivariateSpline
from scipy.optimize import brentq

BORDER = 0.05  # loss between the region of little loss and that of much
# Below this a loss says how the optimiser shakes, not how well one could learn.
FLOOR = 1e-4
_FINE = 161  # points an axis of the smooth surface


class Landscape:
    """log l~ between the points of a grid of log w and m: monotone where its neighbours
    are (pchip, to a fine grid), with a continuous gradient (a cubic spline through
    that).

    Two things are done to what training found. A loss below FLOOR counts as FLOOR: grad
    l~ = l~ grad log l~ is then 0, so that only the decay moves a state there. And of
    all norms up to w the least loss counts: a function of norm w is also one of any
    larger norm (one layer times c, the next over c), so the true l~ never rises with w;
    where it seems to, training had not got so far.
    """

    def __init__(self, log_w: NDArray[np.float64], messiness: NDArray[np.float64], loss: NDArray[np.float64]):
        """log_w (A,) and messiness (M,) rising, loss (A, M); a loss that is not finite
        counts as the largest.
        """
        finite = np.where(np.isfinite(loss), loss, np.inf)
        least = np.minimum.accumulate(finite, axis=0)
        least = np.where(np.isfinite(least), least, np.max(least[np.isfinite(least)], initial=FLOOR))
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


@dataclass(frozen=True)
class Geometry:
    """What t = (L + h tan theta)/(eta_D gamma) needs, in log w and m.

    Attributes:
        distance: L, from the start to the border along log w.
        height: h, from the start's m down to the corner's.
        angle: theta, of the border with the axis of m, in degrees: h tan theta is then
            how far the border runs along log w while m falls by h. (With the angle to
            the other axis, which the source names, it would not be a distance along
            log w.)
    """

    distance: float
    height: float
    angle: float

    def steps(self, rate: float) -> float:
        """Where log w falls by `rate` a step."""
        return (self.distance + self.height * math.tan(math.radians(self.angle))) / rate

    def steps_by_the_other_angle(self, rate: float) -> float:
        """With theta between the border and the axis of log w."""
        return (self.distance + self.height * math.tan(math.radians(90 - self.angle))) / rate


def geometry(landscape: Landscape, log_w: float, m: float, corner: float) -> Geometry | None:
    """Read off the landscape, of a state that starts at (log w, m) and generalises at
    m = corner; None where there is no border at some m between, or the start is on its
    wrong side.

    The angle is that of the straight line of least squares through the border.
    """
    levels = np.linspace(corner, m, 41)
    border = np.array([landscape.border(level) for level in levels])
    if m <= corner or np.isnan(border).any() or log_w < border[-1]:
        return None
    slope = np.polyfit(levels, border, 1)[0]
    return Geometry(float(log_w - border[-1]), m - corner, math.degrees(math.atan(slope)))
