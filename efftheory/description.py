"""One readable record of everything the theory says of a training set before any
network is trained.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import get_lapack_funcs

from efftheory import _checks, _kernels
from efftheory._html import BLUE, ORANGE, SKY, page
from efftheory._kernels import Index
from efftheory._records import short
from efftheory.elimination import DENSE_NULLITY, Nullity, rank_and_reach
from efftheory.generalization import in_table_order, nullity_and_reach
from efftheory.operations import Operation, picture, require_sum
from efftheory.parallelograms import Mask, count_parallelograms, trained_flags
from efftheory.spectrum import DENSE_SPECTRUM, solve

(_symmetric_eigenvalues,) = get_lapack_funcs(("syevd",), dtype=np.float64)

FEW = 10  # eigenvalues of large p
MOST_LISTED = 24  # samples out of reach: about a line


@dataclass(frozen=True, eq=False)
class Description:
    """What a training set determines; `print` it.

    Attributes:
        operation: the table.
        n_train, n_parallelograms: |D| and |P0(D)|.
        exact_nullity: n_0 and how it is known; 2 = the linear representation is the
            only one.
        eigenvalues: of H, ascending, the null ones exactly 0; float64 (p,), above
            p = 512 the FEW smallest.
        reached: bool (N,), Dbar(D, P(D)).
        converged: whether the eigenvalues can be trusted: see `Spectrum`.
        mask: bool (N,), the training set; None is all of D0.
    """

    operation: Operation
    n_train: int
    n_parallelograms: int
    exact_nullity: Nullity
    eigenvalues: NDArray[np.float64]
    reached: NDArray[np.bool_]
    converged: bool = True
    mask: Mask = None

    __repr__ = short

    def _repr_html_(self) -> str:
        """With what becomes of each sample."""
        op = self.operation

        def fates() -> NDArray[np.integer]:
            trained = _checks.training_mask(self.mask, op.n_samples)
            return np.where(trained, 0, np.where(self.reached, 1, 2))

        return page(
            "", self._rows(), picture(op, fates, (BLUE, SKY, ORANGE), ("trained", "within reach", "out of reach"))
        )

    @property
    def nullity(self) -> int:
        """n_0."""
        return self.exact_nullity.value

    @property
    def lambda3(self) -> float:
        """The slowest mode that some training set drives: the third eigenvalue, for
        addition; nan where p < 3.
        """
        n_free = self.operation.full_nullity
        return float(self.eigenvalues[n_free]) if len(self.eigenvalues) > n_free else float("nan")

    @property
    def ideal_accuracy(self) -> float:
        """|Dbar(D, P(D))| / |D0|."""
        return float(self.reached.mean())

    @property
    def out_of_reach(self) -> Index:
        """int32 (n, 2): the pairs outside Dbar, which no parallelogram leads to."""
        return self.operation.first_pairs(~self.reached, self.n_beyond)

    @property
    def n_beyond(self) -> int:
        """How many pairs are outside Dbar."""
        return len(self.reached) - int(np.count_nonzero(self.reached))

    @property
    def is_linear(self) -> bool:
        return self.nullity == self.operation.full_nullity

    def __str__(self) -> str:
        return "\n".join(f"{name}: {said}" for name, said in self._rows())

    def _rows(self) -> list[tuple[str, str]]:
        op, n_full = self.operation, count_parallelograms(self.operation)
        unique = "unique" if self.is_linear else f"not unique, {self.nullity - op.full_nullity} more degrees of freedom"
        # of a modular operation, say, no line satisfies all data: what is unique there
        # is a constant
        what = "linear representation" if op.linear and op.full_nullity == 2 else "representation of all data"
        name = f"lambda_{op.full_nullity + 1}"
        if self.lambda3 > 0:
            name += f" = {self.lambda3:.6g}"
            pace = f"e-folding time Z0/(lambda_{op.full_nullity + 1} eta) = {1 / self.lambda3:.3g} Z0/eta steps"
        elif self.is_linear:
            name += " is not defined"
            pace = "no data can say more"
        else:
            name += " = 0"
            pace = f"the flow never singles out the {what}"
        if not self.converged:
            pace += " (the iteration has not converged)"
        n_beyond, accuracy = self.n_beyond, f"{self.ideal_accuracy:.4f}"
        if n_beyond and accuracy == "1.0000":
            accuracy = f"1 - {1 - self.ideal_accuracy:.1e}"
        first = op.first_pairs(~self.reached, MOST_LISTED)
        missing = " ".join(_named(op, i, j) for i, j in first.tolist()) or "none"
        if n_beyond > MOST_LISTED:
            missing += f" and {n_beyond - MOST_LISTED} more"
        data = f"{self.n_train} of {op.n_samples} samples ({self.n_train / op.n_samples:.1%})"
        return [
            (op.name, f"{data}, {self.n_parallelograms} of {n_full} parallelograms"),
            (what, f"{unique} (nullity {self.exact_nullity})"),
            (name, pace),
            ("ideal accuracy", accuracy),
            ("out of reach", missing),
        ]


def _named(op: Operation, i: int, j: int) -> str:
    j %= op.n_symbols // op.tables  # on the right they are numbered on
    return f"{i}+{j}" if op.names is None else f"({op.names[i]}, {op.names[j]})"


def describe(op: Operation, mask: Mask = None) -> Description:
    """Everything the theory says of a training set without an embedding.

    Exact combinatorics and one eigenvalue problem; P0(D) is not listed. Up to p = 128
    all is dense, O(N p^2 + p^3), and LAPACK is called directly: for p = 10 numpy's
    checks would cost as much as the eigenvalues do. Above, see `exact_nullity` and
    `spectrum`: memory O(|D|) beside the mask.

    >>> op = et.addition(10)
    >>> description = describe(op, op.random_training_set(25, seed=3))
    >>> description.is_linear, round(description.lambda3, 4), description.ideal_accuracy
    (True, 2.7458, 0.8)
    >>> description.out_of_reach[:3].tolist()
    [[0, 0], [0, 4], [1, 3]]

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.

    Raises:
        ArgumentError: `mask` is not bool (N,); `op` composes by a product.
    """
    require_sum(op)
    mask = None if mask is None else _checks.training_mask(mask, op.n_samples).copy()  # users change theirs
    if op.n_symbols > DENSE_NULLITY:
        found, reached = nullity_and_reach(op, mask)
        n_train = int(_checks.training_mask(mask, op.n_samples).sum())
        k = op.n_symbols if op.n_symbols <= DENSE_SPECTRUM else max(FEW, op.full_nullity + 1)
        solved = solve(op, mask, k, found.value)
        n_parallelograms = count_parallelograms(op, mask)
        return Description(op, n_train, n_parallelograms, found, solved.eigenvalues, reached, solved.converged, mask)
    trained = trained_flags(op, mask)
    n_train, n_parallelograms = _kernels.count_pairs(op.samples.first, trained)
    rank, reached = rank_and_reach(op.samples, trained, op.n_symbols, op.least_nullity)
    nullity = op.n_symbols - rank
    eigenvalues = _symmetric_eigenvalues(_kernels.hessian(*op.samples, trained, op.n_symbols), compute_v=0)[0]
    eigenvalues[:nullity] = 0.0
    found = Nullity(nullity, "elimination", 0.0)
    return Description(op, n_train, n_parallelograms, found, eigenvalues, in_table_order(op, reached), mask=mask)
