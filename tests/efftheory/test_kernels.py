"""Every numba kernel against its naive twin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import efftheory as et
from efftheory import _kernels, criticality
from efftheory.operations import Operation, Samples
from efftheory.parallelograms import training_samples
from tests import oracles, tolerances
from tests import strategies as own

PRIMES = st.sampled_from([2, 3, 5, 7, 101, 2**31 - 1])


def _samples(op: Operation) -> Samples:
    return op.samples


def _in_order(op, values):
    """From the order by result back to that of D0."""
    back = np.empty_like(values)
    back[op.by_result] = values
    return back


@given(own.embedded_training_sets(), st.integers(-4, 4))
def test_loss_and_gradient(drawn, before):
    op, mask, E = drawn
    gradient = np.full_like(E, float(before))
    l0 = _kernels.loss_and_gradient(*training_samples(op, mask), E, gradient)
    expected, slope = oracles.loss_and_gradient(op, mask, E)
    tolerances.assert_close(l0, expected)
    tolerances.assert_close(gradient, before + slope)  # it adds


@given(own.embedded_training_sets(), st.sampled_from([0.01, 0.3, 2.0]))
def test_count_close(drawn, delta2):
    op, _, E = drawn
    values = np.array(list(oracles.residuals(op, E).values()))
    assume((np.abs(values - delta2) > tolerances.LINALG).all())
    path = np.stack([E, 2 * E, 0 * E])
    counts = _kernels.count_close(*_samples(op), path, delta2)
    everything = len(oracles.parallelograms(op))
    assume((np.abs(4 * values - delta2) > tolerances.LINALG).all())
    twice = oracles.count_close(op, 2 * E, delta2)
    assert counts.tolist() == [oracles.count_close(op, E, delta2), twice, everything]


def test_counts_are_strictly_below():
    """A residual equal to delta is not below it (the official code's <)."""
    left, right, first = np.array([0, 1]), np.array([2, 1]), np.array([0, 2])
    E = np.array([[0.0], [0.0], [0.5]])  # residual 1/2, exactly
    trained = np.array([True, False])
    for delta2, close in ((0.25, 0), (0.25 * (1 + 4 * tolerances.EPS), 1)):
        assert _kernels.count_close(left, right, first, E[None], delta2).tolist() == [close]
        assert _kernels.reach_close(left, right, first, trained, E, delta2).tolist() == [True, bool(close)]


@given(own.embedded_training_sets(), st.sampled_from([0.01, 0.3, 2.0]))
def test_reach_close(drawn, delta2):
    op, mask, E = drawn
    values = np.array(list(oracles.residuals(op, E).values()))
    assume((np.abs(values - delta2) > tolerances.LINALG).all())
    reached = _kernels.reach_close(*_samples(op), mask[op.by_result], E, delta2)
    np.testing.assert_array_equal(_in_order(op, reached), oracles.reach_close(op, mask, E, delta2))


@given(st.integers(1, 2**31 - 2))
def test_inverse(value):
    q = 2**31 - 1
    assert _kernels._inverse(value, q) == pow(value, -1, q)


@given(own.training_sets(), PRIMES)
def test_echelon_form(drawn, q):
    op, mask = drawn
    p = op.n_symbols
    A = oracles.equations(op, mask)
    echelon, has_pivot, rank = _kernels.echelon_form(*_samples(op), mask[op.by_result], p, q, p - 2)
    assert rank == has_pivot.sum() == oracles.modular_rank(A, q)
    if q > 2**30:
        assert rank == oracles.fraction_rank(A) == oracles.sympy_rank(A)
    for c in np.flatnonzero(has_pivot):
        assert not echelon[c, :c].any()
        assert echelon[c, c] == 1
    assert ((echelon >= 0) & (echelon < q)).all()
    # its rows span the equations: adding them does not raise the rank
    assert oracles.modular_rank(np.vstack([A, echelon[has_pivot]]), q) == rank


@given(own.training_sets(2, 6), PRIMES)
def test_reach_closure(drawn, q):
    op, mask = drawn
    p, trained = op.n_symbols, mask[op.by_result]
    echelon, has_pivot, _ = _kernels.echelon_form(*_samples(op), trained, p, q, p - 2)
    reached = _kernels.reach_closure(*_samples(op), trained, echelon, has_pivot, q)
    expected = oracles.reach_closure(op, mask, lambda A: oracles.modular_rank(A, q))
    np.testing.assert_array_equal(_in_order(op, reached), expected)


def _thresholds(kernel, seed, draws, n, left, right, results, p, rank, n_coverable, field):
    """The kernel's answer, and the orders it was for."""
    rng = np.random.default_rng(seed)
    orders, order = [], np.arange(len(left))
    for _ in range(draws):
        _kernels._draw_order.py_func(rng, order, n)
        orders.append(order[:n].tolist())
    rng = np.random.default_rng(seed)
    results = np.asarray(results)
    return kernel(rng, draws, n, left, right, results, results.max() + 1, p, rank, n_coverable, field).tolist(), orders


@pytest.mark.parametrize("name", ["linear_thresholds", "small_linear_thresholds"])
@given(op=own.operations(3, 6), seed=own.seeds)
def test_linear_thresholds(name, op, seed):
    field = np.array([2**31 - 1]) if name == "linear_thresholds" else criticality._small_inverses()
    left, right = np.ascontiguousarray(op.pairs.T)
    p = op.n_symbols
    kernel = getattr(_kernels, name)
    found, orders = _thresholds(kernel, seed, 3, op.n_samples, left, right, op.results, p, p - 2, p, field)
    assert found == [oracles.linear_threshold(op, order) for order in orders]


def test_linear_thresholds_ask_every_prime():
    """Modulo 2 ranks fall short: with a large prime beside it, in any place, the threshold is the true one."""
    op, p = et.addition(9), 9
    left, right = np.ascontiguousarray(op.pairs.T)

    def found(*primes):
        table = (300, op.n_samples, left, right, op.results, p, p - 2, p, np.array(primes))
        return _thresholds(_kernels.linear_thresholds, 0, *table)[0]

    true = found(2**31 - 1)
    assert found(2) != true
    assert found(2, 3, 2**31 - 1) == found(2**31 - 1, 2) == true


@pytest.mark.parametrize("name", ["linear_thresholds", "small_linear_thresholds"])
def test_linear_thresholds_of_a_table_that_never_is_linear(name):
    # three symbols whose samples all have results of their own: no parallelogram at all
    field = np.array([2**31 - 1]) if name == "linear_thresholds" else criticality._small_inverses()
    left, right = np.triu_indices(3)
    found, _ = _thresholds(getattr(_kernels, name), 0, 2, 6, left, right, np.arange(6), 3, 1, 3, field)
    assert found == [7, 7]


@given(own.operations(3, 12), own.seeds, st.data())
def test_small_linear_count(op, seed, data):
    """The thresholds that are at most n, of the same orders."""
    n, p = data.draw(st.integers(0, min(op.n_samples, 40))), op.n_symbols
    left, right = np.ascontiguousarray(op.pairs.T)
    table = (40, n, left, right, op.results, op.n_results, p, p - 2)
    inverses = criticality._small_inverses()
    thresholds = _kernels.small_linear_thresholds(np.random.default_rng(seed), *table, p, inverses)
    count = _kernels.small_linear_count(np.random.default_rng(seed), *table, 2**p - 1, inverses)
    assert count == (thresholds <= n).sum()


@given(own.training_sets(3, 9))
def test_ternary_rank(drawn):
    """Modulo 3 by another library; each sample beside the first of its class."""
    op, mask = drawn
    left, right = np.ascontiguousarray(op.pairs.T)
    order, p = np.flatnonzero(mask), op.n_symbols
    sample, other = np.empty(len(order), np.int64), np.empty(len(order), np.int64)
    k = _kernels._list_equations(order, len(order), op.results, np.empty(op.n_results, np.int64), sample, other)
    pairs = np.concatenate([op.pairs[sample[:k]], op.pairs[other[:k]]], axis=1)
    rank = oracles.modular_rank(np.array([oracles.equation(tuple(row), p) for row in pairs.tolist()]), 3)
    scratch = np.zeros(p, np.int64), np.zeros(p, np.int64)
    for full_rank in range(1, p):
        full = _kernels._ternary_rank_is_full(left, right, sample, other, k, full_rank, *scratch)
        assert full == (rank >= full_rank)


@given(own.operations(3, 8), own.seeds, st.data())
def test_covering(op, seed, data):
    """Every symbol in a class with two samples: looked for from scratch after each sample."""
    order = np.random.default_rng(seed).permutation(op.n_samples)
    n = data.draw(st.integers(1, op.n_samples))
    left, right = np.ascontiguousarray(op.pairs.T)
    p = op.n_symbols
    scratch = np.empty(op.n_results, np.int64), np.empty(p, np.bool_)
    found = _kernels.covering(order, n, left, right, op.results, *scratch, p)

    def covered(size):
        chosen = op.results[order[:size]]
        shared = [s for s in order[:size] if (chosen == op.results[s]).sum() > 1]
        return set(op.pairs[shared].ravel().tolist()) == set(range(p))

    assert found == next((size for size in range(1, n + 1) if covered(size)), n + 1)


@given(st.integers(1, 6), st.integers(1, 6), own.seeds, st.sampled_from([3, 5, 2**31 - 1]))
def test_eliminate_and_null_vector(rows, columns, seed, q):
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-1, 2, size=(rows, columns)) % q
    echelon, has_pivot = _kernels.eliminate(matrix, q, columns)
    rank = oracles.modular_rank(matrix, q)
    assert has_pivot.sum() == rank
    assert _kernels.eliminate(matrix, q, 1)[1].sum() == min(rank, 1)
    free = rng.integers(q, size=columns)
    v = _kernels.null_vector(echelon, has_pivot, free, q)
    assert (v[~has_pivot] == free[~has_pivot]).all()
    assert not (matrix.astype(object) @ v.astype(object) % q).any()


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize(("name", "kind"), [("adam", _kernels.ADAM), ("adamw", _kernels.ADAMW), ("sgd", _kernels.SGD)])
@given(drawn=own.training_sets(3, 6), d=st.integers(1, 3), seed=own.seeds)
def test_optimizer_flow(name, kind, weight_decay, drawn, d, seed):
    op, mask = drawn
    # a generic start: where a gradient is round-off, Adam divides it by its own size
    E0 = np.random.default_rng(seed).uniform(-1, 1, (op.n_symbols, d))
    path = np.empty((31, *E0.shape))
    path[0] = E0
    _kernels.optimizer_flow(*training_samples(op, mask), path, kind, 1e-2, weight_decay)
    expected = oracles.optimizer_flow(op, mask, E0, name, 1e-2, 30, weight_decay)
    tolerances.assert_close(path, expected)


