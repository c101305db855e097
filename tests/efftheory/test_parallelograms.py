"""P0(D): counted, listed, and as equations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

import efftheory as et
from efftheory.parallelograms import training_samples
from tests import oracles, systems
from tests import strategies as own


@pytest.mark.parametrize(("p", "count"), systems.FULL_PARALLELOGRAMS.items())
def test_full_counts_are_the_papers(p, count):
    assert et.count_parallelograms(et.addition(p)) == count


@given(own.training_sets())
def test_list_is_the_double_loops(drawn):
    op, mask = drawn
    listed = [tuple(row) for row in et.parallelograms(op, mask).tolist()]
    expected = oracles.parallelograms(op, mask)
    assert sorted(listed) == sorted(expected)
    assert et.count_parallelograms(op, mask) == len(expected)


@given(own.training_sets())
def test_every_row_is_two_samples_of_one_result(drawn):
    op, mask = drawn
    trained = [tuple(pair) for pair in op.pairs[mask].tolist()]
    for i, j, m, n in et.parallelograms(op, mask).tolist():
        assert i + j == m + n
        assert trained.index((i, j)) < trained.index((m, n))


@given(own.training_sets())
def test_constraint_matrix_is_the_listed_equations(drawn):
    op, mask = drawn
    A = et.constraint_matrix(op, mask).toarray()
    assert A.shape == (et.count_parallelograms(op, mask), op.n_symbols)
    assert sorted(A.tolist()) == sorted(oracles.equations(op, mask).tolist())


@given(own.training_sets())
def test_rows_sum_to_zero_and_annihilate_the_linear_representation(drawn):
    op, mask = drawn
    A = et.constraint_matrix(op, mask)
    assert not (A @ np.ones(op.n_symbols, dtype=np.int64)).any()
    assert not (A @ np.arange(op.n_symbols)).any()


@given(own.nested_training_sets())
def test_more_data_keeps_every_parallelogram(drawn):
    op, fewer, more = drawn
    assert set(oracles.parallelograms(op, fewer)) <= set(map(tuple, et.parallelograms(op, more).tolist()))


@given(own.training_sets())
def test_reflection_keeps_the_count(drawn):
    op, mask = drawn
    assert et.count_parallelograms(op, mask) == et.count_parallelograms(op, systems.reflected(op, mask))


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


@pytest.mark.parametrize(("n", "count"), [(2, 2), (3, 90), (4, 6624)])  # 90: the paper's; p classes of p samples each
def test_a_groups_parallelograms_are_its_equal_products(n, count):
    op = et.symmetric_group(n)
    p = op.n_symbols
    assert et.count_parallelograms(op) == count == p * (p * (p - 1) // 2)
    listed = et.parallelograms(op)
    assert listed.shape == (count, 4)
    table = op.results.reshape(p, p)
    a, b, c, e = listed.T
    np.testing.assert_array_equal(table[a, b], table[c, e])
    assert (a * p + b < c * p + e).all()


@given(own.embedded_product_training_sets())
def test_a_groups_list_is_the_double_loops(drawn):
    op, mask, _ = drawn
    expected = oracles.parallelograms(op, mask)
    assert sorted(map(tuple, et.parallelograms(op, mask).tolist())) == sorted(expected)
    assert et.count_parallelograms(op, mask) == len(expected)


@pytest.mark.parametrize("op", [et.addition(2), et.addition(5), et.symmetric_group(3)])
def test_the_list_has_the_type_that_it_promises(op):
    for mask in (None, np.zeros(op.n_samples, dtype=np.bool_)):
        assert et.parallelograms(op, mask).dtype == np.int64
