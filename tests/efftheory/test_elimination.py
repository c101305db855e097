"""The nullity at any size: sparse elimination, against dense elimination and another
library's ranks.
"""

from __future__ import annotations

import math
from itertools import islice

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

import efftheory as et
from efftheory import _elimination_kernels as kernels
from efftheory import elimination, generalization, operations
from efftheory.elimination import System, primes, sparse_nullity
from efftheory.parallelograms import training_samples
from tests import oracles
from tests import strategies as own

LARGE_PRIME = 2**31 - 1


@st.composite
def drawn_sets(draw, low=2, high=24):
    """(op, mask): additions, modular ones and any tables, with few samples a symbol,
    where peeling has work.
    """
    p = draw(st.integers(low, high))
    built = st.sampled_from([et.addition, et.modular_addition]).map(lambda make: make(p))
    op = draw(st.one_of(built, own.tables()))
    p = op.n_symbols
    n = draw(st.integers(0, min(op.n_samples, 5 * p)))
    return op, op.random_training_set(n, draw(own.seeds))


def equations(op, mask):
    """What the elimination is told of a training set."""
    return training_samples(op, mask), op.n_symbols, op.least_nullity


@given(drawn_sets(), own.seeds)
def test_nullity_is_the_dense_one(drawn, seed):
    op, mask = drawn
    found, _ = sparse_nullity(*equations(op, mask), np.random.default_rng(seed))
    assert found.value == et.nullity(op, mask)
    assert 0 <= found.error_probability < elimination.MAX_ERROR


def test_nullity_is_another_librarys_rank():
    """sympy's exact rank, 300 sets."""
    rng = np.random.default_rng(0)
    for draw in range(300):
        op = (et.addition, et.modular_addition)[draw % 2](int(rng.integers(2, 13)))
        mask = op.random_training_set(int(rng.integers(0, min(op.n_samples, 3 * op.n_symbols) + 1)), rng)
        rank = sympy.Matrix(oracles.equations(op, mask)).rank() if mask.any() else 0
        found, _ = sparse_nullity(*equations(op, mask), rng)
        assert found.value == op.n_symbols - rank == et.nullity(op, mask)


@given(drawn_sets(2, 12), own.seeds)
def test_reach_is_the_dense_one(drawn, seed):
    op, mask = drawn
    expected = et.generalizable(op, mask)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generalization, "DENSE_NULLITY", 0)
        patch.setattr(operations, "CHUNK", 7)
        found, reached = generalization.nullity_and_reach(op, mask, seed)
    assert found.value == et.nullity(op, mask)
    np.testing.assert_array_equal(reached, expected)


@given(drawn_sets(2, 16), own.seeds)
def test_solutions_solve_every_equation(drawn, seed):
    op, mask = drawn
    nullity, E = System(*equations(op, mask)).solve(LARGE_PRIME, np.random.default_rng(seed))
    assert nullity == et.nullity(op, mask)
    assert not (oracles.equations(op, mask).astype(object) @ E.astype(object) % LARGE_PRIME).any()


def test_solutions_span_the_null_space():
    """Two free symbols and the linear representation: four random solutions are
    independent.
    """
    op = et.addition(9)
    mask = np.all((op.pairs != 3) & (op.pairs != 6), axis=1)
    assert et.nullity(op, mask) == 4
    system = System(*equations(op, mask))
    rng = np.random.default_rng(0)
    vectors = np.array([system.solve(LARGE_PRIME, rng)[1] for _ in range(5)])
    assert oracles.modular_rank(vectors, LARGE_PRIME) == 4


@given(drawn_sets(2, 16))
def test_the_plan_uses_every_equation_once_and_tells_every_unknown_once(drawn):
    system = System(*equations(*drawn))
    steps, unknowns, guessed, n_free, spare = system._plan
    n_unknowns = len(system._equations.first) - 2
    members = [{u for u in row if u < n_unknowns} for row in system._equations.members.tolist()]
    assert sorted([*steps, *spare]) == list(range(len(members)))
    told = [*unknowns.tolist(), *guessed.tolist()]
    assert len(told) == len(set(told)) == n_unknowns - n_free
    known = {*range(n_unknowns)} - {*told} | {*guessed.tolist()}  # the free ones and the guessed ones
    for s, u in zip(steps.tolist(), unknowns.tolist(), strict=True):
        assert members[s] - known == {u}
        known.add(u)
    assert all(sum(u in row for row in members) > 1 for u in guessed)  # others are leaves


@given(drawn_sets(2, 16), own.seeds)
def test_a_combination_is_what_the_spare_equations_miss(drawn, seed):
    """With these weights, for any guesses: the guesses told on, each spare equation in
    full.
    """
    system, q, rng = System(*equations(*drawn)), LARGE_PRIME, np.random.default_rng(seed)
    rows, plan = system._equations, system._plan
    weights, values = rng.integers(q, size=len(plan.spare)), rng.integers(q, size=len(rows.first) - 1)
    kernels.fill(rows, plan, values, q)
    missed = (rows.coefficients * values[rows.members].astype(object)).sum(axis=1) % q
    assert not missed[plan.equations].any()
    found = kernels.combination(rows, plan, weights, q)
    assert int(found.astype(object) @ values[plan.guessed]) % q == int(weights.astype(object) @ missed[plan.spare]) % q


