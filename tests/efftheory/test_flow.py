"""The flow: by hand, in closed form, by an ODE solver, and by an optimiser."""

from __future__ import annotations

import math
from importlib import import_module
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import efftheory as et
from tests import oracles, systems, tolerances
from tests import strategies as own


def _start(p, d, seed):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (p, d))


def _times(op, mask, E0, n=30):
    """Over the decay of all modes, by the scale of the largest and the smallest
    eigenvalue.
    """
    moving = np.linalg.eigvalsh(oracles.hessian(op, mask))
    moving = moving[moving > 1e-9 * max(moving[-1], 1.0)]  # only to place the times
    z0 = (E0**2).sum()
    if not len(moving):
        return np.linspace(0, 1, n)
    return np.concatenate(([0.0], z0 * np.geomspace(0.01 / moving[-1], 5 / moving[0], n - 1)))


# By hand


@pytest.mark.parametrize("method", ["exact", "ode"])
@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.parametrize("system", systems.SOLVABLE, ids=lambda system: system.name)
def test_path_found_by_hand(system, d, method):
    E0 = _start(system.op.n_symbols, d, seed=1)
    times = np.array([0.0, 1e-3, 0.01, 0.05, 0.2, 1.0])
    found = et.flow(system.op, system.mask, E0, times, method=method, rtol=1e-10)
    atol = tolerances.LINALG if method == "exact" else tolerances.ODE_MULTIPLE * 1e-10 * np.sqrt((E0**2).sum())
    expected = np.array([system.flow(E0, t) for t in times])
    np.testing.assert_allclose(found.E, expected, rtol=tolerances.LINALG, atol=atol)


@pytest.mark.parametrize("method", ["exact", "ode"])
@pytest.mark.parametrize("system", systems.SINGLE_MODE, ids=lambda system: system.name)
def test_loss_of_a_single_mode_is_logistic(system, method):
    E0 = _start(system.op.n_symbols, 2, seed=2)
    times = np.array([0.0, 0.01, 0.05, 0.1])
    found = et.flow(system.op, system.mask, E0, times, method=method)
    expected = [system.loss(E0, t) for t in times]
    rtol = tolerances.LINALG if method == "exact" else tolerances.ODE_MULTIPLE * 1e-10
    np.testing.assert_allclose(found.loss, expected, rtol=rtol, atol=rtol * found.loss[0])


# The closed form


@given(own.embedded_training_sets())
def test_exact_conserves_z0_and_lowers_the_loss(drawn):
    op, mask, E0 = drawn
    found = et.flow(op, mask, E0, _times(op, mask, E0))
    assert found.z0_drift <= tolerances.LINALG
    slack = tolerances.LINALG * max(np.linalg.norm(et.hessian(op, mask), 2), 1.0)
    assert (np.diff(found.loss) <= slack).all()


@given(own.embedded_training_sets())
def test_trajectory_is_consistent(drawn):
    op, mask, E0 = drawn
    times = _times(op, mask, E0, n=5)
    found = et.flow(op, mask, E0, times)
    np.testing.assert_array_equal(found.times, times)
    assert found.E.shape == (5, *E0.shape)
    tolerances.assert_close(found.E[0], E0)
    tolerances.assert_close(found.z0, (found.E**2).sum(axis=(1, 2)))
    tolerances.assert_close(found.loss, [oracles.effective_loss(op, mask, E) for E in found.E])
    assert found.rqi[0] == et.rqi(op, found.E[0]) or op.n_symbols == 2


