"""What a given embedding realises: how much of P0 it closes (RQI), and what accuracy
that allows.

Embeddings are (p, d) where an operation composes by a sum, and (p, d, d) where by a
matrix product; they are checked here for all modules that take one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efftheory import _checks
from efftheory import _sample_kernels as kernels
from efftheory._checks import ArgumentError
from efftheory.operations import Operation, require_one_table, require_operation
from efftheory.parallelograms import Mask, trained_flags

# What counts as a parallelogram, where nothing else is said: see `rqi`.
DELTA = {"sum": 0.1, "product": math.sqrt(0.5)}


def embedding(E: Any, op: Operation, name: str = "E") -> NDArray[np.float64]:
    """`E` as a finite, C-contiguous float64 array, not empty: (p, d), or (p, d, d)
    where `op` composes by a product.
    """
    require_operation(op)
    array, shape = _checks.reals(name, E), "(p, d)" if op.composition == "sum" else "(p, d, d)"
    n_axes = shape.count(",") + 1
    if array.ndim != n_axes or array.shape[0] != op.n_symbols or len(set(array.shape[1:])) > 1 or array.size == 0:
        raise ArgumentError(name, f"have shape {shape} with p = {op.n_symbols}", f"has shape {array.shape}")
    return _checks.finite(name, array)


def standardize(E: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each dimension of E (..., p, d) to mean 0 and unbiased standard deviation 1."""
    centred = E - E.mean(axis=-2, keepdims=True)
    return centred / centred.std(axis=-2, ddof=1, keepdims=True)


def _measured(op: Operation, E: ArrayLike, delta: float | None) -> tuple[NDArray[np.float64], float]:
    """`E` and `delta` checked; None is the composition's own."""
    array = embedding(E, op)
    require_one_table(op)
    return array, DELTA[op.composition] if delta is None else _checks.positive("delta", delta)


def _squared(delta: float) -> float:
    """delta^2, also where that is no float: never 0, so that what is exact counts."""
    return max(delta * delta, np.finfo(np.float64).tiny)


def rqi(op: Operation, E: ArrayLike, delta: float | None = None) -> float:
    """Representation quality index |P(R, delta)| / |P0|, in [0, 1]; nan if P0 is empty
    (addition of two symbols).

    Sums: each dimension of E (p, d) is standardised (mean 0, unbiased standard
    deviation 1); (i, j, m, n) of P0 counts if the mean over dimensions of
    (E_i + E_j - E_m - E_n)^2 is below delta^2.

    Products: E (p, d, d) is divided by its root mean square over all entries, and
    (a, b, c, e) of P0 counts if the mean over the d*d entries of (E_a E_b - E_c E_e)^2
    is below delta^2. Every matrix representation of the group has RQI 1, also one that
    does not tell all elements apart, and so have embeddings whose E_a are all equal.

    Collapsed embeddings have RQI 0: of sums those that are constant along a dimension,
    which cannot be standardised (what varies by less than 1e-12 of its largest entry is
    round-off), and of products zero. The size of E does not matter otherwise.

    Args:
        op: the operation.
        E: float (p, d), or (p, d, d) where `op` composes by a product.
        delta: None is 0.1 for sums and sqrt(1/2) for products.

    Source: paper, equation 4 and appendix H, with the official code's conventions.
    Sums: in one dimension delta = 0.1, where the text prints 0.01 (the code compares
    the square with 0.01). Products: the text has the squared Frobenius norm, without a
    scale; the code divides by the root mean square and compares the mean square with
    0.5.

    Raises:
        ArgumentError: `E` is not finite (p, d), for products (p, d, d); `delta` is not
            positive; `op` has two tables of embeddings.
    """
    array, delta = _measured(op, E, delta)
    return float(rqi_path(op, array[None], delta)[0])


def rqi_path(op: Operation, path: NDArray[np.float64], delta: float) -> NDArray[np.float64]:
    """`rqi` of each path[t], (T,). One that is not finite counts no parallelogram."""
    constants = op.samples, op.composition == "product", _squared(delta)
    return np.array([kernels.rqi(E.reshape(len(E), -1), *constants) for E in path])


def predicted_accuracy(op: Operation, mask: Mask, E: ArrayLike, delta: float | None = None) -> float:
    """Acc-hat = |Dbar(D, P(R, delta))| / |D0|: what the decoder can get right through
    parallelograms of E.

    A sample counts if it is trained, or if a trained sample of its result lies within
    delta. `E`, its standardisation and `delta` as in `rqi`; of a collapsed E only the
    trained samples count.

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.
        E: float (p, d), or (p, d, d) where `op` composes by a product.
        delta: None is 0.1 for sums and sqrt(1/2) for products.

    Source: paper, equations 5 and 6, and appendix H; over the full data set.

    Raises:
        ArgumentError: as `rqi`; `mask` is not bool (N,).
    """
    array, delta = _measured(op, E, delta)
    trained, flat = trained_flags(op, mask), array.reshape(op.n_symbols, -1)
    product = op.composition == "product"
    if kernels.collapsed(flat, product):
        return float(trained.mean())
    composed = kernels.standardized(flat, op.samples, product)
    return float(kernels.reach_close(composed, op.samples.first, trained, _squared(delta)).mean())
