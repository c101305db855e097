"""Principal components of an embedding, and how many of them matter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr

import efftheory as et
from analysis.measures.arrays import as_reals


@dataclass(frozen=True, eq=False)
class PrincipalComponents:
    """E = mean + scores @ directions, the components in descending order of variance.

    Attributes:
        mean: float64 (d,), of the symbols.
        scores: float64 (p, r), each symbol's coordinates; r = min(p, d).
        directions: float64 (r, d), orthonormal rows. The sign of each is such that its
            entry of largest size is positive.
        shares: float64 (r,), the share of the variance along each; nan where all
            symbols are in one place.
    """

    mean: NDArray[np.float64]
    scores: NDArray[np.float64]
    directions: NDArray[np.float64]
    shares: NDArray[np.float64]


def as_embedding(E: ArrayLike, name: str = "E", least: int = 2) -> NDArray[np.float64]:
    """`E` as a finite float64 (p, d) of at least `least` symbols and one dimension.

    Raises:
        ArgumentError: it is something else.
    """
    requirement = f"be a finite real array (p, d) with p of at least {least} and d of at least 1"
    array = as_reals(name, requirement, E)
    if array.ndim != 2 or array.shape[0] < least or array.shape[1] < 1:
        raise et.ArgumentError(name, requirement, f"has shape {array.shape}")
    if not np.isfinite(array).all():
        raise et.ArgumentError(name, requirement, "has an entry that is not finite")
    return array


def principal_components(E: ArrayLike) -> PrincipalComponents:
    """The principal components of the p symbols of E (p, d).

    Source: paper, figures 1, 21 and 22.

    Raises:
        ArgumentError: `E` is not finite (p, d) with at least two symbols.
    """
    array = as_embedding(E)
    mean = array.mean(axis=0)
    left, sizes, directions = np.linalg.svd(array - mean, full_matrices=False)
    sign = np.sign(np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1))
    squares = sizes**2
    # below this the variance is what is left of equal rows
    total = squares.sum() if squares.sum() > 1e-28 * np.square(array).sum() else np.nan
    return PrincipalComponents(mean, left * sizes * sign.T, directions * sign, squares / total)


def effective_dimension(E: ArrayLike) -> float:
    """e^S, S the entropy of the shares of variance of the principal components of E
    (p, d): 1 for a line, 2 for a circle, d for a cloud as wide in all directions. nan
    where all symbols are in one place.

    It changes neither by a translation nor by a rotation nor by another scale.

    Source: paper, section 4.2 and figure 7 (left).

    Raises:
        ArgumentError: as `principal_components`.
    """
    return float(np.exp(entr(principal_components(E).shares).sum()))


def projected(E: ArrayLike, onto: ArrayLike, k: int = 2) -> NDArray[np.float64]:
    """Coordinates (p, k) of the symbols of E (p, d) along the first k principal
    components of `onto` (q, d), from the mean of E itself.

    With the initial embedding as E and the final one as `onto`, this is what the paper
    shows of a structure that is there from the beginning.

    Source: paper, appendix K, figures 21 and 22.

    Raises:
        ArgumentError: `E` or `onto` is not finite (p, d), or their d differ, or `k` is
            not in 1..the number of components of `onto`.
    """
    array, components = _onto(E, onto, k)
    return (array - array.mean(axis=0)) @ components.directions[:k].T


def truncated(E: ArrayLike, onto: ArrayLike, k: int) -> NDArray[np.float64]:
    """E (p, d) with nothing left but its mean and what lies along the first k principal
    components of `onto` (q, d); k = 0 leaves the mean.

    A network that is given this in place of E says how many components it uses.

    Source: paper, appendix K: the first few components give 99 % accuracy.

    Raises:
        ArgumentError: as `projected`, but that k may be 0.
    """
    array, components = _onto(E, onto, k, least=0)
    return _kept(array, components.directions[:k])


def component_accuracy(
    E: ArrayLike, onto: ArrayLike, correct: Callable[[NDArray[np.float64]], ArrayLike]
) -> NDArray[np.float64]:
    """The accuracy (r + 1,) of a network that is given of its embedding E (p, d) only
    what lies along the first k principal components of `onto`, for k = 0..r.

    Args:
        E: float (p, d).
        onto: float (q, d), mostly E itself, or the final embedding.
        correct: an embedding (p, d) -> bool (N,), the samples that the network gets
            right with it.

    Source: paper, appendix K, figures 21 and 22.

    Raises:
        ArgumentError: as `truncated`.
    """
    array, components = _onto(E, onto, 0, least=0)
    kept = [_kept(array, components.directions[:k]) for k in range(len(components.directions) + 1)]
    return np.array([np.asarray(correct(embedding)).mean() for embedding in kept])


def _kept(array: NDArray[np.float64], directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of E, and what lies along these directions."""
    mean = array.mean(axis=0)
    return mean + (array - mean) @ directions.T @ directions


def _onto(E: ArrayLike, onto: ArrayLike, k: int, least: int = 1) -> tuple[NDArray[np.float64], PrincipalComponents]:
    array, components = as_embedding(E), principal_components(as_embedding(onto, "onto"))
    n, d = components.directions.shape
    if array.shape[1] != d:
        raise et.ArgumentError("onto", f"have d = {array.shape[1]} dimensions, as E", f"has {d}")
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not least <= k <= n:
        raise et.ArgumentError("k", f"be an integer in {least}..{n}", f"is {k!r}")
    return array, components
