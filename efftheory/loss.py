"""The effective loss l_eff = l0 / Z0 and its gradient, in O(|D| d)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efftheory import _checks, _kernels
from efftheory._checks import ArgumentError
from efftheory.operations import Operation
from efftheory.parallelograms import Mask, count_parallelograms, training_samples

Normalization = Literal["sum", "mean"]


def parallelogram_loss(op: Operation, mask: Mask, E: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """(l0, dl0/dE) with l0 = sum over P0(D) of |E_i + E_j - E_m - E_n|^2; E (p, d) is trusted."""
    gradient = np.zeros_like(E)
    return _kernels.loss_and_gradient(*training_samples(op, mask), E, gradient), gradient


def _loss_scale(op: Operation, mask: Mask, E: NDArray[np.float64], normalization: str):
    """(Z0, divisor of l0 besides Z0)."""
    _checks.choice("normalization", normalization, ("sum", "mean"))
    with np.errstate(over="ignore"):
        z0 = float((E**2).sum())
    if z0 == 0 or not np.isfinite(z0):
        raise ArgumentError("E", "have a Z0 = sum_k |E_k|^2 that is finite and not 0", f"has Z0 = {z0}")
    if normalization == "sum":
        return z0, 1
    return z0, max(count_parallelograms(op, mask), 1)  # an empty P0(D) has loss 0


def effective_loss(op: Operation, mask: Mask, E: ArrayLike, normalization: Normalization = "sum") -> float:
    """l_eff = l0 / Z0, l0 = sum over P0(D) of |E_i + E_j - E_m - E_n|^2, Z0 = sum_k |E_k|^2.

    Two conventions are in print. "sum" (blog, slides, official code, and ours) is the above; "mean" divides
    it by |P0(D)|, as the paper's text does. Only "sum" has the published time scales, and only with it does
    no eigenvalue of the Hessian fall when data is added.

    `E` is taken as it is. The paper assumes mean 0: l0 does not see a translation, Z0 does.

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.
        E: float (p, d).
        normalization: "sum" or "mean".

    Source: paper, section 4.1, equation 7.

    Raises:
        ArgumentError: `E` is not finite (p, d) or is zero; unknown `normalization`; `op` composes by a product.
    """
    E = _checks.embedding(E, op)
    z0, divisor = _loss_scale(op, mask, E, normalization)
    return parallelogram_loss(op, mask, E)[0] / (z0 * divisor)


def effective_loss_gradient(
    op: Operation, mask: Mask, E: ArrayLike, normalization: Normalization = "sum"
) -> NDArray[np.float64]:
    """d l_eff / dE = (1/Z0) (H - rho I) E, rho = E^T H E / Z0 = 2 l0 / Z0; float64 (p, d).

    The paper prints only H E; the rho term, from differentiating Z0, is what keeps Z0 constant under the
    flow. Arguments, conventions and errors as `effective_loss`.
    """
    E = _checks.embedding(E, op)
    z0, divisor = _loss_scale(op, mask, E, normalization)
    l0, gradient = parallelogram_loss(op, mask, E)
    return (gradient - 2 * l0 / z0 * E) / (z0 * divisor)
