"""Intervals from a bootstrap: runs drawn with replacement."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

BOOTSTRAPS = 2000
# With fewer runs that got there a bootstrap does not know its own error: no interval is
# given then.
MIN_OBSERVED = 10


def bootstrap_weights(strata: ArrayLike, seed: int, draws: int = BOOTSTRAPS) -> NDArray[np.float64]:
    """How often each run is drawn when the runs of each stratum are drawn with
    replacement, (draws, n).

    Strata are the training-set sizes: how many runs of each there are was chosen, not
    drawn.
    """
    label = np.asarray(strata)
    rng = np.random.default_rng(seed)
    weights = np.empty((draws, len(label)))
    for stratum in np.unique(label):
        here = np.flatnonzero(label == stratum)
        weights[:, here] = rng.multinomial(len(here), np.full(len(here), 1 / len(here)), size=draws)
    return weights


def interval(values: NDArray[np.float64], coverage: float = 0.95) -> tuple[float, float] | None:
    """The percentile interval of bootstrap values; None if most draws (or all of none)
    left nothing to compare.
    """
    finite = values[np.isfinite(values)]
    if not len(finite) or 2 * len(finite) < len(values):
        return None
    low, high = np.quantile(finite, [(1 - coverage) / 2, (1 + coverage) / 2])
    return float(low), float(high)
