"""The Hessian H of l0, dense and as an operator; H never needs P0(D) to be listed.

With u = e_i + e_j, a class of k samples contributes 2 [k sum u u^T - (sum u)(sum u)^T],
the Laplacian of a complete graph.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator

from efftheory import _kernels
from efftheory._kernels import Samples
from efftheory._threads import threaded
from efftheory.operations import Operation, require_sum
from efftheory.parallelograms import Mask, training_samples

# One thread does a million samples in a few milliseconds, ten times what threads take
# to start.
_BLOCKS, _BLOCK_SAMPLES, _COLUMNS = 16, 1_000_000, 16


def hessian(op: Operation, mask: Mask = None) -> NDArray[np.float64]:
    """H = d2 l0 / dE_i dE_j, float64 (p, p), so that l0 = 1/2 sum_x E_x^T H E_x over
    the d dimensions.

    Symmetric, positive semidefinite, integer-valued. H 1 = 0 and H (0, 1 .. p-1) = 0:
    translation and scaling cost nothing. This is the Hessian of l0, undivided: divide
    by Z0 for a rate. In the paper's text convention ("mean" in `effective_loss`) divide
    by |P0(D)| as well; the published time scales come without that.

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.

    Source: paper, section 4.1, equation 8.

    Raises:
        ArgumentError: `op` composes by a product.
    """
    require_sum(op)
    samples = training_samples(op, mask)
    return _kernels.hessian(*samples, np.ones(len(samples.left), np.bool_), op.n_symbols)


class _Hessian(LinearOperator):
    """l0 is quadratic, so H x is the gradient of l0 at x.

    The classes are cut into blocks of about equal work, which threads share. How they
    are cut, and in which order the blocks are added up, depends on D alone: so does
    every bit of the product on one machine, for any number of threads.
    """

    def __init__(self, p: int, samples: Samples):
        super().__init__(np.dtype(np.float64), (p, p))
        left, right, first = samples
        n_blocks = min(_BLOCKS, 1 + len(left) // _BLOCK_SAMPLES)
        cuts = np.searchsorted(first, np.linspace(0, len(left), n_blocks + 1))
        cuts[-1] = len(first) - 1  # with the empty classes behind the last sample
        self._blocks = [Samples(left, right, first[a : b + 1]) for a, b in pairwise(cuts)]

    def _matmat(self, X: NDArray) -> NDArray[np.float64]:
        parts = [self._few(X[:, begin : begin + _COLUMNS]) for begin in range(0, X.shape[1], _COLUMNS)]
        return np.concatenate(parts, axis=1) if parts else np.zeros(X.shape)

    def _few(self, X: NDArray) -> NDArray[np.float64]:
        """A few columns at a time: the blocks' shares take 16 times the memory of X."""
        X = np.ascontiguousarray(X, dtype=np.float64)
        shares = np.zeros((len(self._blocks), *X.shape))

        def add(block: Samples, share: NDArray[np.float64]) -> None:
            _kernels.loss_and_gradient(*block, X, share)

        if len(shares) == 1:
            add(self._blocks[0], shares[0])
        else:
            threaded(add, self._blocks, shares)
        return shares.sum(axis=0)

    def _adjoint(self) -> Any:  # H is symmetric
        return self


def hessian_operator(op: Operation, mask: Mask = None) -> LinearOperator:
    """H (see `hessian`) as a scipy LinearOperator of shape (p, p); O(|D|) a product,
    O(|D|) memory.

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.

    Raises:
        ArgumentError: `op` composes by a product.
    """
    require_sum(op)
    return _Hessian(op.n_symbols, training_samples(op, mask))
