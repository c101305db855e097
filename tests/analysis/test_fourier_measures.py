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
from analysis.measures.characters import (
    CharacterTable,
    character_correlations,
    character_table,
    excluded_of,
    representation_powers,
    restricted_to,
)
from analysis.measures.fourier import (
    excluded,
    fewest,
    frequency_powers,
    gini,
    inverse_participation,
    key_frequencies,
    mean_cross_entropy,
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
    """All of it, without anything that it does, and a part of it."""
    K = (p - 1) // 2
    logits = analytic_logits(p, np.full(K, A))
    everything = np.arange(1, K + 1)
    assert loss(logits) == pytest.approx(np.log1p((p - 1) * np.exp(-A * p / 2)), rel=1e-9)
    assert loss(restricted(logits, everything)) == pytest.approx(loss(logits), rel=1e-9)
    assert loss(excluded(logits, everything)) == pytest.approx(np.log(p), rel=1e-9)
    for k in everything:
        some, others = everything[:k], everything[k:]
        wave = waves(p, np.where(everything <= k, A, 0))
        expected = -A * k + np.log(np.exp(wave).sum())
        assert loss(restricted(logits, some)) == pytest.approx(expected, rel=1e-9)
        assert loss(excluded(logits, others)) == pytest.approx(expected, rel=1e-9)


@given(ODD, SEEDS)
def test_powers_of_the_network(p: int, seed: int) -> None:
    """A^2 cos^2 over p^3 triples; what it has is all that there is."""
    A = np.random.default_rng(seed).uniform(0.1, 2, (p - 1) // 2)
    logits = analytic_logits(p, A)
    assert_close(frequency_powers(logits), A**2 * p**3 / 2)
    np.testing.assert_array_equal(key_frequencies(logits, 1), np.arange(1, len(A) + 1))


def test_keys_are_the_fewest() -> None:
    logits = analytic_logits(11, np.array([1.0, 3, 0.5, 2, 0]))  # squares 1, 9, .25, 4
    np.testing.assert_array_equal(key_frequencies(logits, 0.6), [2])
    np.testing.assert_array_equal(key_frequencies(logits), [2, 4])
    np.testing.assert_array_equal(key_frequencies(logits, 0.95), [1, 2, 4])
    np.testing.assert_array_equal(fewest([0.0, 5, 1, 5]), [1, 3])
    np.testing.assert_array_equal(fewest([0.0, 5, 1, 5], 0.95), [1, 2, 3])
    np.testing.assert_array_equal(fewest([1.0, 1, 1, 1], 0.5), [0, 1])
    repeated = np.tile([1, 2, 3], 30)  # 180: 90 of the threes, 46 of the first 23 twos
    np.testing.assert_array_equal(
        fewest(repeated, 0.75), np.flatnonzero((repeated == 3) | ((repeated == 2) & (np.arange(90) < 69)))
    )
    assert fewest([0.0, 0], 1).shape == (0,)


@given(SEEDS, st.floats(0.01, 1))
def test_fewest_by_trying_all(seed: int, share: float) -> None:
    powers = np.random.default_rng(seed).uniform(size=6)
    found = fewest(powers, share)
    enough = powers[found].sum() >= share * powers.sum() * (1 - 1e-12)
    less = [sum(some) for some in itertools.combinations(powers, len(found) - 1)]
    assert enough
    assert max(less) < share * powers.sum() * (1 + 1e-12)


# --- waves of anything ---


@given(MODULI, st.integers(1, 4), SEEDS)
def test_waves_by_projection(p: int, classes: int, seed: int) -> None:
    """Direction by direction: reveals a lost or a second p/2, and waves of a and b that
    are not of their sum.
    """
    logits, chosen = noise(p, classes, seed), subset(p // 2, seed)
    powers = [sum(np.square(along(logits, d)).sum() for d in directions(p, k)) for k in range(1, p // 2 + 1)]
    assert_close(frequency_powers(logits), powers)
    parts = np.zeros_like(logits) + sum(along(logits, d) for k in chosen for d in directions(p, k))
    constant = along(logits, np.full((p, p), 1 / p))
    assert_close(restricted(logits, chosen), constant + parts)
    assert_close(excluded(logits, chosen), logits - parts)


@given(MODULI, SEEDS)
def test_all_waves_make_the_mean_of_each_sum(p: int, seed: int) -> None:
    """And their powers add up to its own (Parseval)."""
    logits = noise(p, 3, seed)
    mean = np.array([logits[sums(p) == s].mean(axis=0) for s in range(p)])
    everything = np.arange(1, p // 2 + 1)
    assert_close(restricted(logits, everything), mean[sums(p)])
    assert_close(frequency_powers(logits).sum(), p * np.square(mean - mean.mean(axis=0)).sum())
    assert_close(restricted(logits, []), np.broadcast_to(logits.mean(axis=(0, 1)), logits.shape))
    np.testing.assert_array_equal(excluded(logits, []), logits)


@given(MODULI, SEEDS)
def test_what_is_kept_stays_and_what_is_removed_is_gone(p: int, seed: int) -> None:
    logits, chosen = noise(p, 3, seed), subset(p // 2, seed)
    kept, left = restricted(logits, chosen), excluded(logits, chosen)
    assert_close(kept + left, logits + logits.mean(axis=(0, 1)))
    assert_close(restricted(kept, chosen), kept)
    assert_close(excluded(left, chosen), left)
    assert_close(restricted(left, chosen), np.broadcast_to(logits.mean(axis=(0, 1)), logits.shape))
    inside = np.isin(np.arange(1, p // 2 + 1), chosen)
    assert_close(frequency_powers(kept), np.where(inside, frequency_powers(logits), 0))
    assert_close(frequency_powers(left), np.where(inside, 0, frequency_powers(logits)))


@given(MODULI, SEEDS, st.integers(0, 9), st.integers(0, 9))
def test_powers_do_not_see_names(p: int, seed: int, one: int, other: int) -> None:
    """A cyclic shift of one symbol, another order and another constant of the classes,
    and what depends on one symbol alone.
    """
    logits, rng = noise(p, 4, seed), np.random.default_rng(seed)
    powers = frequency_powers(logits)
    assert_close(frequency_powers(np.roll(logits, (one, other), axis=(0, 1))), powers)
    assert_close(frequency_powers(logits[..., rng.permutation(4)] + rng.normal(size=4)), powers)
    assert_close(frequency_powers(logits + rng.normal(size=(p, 1, 4)) + rng.normal(size=(1, p, 4))), powers)


# --- loss, Gini, participation ---


@given(SEEDS, st.floats(-500, 500))
def test_cross_entropy_by_its_definition(seed: int, shift: float) -> None:
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(size=(7, 4)), rng.integers(0, 4, 7)
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = -np.mean([np.log(row[label]) for row, label in zip(chances, labels, strict=True)])
    assert mean_cross_entropy(logits, labels) == pytest.approx(expected, rel=1e-9)
    assert mean_cross_entropy(logits + shift, labels) == pytest.approx(expected, rel=1e-9)


def test_cross_entropy_of_large_logits() -> None:
    assert mean_cross_entropy([[2000.0, 0], [0, 0]], [1, 0]) == pytest.approx(1000 + np.log(2) / 2)


def test_gini_by_hand() -> None:
    assert gini([3.0, 3, 3]) == 0
    assert gini([0.0, 0, 5, 0]) == pytest.approx(3 / 4)
    assert gini([1, 2, 3]) == pytest.approx(8 / 36)  # |differences| 1, 1, 2, each twice; 2 * 9 * 2
    assert gini([7.0]) == 0
    assert gini([1e308, 1e308, 0]) == pytest.approx(1 / 3)
    assert np.isnan(gini([0.0, 0]))


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=8), st.floats(1e-3, 1e3))
def test_gini_by_its_definition(values: list[float], scale: float) -> None:
    x = np.array(values) + 1  # one of them is not 0
    expected = np.abs(np.subtract.outer(x, x)).mean() / (2 * x.mean())
    assert gini(x) == pytest.approx(expected, abs=1e-9)
    assert gini(scale * x[::-1]) == pytest.approx(expected, abs=1e-9)


@given(ODD, SEEDS)
def test_participation_of_what_is_known(p: int, seed: int) -> None:
    """A cosine of any phase, a constant, one symbol, nothing; two cosines."""
    rng = np.random.default_rng(seed)
    k, phase = rng.integers(1, (p + 1) // 2), rng.uniform(0, 2 * np.pi)
    cosine = np.cos(2 * np.pi * k * np.arange(p) / p + phase)
    columns = np.stack([rng.uniform(0.1, 10) * cosine, np.full(p, 2.0), np.eye(p)[0], np.zeros(p)], axis=1)
    assert_close(inverse_participation(columns), [1 / 2, 1, 1 / p, np.nan])
    assert_close(inverse_participation(columns, 3), [1 / 4, 1, p**-2.0, np.nan])
    assert_close(inverse_participation(columns, 1), [1, 1, 1, np.nan])


def test_participation_of_more_than_one_wave() -> None:
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


def cyclic(n: int) -> Table:
    return sums(n)


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
    "modulo 7": cyclic(7),
    "modulo 12": cyclic(12),
    "S3": table_of(et.symmetric_group(3)),
    "S4": table_of(et.symmetric_group(4)),
    "quaternions": quaternions(),
    "21 affine maps": affine(7, [1, 2, 4]),  # neither commutative nor all real
    "20 affine maps": affine(5, [1, 2, 4, 3]),
    **{f"D{n}": table_of(et.dihedral_group(n)) for n in (4, 5, 9)},
}
DIMENSIONS = {
    "S3": [1, 1, 2],
    "S4": [1, 1, 2, 3, 3],
    "quaternions": [1, 1, 1, 1, 2],
    "21 affine maps": [1, 1, 1, 3, 3],
    "20 affine maps": [1, 1, 1, 1, 4],
    "D4": [1, 1, 1, 1, 2],
    "D5": [1, 1, 2, 2],
    "D9": [1, 1, 2, 2, 2, 2],
}
BIG = st.sampled_from([name for name in GROUPS if name != "one element"])


def inverses(table: Table) -> NDArray[np.int64]:
    [identity] = np.flatnonzero((table == np.arange(len(table))).all(axis=1))
    return np.argwhere(table == identity)[:, 1]


def planted(table: Table, character: NDArray[np.complex128]) -> Floats:
    """Re chi(a b c^-1), (n, n, n)."""
    return character.real[table[table][..., inverses(table)]]


def partners(characters: CharacterTable, rho: int) -> set[int]:
    """rho and its conjugate."""
    chi = characters.characters
    return {s for s in range(len(chi)) if np.allclose(chi[s], chi[rho]) or np.allclose(chi[s], chi[rho].conj())}


@pytest.mark.parametrize("name", GROUPS)
def test_characters_by_what_defines_them(name: str) -> None:
    """Norms and angles; constant on conjugates; chi * chi = n/d chi, which a mixture of
    two characters is not; as many as there are classes.
    """
    table = GROUPS[name]
    n, inverse, found = len(table), inverses(table), character_table(table)
    chi, d = found.characters, found.dimensions
    identity = table[0, inverse[0]]
    np.testing.assert_array_equal(found.products, table)
    np.testing.assert_array_equal(found.quotients, table[:, inverse])
    assert np.square(d).sum() == n
    assert (np.diff(d) >= 0).all()
    assert_close(chi @ chi.conj().T, n * np.eye(len(d)))
    assert_close(chi[:, identity], d)
    assert_close(chi[0], np.ones(n))
    assert_close(chi[:, inverse], chi.conj())
    conjugates = table[table, inverse[:, None]]
    assert_close(chi[:, conjugates], np.broadcast_to(chi[:, None], (len(d), n, n)))
    assert len(d) == len(np.unique(conjugates.min(axis=0)))
    assert_close(np.einsum("rgh,rh->rg", chi[:, found.quotients], chi), n / d[:, None] * chi)


@pytest.mark.parametrize("name", DIMENSIONS)
def test_dimensions(name: str) -> None:
    assert character_table(GROUPS[name]).dimensions.tolist() == DIMENSIONS[name]


@pytest.mark.parametrize("n", [3, 4])
def test_symmetric_groups(n: int) -> None:
    """From fixed points and signs."""
    op = et.symmetric_group(n)
    permutations = np.asarray(op.permutations)
    fixed = (permutations == np.arange(n)).sum(axis=1)
    sign = np.array([round(np.linalg.det(np.eye(n)[row])) for row in permutations])
    found = {tuple(np.rint(row.real)) for row in character_table(table_of(op)).characters}
    expected = [np.ones(len(sign)), sign, fixed - 1, sign * (fixed - 1)]
    if n == 4:
        swaps = (permutations[np.arange(24)[:, None], permutations] == np.arange(4)).all(axis=1)
        # S4 acts on the three ways to make two pairs of four: 2-cycles keep one of them
        expected.append(np.where(sign < 0, 0, np.where(swaps, 2, -1)))
    assert found == {tuple(row) for row in expected}


def test_the_largest_that_networks_learn() -> None:
    assert character_table(table_of(et.symmetric_group(5))).dimensions.tolist() == [1, 1, 4, 4, 5, 5, 6]


@pytest.mark.parametrize("n", [2, 5, 8, 31])
def test_characters_modulo_n_are_waves(n: int) -> None:
    """In the order of the frequencies, each before its conjugate."""
    signed = [0] + [s * k for k in range(1, n // 2 + 1) for s in ((1,) if 2 * k == n else (1, -1))]
    assert_close(character_table(cyclic(n)).characters, np.exp(2j * np.pi * np.outer(signed, np.arange(n)) / n))


@given(st.integers(2, 9), SEEDS)
def test_modulo_n_representations_are_frequencies(n: int, seed: int) -> None:
    logits, chosen, table = noise(n, n, seed), subset(n // 2, seed), character_table(cyclic(n))
    powers = representation_powers(logits, table)
    by_frequency = np.bincount((np.arange(n) + 1) // 2, powers)
    assert_close(by_frequency[1:], frequency_powers(logits))
    for partner in (2 * chosen - 1, np.minimum(2 * chosen, n - 1)):
        assert_close(restricted_to(logits, table, partner), restricted(logits, chosen))
        assert_close(excluded_of(logits, table, partner), excluded(logits, chosen))


@given(ODD)
def test_the_network_has_the_correlations_of_its_waves(p: int) -> None:
    """One of K equal waves has 1 / sqrt(K)."""
    K = (p - 1) // 2
    found = character_correlations(analytic_logits(p, np.ones(K)), character_table(cyclic(p)))
    assert_close(found, [0] + [K**-0.5] * (p - 1))


@pytest.mark.parametrize("name", [name for name in GROUPS if name != "one element"])
def test_a_planted_representation_is_found(name: str) -> None:
    """By both measures, on top of what softmax does not see."""
    table = GROUPS[name]
    n, characters = len(table), character_table(table)
    offset = np.random.default_rng(0).normal(size=(n, n, 1))
    for rho in range(1, len(characters.dimensions)):
        logits = planted(table, characters.characters[rho])
        at = np.isin(np.arange(len(characters.dimensions)), list(partners(characters, rho)))
        assert_close(character_correlations(3 * logits + offset, characters), at)
        assert_close(character_correlations(-logits, characters), -at.astype(float))
        powers = representation_powers(logits, characters)
        assert_close(powers, np.where(at, np.square(logits).sum() / at.sum(), 0))
        assert_close(restricted_to(logits, characters, [rho]), logits)
        assert_close(excluded_of(logits, characters, [rho]), np.zeros_like(logits))


@given(BIG, SEEDS)
def test_correlations_by_their_definition(name: str, seed: int) -> None:
    table = GROUPS[name]
    characters, logits = character_table(table), noise(len(table), len(table), seed)
    centred = logits - logits.mean(axis=2, keepdims=True)
    expected = [
        np.vdot(centred, wave) / np.linalg.norm(centred) / np.linalg.norm(wave)
        for wave in (planted(table, chi) for chi in characters.characters)
    ]
    assert_close(character_correlations(logits, characters), expected)


@pytest.mark.parametrize("n", [3, 4])
@given(seed=SEEDS)
def test_powers_by_matrices(n: int, seed: int) -> None:
    """The entries of permutation matrices span the trivial representation and the one
    whose character is the fixed points less one.
    """
    op = et.symmetric_group(n)
    table, rho = table_of(op), et.permutation_representation(op)
    size = len(table)
    characters, logits = character_table(table), noise(size, 3, seed)
    fixed = np.trace(rho, axis1=1, axis2=2)
    [standard] = [r for r, chi in enumerate(characters.characters) if np.allclose(chi, fixed - 1)]
    entries = rho.reshape(size, -1)[table].reshape(size * size, -1)
    flat = logits.reshape(size * size, -1)
    expected = (entries @ np.linalg.lstsq(entries, flat)[0]).reshape(logits.shape)
    assert_close(restricted_to(logits, characters, [standard]), expected)
    powers = representation_powers(logits, characters)
    assert_close(powers[[0, standard]].sum(), np.square(expected).sum())
    assert_close(powers[0], np.square(logits.mean(axis=(0, 1))).sum() * size**2)


@given(BIG, SEEDS)
def test_what_is_kept_of_a_group(name: str, seed: int) -> None:
    """All representations together make the mean of each product; the rest as for
    waves.
    """
    table = GROUPS[name]
    characters, logits = character_table(table), noise(len(table), 2, seed)
    highest = len(characters.dimensions) - 1
    chosen = subset(highest, seed)
    constant = np.broadcast_to(logits.mean(axis=(0, 1)), logits.shape)
    mean = np.array([logits[table == g].mean(axis=0) for g in range(len(table))])
    assert_close(restricted_to(logits, characters, np.arange(1, highest + 1)), mean[table])
    powers = representation_powers(logits, characters)
    assert_close(powers.sum(), len(table) * np.square(mean).sum())
    kept, left = restricted_to(logits, characters, chosen), excluded_of(logits, characters, chosen)
    assert_close(kept + left, logits + constant)
    assert_close(restricted_to(kept, characters, chosen), kept)
    assert_close(restricted_to(left, characters, chosen), constant)
    inside = np.isin(np.arange(highest + 1), [0, *(s for rho in chosen for s in partners(characters, rho))])
    assert_close(representation_powers(kept, characters), np.where(inside, powers, 0))


@given(BIG, SEEDS)
def test_powers_do_not_see_names_of_elements(name: str, seed: int) -> None:
    """Nor a and b that are multiplied by an element from the left and the right."""
    table, rng = GROUPS[name], np.random.default_rng(seed)
    n, logits = len(table), noise(len(table), 2, seed)
    characters = character_table(table)
    powers = representation_powers(logits, characters)
    left, right = rng.integers(n, size=2)
    assert_close(representation_powers(logits[table[left]][:, table[:, right]], characters), powers)
    names = rng.permutation(n)  # the new name of each
    old = np.argsort(names)
    renamed = character_table(names[table[np.ix_(old, old)]])
    assert renamed.dimensions.tolist() == characters.dimensions.tolist()
    again = representation_powers(logits[np.ix_(old, old)], renamed)
    assert_close(np.sort(again), np.sort(powers))
    assert_close(again[0], powers[0])


def test_logits_that_say_nothing_have_no_correlation() -> None:
    flat = np.broadcast_to(noise(6, 1, 0), (6, 6, 6))
    assert np.isnan(character_correlations(flat, character_table(GROUPS["S3"]))).all()


@pytest.mark.parametrize("n", [4, 5])
def test_eigenvalues_that_do_not_differ(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then mixtures come out, with entries at the identity that are no dimensions: 0,
    or the root of 5.
    """

    class Zeros:
        def normal(self, size: tuple[int, ...]) -> Floats:
            return np.zeros(size)

    monkeypatch.setattr(np.random, "default_rng", lambda seed: Zeros())
    with pytest.raises(ArithmeticError, match="could not be told apart"):
        character_table(cyclic(n))


# --- what cannot be ---

SUBTRACTION = (np.arange(5)[:, None] - np.arange(5)) % 5
# rows and columns are permutations, 0 is the identity; (1 1) 2 is not 1 (1 2)
LOOP = np.array([[0, 1, 2, 3, 4], [1, 0, 3, 4, 2], [2, 4, 0, 1, 3], [3, 2, 4, 0, 1], [4, 3, 1, 2, 0]])


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (np.zeros((2, 3), int), r"have shape \(n, n\), but has shape \(2, 3\)"),
        (np.zeros((0, 0), int), r"has shape \(0, 0\)"),
        (np.zeros((1, 1)), "hold whole numbers, but has dtype float64"),
        ([[0, 1], [1]], "hold whole numbers, but is no array"),
        ([[0, 1], [0, 1]], "once in each row and column"),
        ([[0, 0], [1, 1]], "once in each row and column"),
        ([[1, 2], [2, 1]], "once in each row and column"),
        (SUBTRACTION, "has no identity"),
        (SUBTRACTION.T, "has no identity"),
        (LOOP, r"has \(a b\) c unlike a \(b c\) at \(1, 1, 2\)"),
    ],
)
def test_what_is_no_group(table: Any, says: str) -> None:
    with pytest.raises(et.ArgumentError, match=rf"Argument `table` must .*{says}"):
        character_table(table)


def s3() -> CharacterTable:
    return character_table(GROUPS["S3"])


@pytest.mark.parametrize(
    ("logits", "says"),
    [
        (np.ones((3, 3)), r"has shape \(3, 3\)"),
        (np.ones((3, 2, 3)), r"has shape \(3, 2, 3\)"),
        (np.ones((1, 1, 3)), r"has shape \(1, 1, 3\)"),
        (np.ones((3, 3, 0)), r"has shape \(3, 3, 0\)"),
        (np.full((3, 3, 3), np.inf), "not finite"),
        (np.ones((3, 3, 3)) * 1j, "has dtype complex128"),
    ],
)
@pytest.mark.parametrize(
    "measure",
    [
        frequency_powers,
        key_frequencies,
        lambda logits: restricted(logits, [1]),
        lambda logits: excluded(logits, [1]),
        lambda logits: representation_powers(logits, s3()),
        lambda logits: restricted_to(logits, s3(), [1]),
        lambda logits: excluded_of(logits, s3(), [1]),
        lambda logits: character_correlations(logits, s3()),
    ],
)
def test_what_are_no_logits(measure: Any, logits: Any, says: str) -> None:
    with pytest.raises(et.ArgumentError, match=rf"Argument `logits` must be a finite real array \(p, p, C\).*{says}"):
        measure(logits)


def test_logits_of_another_group() -> None:
    for measure in (representation_powers, character_correlations):
        with pytest.raises(et.ArgumentError, match=r"`logits` must have shape \(n, n, C\) with n = 6, as the table"):
            measure(np.ones((5, 5, 5)), s3())
    with pytest.raises(et.ArgumentError, match=r"`logits` must have n = 6 classes, but has shape \(6, 6, 5\)"):
        character_correlations(np.ones((6, 6, 5)), s3())


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ([0], r"has 0\.\.0"),
        ([1, 4], r"has 1\.\.4"),
        ([1.0], "has dtype float64"),
        (1, r"has shape \(\)"),
        ([[1], [1, 2]], "is no array"),
    ],
)
def test_what_are_no_frequencies(chosen: Any, says: str) -> None:
    for measure in (restricted, excluded):
        with pytest.raises(
            et.ArgumentError, match=rf"`frequencies` must be a list of whole numbers in 1\.\.3, .*{says}"
        ):
            measure(noise(7, 2, 0), chosen)
    for measure in (restricted_to, excluded_of):
        with pytest.raises(et.ArgumentError, match=rf"`representations` must be .* in 1\.\.2, but {says}"):
            measure(noise(6, 2, 0), s3(), chosen)


def test_other_arguments_that_cannot_be() -> None:
    wrong: list[Any] = [0, 1.1, np.nan, "most"]
    for share in wrong:
        with pytest.raises(et.ArgumentError, match="`share` must be a number above 0 and at most 1"):
            key_frequencies(noise(5, 2, 0), share)
    wrong = [0.9, np.inf, np.nan, "two"]
    for r in wrong:
        with pytest.raises(et.ArgumentError, match="`r` must be a finite number of at least 1"):
            inverse_participation(np.ones((3, 3)), r)
    with pytest.raises(et.ArgumentError, match=r"`weights` must be a finite real array \(p, d\)"):
        inverse_participation(np.ones(3))
    wrong = [[], [[1.0]], [-1.0, 2], [np.nan], ["a"]]
    for values in wrong:
        with pytest.raises(et.ArgumentError, match=r"`values` must be finite numbers \(n,\) of at least 0"):
            gini(values)
        with pytest.raises(et.ArgumentError, match=r"`powers` must be finite numbers \(n,\) of at least 0"):
            fewest(values)
    wrong = [[0], [0, 3], [-1, 0], [0.0, 1.0], [[0, 1]]]
    for labels in wrong:
        with pytest.raises(et.ArgumentError, match=r"`labels` must be whole numbers \(N,\) in 0\.\.2 with N = 2"):
            mean_cross_entropy(np.ones((2, 3)), labels)
    with pytest.raises(et.ArgumentError, match="`logits` must be a finite real array"):
        mean_cross_entropy(np.ones(3), [0])
