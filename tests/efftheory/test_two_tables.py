"""E_a + F_b: tables that need not commute, each side of the sum with its own
embeddings.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import efftheory as et
from tests import oracles
from tests import strategies as own


@given(own.ordered_tables(), st.data())
def test_what_a_training_set_determines(table, data):
    """Against equations that are written from the table alone."""
    op, p = et.from_table(table, "sum", tables=2), len(table)
    mask = data.draw(own.masks(op))
    rows = oracles.two_table_equations(table, mask.reshape(p, p))
    found = et.constraint_matrix(op, mask).toarray()
    assert sorted(found.tolist()) == sorted(rows.tolist())
    assert et.count_parallelograms(op, mask) == len(rows)
    np.testing.assert_array_equal(et.hessian(op, mask), 2 * rows.T @ rows)
    assert et.nullity(op, mask) == 2 * p - oracles.fraction_rank(rows)
    reached = oracles.two_table_reach(table, mask.reshape(p, p)).ravel()
    np.testing.assert_array_equal(et.generalizable(op, mask), reached)
    description = et.describe(op, mask)
    assert (description.nullity, description.ideal_accuracy) == (et.nullity(op, mask), reached.mean())
    eigenvalues = np.linalg.eigvalsh(2.0 * rows.T @ rows)
    np.testing.assert_allclose(description.eigenvalues, eigenvalues, rtol=0, atol=1e-12 * max(1, eigenvalues[-1]) * p)


@given(own.ordered_tables(2, 5))
def test_what_all_data_leave_open(table):
    """The constants of both tables, which are all there is for a Latin square; of other
    tables what elimination leaves.
    """
    op, p = et.from_table(table, "sum", tables=2), len(table)
    everything = oracles.two_table_equations(table, np.ones((p, p), dtype=np.bool_))
    assert op.full_nullity == 2 * p - oracles.fraction_rank(everything) >= 2
    latin = all(len({*line}) == p for line in [*table.tolist(), *table.T.tolist()]) and op.n_results == p
    assert (op.known_nullity == 2) == latin


@pytest.mark.parametrize("p", [2, 5, 8])
def test_what_theory_knows_of_tables(p):
    """Latin squares leave the constants, sums and differences the line as well."""
    i = np.arange(p)
    assert et.from_table(np.add.outer(i, i) % p, "sum").full_nullity == 1
    for table in (np.add.outer(i, i), np.subtract.outer(i, i)):
        assert et.from_table(table, "sum", tables=2).full_nullity == 3
    modular = et.from_table(np.add.outer(i, i) % p, "sum", tables=2)
    built = et.modular_addition(p, tables=2)
    np.testing.assert_array_equal(modular.pairs, built.pairs)
    np.testing.assert_array_equal(modular.results, built.results)
    assert (modular.known_nullity, modular.tables) == (built.known_nullity, built.tables) == (2, 2)


@given(own.ordered_tables(), own.seeds, st.data())
def test_the_loss_does_not_see_constants(table, seed, data):
    """E above F, (2p, d): each table may be moved for itself."""
    op, p = et.from_table(table, "sum", tables=2), len(table)
    mask = data.draw(own.masks(op))
    E = np.random.default_rng(seed).normal(size=(2 * p, 2))
    moved = E + np.repeat([[1.0, -2.0], [3.0, 0.5]], p, axis=0)
    l0, l0_moved = (et.effective_loss(op, mask, each) * (each**2).sum() for each in (E, moved))
    rows = oracles.two_table_equations(table, mask.reshape(p, p))
    np.testing.assert_allclose([l0, l0_moved], ((rows @ E) ** 2).sum(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("modulo", [True, False])
def test_the_iteration_knows_what_is_free(sign, modulo):
    """The constants of both tables, and the line, are lifted out of the way: lambda_3
    is that of the dense spectrum.
    """
    i = np.arange(60)
    table = np.add.outer(i, sign * i)
    op = et.from_table(table % 60 if modulo else table, "sum", tables=2)
    mask = op.random_training_set(1200, seed=0)
    dense, found = (et.spectrum(op, mask, k=6, method=method) for method in ("dense", "iterative"))
    assert found.converged
    np.testing.assert_allclose(found.eigenvalues, dense.eigenvalues, rtol=1e-8)


def test_names_are_what_reports_say():
    op = et.from_table([[0, 1], [0, 0]], "sum", "mine", tables=2, names=["yes", "no"])
    description = et.describe(op, op.mask([(0, 2), (0, 3)]))
    assert description.out_of_reach.tolist() == [[1, 2], [1, 3]]
    assert str(description).splitlines()[-1] == "out of reach: (no, yes) (no, no)"
    plain = et.modular_addition(2, tables=2)
    assert "out of reach: 0+1 1+0" in str(et.describe(plain, plain.mask([(0, 2), (1, 3)])))
