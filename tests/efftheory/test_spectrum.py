"""Eigenvalues, lambda_3 and the grokking time."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import ArpackNoConvergence

import efftheory as et
from tests import oracles, systems, tolerances
from tests import strategies as own


@pytest.mark.parametrize("system", systems.SOLVABLE, ids=lambda system: system.name)
def test_spectra_found_by_hand(system):
    found = et.spectrum(system.op, system.mask)
    np.testing.assert_allclose(found.eigenvalues, system.spectrum, rtol=tolerances.LINALG)
    assert found.nullity == system.nullity
    assert found.lambda3 == found.eigenvalues[2]


def test_full_data_of_ten_symbols_is_the_papers():
    found = et.spectrum(et.addition(10))
    np.testing.assert_allclose(found.lambda3, systems.FULL_LAMBDA3_10, rtol=tolerances.LINALG)
    # Z0 = 9 after standardisation, eta = 1e-3: 150 steps
    np.testing.assert_allclose(et.grokking_steps(et.addition(10), None, 1e-3, 9.0), 150, rtol=tolerances.LINALG)


@given(own.training_sets())
def test_eigenvalues_are_those_of_the_listed_sum(drawn):
    op, mask = drawn
    H = oracles.hessian(op, mask)
    found = et.spectrum(op, mask)
    expected = np.linalg.eigvals(H).real  # a general solver, not the symmetric one
    # a general solver loses what the eigenvectors' condition costs, nothing here: H is
    # symmetric
    atol = max(tolerances.null_eigenvalue(H), tolerances.EPS)
    np.testing.assert_allclose(found.eigenvalues, np.sort(expected), rtol=tolerances.LINALG, atol=atol)


@given(own.training_sets(2, 12))
def test_record_is_consistent(drawn):
    op, mask = drawn
    p = op.n_symbols
    H, found = et.hessian(op, mask), et.spectrum(op, mask)
    assert found.nullity == et.nullity(op, mask)
    assert (found.eigenvalues[: found.nullity] == 0).all()
    assert (found.eigenvalues[found.nullity :] > tolerances.null_eigenvalue(H)).all()
    assert (np.diff(found.eigenvalues) >= 0).all()
    np.testing.assert_allclose(found.modes.T @ found.modes, np.eye(p), atol=tolerances.LINALG)
    rebuilt = found.modes @ np.diag(found.eigenvalues) @ found.modes.T
    scale = max(float(np.linalg.norm(H, 2)), 1.0)
    np.testing.assert_allclose(rebuilt, H, rtol=0, atol=tolerances.LINALG * scale)
    residuals = np.linalg.norm(H @ found.modes - found.modes * found.eigenvalues, axis=0)
    np.testing.assert_allclose(found.residuals * scale, residuals, atol=tolerances.LINALG * scale)
    assert found.converged
    if p < 3:
        assert math.isnan(found.lambda3)
    else:
        assert (found.lambda3 > 0) == (found.nullity == 2)


@given(own.training_sets(), st.data())
def test_k_smallest_are_the_first_of_all(drawn, data):
    op, mask = drawn
    k = data.draw(st.integers(1, op.n_symbols))
    few, all_of_them = et.spectrum(op, mask, k=k), et.spectrum(op, mask)
    assert few.eigenvalues.shape == few.residuals.shape == (k,)
    assert few.modes.shape == (op.n_symbols, k)
    atol = tolerances.null_eigenvalue(et.hessian(op, mask))
    np.testing.assert_allclose(few.eigenvalues, all_of_them.eigenvalues[:k], rtol=tolerances.LINALG, atol=atol)
    np.testing.assert_allclose(few.lambda3, all_of_them.lambda3, rtol=tolerances.LINALG)
    assert few.nullity == all_of_them.nullity
    assert few.converged


@given(own.training_sets(), st.floats(1e-5, 1.0), st.floats(0.1, 100.0))
def test_grokking_steps(drawn, learning_rate, z0):
    op, mask = drawn
    steps = et.grokking_steps(op, mask, learning_rate, z0)
    if op.n_symbols == 2 or oracles.sympy_rank(oracles.equations(op, mask)) < op.n_symbols - 2:
        assert steps == math.inf
    else:
        third = np.linalg.eigvalsh(oracles.hessian(op, mask))[2]
        np.testing.assert_allclose(steps, z0 / (third * learning_rate), rtol=tolerances.LINALG)


@pytest.mark.parametrize("p", [12, 40, 150, 300])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.4, 1.0])
def test_iterative_is_dense(p, share):
    """To 1e-8, from a set near the critical size (0) to all data; null sets
    included.
    """
    op = et.addition(p)
    n = max(int(share * op.n_samples), int(p / 2 * math.log(p) + p))
    mask = op.random_training_set(n, seed=p)
    dense, found = (et.spectrum(op, mask, k=5, method=method) for method in ("dense", "iterative"))
    assert (dense.method, found.method) == ("dense", "iterative")
    assert found.converged
    assert found.nullity == dense.nullity
    atol = tolerances.null_eigenvalue(et.hessian(op, mask))
    np.testing.assert_allclose(found.eigenvalues, dense.eigenvalues, rtol=1e-8, atol=atol)
    np.testing.assert_allclose(found.modes.T @ found.modes, np.eye(5), atol=tolerances.LINALG)
    assert found.residuals.max() < 1e-8


@given(own.training_sets(6, 10))
def test_iterative_knows_its_residuals(drawn):
    """Whatever the set: what it gives is an eigenpair to the residual it states, or it
    says that it is not.
    """
    op, mask = drawn
    found = et.spectrum(op, mask, k=3, method="iterative")
    H = et.hessian(op, mask)
    assert found.nullity == et.nullity(op, mask)
    if found.converged:
        expected = np.linalg.eigvalsh(H)[:3]
        np.testing.assert_allclose(found.eigenvalues, expected, rtol=1e-8, atol=tolerances.null_eigenvalue(H) + 1e-12)
        residuals = np.linalg.norm(H @ found.modes - found.modes * found.eigenvalues, axis=0)
        assert residuals.max() <= 1e-8 * max(float(np.linalg.norm(H, 2)), 1.0)


def test_iterative_on_a_modular_operation():
    """One free mode, not two."""
    op = et.modular_addition(30)
    mask = op.random_training_set(200, seed=0)
    dense, found = (et.spectrum(op, mask, k=3, method=method) for method in ("dense", "iterative"))
    assert found.nullity == 1
    assert found.lambda3 == found.eigenvalues[1]
    np.testing.assert_allclose(found.eigenvalues, dense.eigenvalues, rtol=1e-8)


def test_many_symbols_are_iterative_unless_asked_for_all():
    op = et.addition(600)
    mask = op.random_training_set(9000, seed=0)
    few = et.spectrum(op, mask, k=3)
    assert few.method == "iterative"
    assert few.converged
    assert et.spectrum(et.addition(40), k=3).method == "dense"
    assert et.describe(op, mask).eigenvalues.shape == (10,)
    np.testing.assert_allclose(et.describe(op, mask).lambda3, few.lambda3, rtol=1e-8)


@pytest.mark.parametrize(("p", "n", "k", "seed"), [(33, 44, 10, 1), (23, 28, 7, 3), (36, 50, 12, 2)])
def test_a_failed_iteration_is_a_value(p, n, k, seed):
    """Many modes near or at 0: what was not found is said."""
    op = et.addition(p)
    mask = op.random_training_set(n, seed)
    found = et.spectrum(op, mask, k, "iterative")
    expected = et.spectrum(op, mask, k, "dense")
    assert found.nullity == expected.nullity
    if found.converged:
        np.testing.assert_allclose(found.eigenvalues, expected.eigenvalues, rtol=1e-8, atol=1e-10)


def test_a_loose_iteration_does_not_count_as_converged(monkeypatch):
    monkeypatch.setattr(sys.modules["efftheory.spectrum"], "_ARPACK", 1e-2)
    op = et.addition(60)
    for seed in range(8):
        mask = op.random_training_set(250, seed)
        dense, found = (et.spectrum(op, mask, 4, method) for method in ("dense", "iterative"))
        H = et.hessian(op, mask)
        errors = np.linalg.norm(H @ found.modes - found.modes * found.eigenvalues, axis=0)
        np.testing.assert_allclose(found.residuals, errors / np.linalg.norm(H, 2), rtol=0.1, atol=1e-14)
        if found.converged:
            np.testing.assert_allclose(found.eigenvalues, dense.eigenvalues, rtol=1e-8, atol=1e-9)


@pytest.fixture
def arpack_gives_up(monkeypatch):
    """After all but two of the smallest eigenpairs. Whether it does so by itself where
    many modes are near 0 depends on how a processor rounds.
    """
    module = sys.modules["efftheory.spectrum"]
    eigsh = module.eigsh

    def some(H, k, which, **options):
        found = eigsh(H, k, which=which, **options)
        if which == "LA":
            return found
        values, modes = found
        raise ArpackNoConvergence("no convergence", values[:-2], modes[:, :-2])

    monkeypatch.setattr(module, "eigsh", some)


@pytest.mark.usefixtures("arpack_gives_up")
def test_what_the_iteration_does_not_find_is_solved_densely():
    op = et.addition(600)
    mask = op.random_training_set(9000, seed=0)
    expected = np.linalg.eigvalsh(et.hessian(op, mask))[:10]
    given_up = et.spectrum(op, mask, 10, "iterative")
    assert (given_up.method, given_up.converged, given_up.nullity) == ("iterative", False, 2)
    np.testing.assert_allclose(given_up.eigenvalues[:8], expected[:8], rtol=1e-8, atol=1e-9)
    assert np.isnan(given_up.eigenvalues[8:]).all()
    assert np.isnan(given_up.residuals[8:]).all()
    found = et.spectrum(op, mask, 10)
    assert (found.method, found.converged) == ("dense", True)
    np.testing.assert_allclose(found.eigenvalues, expected, rtol=1e-8, atol=1e-9)


@pytest.mark.usefixtures("arpack_gives_up")
def test_without_lambda3_there_are_no_steps_to_state(monkeypatch):
    """Too many symbols for the dense way, and lambda_3 not found: not a number of
    steps, nor never.
    """
    monkeypatch.setattr(sys.modules["efftheory.spectrum"], "FALLBACK_SYMBOLS", 599)
    op = et.addition(600)
    mask = op.random_training_set(9000, seed=0)
    assert not et.spectrum(op, mask, 3).converged
    assert math.isnan(et.grokking_steps(op, mask, 1e-3, 1.0))
