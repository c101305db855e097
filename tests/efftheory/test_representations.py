"""Degrees of freedom: of sums, and around representations by matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import efftheory as et
from efftheory import representations
from tests import oracles, tolerances
from tests import strategies as own

S3 = et.symmetric_group(3)
Z4 = et.from_table(np.add.outer(np.arange(4), np.arange(4)) % 4, name="Z4")
QUATERNIONS = et.from_table(
    # 1, -1, i, -i, j, -j, k, -k: number 2 u + s is (-1)^s times unit u
    [
        [2 * unit[a // 2][b // 2] + (a + b + sign[a // 2][b // 2]) % 2 for b in range(8)]
        for unit in [[[0, 1, 2, 3], [1, 0, 3, 2], [2, 3, 0, 1], [3, 2, 1, 0]]]
        for sign in [[[0, 0, 0, 0], [0, 1, 0, 1], [0, 1, 1, 0], [0, 0, 1, 1]]]
        for a in range(8)
    ],
    name="quaternions",
)
GROUPS = [S3, et.symmetric_group(2), et.dihedral_group(3), et.dihedral_group(4), Z4, QUATERNIONS]
LATIN_SQUARE = [[0, 1, 2], [2, 0, 1], [1, 2, 0]]  # a - b modulo 3, negated: no group


def _of_s3(n_columns: int) -> np.ndarray:
    """Representations of S3 in whole numbers: 1 the sign, 2 the one of dimension 2, on
    the basis (1,-1,0), (0,1,-1).
    """
    rho = et.permutation_representation(S3)
    if n_columns == 1:
        return np.rint(np.linalg.det(rho)).astype(np.int64)[:, None, None]
    basis = np.array([[1, 0], [-1, 1], [0, -1]])
    coordinates = np.array([[1, 0, 0], [1, 1, 0]])  # of a vector of sum 0
    return coordinates @ rho @ basis


# Representations


@pytest.mark.parametrize("op", [*GROUPS, et.symmetric_group(4), et.dihedral_group(7)], ids=lambda op: op.name)
def test_permutation_representation_is_one_and_tells_symbols_apart(op):
    rho = et.permutation_representation(op)
    a, b = op.pairs.T
    np.testing.assert_array_equal(rho[a] @ rho[b], rho[op.results])
    assert len(np.unique(rho.reshape(len(rho), -1), axis=0)) == op.n_symbols
    assert et.rqi(op, rho, delta=1e-6) == 1


def test_a_permutation_matrix_moves_the_corners():
    rho = et.permutation_representation(S3)  # 3 is 120: 0 -> 1, 1 -> 2, 2 -> 0
    np.testing.assert_array_equal(rho[3] @ np.eye(3)[0], np.eye(3)[1])


# Sums


@given(own.training_sets())
def test_of_sums_is_the_nullity_beyond_that_of_all_data(drawn):
    op, mask = drawn
    assert et.degrees_of_freedom(op, mask) == et.nullity(op, mask) - et.nullity(op)
    assert (et.degrees_of_freedom(op, mask) == 0) == et.is_linear(op, mask)


# Products


@pytest.mark.parametrize("op", GROUPS, ids=lambda op: op.name)
def test_all_data_leaves_none_and_no_data_all_but_the_symmetries(op):
    assert et.degrees_of_freedom(op) == 0
    d = et.permutation_representation(op).shape[1]
    nothing = np.zeros(op.n_samples, dtype=np.bool_)
    assert et.degrees_of_freedom(op, nothing) == (op.n_symbols - 1) * d**2


def test_what_all_data_leaves_of_s3_is_conjugation_and_the_centraliser():
    rho = et.permutation_representation(S3)
    identity = np.eye(3, dtype=np.int64)
    # Z rho(a) - rho(a) Z as a matrix on the entries of Z; its rank is the dimension of
    # the conjugates of rho
    commutators = np.concatenate([np.kron(identity, r.T) - np.kron(r, identity) for r in rho])
    moved = oracles.rational_rank(commutators)
    assert (moved, 9 - moved) == (7, 2)
    E = (3 * identity + 2) @ rho
    assert E.size - oracles.rational_rank(oracles.product_jacobian(S3, None, E)) == 9


@settings(max_examples=10)
@given(own.masks(S3), st.sampled_from([1, 2, 3]), st.sampled_from([(1, 0), (3, 2), (-2, 5)]))
def test_is_the_rank_over_the_rationals(mask, d, weights):
    """At z = x + y 1 1^T, which is as good as any (of the others only if d = 3:
    elsewhere only numbers commute).
    """
    rho = et.permutation_representation(S3) if d == 3 else _of_s3(d)
    x, y = weights
    z = x * np.eye(d, dtype=np.int64) + (y if d == 3 else 0)
    expected = rho.size - oracles.rational_rank(oracles.product_jacobian(S3, mask, z @ rho)) - d**2
    assert et.degrees_of_freedom(S3, mask, rho) == expected


@given(st.sampled_from(GROUPS), st.data())
def test_of_numbers_is_that_of_their_logarithms(op, data):
    """d = 1, rho = 1: the derivative of E_a E_b - E_c E_e is the equation of sums."""
    mask = data.draw(own.masks(op))
    expected = op.n_symbols - oracles.fraction_rank(oracles.equations(op, mask)) - 1
    assert et.degrees_of_freedom(op, mask, np.ones((op.n_symbols, 1, 1), dtype=np.int64)) == expected


@given(st.sampled_from(GROUPS[:4]), st.data(), own.seeds)
def test_more_data_never_leaves_more(op, data, seed):
    more = data.draw(own.masks(op))
    fewer = more & data.draw(own.masks(op))
    assert 0 <= et.degrees_of_freedom(op, more) <= et.degrees_of_freedom(op, fewer, seed=seed)


@given(own.masks(S3), st.integers(0, 5), own.seeds)
def test_neither_names_nor_basis_nor_seed_matter(mask, by, seed):
    table = S3.results.reshape(6, 6)
    renamed = table[table[by], np.argmax(table[by] == 0)]
    moved = np.empty((6, 6), dtype=np.bool_)
    moved[np.ix_(renamed, renamed)] = mask.reshape(6, 6)
    G = np.array([[1, 2, 0], [0, 1, 1], [0, 0, 1]])
    back = np.array([[1, -2, 2], [0, 1, -1], [0, 0, 1]])
    dof = et.degrees_of_freedom(S3, mask)
    assert dof == et.degrees_of_freedom(S3, moved.ravel())
    assert dof == et.degrees_of_freedom(S3, mask, G @ et.permutation_representation(S3) @ back)
    assert dof == et.degrees_of_freedom(S3, mask, seed=seed)


def test_of_numbers_by_hand():
    Z2 = et.from_table([[0, 1], [1, 0]])
    one = np.ones((2, 1, 1), dtype=np.int64)
    trivial = np.array([False, True, True, False])  # xy = yx: no equation between numbers
    assert et.degrees_of_freedom(Z2, trivial, one) == 1
    assert et.degrees_of_freedom(Z2, ~trivial, one) == 0  # x^2 = y^2: only the scale is left


# Random orders


class Recording(np.random.Generator):
    # knows the last order that it gave

    def permutation(self, *args: Any, **options: Any) -> Any:
        self.order = super().permutation(*args, **options)
        return self.order


@settings(max_examples=10)
@given(st.sampled_from([S3, et.dihedral_group(3), Z4]), own.seeds)
def test_threshold_is_where_the_degrees_of_freedom_end(op, seed):
    rng = Recording(np.random.PCG64(seed))
    (n,) = representations.unique_thresholds(op, 1, rng)
    counts = []
    for size in range(op.n_samples + 1):
        mask = np.zeros(op.n_samples, dtype=np.bool_)
        mask[rng.order[:size]] = True
        counts.append(et.degrees_of_freedom(op, mask))
    assert n == counts.index(0)
    assert sorted(counts, reverse=True) == counts


def test_thresholds_repeat_and_lie_within_d0():
    found = representations.unique_thresholds(S3, 20, seed=1)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, representations.unique_thresholds(S3, 20, seed=1))
    assert len(set(found.tolist())) > 1
    assert ((found > 0) & (found <= 36)).all()


def test_share_of_unique_sets_of_s3():
    """By 5000 draws another seed has 0.452 at 12 samples and 0.885 at 15, out of 36."""
    draws = 500
    found = representations.unique_thresholds(S3, draws, seed=7)
    for size, share in ((12, 0.452), (15, 0.885)):
        assert abs((found <= size).mean() - share) <= tolerances.SIGMAS * tolerances.standard_error(share, draws)


# Misuse that needs a table


@pytest.mark.parametrize(
    ("table", "finding"),
    [
        ([[0, 0], [1, 1]], "table repeats a result in a row or column of its table"),
        (LATIN_SQUARE, "table has (a b) c unlike a (b c) at (1, 0, 0)"),
        ([[0, 1, 2], [1, 2, 0], [2, 0, 3]], "table repeats a result in a row or column of its table"),
    ],
)
def test_what_is_no_group_is_refused(table, finding):
    op = et.from_table(table)
    for call in (
        lambda: et.degrees_of_freedom(op),
        lambda: et.permutation_representation(op),
        lambda: representations.unique_thresholds(op, 1, seed=0),
    ):
        with pytest.raises(et.ArgumentError) as caught:
            call()
        assert str(caught.value) == f"Argument `op` must be a group, but {finding}."


def test_sums_have_no_unique_thresholds_here():
    with pytest.raises(et.ArgumentError, match="must compose by a matrix product, but addition"):
        representations.unique_thresholds(et.addition(4), 1, seed=0)


def test_entries_that_would_overflow_are_no_representation():
    op = et.from_table(np.add.outer(np.arange(4), np.arange(4)) % 4)
    rho = np.array([np.eye(2, dtype=np.int64)] * 4)
    rho[1, 0, 1], rho[2, 0, 1], rho[3, 0, 1] = 2**62, -(2**63), -(2**62)
    with pytest.raises(et.ArgumentError, match="`representation` must have entries below 16777216"):
        et.degrees_of_freedom(op, None, rho)
    with pytest.raises(et.ArgumentError, match="`representation` must be an array of whole numbers"):
        et.degrees_of_freedom(op, None, [[[1]], [[1, 2]], [[1]], [[1]]])
