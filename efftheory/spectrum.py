"""Eigenvalues of the Hessian, lambda_3, and the grokking time it sets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

from efftheory import _checks
from efftheory._html import Line, page, plot
from efftheory._records import short
from efftheory.generalization import exact_nullity
from efftheory.hessian import hessian, hessian_operator
from efftheory.operations import Operation, require_sum
from efftheory.parallelograms import Mask

Method = Literal["dense", "iterative"]

DENSE_SPECTRUM = 512  # up to here all eigenvalues cost less than a second
FALLBACK_SYMBOLS = 3000  # up to here within about half a minute
_ARPACK = 1e-10  # |H v - lambda v| / lambda at which the iteration ends
_LEAST_BASIS = 20  # Lanczos vectors, ARPACK's own choice for few eigenvalues


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The k smallest eigenpairs of H (p, p).

    Attributes:
        eigenvalues: float64 (k,), ascending; the first `nullity` are exactly 0.
        modes: float64 (p, k), orthonormal columns.
        nullity: n_0, exact; `exact_nullity` says how it is known.
        lambda3: the slowest mode that some training set drives, eigenvalue number
            op.full_nullity + 1: the third for addition; 0 where nullity is above that
            of all data, nan where p < 3.
        residuals: float64 (k,), |H v - lambda v| / lambda_max.
        converged: whether every residual is below p * 1e-14, or |H v - lambda v| below
            1e-8 lambda_3 (a value, never an exception). Eigenvalues are as good as the
            square of their residual.
        method: "dense" or "iterative".
    """

    eigenvalues: NDArray[np.float64]
    modes: NDArray[np.float64]
    nullity: int
    lambda3: float
    residuals: NDArray[np.float64]
    converged: bool
    method: Method

    __repr__ = short

    def _repr_html_(self) -> str:
        """With the eigenvalues, ascending, and lambda_3 marked."""
        number, values = np.arange(1, len(self.eigenvalues) + 1), self.eigenvalues
        null = number <= self.nullity
        third = np.flatnonzero((values == self.lambda3) & ~null)[:1]
        rows = [
            ("nullity", self.nullity),
            ("slowest driven mode, lambda_3", "not defined" if math.isnan(self.lambda3) else f"{self.lambda3:.6g}"),
            ("eigenvalues", f"{len(values)} of {len(self.modes)}, the largest {values[-1]:.6g}"),
            ("largest residual", f"{self.residuals.max():.1e}"),
            ("found by", f"{self.method}, {'converged' if self.converged else 'not converged'}"),
        ]
        dots = [
            Line("eigenvalue", number[~null], values[~null], 5),
            Line("exactly 0", number[null], values[null], 5),
            Line("lambda_3", number[third], values[third], 10),
        ]
        return page("Spectrum of the Hessian", rows, plot(dots, "number", "eigenvalue", x_log=False, y_log=True))


