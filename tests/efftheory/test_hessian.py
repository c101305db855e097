"""H: dense, as an operator, and as the listed parallelograms' sum."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given

import efftheory as et
from efftheory import _threads
from tests import oracles, systems, tolerances
from tests import strategies as own


@given(own.training_sets())
def test_is_the_listed_parallelograms_sum(drawn):
    op, mask = drawn
    np.testing.assert_array_equal(et.hessian(op, mask), oracles.hessian(op, mask))


@given(own.training_sets(2, 12))
def test_translation_and_scaling_cost_nothing(drawn):
    op, mask = drawn
    H = et.hessian(op, mask)  # whole numbers: exact
    assert not (H @ np.ones(op.n_symbols)).any()
    assert not (H @ np.arange(op.n_symbols)).any()
    np.testing.assert_array_equal(H, H.T)


@given(own.training_sets(2, 12))
def test_operator_is_the_dense_matrix(drawn):
    op, mask = drawn
    operator = et.hessian_operator(op, mask)
    H = et.hessian(op, mask)
    assert operator.shape == H.shape
    assert operator.dtype == H.dtype
    bound = tolerances.LINALG * max(float(np.abs(H).max()), 1.0)
    np.testing.assert_allclose(operator.matmat(np.eye(op.n_symbols)), H, rtol=0, atol=bound)
    x = np.linspace(-1, 1, op.n_symbols) ** 3
    np.testing.assert_allclose(operator.matvec(x), H @ x, rtol=0, atol=bound)
    np.testing.assert_allclose(operator.rmatvec(x), H @ x, rtol=0, atol=bound)
    assert operator.matvec(x).shape == x.shape
    assert operator.matvec(x[:, None]).shape == (op.n_symbols, 1)


@given(own.embedded_training_sets())
def test_half_the_quadratic_form_is_l0(drawn):
    op, mask, E = drawn
    l0 = oracles.loss_and_gradient(op, mask, E)[0]
    form = 0.5 * np.einsum("ix,ij,jx->", E, et.hessian(op, mask), E)
    np.testing.assert_allclose(form, l0, rtol=tolerances.LINALG, atol=tolerances.LINALG)


@given(own.nested_training_sets())
def test_more_data_never_lowers_an_eigenvalue(drawn):
    op, fewer, more = drawn
    low, high = et.hessian(op, fewer), et.hessian(op, more)
    slack = tolerances.null_eigenvalue(high)
    assert np.linalg.eigvalsh(high - low)[0] >= -slack  # Loewner
    assert (np.linalg.eigvalsh(high) >= np.linalg.eigvalsh(low) - slack).all()


@given(own.training_sets())
def test_reflection_reverses_rows_and_columns(drawn):
    op, mask = drawn
    mirrored = et.hessian(op, systems.reflected(op, mask))
    np.testing.assert_array_equal(mirrored, et.hessian(op, mask)[::-1, ::-1])


@pytest.mark.parametrize("system", systems.SOLVABLE, ids=lambda system: system.name)
def test_modes_found_by_hand(system):
    H = et.hessian(system.op, system.mask)
    for mode, value in zip(system.modes, system.eigenvalues, strict=True):
        np.testing.assert_array_equal(H @ mode, value * mode)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_products_in_blocks(monkeypatch, n_threads):
    """Cut into blocks and shared by threads, the product is the dense one, and the same
    bits for any number of them.
    """
    op = et.addition(60)
    mask = op.random_training_set(700, seed=0)
    X = np.random.default_rng(0).standard_normal((60, 3))
    whole = np.asarray(et.hessian_operator(op, mask) @ X)
    monkeypatch.setattr(sys.modules["efftheory.hessian"], "_BLOCK_SAMPLES", 50)
    monkeypatch.setattr(_threads.config, "NUMBA_NUM_THREADS", 1)
    serial = np.asarray(et.hessian_operator(op, mask) @ X)
    monkeypatch.setattr(_threads.config, "NUMBA_NUM_THREADS", n_threads)
    operator = et.hessian_operator(op, mask)
    assert len(operator._blocks) > 8  # pyright: ignore[reportAttributeAccessIssue]
    np.testing.assert_array_equal(np.asarray(operator @ X), serial)
    np.testing.assert_allclose(serial, whole, rtol=tolerances.LINALG)
    np.testing.assert_allclose(serial, et.hessian(op, mask) @ X, rtol=tolerances.LINALG)
