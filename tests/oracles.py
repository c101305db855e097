"""Naive twins: the theory once more, as the paper defines it, without any shortcut the
package takes.

P0(D) is listed by a double loop over samples and everything is built from the list.
Nothing here calls the package; an Operation is read as a table of pairs and results
only, a Decoder as a record of its settings.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import combinations, pairwise, product
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.linalg import expm
from scipy.special import ndtr
from sympy.polys.domains import GF, QQ
from sympy.polys.matrices import DomainMatrix

from efftheory import Decoder, Operation

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

# tanh u = sum_k a_k erf(s_k u), as efftheory/_activation_kernels.py prints it; a test
# holds it against tanh itself
ERF_TERMS = ((0.4355577, 0.61554595), (0.5644423, 1.08696827))


def mlp_tangent_kernels(
    x: NDArray[np.float64], width: int, depth: int, activation: str, draws: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(mean, its standard error), each (depth, n, n), of sum_w df/dw df'/dw over random
    networks, the weights w of one layer at a time from hidden layer 2 on; all are
    uniform in +-1/sqrt(inputs), backpropagation is by hand.

    Would reveal a wrong fan-in, a factor of the width in the wrong layer, and a
    backward pass of the wrong derivative.
    """
    rng = np.random.default_rng(seed)
    found = np.empty((draws, depth, len(x), len(x)))
    for k in range(draws):
        sizes = [x.shape[1]] + [width] * depth
        weights = [rng.uniform(-1, 1, (b, a)) / a**0.5 for a, b in pairwise(sizes)]
        biases = [rng.uniform(-1, 1, b) / a**0.5 for a, b in pairwise(sizes)]
        hidden, slopes = [x], []
        for W, bias in zip(weights, biases, strict=True):
            z = hidden[-1] @ W.T + bias
            hidden.append(np.tanh(z) if activation == "tanh" else np.maximum(z, 0))
            slopes.append(1 - np.tanh(z) ** 2 if activation == "tanh" else (z > 0).astype(float))
        back = np.ones((len(x), 1))  # df/df
        out = rng.uniform(-1, 1, (1, width)) / width**0.5
        for layer, W in zip(reversed(range(depth)), [out, *weights[:0:-1]], strict=True):
            found[k, layer] = (back @ back.T) * (hidden[layer + 1] @ hidden[layer + 1].T)
            back = back @ W * slopes[layer]
    return found.mean(axis=0), found.std(axis=0, ddof=1) / draws**0.5


