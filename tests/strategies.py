"""Hypothesis strategies: operations, training sets, embeddings."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

import efftheory as et

seeds = st.integers(0, 2**32 - 1)


def operations(low: int = 2, high: int = 8) -> st.SearchStrategy[et.Operation]:
    """Addition of low..high symbols."""
    return st.integers(low, high).map(et.addition)


def tables(low: int = 2, high: int = 6) -> st.SearchStrategy[et.Operation]:
    """Any symmetric table of low..high symbols, composed by a sum: symbols may repeat
    in a class, cancel, be alone.
    """

    def symmetric(p: int) -> st.SearchStrategy[et.Operation]:
        n = p * (p + 1) // 2
        return st.lists(st.integers(0, p), min_size=n, max_size=n).map(lambda results: _table(p, results))

    return st.integers(low, high).flatmap(symmetric)


@st.composite
def ordered_tables(draw: st.DrawFn, low: int = 2, high: int = 4) -> NDArray[np.int64]:
    """Any table (p, p): Latin squares, differences, and no rule at all."""
    p = draw(st.integers(low, high))
    kind = draw(st.sampled_from(["anything", "differences", "latin"]))
    if kind == "anything":
        return draw(hnp.arrays(np.int64, (p, p), elements=st.integers(0, p), fill=st.nothing()))
    differences = np.subtract.outer(np.arange(p), np.arange(p))
    rows, columns = (np.array(draw(st.permutations(range(p)))) for _ in range(2))
    return differences[rows][:, columns] % p if kind == "latin" else differences


def _table(p: int, results: list[int]) -> et.Operation:
    table = np.zeros((p, p), dtype=np.int64)
    table[np.triu_indices(p)] = results
    return et.from_table(np.triu(table) + np.triu(table, 1).T, "sum")


def masks(op: et.Operation) -> st.SearchStrategy[NDArray[np.bool_]]:
    """Training sets of all densities; half of the draws are nearly full, where the
    linear representation is unique."""
    n = op.n_samples
    anyhow = st.lists(st.booleans(), min_size=n, max_size=n).map(lambda chosen: np.array(chosen, dtype=np.bool_))

    def without(left_out: set[int]) -> NDArray[np.bool_]:
        mask = np.ones(n, dtype=np.bool_)
        mask[list(left_out)] = False
        return mask

    return st.one_of(anyhow, st.sets(st.integers(0, n - 1), max_size=n // 2).map(without))


def embeddings(p: int, d: int | None = None) -> st.SearchStrategy[NDArray[np.float64]]:
    """Embeddings (p, d), d in 1..3 unless told, bounded by 2 and spread by at least 1/2
    in every dimension.

    Multiples of 1/512: their sums are exact, so that a test sees the algorithm and not
    the round-off of its input, and ties between parallelograms do occur.
    """
    dimensions = st.integers(1, 3) if d is None else st.just(d)
    return dimensions.flatmap(
        lambda d: (
            hnp.arrays(np.int64, (p, d), elements=st.integers(-1024, 1024), fill=st.nothing())
            .map(lambda steps: steps / 512.0)
            .filter(lambda E: bool((np.ptp(E, axis=0) >= 0.5).all()))
        )
    )


def matrix_embeddings(p: int, d: int | None = None) -> st.SearchStrategy[NDArray[np.float64]]:
    """Embeddings (p, d, d), d in 1..3 unless told, in multiples of 1/8 up to 2, with an
    entry of at least 1/2.

    On so coarse a grid some parallelograms close, others nearly, and a threshold
    divides them.
    """
    dimensions = st.integers(1, 3) if d is None else st.just(d)
    return dimensions.flatmap(
        lambda d: (
            hnp.arrays(np.int64, (p, d, d), elements=st.integers(-16, 16), fill=st.nothing())
            .map(lambda steps: steps / 8.0)
            .filter(lambda E: bool(np.abs(E).max() >= 0.5))
        )
    )


@st.composite
def training_sets(draw: st.DrawFn, low: int = 2, high: int = 8) -> tuple[et.Operation, NDArray[np.bool_]]:
    """(op, mask)."""
    op = draw(operations(low, high))
    return op, draw(masks(op))


@st.composite
def nested_training_sets(
    draw: st.DrawFn, low: int = 2, high: int = 8
) -> tuple[et.Operation, NDArray[np.bool_], NDArray[np.bool_]]:
    """(op, mask of D, mask of D'), D in D'."""
    op, mask = draw(training_sets(low, high))
    return op, mask & draw(masks(op)), mask


@st.composite
def embedded_training_sets(
    draw: st.DrawFn, low: int = 2, high: int = 8, d: int | None = None
) -> tuple[et.Operation, NDArray[np.bool_], NDArray[np.float64]]:
    """(op, mask, E)."""
    op, mask = draw(training_sets(low, high))
    return op, mask, draw(embeddings(op.n_symbols, d))


@st.composite
def embedded_product_training_sets(
    draw: st.DrawFn, low: int = 2, high: int = 3, d: int | None = None
) -> tuple[et.Operation, NDArray[np.bool_], NDArray[np.float64]]:
    """(op, mask, E) of the symmetric groups of low..high letters."""
    op = et.symmetric_group(draw(st.integers(low, high)))
    return op, draw(masks(op)), draw(matrix_embeddings(op.n_symbols, d))
