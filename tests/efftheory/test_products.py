"""l_eff of matrix products, its gradient and its flow."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.stats import ortho_group

import efftheory as et
from tests import oracles, tolerances
from tests import strategies as own

S3 = et.symmetric_group(3)
NOTHING = np.zeros(S3.n_samples, dtype=np.bool_)


def _start(p, d, seed):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (p, d, d))


# The loss


@given(own.embedded_product_training_sets(), st.integers(0, 5))
def test_a_change_of_basis_does_not_matter(drawn, seed):
    op, mask, E = drawn
    d = E.shape[1]
    G = np.ones((1, 1)) if d == 1 else ortho_group.rvs(d, random_state=seed)
    turned = G @ E @ G.T
    tolerances.assert_close(et.effective_loss(op, mask, turned), et.effective_loss(op, mask, E))
    gradient = et.effective_loss_gradient(op, mask, E)
    tolerances.assert_close(et.effective_loss_gradient(op, mask, turned), G @ gradient @ G.T)


@given(own.embedded_product_training_sets(3, 3), st.integers(0, 5))
def test_an_automorphism_does_not_matter(drawn, by):
    """a -> g a g^-1 renames symbols and samples alike."""
    op, mask, E = drawn
    p = op.n_symbols
    table = op.results.reshape(p, p)
    inverse = np.flatnonzero(table[by] == 0)[0]
    renamed = table[table[by], inverse]  # g a g^-1 for each a
    moved, moved_mask = np.empty_like(E), np.empty((p, p), dtype=np.bool_)
    moved[renamed] = E
    moved_mask[np.ix_(renamed, renamed)] = mask.reshape(p, p)
    tolerances.assert_close(et.effective_loss(op, moved_mask.ravel(), moved), et.effective_loss(op, mask, E))


@given(own.embedded_product_training_sets(3, 3))
def test_transposition_reverses_the_factors(drawn):
    """E_a -> E_{a^-1}^T, with (a, b) trained where (b^-1, a^-1) was: (ab)^-1 = b^-1
    a^-1.
    """
    op, mask, E = drawn
    inverse = np.argmax(op.results.reshape(6, 6) == 0, axis=1)
    moved = mask.reshape(6, 6)[np.ix_(inverse, inverse)].T.ravel()
    transposed = E[inverse].transpose(0, 2, 1)
    tolerances.assert_close(et.effective_loss(op, moved, transposed), et.effective_loss(op, mask, E))


@pytest.mark.parametrize("op", [S3, et.symmetric_group(4), et.dihedral_group(5)], ids=lambda op: op.name)
def test_a_representation_costs_nothing(op):
    rho = et.permutation_representation(op).astype(np.float64)
    d = rho.shape[1]
    z = 2 * np.eye(d) - 0.5  # commutes with every permutation
    for E in (rho, 1e3 * rho, z @ rho, np.ones_like(rho)):  # the last is one that tells nothing apart
        assert et.effective_loss(op, None, E) <= op.n_samples * op.n_symbols * (100 * d * tolerances.EPS) ** 2
        assert np.linalg.norm(et.effective_loss_gradient(op, None, E)) * np.linalg.norm(E) <= tolerances.LINALG


# The flow


@pytest.mark.parametrize("start", [(0.9, 0.3), (0.3, -0.5), (2.0, 1.9)])
def test_path_found_by_hand(start):
    """Two numbers x, y under Z2 (d = 1): l0 = (x^2 - y^2)^2. At the angle theta on the
    circle of radius r, l_eff = cos(2 theta)^2, d theta/dt = (2/r^2) sin(4 theta), so
    that tan(2 theta) grows as e^{8t/r^2}."""
    op = et.from_table([[0, 1], [1, 0]])
    r, theta = math.hypot(*start), math.atan2(start[1], start[0])
    times = np.array([0.0, 0.01, 0.05, 0.2]) * r**2
    found = et.flow(op, None, np.reshape(start, (2, 1, 1)), times)
    doubled = np.arctan2(np.sin(2 * theta) * np.exp(8 * times / r**2), np.cos(2 * theta))
    expected = r * np.stack([np.cos(doubled / 2), np.sin(doubled / 2)], axis=1)
    np.testing.assert_allclose(found.E[:, :, 0, 0], expected, atol=tolerances.ODE_MULTIPLE * 1e-10 * r)
    np.testing.assert_allclose(found.loss, np.cos(doubled) ** 2, atol=tolerances.ODE_MULTIPLE * 1e-10)


@settings(max_examples=15)
@given(own.embedded_product_training_sets(2, 3, d=2))
def test_flow_conserves_z0_and_lowers_the_loss(drawn):
    op, mask, E0 = drawn
    times = np.concatenate(([0.0], np.geomspace(1e-3, 10, 8))) * (E0**2).sum()
    found = et.flow(op, mask, E0, times)
    assert found.E.shape == (9, *E0.shape)
    assert found.z0_drift <= tolerances.ODE_MULTIPLE * 1e-10
    assert (np.diff(found.loss) <= tolerances.ODE_MULTIPLE * 1e-10).all()
    tolerances.assert_close(found.z0, (found.E**2).sum(axis=(1, 2, 3)))
    tolerances.assert_close(found.loss, [oracles.product_effective_loss(op, mask, E)[0] for E in found.E])
    assert found.rqi.tolist() == [et.rqi(op, E) for E in found.E]


@pytest.mark.parametrize(("d", "seed"), [(2, 0), (3, 1)])
def test_flow_is_that_of_the_twin(d, seed):
    E0, mask = _start(6, d, seed), S3.random_training_set(20, seed)
    times = np.array([0.1, 1.0, 5.0]) * (E0**2).sum()

    def velocity(_, flat):
        return -oracles.product_effective_loss(S3, mask, flat.reshape(E0.shape))[1].ravel()

    expected = solve_ivp(velocity, (0, times[-1]), E0.ravel(), "DOP853", times, rtol=1e-8, atol=1e-9).y.T
    np.testing.assert_allclose(et.flow(S3, mask, E0, times).E.reshape(3, -1), expected, atol=tolerances.INTEGRATED)


def test_flow_scales_and_goes_on():
    E0, mask = _start(6, 2, seed=2), S3.random_training_set(24, seed=0)
    times = np.array([0.0, 0.1, 1.0])
    path = et.flow(S3, mask, E0, times).E
    scaled = et.flow(S3, mask, 3 * E0, 9 * times).E  # time runs in units of Z0
    np.testing.assert_allclose(scaled, 3 * path, atol=tolerances.INTEGRATED)
    onwards = et.flow(S3, mask, path[1], times[1:] - times[1]).E
    np.testing.assert_allclose(onwards, path[1:], atol=tolerances.INTEGRATED)


def test_a_representation_stays():
    rho = et.permutation_representation(S3).astype(np.float64)
    np.testing.assert_array_equal(et.flow(S3, None, rho, [0.0, 100.0]).E, [rho, rho])
    E = _start(6, 2, seed=0)  # and anything, where there are no data
    np.testing.assert_array_equal(et.flow(S3, NOTHING, E, [0.0, 3.0]).E, [E, E])


# Time to a threshold


@pytest.mark.parametrize("seed", [0, 3])
def test_time_to_rqi_is_a_crossing(seed):
    E0, mask = _start(6, 3, seed), S3.random_training_set(28, seed)
    t = et.time_to_rqi(S3, mask, E0)
    assert 0 < t < math.inf
    sides = [t * (1 - tolerances.INTEGRATED), t * (1 + tolerances.INTEGRATED)]
    before, after = et.flow(S3, mask, E0, sides).rqi
    assert before <= 0.95 < after
    assert et.flow(S3, mask, E0, np.linspace(0, sides[0], 300)).time_to_rqi() == math.inf  # not earlier
    np.testing.assert_allclose(et.time_to_rqi(S3, mask, 2 * E0), 4 * t, rtol=tolerances.INTEGRATED)


def test_time_to_rqi_limits():
    rho = et.permutation_representation(S3).astype(np.float64)
    assert et.time_to_rqi(S3, NOTHING, rho) == 0  # there already
    assert et.time_to_rqi(S3, NOTHING, _start(6, 3, seed=0)) == math.inf  # nothing moves
    ends_elsewhere = S3.random_training_set(28, seed=2)
    assert et.degrees_of_freedom(S3, ends_elsewhere) == 0  # that is said of representations, not of all solutions
    assert et.time_to_rqi(S3, ends_elsewhere, _start(6, 3, seed=2)) == math.inf
    assert et.time_to_rqi(S3, None, _start(6, 3, seed=0), threshold=1.0) == math.inf  # above 1 is nothing
    stands = 6 * rho - 1e-13 * _start(6, 3, seed=0)  # all but a solution: it hardly moves
    assert et.time_to_rqi(S3, None, stands, threshold=1.0) == math.inf
