"""Times that may be censored: Kaplan-Meier curves and quantiles (scipy.stats)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import CensoredData, ecdf


@dataclass(frozen=True)
class SurvivalCurve:
    """Kaplan-Meier estimate of P(time > t).

    Attributes:
        times: float64 (m,), ascending: where a time was observed or censored.
        survival, low, high: float64 (m,), the share not there yet at each of `times` with its 95 % band
            (log-log).
    """

    times: NDArray[np.float64]
    survival: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def quantile(self, share: float) -> float | None:
        """The first time by which `share` of the runs have got there; None if they never do."""
        return _first(self.times, self.survival, share)

    def quantile_interval(self, share: float) -> tuple[float | None, float | None]:
        """The 95 % interval of `quantile`: where the band crosses; None = beyond the last time."""
        return _first(self.times, self.low, share), _first(self.times, self.high, share)


def survival_curve(times: ArrayLike, observed: ArrayLike) -> SurvivalCurve:
    """Kaplan-Meier curve of (n,) times, of which those not `observed` (bool (n,)) are censored on the
    right.
    """
    t, seen = np.asarray(times, float), np.asarray(observed, bool)
    sf = ecdf(CensoredData(uncensored=t[seen], right=t[~seen])).sf
    with warnings.catch_warnings():  # scipy warns where the band is not defined: before and after all events
        warnings.simplefilter("ignore", RuntimeWarning)
        band = sf.confidence_interval(method="log-log")
    # no band at survival 1 and 0: there the estimate itself is the bound that the data do not exclude
    low = np.where(np.isnan(band.low.probabilities), sf.probabilities, band.low.probabilities)
    high = np.where(np.isnan(band.high.probabilities), sf.probabilities, band.high.probabilities)
    return SurvivalCurve(sf.quantiles, sf.probabilities, low, high)


def _first(times: NDArray[np.float64], survival: NDArray[np.float64], share: float) -> float | None:
    gone = np.flatnonzero(survival <= 1 - share + 1e-12)
    return float(times[gone[0]]) if len(gone) else None
