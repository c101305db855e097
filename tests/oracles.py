"""Naive twins: the theory once more, as the paper defines it, without any shortcut the package takes.

P0(D) is listed by a double loop over samples and everything is built from the list. Nothing here calls the
package; an Operation is read as a table of pairs and results only.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy.polys.domains import GF
from sympy.polys.matrices import DomainMatrix

from efftheory import Operation

Parallelogram = tuple[int, int, int, int]
Mask = NDArray[np.bool_] | None


# P0(D) and its equations


def _samples(op: Operation, mask: Mask) -> list[tuple[int, int, int]]:
    chosen = np.ones(len(op.pairs), dtype=np.bool_) if mask is None else mask
    triples = zip(op.pairs.tolist(), op.results.tolist(), chosen, strict=True)
    return [(i, j, result) for (i, j), result, trained in triples if trained]


def parallelograms(op: Operation, mask: Mask = None) -> list[Parallelogram]:
    """All pairs of samples compared. Would reveal a class that is split, merged, or read from the wrong place
    in the ordering by result."""
    samples = _samples(op, mask)
    found = []
    for s, (i, j, result) in enumerate(samples):
        for m, n, other in samples[s + 1 :]:
            if result == other:
                found.append((i, j, m, n))
    return found


def equation(parallelogram: Parallelogram, p: int) -> list[int]:
    """The row e_i + e_j - e_m - e_n."""
    i, j, m, n = parallelogram
    row = [0] * p
    row[i] += 1
    row[j] += 1
    row[m] -= 1
    row[n] -= 1
    return row


def equations(op: Operation, mask: Mask = None) -> NDArray[np.int64]:
    """A(P0(D)), (M, p). Would reveal a row assembled in the wrong place, such as a lost 2 e_i."""
    rows = [equation(q, op.n_symbols) for q in parallelograms(op, mask)]
    return np.array(rows, dtype=np.int64).reshape(-1, op.n_symbols)


# Ranks


def fraction_rank(rows: Iterable[Sequence[int]]) -> int:
    """Gaussian elimination over the rationals. Would reveal a prime that divides a minor, and the wrong
    reduction of a row by an echelon form."""
    kept: list[tuple[int, list[Fraction]]] = []
    for integers in rows:
        row = [Fraction(int(x)) for x in integers]
        for pivot, base in kept:
            if row[pivot]:
                factor = row[pivot] / base[pivot]
                row = [x - factor * y for x, y in zip(row, base, strict=True)]
        pivot = next((c for c, x in enumerate(row) if x), None)
        if pivot is not None:
            kept.append((pivot, row))
    return len(kept)


def sympy_rank(rows: NDArray[np.int64]) -> int:
    """Rank over the rationals by another library. Would reveal an error that both eliminations written here
    share."""
    return sympy.Matrix(*rows.shape, [int(x) for x in rows.ravel()]).rank()


def modular_rank(rows: NDArray[np.int64], q: int) -> int:
    """Rank over GF(q) by another library. Would reveal wrong modular arithmetic (an inverse, a sign, an
    overflow) that the choice of primes near 2^31 hides."""
    field = GF(q)
    entries = [[field(int(x)) for x in row] for row in rows]
    return DomainMatrix(entries, rows.shape, field).rank() if entries else 0


# The closure, and who is in reach


def dbar(op: Operation, mask: Mask, closed: Callable[[Parallelogram], bool]) -> NDArray[np.bool_]:
    """D and every sample of D0 that a parallelogram of P0 with `closed` true ties to a sample of D, (N,)."""
    trained = {(i, j) for i, j, _ in _samples(op, mask)}
    reached = set(trained)
    for i, j, m, n in parallelograms(op):
        if closed((i, j, m, n)):
            if (i, j) in trained:
                reached.add((m, n))
            if (m, n) in trained:
                reached.add((i, j))
    return np.array([(i, j) in reached for i, j in op.pairs.tolist()], dtype=np.bool_)


def reach_closure(
    op: Operation, mask: Mask, rank: Callable[[NDArray[np.int64]], int] = sympy_rank
) -> NDArray[np.bool_]:
    """Dbar(D, P(D)) by the paper's rank test for each parallelogram of P0. Would reveal a null space that is
    too large or too small: the package asks null vectors, this asks the equations."""
    A = equations(op, mask)
    before = rank(A)
    return dbar(op, mask, lambda q: rank(np.vstack([A, np.array([equation(q, op.n_symbols)])])) == before)


# The loss and its derivatives


def loss_and_gradient(op: Operation, mask: Mask, E: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """(l0, dl0/dE), one parallelogram after the other. Would reveal a wrong class sum, such as the missing
    factor k, which cancels nowhere."""
    total = 0.0
    gradient = np.zeros_like(E)
    for i, j, m, n in parallelograms(op, mask):
        residual = E[i] + E[j] - E[m] - E[n]
        total += float(residual @ residual)
        for symbol, sign in ((i, 1), (j, 1), (m, -1), (n, -1)):
            gradient[symbol] += 2 * sign * residual
    return total, gradient


def effective_loss(op: Operation, mask: Mask, E: NDArray[np.float64]) -> float:
    """l0 / Z0. Would reveal a Z0 that is centred, rooted or counted per dimension."""
    return loss_and_gradient(op, mask, E)[0] / float((E**2).sum())


def effective_loss_gradient(op: Operation, mask: Mask, E: NDArray[np.float64]) -> NDArray[np.float64]:
    """The quotient rule on l0 / Z0, unsimplified. Would reveal a rho term that is missing or has the wrong
    sign or factor."""
    l0, gradient = loss_and_gradient(op, mask, E)
    z0 = float((E**2).sum())
    return (gradient * z0 - l0 * 2 * E) / z0**2


def hessian(op: Operation, mask: Mask = None) -> NDArray[np.float64]:
    """2 sum a a^T over the listed parallelograms. Would reveal a wrong complete-graph form and a wrong
    factor 2 (half of l0's second derivative)."""
    H = np.zeros((op.n_symbols, op.n_symbols))
    for row in equations(op, mask):
        H += 2 * np.outer(row, row)
    return H


# A representation's quality


def matrix_product(A: NDArray[np.float64], B: NDArray[np.float64]) -> list[float]:
    """The entries of A B, row by row. Would reveal factors in the wrong order, and a product entry by entry."""
    rows, columns = A.tolist(), B.T.tolist()
    return [sum(x * y for x, y in zip(row, column, strict=True)) for row in rows for column in columns]


def residuals(op: Operation, E: NDArray[np.float64]) -> dict[Parallelogram, float]:
    """Mean over the entries of the squared residual of each parallelogram of P0; E as it is."""
    found = {}
    for i, j, m, n in parallelograms(op):
        if op.composition == "product":
            pairs = zip(matrix_product(E[i], E[j]), matrix_product(E[m], E[n]), strict=True)
            gaps = [one - other for one, other in pairs]
        else:
            gaps = [float(E[i, x] + E[j, x] - E[m, x] - E[n, x]) for x in range(E.shape[1])]
        found[i, j, m, n] = sum(gap * gap for gap in gaps) / len(gaps)
    return found


def standardize(E: NDArray[np.float64]) -> NDArray[np.float64]:
    """By Python's statistics module; matrices (p, d, d) by their root mean square. Would reveal a biased deviation, one
    taken over the wrong axis, and a root mean square that is centred or taken matrix by matrix."""
    if E.ndim == 3:
        return E / statistics.fmean(x * x for x in E.ravel().tolist()) ** 0.5
    columns = []
    for column in E.T.tolist():
        mean, deviation = statistics.fmean(column), statistics.stdev(column)
        columns.append([(x - mean) / deviation for x in column])
    return np.array(columns).T


def count_close(op: Operation, E: NDArray[np.float64], delta2: float) -> int:
    """|P(R, delta)|. Would reveal a sum instead of a mean over dimensions, and a pair counted twice."""
    return sum(residual < delta2 for residual in residuals(op, E).values())


def reach_close(op: Operation, mask: Mask, E: NDArray[np.float64], delta2: float) -> NDArray[np.bool_]:
    """Dbar(D, P(R, delta)). Would reveal a sample reached from an untrained one, or from itself."""
    found = residuals(op, E)
    return dbar(op, mask, lambda q: found[q] < delta2)


# Random training sets


def linear_threshold(op: Operation, order: Sequence[int]) -> int:
    """The number of samples, inserted in `order`, at which the rank is p-2; N + 1 if never. A rank from
    scratch after each sample. Would reveal state that survives from one order to the next."""
    for n in range(len(order) + 1):
        mask = np.zeros(len(op.pairs), dtype=np.bool_)
        mask[list(order[:n])] = True
        if fraction_rank(equations(op, mask)) == op.n_symbols - 2:
            return n
    return len(order) + 1


# Descent


def optimizer_flow(
    op: Operation,
    mask: Mask,
    E0: NDArray[np.float64],
    optimizer: str,
    learning_rate: float,
    steps: int,
    weight_decay: float = 0.0,
) -> NDArray[np.float64]:
    """torch's Adam, AdamW or SGD as its documentation states them, on the listed parallelograms; (T, p, d).

    Would reveal a bias correction of the wrong step, eps within the root, and decay on the wrong side.
    """
    E, path = E0.copy(), [E0.copy()]
    first, second = np.zeros_like(E), np.zeros_like(E)
    for t in range(1, steps + 1):
        g = effective_loss_gradient(op, mask, E)
        if optimizer == "adamw":
            E = E - learning_rate * weight_decay * E
        else:
            g = g + weight_decay * path[-1]
        if optimizer == "sgd":
            E = E - learning_rate * g
        else:
            first = 0.9 * first + 0.1 * g
            second = 0.999 * second + 0.001 * g**2
            corrected, root = first / (1 - 0.9**t), np.sqrt(second / (1 - 0.999**t))
            E = E - learning_rate * corrected / (root + 1e-8)
        path.append(E.copy())
    return np.array(path)


# The whole of it


@dataclass(frozen=True, eq=False)
class PaperDescription:
    """The facts of `efftheory.Description` under the same names."""

    n_parallelograms: int
    nullity: int
    eigenvalues: NDArray[np.float64]
    lambda3: float
    ideal_accuracy: float
    out_of_reach: NDArray[np.int64]


def paper_description(op: Operation, mask: Mask = None) -> PaperDescription:
    """The paper's definitions, transcribed: P0(D) and P0 by comparing all pairs of samples, A and H from the
    list, the closure by one floating-point rank test for each parallelogram of P0.

    Would reveal an error in any shortcut of `describe`, and in how they are put together. Also the baseline
    of benchmarks/bench_describe.py: neither slowed down nor optimised.
    """
    p = op.n_symbols
    listed, full = parallelograms(op, mask), parallelograms(op)
    A = np.array([equation(q, p) for q in listed], dtype=np.float64).reshape(-1, p)
    rank = int(np.linalg.matrix_rank(A)) if listed else 0
    eigenvalues = np.asarray(np.linalg.eigvalsh(2 * A.T @ A), dtype=np.float64)
    closure = set()
    for q in full:
        if np.linalg.matrix_rank(np.vstack([A, equation(q, p)])) == rank:
            closure.add(q)
    reached = dbar(op, mask, closure.__contains__)
    return PaperDescription(
        n_parallelograms=len(listed),
        nullity=p - rank,
        eigenvalues=eigenvalues,
        lambda3=float(eigenvalues[2]) if p > 2 else float("nan"),
        ideal_accuracy=float(reached.mean()),
        out_of_reach=op.pairs[~reached],
    )
