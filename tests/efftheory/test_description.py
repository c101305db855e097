"""`describe` against the paper's definitions, transcribed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

import efftheory as et
from tests import oracles, systems, tolerances
from tests import strategies as own


def _same(found: et.Description, op, mask):
    paper = oracles.paper_description(op, mask)
    assert found.n_parallelograms == paper.n_parallelograms
    assert found.nullity == paper.nullity
    assert found.is_linear == (paper.nullity == 2)
    assert found.ideal_accuracy == paper.ideal_accuracy
    np.testing.assert_array_equal(found.out_of_reach, paper.out_of_reach)
    atol = max(tolerances.null_eigenvalue(oracles.hessian(op, mask)), tolerances.EPS)
    np.testing.assert_allclose(found.eigenvalues, paper.eigenvalues, rtol=tolerances.LINALG, atol=atol)
    np.testing.assert_allclose(found.lambda3, paper.lambda3, rtol=tolerances.LINALG, atol=atol)


@given(own.training_sets())
def test_is_the_papers(drawn):
    op, mask = drawn
    _same(et.describe(op, mask), op, mask)


@pytest.mark.parametrize(("p", "size", "seed"), [(10, 45, 58), (10, 20, 58), (12, 20, 0), (14, 30, 1), (16, 34, 2)])
def test_is_the_papers_for_larger_sets(p, size, seed):
    op = et.addition(p)
    mask = op.random_training_set(size, seed=seed)
    _same(et.describe(op, mask), op, mask)


@given(own.training_sets())
def test_is_what_the_single_functions_say(drawn):
    op, mask = drawn
    found = et.describe(op, mask)
    assert found.operation is op
    assert found.n_train == mask.sum()
    assert found.n_parallelograms == et.count_parallelograms(op, mask)
    assert found.nullity == et.nullity(op, mask)
    assert found.ideal_accuracy == et.ideal_accuracy(op, mask)
    np.testing.assert_array_equal(found.out_of_reach, op.pairs[~et.generalizable(op, mask)])
    assert (found.eigenvalues[: found.nullity] == 0).all()
    atol = tolerances.null_eigenvalue(et.hessian(op, mask))
    np.testing.assert_allclose(found.eigenvalues, et.spectrum(op, mask).eigenvalues, rtol=tolerances.LINALG, atol=atol)


def test_none_is_all_of_the_data():
    found = et.describe(et.addition(10))
    assert found.n_train == 55
    assert found.n_parallelograms == systems.FULL_PARALLELOGRAMS[10]
    assert found.ideal_accuracy == 1
    assert found.out_of_reach.shape == (0, 2)
    np.testing.assert_allclose(found.lambda3, systems.FULL_LAMBDA3_10, rtol=tolerances.LINALG)


LINEAR = """\
addition(4): 10 of 10 samples (100.0%), 3 of 3 parallelograms
linear representation: unique (nullity 2)
lambda_3 = 12: e-folding time Z0/(lambda_3 eta) = 0.0833 Z0/eta steps
ideal accuracy: 1.0000
out of reach: none"""
NOT_LINEAR = """\
addition(4): 2 of 10 samples (20.0%), 1 of 3 parallelograms
linear representation: not unique, 1 more degrees of freedom (nullity 3)
lambda_3 = 0: the flow never singles out the linear representation
ideal accuracy: 0.2000
out of reach: 0+0 0+1 0+2 1+1 1+3 2+2 2+3 3+3"""


@pytest.mark.parametrize(("system", "text"), [(systems.FOUR_SYMBOLS, LINEAR), (systems.TWO_SAMPLES, NOT_LINEAR)])
def test_reads_well(system, text):
    assert str(et.describe(system.op, system.mask)) == text


def test_names_the_first_of_many_out_of_reach():
    op = et.addition(60)
    last = str(et.describe(op, op.random_training_set(0, seed=0))).splitlines()[-1]
    assert last.startswith("out of reach: 0+0 0+1 0+2 ")
    assert last.endswith(" 0+23 and 1806 more")


def test_two_symbols_have_no_pace():
    assert "lambda_3 is not defined" in str(et.describe(et.addition(2)))