@pytest.mark.parametrize("d", [1, 3])
@pytest.mark.parametrize(("p", "size"), [(5, 10), (6, 9), (10, 45), (10, 20)])
def test_exact_is_the_ode(p, size, d):
    op = et.addition(p)
    mask = op.random_training_set(size, seed=58)
    E0 = _start(p, d, seed=p)
    times, rtol = _times(op, mask, E0), 1e-9
    exact, ode = et.flow(op, mask, E0, times), et.flow(op, mask, E0, times, method="ode", rtol=rtol)
    bound = tolerances.ODE_MULTIPLE * rtol * np.sqrt((E0**2).sum())
    assert np.abs(exact.E - ode.E).max() <= bound
    assert ode.z0_drift <= tolerances.ODE_MULTIPLE * rtol


def test_ode_error_follows_rtol():
    op = et.addition(6)
    mask = op.random_training_set(12, seed=0)
    E0 = _start(6, 1, seed=0)
    # one long path of many steps: the error at its end
    times = [_times(op, mask, E0)[-1] / 3]
    exact = et.flow(op, mask, E0, times).E[-1]
    rtols = np.array([1e-4, 1e-6, 1e-8, 1e-10])
    errors = [np.abs(et.flow(op, mask, E0, times, method="ode", rtol=r).E[-1] - exact).max() for r in rtols]
    assert (np.array(errors) <= tolerances.ODE_MULTIPLE * rtols).all()
    assert all(fine < coarse / 5 for coarse, fine in pairwise(errors))
    order = np.polyfit(np.log(rtols), np.log(errors), 1)[0]
    assert abs(order - 1) < tolerances.SOLVER_ORDER  # error per step is held proportional to rtol


@given(own.embedded_training_sets())
def test_closed_form_solves_the_equation(drawn):
    """The velocity between two close times is -grad l_eff: no solver involved."""
    op, mask, E0 = drawn
    z0 = (E0**2).sum()
    lambda_max = max(float(np.linalg.norm(et.hessian(op, mask), 2)), 1.0)
    t, step = 0.3 * z0 / lambda_max, tolerances.EPS ** (1 / 3) * z0 / lambda_max
    behind, here, ahead = et.flow(op, mask, E0, [t - step, t, t + step]).E
    velocity = (ahead - behind) / (2 * step)
    slope = oracles.effective_loss_gradient(op, mask, here)
    bound = tolerances.flow_difference(lambda_max, z0, step, norm=float(np.sqrt(z0)))
    assert np.linalg.norm(velocity + slope) <= bound


@given(own.embedded_training_sets())
def test_sum_of_the_embeddings_grows_as_the_docstring_says(drawn):
    """dC/dt = (2 l0 / Z0^2) C: not conserved, as the paper has it, unless it is 0."""
    op, mask, E0 = drawn
    z0 = (E0**2).sum()
    lambda_max = max(float(np.linalg.norm(et.hessian(op, mask), 2)), 1.0)
    # from the velocity
    rate = 2 * oracles.loss_and_gradient(op, mask, E0)[0] / z0**2
    velocity = -et.effective_loss_gradient(op, mask, E0).sum(axis=0)
    tolerances.assert_close(velocity, rate * E0.sum(axis=0))
    # from the path
    t, step = 0.3 * z0 / lambda_max, tolerances.EPS ** (1 / 3) * z0 / lambda_max
    path = et.flow(op, mask, E0, [t - step, t, t + step])
    C = path.E.sum(axis=1)
    rate = 2 * oracles.loss_and_gradient(op, mask, path.E[1])[0] / z0**2
    bound = tolerances.flow_difference(lambda_max, z0, step, norm=float(np.linalg.norm(C[2])))
    assert np.linalg.norm((C[2] - C[0]) / (2 * step) - rate * C[1]) <= bound


@given(own.embedded_training_sets())
def test_centred_embeddings_stay_centred(drawn):
    op, mask, E0 = drawn
    E0 = E0 - E0.mean(axis=0)
    found = et.flow(op, mask, E0, _times(op, mask, E0))
    assert np.abs(found.E.sum(axis=1)).max() <= tolerances.LINALG * np.sqrt((E0**2).sum())


