"""Times that may be censored: Kaplan-Meier curves and quantiles (scipy.stats)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import CensoredData, ecdf

from efftheory._html import Line, page, plot


@dataclass(frozen=True)
class SurvivalCurve:
    """Kaplan-Meier estimate of P(time > t), float64 (m,) each. times: ascending, 0 and
    where a time was observed or censored; survival, low, high: the share not there yet
    with its 95 % band (log-log).
    """

    times: NDArray[np.float64]
    survival: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def _repr_html_(self) -> str:
        """With the curve, and its band dashed."""
        median, low, high = self.quantile(0.5)
        rows = [
            ("times", f"{len(self.times)}, up to {self.times[-1]:g}"),
            ("not there at the end", f"{self.survival[-1]:.4g}"),
            ("median time", f"{median:g} [{low:g}, {high:g}]"),
        ]
        curves = {"survival": self.survival, "low": self.low, "high": self.high}
        lines = [Line(name, self.times, curve) for name, curve in curves.items()]
        return page("Share that is not there yet", rows, plot(lines, "time", "share"))

    def quantile(self, share: float) -> tuple[float, float, float]:
        """The first time by which `share` of the runs have got there, with its 95 %
        interval, where the band crosses; inf: beyond the last time.
        """

        def first(left: NDArray[np.float64]) -> float:
            gone = np.flatnonzero(left <= 1 - share + 1e-12)
            return float(self.times[gone[0]]) if len(gone) else np.inf

        return first(self.survival), first(self.low), first(self.high)


def survival_curve(times: ArrayLike, observed: ArrayLike) -> SurvivalCurve:
    """Kaplan-Meier curve of (n,) times, of which those not `observed` (bool (n,)) are
    censored on the right.

    Where log-log has no band, while everybody or nobody is left, the exact binomial
    bounds for n and 0 of n stand in.
    """
    t, seen = np.asarray(times, float), np.asarray(observed, bool)
    sf = ecdf(CensoredData(uncensored=t[seen], right=t[~seen])).sf
    with warnings.catch_warnings():  # scipy warns where the band is not defined
        warnings.simplefilter("ignore", RuntimeWarning)
        band = sf.confidence_interval(method="log-log")
    survival = np.concatenate(([1.0], sf.probabilities))
    low = np.concatenate(([np.nan], band.low.probabilities))
    high = np.concatenate(([np.nan], band.high.probabilities))
    certain = 0.025 ** (1 / len(t))
    low = np.where(np.isnan(low), np.where(survival == 1, certain, 0.0), low)
    high = np.where(np.isnan(high), np.where(survival == 1, 1.0, 1 - certain), high)
    return SurvivalCurve(np.concatenate(([0.0], sf.quantiles)), survival, low, high)


def drawn_medians(times: ArrayLike, observed: ArrayLike, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Kaplan-Meier medians of bootstrap draws, (B,): run k counts weights[b, k] times;
    inf where most are never seen.
    """
    t, seen = np.asarray(times, float), np.asarray(observed, bool)
    order = np.lexsort((~seen, t))  # what is censored at a time was still there then
    drawn = weights[:, order]
    at_risk = drawn[:, ::-1].cumsum(axis=1)[:, ::-1]
    gone = np.where(seen[order], drawn / at_risk.clip(min=1), 0)
    reached = np.cumprod(1 - gone, axis=1) <= 0.5 + 1e-12
    return np.where(reached.any(axis=1), t[order][reached.argmax(axis=1)], np.inf)
