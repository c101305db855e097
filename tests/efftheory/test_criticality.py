"""Random training sets: against counting all of them; the kernels behind it."""

from __future__ import annotations

import math
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, chisquare, ks_2samp

import efftheory as et
from efftheory import _random_kernels as kernels
from efftheory import _threads, criticality
from tests import oracles, tolerances
from tests import strategies as own

LARGE_PRIME = 2**31 - 1


def _share_of_all_sets(op, size, full_rank=None):
    """P(n_0 = 2) by going through every training set of a size."""
    found = []
    full_rank = op.n_symbols - 2 if full_rank is None else full_rank
    for chosen in combinations(range(op.n_samples), size):
        mask = np.zeros(op.n_samples, dtype=np.bool_)
        mask[list(chosen)] = True
        found.append(oracles.fraction_rank(oracles.equations(op, mask)) == full_rank)
    return float(np.mean(found))


@pytest.mark.parametrize(("p", "size"), [(3, 3), (4, 4), (4, 5), (4, 6), (4, 8), (5, 5), (5, 12)])
def test_probability_is_the_share_of_all_sets(p, size):
    op, draws = et.addition(p), 4000
    exact = _share_of_all_sets(op, size)
    found = et.linear_probability(op, size, draws, seed=p * 100 + size)
    assert 0 < exact < 1
    assert abs(found.value - exact) <= tolerances.SIGMAS * tolerances.standard_error(exact, draws)
    assert found.draws == draws
    assert found.interval[0] <= found.value <= found.interval[1]


def test_impossible_and_certain_sizes():
    every = [found.value for found in et.linear_probability(et.addition(6), None, 5000)]
    assert every[5] == 0  # n samples give at most n-1 equations
    assert every[8] > 0  # paper, figure 9
    assert every[21] == 1
    assert et.linear_probability(et.addition(2), 0, 10).value == 1


@given(own.operations(2, 9), own.seeds, st.integers(1, 30))
def test_all_sizes_at_once_are_each_size_by_itself(op, seed, draws):
    assert et.linear_probability(op, None, draws, seed) == [
        et.linear_probability(op, n, draws, seed) for n in range(op.n_samples + 1)
    ]