@given(own.embedded_training_sets(), st.sampled_from([0.25, 3.0]))
def test_flow_is_a_semigroup_and_scales(drawn, scale):
    op, mask, E0 = drawn
    times = _times(op, mask, E0, n=6)
    path = et.flow(op, mask, E0, times).E
    onwards = et.flow(op, mask, path[2], times[2:] - times[2]).E
    tolerances.assert_close(onwards, path[2:])
    scaled = et.flow(op, mask, scale * E0, scale**2 * times).E  # time runs in units of Z0
    tolerances.assert_close(scaled, scale * path)


def test_late_loss_decays_at_twice_lambda3():
    op = et.addition(10)
    mask = op.random_training_set(45, seed=58)
    E0 = _start(10, 1, seed=0)
    pace = et.spectrum(op, mask).lambda3 / (E0**2).sum()
    late = et.flow(op, mask, E0, np.array([14.0, 15.0]) / pace)
    # the null space holds nearly everything by then, the fourth mode next to nothing
    np.testing.assert_allclose(-np.diff(np.log(late.loss)), 2.0, rtol=tolerances.LATE)


def test_far_beyond_underflow_only_the_null_space_is_left():
    op, E0 = et.addition(5), _start(5, 2, seed=3)
    end = et.flow(op, None, E0, [1e12]).E[0]
    null = et.spectrum(op).modes[:, :2]
    projected = null @ (null.T @ E0)
    tolerances.assert_close(end, projected * np.sqrt((E0**2).sum() / (projected**2).sum()))
    assert et.rqi(op, end) == 1


def test_without_data_nothing_moves():
    op, E0 = et.addition(4), _start(4, 2, seed=4)
    nothing = np.zeros(op.n_samples, dtype=np.bool_)
    for method in ("exact", "ode"):
        path = et.flow(op, nothing, E0, [0.0, 1.0, 5.0], method=method).E
        tolerances.assert_close(path, np.repeat(E0[None], 3, axis=0))


def test_flow_uses_the_training_set_not_all_of_p0():
    system = systems.TWO_SAMPLES
    E0 = _start(4, 1, seed=5)
    some, everything = (et.flow(system.op, mask, E0, [0.1]).E for mask in (system.mask, None))
    assert np.abs(some - everything).max() > 0.01


# Time to a threshold


@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("threshold", [0.5, 0.95])
def test_time_to_rqi_is_the_first_crossing(threshold, seed, d):
    op = et.addition(8)
    mask = op.random_training_set(28, seed=seed)
    assert et.is_linear(op, mask)
    E0 = _start(8, d, seed)
    t = et.time_to_rqi(op, mask, E0, threshold)
    assert 0 < t < math.inf
    before, after = et.flow(op, mask, E0, [t * (1 - tolerances.STEP_SIDE), t * (1 + tolerances.STEP_SIDE)]).rqi
    assert before <= threshold < after
    fine = et.flow(op, mask, E0, np.linspace(0, t, 3000)[:-1])
    assert fine.time_to_rqi(threshold) == math.inf  # not earlier, on a grid of its own
    around = et.flow(op, mask, E0, np.linspace(0, 2 * t, 3001))
    assert t * (1 - tolerances.LINALG) <= around.time_to_rqi(threshold) <= t + 2 * (2 * t / 3000)


def test_time_to_rqi_limits():
    op = et.addition(6)
    E0 = _start(6, 1, seed=0)
    nothing = np.zeros(op.n_samples, dtype=np.bool_)
    assert et.time_to_rqi(op, nothing, E0) == math.inf  # nothing moves
    assert et.time_to_rqi(op, nothing, systems.linear_representation(6)) == 0  # there already
    assert et.time_to_rqi(op, None, E0, threshold=1.0) == math.inf  # above 1 is nothing
    assert et.time_to_rqi(et.addition(2), None, np.array([[0.0], [1.0]])) == math.inf
    not_linear = systems.mask_of(op, (0, 2), (1, 1))
    assert et.time_to_rqi(op, not_linear, E0) == math.inf