@cache
def _normal_nodes(n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    z, weights = np.polynomial.hermite_e.hermegauss(n)
    return z, weights / weights.sum()


def gaussian_mean(
    f: Callable[[NDArray], Any], g: Callable[[NDArray], Any], ca: float, cab: float, cb: float, n: int = 150
) -> float:
    """E[f(u) g(v)] for smooth f, g and (u, v) ~ N(0, [[ca, cab], [cab, cb]]), by
    Gauss-Hermite of n^2 nodes.
    """
    z, weights = _normal_nodes(n)
    u = ca**0.5 * z
    v = cab / ca**0.5 * z[:, None] + max(cb - cab**2 / ca, 0.0) ** 0.5 * z
    return float(weights * f(u) @ (g(v) @ weights))


def relu_mean(ca: float, cab: float, cb: float) -> float:
    """E[max(u, 0) max(v, 0)]: the mean over v given u in closed form, that over u by
    quadrature.
    """
    rest = (cb - cab**2 / ca) ** 0.5

    def density(z: float) -> float:
        return math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

    def inner(z: float) -> float:
        ahead = cab / ca**0.5 * z / rest
        return ca**0.5 * z * rest * (density(ahead) + ahead * ndtr(ahead)) * density(z)

    return float(quad(inner, 0, 12, epsabs=1e-13, epsrel=1e-12, limit=200)[0])


def first_layer_nodes(
    activation: str, c: int, n: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Weights (m, c), biases (m,), shares (m,) of Gauss-Legendre nodes for c <= 2, by
    default as many as the package has, in its order; the half of them with w_1 > 0 for
    tanh."""
    n = {("tanh", 1): 6, ("tanh", 2): 6, ("relu", 1): 16, ("relu", 2): 10}[activation, c] if n is None else n
    places, weights = (values.tolist() for values in np.polynomial.legendre.leggauss(n))
    points, shares = [], []
    for ks in product(range(n), repeat=c + 1):
        point, share = [places[k] for k in ks], math.prod(weights[k] / 2 for k in ks)
        if activation == "relu" or point[0] > 0:
            points.append(point)
            shares.append(share if activation == "relu" else 2 * share)
    table = np.array(points) / c**0.5
    return table[:, :-1], table[:, -1], np.array(shares)


def tanh_means(C: NDArray) -> tuple[NDArray, NDArray]:
    """E[h h] and E[h' h'], h the two error functions, for covariances C (..., n, n):
    Williams (1997).
    """
    variance = np.diagonal(C, axis1=-2, axis2=-1)
    q, d = np.zeros_like(C), np.zeros_like(C)
    for (a, s), (b, t) in product(ERF_TERMS, repeat=2):
        AB = (1 + 2 * s * s * variance)[..., :, None] * (1 + 2 * t * t * variance)[..., None, :]
        q += 2 / np.pi * a * b * np.arcsin(2 * s * t * C / np.sqrt(AB))
        d += 4 / np.pi * a * b * s * t / np.sqrt(AB - (2 * s * t * C) ** 2)
    return q, d


def relu_means(C: NDArray) -> tuple[NDArray, NDArray]:
    """The same for max(u, 0): the arc-cosine kernels of Cho and Saul (2009)."""
    variance = np.diagonal(C, axis1=-2, axis2=-1)
    norms = np.sqrt(variance[..., :, None] * variance[..., None, :])
    same = np.eye(C.shape[-1], dtype=np.bool_)
    cosine = np.where(same, 0, C / norms)
    angle = np.arccos(cosine)
    q = norms / (2 * np.pi) * (np.sin(angle) + (np.pi - angle) * cosine)
    return np.where(same, norms / 2, q), np.where(same, 0.5, (np.pi - angle) / (2 * np.pi))


def layer_kernels(
    X: NDArray, decoder: Decoder, gammas: Sequence[float], n: int | None = None
) -> tuple[list[NDArray], list[NDArray], NDArray]:
    """(T, Q, features) by the docstring of `efftheory.decoder`: T[l], Q[l] (..., n, n),
    l = 0 .. depth-1, for inputs X (..., n, c), c <= 2, real or complex; gammas[l] of
    the weights into hidden layer 2 .. depth, then the output's."""
    weights, biases, shares = first_layer_nodes(decoder.activation, X.shape[-1], n)
    z = X @ weights.T + biases
    features = (np.tanh(z) if decoder.activation == "tanh" else np.where(z.real > 0, z, 0)) * np.sqrt(shares)
    Q, D = [features @ np.swapaxes(features, -1, -2)], []
    means = tanh_means if decoder.activation == "tanh" else relu_means
    for gamma in gammas[:-1]:
        q, d = means(gamma * (Q[-1] + 1 / decoder.width))
        Q.append(q)
        D.append(d)
    T, B = [decoder.width * Q[-1]], 1.0
    for layer in reversed(range(decoder.depth - 1)):
        B = gammas[layer + 1] * D[layer] * B
        T.insert(0, decoder.width * Q[layer] * B)
    return T, Q, features


def compose(op: Operation, E: NDArray, chosen: NDArray[np.bool_]) -> NDArray:
    """What the decoder sees of the chosen samples, (..., n, c), for E (..., p, d) or,
    one by one, (..., p, d, d).
    """
    i, j = op.pairs[chosen].T
    if op.composition == "sum":
        return E[..., i, :] + E[..., j, :]
    x = np.einsum("...krs,...kst->...krt", E[..., i, :, :], E[..., j, :, :])
    return x.reshape(*x.shape[:-2], -1)


def complex_gradient(f: Callable[[NDArray], NDArray], E: NDArray[np.float64]) -> NDArray[np.float64]:
    """df/dE of an analytic f that takes a stack of E, by steps into the complex plane:
    exact to round-off.
    """
    steps = 1e-30j * np.eye(E.size).reshape(E.size, *E.shape)
    return np.imag(f(E + steps)).reshape(E.shape) / 1e-30


def grown(decoder: Decoder, lengths: Sequence[float], decay: float = 1.0) -> list[float]:
    """gamma of the weights into hidden layer 2 .. depth and the output, for path
    lengths; the last does not grow.
    """
    return [*(decay**2 / 3 + (decoder.width * length) ** 2 / 3 for length in lengths[:-1]), decay**2 / 3]


def ridge_potential(
    op: Operation,
    chosen: NDArray[np.bool_],
    E: NDArray,
    targets: NDArray[np.float64],
    rates: Sequence[float],
    growth: Sequence[float],
    decoder: Decoder,
) -> NDArray:
    """Tr[Y^T (1 + K)^-1 Y] / (n_train n_outputs) by a dense inverse; E may be a stack,
    and complex. Would reveal half a matrix, a kernel at the wrong samples, and a
    layer's rate given to another."""
    T, _, _ = layer_kernels(compose(op, E, chosen), decoder, grown(decoder, growth))
    Y = targets[op.results[chosen]]
    K = sum(rate * kernel for rate, kernel in zip(rates, T, strict=True))
    return np.einsum("ay,...ab,by->...", Y, np.linalg.inv(np.eye(len(Y)) + K), Y) / Y.size


@dataclass(frozen=True, eq=False)
class DecoderPath:
    """`efftheory.DecoderTrajectory` with a record after every step, under the same
    names.
    """

    E: NDArray[np.float64]
    train_accuracy: NDArray[np.float64]
    test_accuracy: NDArray[np.float64]
    train_loss: NDArray[np.float64]
    layer_rates: NDArray[np.float64]
    layer_lengths: NDArray[np.float64]


def decoder_flow(
    op: Operation,
    chosen: NDArray[np.bool_],
    E0: NDArray[np.float64],
    targets: NDArray[np.float64] | None,
    decoder: Decoder,
    steps: int,
    seed: int,
    repr_lr: float,
    decoder_lr: float,
    repr_optimizer: str = "adamw",
    repr_wd: float = 0.0,
) -> DecoderPath:
    """The equations of `efftheory.decoder` one optimiser step at a time: full matrices,
    dense inverses, the embeddings' gradient by complex steps, no rotation of the
    outputs (which needs n_outputs <= n_results).

    Would reveal a moment that is merged wrongly at h = 1, a unit lost between the
    gradients of network and residual, decay that forgets a factor, and any wrong term
    of the gradient.
    """
    n, depth, classify = int(chosen.sum()), decoder.depth, decoder.loss == "ce"
    if targets is None:
        targets = np.eye(op.n_results) - 1 / op.n_results
    n_outputs = targets.shape[1]
    curvature = 1 / n_outputs if classify else 1.0
    unit = 1 / n if classify else 2 / (n * n_outputs)  # of the loss's gradient, in residuals times df
    Y, everything = targets[op.results[chosen]], np.ones(len(op.pairs), dtype=np.bool_)
    sizes = np.array([decoder.width**2] * (depth - 1) + [decoder.width * n_outputs])

    _, Q, features = layer_kernels(compose(op, E0, chosen), decoder, [1 / 3] * depth)
    deviation = math.sqrt(np.trace(Q[-1]) / np.trace(Q[0]) / 3)
    initial = np.random.default_rng(seed).normal(0, deviation, (features.shape[1], n_outputs))

    def fit(E: NDArray, gammas: list[float]) -> tuple[NDArray, NDArray, NDArray]:
        """(r0, M, T): the residual of the initial function, 1 + K, and the layers'
        kernels.
        """
        T, _, phi = layer_kernels(compose(op, E, chosen), decoder, gammas)
        K = sum(theta * kernel for theta, kernel in zip(thetas, T, strict=True))
        return Y - curvature * decay ** (depth + 1) * (phi @ initial), np.eye(n) + curvature * K, np.array(T)

    E, decay = E0.copy(), 1.0
    thetas, lengths, seconds = np.zeros(depth), np.zeros(depth), np.zeros(depth)
    first, second = np.zeros_like(E), np.zeros_like(E)
    residual, records = np.zeros(0), []
    for t in range(steps + 1):
        gammas = grown(decoder, lengths.tolist(), decay)
        # record
        r0, M, T = fit(E, gammas)
        here = np.linalg.inv(M) @ r0
        residual = here if t == 0 else residual
        full, _, phi = layer_kernels(compose(op, E, everything), decoder, gammas)
        K = np.tensordot(thetas, full, axes=1)
        outputs = decay ** (depth + 1) * phi @ initial + K[:, chosen] @ here
        nearest = ((outputs[:, None] - targets) ** 2).sum(axis=2).argmin(axis=1)
        right = nearest == op.results
        test = right[~chosen].mean() if not chosen.all() else np.nan
        records.append((E, right[chosen].mean(), test, (here**2).mean(), thetas, lengths))
        # the decoder
        rate = decoder_lr * (min(1.0, (t + 1) / decoder.warmup) if decoder.warmup else 1.0)
        shrink = math.exp(-rate * decoder.weight_decay)
        decay *= shrink
        squares = unit**2 * np.einsum("ay,lab,by->l", residual, T, residual) / sizes  # mean square of a gradient
        seconds = 0.999 * seconds + 0.001 * squares
        if decoder.optimizer == "sgd":
            pace = np.full(depth, rate)
            moved = rate * np.sqrt(squares)
        else:
            root = np.sqrt(seconds / (1 - 0.999 ** (t + 1))) + 1e-8
            pace = rate * math.sqrt(2 / math.pi) / root
            moved = rate * np.minimum(1.0, np.sqrt(squares) / root)
        thetas = shrink * thetas + unit * pace
        lengths = shrink * lengths + moved
        # the embeddings
        r0, M, _ = fit(E, gammas)
        residual = np.linalg.inv(M) @ r0

        def potential(E: NDArray, gammas: list[float] = gammas) -> NDArray:
            r0, M, _ = fit(E, gammas)
            return np.einsum("...ay,...ab,...by->...", r0, np.linalg.inv(M), r0)

        g = unit / (2 * curvature) * complex_gradient(potential, E)
        first = 0.9 * first + 0.1 * g
        second = 0.999 * second + 0.001 * g**2
        root = np.sqrt(second / (1 - 0.999 ** (t + 1))) + 1e-8
        move = g if repr_optimizer == "sgd" else first / (1 - 0.9 ** (t + 1)) / root
        E = E - repr_lr * (move + repr_wd * E)
    return DecoderPath(*(np.array(curve) for curve in zip(*records, strict=True)))


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
