"""What networks realise, against what their training sets determine: the linearly
closed sets of parallelogram equations, ordered by inclusion; the tables behind figures
9 to 12.

What is said of closed sets is exhaustive and exact, for small p.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import combinations, count, islice, product
from math import comb
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import null_space

import efftheory as et
from analysis.runs.store import RunStore
from efftheory.embeddings import standardize
from neural import start

_REPRESENTATION_SEED = 28
_DELTA = 0.1  # as of `et.rqi`
Closed = tuple[int, ...]  # the rows of `et.parallelograms(op)` that a closed set holds, ascending

# An equation outside the closure lies off the null space by at least 8^(-(p - 2)/2):
# the square of its distance is a quotient of two Gram determinants, integers of which
# the lower one is at most 8^(p - 2). Round-off is near 1e-14.
_OFF_THE_NULL_SPACE = 1e-6  # below that bound up to p = 15


@cache
def _all_equations(op: et.Operation) -> NDArray[np.float64]:
    """A(P0), (M, p)."""
    return et.constraint_matrix(op).toarray().astype(np.float64)


def _null_vectors(equations: ArrayLike, p: int) -> NDArray[np.float64]:
    """Orthonormal (p, n_0): what satisfies `equations` (k, p); k may be 0."""
    return null_space(np.vstack([np.zeros(p), equations]))


def closure(op: et.Operation, equations: ArrayLike) -> Closed:
    """The parallelograms of P0 in the linear span of `equations` (k, p)."""
    residuals = _all_equations(op) @ _null_vectors(equations, op.n_symbols)
    return _rows(np.abs(residuals).max(axis=1) < _OFF_THE_NULL_SPACE)


def determined(op: et.Operation, mask: NDArray[np.bool_] | None) -> Closed:
    """P(D), of D as a mask: the rows of H = 2 A^T A span those of A."""
    return closure(op, et.hessian(op, mask))


def realised(op: et.Operation, E: NDArray[np.float64]) -> Closed:
    """P(R, delta): the parallelograms that `E` (p, d) realises, as `et.rqi` counts."""
    return _rows(((_all_equations(op) @ standardize(E)) ** 2).mean(axis=1) < _DELTA**2)


def _rows(flags: NDArray[np.bool_]) -> Closed:
    return tuple(np.flatnonzero(flags).tolist())


def closed_sets(op: et.Operation) -> list[Closed]:
    """Every linearly closed subset of P0, the small ones first; many where p is large.

    Each is reached from the empty one by adding an equation and closing, repeatedly.
    """
    A = _all_equations(op)
    found = [closure(op, A[:0])]
    for known in found:
        larger = {closure(op, A[[*known, q]]) for q in range(len(A)) if q not in known}
        found += sorted(larger.difference(found))
    return sorted(found, key=lambda closed: (len(closed), closed))


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


def hierarchy(p: int) -> tuple[pd.DataFrame, list[tuple[int, int]], pd.DataFrame]:
    """Of addition: (closed sets, edges, sizes).

    Closed sets: closed, name (its equations as text), dof, training_sets (that
    determine it), representation (p,). Edges of the Hasse diagram: pairs of rows,
    (smaller, larger) with none in between. Sizes: n_train, closed, sets (how many
    training sets of that size determine it), share (of those of that size).
    """
    op, rng = et.addition(p), np.random.default_rng(_REPRESENTATION_SEED)
    sets, counts, A = closed_sets(op), training_sets(op), _all_equations(op)
    texts = [_equation(*row) for row in et.parallelograms(op).tolist()]
    total = np.sum(list(counts.values()), axis=0)
    rows, sizes = [], []
    for closed in sets:
        null, found = _null_vectors(A[list(closed)], p), counts.get(closed, np.zeros(0, np.int64))
        name = ", ".join(texts[q] for q in closed) or "no equation"
        rows.append(
            {
                "closed": closed,
                "name": f"all {len(A)} equations" if len(closed) == len(A) else name,
                "dof": null.shape[1] - 2,
                "training_sets": int(found.sum()),
                "representation": upright(null @ rng.normal(size=(null.shape[1], 1))),
            }
        )
        for n, k in enumerate(found):
            sizes.append({"n_train": n, "closed": closed, "sets": int(k), "share": k / total[n]})
    n_sets = range(len(sets))
    below = {(a, b) for a, b in product(n_sets, repeat=2) if set(sets[a]) < set(sets[b])}
    edges = sorted((a, b) for a, b in below if not any((a, c) in below and (c, b) in below for c in n_sets))
    return pd.DataFrame(rows), edges, pd.DataFrame(sizes)


def upright(E: NDArray[np.float64]) -> NDArray[np.float64]:
    """A representation (..., p, 1), standardised, the last symbol (of the last one)
    above the first: (..., p).
    """
    x = standardize(E)[..., 0]
    last = x.reshape(-1, x.shape[-1])[-1]
    return x if last[-1] >= last[0] else -x


def _equation(i: int, j: int, m: int, n: int) -> str:
    """E_i + E_j = E_m + E_n as mathematical text."""
    left, right = (f"2E_{a}" if a == b else f"E_{a} + E_{b}" for a, b in ((i, j), (m, n)))
    return f"${left} = {right}$"


def linear_shares(p: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    """How many training sets of each size leave the linear representation as the only
    one, that is, determine all of P0: n_train, sets, linear (how many of them do),
    share; and the row of the smallest such set, the first in the order of D0, with its
    samples as text.
    """
    op = et.addition(p)
    counts = training_sets(op)[determined(op, None)]
    sets = [comb(op.n_samples, n) for n in range(len(counts))]
    rows = [{"n_train": n, "sets": k, "linear": int(counts[n]), "share": counts[n] / k} for n, k in enumerate(sets)]
    fewest = int(np.flatnonzero(counts)[0])
    all_samples = np.arange(op.n_samples)
    masks = (np.isin(all_samples, chosen) for chosen in combinations(all_samples, fewest))
    smallest = next(mask for mask in masks if et.is_linear(op, mask))
    return pd.DataFrame(rows), rows[fewest] | {"samples": _sums(op, smallest)}


@cache
def first_runs(base: Any, n: int, *, linear: bool) -> list[Any]:
    """`base` with the first n seeds whose training sets are linear, or are not."""
    op = et.addition(base.p)
    runs = (replace(base, seed=seed) for seed in count())
    return list(islice((run for run in runs if et.is_linear(op, start(run).mask) == linear), n))


def best_path(store: RunStore, configs: Sequence[Any]) -> tuple[dict[str, Any], pd.DataFrame]:
    """Of runs of one size, as `reached` counts them, the one with the highest final
    RQI, the first of several: its seed, rqi and samples as text; and its standardised
    embedding over training, the last symbol above the first in the end: steps and a
    column a symbol.
    """
    table = store.table(configs)
    best = int(table["rqi"].argmax())
    curves = store.curves(configs[best])
    path = pd.DataFrame(upright(curves["embedding"])).assign(steps=curves["steps"])
    samples = _sums(et.addition(configs[0].p), table["mask"][best])
    return {**reached(table), "seed": configs[best].seed, "rqi": table["rqi"][best], "samples": samples}, path


def reached(runs: pd.DataFrame) -> dict[str, Any]:
    """How many of the networks reached RQI > 0.95: networks, value, interval."""
    share = et.proportion(int(runs["steps_to_rqi"].notna().sum()), len(runs))
    return {"networks": len(runs), "value": share.value, "interval": share.interval}


def _sums(op: et.Operation, mask: NDArray[np.bool_]) -> str:
    """The samples of D as text, by result."""
    return "  ".join(f"{i}+{j}" for i, j in op.pairs[op.by_result[mask[op.by_result]]].tolist())


def ideals(store: RunStore, configs: Sequence[Any]) -> pd.DataFrame:
    """Runs of one p beside the most that their training sets allow: n_train, seed, rqi,
    accuracy, fraction, initial_rqi, ideal_rqi, ideal_accuracy.
    """
    op, table = et.addition(configs[0].p), store.table(configs)
    return table[["n_train", "seed", "rqi", "accuracy"]].assign(
        fraction=table["n_train"] / op.n_samples,
        initial_rqi=[et.rqi(op, E) for E in table["initial_embedding"]],
        ideal_rqi=[len(determined(op, mask)) / et.count_parallelograms(op) for mask in table["mask"]],
        ideal_accuracy=[et.ideal_accuracy(op, mask) for mask in table["mask"]],
    )


def realisations(store: RunStore, configs: Sequence[Any]) -> pd.DataFrame:
    """A row a network: the equations that its training set determines, that it
    realises, and that it realises before training; its embedding (p,).
    """
    op, table = et.addition(configs[0].p), store.table(configs)
    return pd.DataFrame(
        {
            "determined": [determined(op, mask) for mask in table["mask"]],
            "realised": [realised(op, E) for E in table["final_embedding"]],
            "at_start": [realised(op, E) for E in table["initial_embedding"]],
            "embedding": [upright(E) for E in table["final_embedding"]],
        }
    )
