"""H: dense, as an operator, and as the listed parallelograms' sum."""

from __future__ import annotations

import itertools
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import efftheory as et
from efftheory import _threads
from tests import oracles, systems, tolerances
from tests import strategies as own


@given(own.training_sets())
def test_is_the_listed_parallelograms_sum(drawn):
    op, mask = drawn
    H = et.hessian(op, mask)
    np.testing.assert_array_equal(H, oracles.hessian(op, mask))
    np.testing.assert_array_equal(et.hessian(op, systems.reflected(op, mask)), H[::-1, ::-1])


@given(own.training_sets(2, 12))
def test_translation_and_scaling_cost_nothing(drawn):
    op, mask = drawn
    H = et.hessian(op, mask)  # whole numbers: exact
    assert not (H @ np.ones(op.n_symbols)).any()
    assert not (H @ np.arange(op.n_symbols)).any()
    np.testing.assert_array_equal(H, H.T)


@given(st.integers(2, 12), st.integers(1, 2))
def test_waves_are_the_modes_of_a_ring(p, tables):
    """All of modular addition looks the same from every symbol: H is circulant, and a
    wave of any frequency is an eigenvector; with two tables all at 2 p^2.
    """
    H = et.hessian(et.modular_addition(p, tables))
    for k, angle in itertools.product(range(1, p), (0, 0.3)):
        wave = np.cos(2 * np.pi * k * np.arange(p) / p + angle)
        for table in range(tables):
            mode = np.zeros(p * tables)
            mode[table * p : (table + 1) * p] = wave
            value = mode @ H @ mode / (mode @ mode)
            np.testing.assert_allclose(H @ mode, value * mode, rtol=0, atol=1e-10 * p**3)
            if tables == 2:
                np.testing.assert_allclose(value, 2 * p**2, rtol=1e-10)


@given(st.integers(3, 9), own.seeds)
def test_what_a_deviation_from_a_ring_costs(p, seed):
    """Rotations by the angles of a ring, summed by multiplying: half the second
    derivative of the loss is the deviations' H, whatever the frequency.
    """
    rng = np.random.default_rng(seed)
    op = et.modular_addition(p, tables=2)
    mask = op.random_training_set(int(rng.integers(2, p * p + 1)), seed)
    i, j, m, n = et.parallelograms(op, mask).T
    ring = 2 * np.pi * rng.integers(1, p) * np.tile(np.arange(p), 2) / p
    deviation = rng.normal(size=2 * p)
    step = 1e-3

    def loss(size):
        z = np.exp(1j * (ring + size * deviation))
        return float((np.abs(z[i] * z[j] - z[m] * z[n]) ** 2).sum())

    assert loss(0) < 1e-20 * p**4
    cost = deviation @ et.hessian(op, mask) @ deviation / 2
    # |e^ix - 1|^2 = x^2 - x^4/12 + ..
    off = (deviation[i] + deviation[j] - deviation[m] - deviation[n]) ** 4
    np.testing.assert_allclose(loss(step) / step**2, cost, rtol=1e-9, atol=step**2 * off.sum() / 12 + 1e-9)


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
    assert not et.spectrum(op, fewer).lambda3 - slack > et.spectrum(op, more).lambda3  # both nan where p < 3


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
    monkeypatch.setattr(_threads, "usable_cores", lambda: n_threads)
    monkeypatch.setattr(_threads.config, "NUMBA_NUM_THREADS", 1)
    serial = np.asarray(et.hessian_operator(op, mask) @ X)
    monkeypatch.setattr(_threads.config, "NUMBA_NUM_THREADS", n_threads)
    operator = et.hessian_operator(op, mask)
    assert len(operator._blocks) > 8  # pyright: ignore[reportAttributeAccessIssue]
    np.testing.assert_array_equal(np.asarray(operator @ X), serial)
    np.testing.assert_allclose(serial, whole, rtol=tolerances.LINALG)
    np.testing.assert_allclose(serial, et.hessian(op, mask) @ X, rtol=tolerances.LINALG)
