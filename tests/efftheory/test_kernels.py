"""Every numba kernel against its naive twin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from efftheory import _kernels, _sample_kernels
from efftheory._kernels import Samples
from efftheory._product_kernels import product
from efftheory.loss import losses
from efftheory.operations import Operation
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
def test_count_close_and_reach_close(drawn, delta2):
    op, mask, E = drawn
    left, right, first = op.samples
    values = np.array(list(oracles.residuals(op, E).values()))
    assume((np.abs(values - delta2) > tolerances.LINALG).all())
    x = E[left] + E[right]
    assert _sample_kernels.count_close(x, first, delta2) == oracles.count_close(op, E, delta2)
    assert _sample_kernels.count_close(0 * x, first, delta2) == len(oracles.parallelograms(op))
    reached = _sample_kernels.reach_close(x, first, mask[op.by_result], delta2)
    np.testing.assert_array_equal(_in_order(op, reached), oracles.reach_close(op, mask, E, delta2))


def test_counts_are_strictly_below():
    """A residual equal to delta is not below it (the official code's <)."""
    x, first, trained = np.array([[0.0], [0.5]]), np.array([0, 2]), np.array([True, False])
    for delta2, close in ((0.25, 0), (0.25 * (1 + 4 * tolerances.EPS), 1)):
        assert _sample_kernels.count_close(x, first, delta2) == close
        assert _sample_kernels.reach_close(x, first, trained, delta2).tolist() == [True, bool(close)]


@given(st.integers(1, 2**31 - 2))
def test_inverse(value):
    q = 2**31 - 1
    assert _kernels.inverse(value, q) == pow(value, -1, q)


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


@given(st.integers(1, 6), st.integers(1, 6), own.seeds, st.sampled_from([3, 5, 2**31 - 1]))
def test_insert_row_and_null_vector(rows, columns, seed, q):
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-1, 2, size=(rows, columns)) % q
    echelon, has_pivot = np.zeros((columns, columns), np.int64), np.zeros(columns, np.bool_)
    for k in range(rows):
        rank = oracles.modular_rank(matrix[:k], q)
        grown = _kernels.insert_row(matrix[k].copy(), echelon, has_pivot, q)
        assert has_pivot.sum() == rank + grown == oracles.modular_rank(matrix[: k + 1], q)
    free = rng.integers(q, size=columns)
    v = _kernels.null_vector(echelon, has_pivot, free, q)
    assert (v[~has_pivot] == free[~has_pivot]).all()
    assert not (matrix.astype(object) @ v.astype(object) % q).any()


@pytest.mark.parametrize("n", [1, 4, 45])
@pytest.mark.parametrize("inner", [0, 1, 33])
@pytest.mark.parametrize("k", [3, 16, 30, 70])
def test_product(n, inner, k):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(inner, n)).astype(np.float32).T, rng.normal(size=(inner, k)).astype(np.float32)
    beside = np.full((n + 2, k), np.float32(7))  # nothing is written beside the product
    product(a, b, beside[1:-1])
    np.testing.assert_allclose(beside[1:-1], a.astype(float) @ b, rtol=1e-5, atol=1e-5)
    assert (beside[[0, -1]] == 7).all()


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize(("name", "kind"), [("adam", _kernels.ADAM), ("adamw", _kernels.ADAMW), ("sgd", _kernels.SGD)])
@given(drawn=own.training_sets(3, 6), d=st.integers(1, 3), seed=own.seeds)
def test_optimizer_flow(name, kind, weight_decay, drawn, d, seed):
    op, mask = drawn
    # a generic start: where a gradient is round-off, Adam divides it by its own size
    E0 = np.random.default_rng(seed).uniform(-1, 1, (op.n_symbols, d))
    path = np.empty((31, *E0.shape))
    path[0] = E0
    _kernels.optimizer_flow(*training_samples(op, mask), path, _kernels.Rule(kind, 1e-2, weight_decay))
    expected = oracles.optimizer_flow(op, mask, E0, name, 1e-2, 30, weight_decay)
    tolerances.assert_close(path, expected)


@given(own.training_sets(), own.seeds)
def test_loss_path(drawn, seed):
    op, mask = drawn
    path = np.random.default_rng(seed).normal(size=(4, op.n_symbols, 2))
    found, z0 = losses(op, mask, path)
    expected = [oracles.loss_and_gradient(op, mask, E)[0] for E in path]
    np.testing.assert_allclose(found * z0, expected, rtol=tolerances.LINALG, atol=tolerances.EPS)


@pytest.mark.parametrize("size", [1e-310, 1e-100, 1.0, 1e200])
@pytest.mark.parametrize("product", [False, True])
def test_collapsed_and_of_usual_size(product, size):
    """What differs by round-off only is equal, dimension by dimension, and no size is
    too small or too large to say so.
    """
    rng = np.random.default_rng(0)
    varying = rng.integers(-8, 9, (20, 4, 3)) / 8.0
    varying[:, 1, :2] = 3.0  # the first symbols of a path of 20 are alike in one place or in all
    paths = [varying, np.ones((20, 4, 3)), np.zeros((20, 4, 3)), np.where(np.arange(3) == 1, 1.0, varying)]
    for path in paths:
        path = path * float(np.exp2(np.round(np.log2(size))))
        for E in path:
            constant = any(len(set(column)) == 1 for column in E.T.tolist())
            assert _sample_kernels.collapsed(E, product) == (not E.any() if product else constant)
            scaled = _sample_kernels.of_usual_size(E)
            largest, now = (np.abs(each).max() or 1.0 for each in (E, scaled))
            np.testing.assert_array_equal(scaled / now, E / largest)
            assert not E.any() or 1e-20 < np.abs(scaled).max() < 1e60


def test_every_kernel_has_a_twin():
    # a new kernel comes with its twin: this list and a test above
    both = vars(_kernels) | vars(_sample_kernels)
    kernels = {name for name, kernel in both.items() if hasattr(kernel, "py_func")}
    assert kernels == {
        "class_order",  # as Operation.by_result, in test_operations.py
        "loss_and_gradient",
        "hessian",  # in test_hessian.py
        "count_pairs",  # as `describe`, in test_description.py
        "count_close",
        "reach_close",
        "close",  # through both
        "descend",  # through `optimizer_flow`, and beside networks in test_memory.py
        "collapsed",
        "of_usual_size",
        "compose",  # these three as `rqi` and `predicted_accuracy`, in test_embeddings.py
        "standardized",
        "rqi",
        "echelon_form",
        "reach_closure",
        "null_vector",
        "optimizer_flow",
        "inverse",
        "insert_row",
        "equation_row",  # through echelon_form
    }
