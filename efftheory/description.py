"""One readable record of everything the theory says of a training set before any network is trained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import get_lapack_funcs

from efftheory import _kernels
from efftheory.generalization import in_table_order, rank_and_reach
from efftheory.operations import Index, Operation
from efftheory.parallelograms import Mask, count_parallelograms, trained_flags

(_symmetric_eigenvalues,) = get_lapack_funcs(("syevd",), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Description:
    """What a training set determines; `print` it.

    Attributes:
        operation: the table.
        n_train, n_parallelograms: |D| and |P0(D)|.
        nullity: n_0, exact; 2 = the linear representation is the only one.
        eigenvalues: float64 (p,), of H, ascending, the null ones exactly 0.
        reached: bool (N,), Dbar(D, P(D)) in the order of the result classes, `operation.samples`.
    """

    operation: Operation
    n_train: int
    n_parallelograms: int
    nullity: int
    eigenvalues: NDArray[np.float64]
    reached: NDArray[np.bool_]

    @property
    def lambda3(self) -> float:
        """The slowest mode that some training set drives: the third eigenvalue, for addition; nan where p < 3."""
        n_free = self.operation.full_nullity
        return float(self.eigenvalues[n_free]) if len(self.eigenvalues) > n_free else float("nan")

    @property
    def ideal_accuracy(self) -> float:
        """|Dbar(D, P(D))| / |D0|."""
        return float(self.reached.mean())

    @property
    def out_of_reach(self) -> Index:
        """int32 (n, 2): the pairs outside Dbar, which no parallelogram leads to."""
        return self.operation.pairs[~in_table_order(self.operation, self.reached)]

    @property
    def is_linear(self) -> bool:
        return self.nullity == self.operation.full_nullity

    def __str__(self) -> str:
        op, n_full = self.operation, count_parallelograms(self.operation)
        unique = "unique" if self.is_linear else f"not unique, {self.nullity - op.full_nullity} more degrees of freedom"
        if self.lambda3 > 0:
            steps = f"e-folding time Z0/(lambda_3 eta) = {1 / self.lambda3:.3g} Z0/eta steps"
            pace = f"lambda_3 = {self.lambda3:.6g}: {steps}"
        elif self.is_linear:
            pace = "lambda_3 is not defined: two symbols are always on a line"
        else:
            pace = "lambda_3 = 0: the flow never singles out the linear representation"
        missing = " ".join(f"{i}+{j}" for i, j in self.out_of_reach) or "none"
        return "\n".join(
            [
                f"{op.name}: {self.n_train} of {op.n_samples} samples ({self.n_train / op.n_samples:.1%}), "
                f"{self.n_parallelograms} of {n_full} parallelograms",
                f"linear representation: {unique} (nullity {self.nullity})",
                pace,
                f"ideal accuracy: {self.ideal_accuracy:.4f}",
                f"out of reach: {missing}",
            ]
        )


def describe(op: Operation, mask: Mask = None) -> Description:
    """Everything the theory says of the training set `mask` (bool (N,); None is all of D0) without an embedding.

    Exact combinatorics and one dense eigenvalue problem, O(N p^2 + p^3); P0(D) is not listed. For p = 10 LAPACK is
    called directly: numpy's checks would cost as much as the eigenvalues do.

    Raises:
        ArgumentError: `mask` is not bool (N,); `op` composes by a product.
    """
    trained = trained_flags(op, mask)
    n_train, n_parallelograms = _kernels.count_pairs(op.samples.first, trained)
    rank, reached = rank_and_reach(op, trained)
    nullity = op.n_symbols - rank
    eigenvalues = _symmetric_eigenvalues(_kernels.hessian(*op.samples, trained, op.n_symbols), compute_v=0)[0]
    eigenvalues[:nullity] = 0.0
    return Description(op, n_train, n_parallelograms, nullity, eigenvalues, reached)
