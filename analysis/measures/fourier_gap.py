"""What tells a parity's coordinates from the others in a network's first gradient."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

import efftheory as et
from analysis.measures.arrays import as_numbers
from analysis.measures.components import as_embedding


def majority_coefficient(n: int, order: int) -> float:
    """The Fourier coefficient E[Maj(x) prod_{i in S} x_i] of the majority of n bits of
    -1 and 1, n odd, at any set S of `order` coordinates, odd.

    With m = (n - 1)/2 and j = (order - 1)/2 it is (-1)^j C(m, j) / C(n - 1, order - 1)
    C(n - 1, m) / 2^(n - 1). (At even orders it is 0, since Maj is odd.)

    Source: O'Donnell, "Analysis of Boolean functions", theorem 5.19; used by Barak et
    al., "Hidden progress in deep learning" (2207.08799).

    Raises:
        ArgumentError: `n` is not odd and at least 1, or `order` not odd and in 1..n.
    """
    _check_parity("n", n, 1, None, odd=True)
    _check_parity("order", order, 1, n, odd=True)
    n, order = int(n), int(order)  # whose products must not overflow
    m, j = (n - 1) // 2, (order - 1) // 2
    size = math.comb(m, j) * math.comb(n - 1, m) / (math.comb(n - 1, order - 1) * 2 ** (n - 1))
    return -size if j % 2 else size


def fourier_gap(n: int, k: int) -> float:
    """How much larger the population gradient of a ReLU neuron is at a relevant
    coordinate of a (n, k) parity than at an irrelevant one.

    The neuron's weights are all of one size and sign, without bias, so its derivative
    is the half-space indicator (1 + Maj(x))/2. Against the parity of a set S of k
    coordinates, the gradient's entry i is E[(1 + Maj(x))/2 x_i prod_{s in S} x_s]: the
    indicator's coefficient at S without i if i is relevant, else at S with i. So the
    gap is (|c_{k-1}| - |c_{k+1}|)/2, c of the majority, for even k, where both orders
    are odd; for odd k above 1 both coefficients are 0. The gap is 0 at k = (n + 1)/2
    and below 0 beyond.

    Source: Barak et al., "Hidden progress in deep learning" (2207.08799); they ask for
    this difference to be positive, and bound it.

    Raises:
        ArgumentError: `n` is not odd and at least 3, or `k` not even and in 2..n-1.
    """
    _check_parity("n", n, 3, None, odd=True)
    _check_parity("k", k, 2, n - 1, odd=False)
    return (abs(majority_coefficient(n, k - 1)) - abs(majority_coefficient(n, k + 1))) / 2


def gradient_gap(gradient: ArrayLike, relevant: ArrayLike) -> float:
    """How well the gradient of the first layer's weights (w, n) tells the relevant
    coordinates of the n from the others.

    For each neuron the mean of |g| over the relevant coordinates, less that over the
    others, over that of all; then the mean over the w neurons. 0 if they cannot be told
    apart, n/k if all of it is at the k relevant ones, -n/(n - k) if none is. A neuron
    without gradient counts as 0.

    Args:
        gradient: float (w, n).
        relevant: int (k,), distinct, in 0..n-1; not all of these.

    Source: ours, after the Fourier gap of Barak et al. (2207.08799), of any network.

    Raises:
        ArgumentError: `gradient` is not finite (w, n), or `relevant` is no such set.
    """
    sizes = np.abs(as_embedding(gradient, "gradient", least=1))
    n = sizes.shape[1]
    requirement = f"be distinct integers (k,) in 0..{n - 1}, with k in 1..{n - 1}"
    chosen = as_numbers("relevant", requirement, relevant, "iu")
    if chosen.ndim != 1 or not 1 <= len(chosen) < n:
        raise et.ArgumentError("relevant", requirement, f"is {relevant!r}")
    if chosen.min() < 0 or chosen.max() >= n or len(np.unique(chosen)) < len(chosen):
        raise et.ArgumentError("relevant", requirement, f"is {relevant!r}")
    mask = np.isin(np.arange(n), chosen)
    means = sizes.mean(axis=1)
    gaps = sizes[:, mask].mean(axis=1) - sizes[:, ~mask].mean(axis=1)
    return float(np.divide(gaps, means, out=np.zeros_like(gaps), where=means > 0).mean())


def _check_parity(name: str, value: int, low: int, high: int | None, *, odd: bool) -> None:
    """An integer in low..high, or of at least `low`, that is odd, or even."""
    span = f"of at least {low}" if high is None else f"in {low}..{high}"
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < low or (high is not None and value > high) or value % 2 != odd:
        raise et.ArgumentError(name, f"be an {'odd' if odd else 'even'} integer {span}", f"is {value!r}")