@given(own.training_sets())
def test_hessian_and_counts(drawn):
    op, mask = drawn
    trained = mask[op.by_result]
    np.testing.assert_array_equal(_kernels.hessian(*_samples(op), trained, op.n_symbols), oracles.hessian(op, mask))
    listed = oracles.parallelograms(op, mask)
    assert _kernels.count_pairs(op.samples.first, trained) == (mask.sum(), len(listed))


@given(own.training_sets(), own.seeds)
def test_loss_path(drawn, seed):
    op, mask = drawn
    path = np.random.default_rng(seed).normal(size=(4, op.n_symbols, 2))
    losses = _kernels.loss_path(*training_samples(op, mask), path)
    expected = [oracles.loss_and_gradient(op, mask, E)[0] for E in path]
    np.testing.assert_allclose(losses, expected, rtol=tolerances.LINALG, atol=tolerances.EPS)


def test_every_kernel_has_a_twin():
    # a new kernel comes with its twin: this list and a test above
    kernels = {name for name, kernel in vars(_kernels).items() if hasattr(kernel, "py_func")}
    assert kernels == {
        "class_order",  # as Operation.by_result, in test_operations.py
        "loss_and_gradient",
        "loss_path",
        "hessian",
        "count_pairs",
        "count_close",
        "reach_close",
        "echelon_form",
        "reach_closure",
        "linear_thresholds",
        "small_linear_thresholds",
        "small_linear_count",
        "_small_rank",  # through the two
        "_list_equations",
        "_ternary_rank_is_full",
        "_draw_order",  # repeats the orders of linear_thresholds above; uniform in test_criticality.py
        "covering",
        "_threshold",  # through linear_thresholds
        "eliminate",
        "null_vector",
        "optimizer_flow",
        "_inverse",
        "_insert",  # both through echelon_form
        "_equation",
    }
