"""Principal components of an embedding, and how many of them matter; whether classes of
representations have collapsed, and whether they are apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import entr

import efftheory as et
from analysis.measures.arrays import Floats, as_finite, as_reals
from efftheory._checks import integer
from efftheory._records import table


@dataclass(frozen=True, eq=False)
class PrincipalComponents:
    """E = mean + scores @ directions, components in descending order of variance."""

    mean: Floats  # (d,), of the symbols
    scores: Floats  # (p, r), each symbol's coordinates; r = min(p, d)
    directions: Floats  # (r, d), orthonormal rows, whose entry of largest size is positive
    shares: Floats  # (r,), the share of the variance along each; nan where all symbols are in one place

    _repr_html_ = table


def principal_components(E: ArrayLike) -> PrincipalComponents:
    """The principal components of the p symbols of E (p, d), p at least 2.

    Source: paper, figures 1, 21 and 22.
    """
    array = as_finite("E", E, "(p, d)", least=2)
    mean = array.mean(axis=0)
    left, sizes, directions = np.linalg.svd(array - mean, full_matrices=False)
    sign = np.sign(np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1))
    squares = sizes**2
    # below this the variance is what is left of equal rows
    total = squares.sum() if squares.sum() > 1e-28 * np.square(array).sum() else np.nan
    return PrincipalComponents(mean, left * sizes * sign.T, directions * sign, squares / total)


def effective_dimension(E: ArrayLike) -> float:
    """e^S, S the entropy of the shares of variance of the principal components of E
    (p, d): 1 for a line, 2 for a circle, d for a cloud as wide in all directions,
    wherever it is, turned and scaled as it may be. nan where all symbols are in one
    place.

    Source: paper, section 4.2 and figure 7 (left).
    """
    return float(np.exp(entr(principal_components(E).shares).sum()))


def projected(E: ArrayLike, onto: ArrayLike, k: int = 2) -> Floats:
    """Coordinates (p, k) of the symbols of E (p, d) along the first k of the r
    principal components of `onto` (q, d), k in 1..r, from the mean of E itself.

    With the initial embedding as E and the final one as `onto`, this is what the paper
    shows of a structure that is there from the beginning.

    Source: paper, appendix K, figures 21 and 22.
    """
    array, directions = _onto(E, onto)
    return (array - array.mean(axis=0)) @ directions[: integer("k", k, 1, len(directions))].T


def component_accuracy(E: ArrayLike, onto: ArrayLike, correct: Callable[[Floats], ArrayLike]) -> Floats:
    """The accuracy (r + 1,) of a network that is given of its embedding E (p, d) only
    its mean and what lies along the first k principal components of `onto`, for k =
    0..r. `onto` (q, d) is mostly E itself, or the final embedding; `correct` says of an
    embedding (p, d) which samples the network gets right with it, bool (N,).

    Source: paper, appendix K, figures 21 and 22: the first few give 99 % accuracy.
    """
    array, directions = _onto(E, onto)
    mean = array.mean(axis=0)
    kept = [mean + (array - mean) @ directions[:k].T @ directions[:k] for k in range(len(directions) + 1)]
    return np.array([np.asarray(correct(embedding)).mean() for embedding in kept])


def _onto(E: ArrayLike, onto: ArrayLike) -> tuple[Floats, Floats]:
    array, other = as_finite("E", E, "(p, d)", least=2), as_finite("onto", onto, "(p, d)", least=2)
    if array.shape[1] != other.shape[1]:
        raise et.ArgumentError("onto", f"have d = {array.shape[1]} dimensions, as E", f"has {other.shape[1]}")
    return array, principal_components(other).directions


def spreads(labels: ArrayLike, path: Iterable[ArrayLike]) -> pd.DataFrame:
    """How the representations (n, d) of samples with labels (n,), of two classes or
    more, are spread, a row a time.

    within, between, common: the shares of Z of deviations from class means, of class
    means (each as often as the class has samples) from the mean of all, and of the
    latter; their sum is 1. distance: between class means, root mean square over pairs
    of classes, in units of sqrt(Z/n). separation: the smallest of these distances over
    the root mean square deviation from class means, inf where that is 0.

    Source: paper, appendix I, whose effective loss sums |f(x) - f(y)|^2 over pairs of
    one label, in units of Z = sum |f(x)|^2.
    """
    names, which, sizes = np.unique(np.asarray(labels), return_inverse=True, return_counts=True)
    one, other = np.triu_indices(len(names), 1)
    rows = []
    for now in path:
        F = as_reals("path", now, "hold real arrays (n, d)")
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
