"""Do embeddings form a ring, as addition modulo p wants it? Symbols as waves of few
frequencies, symbols around a circle, and sums of angles.

On a ring of frequency k symbol a stands at the angle 2 pi k a / p. So its coordinates
are waves of that frequency, neighbours around the ring differ by 1/k modulo p, and the
angle of a sum modulo p is the sum of the angles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

import efftheory as et
from analysis.measures.arrays import Floats, as_finite, check_number
from analysis.measures.components import principal_components
from efftheory._records import table

LEAST_SYMBOLS = 3  # a ring of two is a line


@dataclass(frozen=True, eq=False)
class Ring:
    """The symbols in their order around the plane of the first two principal
    components.

    Attributes:
        order: int64 (p,), the symbols by their angle, 0 first, the way round in which
            `step` is at most p/2.
        step: what neighbours most often differ by, modulo p and either way, in 1..p/2.
        agreement: the share of the p neighbours that differ by this step; 1 is a ring.
        frequency: 1/step modulo p, in 1..p/2: how often the ring goes round as a runs
            through 0..p-1. None if the step shares a factor with p.
    """

    order: NDArray[np.int64]
    step: int
    agreement: float
    frequency: int | None

    _repr_html_ = table


def fourier_shares(E: ArrayLike) -> Floats:
    """Share of each frequency 1..p//2 in the variance of E (p, d) over the symbols, p
    at least 3.

    |sum_a E_a e^(-2 pi i k a / p)|^2 summed over the d dimensions and over k and p - k,
    over the same of all frequencies but 0; they add up to 1 (Parseval). nan where all
    symbols are in one place. No translation, rotation, other scale or cyclic shift of
    the symbols changes them.

    Source: Nanda et al., "Progress measures for grokking via mechanistic
    interpretability" (there as norms).
    """
    array = as_finite("E", E, "(p, d)", least=LEAST_SYMBOLS)
    waves = np.fft.rfft(array - array.mean(axis=0), axis=0)[1:]
    power = np.square(np.abs(waves)).sum(axis=1)
    if len(array) % 2 == 0:
        power[-1] /= 2  # p/2 is its own mirror image, the others stand for two
    total = power.sum()
    floor = 1e-28 * len(array) * np.square(array).sum()  # what is left of equal rows
    return power / (total if total > floor else np.nan)


def gini(values: ArrayLike) -> float:
    """The Gini coefficient of n numbers of at least 0: the mean |x_i - x_j| over all
    n^2 pairs, divided by twice the mean.

    0 if all are equal, 1 - 1/n if one has everything, nan if all are 0. Of the norms of
    the Fourier components of weights, `gini(np.sqrt(fourier_shares(W)))`, it says how
    few frequencies they use (here one norm a frequency, whatever its phase).
    """
    array = np.sort(as_finite("values", values, "(n,)", low=0))
    n, largest = len(array), array[-1]
    if largest == 0:
        return float("nan")
    scaled = array / largest  # their sum stays finite
    return float((2 * np.arange(1, n + 1) - n - 1) @ scaled / (n * scaled.sum()))


def inverse_participation(weights: ArrayLike) -> Floats:
    """IPR (n,) of each column of weights (p, n), p at least 2: sum_k |w_k|^4 over the
    column's p Fourier coefficients, scaled to sum_k |w_k|^2 = 1. nan for a column of
    zeros.

    1 if one coefficient has everything, 1/p if all are of one size, as of a single
    symbol. The transform is the complex one, so k and p - k are two coefficients and a
    cosine has 1/2; the mean, k = 0, is one of them. The code of Doshi et al.,
    2310.13061, has k = 0..p//2 only and gives a cosine 1.

    Source: Gromov, "Grokking modular arithmetic", 2301.02679.
    """
    array = as_finite("weights", weights, "(p, n)", least=2)
    largest = np.abs(array).max(axis=0)
    scaled = array / np.where(largest > 0, largest, np.nan)  # their squares stay finite
    powers = np.square(np.abs(np.fft.fft(scaled, axis=0)))
    return np.square(powers / powers.sum(axis=0)).sum(axis=0)


def ring_angles(E: ArrayLike) -> Floats:
    """The angle (p,) of each symbol in the plane of the first two principal components
    of E (p, d), around the symbols' mean; p at least 3, d at least 2.
    """
    array = as_finite("E", E, "(p, d)", least=LEAST_SYMBOLS)
    if array.shape[1] < 2:
        raise et.ArgumentError("E", "have at least two dimensions", f"has shape {array.shape}")
    scores = principal_components(array).scores
    return np.arctan2(scores[:, 1], scores[:, 0])


def ring(E: ArrayLike) -> Ring:
    """The order of the symbols of E (p, d) by their `ring_angles`, and how regular it
    is. Source: paper, figure 1, where it is seen by eye.
    """
    order = np.argsort(ring_angles(E), kind="stable")
    p = len(order)
    order = np.roll(order, -int(np.flatnonzero(order == 0)[0]))
    steps = np.diff(np.append(order, order[0])) % p
    either = np.minimum(steps, p - steps)
    step = int(np.bincount(either).argmax())
    if np.count_nonzero(steps == step) < np.count_nonzero(steps == p - step):
        order = np.roll(order[::-1], 1)
    frequency = None
    if math.gcd(step, p) == 1:
        inverse = pow(step, -1, p)
        frequency = min(inverse, p - inverse)
    return Ring(order, step, float(np.mean(either == step)), frequency)


def ring_rqi(E: ArrayLike, delta: float = 0.25) -> float:
    """The share of all parallelograms modulo p that the `ring_angles` of E close.

    Pairs i <= j and m <= n with i + j = m + n modulo p count if theta_i + theta_j and
    theta_m + theta_n differ by at most `delta`, in (0, 1/2], times 2 pi / p, around the
    circle: beyond, a sum is taken for its neighbour. A ring of any frequency has 1.

    The paper's RQI asks real sums for E_i + E_j = E_m + E_n, which no embedding that
    tells the symbols apart can do modulo p; a ring does it with angles.

    Source: ours, after equation 4 of the paper.
    """
    angles = ring_angles(E)
    check_number("delta", delta, above=0, most=0.5)
    p = len(angles)
    i, j = np.triu_indices(p)
    turns = (angles[i] + angles[j]) / (2 * np.pi)
    width = delta / p * (1 + 1e-9) + 1e-12  # an exact ring is off by round-off
    result = (i + j) % p
    sums = np.sort(3 * result + turns % 1)  # each result's on a circle of its own
    n = np.bincount(result)
    # from each sum on, those within the width: a pair is met from one of its ends
    reach = np.searchsorted(np.sort(np.concatenate([sums, sums + 1])), sums + width, side="right")
    close = (reach - np.arange(len(sums)) - np.repeat(n.cumsum() - n, n) - 1).sum()
    return float(close / (n * (n - 1) // 2).sum())
