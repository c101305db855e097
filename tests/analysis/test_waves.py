"""Measures of waves, and of representations, on networks that are known in closed form.

The network of squares on which they are tried is Gromov's (2301.02679), with phases on
a grid instead of at random, so that it is exact. Neuron (k, i, j) has the phases phi =
2 pi i / m and psi = 2 pi j / m, and the weights cos(w_k a + phi), cos(w_k b + psi) and,
to class c, cos(w_k c + phi + psi). It gives the square

    cos^2(w_k a + phi) + cos^2(w_k b + psi)
        + cos(w_k (a + b) + phi + psi) + cos(w_k (a - b) + phi - psi).

Times the weight to c, this is waves that turn with x phi + y psi, and one that does
not: cos(w_k (a + b - c)) / 2. The (x, y) of the others are (1, 1), (3, 1), (1, -1), (1,
3), (2, 2), (2, 0) and (0, 2), with a 1 or a 2 in each: over a grid of m >= 3 phases
they add up to 0. What is left is m^2 / 2 cos(w_k (a + b - c)); the output's scale makes
it A_k. For p odd and all A_k = A their sum is A (p [a + b = c] - 1) / 2.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import efftheory as et
from analysis.measures.rings import gini, inverse_participation
from analysis.measures.waves import (
    Group,
    correlations,
    cyclic,
    excluded,
    group_of_table,
    key_parts,
    mean_cross_entropy,
    powers,
    restricted,
)
from tests.tolerances import assert_close

Floats = NDArray[np.float64]
Table = NDArray[np.int64]
SEEDS = st.integers(0, 2**32 - 1)
ODD = st.sampled_from([3, 5, 7, 9, 11, 13])
MODULI = st.integers(2, 9)


def noise(p: int, classes: int, seed: int) -> Floats:
    return np.random.default_rng(seed).normal(size=(p, p, classes))


def subset(highest: int, seed: int) -> NDArray[np.int64]:
    """Of 1..highest, perhaps none of them."""
    return 1 + np.flatnonzero(np.random.default_rng(seed).random(highest) < 0.5)


def sums(p: int) -> NDArray[np.int64]:
    """(p, p), a + b modulo p."""
    return (np.arange(p)[:, None] + np.arange(p)) % p


def analytic_weights(p: int, A: Floats, m: int = 3) -> tuple[Floats, Floats]:
    """First layer (2, p, n) and output (p, n) of the network that this file begins
    with, A_k for k = 1..(p - 1)/2.
    """
    k, i, j = (axis.ravel() for axis in np.indices((len(A), m, m)))
    turns = 2 * np.pi * np.outer(np.arange(p), k + 1) / p
    phi, psi = 2 * np.pi * i / m, 2 * np.pi * j / m
    first = np.array([np.cos(turns + phi), np.cos(turns + psi)])
    return first, 2 / m**2 * A[k] * np.cos(turns + phi + psi)


def analytic_logits(p: int, A: Floats, m: int = 3) -> Floats:
    first, output = analytic_weights(p, A, m)
    return np.square(first[0][:, None] + first[1]) @ output.T


def waves(p: int, A: Floats) -> Floats:
    """sum_k A_k cos(w_k s), (p,), for s = 0..p-1."""
    return np.cos(2 * np.pi * np.outer(np.arange(p), 1 + np.arange(len(A))) / p) @ A


def loss(logits: Floats) -> float:
    """Of all pairs, whose label is a + b modulo p."""
    p = len(logits)
    return mean_cross_entropy(logits.reshape(p * p, -1), sums(p).ravel())


def directions(p: int, k: int) -> list[Floats]:
    """Of frequency k, (p, p) each, as Nanda et al. write them, scaled to norm 1."""
    angles = 2 * np.pi * k * np.arange(p) / p
    c, s = np.cos(angles), np.sin(angles)
    found = [np.outer(c, c) - np.outer(s, s), np.outer(s, c) + np.outer(c, s)]
    return [one / np.linalg.norm(one) for one in found[: 1 if 2 * k == p else 2]]


def along(logits: Floats, direction: Floats) -> Floats:
    return direction[..., None] * np.einsum("ab,abc->c", direction, logits)


# --- the network in closed form ---


@given(ODD, SEEDS, st.integers(3, 5))
def test_the_network_is_exact(p: int, seed: int, m: int) -> None:
    A = np.random.default_rng(seed).uniform(0.1, 2, (p - 1) // 2)
    c = np.arange(p)
    assert_close(analytic_logits(p, A, m), waves(p, A)[(sums(p)[..., None] - c) % p])


@given(ODD, st.floats(0.1, 4))
def test_losses_of_the_network(p: int, A: float) -> None:
    """Of nothing that it does, of a part of it, and of all of it."""
    K, group = (p - 1) // 2, cyclic(p)
    logits = analytic_logits(p, np.full(K, A))
    everything = np.arange(1, K + 1)
    assert loss(logits) == pytest.approx(np.log1p((p - 1) * np.exp(-A * p / 2)), rel=1e-9)
    for k in range(K + 1):
        wave = waves(p, np.where(everything <= k, A, 0))
        expected = -A * k + np.log(np.exp(wave).sum())
        assert loss(restricted(logits, group, everything[:k])) == pytest.approx(expected, rel=1e-9)
        assert loss(excluded(logits, group, everything[k:])) == pytest.approx(expected, rel=1e-9)


@given(ODD, SEEDS)
def test_the_network_has_the_powers_and_correlations_of_its_waves(p: int, seed: int) -> None:
    """A^2 cos^2 over p^3 triples, and what it has is all that there is; one of K equal
    waves has the correlation 1 / sqrt(K).
    """
    A = np.random.default_rng(seed).uniform(0.1, 2, (p - 1) // 2)
    logits = analytic_logits(p, A)
    assert_close(powers(logits, cyclic(p)), [0, *(A**2 * p**3 / 2)])
    np.testing.assert_array_equal(key_parts(logits, cyclic(p), 1), np.arange(1, len(A) + 1))
    assert_close(correlations(logits, cyclic(p)), [0, *(A / np.linalg.norm(A))])


def test_keys_are_the_fewest() -> None:
    logits = analytic_logits(11, np.array([1.0, 3, 0.5, 2, 0]))  # squares 1, 9, .25, 4
    for share, keys in ((0.6, [2]), (0.9, [2, 4]), (0.95, [1, 2, 4])):
        np.testing.assert_array_equal(key_parts(logits, cyclic(11), share), keys)
    assert key_parts(0 * logits, cyclic(11), 1).shape == (0,)


@given(SEEDS, st.floats(0.01, 1))
def test_keys_by_trying_all(seed: int, share: float) -> None:
    logits = noise(13, 2, seed)
    there, found = powers(logits, cyclic(13))[1:], key_parts(logits, cyclic(13), share) - 1
    assert there[found].sum() >= share * there.sum() * (1 - 1e-12)
    less = [sum(some) for some in itertools.combinations(there, len(found) - 1)]
    assert max(less) < share * there.sum() * (1 + 1e-12)


@given(MODULI, st.integers(1, 4), SEEDS)
def test_waves_by_projection(p: int, classes: int, seed: int) -> None:
    """Direction by direction: reveals a lost or a second p/2, and waves of a and b that
    are not of their sum.
    """
    logits, chosen = noise(p, classes, seed), subset(p // 2, seed)
    expected = [sum(np.square(along(logits, d)).sum() for d in directions(p, k)) for k in range(1, p // 2 + 1)]
    assert_close(powers(logits, cyclic(p))[1:], expected)
    parts = np.zeros_like(logits) + sum(along(logits, d) for k in chosen for d in directions(p, k))
    constant = along(logits, np.full((p, p), 1 / p))
    assert_close(restricted(logits, cyclic(p), chosen), constant + parts)
    assert_close(excluded(logits, cyclic(p), chosen), logits - parts)


# --- loss, Gini, participation ---


@given(SEEDS, st.floats(-500, 500))
def test_cross_entropy_by_its_definition(seed: int, shift: float) -> None:
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(size=(7, 4)), rng.integers(0, 4, 7)
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = -np.mean([np.log(row[label]) for row, label in zip(chances, labels, strict=True)])
    assert mean_cross_entropy(logits, labels) == pytest.approx(expected, rel=1e-9)
    assert mean_cross_entropy(logits + shift, labels) == pytest.approx(expected, rel=1e-9)
    assert mean_cross_entropy([[2000.0, 0], [0, 0]], [1, 0]) == pytest.approx(1000 + np.log(2) / 2)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=8), st.floats(1e-3, 1e3))
def test_gini_by_its_definition(values: list[float], scale: float) -> None:
    x = np.array(values) + 1  # one of them is not 0
    expected = np.abs(np.subtract.outer(x, x)).mean() / (2 * x.mean())
    assert gini(x) == pytest.approx(expected, abs=1e-9)
    assert gini(scale * x[::-1]) == pytest.approx(expected, abs=1e-9)
    assert gini([0.0, 0, 5, 0]) == pytest.approx(3 / 4)
    assert gini([1e308, 1e308, 0]) == pytest.approx(1 / 3)
    assert np.isnan(gini([0.0, 0]))


@given(ODD, SEEDS)
def test_participation_of_what_is_known(p: int, seed: int) -> None:
    """A cosine of any phase, a constant, one symbol, nothing; two cosines."""
    rng = np.random.default_rng(seed)
    k, phase = rng.integers(1, (p + 1) // 2), rng.uniform(0, 2 * np.pi)
    cosine = np.cos(2 * np.pi * k * np.arange(p) / p + phase)
    columns = np.stack([rng.uniform(0.1, 10) * cosine, np.full(p, 2.0), np.eye(p)[0], np.zeros(p)], axis=1)
    assert_close(inverse_participation(columns), [1 / 2, 1, 1 / p, np.nan])
    a = 2 * np.pi * np.arange(8) / 8
    two, alternating = np.cos(a) + np.cos(2 * a), np.cos(4 * a)
    assert_close(inverse_participation(np.stack([two, alternating, 1e200 * two], axis=1)), [1 / 4, 1, 1 / 4])


@given(st.integers(2, 9), SEEDS, st.integers(0, 9))
def test_participation_does_not_see_names(p: int, seed: int, shift: int) -> None:
    weights = np.random.default_rng(seed).normal(size=(p, 3))
    expected = inverse_participation(weights)
    assert ((1 / p - 1e-12 <= expected) & (expected <= 1 + 1e-12)).all()
    assert_close(inverse_participation(-3 * np.roll(weights, shift, axis=0)), expected)


# --- groups ---


def affine(q: int, factors: list[int]) -> Table:
    """x -> f x + b modulo q, of a list of factors that is closed under products."""
    elements = list(itertools.product(factors, range(q)))
    where = {element: at for at, element in enumerate(elements)}
    return np.array([[where[f * g % q, (f * c + b) % q] for g, c in elements] for f, b in elements])


def table_of(op: et.Operation) -> Table:
    return op.results.reshape(op.n_symbols, op.n_symbols).astype(np.int64)


def quaternions() -> Table:
    """1, i, j, k, then the same with a minus sign."""
    times = [[0, 1, 2, 3], [1, 4, 3, 6], [2, 7, 4, 1], [3, 2, 5, 4]]
    return np.array([[(times[a % 4][b % 4] + 4 * (a // 4 + b // 4)) % 8 for b in range(8)] for a in range(8)])


GROUPS: dict[str, Table] = {
    "one element": np.zeros((1, 1), dtype=np.int64),
    "modulo 7": sums(7),
    "modulo 12": sums(12),
    "S3": table_of(et.symmetric_group(3)),
    "S4": table_of(et.symmetric_group(4)),
    "quaternions": quaternions(),
    "21 affine maps": affine(7, [1, 2, 4]),  # neither commutative nor all real
    "20 affine maps": affine(5, [1, 2, 4, 3]),
    **{f"D{n}": table_of(et.dihedral_group(n)) for n in (4, 5, 9)},
}
S3 = group_of_table(GROUPS["S3"])
# Of the parts: d^2 of a representation that is like its conjugate, else 2 d^2.
DIMENSIONS = {
    "S3": [1, 1, 4],
    "S4": [1, 1, 4, 9, 9],
    "quaternions": [1, 1, 1, 1, 4],
    "21 affine maps": [1, 2, 18],
    "20 affine maps": [1, 1, 2, 16],
    "D4": [1, 1, 1, 1, 4],
    "D5": [1, 1, 4, 4],
    "D9": [1, 1, 4, 4, 4, 4],
    "S5": [1, 1, 16, 16, 25, 25, 36],  # the largest that networks learn
}
BIG = st.sampled_from(list(GROUPS)[1:])


def inverses(table: Table) -> NDArray[np.int64]:
    [identity] = np.flatnonzero((table == np.arange(len(table))).all(axis=1))
    return np.argwhere(table == identity)[:, 1]


def planted(group: Group, k: int) -> Floats:
    """K(a b c^-1) of a part, (n, n, n)."""
    return group.kernels[k][group.quotients[group.products]]


@pytest.mark.parametrize("name", GROUPS)
def test_kernels_by_what_defines_them(name: str) -> None:
    """Projections: each the convolution with itself, all of them together the identity,
    constant on conjugates and inverses; as many as there are classes of these.
    """
    table = GROUPS[name]
    n, inverse, found = len(table), inverses(table), group_of_table(table)
    K, identity = found.kernels, table[0, inverse[0]]
    np.testing.assert_array_equal(found.products, table)
    np.testing.assert_array_equal(found.quotients, table[:, inverse])
    convolved = np.einsum("rgh,sh->rsg", K[:, found.quotients], K)
    assert_close(convolved, np.where(np.eye(len(K))[..., None] == 1, K[:, None], 0))
    assert_close(K.sum(axis=0), np.arange(n) == identity)
    assert_close(K[0], np.full(n, 1 / n))
    assert_close(K[:, inverse], K)
    conjugates = table[table, inverse[:, None]]
    assert_close(K[:, conjugates], np.broadcast_to(K[:, None], (len(K), n, n)))
    least = conjugates.min(axis=0)
    assert len(K) == len(np.unique(np.minimum(least, least[inverse])))


@pytest.mark.parametrize("name", DIMENSIONS)
def test_dimensions(name: str) -> None:
    """Of the parts: the kernel's value at the identity, times n."""
    table = GROUPS[name] if name in GROUPS else table_of(et.symmetric_group(5))
    [identity] = np.flatnonzero((table == np.arange(len(table))).all(axis=1))
    assert_close(len(table) * group_of_table(table).kernels[:, identity], DIMENSIONS[name])


