"""Intervals from a bootstrap: runs, or clusters of them, drawn with replacement."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

BOOTSTRAPS = 2000
FINE = 10_000  # for intervals that hold at once, whose bounds lie far out
# With fewer runs that got there a bootstrap does not know its own error: no interval is
# given then.
MIN_OBSERVED = 10


def bootstrap_weights(
    strata: ArrayLike, seed: int = 0, draws: int = BOOTSTRAPS, clusters: ArrayLike | None = None
) -> NDArray[np.float64]:
    """How often each run is drawn when the clusters of each stratum are drawn with
    replacement, (draws, n).

    strata: (n,), a label a run: how many there are of each was chosen, not drawn;
    training-set sizes, say. clusters: (n,), a label a run of what is drawn as one, runs
    that share a training set, say, by default each run. A cluster with runs of several
    strata, as seeds have that several settings share, is drawn in that of its first.
    """
    label = np.asarray(strata)
    drawn = np.arange(len(label)) if clusters is None else np.asarray(clusters)
    names, first, member = np.unique(drawn, return_index=True, return_inverse=True)
    rng = np.random.default_rng(seed)
    weights = np.empty((draws, len(names)))
    for stratum in np.unique(label[first]):
        here = np.flatnonzero(label[first] == stratum)
        weights[:, here] = rng.multinomial(len(here), np.full(len(here), 1 / len(here)), size=draws)
    return weights[:, member]


def means(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean in each bootstrap of those of values (n,) that are there (not nan), from
    weights (draws, n): (draws,), nan without any.
    """
    there = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return weights[:, there] @ values[there] / weights[:, there].sum(axis=1)


def interval(values: NDArray[np.float64], coverage: float = 0.95) -> tuple[float, float] | None:
    """The percentile interval of bootstrap values; None if most draws (or all of none)
    left nothing to compare.
    """
    finite = values[np.isfinite(values)]
    if not len(finite) or 2 * len(finite) < len(values):
        return None
    low, high = np.quantile(finite, [(1 - coverage) / 2, (1 + coverage) / 2])
    return float(low), float(high)
