"""The numbers against the algebra: `efftheory.symbolic` starts from the definitions and
knows no kernel.

Would reveal a wrong factor, sign or class sum in l0, its gradient or H, an eigenvalue
or a rank that is off, and a flow or closed form that does not solve its equation.
"""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import sympy as sp

import efftheory as et
from efftheory import symbolic
from tests import systems, tolerances

# (p, |D|, seed): from no parallelogram to all of them
SETS = [(3, 4, 0), (4, 5, 1), (4, 10, 0), (5, 8, 2), (5, 12, 3), (6, 9, 4), (6, 14, 5), (6, 21, 0)]


@pytest.fixture(params=SETS, ids=str)
def training_set(request):
    p, size, seed = request.param
    op = et.addition(p)
    return op, op.random_training_set(size, seed)


def test_loss_and_gradient_are_the_symbolic_ones(training_set):
    op, mask = training_set
    E = np.random.default_rng(0).integers(-9, 10, op.n_symbols)
    E[0] += 1 if not E.any() else 0
    at = list(zip(symbolic.embedding(op), E.tolist(), strict=True))
    exact = symbolic.loss(op, mask).subs(at) / symbolic.z0(op).subs(at)
    tolerances.assert_close(et.effective_loss(op, mask, E[:, None]), float(exact))
    velocity = np.array(symbolic.gradient_flow(op, mask).subs(at), dtype=float)
    tolerances.assert_close(et.effective_loss_gradient(op, mask, E[:, None]), -velocity)


def test_hessian_nullity_and_null_space_are_the_symbolic_ones(training_set):
    op, mask = training_set
    np.testing.assert_array_equal(et.hessian(op, mask), np.array(symbolic.hessian(op, mask), dtype=float))
    basis = symbolic.null_space(op, mask)
    assert et.nullity(op, mask) == symbolic.nullity(op, mask) == len(basis)
    A = et.constraint_matrix(op, mask)
    for v in basis:
        assert not (A @ np.array(v, dtype=float)).any()


def test_eigenvalues_are_the_symbolic_ones(training_set):
    op, mask = training_set
    exact = [float(value.evalf(30)) for value in symbolic.eigenvalues(op, mask)]
    polynomial = sp.Poly(symbolic.characteristic_polynomial(op, mask), sp.Symbol("lambda"))
    assert min(power for (power,), _ in polynomial.terms()) == symbolic.nullity(op, mask)
    atol = tolerances.null_eigenvalue(et.hessian(op, mask))
    np.testing.assert_allclose(et.describe(op, mask).eigenvalues, exact, rtol=tolerances.LINALG, atol=atol)
    np.testing.assert_allclose(et.spectrum(op, mask).lambda3, exact[2], rtol=tolerances.LINALG, atol=atol)


def test_class_sums_and_half_of_the_quadratic_form_are_the_loss(training_set):
    op, mask = training_set
    assert symbolic.class_sum_loss(op, mask) - symbolic.loss(op, mask) == 0
    E = sp.Matrix(symbolic.embedding(op))
    form = (E.T * symbolic.hessian(op, mask) * E)[0] / 2
    assert sp.expand(form - symbolic.loss(op, mask)) == 0


def test_flow_equation_is_minus_the_gradient(training_set):
    op, mask = training_set
    difference = symbolic.flow_equation(op, mask) - symbolic.gradient_flow(op, mask)
    assert difference.applyfunc(sp.cancel).is_zero_matrix


def test_z0_is_conserved_and_the_sum_is_not(training_set):
    op, mask = training_set
    C = sp.Add(*symbolic.embedding(op))
    laws = symbolic.conservation_laws(op, mask)
    assert laws.z0_rate == 0
    assert sp.cancel(laws.sum_rate - 2 * symbolic.loss(op, mask) / symbolic.z0(op) ** 2 * C) == 0


def test_other_sums_than_addition():
    op = et.modular_addition(4)
    assert et.nullity(op) == symbolic.nullity(op) == 1
    np.testing.assert_array_equal(et.hessian(op), np.array(symbolic.hessian(op), dtype=float))


@pytest.mark.parametrize("system", systems.SOLVABLE, ids=lambda system: system.name)
def test_closed_form_solves_the_flow(system):
    """F solves its linear equation from E on, and c F then the flow."""
    op, mask = system.op, system.mask
    E, F = symbolic.embedding(op), symbolic.linear_flow(op, mask)
    rest = F.diff(symbolic.TIME) + symbolic.hessian(op, mask) * F / symbolic.z0(op)
    assert rest.applyfunc(sp.cancel).is_zero_matrix
    assert (F.subs(symbolic.TIME, 0) - sp.Matrix(E)).applyfunc(sp.cancel).is_zero_matrix
    assert symbolic.flow_residual(op, mask).is_zero_matrix


def test_closed_form_put_into_the_equation():
    """The same in one go for a given start, and what `flow` gives."""
    op, mask = systems.THREE_SYMBOLS.op, systems.THREE_SYMBOLS.mask
    E = symbolic.embedding(op)
    path = symbolic.closed_form(op, mask).subs(dict(zip(E, (1, 0, 3), strict=True)))
    there = symbolic.gradient_flow(op, mask).subs(dict(zip(E, path.flat(), strict=True)), simultaneous=True)
    assert (path.diff(symbolic.TIME) - there).applyfunc(sp.simplify).is_zero_matrix
    times = np.array([0.0, 0.3, 2.0])
    exact = [np.array(path.subs(symbolic.TIME, t).evalf(30), dtype=float) for t in times]
    tolerances.assert_close(et.flow(op, mask, np.array([[1.0], [0.0], [3.0]]), times).E, exact)


def test_a_product_is_refused():
    with pytest.raises(et.ArgumentError, match="compose by a sum"):
        symbolic.loss(et.symmetric_group(3))


def test_the_door_does_not_import_sympy():
    done = subprocess.run(
        [sys.executable, "-c", "import efftheory, sys; print('sympy' in sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "False"
