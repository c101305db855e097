"""P0(D): counted, listed, and as equations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import efftheory as et
from efftheory.parallelograms import training_samples
from tests import oracles, systems
from tests import strategies as own


@pytest.mark.parametrize(("p", "count"), systems.FULL_PARALLELOGRAMS.items())
def test_full_counts_are_the_papers(p, count):
    assert et.count_parallelograms(et.addition(p)) == count


@pytest.mark.parametrize(("n", "count"), [(2, 2), (3, 90), (4, 6624)])  # 90: the paper's; p classes of p samples each
def test_a_groups_parallelograms_are_its_equal_products(n, count):
    op = et.symmetric_group(n)
    p = op.n_symbols
    assert et.count_parallelograms(op) == len(et.parallelograms(op)) == count == p * (p * (p - 1) // 2)


@given(st.one_of(own.training_sets(), own.embedded_product_training_sets()))
def test_list_is_the_double_loops(drawn):
    """Each with its two samples in the order of D0."""
    op, mask = drawn[:2]
    listed = et.parallelograms(op, mask)
    assert listed.dtype == np.int64
    expected = oracles.parallelograms(op, mask)
    assert sorted(map(tuple, listed.tolist())) == sorted(expected)
    assert et.count_parallelograms(op, mask) == len(expected)
    i, j, m, n = listed.T
    assert (i * op.n_symbols + j < m * op.n_symbols + n).all()


@given(own.training_sets())
def test_constraint_matrix_is_the_listed_equations(drawn):
    op, mask = drawn
    A = et.constraint_matrix(op, mask).toarray()
    assert A.shape == (et.count_parallelograms(op, mask), op.n_symbols)
    assert sorted(A.tolist()) == sorted(oracles.equations(op, mask).tolist())
    assert not (A @ np.stack([np.ones(op.n_symbols), np.arange(op.n_symbols)], axis=1)).any()


@given(own.training_sets())
def test_training_samples_are_d_by_result(drawn):
    op, mask = drawn
    left, right, first = training_samples(op, mask)
    assert sorted(zip(left, right, strict=True)) == sorted(map(tuple, op.pairs[mask]))
    assert len(first) == op.n_results + 1
    for c in range(op.n_results):
        assert (left[first[c] : first[c + 1]] + right[first[c] : first[c + 1]] == c).all()


def test_none_is_all_and_no_data_is_no_parallelogram():
    op = et.addition(6)
    everything, nothing = np.ones(op.n_samples, dtype=np.bool_), np.zeros(op.n_samples, dtype=np.bool_)
    np.testing.assert_array_equal(et.parallelograms(op), et.parallelograms(op, everything))
    assert et.parallelograms(op, nothing).shape == (0, 4)
    assert et.constraint_matrix(op, nothing).shape == (0, 6)
    assert et.count_parallelograms(op, nothing) == 0
