"""Whether classes of representations have collapsed, and whether they are apart.

Source: paper, appendix I, whose effective loss sums |f(x) - f(y)|^2 over pairs of one
label, in units of Z = sum |f(x)|^2.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from analysis.measures.arrays import as_reals


def spreads(labels: ArrayLike, path: Iterable[ArrayLike]) -> pd.DataFrame:
    """How the representations (n, d) of samples with labels (n,) are spread, a row a
    time. Of two classes or more.

    within, between, common: the shares of Z that deviations from class means, of class
    means (each counted as often as the class has samples) from the mean of all, and the
    latter hold; their sum is 1. distance: between class means, root mean square over
    pairs of classes, in units of sqrt(Z/n). separation: the smallest of these distances
    over the root mean square deviation from class means, inf where that is 0.
    """
    names, which, sizes = np.unique(np.asarray(labels), return_inverse=True, return_counts=True)
    one, other = np.triu_indices(len(names), 1)
    rows = []
    for now in path:
        F = as_reals("path", "hold real arrays (n, d)", now)
        z = (F**2).sum(axis=1).mean()  # Z/n, as all squares below
        means = np.zeros((len(names), F.shape[1]))
        np.add.at(means, which, F)
        means /= sizes[:, None]
        common = F.mean(axis=0)
        within = ((F - means[which]) ** 2).sum(axis=1).mean()
        distances2 = ((means[one] - means[other]) ** 2).sum(axis=1)
        rows.append(
            {
                "within": within / z,
                "between": ((means - common) ** 2).sum(axis=1) @ sizes / len(F) / z,
                "common": (common**2).sum() / z,
                "distance": np.sqrt(distances2.mean() / z),
                "separation": np.sqrt(distances2.min() / within) if within else np.inf,
            }
        )
    return pd.DataFrame(rows)
