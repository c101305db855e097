"""D0 as a table, and random training sets."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import efftheory as et
from tests import oracles, tolerances
from tests import strategies as own


@given(own.operations(2, 20))
def test_addition_lists_each_unordered_pair_once_in_the_papers_order(op):
    p = op.n_symbols
    assert op.pairs.tolist() == [[i, j] for i in range(p) for j in range(i, p)]
    assert op.results.tolist() == [i + j for i in range(p) for j in range(i, p)]
    assert (op.n_samples, op.composition) == (p * (p + 1) // 2, "sum")
    assert op.n_results == 2 * p - 1 == len(set(op.results.tolist()))
    assert op.name == f"addition({p})"


@given(own.operations(2, 12))
def test_classes_are_runs_of_by_result(op):
    assert sorted(op.by_result.tolist()) == list(range(op.n_samples))
    for c in range(op.n_results):
        run = op.by_result[op.samples.first[c] : op.samples.first[c + 1]]
        assert run.tolist() == [s for s in range(op.n_samples) if op.results[s] == c]


@given(own.operations(), own.seeds, st.data())
def test_random_training_set_has_its_size_and_repeats(op, seed, data):
    n = data.draw(st.integers(0, op.n_samples))
    mask = op.random_training_set(n, seed)
    assert mask.dtype == np.bool_
    assert mask.shape == (op.n_samples,)
    assert mask.sum() == n
    np.testing.assert_array_equal(mask, op.random_training_set(n, seed))
    np.testing.assert_array_equal(mask, op.random_training_set(n, np.random.default_rng(seed)))


def test_a_generator_is_used_up():
    op, rng = et.addition(10), np.random.default_rng(0)
    first, second = op.random_training_set(25, rng), op.random_training_set(25, rng)
    assert (first != second).any()


def test_every_sample_is_drawn_equally_often():
    op, draws, n = et.addition(4), 4000, 3
    rng = np.random.default_rng(1)
    counts = np.sum([op.random_training_set(n, rng) for _ in range(draws)], axis=0)
    share = n / op.n_samples
    bound = tolerances.SIGMAS * tolerances.standard_error(share, draws)
    assert np.abs(counts / draws - share).max() < bound


@given(
    st.one_of(
        own.operations(), own.tables(), own.ordered_tables().map(lambda table: et.from_table(table, "sum", tables=2))
    ),
    st.data(),
)
def test_a_mask_of_pairs(op, data):
    """Forth and back; in any order, and more than once."""
    mask = data.draw(own.masks(op))
    chosen = op.pairs[mask]
    np.testing.assert_array_equal(op.mask(chosen), mask)
    np.testing.assert_array_equal(op.mask(np.concatenate([chosen[::-1], chosen[:, ::-1]])), mask)
    np.testing.assert_array_equal(op.first_pairs(mask, 3), chosen[:3])


def test_a_mask_of_products_minds_the_order():
    op = et.symmetric_group(3)
    assert np.flatnonzero(op.mask([(1, 0), (5, 5)])).tolist() == [6, 35]
    assert not op.mask([]).any()


def test_a_mask_of_many_symbols():
    """Numbers beyond 31 bits: p^2 of keys, and D0 is not listed."""
    op = et.addition(9000)
    found = np.flatnonzero(op.mask([(8999, 8999), (0, 0), (8998, 8999)]))
    assert found.tolist() == [0, op.n_samples - 2, op.n_samples - 1]


# Groups of permutations

GROUPS = [*map(et.symmetric_group, (2, 3, 4)), *map(et.dihedral_group, (3, 4, 7))]


@pytest.mark.parametrize("op", GROUPS, ids=lambda op: op.name)
def test_the_table_is_a_group(op):
    p = op.n_symbols
    assert (op.composition, op.n_results) == ("product", p)
    assert op.pairs.tolist() == [[a, b] for a in range(p) for b in range(p)]
    assert op.pairs.dtype == op.results.dtype == np.int32
    table, everyone = op.results.reshape(p, p), np.arange(p)
    for lines in (table, table.T):  # closed, with inverses on both sides, and 0 is the identity
        assert (np.sort(lines) == everyone).all()
        np.testing.assert_array_equal(lines[0], everyone)
    np.testing.assert_array_equal(table[table], table[:, table])  # (ab)c = a(bc): [a, b, c] of both


@given(st.integers(2, 4), st.data())
def test_a_product_applies_the_right_factor_first(n, data):
    op, elements = et.symmetric_group(n), list(permutations(range(n)))
    a, b = (data.draw(st.integers(0, op.n_symbols - 1)) for _ in range(2))
    product = tuple(elements[a][elements[b][k]] for k in range(n))
    assert elements[op.results[a * op.n_symbols + b]] == product


def test_s3_by_hand():
    # 012 021 102 120 201 210: swapping 1, 2 after swapping 0, 1 takes 0 to 2, 1 to 0, 2
    # to 1
    op = et.symmetric_group(3)
    table = op.results.reshape(6, 6)
    assert table[1, 2] == 4
    assert table[2, 1] == 3


# Modular addition


@given(st.integers(2, 20))
def test_modular_addition_is_addition_with_results_modulo_p(p):
    op, plain = et.modular_addition(p), et.addition(p)
    np.testing.assert_array_equal(op.pairs, plain.pairs)
    np.testing.assert_array_equal(op.results, plain.results % p)
    assert op.results.dtype == np.int32
    assert (op.name, op.composition, op.n_results) == (f"modular_addition({p})", "sum", p)


@pytest.mark.parametrize("p", range(2, 13))
def test_sums_know_only_the_constant_representation_of_modular_addition(p):
    op = et.modular_addition(p)
    assert et.nullity(op) == op.full_nullity == 1
    assert et.is_linear(op)
    assert op.n_symbols - oracles.fraction_rank(oracles.equations(op)) == 1
    assert not et.is_linear(op, np.zeros(op.n_samples, dtype=np.bool_))


@pytest.mark.parametrize("p", range(2, 9))
def test_modular_addition_of_two_tables(p):
    """All ordered pairs, and of all data only that each table is one place."""
    op = et.modular_addition(p, tables=2)
    assert op.pairs.tolist() == [[a, p + b] for a in range(p) for b in range(p)]
    assert op.results.tolist() == [(a + b) % p for a in range(p) for b in range(p)]
    assert {op.pairs.dtype, op.results.dtype} == {np.dtype(np.int32)}
    assert (op.name, op.composition) == (f"modular_addition({p}, tables=2)", "sum")
    assert (op.n_symbols, op.n_samples, op.n_results) == (2 * p, p * p, p)
    assert et.nullity(op) == op.full_nullity == 2
    assert op.n_symbols - oracles.fraction_rank(oracles.equations(op)) == 2
    assert "representation of all data: unique" in str(et.describe(op))


@given(st.integers(2, 7), own.seeds, st.data())
def test_one_table_knows_what_two_know(p, seed, data):
    """A training set of two tables, read as unordered pairs: where two tables leave
    nothing open, one table does not either.
    """
    two, one = et.modular_addition(p, tables=2), et.modular_addition(p)
    mask = two.random_training_set(data.draw(st.integers(0, p * p)), seed)
    pairs = np.sort(two.pairs - [0, p], axis=1)[mask]
    unordered = np.array([[i, j] in pairs.tolist() for i, j in one.pairs.tolist()], dtype=np.bool_)
    if et.is_linear(two, mask):
        assert et.is_linear(one, unordered)
    assert et.count_parallelograms(one, unordered) <= et.count_parallelograms(two, mask)


@pytest.mark.parametrize("n", [3, 4, 7])
def test_the_dihedral_group_is_made_of_turns_and_mirrors(n):
    op = et.dihedral_group(n)
    table = op.results.reshape(2 * n, 2 * n)
    assert (op.name, op.n_symbols) == (f"dihedral_group({n})", 2 * n)
    # r^n = s^2 = 1 and s r s = r^-1, which is the whole group
    turn, mirror = 1, n
    power = 0
    for _ in range(n):
        power = table[power, turn]
    assert power == table[mirror, mirror] == 0
    assert table[table[mirror, turn], mirror] == n - 1
    assert table[turn, mirror] != table[mirror, turn]


def test_the_dihedral_group_of_a_triangle_is_s3():
    """Rotations and reflections of three corners are all their permutations: the same
    table under other names.
    """
    op, s3 = et.dihedral_group(3), et.symmetric_group(3)
    assert op.permutations is not None
    names = [list(permutations(range(3))).index(tuple(element)) for element in op.permutations.tolist()]
    named = np.array(names)[op.results.reshape(6, 6)]
    np.testing.assert_array_equal(named, s3.results.reshape(6, 6)[np.ix_(names, names)])


# Any table


@pytest.mark.parametrize("built", [et.symmetric_group(3), et.dihedral_group(4)], ids=lambda op: op.name)
def test_a_groups_table_is_the_group(built):
    p = built.n_symbols
    op = et.from_table(built.results.reshape(p, p), name="again")
    assert (op.name, op.composition, op.n_symbols, op.n_results) == ("again", "product", p, p)
    np.testing.assert_array_equal(op.pairs, built.pairs)
    np.testing.assert_array_equal(op.results, built.results)
    for mine, theirs in zip(op.samples, built.samples, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("build", [et.addition, et.modular_addition])
@pytest.mark.parametrize("p", [2, 5, 8])
def test_a_table_of_sums_is_the_operation(build, p):
    table = np.add.outer(np.arange(p), np.arange(p))
    built = build(p)
    op = et.from_table(table if build is et.addition else table % p, "sum")
    assert (op.composition, op.n_symbols, op.n_results) == ("sum", p, built.n_results)
    np.testing.assert_array_equal(op.pairs, built.pairs)
    np.testing.assert_array_equal(op.results, built.results)
    mask = built.random_training_set(built.n_samples // 2, seed=p)
    assert et.nullity(op, mask) == et.nullity(built, mask)
    np.testing.assert_array_equal(et.generalizable(op, mask), et.generalizable(built, mask))


@given(st.integers(2, 5), st.data())
def test_any_table_is_its_classes(p, data):
    """Results may be any whole numbers: they only say which samples belong together."""
    cells = st.integers(-3, 3)
    table = np.array(data.draw(st.lists(st.lists(cells, min_size=p, max_size=p), min_size=p, max_size=p)))
    op = et.from_table(table)
    values = sorted(set(table.ravel().tolist()))
    assert op.n_results == len(values)
    assert [values[c] for c in op.results] == table.ravel().tolist()
    assert et.count_parallelograms(op) == len(oracles.parallelograms(op))


def test_a_left_zero_table_is_an_operation():
    op = et.from_table([[0, 0, 0], [1, 1, 1], [2, 2, 2]])  # a b = a
    assert op.results.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    same = np.tile(np.eye(2), (3, 1, 1))
    assert et.effective_loss(op, None, same) == 0  # E_b = 1 for all b is a solution
    assert et.rqi(op, same) == 1


def test_two_symbols():
    op = et.from_table([[0, 1], [1, 0]], "sum")
    assert op.pairs.tolist() == [[0, 0], [0, 1], [1, 1]]
    assert op.results.tolist() == [0, 1, 0]
    assert et.nullity(op) == 1  # 2 E_0 = 2 E_1
    assert et.from_table([[5, 5], [5, 5]]).n_results == 1
