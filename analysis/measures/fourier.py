"""How much of what a network says of a + b modulo p is waves of a few frequencies.

Logits (p, p, C) are C functions of the pair (a, b). Those that depend on a + b modulo p
alone are spanned by a constant and, for each frequency k in 1..p//2, cos(w_k (a + b))
and sin(w_k (a + b)) with w_k = 2 pi k / p; at k = p/2 the sine is 0. All of these are
orthogonal over the p^2 pairs. Divided by their norms, p / sqrt(2), or p for k = p/2,
they are the directions of frequency k: with waves of a and of b that have norm 1, (cos
cos - sin sin) / sqrt(2) and (sin cos + cos sin) / sqrt(2).

Components along them are those of the average of the logits over the p pairs of each
sum, p times as many numbers as the average has: everything here is one Fourier
transform over the sums.

Source: Nanda et al., "Progress measures for grokking via mechanistic interpretability",
2301.05217, if nothing else is said.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import efftheory as et
from analysis.measures.arrays import as_numbers
from analysis.measures.components import as_embedding


def as_logits(logits: ArrayLike) -> NDArray[np.float64]:
    """`logits` as a finite float64 (p, p, C), p at least 2 and C at least 1.

    Raises:
        ArgumentError: they are something else.
    """
    requirement = "be a finite real array (p, p, C) with p of at least 2 and C of at least 1"
    array = as_numbers("logits", requirement, logits)
    if array.ndim != 3 or array.shape[0] != array.shape[1] or array.shape[0] < 2 or array.shape[2] < 1:
        raise et.ArgumentError("logits", requirement, f"has shape {array.shape}")
    if not np.isfinite(array).all():
        raise et.ArgumentError("logits", requirement, "has an entry that is not finite")
    return array.astype(np.float64)


def as_choice(name: str, chosen: ArrayLike, highest: int) -> NDArray[np.int64]:
    """`chosen` as int64 (m,), whole numbers in 1..highest; m may be 0.

    Raises:
        ArgumentError: they are something else.
    """
    requirement = f"be a list of whole numbers in 1..{highest}"
    array = as_numbers(name, requirement, chosen)
    if array.ndim != 1:
        raise et.ArgumentError(name, requirement, f"has shape {array.shape}")
    if len(array) and array.dtype.kind == "f":  # an empty list is one of floats
        raise et.ArgumentError(name, requirement, f"has dtype {array.dtype}")
    if len(array) and not 1 <= array.min() <= array.max() <= highest:
        raise et.ArgumentError(name, requirement, f"has {array.min()}..{array.max()}")
    return array.astype(np.int64)


def frequency_powers(logits: ArrayLike) -> NDArray[np.float64]:
    """Power (p//2,) of each frequency k = 1..p//2 in functions of a + b modulo p.

    The sum, over the classes c, of the squares of the components of logits[:, :, c]
    along the directions of frequency k. With the average M (p, C) of the logits over
    the pairs of each sum,

        2 sum_c |sum_s M_sc e^(-i w_k s)|^2,

    half of that for k = p/2. They and the power of the constant add up to p sum M^2
    (Parseval). They change neither by a constant of each class nor where one of the two
    symbols is renamed by a cyclic shift.

    Args:
        logits: float (p, p, C), C outputs for each ordered pair (a, b).

    Raises:
        ArgumentError: `logits` is not finite (p, p, C) with p at least 2.
    """
    array = as_logits(logits)
    powers = 2 * np.square(np.abs(np.fft.rfft(_means(array), axis=0)[1:])).sum(axis=1)
    if len(array) % 2 == 0:
        powers[-1] /= 2  # one direction, of another norm
    return powers


def fewest(powers: ArrayLike, share: float = 0.9) -> NDArray[np.int64]:
    """Indices (m,), ascending, of the fewest powers (n,) that together hold `share` of
    their sum, the first of equal ones; none if all are 0.

    Raises:
        ArgumentError: `powers` is not finite (n,) of numbers of at least 0; `share` is
            not in (0, 1].
    """
    array = _as_amounts("powers", powers)
    if not (isinstance(share, int | float | np.integer | np.floating) and 0 < share <= 1):
        raise et.ArgumentError("share", "be a number above 0 and at most 1", f"is {share!r}")
    order = np.argsort(-array, kind="stable")
    held = np.cumsum(array[order])
    enough = int(np.searchsorted(held, share * held[-1])) + 1 if held[-1] > 0 else 0
    return np.sort(order[:enough])


def key_frequencies(logits: ArrayLike, share: float = 0.9) -> NDArray[np.int64]:
    """The frequencies (m,), ascending, that matter: the fewest which together hold
    `share` of the sum of `frequency_powers`.

    Nanda et al. choose them by eye, where the Fourier components of the final
    network's map from neurons to logits stand out. Ours are of any network, and need
    its logits alone.

    Args:
        logits: float (p, p, C).
        share: above 0, at most 1.

    Raises:
        ArgumentError: as `frequency_powers`; `share` is not in (0, 1].
    """
    return 1 + fewest(frequency_powers(logits), share)


def restricted(logits: ArrayLike, frequencies: ArrayLike) -> NDArray[np.float64]:
    """The logits (p, p, C) with nothing left but, of each class, the constant over all
    pairs and the components along the directions of these frequencies.

    Their loss on the test set, or on all pairs, is the restricted loss: it falls as
    the waves form, while the network still memorises.

    Args:
        logits: float (p, p, C).
        frequencies: whole numbers (m,) in 1..p//2.

    Raises:
        ArgumentError: as `frequency_powers`; `frequencies` are something else.
    """
    array = as_logits(logits)
    return array.mean(axis=(0, 1)) + _waves(array, frequencies)


def excluded(logits: ArrayLike, frequencies: ArrayLike) -> NDArray[np.float64]:
    """The logits (p, p, C) without their components along the directions of these
    frequencies. All else stays, also waves of a or of b alone.

    Their loss on the training set is the excluded loss: what memorising alone would
    get.

    Args, and Raises:
        as `restricted`.
    """
    array = as_logits(logits)
    return array - _waves(array, frequencies)


def mean_cross_entropy(logits: ArrayLike, labels: ArrayLike) -> float:
    """The mean of log(sum_c e^(l_c)) - l_label over N samples, natural logarithm.

    Args:
        logits: float (N, C).
        labels: int (N,), in 0..C-1.

    Raises:
        ArgumentError: `logits` is not finite (N, C) with at least one sample and one
            class; `labels` are something else.
    """
    array = as_embedding(logits, "logits", least=1)
    n, classes = array.shape
    requirement = f"be whole numbers (N,) in 0..{classes - 1} with N = {n}"
    where = as_numbers("labels", requirement, labels, "iu")
    if where.shape != (n,):
        raise et.ArgumentError("labels", requirement, f"has shape {where.shape}")
    if not 0 <= where.min() <= where.max() < classes:
        raise et.ArgumentError("labels", requirement, f"has {where.min()}..{where.max()}")
    largest = array.max(axis=1)
    sums = np.exp(array - largest[:, None]).sum(axis=1)
    return float(np.mean(np.log(sums) + largest - array[np.arange(n), where]))


def gini(values: ArrayLike) -> float:
    """The Gini coefficient of n numbers of at least 0: the mean |x_i - x_j| over all
    n^2 pairs, divided by twice the mean.

    0 if all are equal, 1 - 1/n if one has everything, nan if all are 0. Of the norms of
    the Fourier components of weights, `gini(np.sqrt(fourier_shares(W)))`, it says how
    few frequencies they use (here one norm a frequency, whatever its phase).

    Args:
        values: float (n,).

    Raises:
        ArgumentError: `values` is not finite (n,) of numbers of at least 0, n at least
            1.
    """
    array = np.sort(_as_amounts("values", values))
    n, largest = len(array), array[-1]
    if largest == 0:
        return float("nan")
    scaled = array / largest  # their sum stays finite
    return float((2 * np.arange(1, n + 1) - n - 1) @ scaled / (n * scaled.sum()))


def inverse_participation(weights: ArrayLike, r: float = 2) -> NDArray[np.float64]:
    """IPR_r (n,) of each column of weights (p, n): sum_k |w_k|^(2 r) over the column's
    p Fourier coefficients, scaled to sum_k |w_k|^2 = 1. nan for a column of zeros.

    1 if one coefficient has everything, p^(1 - r) if all are of one size, as of a
    single symbol. The transform is the complex one, so k and p - k are two coefficients
    and a cosine has 2^(1 - r), which is 1/2 for r = 2; the mean, k = 0, is one of them.
    The code of Doshi et al., 2310.13061, has k = 0..p//2 only and gives a cosine 1.

    Args:
        weights: float (p, n).
        r: at least 1; IPR_1 is 1.

    Source: Gromov, "Grokking modular arithmetic", 2301.02679.

    Raises:
        ArgumentError: `weights` is not finite (p, n) with p at least 2; `r` is not a
            finite number of at least 1.
    """
    array = as_embedding(weights, "weights")
    if not (isinstance(r, int | float | np.integer | np.floating) and 1 <= r < np.inf):
        raise et.ArgumentError("r", "be a finite number of at least 1", f"is {r!r}")
    largest = np.abs(array).max(axis=0)
    scaled = array / np.where(largest > 0, largest, np.nan)  # their squares stay finite
    powers = np.square(np.abs(np.fft.fft(scaled, axis=0)))
    return ((powers / powers.sum(axis=0)) ** r).sum(axis=0)


def _means(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """(p, C), the mean over the pairs of each sum modulo p."""
    a = np.arange(len(array))
    return array[a, (a[:, None] - a) % len(array)].mean(axis=1)


def _waves(array: NDArray[np.float64], frequencies: ArrayLike) -> NDArray[np.float64]:
    """The components of logits along the directions of these frequencies."""
    p = len(array)
    waves = np.fft.rfft(_means(array), axis=0)
    kept = np.zeros_like(waves)
    chosen = as_choice("frequencies", frequencies, p // 2)
    kept[chosen] = waves[chosen]
    a = np.arange(p)
    return np.fft.irfft(kept, p, axis=0)[(a[:, None] + a) % p]


def _as_amounts(name: str, values: Any) -> NDArray[np.float64]:
    """`values` as finite float64 (n,), none below 0."""
    requirement = "be finite numbers (n,) of at least 0, at least one"
    array = as_numbers(name, requirement, values)
    if array.ndim != 1 or len(array) == 0:
        raise et.ArgumentError(name, requirement, f"has shape {array.shape}")
    if not (np.isfinite(array).all() and array.min() >= 0):
        raise et.ArgumentError(name, requirement, "has another entry")
    return array.astype(np.float64)
