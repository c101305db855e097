"""What a training set can determine: the linearly closed sets of parallelogram
equations, ordered by inclusion.

Exhaustive and exact, for small p.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from itertools import combinations, product

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import null_space

import efftheory as et
from efftheory.embeddings import standardize

_REPRESENTATION_SEED = 28

# The rows of `et.parallelograms(op)` that a closed set holds, ascending.
Closed = tuple[int, ...]

# An equation outside the closure lies off the null space by at least 8^(-(p - 2)/2):
# the square of its distance is a quotient of two Gram determinants, integers of which
# the lower one is at most 8^(p - 2). Round-off is near 1e-14.
_OFF_THE_NULL_SPACE = 1e-6  # below that bound up to p = 15


@cache
def all_equations(op: et.Operation) -> NDArray[np.float64]:
    """A(P0), (M, p)."""
    return et.constraint_matrix(op).toarray().astype(np.float64)


def null_vectors(equations: ArrayLike, p: int) -> NDArray[np.float64]:
    """An orthonormal basis (p, n_0) of the representations that satisfy
    `equations` (k, p); k may be 0.
    """
    return null_space(np.vstack([np.zeros(p), equations]))


def closure(op: et.Operation, equations: ArrayLike) -> Closed:
    """The parallelograms of P0 whose equations depend linearly on `equations` (k, p),
    or any rows of the same span.
    """
    residuals = all_equations(op) @ null_vectors(equations, op.n_symbols)
    return _rows(np.abs(residuals).max(axis=1) < _OFF_THE_NULL_SPACE)


def determined(op: et.Operation, mask: NDArray[np.bool_] | None) -> Closed:
    """P(D): what the training set `mask` determines. The rows of H = 2 A^T A span those
    of A.
    """
    return closure(op, et.hessian(op, mask))


def realised(op: et.Operation, E: NDArray[np.float64], delta: float = 0.1) -> Closed:
    """P(R, delta): the parallelograms of P0 that `E` (p, d) realises, as `et.rqi`
    counts them; closed or not.
    """
    residuals = all_equations(op) @ standardize(E)
    return _rows((residuals**2).mean(axis=1) < delta**2)


def _rows(flags: NDArray[np.bool_]) -> Closed:
    return tuple(np.flatnonzero(flags).tolist())


def closed_sets(op: et.Operation) -> list[Closed]:
    """Every linearly closed subset of P0, the small ones first; their number grows fast
    with p.

    Each is reached from the empty one by adding an equation and closing, again and
    again.
    """
    A = all_equations(op)
    found = [closure(op, A[:0])]
    for known in found:
        larger = {closure(op, A[[*known, q]]) for q in range(len(A)) if q not in known}
        found += sorted(larger.difference(found))
    return sorted(found, key=lambda closed: (len(closed), closed))


def inclusions(sets: list[Closed]) -> list[tuple[int, int]]:
    """Pairs of numbers in `sets`, (smaller, larger) with none in between: the edges of
    the Hasse diagram.
    """
    below = {(a, b) for a, b in product(range(len(sets)), repeat=2) if set(sets[a]) < set(sets[b])}
    return sorted((a, b) for a, b in below if not any((a, c) in below and (c, b) in below for c in range(len(sets))))


def training_sets(op: et.Operation) -> dict[Closed, NDArray[np.int64]]:
    """How many training sets of each size 0..N determine each closed set: int (N + 1,),
    exact.

    Only a result with two samples or more in D has equations, so that all training sets
    with the same such samples are counted at once.
    """
    counts: dict[Closed, NDArray[np.int64]] = defaultdict(lambda: np.zeros(op.n_samples + 1, dtype=np.int64))
    classes = [np.flatnonzero(op.results == result).tolist() for result in range(op.n_results)]
    several = [[(), *(s for k in range(2, len(c) + 1) for s in combinations(c, k))] for c in classes]
    for choice in product(*several):
        chosen = [sample for part in choice for sample in part]
        mask = np.zeros(op.n_samples, dtype=np.bool_)
        mask[chosen] = True
        ways = np.array([1])  # by the number of further samples, at most one of each result that is left
        for samples, part in zip(classes, choice, strict=True):
            ways = ways if part else np.convolve(ways, [1, len(samples)])
        counts[determined(op, mask)][len(chosen) : len(chosen) + len(ways)] += ways
    return dict(counts)


def linear_counts(op: et.Operation) -> NDArray[np.int64]:
    """How many training sets of each size 0..N leave the linear representation alone,
    that is, determine all of P0.
    """
    return training_sets(op)[determined(op, None)]


def smallest_linear_set(op: et.Operation, counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The first of the smallest training sets that do, in the order of D0:
    bool (N,).
    """
    for chosen in combinations(range(op.n_samples), int(np.flatnonzero(counts)[0])):
        mask = np.zeros(op.n_samples, dtype=np.bool_)
        mask[list(chosen)] = True
        if et.is_linear(op, mask):
            return mask
    raise AssertionError("the counts say that there is one")


def hierarchy(op: et.Operation) -> tuple[pd.DataFrame, list[tuple[int, int]]]:
    """(closed sets, edges). Columns: closed, name (its equations as text), dof,
    training_sets, representation (p,).
    """
    sets, counts = closed_sets(op), training_sets(op)
    A, texts = all_equations(op), [equation(*row) for row in et.parallelograms(op).tolist()]
    rng = np.random.default_rng(_REPRESENTATION_SEED)
    rows = []
    for closed in sets:
        null = null_vectors(A[list(closed)], op.n_symbols)
        rows.append(
            {
                "closed": closed,
                "name": _name(closed, texts),
                "dof": null.shape[1] - 2,
                "training_sets": int(counts[closed].sum()) if closed in counts else 0,
                "representation": upright(null @ rng.normal(size=(null.shape[1], 1))),
            }
        )
    return pd.DataFrame(rows), inclusions(sets)


def shares_by_size(op: et.Operation) -> pd.DataFrame:
    """n_train, closed, sets (how many training sets of that size determine it), share
    (of those of that size).
    """
    counts = training_sets(op)
    total = np.sum(list(counts.values()), axis=0)
    return pd.DataFrame(
        [
            {"n_train": n, "closed": closed, "sets": int(counts[closed][n]), "share": counts[closed][n] / total[n]}
            for closed in closed_sets(op)
            if closed in counts
            for n in range(op.n_samples + 1)
        ]
    )


def upright(E: NDArray[np.float64]) -> NDArray[np.float64]:
    """A representation (p, 1), standardised, the last symbol above the first: (p,)."""
    x = standardize(E)[:, 0]
    return x if x[-1] >= x[0] else -x


def equation(i: int, j: int, m: int, n: int) -> str:
    """E_i + E_j = E_m + E_n as mathematical text."""
    left, right = (f"2E_{a}" if a == b else f"E_{a} + E_{b}" for a, b in ((i, j), (m, n)))
    return f"${left} = {right}$"


def _name(closed: Closed, equations: list[str]) -> str:
    if not closed:
        return "no equation"
    return (
        f"all {len(equations)} equations" if len(closed) == len(equations) else ", ".join(equations[q] for q in closed)
    )
