"""Kernels of random training sets, against plain twins and enumeration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import efftheory as et
from efftheory import _random_kernels as kernels
from efftheory import criticality
from tests import oracles
from tests import strategies as own

LARGE_PRIME = 2**31 - 1


def _table(op, n_coverable):
    left, right = np.ascontiguousarray(op.pairs.T)
    return kernels.Table(left, right, op.results, op.n_results, op.n_symbols, op.n_symbols - 2, n_coverable)


def _thresholds(kernel, seed, draws, n, table, field):
    """The kernel's answer, and the orders it was for."""
    rng = np.random.default_rng(seed)
    orders, order = [], np.arange(len(table.left))
    for _ in range(draws):
        kernels.draw_order.py_func(rng, order, n)
        orders.append(order[:n].tolist())
    return kernel(np.random.default_rng(seed), draws, n, table, field).tolist(), orders


@pytest.mark.parametrize("name", ["thresholds", "small_thresholds"])
@given(op=own.operations(3, 6), seed=own.seeds)
def test_linear_thresholds(name, op, seed):
    field = np.array([LARGE_PRIME]) if name == "thresholds" else criticality.small_inverses()
    kernel = getattr(kernels, name)
    found, orders = _thresholds(kernel, seed, 3, op.n_samples, _table(op, op.n_symbols), field)
    assert found == [oracles.linear_threshold(op, order) for order in orders]


def test_linear_thresholds_ask_every_prime():
    """Modulo 2 ranks fall short: with a large prime beside it, in any place, the
    threshold is the true one.
    """
    op = et.addition(9)

    def found(*primes):
        return _thresholds(kernels.thresholds, 0, 300, op.n_samples, _table(op, 9), np.array(primes))[0]

    true = found(LARGE_PRIME)
    assert found(2) != true
    assert found(2, 3, LARGE_PRIME) == found(LARGE_PRIME, 2) == true


@pytest.mark.parametrize("name", ["thresholds", "small_thresholds"])
def test_linear_thresholds_of_a_table_that_never_is_linear(name):
    # three symbols whose samples all have results of their own: no parallelogram at all
    field = np.array([LARGE_PRIME]) if name == "thresholds" else criticality.small_inverses()
    left, right, results = (np.array(part, np.int32) for part in (*np.triu_indices(3), range(6)))
    table = kernels.Table(left, right, results, n_results=6, p=3, full_rank=1, n_coverable=3)
    found, _ = _thresholds(getattr(kernels, name), 0, 2, 6, table, field)
    assert found == [7, 7]


@given(own.operations(3, 12), own.seeds, st.data())
def test_small_count(op, seed, data):
    """The thresholds that are at most n, of the same orders."""
    n = data.draw(st.integers(0, min(op.n_samples, 40)))
    arguments = (40, n, _table(op, op.n_symbols), criticality.small_inverses())
    thresholds = kernels.small_thresholds(np.random.default_rng(seed), *arguments)
    count = kernels.small_count(np.random.default_rng(seed), *arguments)
    assert count == (thresholds <= n).sum()


@given(own.training_sets(3, 9))
def test_ternary_rank(drawn):
    """Modulo 3 by another library; each sample beside the first of its class."""
    op, mask = drawn
    order, p = np.flatnonzero(mask), op.n_symbols
    (sample, other, _), k = found = equations(op, order)
    pairs = np.concatenate([op.pairs[sample[:k]], op.pairs[other[:k]]], axis=1)
    rank = oracles.modular_rank(np.array([oracles.equation(tuple(row), p) for row in pairs.tolist()]), 3)
    scratch = np.zeros(2**p, np.int64), np.zeros(2**p, np.int64)
    for full_rank in range(1, p):
        table = _table(op, p)._replace(full_rank=full_rank)
        full = kernels.ternary_rank_is_full(table, *found, *scratch)
        assert full == (rank >= full_rank)


def equations(op, order):
    """(the equations of an order, how many)."""
    n = len(order)
    found = kernels.Equations(*(np.empty(n, np.int64) for _ in range(3)))
    return found, kernels.list_equations(order, n, op.results, np.empty(op.n_results, np.int64), found)


@given(own.tables(), own.seeds)
def test_equations_are_those_of_each_sample_with_the_first_of_its_class(op, seed):
    order = np.random.default_rng(seed).permutation(op.n_samples)
    (sample, other, taken), k = equations(op, order)
    expected = []
    for t, s in enumerate(order.tolist()):
        before = [r for r in order[:t].tolist() if op.results[r] == op.results[s]]
        expected += [(s, before[0], t + 1)] if before else []
    assert list(zip(sample[:k].tolist(), other[:k].tolist(), taken[:k].tolist(), strict=True)) == expected


@given(own.tables(), own.seeds, st.data())
def test_covering(op, seed, data):
    """From scratch after each equation; a symbol that cancels in it is not in it."""
    order = np.random.default_rng(seed).permutation(op.n_samples)
    (sample, other, _), k = found = equations(op, order)
    left, right = np.ascontiguousarray(op.pairs.T)
    p = op.n_symbols
    pairs = np.concatenate([op.pairs[sample[:k]], op.pairs[other[:k]]], axis=1)
    rows = np.array([oracles.equation(tuple(row), p) for row in pairs.tolist()]).reshape(-1, p)
    wanted = data.draw(st.integers(1, p))
    covered = np.empty(p, np.bool_)
    needed = kernels.covering(left, right, *found, covered, wanted)
    counts = [(rows[: e + 1] != 0).any(axis=0).sum() for e in range(k)]
    assert needed == next((e + 1 for e, count in enumerate(counts) if count >= wanted), k + 1)
    kernels.covering(left, right, *found, covered, p + 1)
    np.testing.assert_array_equal(covered, (rows != 0).any(axis=0))


def test_all_kernels_have_a_test():
    """Beside those above: the ranks behind the thresholds."""
    found = {name for name, kernel in vars(kernels).items() if hasattr(kernel, "py_func")}
    tested = {"draw_order", "list_equations", "covering", "thresholds", "small_thresholds", "ternary_rank_is_full"}
    ranks = {"small_count", "equations_to_rank", "small_equations_to_rank"}
    assert found - {"equation_row", "insert_row"} == tested | ranks