@given(own.seeds, st.sampled_from([0.5, 4.0]))
def test_time_to_rqi_runs_in_units_of_z0(seed, scale):
    op = et.addition(6)
    E0 = _start(6, 1, seed)
    t = et.time_to_rqi(op, None, E0)
    np.testing.assert_allclose(et.time_to_rqi(op, None, scale * E0), scale**2 * t, rtol=tolerances.LINALG)


def test_trajectory_time_to_rqi():
    times = np.array([0.0, 1.0, 2.0, 3.0])
    path = et.Trajectory(times, np.zeros((4, 3, 1)), times, times, np.array([0.1, 0.95, 0.96, 0.2]))
    assert path.time_to_rqi() == 2.0  # above, not at
    assert path.time_to_rqi(0.05) == 0.0
    assert path.time_to_rqi(0.99) == math.inf


# Optimisers


@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_optimizer_flow_is_its_twin(optimizer, weight_decay, d):
    op = et.addition(6)
    mask = op.random_training_set(14, seed=0)
    E0 = _start(6, d, seed=0)
    settings = {"learning_rate": 1e-2, "steps": 100, "weight_decay": weight_decay}
    found = et.optimizer_flow(op, mask, E0, optimizer=optimizer, **settings)
    expected = oracles.optimizer_flow(op, mask, E0, optimizer=optimizer, **settings)
    tolerances.assert_close(found.E, expected)
    np.testing.assert_array_equal(found.times, np.arange(101))
    tolerances.assert_close(found.loss[-1], oracles.effective_loss(op, mask, expected[-1]))


def test_adam_and_adamw_agree_without_decay_only():
    op, E0 = et.addition(6), _start(6, 1, seed=0)
    for weight_decay in (0.0, 0.1):
        adam, adamw = (
            et.optimizer_flow(op, None, E0, optimizer=o, steps=50, weight_decay=weight_decay).E
            for o in ("adam", "adamw")
        )
        assert (np.abs(adam - adamw).max() <= tolerances.LINALG) == (weight_decay == 0)


def test_adams_first_step_is_the_learning_rate():
    op, E0 = et.addition(6), _start(6, 2, seed=0)
    first = et.optimizer_flow(op, None, E0, learning_rate=1e-3, steps=1).E[1]
    slope = et.effective_loss_gradient(op, None, E0)
    # m / sqrt(v) = sign(g), short of it by eps / |g|
    np.testing.assert_allclose(first, E0 - 1e-3 * np.sign(slope), atol=1e-3 * 1e-8 / np.abs(slope).min() * 2)


def test_sgd_converges_to_the_flow_at_first_order():
    op = et.addition(6)
    mask = op.random_training_set(14, seed=0)
    E0 = _start(6, 1, seed=0)
    span = 0.5 * (E0**2).sum() / np.linalg.norm(et.hessian(op, mask), 2)
    exact = et.flow(op, mask, E0, [span]).E[0]
    counts = np.array([100, 200, 400, 800])
    errors = [
        np.abs(
            et.optimizer_flow(op, mask, E0, optimizer="sgd", learning_rate=span / n, steps=int(n)).E[-1] - exact
        ).max()
        for n in counts
    ]
    orders = -np.diff(np.log(errors)) / np.diff(np.log(counts))
    np.testing.assert_allclose(orders, 1.0, atol=tolerances.ORDER)


def test_optimizers_reach_the_linear_representation_where_it_is_unique():
    op = et.addition(10)
    mask = op.random_training_set(45, seed=58)
    E0 = _start(10, 1, seed=58)
    E0 -= E0.mean()
    path = et.optimizer_flow(op, mask, E0, steps=3000)
    assert path.rqi[-1] == 1
    assert path.time_to_rqi() < 3000


