"""Nullity, closure and ideal accuracy: exact."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
import sympy
from hypothesis import given, settings

import efftheory as et
from efftheory import elimination
from tests import oracles, systems, tolerances
from tests import strategies as own

# Nullity


@given(own.training_sets())
def test_nullity_is_sympys(drawn):
    op, mask = drawn
    expected = op.n_symbols - oracles.sympy_rank(oracles.equations(op, mask))
    assert et.nullity(op, mask) == expected
    assert et.is_linear(op, mask) == (expected == 2)
    assert 2 <= expected <= op.n_symbols


def test_every_training_set_of_four_symbols():
    op = et.addition(4)
    for bits in range(2**op.n_samples):
        mask = np.array([bits >> s & 1 for s in range(op.n_samples)], dtype=np.bool_)
        rank = oracles.fraction_rank(oracles.equations(op, mask))
        assert et.nullity(op, mask) == op.n_symbols - rank


@given(own.nested_training_sets())
def test_more_data_never_raises_nullity_nor_shrinks_the_reach(drawn):
    op, fewer, more = drawn
    assert et.nullity(op, more) <= et.nullity(op, fewer)
    assert et.ideal_accuracy(op, fewer) <= et.ideal_accuracy(op, more)
    assert not (et.generalizable(op, fewer) & ~et.generalizable(op, more)).any()


@pytest.mark.parametrize("p", [12, 14, 16])
@pytest.mark.parametrize("share", [0.15, 0.2, 0.25])
def test_more_symbols_need_several_primes(p, share):
    op = et.addition(p)
    assert len(elimination.primes_beyond(elimination.minor_bits(p - 2) * 2)) > 1
    mask = op.random_training_set(round(share * op.n_samples), seed=p)
    rank = oracles.fraction_rank(oracles.equations(op, mask))
    assert rank < p - 2  # otherwise the first prime ends the search
    assert et.nullity(op, mask) == p - rank
    np.testing.assert_array_equal(et.generalizable(op, mask), oracles.reach_closure(op, mask, oracles.fraction_rank))


# The closure


@settings(max_examples=15)
@given(own.training_sets(2, 6))
def test_reach_is_the_papers_rank_test(drawn):
    op, mask = drawn
    expected = oracles.reach_closure(op, mask)
    np.testing.assert_array_equal(et.generalizable(op, mask), expected)
    assert et.ideal_accuracy(op, mask) == expected.mean()


@given(own.training_sets())
def test_reach_holds_d_and_closes(drawn):
    op, mask = drawn
    reached = et.generalizable(op, mask)
    assert (reached | ~mask).all()
    assert et.ideal_accuracy(op, mask) >= mask.mean()
    if et.is_linear(op, mask):  # every class with a trained sample is reached
        known = np.isin(op.results, op.results[mask])
        np.testing.assert_array_equal(reached, known)


def test_closure_goes_beyond_the_trained_parallelograms():
    # (0,3,1,2) follows from (0,2,1,1) and (1,3,2,2): their sum is e0 - e1 - e2 + e3
    op = et.addition(4)
    mask = systems.mask_of(op, (0, 2), (1, 1), (1, 3), (2, 2), (0, 3))
    reached = et.generalizable(op, mask)
    assert [tuple(pair) for pair in op.pairs[reached & ~mask].tolist()] == [(1, 2)]
    assert et.is_linear(op, mask)
    # without the last, two free directions are left and nothing new follows
    assert not (et.generalizable(op, mask & ~systems.mask_of(op, (1, 3))) & ~mask).any()


def test_limits():
    op = et.addition(5)
    nothing = np.zeros(op.n_samples, dtype=np.bool_)
    assert et.nullity(op, nothing) == 5
    assert et.ideal_accuracy(op, nothing) == 0
    assert et.nullity(op) == 2
    assert et.ideal_accuracy(op) == 1
    assert et.nullity(et.addition(2)) == 2


# Exactness: primes


@pytest.mark.parametrize("bound", [0.0, 1.5, 29.9, 30.0, 100.0, 400.0])
def test_primes_are_distinct_primes_whose_product_exceeds_the_bound(bound):
    primes = elimination.primes_beyond(bound)
    assert len(set(primes)) == len(primes)
    assert all(sympy.isprime(q) and 2**30 < q < 2**31 for q in primes)
    assert math.prod(primes) > 2**bound


def test_hadamards_bound_holds_for_every_minor_of_four_symbols():
    rows = oracles.equations(et.addition(4)).tolist()
    for n in range(1, 4):
        limit = 2 ** elimination.minor_bits(n)
        for chosen in combinations(rows, n):
            for columns in combinations(range(4), n):
                minor = round(np.linalg.det([[row[c] for c in columns] for row in chosen]))  # at most 3 x 3
                assert abs(minor) <= limit * (1 + tolerances.EPS)


def _small_primes(log2_bound):
    """The same promise with primes so small that most ranks do fall short modulo some
    of them.
    """
    primes = [2]
    while math.log2(math.prod(primes)) <= log2_bound:
        primes.append(int(sympy.nextprime(primes[-1])))
    return primes


@settings(max_examples=60)
@given(own.training_sets(4, 9))
def test_a_prime_that_divides_a_minor_is_outvoted(drawn):
    op, mask = drawn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(elimination, "primes_beyond", _small_primes)
        nullity, reached = et.nullity(op, mask), et.generalizable(op, mask)
    assert nullity == op.n_symbols - oracles.fraction_rank(oracles.equations(op, mask))
    np.testing.assert_array_equal(reached, oracles.reach_closure(op, mask, oracles.fraction_rank))


@pytest.mark.parametrize("order", [1, -1])
def test_unlucky_primes_come_first_or_last(order, monkeypatch):
    # the reach modulo 2 and 3 is wrong here, whichever of the primes is asked first
    monkeypatch.setattr(elimination, "primes_beyond", lambda bound: _small_primes(bound)[::order])
    op, rng, wrong = et.addition(7), np.random.default_rng(0), 0
    for _ in range(60):
        mask = op.random_training_set(int(rng.integers(7, 15)), rng)
        A = oracles.equations(op, mask)
        rank = oracles.fraction_rank(A)
        wrong += oracles.modular_rank(A, 2) < rank
        assert et.nullity(op, mask) == 7 - rank
        np.testing.assert_array_equal(
            et.generalizable(op, mask), oracles.reach_closure(op, mask, oracles.fraction_rank)
        )
    assert wrong > 0  # the test has teeth


def test_a_short_rank_between_two_primes_ends_nothing(monkeypatch):
    # found by search: modulo 3 the rank is right and the reach is wrong, modulo 2 the
    # rank is short
    op = et.addition(9)
    pairs = [(0, 2), (0, 6), (0, 7), (0, 8), (1, 6), (1, 7), (2, 8)]
    pairs += [(3, 3), (4, 4), (4, 8), (5, 5), (5, 6), (5, 8), (6, 6)]
    mask = systems.mask_of(op, *pairs)
    A, expected = oracles.equations(op, mask), oracles.reach_closure(op, mask, oracles.fraction_rank)
    rank = oracles.fraction_rank(A)
    assert oracles.modular_rank(A, 2) < rank == oracles.modular_rank(A, 3)
    assert (oracles.reach_closure(op, mask, lambda rows: oracles.modular_rank(rows, 3)) != expected).any()
    monkeypatch.setattr(elimination, "primes_beyond", lambda bound: [3, 2, *_small_primes(bound)[2:]])
    assert et.nullity(op, mask) == 9 - rank
    np.testing.assert_array_equal(et.generalizable(op, mask), expected)