@given(own.operations(), own.seeds)
def test_thresholds_repeat_and_stay_within_the_data(op, seed):
    first, second = (et.linear_thresholds(op, 20, seed) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    low = 0 if op.n_symbols == 2 else op.n_symbols - 1
    assert ((first >= low) & (first <= op.n_samples)).all()


def orders_of(op, draws, seed, n):
    """The random orders behind one chunk of thresholds, drawn in Python."""
    (stream,) = np.random.default_rng(seed).spawn(1)
    order = np.arange(op.n_samples)
    for _ in range(draws):
        kernels.draw_order.py_func(stream, order, n)
        yield order[:n].tolist()


def is_threshold(op, order, n):
    """Whether the first n samples of the order are enough, and one fewer are not."""
    mask = np.zeros(op.n_samples, dtype=np.bool_)
    mask[order[:n]] = True
    enough = et.is_linear(op, mask)
    mask[order[n - 1]] = False
    return enough and not et.is_linear(op, mask)


@pytest.mark.parametrize(
    "op",
    [
        *(et.addition(p) for p in (3, 5, 8, 24)),
        *(et.modular_addition(p) for p in (2, 7, 14)),
        *(et.modular_addition(p, tables=2) for p in (2, 5, 8)),
        et.from_table(np.subtract.outer(range(5), range(5)), "sum", "difference(5)", tables=2),
    ],
    ids=lambda op: op.name,
)
def test_thresholds_are_where_the_nullity_becomes_least(op):
    """One more sample or one fewer decides, for each order: small primes, two primes,
    other operations.
    """
    n = op.n_samples
    found = et.linear_thresholds(op, 12, seed=3)
    for order, threshold in zip(orders_of(op, 12, 3, n), found.tolist(), strict=True):
        assert sorted(order) == list(range(n))
        assert is_threshold(op, order, threshold)


@given(st.one_of(own.operations(3, 6), own.tables()), own.seeds, st.data())
def test_a_bound_on_the_size_only_cuts_thresholds_off(op, seed, data):
    n = data.draw(st.integers(0, op.n_samples))
    found = et.linear_thresholds(op, 8, seed, n)
    expected = [oracles.linear_threshold(op, order) for order in orders_of(op, 8, seed, n)]
    assert found.tolist() == [min(threshold, n + 1) for threshold in expected]


@pytest.mark.parametrize("op", [et.addition(6), et.addition(23), et.modular_addition(9)], ids=lambda op: op.name)
def test_the_sparse_way_finds_the_same_thresholds(op):
    """From the covering bound and `exact_nullity`, where the kernels insert sample by
    sample.
    """
    for seed in range(15):
        order = np.random.default_rng(seed).permutation(op.n_samples)
        found = criticality.threshold_within(op, order, np.random.default_rng(seed))
        assert is_threshold(op, order, found)
        fewer = order[: found - 1]
        assert criticality.threshold_within(op, fewer, np.random.default_rng(0)) == found
        assert criticality.sparse_threshold(op, 5, np.random.default_rng(seed)) == 6


@given(own.tables(), own.seeds)
def test_thresholds_of_tables_the_sparse_way(op, seed):
    order = np.random.default_rng(seed).permutation(op.n_samples)
    found = criticality.threshold_within(op, order, np.random.default_rng(seed))
    assert found == (1 if op.full_nullity == op.n_symbols else oracles.linear_threshold(op, order.tolist()))


@given(own.operations(3, 9), own.seeds, st.data())
def test_covering(op, seed, data):
    """Sample by sample: a symbol is in an equation if its class has two samples."""
    order = np.random.default_rng(seed).permutation(op.n_samples)[: data.draw(st.integers(0, op.n_samples))]
    masks = [np.isin(np.arange(op.n_samples), order[:n]) for n in range(len(order) + 1)]
    enough = [n for n, mask in enumerate(masks) if (oracles.equations(op, mask) != 0).any(axis=0).all()]
    assert criticality.covering(op, order) == min([*enough, len(order) + 1])


@pytest.mark.parametrize(
    "table",
    [
        np.zeros((3, 3), int),  # every symbol many times in the one class
        [[0, 0, 1], [0, 0, 1], [1, 1, 1]],
        [[0, 2, 1], [2, 0, 1], [1, 1, 3]],  # symbol 2 cancels in its only equation
        [[0, 1, 2], [1, 2, 0], [2, 0, 1]],
    ],
)
def test_probability_of_a_table_is_the_share_of_all_sets(table):
    op, draws = et.from_table(table, "sum"), 4000
    full = oracles.fraction_rank(oracles.equations(op))
    for size in range(op.n_samples + 1):
        exact = _share_of_all_sets(op, size, full)
        found = et.linear_probability(op, size, draws, seed=size).value
        assert abs(found - exact) <= tolerances.SIGMAS * tolerances.standard_error(exact, draws)


def test_an_order_that_runs_out_goes_on_at_random(monkeypatch):
    """Thresholds beyond the samples drawn first: the same distribution."""
    op = et.addition(10)
    monkeypatch.setattr(criticality, "math", SimpleNamespace(log=lambda _: -3.0, ceil=math.ceil))  # 20 samples
    streams = np.random.default_rng(0).spawn(150)
    found = [criticality.sparse_threshold(op, op.n_samples, stream) for stream in streams]
    assert max(found) > 20
    pvalue = np.asarray(ks_2samp(found, et.linear_thresholds(op, 4000, seed=0)))[1]
    assert pvalue > 1e-3


def test_ranks_are_asked_modulo_as_many_primes_as_they_need():
    rng = np.random.default_rng(0)
    assert len(criticality.working_primes(19, rng)) == 1
    first, second = criticality.working_primes(20, rng)
    assert first != second


def kernel_thresholds(op, primes, draws):
    left, right = np.ascontiguousarray(op.pairs.T)
    rank = op.n_symbols - op.full_nullity
    samples = kernels.AllSamples(left, right, op.results, op.n_results, op.n_symbols, rank or 1)
    return kernels.thresholds(np.random.default_rng(0), draws, op.n_samples, samples, np.array(primes)).tolist()


def test_every_prime_is_asked():
    """Modulo 3 E_k = k satisfies modular addition too: with a large prime beside it, in
    any place, the threshold is the true one.
    """
    op = et.modular_addition(9)
    true = kernel_thresholds(op, [LARGE_PRIME], 300)
    assert kernel_thresholds(op, [3], 300) == [op.n_samples + 1] * 300
    assert max(true) <= op.n_samples
    assert kernel_thresholds(op, [3, 5, LARGE_PRIME], 300) == kernel_thresholds(op, [LARGE_PRIME, 3], 300) == true


def test_a_rank_that_is_never_reached():
    # three symbols whose samples all have results of their own: no parallelogram at all
    assert kernel_thresholds(et.from_table([[0, 1, 2], [1, 3, 4], [2, 4, 5]], "sum"), [LARGE_PRIME], 2) == [7, 7]


def test_a_generator_that_cannot_spawn_is_one_clear_error():
    legacy = np.random.Generator(np.random.RandomState(1)._bit_generator)
    for call in (
        lambda: et.linear_thresholds(et.addition(5), 5, legacy),
        lambda: et.linear_probability(et.addition(5), 5, 5, legacy),
    ):
        with pytest.raises(et.ArgumentError, match="`seed` must be able to spawn generators"):
            call()


def test_large_operations_have_thresholds_where_small_ones_lead():
    """p = 129 is the first beyond dense elimination: between its neighbours."""
    medians = [np.median(et.linear_thresholds(et.addition(p), 150, seed=0)) / p for p in (110, 129, 150)]
    assert medians == sorted(medians)


def test_orders_are_uniform():
    """Every sample stands at every place equally often: a chi-squared of 1,000
    orders.
    """
    op = et.addition(4)
    counts = np.zeros((op.n_samples, op.n_samples))
    for order in orders_of(op, 1000, 0, op.n_samples):
        counts[np.arange(op.n_samples), order] += 1
    pvalue = np.asarray(chisquare(counts.ravel(), ddof=2 * op.n_samples - 2))[1]
    assert pvalue > 6e-5  # as tolerances.SIGMAS


@pytest.mark.parametrize("p", [6, 20, 130])
def test_threads_change_nothing(p, monkeypatch):
    op, draws = et.addition(p), 9000 if p < 20 else 40
    monkeypatch.setattr(criticality, "_CHUNK", 17 if p == 20 else 4096)
    monkeypatch.setattr(_threads, "usable_cores", lambda: 2)
    found = []
    for n_threads in (1, 2):
        monkeypatch.setattr(_threads.config, "NUMBA_NUM_THREADS", n_threads)
        found.append(et.linear_thresholds(op, draws, seed=1))
    np.testing.assert_array_equal(*found)


def test_longer_runs_begin_with_shorter_ones(monkeypatch):
    monkeypatch.setattr(criticality, "_CHUNK", 10)
    op = et.addition(7)
    np.testing.assert_array_equal(et.linear_thresholds(op, 40, 0)[:20], et.linear_thresholds(op, 20, 0))


def test_chunks_are_independent_draws(monkeypatch):
    op = et.addition(5)
    monkeypatch.setattr(criticality, "_CHUNK", 7)
    found = et.linear_thresholds(op, 1000, seed=0)
    assert found.shape == (1000,)
    assert len({tuple(found[b : b + 7]) for b in range(0, 994, 7)}) > 100
    exact = _share_of_all_sets(op, 6)
    share = float((found <= 6).mean())
    assert abs(share - exact) <= tolerances.SIGMAS * tolerances.standard_error(exact, 1000)


def test_tables_with_other_freedoms():
    """Where nothing is ever bound, nothing is missing; where symbol 4 never is, the
    others still want their samples.
    """
    alone = et.from_table([[0, 1, 2], [1, 3, 4], [2, 4, 5]], "sum")  # six samples, six results
    assert alone.full_nullity == 3
    assert et.linear_thresholds(alone, 5, seed=0).tolist() == [0] * 5
    table = np.add.outer(np.arange(5), np.arange(5))
    table[4] = table[:, 4] = [10, 11, 12, 13, 14]
    op = et.from_table(table, "sum")
    assert op.full_nullity == 3
    thresholds = et.linear_thresholds(op, 20, seed=1).tolist()
    for order, threshold in zip(orders_of(op, 20, 1, op.n_samples), thresholds, strict=True):
        assert oracles.linear_threshold(op, order) == threshold


def test_critical_fraction_of_ten_symbols_is_the_papers():
    found = et.critical_fraction(et.addition(10), 4000, seed=0)
    assert 22 / 55 < found.value < 23 / 55
    low, high = found.interval
    assert low < found.value < high
    assert high - low < 1 / 55
    assert "from 4000 draws" in str(found)
    assert {type(number) for number in (found.value, low, high)} == {float}  # not numpy's, which show otherwise


def test_critical_fraction_is_where_the_probability_crosses():
    op, draws, seed = et.addition(6), 500, 1
    fraction = et.critical_fraction(op, draws, seed).value
    below, above = np.floor(fraction * op.n_samples), np.ceil(fraction * op.n_samples)
    assert et.linear_probability(op, int(below), draws, seed).value <= 0.5
    assert et.linear_probability(op, int(above), draws, seed).value >= 0.5


def test_critical_fraction_by_hand():
    # p = 3: linear once both (0,2) and (1,1) are in; P(n) = n(n-1)/30, 0.4 at 4 and 2/3
    # at 5 samples
    found = et.critical_fraction(et.addition(3), 20_000, seed=0)
    exact = (4 + 0.1 / (2 / 3 - 0.4)) / 6
    # P is known to a standard error; the slope turns it into samples
    slope = (2 / 3 - 0.4) * 6
    assert abs(found.value - exact) <= tolerances.SIGMAS * tolerances.standard_error(0.4, 20_000) / slope * 2
    assert found.interval[0] <= exact <= found.interval[1]
    assert et.critical_fraction(et.addition(2), 10, seed=0).value == 0


def test_critical_fraction_falls_with_p():
    fractions = [et.critical_fraction(et.addition(p), 400, seed=0).value for p in (6, 10, 20)]
    assert fractions == sorted(fractions, reverse=True)


@given(st.integers(1, 200), st.data())
def test_proportion_is_clopper_pearson(draws, data):
    successes = data.draw(st.integers(0, draws))
    found = et.proportion(successes, draws)
    low = beta.ppf(0.025, successes, draws - successes + 1) if successes else 0.0
    high = beta.ppf(0.975, successes + 1, draws - successes) if successes < draws else 1.0
    assert found.value == successes / draws
    np.testing.assert_allclose(found.interval, np.array([low, high]), rtol=tolerances.QUANTILE)


def test_all_kernels_have_a_test():
    found = {name for name, kernel in vars(kernels).items() if hasattr(kernel, "py_func")}
    assert found - {"equation_row", "insert_row"} == {"draw_order", "thresholds"}
