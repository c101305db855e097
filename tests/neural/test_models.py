"""How a seed becomes a network: the official order of draws, and independent streams by default."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neural.config import RunConfig
from neural.models import Start, addition_task, draw
from tests.neural.reference import samples


def numbers(start: Start) -> list[np.ndarray]:
    """Everything that was drawn, as arrays."""
    weights = [value.detach().numpy().copy() for value in start.model.parameters()]
    return [start.mask, start.targets, *weights]


def equal(one: Start, other: Start) -> list[bool]:
    """Part by part: mask, targets, embedding, decoder."""
    return [np.array_equal(a, b) for a, b in zip(numbers(one), numbers(other), strict=True)]


@pytest.mark.parametrize(("d", "seed", "n_train"), [(1, 58, 45), (2, 0, 1), (1, 7, 55)])
def test_reference_init_is_the_official_order_of_draws(d: int, seed: int, n_train: int) -> None:
    """By hand, with the global generators as the official code uses them."""
    numpy_state, torch_state = np.random.get_state(), torch.get_rng_state()
    try:
        np.random.seed(seed)
        torch.manual_seed(seed)
        targets = np.random.normal(0, 1, (19, 30))
        chosen = np.random.choice(55, n_train, replace=False)
        embedding = torch.rand(10, d) - 1 / 2
        layers = [torch.nn.Linear(d, 200), torch.nn.Linear(200, 200), torch.nn.Linear(200, 30)]
    finally:
        np.random.set_state(numpy_state)
        torch.set_rng_state(torch_state)
    start = draw(RunConfig(p=10, d=d, seed=seed, n_train=n_train, init="reference"))
    np.testing.assert_array_equal(start.targets, targets)
    np.testing.assert_array_equal(np.flatnonzero(start.mask), np.sort(chosen))
    expected = [embedding, *(value for layer in layers for value in (layer.weight, layer.bias))]
    for value, wanted in zip(start.model.parameters(), expected, strict=True):
        assert torch.equal(value, wanted)


def test_reference_sets_are_nested() -> None:
    """One seed, growing sizes: each training set holds the smaller ones, all else is shared."""
    starts = [draw(RunConfig(seed=3, n_train=n, init="reference")) for n in range(1, 56)]
    for smaller, larger in itertools.pairwise(starts):
        assert np.all(larger.mask[smaller.mask])
        assert all(equal(smaller, larger)[1:])


@pytest.mark.parametrize("init", ["default", "reference"])
@pytest.mark.parametrize("loss", ["mse", "ce"])
def test_draw_leaves_the_global_generators_alone(init, loss) -> None:
    """Drawing a run must not change what another part of the program draws next."""
    legacy, modern = np.random.get_state(legacy=False), torch.get_rng_state()
    draw(RunConfig(init=init, loss=loss))
    assert str(np.random.get_state(legacy=False)) == str(legacy)
    assert torch.equal(torch.get_rng_state(), modern)


@given(st.integers(0, 2**32 - 1), st.integers(1, 55), st.sampled_from(["default", "reference"]))
@settings(max_examples=20, deadline=None)
def test_draw_is_deterministic(seed: int, n_train: int, init) -> None:
    """One configuration is one run, and |D| samples are chosen."""
    config = RunConfig(seed=seed, n_train=n_train, init=init)
    start = draw(config)
    assert all(equal(start, draw(config)))
    assert start.mask.sum() == n_train


@given(
    st.fixed_dictionaries(
        {
            "repr_lr": st.floats(1e-6, 1),
            "decoder_lr": st.floats(1e-6, 1),
            "repr_wd": st.floats(0, 10),
            "decoder_wd": st.floats(0, 10),
            "repr_optimizer": st.sampled_from(["adamw", "sgd"]),
            "budget": st.integers(1, 10**6),
            "dtype": st.sampled_from(["float32", "float64"]),
        }
    ),
    st.sampled_from(["default", "reference"]),
)
@settings(max_examples=20, deadline=None)
def test_how_a_run_is_trained_does_not_change_how_it_starts(training: dict, init) -> None:
    """So runs that differ in a learning rate, say, are paired."""
    config = RunConfig(seed=11, init=init)
    assert all(equal(draw(config), draw(dataclasses.replace(config, **training))))


@pytest.mark.parametrize("other", [{"seed": 1}, {"n_train": 44}])
def test_default_init_is_independent_across_seeds_and_sizes(other: dict) -> None:
    """Every part differs, the weights too."""
    base = RunConfig(seed=0, n_train=45)
    assert not any(equal(draw(base), draw(dataclasses.replace(base, **other))))


def test_default_streams_are_different_streams() -> None:
    """(seed, n_train) is not their sum, nor does the order not matter."""
    one, two = draw(RunConfig(seed=20, n_train=30)), draw(RunConfig(seed=30, n_train=20))
    assert not any(equal(one, two))
    assert not np.array_equal(one.targets, draw(RunConfig(seed=21, n_train=29)).targets)


@pytest.mark.parametrize("init", ["default", "reference"])
def test_init_scale_scales_the_embedding_only(init) -> None:
    """Uniform in [-s/2, s/2], by a factor on the same numbers."""
    one = numbers(draw(RunConfig(init=init, d=2)))
    four = numbers(draw(RunConfig(init=init, d=2, init_scale=4)))
    np.testing.assert_array_equal(four[2], 4 * one[2])  # a power of two: no rounding
    for index in (0, 1, 3, 4, 5, 6, 7, 8):
        np.testing.assert_array_equal(one[index], four[index])
    assert np.abs(one[2]).max() <= 0.5


def test_targets() -> None:
    """Regression: a random vector a class. Classification: one-hot, and as many outputs as classes."""
    assert draw(RunConfig(p=10, n_outputs=7)).targets.shape == (19, 7)
    start = draw(RunConfig(p=10, loss="ce"))
    np.testing.assert_array_equal(start.targets, np.eye(19))
    assert start.model(torch.tensor(samples(10))).shape == (55, 19)


@pytest.mark.parametrize("p", [2, 3, 10])
def test_the_task_is_addition_in_the_official_order(p: int) -> None:
    """(0,0), (0,1) .. (0,p-1), (1,1) .. and their sums, not modular."""
    config = RunConfig(p=p, n_train=1)
    task = addition_task(config)
    assert list(map(tuple, task.pairs.tolist())) == samples(p)
    assert task.results.tolist() == [i + j for i, j in samples(p)]
    assert len(task.results) == config.n_samples


def test_the_network_is_an_mlp_on_the_sum() -> None:
    """f(E_i + E_j) by explicit matrix products; tanh between, none at the end; i, j in either order."""
    config = RunConfig(d=2, depth=3, width=8)
    model = draw(config).model
    pairs = torch.tensor(samples(10))
    x = (model.embedding[pairs[:, 0]] + model.embedding[pairs[:, 1]]).detach().numpy()
    layers = [value.detach().numpy() for name, value in model.named_parameters() if name != "embedding"]
    for weight, bias in zip(layers[0:-2:2], layers[1:-2:2], strict=True):
        x = np.tanh(x @ weight.T + bias)
    x = x @ layers[-2].T + layers[-1]
    np.testing.assert_allclose(model(pairs).detach().numpy(), x, rtol=1e-4, atol=1e-6)
    assert torch.equal(model(pairs), model(pairs.flip(1)))
