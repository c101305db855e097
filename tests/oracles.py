"""Naive twins: the theory once more, as the paper defines it, without any shortcut the
package takes.

P0(D) is listed by a double loop over samples and everything is built from the list.
Nothing here calls the package; an Operation is read as a table of pairs and results
only.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import combinations, product
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from scipy.linalg import expm
from sympy.polys.domains import GF, QQ
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
    """All pairs of samples compared. Would reveal a class that is split, merged, or
    read from the wrong place in the ordering by result."""
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
    """A(P0(D)), (M, p). Would reveal a row assembled in the wrong place, such as a lost
    2 e_i.
    """
    rows = [equation(q, op.n_symbols) for q in parallelograms(op, mask)]
    return np.array(rows, dtype=np.int64).reshape(-1, op.n_symbols)


# Ranks


def fraction_rank(rows: Iterable[Sequence[int]]) -> int:
    """Gaussian elimination over the rationals. Would reveal a prime that divides a
    minor, and the wrong reduction of a row by an echelon form."""
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
    """Rank over the rationals by another library. Would reveal an error that both
    eliminations written here share."""
    return sympy.Matrix(*rows.shape, [int(x) for x in rows.ravel()]).rank()


def modular_rank(rows: NDArray[np.int64], q: int) -> int:
    """Rank over GF(q) by another library. Would reveal wrong modular arithmetic (an
    inverse, a sign, an overflow) that the choice of primes near 2^31 hides."""
    field = GF(q)
    entries = [[field(int(x)) for x in row] for row in rows]
    return DomainMatrix(entries, rows.shape, field).rank() if entries else 0


# The closure, and who is in reach


def dbar(op: Operation, mask: Mask, closed: Callable[[Parallelogram], bool]) -> NDArray[np.bool_]:
    """D and every sample of D0 that a parallelogram of P0 with `closed` true ties to a
    sample of D, (N,).
    """
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
    """Dbar(D, P(D)) by the paper's rank test for each parallelogram of P0. Would reveal
    a null space that is too large or too small: the package asks null vectors, this
    asks the equations."""
    A = equations(op, mask)
    before = rank(A)
    return dbar(op, mask, lambda q: rank(np.vstack([A, np.array([equation(q, op.n_symbols)])])) == before)


# Two tables of embeddings, of a table that need not commute


def two_table_equations(table: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """E_a + F_b - E_m - F_n for all pairs (a, b), (m, n) of D with one result: rows
    (M, 2p), from the table (p, p) and its mask (p, p) alone. Would reveal a pair that
    is taken for its mirror image, and a column of E in the place of one of F."""
    rows = []
    for (a, b), (m, n) in combinations(np.argwhere(mask).tolist(), 2):
        if table[a, b] == table[m, n]:
            row = np.zeros((2, len(table)), dtype=np.int64)
            for side, symbol, sign in ((0, a, 1), (1, b, 1), (0, m, -1), (1, n, -1)):
                row[side, symbol] += sign
            rows.append(row.ravel())
    return np.array(rows, dtype=np.int64).reshape(-1, 2 * len(table))


def two_table_reach(table: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Dbar(D, P(D)), (p, p): a pair is in reach if the equation that ties it to a pair
    of D with its result adds nothing to the rank. Would reveal a null space of another
    size.
    """
    A = two_table_equations(table, mask)
    before, reached = fraction_rank(A), mask.copy()
    for a, b in np.argwhere(~mask):
        for m, n in np.argwhere(mask & (table == table[a, b])):
            row = np.zeros((2, len(table)), dtype=np.int64)
            row[0, a] += 1
            row[1, b] += 1
            row[0, m] -= 1
            row[1, n] -= 1
            if fraction_rank(np.vstack([A, row.ravel()])) == before:
                reached[a, b] = True
                break
    return reached


# The loss and its derivatives


