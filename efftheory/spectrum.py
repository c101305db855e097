"""Eigenvalues of the Hessian, lambda_3, and the grokking time it sets."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from efftheory import _checks
from efftheory.generalization import nullity as exact_nullity
from efftheory.hessian import hessian
from efftheory.operations import Operation
from efftheory.parallelograms import Mask


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The k smallest eigenpairs of H (p, p).

    Attributes:
        eigenvalues: float64 (k,), ascending; the first `nullity` are exactly 0.
        modes: float64 (p, k), orthonormal columns.
        nullity: n_0, exact.
        lambda3: the slowest mode that some training set drives, eigenvalue number op.full_nullity + 1: the third for
            addition; 0 where nullity is above that of all data, nan where p < 3.
        residuals: float64 (k,), |H v - lambda v| / lambda_max.
        converged: whether every residual is below p * 1e-14 (a value, never an exception).
    """

    eigenvalues: NDArray[np.float64]
    modes: NDArray[np.float64]
    nullity: int
    lambda3: float
    residuals: NDArray[np.float64]
    converged: bool


def spectrum(op: Operation, mask: Mask = None, k: int | None = None) -> Spectrum:
    """Eigenvalues 0 = lambda_1 = lambda_2 <= lambda_3 <= ... of H, by a dense symmetric solver.

    How many are zero is not read off the eigenvalues but known exactly (`nullity`), and those are set to 0.

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.
        k: how many of the smallest to return; None for all p.

    Source: paper, section 4.1.

    Raises:
        ArgumentError: `k` is not in 1..p; `op` composes by a product.
    """
    p = op.n_symbols
    k = p if k is None else _checks.integer("k", k, 1, p)
    H = hessian(op, mask)
    n_null = exact_nullity(op, mask)
    n_free = op.full_nullity
    n_solved = min(max(k, n_free + 1), p)  # lambda_3 belongs to the record whatever k
    values, modes = scipy.linalg.eigh(H, subset_by_index=[0, n_solved - 1] if n_solved < p else None)
    values[:n_null] = 0.0
    scale = np.linalg.norm(H, 2) or 1.0
    residuals = np.linalg.norm(H @ modes - modes * values, axis=0) / scale
    return Spectrum(
        eigenvalues=values[:k],
        modes=modes[:, :k],
        nullity=n_null,
        lambda3=float(values[n_free]) if p > n_free else math.nan,
        residuals=residuals[:k],
        converged=bool((residuals < 1e-14 * p).all()),
    )


def grokking_steps(op: Operation, mask: Mask, learning_rate: float, z0: float) -> float:
    """n_h = Z0 / (lambda_3 eta), in steps: the e-folding time of the slowest mode of the flow.

    inf where lambda_3 is 0 or not defined: the linear representation is not the only one, and is not reached.

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.
        learning_rate: eta of the embeddings, per step.
        z0: Z0 = sum_k |E_k|^2 of the centred embedding; p - 1 for a standardised one in one dimension.

    Source: paper, section 4.1 (grokking time proportional to 1/lambda_3) and figure 5.

    Raises:
        ArgumentError: `learning_rate` or `z0` is not positive and finite; `op` composes by a product.
    """
    learning_rate = _checks.positive("learning_rate", learning_rate)
    z0 = _checks.positive("z0", z0)
    lambda3 = spectrum(op, mask, k=1).lambda3
    return z0 / (lambda3 * learning_rate) if lambda3 > 0 else math.inf
