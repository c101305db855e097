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

from efftheory import _checks, _kernels
from efftheory._checks import ArgumentError
from efftheory._kernels import Samples
from efftheory.operations import Operation, require_one_table, require_sum
from efftheory.parallelograms import Mask, count_parallelograms, trained_flags

# What counts as a parallelogram, where nothing else is said: see `rqi`.
DELTA = {"sum": 0.1, "product": math.sqrt(0.5)}


def _real_array(E: Any, shape: str, n_symbols: int, name: str) -> NDArray[np.float64]:
    """`E` as a finite, C-contiguous float64 array of p non-empty entries, of as many
    axes as `shape` names.
    """
    array = _checks.reals(name, E)
    n_axes = shape.count(",") + 1
    if np.ndim(E) != n_axes or array.shape[0] != n_symbols or len(set(array.shape[1:])) > 1 or array.size == 0:
        raise ArgumentError(name, f"have shape {shape} with p = {n_symbols}", f"has shape {np.shape(E)}")
    return _checks.finite(name, array)


def sum_embedding(E: Any, op: Operation, name: str = "E") -> NDArray[np.float64]:
    """`E` as a finite, C-contiguous float64 (p, d) array, for an operation that
    composes by a sum.
    """
    require_sum(op)
    return _real_array(E, "(p, d)", op.n_symbols, name)


def matrix_embedding(E: Any, op: Operation, name: str = "E") -> NDArray[np.float64]:
    """`E` as a finite, C-contiguous float64 (p, d, d) array that can be divided by its
    root mean square.
    """
    array = _real_array(E, "(p, d, d)", op.n_symbols, name)
    with np.errstate(over="ignore"):
        mean_square = float((array**2).mean())
    if mean_square == 0 or not math.isfinite(mean_square):
        raise ArgumentError(name, "have a mean square that is finite and not 0", f"has {mean_square}")
    return array


def spread_embedding(E: Any, op: Operation, name: str = "E") -> NDArray[np.float64]:
    """As `sum_embedding`, and not constant along any dimension (it can be
    standardised).
    """
    require_one_table(op)
    array = sum_embedding(E, op, name)
    if (np.ptp(array, axis=0) <= 1e-12 * np.abs(array).max(axis=0)).any():  # what is left is round-off
        raise ArgumentError(name, "vary in every dimension", "is constant in one")
    return array


def standardize(E: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each dimension of E (..., p, d) to mean 0 and unbiased standard deviation 1."""
    centred = E - E.mean(axis=-2, keepdims=True)
    return centred / centred.std(axis=-2, ddof=1, keepdims=True)


def _measured(op: Operation, E: ArrayLike, delta: float | None) -> tuple[NDArray[np.float64], float]:
    """`E` and `delta` checked, each as `op`'s composition wants it."""
    E = spread_embedding(E, op) if op.composition == "sum" else matrix_embedding(E, op)
    return E, DELTA[op.composition] if delta is None else _checks.positive("delta", delta)


def _composed(op: Operation, E: NDArray[np.float64]) -> tuple[Samples, NDArray[np.float64]]:
    """The samples and the standardised embeddings whose sums the kernels compare.

    E (..., p, d) of sums is standardised, and that is all. E (..., p, d, d) of products
    is divided by its root mean square; half of each product E_a E_b, flattened, is then
    a symbol of its own, and the sample adds it to itself.
    """
    if op.composition == "sum":
        return op.samples, standardize(E)
    E = E / np.sqrt((E**2).mean(axis=(-3, -2, -1), keepdims=True))
    left, right, first = op.samples
    products = E[..., left, :, :] @ E[..., right, :, :]
    own = np.arange(op.n_samples, dtype=np.int32)
    return Samples(own, own, first), products.reshape(*products.shape[:-2], -1) / 2  # (..., N, d*d)


def rqi(op: Operation, E: ArrayLike, delta: float | None = None) -> float:
    """Representation quality index |P(R, delta)| / |P0|, in [0, 1]; nan if P0 is empty
    (addition of two symbols).

    Sums: each dimension of E (p, d) is standardised (mean 0, unbiased standard
    deviation 1); (i, j, m, n) of P0 counts if the mean over dimensions of
    (E_i + E_j - E_m - E_n)^2 is below delta^2.

    Products: E (p, d, d) is divided by its root mean square over all entries, and
    (a, b, c, e) of P0 counts if the mean over the d*d entries of (E_a E_b - E_c E_e)^2
    is below delta^2. Every matrix representation of the group has RQI 1, also one that
    does not tell all elements apart (the trivial one: all E_a equal to the identity).

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
        ArgumentError: `E` is not finite (p, d) or is constant along a dimension, for
            products not finite (p, d, d) or zero; `delta` is not positive; `op` has two
            tables of embeddings.
    """
    E, delta = _measured(op, E, delta)
    return float(rqi_path(op, E[None], delta)[0])


def rqi_path(op: Operation, E: NDArray[np.float64], delta: float) -> NDArray[np.float64]:
    """`rqi` of each E[t], E (T, p, d) or (T, p, d, d) -> (T,). A collapsed E counts no
    parallelogram.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        samples, composed = _composed(op, E)
    counts = _kernels.count_close(*samples, composed, delta**2)
    n_all = count_parallelograms(op)
    return counts / n_all if n_all else np.full(len(E), np.nan)


def predicted_accuracy(op: Operation, mask: Mask, E: ArrayLike, delta: float | None = None) -> float:
    """Acc-hat = |Dbar(D, P(R, delta))| / |D0|: what the decoder can get right through
    parallelograms of E.

    A sample counts if it is trained, or if a trained sample of its result lies within
    delta. `E`, its standardisation and `delta` as in `rqi`.

    Source: paper, equations 5 and 6, and appendix H; over the full data set.

    Raises:
        ArgumentError: as `rqi`; `mask` is not bool (N,).
    """
    E, delta = _measured(op, E, delta)
    trained = trained_flags(op, mask)
    samples, composed = _composed(op, E)
    return float(_kernels.reach_close(*samples, trained, composed, delta**2).mean())
