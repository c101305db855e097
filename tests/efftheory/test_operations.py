"""D0 as a table, and random training sets."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import efftheory as et
from tests import strategies as own
from tests import tolerances


@given(own.operations(2, 20))
def test_addition_lists_each_unordered_pair_once_in_the_papers_order(op):
    p = op.n_symbols
    assert op.pairs.tolist() == [[i, j] for i in range(p) for j in range(i, p)]
    assert op.results.tolist() == [i + j for i in range(p) for j in range(i, p)]
    assert op.n_samples == p * (p + 1) // 2
    assert op.n_results == 2 * p - 1 == len(set(op.results.tolist()))
    assert op.name == f"addition({p})"


@given(own.operations(2, 12))
def test_classes_are_runs_of_by_result(op):
    assert sorted(op.by_result.tolist()) == list(range(op.n_samples))
    for c in range(op.n_results):
        run = op.by_result[op.samples.first[c] : op.samples.first[c + 1]]
        assert run.tolist() == [s for s in range(op.n_samples) if op.results[s] == c]


@given(own.operations(), own.seeds, st.data())
def test_random_training_set_has_its_size_and_repeats(op, seed, data):
    n = data.draw(st.integers(0, op.n_samples))
    mask = op.random_training_set(n, seed)
    assert mask.dtype == np.bool_
    assert mask.shape == (op.n_samples,)
    assert mask.sum() == n
    np.testing.assert_array_equal(mask, op.random_training_set(n, seed))
    np.testing.assert_array_equal(mask, op.random_training_set(n, np.random.default_rng(seed)))


def test_a_generator_is_used_up():
    op, rng = et.addition(10), np.random.default_rng(0)
    first, second = op.random_training_set(25, rng), op.random_training_set(25, rng)
    assert (first != second).any()


def test_every_sample_is_drawn_equally_often():
    op, draws, n = et.addition(4), 4000, 3
    rng = np.random.default_rng(1)
    counts = np.sum([op.random_training_set(n, rng) for _ in range(draws)], axis=0)
    share = n / op.n_samples
    bound = tolerances.SIGMAS * tolerances.standard_error(share, draws)
    assert np.abs(counts / draws - share).max() < bound


# Symmetric groups


@pytest.mark.parametrize("n", [2, 3, 4])
def test_the_table_is_a_group(n):
    op = et.symmetric_group(n)
    p = math.factorial(n)
    assert (op.name, op.composition) == (f"symmetric_group({n})", "product")
    assert op.n_symbols == op.n_results == p
    assert op.pairs.tolist() == [[a, b] for a in range(p) for b in range(p)]
    assert op.pairs.dtype == op.results.dtype == np.int32
    table = op.results.reshape(p, p)
    everyone = set(range(p))
    assert all(set(row) == everyone for row in table.tolist())  # closed, and with inverses on the right
    assert all(set(column) == everyone for column in table.T.tolist())  # and on the left
    np.testing.assert_array_equal(table[table], table[:, table])  # (ab)c = a(bc): [a, b, c] of both
    np.testing.assert_array_equal(table[0], np.arange(p))
    np.testing.assert_array_equal(table[:, 0], np.arange(p))
    inverse = np.argmax(table == 0, axis=1)
    np.testing.assert_array_equal(table[inverse, np.arange(p)], np.zeros(p))


@given(st.integers(2, 4), st.data())
def test_a_product_applies_the_right_factor_first(n, data):
    op, elements = et.symmetric_group(n), list(permutations(range(n)))
    a, b = (data.draw(st.integers(0, op.n_symbols - 1)) for _ in range(2))
    product = tuple(elements[a][elements[b][k]] for k in range(n))
    assert elements[op.results[a * op.n_symbols + b]] == product


def test_s3_by_hand():
    # 012 021 102 120 201 210: swapping 1, 2 after swapping 0, 1 takes 0 to 2, 1 to 0, 2 to 1
    op = et.symmetric_group(3)
    table = op.results.reshape(6, 6)
    assert table[1, 2] == 4
    assert table[2, 1] == 3


def test_random_training_sets_of_a_group():
    op = et.symmetric_group(3)
    assert op.random_training_set(24, seed=0).sum() == 24
    assert op.random_training_set(24, seed=0).shape == (36,)


def test_sums_are_the_default():
    assert et.addition(4).composition == "sum"
