"""RQI and the accuracy that an embedding allows: exact where they are combinatorial."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import efftheory as et
from tests import oracles, systems, tolerances
from tests import strategies as own

S3 = et.symmetric_group(3)


def _no_tie(op, E, delta=0.1):
    """No parallelogram sits on the threshold, where round-off would decide."""
    values = np.array(list(oracles.residuals(op, oracles.standardize(E)).values()))
    return not len(values) or np.abs(values - delta**2).min() > tolerances.LINALG


embedded = st.one_of(own.embedded_training_sets(3), own.embedded_product_training_sets())


@given(embedded, st.sampled_from([None, 0.02, 0.1, 0.7, 1.1, 2.0]))
def test_rqi_and_predicted_accuracy_are_the_twins(drawn, delta):
    op, mask, E = drawn
    default = 0.1**2 if op.composition == "sum" else 0.5  # the latter is the official code's
    delta2 = default if delta is None else delta**2
    assume(_no_tie(op, E, math.sqrt(delta2)))
    twin = oracles.standardize(E)
    assert et.rqi(op, E, delta) == oracles.count_close(op, twin, delta2) / len(oracles.parallelograms(op))
    assert et.predicted_accuracy(op, mask, E, delta) == oracles.reach_close(op, mask, twin, delta2).mean()


@given(embedded, st.floats(0.01, 3.0), st.floats(0.01, 3.0), st.data())
def test_predicted_accuracy_starts_at_the_training_fraction_and_grows(drawn, one, other, data):
    """With delta and with the data; at most to the samples whose result is trained."""
    op, mask, E = drawn
    narrow, wide = sorted((one, other))
    low, high = (et.predicted_accuracy(op, mask, E, delta) for delta in (narrow, wide))
    assert mask.mean() <= low <= high <= _covered(op, mask).mean()
    assert et.rqi(op, E, narrow) <= et.rqi(op, E, wide)
    fewer = mask & data.draw(own.masks(op))
    assert et.predicted_accuracy(op, fewer, E, wide) <= high


# Sums


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("p", [3, 10, 20])
def test_rqi_of_the_linear_representation_is_one(p, d):
    assert et.rqi(et.addition(p), systems.linear_representation(p, d)) == 1


@given(
    own.embedded_training_sets(3),
    st.lists(st.sampled_from([-4.0, -0.5, 0.25, 3.0]), min_size=3, max_size=3),
    st.lists(st.floats(-5, 5), min_size=3, max_size=3),
)
def test_rqi_and_predicted_accuracy_do_not_see_affine_maps(drawn, scale, shift):
    op, mask, E = drawn
    assume(_no_tie(op, E))
    d = E.shape[1]
    mapped = E * scale[:d] + shift[:d]
    assert et.rqi(op, mapped) == et.rqi(op, E)
    assert et.predicted_accuracy(op, mask, mapped) == et.predicted_accuracy(op, mask, E)


@given(own.training_sets(3), st.integers(1, 3))
def test_linear_representation_attains_the_ideal_accuracy(drawn, d):
    op, mask = drawn
    attained = et.predicted_accuracy(op, mask, systems.linear_representation(op.n_symbols, d))
    if et.is_linear(op, mask):
        assert attained == et.ideal_accuracy(op, mask)
    else:
        assert attained >= et.ideal_accuracy(op, mask)


@given(own.training_sets(3))
def test_generic_solution_of_the_equations_attains_exactly_the_ideal(drawn):
    """A random null vector satisfies the closure and nothing else: Acc-hat at a tiny
    delta is the ideal.
    """
    op, mask = drawn
    null = et.spectrum(op, mask).modes[:, : et.nullity(op, mask)]
    E = null @ np.random.default_rng(0).standard_normal((null.shape[1], 2))
    assert et.predicted_accuracy(op, mask, E, delta=1e-7) == et.ideal_accuracy(op, mask)


def test_rqi_of_two_symbols_is_not_a_number():
    assert math.isnan(et.rqi(et.addition(2), np.array([[0.0], [1.0]])))


COLLAPSED = {
    "zero": (et.addition(5), np.zeros((5, 1))),
    "constant": (et.addition(5), np.full((5, 2), 0.1)),
    "constant but for round-off": (et.addition(5), 0.1 + 1e-16 * np.arange(5)[:, None]),
    "constant along one dimension": (et.addition(5), np.stack([np.arange(5.0), np.full(5, 3.0)], axis=1)),
    "matrices of zeros": (S3, np.zeros((6, 2, 2))),
}


@pytest.mark.parametrize("case", COLLAPSED)
def test_what_has_collapsed_is_no_success(case):
    """Whichever function is asked, and never at step 0."""
    op, E = COLLAPSED[case]
    mask = op.random_training_set(op.n_samples // 2, seed=0)
    assert et.rqi(op, E) == 0
    assert et.rqi(op, E, delta=1e3) == 0
    assert et.predicted_accuracy(op, mask, E) == mask.mean()
    assert et.time_to_rqi(op, mask, E) == math.inf
    small: Any = {"decoder": et.Decoder(width=4, n_outputs=2), "steps": 0}
    learned = et.memory_flow(op, mask, E, **small)
    assert (learned.rqi[0], learned.steps_to_rqi) == (0, math.inf)
    assert et.success_probability(op, mask, E, draws=2, **small).value == 0
    if E.any():
        path = et.flow(op, mask, E, [0.0, 1.0])
        assert path.rqi[0] == 0


def test_one_matrix_for_all_is_a_representation():
    """As networks are measured; RQI = 1 does not mean faithful."""
    E = np.full((6, 2, 2), 0.1)
    assert et.rqi(S3, E) == 1
    assert et.time_to_rqi(S3, S3.random_training_set(18, seed=0), E) == 0


@pytest.mark.parametrize("size", [1e-320, 1e-160, 1e-60, 1e150, 1e300])
@pytest.mark.parametrize("op", [et.addition(6), S3], ids=["sum", "product"])
def test_quality_does_not_see_the_size(op, size):
    """Also where squares of the embedding are no floats."""
    rng, d = np.random.default_rng(2), 2
    E = rng.integers(-3, 4, (op.n_symbols, d, d) if op is S3 else (op.n_symbols, d)).astype(float)
    mask = op.random_training_set(op.n_samples // 2, rng)
    scaled = E * float(np.exp2(np.round(np.log2(size))))
    np.testing.assert_array_equal(scaled / np.abs(scaled).max(), E / np.abs(E).max())
    assert et.rqi(op, scaled, 1.0) == et.rqi(op, E, 1.0)
    assert 0 < et.rqi(op, E, 1.0) < 1
    assert et.predicted_accuracy(op, mask, scaled, 1.0) == et.predicted_accuracy(op, mask, E, 1.0)
    small: Any = {"decoder": et.Decoder(width=4, n_outputs=2), "steps": 0}
    if size < 1:  # larger inputs overflow in the decoder
        assert et.memory_flow(op, mask, scaled, **small).rqi[0] == et.rqi(op, E)


@pytest.mark.parametrize("delta", [1e-320, 1e-200, 1e200, 1e308])
def test_delta_at_the_limits_of_floats(delta):
    op = et.addition(5)
    curved = np.arange(5.0)[:, None] ** 2
    assert et.rqi(op, np.arange(5.0)[:, None], delta) == 1  # standardised it is exact
    assert et.rqi(op, curved, delta) == (delta > 1)
    assert et.rqi(S3, _permutation_matrices(3), delta) == 1
    assert et.predicted_accuracy(op, None, curved, delta) == 1


def test_rqi_by_hand():
    # standardised (0, 1, 5) has the one residual |0 + 5 - 2| / std, std^2 = 7
    op, E = et.addition(3), np.array([[0.0], [1.0], [5.0]])
    limit = 3 / math.sqrt(7)
    assert et.rqi(op, E, delta=limit * 1.001) == 1
    assert et.rqi(op, E, delta=limit * 0.999) == 0
    # a second, linear dimension halves the mean of the squares
    both = np.hstack([E, np.arange(3.0)[:, None]])
    assert et.rqi(op, both, delta=limit / math.sqrt(2) * 1.001) == 1
    assert et.rqi(op, both, delta=limit / math.sqrt(2) * 0.999) == 0


# Matrix products


def _permutation_matrices(n):
    """E_a e_k = e_a(k), (n!, n, n), exactly multiplicative."""
    return np.array([np.eye(n)[:, list(a)] for a in permutations(range(n))])


def _standard_representation(n):
    """The permutation matrices on the vectors of sum 0, (n!, n-1, n-1): orthogonal, and
    multiplicative to round-off.
    """
    basis = np.linalg.svd(np.ones((1, n)))[2][1:]
    return basis @ _permutation_matrices(n) @ basis.T


def _sign(n):
    return np.linalg.det(_permutation_matrices(n)).round()[:, None, None]


def _regular_representation(n):
    """E_a e_b = e_ab, (n!, n!, n!)."""
    op = et.symmetric_group(n)
    table = op.results.reshape(op.n_symbols, op.n_symbols)
    return np.array([np.eye(op.n_symbols)[:, row] for row in table])


def _orthogonal(d, seed):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d))).Q


def _covered(op, mask):
    """The samples whose result is trained."""
    return np.isin(op.results, op.results[mask])


PRODUCT_DELTAS = st.sampled_from([None, 0.05, 0.7, 1.1, 2.0])


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("noise", [0.1, 0.3, 0.6])
def test_twins_agree_between_none_and_all(n, noise):
    op, rng = et.symmetric_group(n), np.random.default_rng(n)
    E = _permutation_matrices(n) + noise * rng.standard_normal((op.n_symbols, n, n))
    mask = op.random_training_set(op.n_samples // 4, rng)
    twin = oracles.standardize(E)
    delta = math.sqrt(np.median(list(oracles.residuals(op, twin).values()))) + 1e-6
    expected = oracles.count_close(op, twin, delta**2) / len(oracles.parallelograms(op))
    assert 0.4 < expected < 0.6 or n == 2  # the test has teeth; S2 has two parallelograms
    assert et.rqi(op, E, delta) == expected
    assert et.predicted_accuracy(op, mask, E, delta) == oracles.reach_close(op, mask, twin, delta**2).mean()


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("represent", [_permutation_matrices, _standard_representation, _sign])
def test_a_matrix_representation_has_rqi_one(n, represent):
    assert et.rqi(et.symmetric_group(n), represent(n)) == 1
    assert et.rqi(et.symmetric_group(n), represent(n), delta=1e-6) == 1


def test_factors_in_the_wrong_order_are_no_representation():
    # E_a = inverse permutations is multiplicative for b a, not for a b
    op, E = et.symmetric_group(3), _permutation_matrices(3)
    assert et.rqi(op, E.transpose(0, 2, 1)) < 1
    assert et.rqi(op, _regular_representation(3)) == 1


@given(own.embedded_product_training_sets(), st.sampled_from([_permutation_matrices, _standard_representation]))
def test_a_faithful_representation_gets_every_trained_result_right(drawn, represent):
    op, mask, _ = drawn
    E = represent({2: 2, 6: 3}[op.n_symbols])
    covered = _covered(op, mask)
    assert et.predicted_accuracy(op, mask, E) == covered.mean()
    assert (et.predicted_accuracy(op, mask, E) == 1) == covered.all()
    mask = mask | (np.arange(op.n_samples) < op.n_symbols)  # identity times everyone: all results
    assert et.predicted_accuracy(op, mask, E) == 1


@given(own.embedded_product_training_sets(), st.sampled_from([-1e100, -3.0, -1e-3, 1e-100, 0.3, 2.0, 1e6]))
def test_rqi_of_products_does_not_see_a_factor(drawn, factor):
    op, mask, E = drawn
    assume(_no_tie(op, E, math.sqrt(0.5)))
    assert et.rqi(op, factor * E) == et.rqi(op, E)
    assert et.predicted_accuracy(op, mask, factor * E) == et.predicted_accuracy(op, mask, E)


@given(own.embedded_product_training_sets(), PRODUCT_DELTAS, own.seeds)
def test_rqi_of_products_does_not_see_a_rotation(drawn, delta, seed):
    op, mask, E = drawn
    assume(_no_tie(op, E, math.sqrt(0.5) if delta is None else delta))
    Q = _orthogonal(E.shape[1], seed)
    rotated = Q @ E @ Q.T
    assert et.rqi(op, rotated, delta) == et.rqi(op, E, delta)
    assert et.predicted_accuracy(op, mask, rotated, delta) == et.predicted_accuracy(op, mask, E, delta)


@given(own.embedded_product_training_sets(3, 3), st.integers(0, 5), PRODUCT_DELTAS)
def test_rqi_does_not_see_an_automorphism(drawn, g, delta):
    """Renaming a to g a g^-1 keeps all products; a to a^-1 reverses their factors, and
    so does transposing.
    """
    op, _, E = drawn
    assume(_no_tie(op, E, math.sqrt(0.5) if delta is None else delta))
    table = op.results.reshape(6, 6)
    inverse = np.argmax(table == 0, axis=1)
    renamed = table[table[g], inverse[g]]
    assert et.rqi(op, E[renamed], delta) == et.rqi(op, E, delta)
    assert et.rqi(op, E[inverse].transpose(0, 2, 1), delta) == et.rqi(op, E, delta)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_rqi_of_products_by_hand(d):
    # S2 = {e, s} with E_e = 2, E_s = 1 in one entry of d x d: of the two
    # parallelograms, es = se closes, and ee = ss leaves 4 - 1 = 3 in one of d^2
    # entries. E has the mean square 5 / (2 d^2), so that the scaled residual has
    # (3 * 2 d^2 / 5)^2 / d^2 = (6 d / 5)^2
    op, E = et.symmetric_group(2), np.zeros((2, d, d))
    E[:, 0, 0] = 2, 1
    limit = 6 * d / 5
    only_ee = np.array([True, False, False, False])
    for delta, share, accuracy in ((limit * 1.001, 1, 0.5), (limit * 0.999, 0.5, 0.25)):
        assert et.rqi(op, E, delta) == share
        assert et.predicted_accuracy(op, only_ee, E, delta) == accuracy


@pytest.mark.parametrize(("mean_square", "share"), [(0.499, 1), (0.501, 0.5)])
def test_the_official_codes_threshold_is_a_mean_square_of_one_half(mean_square, share):
    # as by hand, with d = 1 and E = (1, y): the residual's square is 4 ((1 - y^2) /
    # (1 + y^2))^2
    r = math.sqrt(mean_square) / 2
    E = np.array([1.0, math.sqrt((1 - r) / (1 + r))]).reshape(2, 1, 1)
    assert et.rqi(et.symmetric_group(2), E) == share
