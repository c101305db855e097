"""The Hessian H of l0, dense and as an operator; H never needs P0(D) to be listed.

With u = e_i + e_j, a class of k samples contributes 2 [k sum u u^T - (sum u)(sum u)^T], the Laplacian of a
complete graph.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator

from efftheory import _checks, _kernels
from efftheory.operations import Operation, Samples
from efftheory.parallelograms import Mask, trained_flags, training_samples


def hessian(op: Operation, mask: Mask = None) -> NDArray[np.float64]:
    """H = d2 l0 / dE_i dE_j, float64 (p, p), so that l0 = 1/2 sum_x E_x^T H E_x over the d dimensions.

    Symmetric, positive semidefinite, integer-valued. H 1 = 0 and H (0, 1 .. p-1) = 0: translation and scaling
    cost nothing. This is the Hessian of l0, undivided: divide by Z0 for a rate. In the paper's text
    convention ("mean" in `effective_loss`) divide by |P0(D)| as well; the published time scales come without
    that.

    Source: paper, section 4.1, equation 8.

    Raises:
        ArgumentError: `op` composes by a product.
    """
    _checks.sum_composition(op)
    return _kernels.hessian(*op.samples, trained_flags(op, mask), op.n_symbols)


class _Hessian(LinearOperator):
    """l0 is quadratic, so H x is the gradient of l0 at x."""

    def __init__(self, p: int, samples: Samples):
        super().__init__(np.dtype(np.float64), (p, p))
        self._samples = samples

    def _matmat(self, X: NDArray) -> NDArray[np.float64]:
        X = np.ascontiguousarray(X, dtype=np.float64)
        product = np.zeros_like(X)
        _kernels.loss_and_gradient(*self._samples, X, product)
        return product

    def _matvec(self, x: NDArray) -> NDArray[np.float64]:
        return self._matmat(x.reshape(-1, 1)).reshape(x.shape)

    def _rmatmat(self, X: NDArray) -> NDArray[np.float64]:  # H is symmetric
        return self._matmat(X)

    def _rmatvec(self, x: NDArray) -> NDArray[np.float64]:
        return self._matvec(x)


def hessian_operator(op: Operation, mask: Mask = None) -> LinearOperator:
    """H (see `hessian`) as a scipy LinearOperator of shape (p, p); O(|D|) a product, O(|D|) memory.

    Raises:
        ArgumentError: `op` composes by a product.
    """
    _checks.sum_composition(op)
    return _Hessian(op.n_symbols, training_samples(op, mask))
