"""P0(D): the parallelograms (i, j, m, n) with two different samples of D that share a
result.

Counted and listed for any composition, since only results are compared; as equations
they need a sum.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from efftheory import _checks
from efftheory._kernels import Samples
from efftheory.operations import Operation, require_operation, require_sum

Mask = NDArray[np.bool_] | None


def trained_flags(op: Operation, mask: Mask) -> NDArray[np.bool_]:
    """Which of `op.samples` are in D, bool (N,): the mask in the order of the result
    classes.
    """
    require_operation(op)
    return _checks.training_mask(mask, op.n_samples)[op.by_result]


def training_samples(op: Operation, mask: Mask) -> Samples:
    """The samples of D ordered by result class; O(|D|) memory beside the mask."""
    require_operation(op)
    if mask is None:
        return op.samples
    return op.chosen(np.flatnonzero(_checks.training_mask(mask, op.n_samples)))


def count_parallelograms(op: Operation, mask: Mask = None) -> int:
    """|P0(D)| = sum_c k_c (k_c - 1) / 2 over the result classes with k_c samples in D.

    Unordered pairs of distinct samples; nothing is enumerated.

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.

    Source: paper, section 3.2.
    """
    require_operation(op)
    if mask is None:
        return op.n_parallelograms
    return op.count_parallelograms(_checks.training_mask(mask, op.n_samples))


def parallelograms(op: Operation, mask: Mask = None) -> NDArray[np.int64]:
    """All of P0(D), int64 (M, 4): rows i, j, m, n with (i, j) before (m, n) in the
    order of D0.

    M = |P0(D)| grows as p^3 at a fixed training fraction; the other functions never
    need the list.

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.

    Source: paper, section 3.2.
    """
    left, right, first = training_samples(op, mask)
    rows = []
    for begin, end in pairwise(first):
        s, t = np.triu_indices(end - begin, k=1)
        s, t = s + begin, t + begin
        rows.append(np.stack([left[s], right[s], left[t], right[t]], axis=1))
    return np.concatenate(rows, dtype=np.int64)


def constraint_matrix(op: Operation, mask: Mask = None) -> sparse.csr_array:
    """A(P0(D)), sparse (M, p): the row of (i, j, m, n) is e_i + e_j - e_m - e_n.

    A representation E satisfies every parallelogram of D exactly when A E = 0.

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.

    Source: paper, section 3.2.

    Raises:
        ArgumentError: `op` composes by a product.
    """
    require_sum(op)
    rows = parallelograms(op, mask)
    signs = np.broadcast_to([1, 1, -1, -1], rows.shape)
    index = np.repeat(np.arange(len(rows)), 4)
    shape = (len(rows), op.n_symbols)
    # coo adds up what meets in one place: e_i + e_i = 2 e_i
    return sparse.coo_array((signs.ravel(), (index, rows.ravel())), shape=shape).tocsr()