def test_round_off_does_not_grow_where_a_mode_is_absent():
    """E0 = (1, -1, -1, 1) is a mode of the full set of four symbols: an equilibrium,
    unstable to what is not there.
    """
    op = et.addition(4)
    E0 = np.array([[1.0], [-1.0], [-1.0], [1.0]])
    assert et.time_to_rqi(op, None, E0) == np.inf
    far = et.flow(op, None, E0, [0.0, 1e3])
    np.testing.assert_allclose(far.E[-1], E0, rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-70, 1e100])
def test_the_scale_of_the_embedding_is_that_of_time(scale):
    """E and t/Z0: also where a solver's own steps would leave the range of floats."""
    op = et.addition(6)
    E = np.random.default_rng(0).normal(size=(6, 1))
    z0 = float((E**2).sum())
    times = np.array([0.0, 0.1, 0.5]) * z0
    here = et.flow(op, None, E, times, "ode")
    there = et.flow(op, None, E * scale, times * scale**2, "ode")
    np.testing.assert_allclose(there.E / scale, here.E, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(et.time_to_rqi(op, None, E * scale), et.time_to_rqi(op, None, E) * scale**2, rtol=1e-10)


def test_a_solver_that_gives_up_says_so():
    """nan from there on, as a value: nobody waits for a flow of a million decay
    times.
    """
    op = et.addition(6)
    E = np.random.default_rng(0).normal(size=(6, 1))
    path = et.flow(op, None, E, [0.0, 0.1, 1e6], "ode", max_steps=50)
    assert not path.converged
    assert np.isfinite(path.E[:2]).all()
    assert np.isnan(path.E[2]).all()
    assert np.isnan(path.loss[2])
    assert math.isnan(path.z0_drift)
    assert path.time_to_rqi() == math.inf
    np.testing.assert_allclose(path.E[:2], et.flow(op, None, E, [0.0, 0.1]).E, rtol=1e-8, atol=1e-8)
    enough = et.flow(op, None, E, [0.0, 0.1], "ode")
    assert enough.converged
    np.testing.assert_allclose(enough.E, path.E[:2], rtol=1e-8, atol=1e-8)


ODD_TIMES = {"long": np.linspace(0, 1e6, 50), "short": [0, 1e-320], "both": [1e-300, 1e300], "one": [1e300]}


@pytest.mark.parametrize("size", [1e-140, 1.0, 1e140])
@pytest.mark.parametrize("times", ODD_TIMES.values(), ids=ODD_TIMES)
def test_a_flow_ends_at_any_times(times, size):
    """And its closed form is finite."""
    op, s3 = et.addition(4), et.symmetric_group(3)
    E = size * np.random.default_rng(1).normal(size=(4, 1))
    assert et.flow(op, None, E, times).converged
    solved = et.flow(op, None, E, times, "ode", max_steps=100)
    assert solved.converged == np.isfinite(solved.E).all()
    matrices = math.sqrt(size) * np.random.default_rng(1).normal(size=(6, 1, 1))
    of_group = et.flow(s3, None, matrices, times, max_steps=100)
    assert of_group.converged == np.isfinite(of_group.E).all()


def test_time_to_rqi_is_unknown_where_the_solver_gave_up(monkeypatch):
    s3 = et.symmetric_group(3)
    E = np.random.default_rng(0).normal(size=(6, 2, 2))
    monkeypatch.setattr(import_module("efftheory.flow"), "MAX_STEPS", 3)
    assert math.isnan(et.time_to_rqi(s3, None, E, threshold=1.0))


def test_a_flow_that_leaves_the_floats_says_so():
    op = et.addition(4)
    E = np.random.default_rng(0).normal(size=(4, 1))
    path = et.optimizer_flow(op, None, E, "sgd", learning_rate=1e200, steps=20)
    assert not path.converged
    assert et.optimizer_flow(op, None, E, "sgd", learning_rate=1e-2, steps=20).converged
