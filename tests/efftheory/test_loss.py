"""l_eff and its gradient, of sums and of matrix products."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import efftheory as et
from efftheory.loss import parallelogram_loss
from efftheory.parallelograms import training_samples
from tests import oracles, systems, tolerances
from tests import strategies as own


@st.composite
def product_tables(draw):
    """(op, mask, E) of tables that are no groups."""
    p = draw(st.integers(2, 4))
    table = draw(st.lists(st.integers(0, p), min_size=p * p, max_size=p * p))
    op = et.from_table(np.reshape(table, (p, p)))
    return op, draw(own.masks(op)), draw(own.matrix_embeddings(p))


embedded = st.one_of(own.embedded_training_sets(), own.embedded_product_training_sets(), product_tables())


def _twin(op, mask, E):
    if op.composition == "product":
        return oracles.product_effective_loss(op, mask, E)
    return oracles.effective_loss(op, mask, E), oracles.effective_loss_gradient(op, mask, E)


@given(embedded)
def test_is_the_listed_parallelograms_sum(drawn):
    op, mask, E = drawn
    loss, gradient = _twin(op, mask, E)
    tolerances.assert_close(et.effective_loss(op, mask, E), loss)
    tolerances.assert_close(et.effective_loss_gradient(op, mask, E), gradient)
    count = max(len(oracles.parallelograms(op, mask)), 1)
    tolerances.assert_close(et.effective_loss(op, mask, E, "mean") * count, loss)
    tolerances.assert_close(et.effective_loss_gradient(op, mask, E, "mean") * count, gradient)


@given(embedded, st.sampled_from([-3.0, -0.25, 1e-3, 7.0, 1e6]))
def test_scale_does_not_matter_so_that_the_gradient_is_tangential(drawn, scale):
    op, mask, E = drawn
    gradient = et.effective_loss_gradient(op, mask, E)
    tolerances.assert_close(et.effective_loss(op, mask, scale * E), et.effective_loss(op, mask, E))
    tolerances.assert_close(scale * et.effective_loss_gradient(op, mask, scale * E), gradient)
    size = max(1.0, float(np.linalg.norm(gradient) * np.linalg.norm(E)))
    assert abs((gradient * E).sum()) <= tolerances.LINALG * size


@given(embedded, own.seeds)
def test_gradient_is_the_difference_quotient(drawn, seed):
    op, mask, E = drawn
    direction = np.random.default_rng(seed).standard_normal(E.shape)
    direction /= np.linalg.norm(direction)
    radius = float(np.linalg.norm(E))
    step = tolerances.EPS ** (1 / 3) * radius
    ahead, behind = (et.effective_loss(op, mask, E + s * step * direction) for s in (1, -1))
    if op.composition == "product":
        largest = int(np.bincount(op.results[mask], minlength=1).max())
        bound = tolerances.product_loss_difference(largest, radius, step, mask.sum() * E[0].size)
    else:
        lambda_max = max(float(np.linalg.norm(et.hessian(op, mask), 2)), 1.0)
        bound = tolerances.loss_difference(lambda_max, radius, step, (op.n_samples + op.n_symbols) * E.shape[1])
    slope = (et.effective_loss_gradient(op, mask, E) * direction).sum()
    assert abs((ahead - behind) / (2 * step) - slope) <= bound


@given(embedded, st.data())
def test_more_data_never_lowers_the_sum(drawn, data):
    op, more, E = drawn
    fewer = more & data.draw(own.masks(op))
    assert et.effective_loss(op, fewer, E) <= et.effective_loss(op, more, E) * (1 + tolerances.LINALG)


@given(own.embedded_training_sets(), st.integers(1, 8))
def test_translation_changes_z0_but_not_l0(drawn, steps):
    op, mask, E = drawn
    E = E - E.mean(axis=0)
    moved = E + steps / 4
    before, after = (parallelogram_loss(training_samples(op, mask), each) for each in (E, moved))
    tolerances.assert_close(after[0], before[0])
    tolerances.assert_close(after[1], before[1])
    z0, z0_moved = (E**2).sum(), (moved**2).sum()
    assert z0_moved > z0  # E is centred
    tolerances.assert_close(et.effective_loss(op, mask, moved) * z0_moved, et.effective_loss(op, mask, E) * z0)


@given(own.embedded_training_sets())
def test_lies_between_zero_and_half_the_largest_eigenvalue(drawn):
    op, mask, E = drawn
    ceiling = np.linalg.norm(et.hessian(op, mask), 2) / 2
    assert 0 <= et.effective_loss(op, mask, E) <= ceiling * (1 + tolerances.LINALG)


@pytest.mark.parametrize("d", [1, 3])
def test_linear_representation_costs_nothing(d):
    op = et.addition(10)
    E = systems.linear_representation(10, d)
    bound = (100 * tolerances.EPS * np.abs(E).max()) ** 2 * 70 * d  # each residual is round-off
    assert et.effective_loss(op, None, E) * (E**2).sum() <= bound


def test_one_parallelogram_by_hand():
    op, mask = systems.THREE_SYMBOLS.op, systems.THREE_SYMBOLS.mask
    E = np.array([[1.0], [0.0], [1.0]])  # residual 1 + 1 - 0 - 0 = 2, Z0 = 2
    assert et.effective_loss(op, mask, E) == 2.0
    # (dl0/dE - 2 l_eff E) / Z0 with dl0/dE = 2 * 2 * (1, -2, 1)
    np.testing.assert_array_equal(et.effective_loss_gradient(op, mask, E), [[0.0], [-4.0], [0.0]])


@pytest.mark.parametrize("normalization", ["sum", "mean"])
def test_no_parallelogram_no_loss(normalization):
    op = et.addition(4)
    nothing = np.zeros(op.n_samples, dtype=np.bool_)
    E = np.array([[0.0], [1.0], [3.0], [2.0]])
    assert et.effective_loss(op, nothing, E, normalization) == 0
    assert not et.effective_loss_gradient(op, nothing, E, normalization).any()