def loss_and_gradient(op: Operation, mask: Mask, E: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """(l0, dl0/dE), one parallelogram after the other. Would reveal a wrong class sum,
    such as the missing factor k, which cancels nowhere."""
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
    """The quotient rule on l0 / Z0, unsimplified. Would reveal a rho term that is
    missing or has the wrong sign or factor."""
    l0, gradient = loss_and_gradient(op, mask, E)
    z0 = float((E**2).sum())
    return (gradient * z0 - l0 * 2 * E) / z0**2


def product_loss_and_gradient(op: Operation, mask: Mask, E: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """(l0, dl0/dE) of |E_a E_b - E_c E_e|_F^2, one parallelogram after the other, by
    the product rule. Would reveal a transposed factor, factors in the wrong order, and
    a class mean over the wrong number of samples."""
    total = 0.0
    gradient = np.zeros_like(E)
    for a, b, c, e in parallelograms(op, mask):
        residual = E[a] @ E[b] - E[c] @ E[e]
        total += float((residual**2).sum())
        gradient[a] += 2 * residual @ E[b].T
        gradient[b] += 2 * E[a].T @ residual
        gradient[c] -= 2 * residual @ E[e].T
        gradient[e] -= 2 * E[c].T @ residual
    return total, gradient


def product_effective_loss(op: Operation, mask: Mask, E: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """(l0 / Z0^2, its gradient), the quotient rule unsimplified. Would reveal a wrong
    power of Z0.
    """
    l0, gradient = product_loss_and_gradient(op, mask, E)
    z0 = float((E**2).sum())
    return l0 / z0**2, (gradient * z0**2 - l0 * 2 * z0 * 2 * E) / z0**4


def product_jacobian(op: Operation, mask: Mask, E: NDArray[np.int64]) -> NDArray[np.int64]:
    """Derivatives of the entries of E_a E_b - E_c E_e by those of E, (M d^2, p d^2),
    entry by entry. Would reveal a derivative of the wrong factor, and equations lost by
    comparing with one sample of the class only."""
    p, d, _ = E.shape
    rows = []
    for a, b, c, e in parallelograms(op, mask):
        for r, t in product(range(d), repeat=2):
            row = np.zeros((p, d, d), dtype=np.int64)
            for k in range(d):
                row[a, r, k] += E[b, k, t]
                row[b, k, t] += E[a, r, k]
                row[c, r, k] -= E[e, k, t]
                row[e, k, t] -= E[c, r, k]
            rows.append(row.ravel())
    return np.array(rows, dtype=np.int64).reshape(-1, E.size)


def rational_rank(rows: NDArray[np.int64]) -> int:
    """Rank over the rationals by sympy's domain matrices: as `sympy_rank`, for matrices
    of some hundred rows.
    """
    entries = [[QQ(int(x)) for x in row] for row in rows]
    return DomainMatrix(entries, rows.shape, QQ).rank() if entries else 0


def class_loss_and_gradient(labels: Sequence[Any], F: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """(l/Z, its gradient) by a double loop over samples. Would reveal pairs counted
    twice, a class that is split, and a missing factor k."""
    total, gradient, z = 0.0, np.zeros_like(F), float((F**2).sum())
    for x in range(len(F)):
        for y in range(x):
            if labels[x] == labels[y]:
                gap = F[x] - F[y]
                total += float(gap @ gap)
                gradient[x] += 2 * gap
                gradient[y] -= 2 * gap
    return total / z, (gradient * z - total * 2 * F) / z**2


def class_flow(labels: Sequence[Any], F0: NDArray[np.float64], t: float) -> NDArray[np.float64]:
    """sqrt(Z) e^{-Ht/Z} F0 / |.| with H = 2 (k - 1 1^T) of each class assembled, by a
    matrix exponential. Would reveal a rate without its factor 2 k, and weights given to
    the wrong class."""
    same = np.array([[one == other for other in labels] for one in labels], dtype=np.float64)
    H = 2 * (np.diag(same.sum(axis=1)) - same)
    z = float((F0**2).sum())
    F = expm(-H * t / z) @ F0
    return math.sqrt(z) * F / math.sqrt(float((F**2).sum()))


def hessian(op: Operation, mask: Mask = None) -> NDArray[np.float64]:
    """2 sum a a^T over the listed parallelograms. Would reveal a wrong complete-graph
    form and a wrong factor 2 (half of l0's second derivative)."""
    H = np.zeros((op.n_symbols, op.n_symbols))
    for row in equations(op, mask):
        H += 2 * np.outer(row, row)
    return H


# A representation's quality


def matrix_product(A: NDArray[np.float64], B: NDArray[np.float64]) -> list[float]:
    """The entries of A B, row by row. Would reveal factors in the wrong order, and a
    product entry by entry.
    """
    rows, columns = A.tolist(), B.T.tolist()
    return [sum(x * y for x, y in zip(row, column, strict=True)) for row in rows for column in columns]


def residuals(op: Operation, E: NDArray[np.float64]) -> dict[Parallelogram, float]:
    """Mean over the entries of the squared residual of each parallelogram of P0; E as
    it is.
    """
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
    """By Python's statistics module; matrices (p, d, d) by their root mean square.
    Would reveal a biased deviation, one taken over the wrong axis, and a root mean
    square that is centred or taken matrix by matrix."""
    if E.ndim == 3:
        return E / statistics.fmean(x * x for x in E.ravel().tolist()) ** 0.5
    columns = []
    for column in E.T.tolist():
        mean, deviation = statistics.fmean(column), statistics.stdev(column)
        columns.append([(x - mean) / deviation for x in column])
    return np.array(columns).T


def count_close(op: Operation, E: NDArray[np.float64], delta2: float) -> int:
    """|P(R, delta)|. Would reveal a sum instead of a mean over dimensions, and a pair
    counted twice."""
    return sum(residual < delta2 for residual in residuals(op, E).values())


def reach_close(op: Operation, mask: Mask, E: NDArray[np.float64], delta2: float) -> NDArray[np.bool_]:
    """Dbar(D, P(R, delta)). Would reveal a sample reached from an untrained one, or
    from itself.
    """
    found = residuals(op, E)
    return dbar(op, mask, lambda q: found[q] < delta2)


# Random training sets


def linear_threshold(op: Operation, order: Sequence[int]) -> int:
    """The number of samples, inserted in `order`, at which the rank is that of all
    data; one more than there are if never. A rank from scratch after each sample. Would
    reveal state that survives from one order to the next."""
    full_rank = fraction_rank(equations(op))
    for n in range(len(order) + 1):
        mask = np.zeros(len(op.pairs), dtype=np.bool_)
        mask[list(order[:n])] = True
        if fraction_rank(equations(op, mask)) == full_rank:
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
    """torch's Adam, AdamW or SGD as its documentation states them, on the listed
    parallelograms; (T, p, d).

    Would reveal a bias correction of the wrong step, eps within the root, and decay on
    the wrong side.
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


# The decoder


def ridge_potential(
    op: Operation, E: NDArray[np.float64], targets: NDArray[np.float64], rates: NDArray[np.float64], width: int
) -> float:
    """V = Tr[Y^T (1 + K)^-1 Y] / (n k) of the decoder that fits all of D0 at once,
    E (p, 1), by quadrature: two tanh layers in the limit of great width.

    K = rates[0] n Q_0 D_1 / 3 + rates[1] n Q_1, the tangent kernels of the weights into
    the second layer and the outputs. Q_0 = E[h h] over the first layer's weights,
    uniform in [-1, 1]; Q_1 = E[h h] and D_1 = E[h' h'] over preactivations of
    covariance (Q_0 + 1/n) / 3.
    """
    i, j = op.pairs.T
    w, shares = np.polynomial.legendre.leggauss(20)
    h = np.tanh((E[i] + E[j])[:, :, None] * w[:, None] + w)  # (n, weight, bias)
    Q0 = np.einsum("awb,cwb,w,b->ac", h, h, shares / 2, shares / 2)
    C = (Q0 + 1 / width) / 3
    z, shares = np.polynomial.hermite_e.hermegauss(40)
    shares = shares / shares.sum()
    variance = np.broadcast_to(C.diagonal(), C.shape)
    u = np.sqrt(variance.T)[..., None] * z
    rest = np.sqrt(np.maximum(variance - C**2 / variance.T, 0))
    v = (C / np.sqrt(variance.T))[..., None, None] * z[:, None] + rest[..., None, None] * z  # (n, n, of u, of v)
    Q1, D1 = (
        np.einsum("acu,acuv,u,v->ac", f(u), f(v), shares, shares) for f in (np.tanh, lambda x: 1 - np.tanh(x) ** 2)
    )
    K = width * (rates[0] * Q0 * D1 / 3 + rates[1] * Q1)
    Y = targets[op.results]
    return float((Y * np.linalg.solve(np.eye(len(Y)) + K, Y)).mean())


# The whole of it


@dataclass(frozen=True, eq=False)
class PaperDescription:
    """The facts of `efftheory.Description` under the same names."""

    n_parallelograms: int
    nullity: int
    eigenvalues: NDArray[np.float64]
    lambda3: float
    ideal_accuracy: float
    out_of_reach: NDArray[np.integer]


def paper_description(op: Operation, mask: Mask = None) -> PaperDescription:
    """The paper's definitions, transcribed: P0(D) and P0 by comparing all pairs of
    samples, A and H from the list, the closure by one floating-point rank test for each
    parallelogram of P0.

    Would reveal an error in any shortcut of `describe`, and in how they are put
    together. Also the baseline of benchmarks/bench_describe.py: neither slowed down nor
    optimised.
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


# Training sets by design


def exchanged(mask: NDArray[np.bool_]) -> Iterable[NDArray[np.bool_]]:
    """Every set that differs from `mask` by one sample taken out and one put in."""
    for a, b in product(np.flatnonzero(mask), np.flatnonzero(~mask)):
        other = mask.copy()
        other[a], other[b] = False, True
        yield other


def sample_vectors(op: Operation) -> NDArray[np.int64]:
    """(N, p + n_results): each sample's two symbols and its class side by side."""
    table = np.zeros((op.n_samples, op.n_symbols + op.n_results), dtype=np.int64)
    for row, (i, j), result in zip(table, op.pairs.tolist(), op.results.tolist(), strict=True):
        row[i] += 1
        row[j] += 1
        row[op.n_symbols + result] = 1
    return table


def third_eigenvalue(op: Operation, mask: Mask, n_free: int) -> float:
    """Eigenvalue n_free + 1 of H from the list of parallelograms; 0 where there is
    none. Would reveal an update that loses a term, and free directions that are not the
    free ones."""
    values = np.linalg.eigvalsh(hessian(op, mask))
    return float(values[n_free]) if op.n_symbols > n_free else 0.0


def best_designs(op: Operation) -> dict[tuple[str, int], tuple[float, ...]]:
    """The optimum of each objective over all 2^N sets, (objective, size) -> value; no
    "slow" where no set is unique.

    lambda3: (rank, lambda_3), slow: (-lambda_3,), generalizable: (|Dbar|, lambda_3).
    What a set determines is a matter of its parallelograms alone, so that few cases
    have to be solved. Would reveal a search that stops early.
    """
    listed, numbers = parallelograms(op), {pair: s for s, pair in enumerate(map(tuple, op.pairs.tolist()))}
    ends = [(numbers[i, j], numbers[m, n]) for i, j, m, n in listed]
    rows = np.array([equation(q, op.n_symbols) for q in listed], dtype=np.int64).reshape(-1, op.n_symbols)
    full_rank = fraction_rank(rows.tolist())

    @cache
    def facts(present: tuple[bool, ...]) -> tuple[int, float, tuple[tuple[int, int], ...]]:
        chosen = rows[np.array(present, dtype=np.bool_)]
        rank = fraction_rank(chosen.tolist())
        closed = tuple(
            e for e, row in zip(ends, rows.tolist(), strict=True) if fraction_rank([*chosen.tolist(), row]) == rank
        )
        values = np.linalg.eigvalsh(2.0 * chosen.T @ chosen)
        return rank, float(values[op.n_symbols - full_rank]) if rank == full_rank > 0 else 0.0, closed

    best: dict[tuple[str, int], tuple[float, ...]] = {}
    for inside in product((False, True), repeat=op.n_samples):
        rank, lambda3, closed = facts(tuple(inside[s] and inside[t] for s, t in ends))
        tied = {end for pair in closed if inside[pair[0]] or inside[pair[1]] for end in pair}
        reached = len(tied) + sum(trained and s not in tied for s, trained in enumerate(inside))
        values: dict[str, tuple[float, ...]] = {"lambda3": (rank, lambda3), "generalizable": (reached, lambda3)}
        if rank == full_rank:
            values["slow"] = (-lambda3,)
        for objective, value in values.items():
            key = objective, sum(inside)
            best[key] = max(best.get(key, value), value)
    return best
