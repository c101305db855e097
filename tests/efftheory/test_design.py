"""Training sets by design: the optimum of all sets where they can be tried, a local one
elsewhere; the kernels.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import efftheory as et
from efftheory import _design_kernels as kernels
from efftheory import _kernels, design, generalization
from tests import oracles, systems, tolerances
from tests import strategies as own

PRIME = 2**31 - 1
OBJECTIVES = st.sampled_from(design.OBJECTIVES)
OPERATIONS = st.one_of(own.operations(2, 8), st.integers(2, 7).map(et.modular_addition))


def lambda3(op, mask) -> float:
    """From the list of parallelograms, exactly 0 where the rank says so; 0 as well
    where it is not defined.
    """
    return oracles.third_eigenvalue(op, mask, op.full_nullity) if et.is_linear(op, mask) else 0.0


def value(op, mask, objective) -> tuple[float, ...]:
    """As `oracles.best_designs` has it."""
    if objective == "slow":
        assert et.is_linear(op, mask)
        return (-lambda3(op, mask),)
    if objective == "generalizable":
        return int(et.generalizable(op, mask).sum()), lambda3(op, mask)
    return op.n_symbols - et.nullity(op, mask), lambda3(op, mask)


# The whole


@pytest.mark.parametrize(
    "op",
    [et.addition(p) for p in (2, 3, 4, 5)]
    + [et.modular_addition(p) for p in (2, 3, 4)]
    + [et.from_table(np.minimum.outer(range(4), range(4)), "sum", "minimum(4)")]
    + [et.from_table([[0, 1, 0], [1, 0, 2], [2, 2, 0]], "sum", "of two tables", tables=2)],
    ids=lambda op: op.name,
)
def test_the_optimum_of_all_sets_is_found_at_every_size(op):
    best = oracles.best_designs(op)
    for n_train in range(op.n_samples + 1):
        for objective in design.OBJECTIVES:
            if (objective, n_train) not in best:
                with pytest.raises(et.ArgumentError, match="linear-unique"):
                    et.design_training_set(op, n_train, objective, descents=5)
                continue
            mask = et.design_training_set(op, n_train, objective, descents=300)
            assert mask.sum() == n_train
            found, expected = value(op, mask, objective), best[objective, n_train]
            assert found[:-1] == expected[:-1]
            tolerances.assert_close(found[-1], expected[-1])


@given(OPERATIONS, st.data(), OBJECTIVES, own.seeds)
def test_size_type_and_seed(op, data, objective, seed):
    n_train = data.draw(st.integers(0, op.n_samples))
    try:
        mask = et.design_training_set(op, n_train, objective, seed, descents=3)
    except et.ArgumentError:
        assert objective == "slow"
        return
    assert mask.dtype == np.bool_
    assert mask.shape == (op.n_samples,)
    assert mask.sum() == n_train
    np.testing.assert_array_equal(mask, et.design_training_set(op, n_train, objective, seed, descents=3))
    again = et.design_training_set(op, n_train, objective, np.random.default_rng(seed), descents=3)
    np.testing.assert_array_equal(mask, again)


@settings(max_examples=25)
@given(OPERATIONS, st.data(), OBJECTIVES, own.seeds)
def test_no_random_set_is_better(op, data, objective, seed):
    n_train, rng = data.draw(st.integers(0, op.n_samples)), np.random.default_rng(seed)
    others = [op.random_training_set(n_train, rng) for _ in range(30)]
    if objective == "slow":
        others = [mask for mask in others if et.is_linear(op, mask)]
        if not others:
            return
    mine = value(op, et.design_training_set(op, n_train, objective, seed=0, descents=100), objective)
    for other in others:
        theirs = value(op, other, objective)
        assert mine[:-1] >= theirs[:-1]
        if mine[:-1] == theirs[:-1]:
            assert mine[-1] >= theirs[-1] - tolerances.LINALG


@pytest.mark.parametrize("op", [et.addition(6), et.modular_addition(5)], ids=lambda op: op.name)
def test_more_data_is_never_slower_and_never_reaches_less(op):
    for objective in ("lambda3", "generalizable"):
        sizes = range(op.n_samples + 1)
        values = [value(op, et.design_training_set(op, n, objective, descents=50), objective) for n in sizes]
        for less, more in pairwise(values):
            assert more[0] >= less[0]
            if objective == "lambda3":  # adding a sample raises H
                assert more[1] >= less[1] - tolerances.LINALG


@given(st.integers(3, 8), st.data(), OBJECTIVES, own.seeds)
def test_the_reflected_set_is_as_good(p, data, objective, seed):
    """k -> p-1-k keeps i+j = m+n. Would reveal sums of samples that are read off the
    wrong symbols.
    """
    op = et.addition(p)
    n_train = data.draw(st.integers(2 * p, op.n_samples))
    mask = et.design_training_set(op, n_train, objective, seed, descents=3)
    np.testing.assert_allclose(
        value(op, systems.reflected(op, mask), objective), value(op, mask, objective), rtol=tolerances.LINALG
    )


def test_fast_is_far_above_random_sets_and_slow_far_below():
    """p = 10, 30 of 55 samples: the best of 10,000 random sets has lambda_3 = 19.1
    (benchmarks/bench_design.py).
    """
    op = et.addition(10)
    for seed in range(3):
        assert lambda3(op, et.design_training_set(op, 30, seed=seed, descents=100)) > 1.5 * 20
        assert 0 < lambda3(op, et.design_training_set(op, 30, "slow", seed=seed, descents=100)) < 0.05
        everything = et.design_training_set(op, 30, "generalizable", seed=seed, descents=100)
        assert et.ideal_accuracy(op, everything) == 1.0
        assert lambda3(op, everything) > 10


def test_a_set_that_leaves_a_symbol_out_is_no_slow_one():
    """All but one sample of addition(3) have one parallelogram or none: without it
    lambda_3 is 0, not small.
    """
    op = et.addition(3)
    for n_train in range(2, 7):
        mask = et.design_training_set(op, n_train, "slow", descents=10)
        assert mask[[2, 3]].all()  # (0, 2) and (1, 1)
        tolerances.assert_close(lambda3(op, mask), 12)


# What carries it


def _search(op):
    return design.Search(op, 0, np.random.default_rng(0))


def covered(op, mask):
    """How many samples share a result with a trained one."""
    return int(np.isin(op.results, op.results[mask]).sum())


@given(own.training_sets(), st.data())
def test_adding_a_sample_adds_its_gain(drawn, data):
    op, mask = drawn
    search = _search(op)
    s = data.draw(st.integers(0, op.n_samples - 1))
    trained = mask[op.by_result]
    trained[s] = False
    M = kernels.gram(search.geometry, trained)
    kernels.add_gain(search.geometry, trained, s, 1.0, M)
    trained[s] = True
    tolerances.assert_close(M, kernels.gram(search.geometry, trained))
    kernels.add_gain(search.geometry, trained, s, -1.0, M)  # s itself is no part of its gain
    trained[s] = False
    tolerances.assert_close(M, kernels.gram(search.geometry, trained))


@given(own.training_sets(2, 8))
def test_gram_is_the_hessian_without_its_free_directions(drawn):
    op, mask = drawn
    search = _search(op)
    M = kernels.gram(search.geometry, mask[op.by_result])
    expected = np.linalg.eigvalsh(oracles.hessian(op, mask))[op.full_nullity :]
    np.testing.assert_allclose(np.linalg.eigvalsh(M), expected, atol=1e3 * tolerances.LINALG)


@given(st.integers(1, 6), own.seeds, st.sampled_from([0.5, 0.9, 1.1, 2.0]))
def test_exceeds(size, seed, factor):
    root = np.random.default_rng(seed).normal(size=(size, size))
    A = root @ root.T + np.eye(size)
    smallest = float(np.linalg.eigvalsh(A)[0])
    assert kernels.exceeds(A, factor * smallest, np.empty((size, size))) == (factor < 1)


@given(st.integers(1, PRIME - 1))
def test_inverse(number):
    assert _kernels.inverse(number, PRIME) == pow(number, -1, PRIME)


@settings(max_examples=25)
@given(own.training_sets(2, 6), st.data())
def test_tableau_settle_and_spanned(drawn, data):
    op, mask = drawn
    vectors = oracles.sample_vectors(op)[op.by_result]
    search = _search(op)
    tableau = search.tableau()
    table, basis, _ = tableau
    assert len(basis) == oracles.fraction_rank(vectors)
    for trained in (mask[op.by_result], data.draw(own.masks(op))[op.by_result]):  # one after the other
        independent = kernels.settle(tableau, trained)
        assert (vectors[basis].T.astype(object) @ table % PRIME == vectors.T % PRIME).all()
        assert independent == oracles.fraction_rank(vectors[trained]) == trained[basis].sum()
        ordered = generalization.in_table_order(op, trained)
        expected = oracles.reach_closure(op, ordered, oracles.fraction_rank)[op.by_result]
        np.testing.assert_array_equal(kernels.spanned(tableau, trained), expected)
        assert search.rank(trained, tableau) == op.n_symbols - et.nullity(op, ordered)


@settings(max_examples=25)
@given(own.training_sets(3, 5), own.seeds)
def test_widest_exchange_of_independent_samples(drawn, seed):
    op, mask = drawn
    search = _search(op)
    tableau = search.tableau()
    trained = mask[op.by_result]
    kernels.settle(tableau, trained)
    trained &= np.isin(np.arange(op.n_samples), tableau.basis)
    if trained[tableau.basis].all() or not trained.any():
        return
    size, a, b = kernels.widest(tableau, trained, np.arange(len(tableau.basis)))
    now = int(kernels.spanned(tableau, trained).sum())
    sizes = []
    for other in oracles.exchanged(trained):
        anew = search.tableau()
        if kernels.settle(anew, other) == other.sum():
            sizes.append(int(kernels.spanned(anew, other).sum()))
    assert size <= max(sizes) <= max(size, now)  # exchanges within the span leave it as it is
    trained[a], trained[b] = False, True
    kernels.settle(tableau, trained)
    assert kernels.spanned(tableau, trained).sum() == size


@settings(max_examples=20)
@given(OPERATIONS, st.data(), own.seeds)
def test_it_ends_where_no_exchange_is_faster(op, data, seed):
    """Everything recomputed for every exchange. Would reveal a screen that loses a
    swap, and stale modes.
    """
    search, rng = _search(op), np.random.default_rng(seed)
    mask = op.random_training_set(data.draw(st.integers(0, op.n_samples)), rng)
    cover = data.draw(st.sampled_from([0, covered(op, mask)]))
    if search.n_driven == 0:
        return
    flags = mask[op.by_result]
    found = kernels.exchange(search.geometry, flags, rng.permutation(op.n_samples), cover, True)
    reached = generalization.in_table_order(op, flags)
    assert reached.sum() == mask.sum()
    assert covered(op, reached) >= cover

    def smallest(mask):
        return float(np.linalg.eigvalsh(kernels.gram(search.geometry, mask[op.by_result]))[0])

    np.testing.assert_allclose(found, smallest(reached), atol=1e3 * tolerances.LINALG)
    for other in oracles.exchanged(reached):
        if covered(op, other) >= cover:
            assert smallest(other) <= found * (1 + 1e-6) + 1e-6


@settings(max_examples=150)
@given(st.one_of(own.operations(3, 6), st.integers(3, 5).map(et.modular_addition)), st.data(), own.seeds)
def test_it_ends_where_no_exchange_is_slower_and_stays_unique(op, data, seed):
    """Up to four driven directions the screen is complete, and so is the local
    optimum.
    """
    rng = np.random.default_rng(seed)
    mask = op.random_training_set(data.draw(st.integers(op.n_symbols, op.n_samples)), rng)
    if not et.is_linear(op, mask):
        return
    flags = mask[op.by_result]
    found = kernels.exchange(_search(op).geometry, flags, rng.permutation(op.n_samples), 0, False)
    reached = generalization.in_table_order(op, flags)
    assert reached.sum() == mask.sum()
    tolerances.assert_close(found, lambda3(op, reached))
    assert found > 0
    for other in oracles.exchanged(reached):
        if et.is_linear(op, other):
            assert lambda3(op, other) >= found * (1 - 1e-6)


def test_no_search_takes_long_where_nothing_is_said():
    """The work of a descent grows faster than N^2: small sets are searched as ever,
    large ones less, and very large ones only if they are told how often.
    """
    assert [design.usual_descents(n) for n in (3, 55, 210)] == [1000, 909, 238]
    sizes = np.arange(210, 5001)
    numbers = np.array([design.usual_descents(int(n)) for n in sizes])
    assert (np.diff(numbers) <= 0).all()
    assert (numbers[sizes < 1000] * sizes[sizes < 1000] ** 2.3 <= 1.01 * 238 * 210**2.3).all()
    assert numbers[-1] == 1
    with pytest.raises(et.ArgumentError, match="`descents` must be given for more than 5000 samples"):
        et.design_training_set(et.addition(100), 2000)