def spectrum(
    op: Operation, mask: Mask = None, k: int | None = None, method: Literal["auto", "dense", "iterative"] = "auto"
) -> Spectrum:
    """Eigenvalues 0 = lambda_1 = lambda_2 <= lambda_3 <= ... of H.

    How many are zero is not read off the eigenvalues but known exactly
    (`exact_nullity`), and those are set to 0.

    "dense" is LAPACK on H (p, p), O(p^3). "iterative" is Lanczos on products with H,
    O(|D|) each and memory O(|D|): the null space that is known beforehand (translation,
    for addition also scaling) is lifted above lambda_3, so that what converges first is
    lambda_3. It starts from a fixed vector: on one machine the same call gives the same
    numbers. On another they differ by round-off, and where many modes are near 0 one
    may converge and the other not.

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.
        k: how many of the smallest to return; None for all p (dense).
        method: "auto" is dense up to p = 512, where more than a tenth of all modes are
            asked for, and up to p = 3000 where the iteration does not converge (many
            modes near 0).

    Source: paper, section 4.1.

    Raises:
        ArgumentError: `k` is not in 1..p, or is above p/2 by "iterative"; `op` composes
            by a product.
    """
    require_sum(op)
    p = op.n_symbols
    _checks.choice("method", method, ("auto", "dense", "iterative"))
    k = p if k is None else _checks.integer("k", k, 1, p // 2 if method == "iterative" else p)
    return solve(op, mask, k, exact_nullity(op, mask).value, method)


def solve(
    op: Operation, mask: Mask, k: int, n_null: int, method: Literal["auto", "dense", "iterative"] = "auto"
) -> Spectrum:
    """`spectrum`, where n_0 is known already."""
    p, n_free = op.n_symbols, op.full_nullity
    n_solved = min(max(k, n_free + 1), p)  # lambda_3 belongs to the record whatever k
    dense = method == "dense" or n_solved > p // 2 or (method == "auto" and (p <= DENSE_SPECTRUM or n_solved > p // 10))
    if dense:
        H = hessian(op, mask)
        values, modes = scipy.linalg.eigh(H, subset_by_index=[0, n_solved - 1] if n_solved < p else None)
        largest = values if n_solved == p else scipy.linalg.eigvalsh(H, subset_by_index=[p - 1, p - 1])
        scale, product = float(largest[-1]), H @ modes
    else:
        H = hessian_operator(op, mask)
        values, modes, scale = _lanczos(H, _free_modes(op), n_solved)
        product = H @ modes
    values[:n_null] = 0.0
    errors = np.linalg.norm(product - modes * values, axis=0)
    residuals = errors / (scale or 1.0)
    lambda3 = float(values[n_free]) if p > n_free else math.nan
    converged = bool(((residuals < 1e-14 * p) | (errors < 1e-8 * np.nan_to_num(lambda3))).all())
    if not converged and method == "auto" and not dense and p <= FALLBACK_SYMBOLS:
        return solve(op, mask, k, n_null, "dense")
    return Spectrum(
        eigenvalues=values[:k],
        modes=modes[:, :k],
        nullity=n_null,
        lambda3=lambda3,
        residuals=residuals[:k],
        converged=converged,
        method="dense" if dense else "iterative",
    )


def _free_modes(op: Operation) -> NDArray[np.float64]:
    """An orthonormal basis (p, full_nullity) of what no training set drives."""
    n_free, rows = op.full_nullity, op.n_symbols // op.tables
    constants = np.repeat(np.eye(op.tables) / math.sqrt(rows), rows, axis=0)  # one of each table
    if n_free == op.tables:
        return constants
    if not (op.linear and n_free == op.tables + 1):  # more freedom than translation and the line
        return scipy.linalg.eigh(hessian(op), subset_by_index=[0, n_free - 1])[1]
    k = np.tile(np.arange(rows) - (rows - 1) / 2, op.tables)
    return np.concatenate([constants, (k / np.linalg.norm(k))[:, None]], axis=1)


def _lanczos(H: LinearOperator, free: NDArray, k: int) -> tuple[NDArray, NDArray, float]:
    """The k smallest eigenvalues, the free ones among them, their modes, and about
    lambda_max.
    """
    p, n_free = free.shape
    initial = np.random.default_rng(0).standard_normal(p)
    initial -= free @ (free.T @ initial)
    lift = 2 * float(initial @ (H @ initial) / (initial @ initial))  # a Rayleigh quotient: above lambda_3
    if lift == 0:  # no parallelogram at all: any basis will do
        return np.zeros(k), np.eye(p, k), 0.0
    lifted = LinearOperator((p, p), lambda x: H @ x + lift * (free @ (free.T @ x)), dtype=np.float64)  # pyright: ignore
    n_basis = min(p, max(2 * k + 1, _LEAST_BASIS))
    try:
        values, modes = eigsh(lifted, k - n_free, which="SA", v0=initial, tol=_ARPACK, ncv=n_basis)  # pyright: ignore
    except ArpackError as failed:  # what is there is returned, with its residuals
        values = getattr(failed, "eigenvalues", np.zeros(0))
        modes = getattr(failed, "eigenvectors", np.zeros((p, 0)))
        missing = k - n_free - len(values)
        values = np.concatenate([values, np.full(missing, np.nan)])
        modes = np.concatenate([modes, np.full((p, missing), np.nan)], axis=1)
    order = np.argsort(values)
    largest = eigsh(H, 1, which="LA", v0=initial, tol=1e-2, return_eigenvectors=False)  # pyright: ignore
    values = np.concatenate([np.zeros(n_free), values[order]])
    return values, np.concatenate([free, modes[:, order]], axis=1), float(np.max(largest))


def grokking_steps(op: Operation, mask: Mask, learning_rate: float, z0: float) -> float:
    """n_h = Z0 / (lambda_3 eta), in steps: the e-folding time of the slowest mode of
    the flow.

    inf where lambda_3 is 0 or not defined: the linear representation is not the only
    one, and is not reached. nan where it was not found (see `Spectrum.converged`).

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.
        learning_rate: eta of the embeddings, per step.
        z0: Z0 = sum_k |E_k|^2 of the centred embedding; p - 1 for a standardised one in
            one dimension.

    Source: paper, section 4.1 (grokking time proportional to 1/lambda_3) and figure 5.

    Raises:
        ArgumentError: `learning_rate` or `z0` is not positive and finite; `op` composes
            by a product.
    """
    learning_rate = _checks.positive("learning_rate", learning_rate)
    z0 = _checks.positive("z0", z0)
    found = spectrum(op, mask, k=1)
    if math.isnan(found.lambda3) and not found.converged:
        return math.nan
    return z0 / (found.lambda3 * learning_rate) if found.lambda3 > 0 else math.inf
