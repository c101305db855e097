"""D0 as a table, and random training sets."""

from __future__ import annotations

import numpy as np
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
