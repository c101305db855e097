"""The appendix figures 9 to 12: exact counts against brute force, tables against their
runs, and pictures.
"""

from __future__ import annotations

from itertools import combinations, product
from math import comb

import numpy as np
import pytest

import efftheory as et
from analysis.experiments import PAPER_SIZES
from analysis.paper import hierarchy
from neural import RunConfig
from neural import start as start_of
from paper_figures import fig9, fig10, fig11, fig12
from paper_figures.scale import Scale
from tests import oracles
from tests.paper_figures.conftest import SCALES
from tests.tolerances import SIGMAS, assert_close, standard_error


def equations_of(op: et.Operation) -> np.ndarray:
    return np.array([oracles.equation((i, j, m, n), op.n_symbols) for i, j, m, n in et.parallelograms(op).tolist()])


def exact_closure(equations: np.ndarray, chosen: list[int]) -> tuple[int, ...]:
    """By rational ranks. Would reveal a wrong tolerance, and an equation that is
    lost.
    """
    rank = oracles.fraction_rank(equations[chosen])
    return tuple(q for q in range(len(equations)) if oracles.fraction_rank(equations[[*chosen, q]]) == rank)


def exactly_determined(op: et.Operation, mask: np.ndarray) -> tuple[int, ...]:
    everything, known = et.parallelograms(op).tolist(), et.parallelograms(op, mask).tolist()
    return exact_closure(equations_of(op), [everything.index(row) for row in known])


def all_masks(n: int) -> list[np.ndarray]:
    return [np.array(bits, dtype=np.bool_) for bits in product((False, True), repeat=n)]


# The hierarchy


@pytest.mark.parametrize("p", [3, 4, 5])
def test_closed_sets_are_the_closures_of_all_subsets(p):
    op = et.addition(p)
    equations = equations_of(op)
    subsets = [s for k in range(len(equations) + 1) for s in combinations(range(len(equations)), k)]
    assert set(hierarchy.closed_sets(op)) == {exact_closure(equations, list(subset)) for subset in subsets}


@pytest.mark.parametrize(("p", "n_train"), [(6, 9), (10, 22)])
def test_closure_is_exact_idempotent_and_grows_with_the_data(p, n_train):
    op = et.addition(p)
    A = et.constraint_matrix(op).toarray()
    for seed in range(3):
        mask = op.random_training_set(n_train, seed)
        closed = hierarchy.determined(op, mask)
        assert closed == exactly_determined(op, mask)
        assert hierarchy.closure(op, A[list(closed)]) == closed
        more = mask | op.random_training_set(2, seed)
        assert set(closed) <= set(hierarchy.determined(op, more))
        assert et.is_linear(op, mask) == (len(closed) == len(A))


def test_the_1024_training_sets_of_p_4():
    op = et.addition(4)
    counts = hierarchy.training_sets(op)
    assert {closed: int(by_size.sum()) for closed, by_size in counts.items()} == {
        (): 432, (0,): 144, (1,): 144, (2,): 144, (0, 1, 2): 160,
    }  # fmt: skip
    direct = {closed: np.zeros(11, dtype=int) for closed in counts}
    for mask in all_masks(10):
        direct[exactly_determined(op, mask)][mask.sum()] += 1
    assert sum(by_size.sum() for by_size in direct.values()) == 1024
    for closed, by_size in direct.items():
        assert counts[closed].tolist() == by_size.tolist()


def test_nodes_edges_and_shares_of_p_4(drawn):
    op = et.addition(4)
    tables = drawn.tables("fig11")
    nodes = tables["nodes"].set_index("closed")
    assert nodes["dof"].to_dict() == {(): 2, (0,): 1, (1,): 1, (2,): 1, (0, 1, 2): 0}
    assert nodes["training_sets"].sum() == 1024
    assert tables["edges"] == [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)]
    assert nodes["name"][(1,)] == "$E_0 + E_3 = E_1 + E_2$"
    for closed, x in nodes["representation"].items():  # a generic one: no equation holds by chance
        assert hierarchy.realised(op, x[:, None]) == closed
        assert np.diff(np.sort(x)).min() > 0.3  # and the symbols can be read
    assert_close(tables["sizes"].groupby("n_train")["share"].sum(), np.ones(11))
    assert tables["sizes"].groupby("n_train")["sets"].sum().tolist() == [comb(10, n) for n in range(11)]


@pytest.mark.parametrize("d", [1, 2])
def test_realised_counts_what_rqi_counts(d):
    op, rng = et.addition(6), np.random.default_rng(d)
    for noise in (0.02, 0.1, 1.0):
        E = np.arange(6.0)[:, None] + noise * rng.normal(size=(6, d))
        assert len(hierarchy.realised(op, E)) / et.count_parallelograms(op) == et.rqi(op, E)


def test_two_equations_within_delta_are_not_closed():
    """Two are off by 0.07 either way, and so is the third, their difference, by
    0.14.
    """
    op = et.addition(4)
    E = np.array([[0.0], [0.45], [0.86], [1.35]])
    assert hierarchy.realised(op, E) == (0, 1)
    assert hierarchy.realised(op, E) not in hierarchy.closed_sets(op)


# p = 6


