"""One readable record of everything the theory says of a training set before any network is trained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from efftheory.generalization import rank_and_reach
from efftheory.hessian import hessian
from efftheory.operations import Operation
from efftheory.parallelograms import Mask, count_parallelograms, training_samples


@dataclass(frozen=True)
class Description:
    """What a training set determines; `print` it.

    Attributes:
        operation: its name.
        n_symbols, n_samples, n_train: p, |D0|, |D|.
        n_parallelograms, n_parallelograms_full: |P0(D)| and |P0|.
        nullity: n_0, exact; 2 = the linear representation is the only one.
        eigenvalues: float64 (p,), of H, ascending, the null ones exactly 0.
        lambda3: the third of them; nan where p < 3.
        ideal_accuracy: |Dbar(D, P(D))| / |D0|.
        out_of_reach: int64 (n, 2), the pairs outside Dbar: no parallelogram leads to them.
    """

    operation: str
    n_symbols: int
    n_samples: int
    n_train: int
    n_parallelograms: int
    n_parallelograms_full: int
    nullity: int
    eigenvalues: NDArray[np.float64]
    lambda3: float
    ideal_accuracy: float
    out_of_reach: NDArray[np.int64]

    @property
    def is_linear(self) -> bool:
        return self.nullity == 2

    def __str__(self) -> str:
        unique = "unique" if self.is_linear else f"not unique, {self.nullity - 2} more to choose"
        pace = (
            f"lambda_3 = {self.lambda3:.6g}: e-folding time Z0/(lambda_3 eta) = {1 / self.lambda3:.3g} Z0/eta steps"
            if self.lambda3 > 0
            else "lambda_3 = 0: the flow never singles out the linear representation"
        )
        missing = " ".join(f"{i}+{j}" for i, j in self.out_of_reach) or "none"
        return "\n".join(
            [
                f"{self.operation}: {self.n_train} of {self.n_samples} samples "
                f"({self.n_train / self.n_samples:.1%}), "
                f"{self.n_parallelograms} of {self.n_parallelograms_full} parallelograms",
                f"linear representation: {unique} (nullity {self.nullity})",
                pace,
                f"ideal accuracy: {self.ideal_accuracy:.4f}",
                f"out of reach: {missing}",
            ]
        )


def describe(op: Operation, mask: Mask = None) -> Description:
    """Everything the theory says of the training set `mask` (bool (N,); None is all of D0) without an
    embedding.

    Exact combinatorics and one dense eigenvalue problem, O(N p^2 + p^3); P0(D) is not listed.
    """
    rank, reached = rank_and_reach(op, mask)
    values = np.asarray(np.linalg.eigvalsh(hessian(op, mask)), dtype=np.float64)
    nullity = op.n_symbols - rank
    values[:nullity] = 0.0
    return Description(
        operation=op.name,
        n_symbols=op.n_symbols,
        n_samples=op.n_samples,
        n_train=len(training_samples(op, mask).left),
        n_parallelograms=count_parallelograms(op, mask),
        n_parallelograms_full=count_parallelograms(op),
        nullity=nullity,
        eigenvalues=values,
        lambda3=float(values[2]) if len(values) > 2 else float("nan"),
        ideal_accuracy=float(reached.mean()),
        out_of_reach=op.pairs[~reached],
    )
