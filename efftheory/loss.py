"""The effective loss and its gradient: l_eff = l0 / Z0 of sums, in O(|D| d), l0 / Z0^2
of matrix products, O(|D| d^3).

The power of Z0 is half the degree of l0 in E, so that the size of E does not matter.
Where a function's value does not change with the size of its argument, Euler's theorem
says sum_k <E_k, d l_eff/dE_k> = 0: its flow conserves Z0.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efftheory import _checks, _kernels
from efftheory._checks import ArgumentError
from efftheory._kernels import Samples
from efftheory.embeddings import embedding
from efftheory.operations import Operation
from efftheory.parallelograms import Mask, count_parallelograms, training_samples

Normalization = Literal["sum", "mean"]

_LONGEST = 1e300


def _power(E: NDArray[np.float64]) -> int:
    """Of Z0 in l_eff = l0 / Z0^power: 1 of sums (p, d), 2 of products (p, d, d)."""
    return E.ndim - 1


def parallelogram_loss(samples: Samples, E: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """(l0, dl0/dE), l0 = sum over P0(D) of |E_i + E_j - E_m - E_n|^2, or of products;
    E (p, d) or (p, d, d) trusted.
    """
    if E.ndim == 3:
        return _product_loss(samples, E)
    gradient = np.zeros_like(E)
    return _kernels.loss_and_gradient(*samples, E, gradient), gradient


def _product_loss(samples: Samples, E: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """`parallelogram_loss` of matrix products.

    As for sums, the sum over the pairs of one class is
    l0 = sum_c k_c sum_{s in c} |P_s - mean_c|^2
    with P_s = E_a E_b. The mean's own derivative drops out, for the
    deviations of a class add up to 0: dl0/dP_s = 2 k_c (P_s - mean_c), then dl0/dE_a
    collects dl0/dP_s E_b^T, and dl0/dE_b collects E_a^T dl0/dP_s.
    """
    left, right, first = samples
    sizes = np.diff(first)
    classes = np.repeat(np.arange(len(sizes)), sizes)
    L, R = E[left], E[right]
    P = L @ R  # (n, d, d)
    means = np.zeros((len(sizes), *P.shape[1:]))
    np.add.at(means, classes, P)
    means /= np.maximum(sizes, 1)[:, None, None]  # a class without samples has none to be read
    deviation = P - means[classes]
    slope = 2 * sizes[classes, None, None] * deviation  # dl0/dP
    gradient = np.zeros_like(E)
    np.add.at(gradient, left, slope @ R.transpose(0, 2, 1))
    np.add.at(gradient, right, L.transpose(0, 2, 1) @ slope)
    return float((slope * deviation).sum() / 2), gradient


def normalized_gradient(samples: Samples, E: NDArray[np.float64]) -> NDArray[np.float64]:
    """d l_eff / dE for a trusted E, the quotient rule on l0 / Z0^power."""
    z0, power = (E**2).sum(), _power(E)
    l0, gradient = parallelogram_loss(samples, E)
    return (gradient - 2 * power * l0 / z0 * E) / z0**power


def losses(op: Operation, mask: Mask, path: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """l_eff with normalization "sum" and Z0 of each path[t]: (T,) each; nan where E has
    grown or decayed beyond floats.
    """
    samples, each = training_samples(op, mask), tuple(range(1, path.ndim))
    with np.errstate(all="ignore"):
        usual = path / size_of(path, each)
        l0 = np.array([parallelogram_loss(samples, E)[0] for E in usual])
        return l0 / (usual**2).sum(axis=each) ** (path.ndim - 2), (path**2).sum(axis=each)


def size_of(E: NDArray[np.float64], axes: tuple[int, ...] | None = None) -> Any:
    """A power of 2 near the largest entry, so that E / size is exact, and no power of
    its Z0 leaves the range of floats; l_eff does not depend on it. Of all of E, or
    along `axes`, which are kept.
    """
    return np.exp2(np.floor(np.log2(np.abs(E).max(axis=axes, keepdims=axes is not None))))


def in_units_of(size: float, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """times / size^2, those of the flow of E / size; at most 1e300, as long as any."""
    with np.errstate(over="ignore", under="ignore"):
        return np.minimum(times / size**2, _LONGEST)


def loss_argument(op: Operation, E: ArrayLike, name: str = "E") -> NDArray[np.float64]:
    """`E` as float64 (p, d) or (p, d, d), whichever `op` composes, of a size that l_eff
    can be divided by.
    """
    array = embedding(E, op, name)
    power = _power(array)
    with np.errstate(over="ignore"):
        z0 = (array**2).sum()
        divisor = z0**power
    if divisor == 0 or not np.isfinite(divisor):
        divided_by = "Z0" if power == 1 else f"Z0^{power}"
        requirement = f"have a {divided_by} that is finite and not 0, Z0 the sum of its squares"
        raise ArgumentError(name, requirement, f"has Z0 = {z0}")
    return array


def _divisor(op: Operation, mask: Mask, normalization: str) -> int:
    """What l0 is divided by besides the power of Z0."""
    if _checks.choice("normalization", normalization, ("sum", "mean")) == "sum":
        return 1
    return max(count_parallelograms(op, mask), 1)  # an empty P0(D) has loss 0


def effective_loss(op: Operation, mask: Mask, E: ArrayLike, normalization: Normalization = "sum") -> float:
    """l_eff = l0 / Z0, l0 = sum over P0(D) of |E_i + E_j - E_m - E_n|^2,
    Z0 = sum_k |E_k|^2.

    Where `op` composes by a matrix product: l_eff = l0 / Z0^2, l0 = sum over P0(D) of
    |E_a E_b - E_c E_e|_F^2, Z0 = sum_a |E_a|_F^2. The paper gives products no effective
    loss. This quotient is our choice: l0 is of fourth degree in E, so it is the one
    that does not depend on the size of E, like l0 / Z0 of sums, and Z0 is conserved. It
    is 0 on every representation of a group, on one times a matrix that commutes with
    it, and also where all E_a are equal: what keeps sums from that, a mean of 0, is no
    condition on products.

    Two conventions are in print. "sum" (blog, slides, official code, and ours) is the
    above; "mean" divides it by |P0(D)|, as the paper's text does. Only "sum" has the
    published time scales, and only with it does no eigenvalue of the Hessian fall when
    data is added.

    `E` is taken as it is. The paper assumes mean 0 of sums: a translation changes Z0
    and not l0.

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.
        E: float (p, d), or (p, d, d) where `op` composes by a matrix product.
        normalization: "sum" or "mean".

    Source: paper, section 4.1, equation 7; the parallelograms of products: appendix H.

    Raises:
        ArgumentError: `E` is not finite, has another shape or is zero; unknown
            `normalization`.
    """
    E = loss_argument(op, E)
    return float(losses(op, mask, E[None])[0][0]) / _divisor(op, mask, normalization)


def effective_loss_gradient(
    op: Operation, mask: Mask, E: ArrayLike, normalization: Normalization = "sum"
) -> NDArray[np.float64]:
    """d l_eff / dE, float64 like E: (1/Z0) (H - rho I) E with
    rho = E^T H E / Z0 = 2 l0 / Z0.

    Matrix products: (dl0/dE - 4 (l0/Z0) E) / Z0^2, where of a class with k samples and
    the mean product M every sample (a, b) adds 2 k (E_a E_b - M) E_b^T to dl0/dE_a and
    2 k E_a^T (E_a E_b - M) to dl0/dE_b.

    The paper prints only H E; the second term, from differentiating Z0, is what keeps
    Z0 constant under the flow. Conventions and errors as `effective_loss`.

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.
        E: float (p, d), or (p, d, d) where `op` composes by a matrix product.
        normalization: "sum" or "mean".
    """
    E = loss_argument(op, E)
    size = size_of(E)
    return normalized_gradient(training_samples(op, mask), E / size) / (size * _divisor(op, mask, normalization))