@pytest.mark.parametrize("n", [2, 5, 8, 31])
def test_modulo_n_parts_are_frequencies(n: int) -> None:
    """As they come from the table, but for the place of n/2: it has one dimension."""
    found, known = group_of_table(sums(n)), cyclic(n)
    last = [n // 2] if n % 2 == 0 else []
    order = [0, *last, *(k for k in range(1, n // 2 + 1) if k not in last)]
    assert_close(found.kernels, known.kernels[order])
    np.testing.assert_array_equal(found.products, known.products)
    np.testing.assert_array_equal(found.quotients, known.quotients)


@pytest.mark.parametrize("name", list(GROUPS)[1:])
def test_a_planted_part_is_found(name: str) -> None:
    """By all measures, on top of what softmax does not see."""
    group = group_of_table(GROUPS[name])
    offset = np.random.default_rng(0).normal(size=(len(group.products), len(group.products), 1))
    for k in range(1, len(group.kernels)):
        logits, at = planted(group, k), np.arange(len(group.kernels)) == k
        assert_close(correlations(3 * logits + offset, group), at)
        assert_close(correlations(-logits, group), -at.astype(float))
        assert_close(powers(logits, group), np.where(at, np.square(logits).sum(), 0))
        assert_close(restricted(logits, group, [k]), logits)
        assert_close(excluded(logits, group, [k]), np.zeros_like(logits))
        np.testing.assert_array_equal(key_parts(logits, group), [k])


@given(BIG, SEEDS)
def test_correlations_by_their_definition(name: str, seed: int) -> None:
    group = group_of_table(GROUPS[name])
    logits = noise(len(group.products), len(group.products), seed)
    centred = logits - logits.mean(axis=2, keepdims=True)
    expected = [
        np.vdot(centred, wave) / np.linalg.norm(centred) / np.linalg.norm(wave)
        for wave in (planted(group, k) for k in range(len(group.kernels)))
    ]
    assert_close(correlations(logits, group), expected)
    flat = np.broadcast_to(logits[..., :1], logits.shape)
    assert np.isnan(correlations(flat, group)).all()  # they say nothing


@given(SEEDS)
def test_powers_by_matrices(seed: int) -> None:
    """The entries of permutation matrices span the trivial representation and the one
    whose character is the fixed points less one, of 9 dimensions.
    """
    op = et.symmetric_group(4)
    table, rho, logits = table_of(op), et.permutation_representation(op), noise(24, 3, seed)
    group = group_of_table(table)
    kernel = 3 * (np.trace(rho, axis1=1, axis2=2) - 1) / 24
    [standard] = [k for k, K in enumerate(group.kernels) if np.allclose(K, kernel)]
    entries = rho.reshape(24, -1)[table].reshape(24 * 24, -1)
    expected = entries @ np.linalg.lstsq(entries, logits.reshape(24 * 24, -1))[0]
    assert_close(restricted(logits, group, [standard]), expected.reshape(logits.shape))
    assert_close(powers(logits, group)[[0, standard]].sum(), np.square(expected).sum())


@given(BIG, SEEDS)
def test_what_is_kept_stays_and_what_is_removed_is_gone(name: str, seed: int) -> None:
    """All parts together make the mean of each product, and their powers add up to its
    own (Parseval).
    """
    group = group_of_table(GROUPS[name])
    table, logits = group.products, noise(len(group.products), 2, seed)
    highest = len(group.kernels) - 1
    chosen = subset(highest, seed)
    constant = np.broadcast_to(logits.mean(axis=(0, 1)), logits.shape)
    mean = np.array([logits[table == g].mean(axis=0) for g in range(len(table))])
    assert_close(restricted(logits, group, np.arange(1, highest + 1)), mean[table])
    assert_close(restricted(logits, group, []), constant)
    np.testing.assert_array_equal(excluded(logits, group, []), logits)
    assert_close(powers(logits, group).sum(), len(table) * np.square(mean).sum())
    kept, left = restricted(logits, group, chosen), excluded(logits, group, chosen)
    assert_close(kept + left, logits + constant)
    assert_close(restricted(kept, group, chosen), kept)
    assert_close(excluded(left, group, chosen), left)
    assert_close(restricted(left, group, chosen), constant)
    inside = np.isin(np.arange(highest + 1), [0, *chosen])
    assert_close(powers(kept, group), np.where(inside, powers(logits, group), 0))


@given(BIG, SEEDS)
def test_powers_do_not_see_names_of_elements(name: str, seed: int) -> None:
    """Nor a and b that are multiplied by an element from the left and the right, nor
    the order of the classes, nor what depends on one of the two alone.
    """
    table, rng = GROUPS[name], np.random.default_rng(seed)
    n, group, logits = len(table), group_of_table(table), noise(len(table), 2, seed)
    found = powers(logits, group)
    left, right = rng.integers(n, size=2)
    assert_close(powers(logits[table[left]][:, table[:, right]], group), found)
    alone = rng.normal(size=(n, 1, 2)) + rng.normal(size=(1, n, 2))
    assert_close(powers(logits[..., ::-1] + alone, group)[1:], found[1:])
    names = rng.permutation(n)  # the new name of each
    old = np.argsort(names)
    renamed = group_of_table(names[table[np.ix_(old, old)]])
    again = powers(logits[np.ix_(old, old)], renamed)
    assert_close(np.sort(again), np.sort(found))
    assert_close(again[0], found[0])


@pytest.mark.parametrize("n", [4, 5])
def test_eigenvalues_that_do_not_differ(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then mixtures come out, whose dimensions are none."""

    class Zeros:
        def normal(self, size: int) -> Floats:
            return np.zeros(size)

    monkeypatch.setattr(np.random, "default_rng", lambda seed: Zeros())
    with pytest.raises(ArithmeticError, match="could not be told apart"):
        group_of_table(sums(n))


# --- what cannot be ---

SUBTRACTION = (np.arange(5)[:, None] - np.arange(5)) % 5
# rows and columns are permutations, 0 is the identity; (1 1) 2 is not 1 (1 2)
LOOP = np.array([[0, 1, 2, 3, 4], [1, 0, 3, 4, 2], [2, 4, 0, 1, 3], [3, 2, 4, 0, 1], [4, 3, 1, 2, 0]])


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (np.zeros((2, 3), int), r"be whole numbers \(n, n\) of at least 0, but has shape \(2, 3\)"),
        (np.zeros((0, 0), int), r"has shape \(0, 0\)"),
        ([[0, -1], [-1, 0]], "has -1..0"),
        (np.zeros((1, 1)), "has dtype float64"),
        ([[0, 1], [1]], "has entries that are no whole numbers"),
        ([[0, 1], [0, 1]], "once in each row and column"),
        ([[0, 0], [1, 1]], "once in each row and column"),
        ([[1, 2], [2, 1]], "once in each row and column"),
        (SUBTRACTION, r"has \(a b\) c unlike a \(b c\) at \(0, 0, 1\)"),
        (LOOP, r"has \(a b\) c unlike a \(b c\) at \(1, 1, 2\)"),
    ],
)
def test_what_is_no_group(table: Any, says: str) -> None:
    with pytest.raises(et.ArgumentError, match=rf"Argument `table` must .*{says}"):
        group_of_table(table)


@pytest.mark.parametrize(
    ("logits", "says"),
    [
        (np.ones((3, 2, 3)), r"has shape \(3, 2, 3\)"),
        (np.ones((3, 3, 0)), r"has shape \(3, 3, 0\)"),
        (np.ones((5, 5, 5)), r"have shape \(n, n, C\) with the group's n = 6, but has shape \(5, 5, 5\)"),
    ],
)
@pytest.mark.parametrize("measure", [powers, key_parts, correlations, restricted, excluded])
def test_what_are_no_logits(measure: Any, logits: Any, says: str) -> None:
    parts = [[1]] if measure in (restricted, excluded) else []
    with pytest.raises(et.ArgumentError, match=rf"Argument `logits` must .*{says}"):
        measure(logits, S3, *parts)
    with pytest.raises(et.ArgumentError, match=r"`logits` must have n = 6 classes, but has shape \(6, 6, 5\)"):
        correlations(np.ones((6, 6, 5)), S3)


@pytest.mark.parametrize("measure", [restricted, excluded])
def test_what_are_no_parts(measure: Any) -> None:
    wrong = {r"has 0\.\.0": [0], r"has 1\.\.4": [1, 4], "has dtype float64": [1.0], r"has shape \(\)": 1}
    for says, chosen in (wrong | {"no whole numbers": [[1], [1, 2]]}).items():
        with pytest.raises(et.ArgumentError, match=rf"`parts` must be whole numbers \(m,\) in 1\.\.3, .*{says}"):
            measure(noise(7, 2, 0), cyclic(7), chosen)


def test_other_arguments_that_cannot_be() -> None:
    wrong: list[Any] = [0, 1.1, np.nan, "most"]
    for share in wrong:
        with pytest.raises(et.ArgumentError, match="`share` must be a finite number above 0 and at most 1"):
            key_parts(noise(5, 2, 0), cyclic(5), share)
    for values in ([], [-1.0, 2]):
        with pytest.raises(et.ArgumentError, match=r"`values` must be a finite real array \(n,\) .* of at least 0"):
            gini(values)
    wrong = [[0], [0, 3], [-1, 0], [0.0, 1.0], [[0, 1]]]
    for labels in wrong:
        with pytest.raises(et.ArgumentError, match=r"`labels` must be whole numbers \(2,\) in 0\.\.2"):
            mean_cross_entropy(np.ones((2, 3)), labels)