def test_a_nullity_that_is_the_least_possible_is_proved():
    op = et.addition(300)
    dense = et.exact_nullity(op, op.random_training_set(op.n_samples // 2, 0))
    assert (dense.value, dense.method, dense.error_probability) == (2, "sparse elimination of a part", 0.0)
    assert str(dense) == "2, proved, by sparse elimination of a part"
    # a symbol that no equation binds: one more, and proved as well
    mask = (op.pairs != 7).all(axis=1)
    assert et.exact_nullity(op, mask).value == 3
    assert et.exact_nullity(op, mask).error_probability == 0.0


def test_an_unproved_nullity_says_how_likely_it_is_wrong(monkeypatch):
    """All sums of symbols below 50, and of symbols from 90 on: two lines, and 40
    symbols in no sample at all.
    """
    op = et.addition(140)
    mask = np.logical_or((op.pairs < 50).all(axis=1), (op.pairs >= 90).all(axis=1))
    found, used = et.exact_nullity(op, mask), []
    assert found.value == 40 + 2 + 2
    assert 0 < found.error_probability < elimination.MAX_ERROR
    assert f"wrong with chance < {found.error_probability:.0e}" in str(found)

    def spy(rng):
        for q in primes(rng):
            used.append(q)
            yield q

    monkeypatch.setattr(elimination, "primes", spy)
    found, system = sparse_nullity(*equations(op, mask), np.random.default_rng(0))
    one = 1.5 * 140 / 30 / 5e7 + system.n_guessed / 2**30
    assert len(used) > 1
    assert found.error_probability == pytest.approx(one ** len(used), rel=1e-9)


@pytest.mark.parametrize("case", ["empty", "one sample", "one class", "all"])
def test_special_sets_of_many_symbols(case):
    op, p = et.addition(200), 200
    mask = np.zeros(op.n_samples, np.bool_)
    if case == "one sample":
        mask[17] = True
    elif case == "one class":
        mask[op.results == 199] = True
    elif case == "all":
        mask[:] = True
    expected = {"empty": p, "one sample": p, "one class": p - 99, "all": 2}[case]
    assert et.exact_nullity(op, mask).value == expected
    reached = et.generalizable(op, mask)
    np.testing.assert_array_equal(reached, mask if case != "all" else np.ones_like(mask))
    assert et.describe(op, mask).nullity == expected


@given(own.seeds)
def test_primes_are_primes(seed):
    for q in islice(primes(np.random.default_rng(seed)), 2):
        assert 2**30 < q < 2**31
        assert pow(3, q - 1, q) == 1


def test_the_seed_fixes_primes_and_combinations():
    op = et.addition(150)
    mask = op.random_training_set(500, 3)
    records = [et.exact_nullity(op, mask, seed) for seed in (0, 0, 1)]
    assert records[0] == records[1]
    assert records[0].value == records[2].value


def test_a_plan_near_the_critical_size_guesses_little():
    """A few per cent of the symbols: the reason why R is small."""
    op = et.addition(1000)
    for seed in range(3):
        mask = op.random_training_set(int(500 * math.log(1000)) + 800, seed)
        assert 2 <= System(*equations(op, mask)).n_guessed < 60


@pytest.mark.parametrize(("p", "rare"), [(40, 7), (60, 0)])
def test_a_part_says_nothing_of_symbols_it_lacks(monkeypatch, p, rare):
    """A dense set with a symbol in one sample only: most parts miss it, the whole does
    not.
    """
    op = et.addition(p)
    mask = np.all(op.pairs != rare, axis=1)
    mask[np.all(op.pairs == sorted([rare, 8]), axis=1)] = True
    nullity, reach = et.nullity(op, mask), et.generalizable(op, mask)
    monkeypatch.setattr(generalization, "DENSE_NULLITY", 0)
    for seed in range(10):
        found, reached = generalization.nullity_and_reach(op, mask, seed)
        assert found.value == nullity
        np.testing.assert_array_equal(reached, reach)


def test_reach_asks_several_solutions_of_the_true_nullity(monkeypatch):
    """A prime modulo which more solutions exist is passed over: modulo 3 E_k = k is one
    of modular addition.
    """
    op = et.modular_addition(9)
    mask = np.all(op.pairs != 7, axis=1)
    assert et.nullity(op, mask) == 2
    expected, asked = et.generalizable(op, mask), []
    solve = System.solve

    def spy(system, q, rng):
        asked.append(q)
        return solve(system, q, rng)

    monkeypatch.setattr(System, "solve", spy)
    monkeypatch.setattr(generalization, "DENSE_NULLITY", 0)
    monkeypatch.setattr(generalization, "primes", lambda rng: iter([3, LARGE_PRIME, 3, 2**31 - 19, 2**31 - 61]))
    _, reached = generalization.nullity_and_reach(op, mask)
    np.testing.assert_array_equal(reached, expected)
    assert asked[-4:] == [3, LARGE_PRIME, 3, 2**31 - 19]


def test_many_symbols_are_described():
    op = et.addition(130)
    mask = op.random_training_set(900, seed=0)
    told = et.describe(op, mask.tolist())  # pyright: ignore[reportArgumentType]
    assert told.n_train == 900
    assert told.n_parallelograms == et.count_parallelograms(op, mask)
    assert told.eigenvalues.shape == (130,)
    assert et.describe(op).n_train == op.n_samples
    assert str(told).count("\n") == 4


def test_many_free_symbols_are_described():
    """More of them than the few smallest eigenvalues that are asked for otherwise."""
    table = np.add.outer(np.arange(530), np.arange(530))
    table[-12:] = table[:, -12:] = 0
    table[-12:] += 2000 + np.arange(12 * 530).reshape(12, 530)
    table = np.triu(table.T) + np.triu(table.T, 1).T
    op = et.from_table(table, "sum")
    assert op.full_nullity == 14
    assert et.describe(op).lambda3 > 0


def test_an_accuracy_that_is_nearly_one_does_not_read_as_one():
    op = et.addition(200)
    mask = op.results != 0  # (0, 0) alone is out of reach
    assert "ideal accuracy: 1 - 5.0e-05" in str(et.describe(op, mask))
    assert "ideal accuracy: 1.0000" in str(et.describe(op))