def test_how_few_samples_leave_only_the_lattice():
    op = et.addition(6)
    shares, fewest = hierarchy.linear_shares(6)
    counts = shares["linear"]
    for n in range(7):
        masks = (np.isin(np.arange(op.n_samples), chosen) for chosen in combinations(range(op.n_samples), n))
        if n < 6:  # below six no set can: two results of three samples each are needed at least
            assert counts[n] == 0
        else:
            assert counts[n] == sum(et.is_linear(op, mask) for mask in masks) == 3
    draws = 4000
    thresholds = et.linear_thresholds(op, draws, seed=5)
    for n in range(7, op.n_samples + 1):
        share = counts[n] / comb(op.n_samples, n)
        assert abs((thresholds <= n).mean() - share) <= SIGMAS * standard_error(share, draws)
    smallest = np.array([f"{i}+{j}" in fewest["samples"].split() for i, j in op.pairs.tolist()])
    assert smallest.sum() == fewest["n_train"] == 6
    assert et.is_linear(op, smallest)


def test_the_sets_of_eight_are_the_first_of_their_kind():
    op = et.addition(6)
    for linear in (True, False):
        configs = fig9.sets_of_eight(Scale(seeds=2), linear=linear)
        unique = [et.is_linear(op, start_of(config).mask) for config in configs]
        assert unique == [linear, linear]
        for seed in set(range(configs[-1].seed)) - {config.seed for config in configs}:
            assert et.is_linear(op, start_of(RunConfig(p=6, n_train=8, seed=seed)).mask) != linear


def test_figure_9_shows_the_best_network_of_each_kind(drawn):
    tables = drawn.tables("fig9")
    for linear, shown, path in zip((True, False), tables["eights"], tables["paths"], strict=True):
        runs = drawn.store.table(fig9.sets_of_eight(SCALES["fig9"], linear=linear)).set_index("seed")
        assert shown["rqi"] == runs["rqi"].max() == runs["rqi"][shown["seed"]]
        assert len(shown["samples"].split()) == 8
        symbols = path.drop(columns="steps").to_numpy()
        assert_close(symbols.mean(axis=1), np.zeros(len(path)))
        assert_close(symbols.std(axis=1, ddof=1), np.ones(len(path)))
        assert symbols[-1, -1] >= symbols[-1, 0]
        final = runs["final_embedding"][shown["seed"]]
        assert et.rqi(et.addition(6), symbols[-1][:, None]) == et.rqi(et.addition(6), final)
    assert tables["shares"]["n_train"].tolist() == [4, 20]
    assert tables["shares"]["networks"].tolist() == [2, 2]
    assert tables["smallest"]["n_train"] == 6


# Runs against their ideals


def test_figure_10_counts_runs_above_their_ideal(drawn):
    op, tables = et.addition(10), drawn.tables("fig10")
    stored = drawn.store.table(drawn.runs("fig10"))
    above = {"rqi": 0, "initial_rqi": 0, "accuracy": 0}
    for (_, run), (_, row) in zip(stored.iterrows(), tables["table"].iterrows(), strict=True):
        closed = exactly_determined(op, run["mask"])
        ideal = oracles_reach(op, run["mask"], closed)
        assert row["ideal_rqi"] == len(closed) / 70
        assert row["ideal_accuracy"] == ideal / 55
        assert round(70 * row["rqi"]) == round(70 * et.rqi(op, run["final_embedding"]))
        above["rqi"] += round(70 * run["rqi"]) > len(closed)
        above["initial_rqi"] += round(70 * et.rqi(op, run["initial_embedding"])) > len(closed)
        above["accuracy"] += round(55 * run["accuracy"]) > ideal
    assert tables["above"] == above
    assert len(stored) == 4


def oracles_reach(op: et.Operation, mask: np.ndarray, closed: tuple[int, ...]) -> int:
    """|Dbar|: trained samples, and those that a parallelogram of `closed` ties to
    one.
    """
    pairs = [tuple(pair) for pair in op.pairs.tolist()]
    reached = {pair for pair, trained in zip(pairs, mask, strict=True) if trained}
    ties = [(tuple(row[:2]), tuple(row[2:])) for row in et.parallelograms(op)[list(closed)].tolist()]
    return len(reached | {a for a, b in ties if b in reached} | {b for a, b in ties if a in reached})


def test_figure_12_counts_networks_beyond_their_training_sets(drawn):
    op, tables = et.addition(4), drawn.tables("fig12")
    names = dict(zip(tables["nodes"]["closed"], tables["nodes"]["name"], strict=True))
    rows = []
    for _, run in drawn.store.table(drawn.runs("fig12")).iterrows():
        known = set(exactly_determined(op, run["mask"]))
        found, before = (
            tuple(np.flatnonzero(np.abs(equations_of(op) @ hierarchy.upright(run[name])) < 0.1).tolist())
            for name in ("final_embedding", "initial_embedding")
        )
        realised = names.get(found, fig12.NOT_CLOSED)
        rows.append((names[tuple(sorted(known))], realised, not set(found) <= known, not set(before) <= known))
    networks = tables["networks"]
    columns = ["determined", "realised", "beyond", "beyond_at_start"]
    assert list(networks[columns].itertuples(index=False, name=None)) == rows
    assert networks["line"].notna().sum() == len(rows) == 4  # few enough that all are shown
    said = drawn.picture("fig12").axes[1].get_title(loc="left")
    assert f"{sum(row[2] for row in rows)} of 4 networks" in said


def test_what_the_figures_need():
    assert {run.n_train for run in fig10.runs(Scale())} == set(PAPER_SIZES)
    assert {run.n_train for run in fig12.runs(Scale())} == set(range(1, 10))
    assert {run.n_train for run in fig9.runs(Scale(seeds=2))} == set(range(4, 21, 2))
    assert fig11.runs(Scale()) == []
    for module in (fig9, fig10, fig11, fig12):
        runs = module.runs(Scale(seeds=2))
        assert len(set(runs)) == len(runs)
        assert {run.budget for run in runs} <= {10_000}
