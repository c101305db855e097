"""The effective theory of classification: the loss, its gradient, and the flow that is
a formula.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.stats import ortho_group

import efftheory as et
from tests import oracles, tolerances
from tests import strategies as own


@st.composite
def classified(draw):
    """(labels, F): 2..8 samples of up to 4 classes, of which some may be absent."""
    n = draw(st.integers(2, 8))
    labels = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    return labels, draw(own.embeddings(n))


def _digits(seed, k=(6, 4, 3), d=2):
    """Three classes, of different sizes, that overlap."""
    return np.repeat(np.arange(len(k)), k), np.random.default_rng(seed).normal(size=(sum(k), d))


def _means(labels, F):
    return np.array([F[labels == c].mean(axis=0) for c in np.unique(labels)])


# The loss


@given(classified())
def test_is_the_double_loop(drawn):
    labels, F = drawn
    loss, gradient = oracles.class_loss_and_gradient(labels, F)
    tolerances.assert_close(et.class_loss(labels, F), loss)
    tolerances.assert_close(et.class_loss_gradient(labels, F), gradient)


@given(classified(), own.seeds)
def test_gradient_is_the_derivative(drawn, seed):
    labels, F = drawn
    direction = np.random.default_rng(seed).normal(size=F.shape)
    direction /= np.linalg.norm(direction)
    radius = float(np.linalg.norm(F))
    step = tolerances.EPS ** (1 / 3) * radius
    ahead, behind = (et.class_loss(labels, F + sign * step * direction) for sign in (1, -1))
    slope = (et.class_loss_gradient(labels, F) * direction).sum()
    largest = 2 * int(np.bincount(labels).max())  # the largest eigenvalue
    assert abs((ahead - behind) / (2 * step) - slope) <= tolerances.loss_difference(largest, radius, step, F.size)


@given(classified(), st.integers(0, 5), st.sampled_from([-3.0, 1e-3, 1e6]), st.permutations(range(8)))
def test_neither_scale_nor_axes_nor_names_nor_order_matter(drawn, seed, scale, order):
    labels, F = drawn
    d = F.shape[1]
    G = np.ones((1, 1)) if d == 1 else ortho_group.rvs(d, random_state=seed)
    loss, gradient = et.class_loss(labels, F), et.class_loss_gradient(labels, F)
    tolerances.assert_close(et.class_loss(labels, scale * F @ G), loss)
    tolerances.assert_close(scale * et.class_loss_gradient(labels, scale * F @ G), gradient @ G)
    assert et.class_loss([f"label {7 - label}" for label in labels], F) == pytest.approx(loss, abs=tolerances.LINALG)
    shuffled = [k for k in order if k < len(F)]
    moved = et.class_loss_gradient(np.array(labels)[shuffled], F[shuffled])
    tolerances.assert_close(moved, gradient[shuffled])


def test_by_hand():
    # two of one class 2 apart, one alone: l = 4, Z = 1 + 1 + 2
    F = np.array([[1.0], [-1.0], [np.sqrt(2)]])
    assert et.class_loss([0, 0, 1], F) == pytest.approx(1.0, rel=tolerances.LINALG)
    assert et.class_loss([0, 1, 2], F) == 0


# The flow


@given(classified(), st.sampled_from([0.01, 0.1, 1.0, 5.0]))
def test_flow_is_the_matrix_exponential(drawn, t):
    labels, F0 = drawn
    z = (F0**2).sum()
    means = _means(np.array(labels), F0)
    if (means**2).sum() < 1e-6:  # the exponential underflows where only fast modes are there
        t = min(t, 0.1)
    found = et.class_flow(labels, F0, [t * z])
    tolerances.assert_close(found.F[0], oracles.class_flow(labels, F0, t * z))
    tolerances.assert_close(found.loss[0], oracles.class_loss_and_gradient(labels, found.F[0])[0])


@settings(max_examples=15)
@given(classified())
def test_flow_solves_the_equation(drawn):
    labels, F0 = drawn
    z, rtol = (F0**2).sum(), 1e-9
    times = np.array([0.0, 0.01, 0.1, 0.5]) * z

    def velocity(_, flat):
        return -oracles.class_loss_and_gradient(labels, flat.reshape(F0.shape))[1].ravel()

    solution = solve_ivp(velocity, (0, times[-1]), F0.ravel(), "DOP853", times, rtol=rtol, atol=rtol)
    found = et.class_flow(labels, F0, times).F.reshape(len(times), -1)
    assert np.abs(found - solution.y.T).max() <= tolerances.ODE_MULTIPLE * rtol * np.sqrt(z)


@given(classified())
def test_flow_conserves_z_and_lowers_the_loss(drawn):
    labels, F0 = drawn
    times = np.concatenate(([0.0], np.geomspace(1e-3, 1e3, 12))) * (F0**2).sum()
    found = et.class_flow(labels, F0, times)
    tolerances.assert_close(found.F[0], F0)
    tolerances.assert_close(found.z, (F0**2).sum())
    tolerances.assert_close(found.z, (found.F**2).sum(axis=(1, 2)))
    assert (np.diff(found.loss) <= tolerances.LINALG).all()
    np.testing.assert_array_equal(found.times, times)


@pytest.mark.parametrize("seed", range(3))
def test_classes_collapse_and_stay_apart(seed):
    labels, F0 = _digits(seed)
    z = (F0**2).sum()
    times = np.array([0.0, 0.1, 0.3, 2.0, 10.0]) * z
    found = et.class_flow(labels, F0, times)
    means = np.array([_means(labels, F) for F in found.F])  # (T, 3, 2)
    apart = np.linalg.norm(means[:, [0, 0, 1]] - means[:, [1, 2, 2]], axis=2)
    growth = apart / apart[0]
    np.testing.assert_allclose(growth, np.broadcast_to(growth[:, :1], growth.shape), rtol=tolerances.LINALG)
    assert (np.diff(growth[:, 0]) >= -tolerances.LINALG).all()
    for c, k in enumerate((6, 4, 3)):
        within = np.linalg.norm(found.F[:, labels == c] - means[:, c, None], axis=(1, 2))
        tolerances.assert_close(within, within[0] * growth[:, 0] * np.exp(-2 * k * times / z))
    np.testing.assert_allclose(growth[-1, 0], np.sqrt(z / (means[0, labels] ** 2).sum()), rtol=tolerances.LINALG)


def test_without_class_means_the_smallest_class_is_left():
    F0 = np.array([[1.0], [-1.0], [2.0], [-1.0], [-1.0]])
    end = et.class_flow([0, 0, 1, 1, 1], F0, [1e6]).F[0]
    tolerances.assert_close(end, [[2.0], [-2.0], [0.0], [0.0], [0.0]])  # Z = 8 goes to the pair


def test_round_off_does_not_grow_where_a_mean_is_absent():
    F0 = np.array([[0.1], [0.2], [-0.3]])  # adds up to 5e-17
    found = et.class_flow([0, 0, 0], F0, [0.0, 1e3])
    tolerances.assert_close(found.F[1], F0)


@pytest.mark.parametrize("labels", [[0, 1, 2, 3], ["a", "b", "c", "d"]])
def test_samples_of_their_own_classes_do_not_move(labels):
    F0 = np.random.default_rng(0).normal(size=(4, 2))
    tolerances.assert_close(et.class_flow(labels, F0, [0.0, 7.0]).F, [F0, F0])


def test_flow_is_a_semigroup_and_scales():
    labels, F0 = _digits(seed=9)
    times = np.array([0.0, 0.5, 2.0])
    path = et.class_flow(labels, F0, times).F
    tolerances.assert_close(et.class_flow(labels, path[1], [1.5]).F[0], path[2])
    tolerances.assert_close(et.class_flow(labels, 3 * F0, 9 * times).F, 3 * path)


@pytest.mark.parametrize("labels", [[1, "a", None, 2], [[1], [1, 2], 1, 2], [None] * 4])
def test_labels_without_an_order_are_one_clear_error(labels):
    with pytest.raises(et.ArgumentError, match="`labels` must be 4 values of one kind"):
        et.class_loss(np.array(labels, dtype=object) if labels[0] == 1 and labels[1] == "a" else labels, np.eye(4))
