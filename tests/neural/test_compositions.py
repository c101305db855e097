"""Tables of operations: what each gives, by its definition; that groups are groups; and
that the theory numbers their elements alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

import efftheory as et
from neural.compositions import misfit, table
from tests.neural.reference import plain_results

PRIMES = st.integers(2, 60).filter(sympy.isprime)
EVEN = st.integers(3, 12).map(lambda n: 2 * n)
FITTING = st.one_of(
    st.tuples(st.just("division"), PRIMES),
    st.tuples(st.just("dihedral"), EVEN),
    st.tuples(st.just("symmetric"), st.sampled_from([6, 24])),
    st.tuples(st.sampled_from(["modular_addition", "addition"]), st.integers(2, 20)),
)


@given(FITTING)
def test_a_table_is_what_it_says(which: tuple[Any, int]) -> None:
    """Against products of matrices, quotients found by trying, and sums."""
    found = table(*which)
    assert found.dtype == np.int64
    assert found.ravel().tolist() == list(plain_results(*which).values())


def test_the_largest_group() -> None:
    """120 permutations of five."""
    assert table("symmetric", 120).ravel().tolist() == list(plain_results("symmetric", 120).values())


@given(st.one_of(EVEN.map(lambda p: table("dihedral", p)), st.sampled_from([table("symmetric", p) for p in (6, 24)])))
def test_a_group_is_one(product: np.ndarray) -> None:
    """0 changes nothing; every row and column has every element; (a b) c = a (b c); and
    none of these is commutative.
    """
    symbols = np.arange(len(product))
    np.testing.assert_array_equal(product[0], symbols)
    np.testing.assert_array_equal(product[:, 0], symbols)
    for axis in (0, 1):
        assert (np.sort(product, axis=axis) == np.expand_dims(symbols, 1 - axis)).all()
    np.testing.assert_array_equal(product[product], product[:, product])
    assert (product != product.T).any()


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (table("symmetric", 6), et.symmetric_group(3)),
        (table("symmetric", 24), et.symmetric_group(4)),
        (table("symmetric", 120), et.symmetric_group(5)),
        (table("dihedral", 6), et.dihedral_group(3)),
        (table("dihedral", 14), et.dihedral_group(7)),
    ],
    ids=lambda side: getattr(side, "name", ""),
)
def test_the_theory_numbers_alike(mine: np.ndarray, theirs: et.Operation) -> None:
    """A result, a training set or a representation of the one is one of the other."""
    assert mine.ravel().tolist() == theirs.results.tolist()


@given(st.integers(2, 200))
def test_what_fits(p: int) -> None:
    assert misfit("division", p) == ("" if sympy.isprime(p) else "a prime")
    assert misfit("symmetric", p) == ("" if p in (6, 24, 120) else "one of 6, 24, 120")
    assert misfit("dihedral", p) == ("" if p in range(6, 201, 2) else "an even number of at least 6")
    assert misfit("addition", p) == misfit("modular_addition", p) == ""
