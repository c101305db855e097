"""Modular addition: its lanes are separate runs, held against plain networks one at a
time (twins.py); its metrics, checkpoints and dropout; and the one object of it that
is known exactly.
"""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import vmap
from torch.utils.flop_counter import FlopCounterMode

from neural.config import ConfigError
from neural.counting import count
from neural.ensemble import BATCHES, Ensemble
from neural.families.modular import (
    Modular,
    ModularConfig,
    correct_samples,
    task,
)
from neural.layers import dropout
from neural.supervised import index_batches
from neural.training import train_run, train_runs
from tests.neural.reference import batches_of, plain_results
from tests.neural.test_ensemble import assert_same_bits, run_all
from tests.neural.twins import assert_run_is, modular_twin

ROOT = Path(__file__).parents[2]
SMALL = ModularConfig(p=7, fraction=0.6, width=24, d=8, heads=2, mlp=20, look_every=15, budget=60)
TRANSFORMER = dataclasses.replace(SMALL, network="transformer")
PERCEPTRON = dataclasses.replace(SMALL, network="perceptron")
NETWORKS = pytest.mark.parametrize("base", [SMALL, TRANSFORMER, PERCEPTRON], ids=lambda base: base.network)


def mixed(base: ModularConfig, **shared: Any) -> list[ModularConfig]:
    """Runs of one shape that differ in everything an ensemble may mix."""
    base = dataclasses.replace(base, **shared)
    return [
        dataclasses.replace(base, seed=1),
        dataclasses.replace(
            base, seed=2, learning_rate=1e-2, weight_decay=3.0, warmup=20, init_scale=0.5, epsilon=1e-3
        ),
        dataclasses.replace(base, seed=3, embedding_lr=1e-2, embedding_wd=0.0, weight_decay=3.0, decay_until=20),
        dataclasses.replace(
            base, seed=4, optimizer="sgd", learning_rate=0.1, embedding_wd=0.3, init_scale=1.5, decay_until=0
        ),
        dataclasses.replace(base, seed=5, optimizer="sgd", learning_rate=0.3, weight_decay=0.0, warmup=70),
    ]


@pytest.mark.parametrize(
    "shared",
    [
        {"inputs": "one-hot"},
        {"inputs": "one-hot", "activation": "relu", "loss": "mse", "batch_size": 8},
        {"inputs": "embeddings", "loss": "mse", "constrained": True},
        {"inputs": "embeddings", "activation": "relu", "batch_size": 29, "beta2": 0.999},
        {"inputs": "sum", "dropout": 0.3},
        {"inputs": "sum", "activation": "relu", "loss": "mse", "batch_size": 5, "constrained": True, "beta2": 0.9},
        {"network": "transformer"},
        {"network": "transformer", "loss": "mse", "batch_size": 8, "constrained": True},
        {"network": "transformer", "dropout": 0.2, "heads": 1, "batch_size": 11},
        {"network": "perceptron"},
        {"network": "perceptron", "loss": "mse", "dropout": 0.3, "batch_size": 8, "constrained": True},
        {"operation": "addition", "loss": "mse"},
        {"operation": "addition", "network": "transformer"},
        {"operation": "division", "network": "perceptron", "batch_size": 8},
        {"operation": "symmetric", "p": 6, "inputs": "embeddings", "activation": "relu"},
        {"operation": "dihedral", "p": 8, "network": "perceptron"},
    ],
    ids=lambda shared: ",".join(map(str, shared.values())),
)
def test_lanes_are_separate_runs(shared: dict[str, Any]) -> None:
    """Five different runs in five lanes, each against its own twin; the block of
    batches drawn ahead is used up.
    """
    assert SMALL.budget > BATCHES
    for config, run in run_all(mixed(SMALL, dtype="float64", **shared), lanes=5).items():
        twin, model = modular_twin(config)
        traces, right = twin.train()
        weights = {name: value.detach().numpy() for name, value in model.arrays().items()}
        assert_run_is(run, traces, weights, right)


@st.composite
def small_runs(draw_from: st.DrawFn) -> list[ModularConfig]:
    """One to three runs of one small shape, everything else free."""
    p = draw_from(st.integers(2, 6))
    groups = {6: ["symmetric", "dihedral"], 4: []}.get(p, ["division"])
    operation = draw_from(st.sampled_from(["modular_addition", "addition", *groups]))
    n_samples = p * (p - 1) if operation == "division" else p**2
    n_train = draw_from(st.integers(1, n_samples))
    heads = draw_from(st.integers(1, 3))
    look_every = draw_from(st.integers(2, 5))
    shared: dict[str, Any] = {
        "p": p,
        "fraction": n_train / n_samples,
        "operation": operation,
        "network": draw_from(st.sampled_from(["hidden", "perceptron", "transformer"])),
        "inputs": draw_from(st.sampled_from(["one-hot", "embeddings", "sum"])),
        "activation": draw_from(st.sampled_from(["square", "relu"])),
        "loss": draw_from(st.sampled_from(["ce", "mse"])),
        "width": draw_from(st.sampled_from([1, 8])),
        "heads": heads,
        "d": heads * draw_from(st.integers(1, 3)),
        "mlp": draw_from(st.sampled_from([1, 8])),
        "beta2": draw_from(st.sampled_from([0.5, 0.98])),
        "dropout": draw_from(st.sampled_from([0.0, 0.5])),
        "batch_size": draw_from(st.none() | st.integers(1, n_train)),
        "constrained": draw_from(st.booleans()),
        "look_every": look_every,
        "dtype": "float64",
    }
    rates, decays = st.floats(1e-4, 3e-2), st.sampled_from([0.0, 0.1, 3.0])
    one = st.builds(
        ModularConfig,
        seed=st.integers(0, 2**32 - 1),
        learning_rate=rates,
        embedding_lr=st.none() | rates,
        weight_decay=decays,
        embedding_wd=st.none() | decays,
        warmup=st.sampled_from([0, 1, 3, 50]),
        epsilon=st.sampled_from([1e-8, 1e-4, 1.0]),
        decay_until=st.none() | st.integers(0, 10),
        optimizer=st.sampled_from(["adamw", "sgd"]),
        init_scale=st.floats(0.3, 2),
        budget=st.integers(1, 4).map(lambda n: n * look_every),
        **{name: st.just(value) for name, value in shared.items()},
    )
    return draw_from(st.lists(one, min_size=1, max_size=3))


@settings(max_examples=15)
@given(small_runs())
def test_any_ensemble_is_separate_runs(configs: list[ModularConfig]) -> None:
    """The same, for whatever hypothesis thinks of: one training sample, one head of one
    dimension, all trained on.
    """
    for history in train_runs(configs, device="cpu", compiled=False):
        traces, _ = modular_twin(history.config)[0].train()
        for name in ("train_loss", "test_loss", "weight_norm"):
            np.testing.assert_allclose(history.traces[name], traces[name], rtol=1e-6, atol=1e-9, err_msg=name)


@NETWORKS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_constrained_run_keeps_its_norm(base: ModularConfig, dtype: str) -> None:
    """That of its start, of all tensors, each counted once; another lane has another
    one, and a free run leaves it.
    """
    held = mixed(base, constrained=True, inputs="embeddings", dtype=dtype, look_every=4, budget=8)
    for config, run in run_all(held).items():
        weights = [value.detach().double().numpy().ravel() for value in Modular.start(config).model.parameters()]
        norm = np.linalg.norm(np.concatenate(weights))
        close = {"float32": 3e-6, "float64": 1e-13}[dtype]
        np.testing.assert_allclose(run.weight_norm, norm, rtol=close)
        last = np.concatenate([values[-1].ravel() for values in run.checkpoints.values()])
        np.testing.assert_allclose(np.linalg.norm(last), norm, rtol=close)
        free = train_run(dataclasses.replace(config, constrained=False))
        assert (np.abs(free.weight_norm[1:] / norm - 1) > 1e-5).all()


def kept(rate: float, seed: int, step: int, site: int, n: int = 20_000) -> torch.Tensor:
    """Which of n activations are not 0."""
    return dropout(torch.ones(n), rate, torch.tensor(seed), torch.tensor(step), site) != 0


def assert_unrelated(one: torch.Tensor, other: torch.Tensor) -> None:
    """Two bits of one rate are uncorrelated, within five standard errors."""
    here, there = one.double(), other.double()
    assert abs(float(torch.corrcoef(torch.stack([here, there]))[0, 1])) < 5 / len(here) ** 0.5


rates = st.floats(0.05, 0.95)
words = st.integers(0, 2**32 - 2)
steps = st.integers(0, 10**6) | st.integers(0, 10)


@given(rates, words, steps, st.integers(0, 1))
def test_dropout_drops_at_its_rate_and_keeps_the_mean(rate: float, seed: int, step: int, site: int) -> None:
    """Zeros within five standard errors of the rate; what is left is divided by its
    share; the same once more.
    """
    values = torch.linspace(1, 2, 20_000, dtype=torch.float64).view(100, 200)
    dropped = dropout(values, rate, torch.tensor(seed), torch.tensor(step), site)
    is_kept = dropped != 0
    np.testing.assert_allclose(dropped[is_kept], values[is_kept] / (1 - rate), rtol=1e-15)
    error = (rate * (1 - rate) / values.numel()) ** 0.5
    assert abs(float((~is_kept).double().mean()) - rate) < 5 * error
    spread = float(values.square().mean() * rate / (1 - rate) / values.numel()) ** 0.5
    assert abs(float(dropped.mean() - values.mean())) < 5 * spread
    assert torch.equal(dropped, dropout(values, rate, torch.tensor(seed), torch.tensor(step), site))
    assert torch.equal(is_kept.flatten(), kept(rate, seed, step, site))


@given(rates, words, steps)
def test_noise_is_unrelated(rate: float, seed: int, step: int) -> None:
    """To that of the next seed, the next step, the other site, and to itself a few
    places or a row further.
    """
    noise = kept(rate, seed, step, 0)
    for other in ((seed + 1, step, 0), (seed, step + 1, 0), (seed, step, 1), (seed ^ 1 << 31, step, 0)):
        assert_unrelated(noise, kept(rate, *other))
    for further in (1, 2, 3, 4, 8, 24, 64, 128, 512):
        assert_unrelated(noise[further:], noise[:-further])
        assert_unrelated(noise[further:], kept(rate, seed, step + 1, 0)[:-further])


def test_noise_of_a_place_is_unrelated_from_step_to_step() -> None:
    """One activation over the steps, and two beside each other."""
    noise = torch.stack([kept(0.3, 11, step, 0, n=40) for step in range(5_000)])
    assert abs(float(noise.double().mean()) - 0.7) < 5 * (0.21 / noise.numel()) ** 0.5
    for place in range(39):
        assert_unrelated(noise[1:, place], noise[:-1, place])
        assert_unrelated(noise[:, place], noise[:, place + 1])


def test_every_lane_has_its_own_noise() -> None:
    """Under vmap as alone; no dropout is none; a gradient flows where the activation
    was kept.
    """
    seeds, at = torch.tensor([3, 4, 2**32 - 1]), torch.tensor([0, 7, 7])
    values = torch.rand(3, 5, 8, dtype=torch.float64)
    together = vmap(lambda x, seed, step: dropout(x, 0.4, seed, step, 1))(values, seeds, at)
    for lane in range(3):
        assert torch.equal(together[lane], dropout(values[lane], 0.4, seeds[lane], at[lane], 1))
    assert dropout(values, 0.0, seeds[0], at[0], 0) is values
    x = values[0].clone().requires_grad_()
    dropout(x, 0.4, seeds[0], at[0], 1).sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad, (together[0] != 0) / 0.6)


@NETWORKS
def test_evaluations_are_without_dropout(base: ModularConfig) -> None:
    """A run that learns nothing looks the same at every step, and as one without
    dropout does.
    """
    frozen = dataclasses.replace(base, learning_rate=1e-30, weight_decay=0.0, budget=30)
    plain, noisy = train_run(frozen), train_run(dataclasses.replace(frozen, dropout=0.9))
    for name, values in plain.traces.items():
        np.testing.assert_array_equal(noisy.traces[name], values, err_msg=name)
        assert (values == values[0]).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"look_every": 0}, "`look_every` must be an integer of at least 1, but is 0."),
        ({"fraction": 0}, "`fraction` must be a finite number above 0, but is 0."),
        ({"fraction": 1.5}, "`fraction` must be at most 1, but is 1.5."),
        ({"fraction": float("nan")}, "`fraction` must be a finite number above 0, but is nan."),
        ({"p": 5, "fraction": 0.01}, "`fraction` must leave a sample of 25 to train on, but is 0.01."),
        ({"p": 1}, "`p` must be an integer of at least 2, but is 1."),
        ({"network": "transformer", "d": 10}, "`d` must be a multiple of heads = 4, but is 10."),
        ({"batch_size": 0}, "`batch_size` must be an integer of at least 1, but is 0."),
        ({"dropout": 1.0}, "`dropout` must be below 1, but is 1.0."),
        ({"dropout": -0.1}, "`dropout` must be a finite number at least 0, but is -0.1."),
        ({"beta2": 0.9999}, "`beta2` must be at most 0.999, but is 0.9999."),
        ({"network": "mlp"}, "`network` must be one of hidden, perceptron, transformer, but is 'mlp'."),
        ({"constrained": 1}, "`constrained` must be one of False, True, but is 1."),
        ({"seed": 2**32}, "`seed` must be below 2^32, but is 4294967296."),
        ({"embedding_lr": 0}, "`embedding_lr` must be a finite number above 0, but is 0."),
        ({"epsilon": 0}, "`epsilon` must be a finite number above 0, but is 0."),
        ({"decay_until": -1}, "`decay_until` must be an integer of at least 0, but is -1."),
        ({"decay_until": 2**32}, "`decay_until` must be below 2^32, but is 4294967296."),
        ({"decay_until": 1.5}, "`decay_until` must be an integer of at least 0, but is 1.5."),
        ({"operation": "division", "p": 9}, "`p` must be a prime for operation division, but is 9."),
        ({"operation": "symmetric", "p": 31}, "`p` must be one of 6, 24, 120 for operation symmetric, but is 31."),
        (
            {"operation": "dihedral", "p": 7},
            "`p` must be an even number of at least 6 for operation dihedral, but is 7.",
        ),
        (
            {"operation": "dihedral", "p": 4},
            "`p` must be an even number of at least 6 for operation dihedral, but is 4.",
        ),
        (
            {"operation": "division", "p": 5, "fraction": 0.02},
            "`fraction` must leave a sample of 20 to train on, but is 0.02.",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_trained_is_one_line(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ModularConfig(**arguments)
    assert str(caught.value) == message


def test_numbers_are_one_value() -> None:
    """1 and 1.0 are one run; heads matter to a transformer alone."""
    assert repr(ModularConfig(fraction=1, weight_decay=2)) == repr(ModularConfig(fraction=1.0, weight_decay=2.0))
    assert ModularConfig(d=10).d == 10
    assert ModularConfig(p=31, fraction=0.4).n_train == 384


@NETWORKS
def test_a_run_starts_from_its_seed_alone(base: ModularConfig) -> None:
    """How it is trained changes nothing of it; another seed or size all; the global
    generators stand still.
    """

    def parts(config: ModularConfig) -> list[np.ndarray]:
        begun = Modular.start(config)
        return [begun.mask, begun.lane["noise"], *(value.detach().numpy() for value in begun.model.parameters())]

    legacy, modern = np.random.get_state(legacy=False), torch.get_rng_state()
    first = parts(base)
    assert str(np.random.get_state(legacy=False)) == str(legacy)
    assert torch.equal(torch.get_rng_state(), modern)
    assert first[0].sum() == base.n_train
    for other in (
        base,
        dataclasses.replace(base, learning_rate=1.0, batch_size=3, dropout=0.5, optimizer="sgd", budget=15),
        dataclasses.replace(base, loss="mse", constrained=True, dtype="float64", beta2=0.5, warmup=3),
    ):
        assert all(np.array_equal(a, b) for a, b in zip(first, parts(other), strict=True))
    for other in (dataclasses.replace(base, seed=1), dataclasses.replace(base, fraction=0.5)):
        same = [np.array_equal(a, b) for a, b in zip(first, parts(other), strict=True) if a.any() or b.any()]
        assert not any(same)  # biases are 0
    doubled = parts(dataclasses.replace(base, init_scale=2.0))
    assert all(np.array_equal(2 * a, b) for a, b in zip(first[2:], doubled[2:], strict=True))


def test_initial_weights_have_their_sizes() -> None:
    """torch's linear layers for the hidden one; variances 1/d and 1/p for the
    transformer.
    """
    wide = ModularConfig(p=50, d=64, width=200, mlp=200, inputs="embeddings")
    hidden = {name: value.detach() for name, value in Modular.start(wide).model.named_parameters()}
    assert hidden["hidden"].shape == (2, 64, 200)
    for name, n_inputs in (("hidden", 128), ("output", 200)):
        assert float(hidden[name].abs().max()) == pytest.approx(n_inputs**-0.5, rel=1e-2)
    assert float(hidden["embedding"].std()) == pytest.approx(1, rel=0.05)
    one_hot = dict(Modular.start(dataclasses.replace(wide, inputs="one-hot")).model.named_parameters())
    assert float(one_hot["hidden"].detach().abs().max()) == pytest.approx(0.1, rel=1e-2)
    for name, value in Modular.start(dataclasses.replace(wide, network="transformer")).model.named_parameters():
        if name.endswith("bias"):
            assert not value.any()
        else:
            wanted = 50**-0.5 if name == "output" else 64**-0.5
            assert float(value.detach().std()) == pytest.approx(wanted, rel=0.15), name


@given(st.sets(st.integers(0, 200), min_size=1, max_size=40), st.data())
def test_an_epoch_takes_every_training_sample_once(chosen: set[int], data: st.DataObject) -> None:
    """Batches of one size, in a row, are epochs in a row; each epoch anew."""
    trained = np.array(sorted(chosen))
    size = data.draw(st.integers(1, len(trained)))
    seed = data.draw(st.integers(0, 2**32 - 1))
    n = len(trained)
    endless = index_batches(trained, size, np.random.default_rng(seed))
    assert endless is not None
    batches = list(itertools.islice(endless, 3 * n))
    assert {batch.shape for batch in batches} == {(size,)}
    epochs = np.concatenate(batches).reshape(-1, n)[:3]
    for epoch in epochs:
        assert sorted(epoch) == sorted(chosen)
    if n > 12:
        assert not np.array_equal(epochs[0], epochs[1])


def test_no_batch_is_left_out() -> None:
    """The updates begin with the first batch of the first epoch; a form without them is
    the whole training set.
    """
    config = dataclasses.replace(SMALL, batch_size=5)
    begun = Modular.start(config)
    assert begun.batch.shape == (5,)
    stream = np.concatenate(list(itertools.islice(batches_of(begun), 20)))
    trained = np.flatnonzero(begun.mask).tolist()
    assert sorted(stream[: config.n_train].tolist()) == trained
    whole = Modular.start(SMALL)
    assert whole.batches is None
    assert whole.batch.tolist() == np.flatnonzero(whole.mask).tolist()


def test_a_run_is_looked_at_every_few_steps() -> None:
    """From the start to the end of the budget; a threshold's step is one of these."""
    config = dataclasses.replace(SMALL, look_every=5, budget=35, learning_rate=0.03)
    run = train_run(config)
    assert run.steps.tolist() == list(range(0, 40, 5))
    assert all(len(values) == 8 for values in run.traces.values())
    assert run.steps_run == 35
    assert not run.retired
    crossed = run.steps_to_train
    assert crossed is not None
    assert run.train_accuracy[run.steps == crossed] >= 0.9
    assert (run.train_accuracy[run.steps < crossed] < 0.9).all()
    assert run.steps_to_test is None
    assert list(run.summary())[:5] == [
        "steps_to_train",
        "steps_to_train_99",
        "steps_to_test_50",
        "steps_to_test",
        "steps_to_test_95",
    ]
    with pytest.raises(AttributeError, match="a History of ModularConfig has no 'rqi'"):
        _ = run.rqi


def test_a_settled_run_retires() -> None:
    """After so many evaluations with all right, and not one earlier; on_work counts
    its whole budget.
    """
    config = dataclasses.replace(SMALL, p=5, fraction=1.0, look_every=2, budget=400, learning_rate=0.03, seed=1)
    goes_on = dataclasses.replace(config, seed=2, learning_rate=1e-5, budget=40)
    counts: list[float] = []
    runs = {run.config: run for run in train_runs([config, goes_on], "cpu", compiled=False, on_work=counts.append)}
    run = runs[config]
    assert run.retired
    assert run.steps_run < config.budget
    assert (run.train_accuracy[-Modular.SETTLED :] == 1).all()
    assert run.train_accuracy[-Modular.SETTLED - 1] < 1
    assert np.isnan(run.test_accuracy).all()
    assert run.summary()["test_accuracy"] is None
    assert run.checkpoint_steps[-1] == run.steps_run
    assert not runs[goes_on].retired
    assert sum(counts) == pytest.approx((config.budget + goes_on.budget) * count(config).operations)
    assert min(counts) >= 0


@NETWORKS
def test_checkpoints(base: ModularConfig) -> None:
    """All weights, at logarithmic steps; the first are the start's."""
    config = dataclasses.replace(base, look_every=2, budget=40, dtype="float64")
    run = train_run(config)
    assert run.checkpoint_steps.tolist() == Modular.checkpoints(config).tolist()
    begun = dict(Modular.start(config).model.named_parameters())
    assert run.checkpoints.keys() == begun.keys()
    for name, values in run.checkpoints.items():
        assert values.shape == (len(run.checkpoint_steps), *begun[name].shape)
        assert values.dtype == np.float64
        np.testing.assert_array_equal(values[0], begun[name].detach().numpy(), err_msg=name)
    for earlier, later in itertools.pairwise(run.checkpoints["output"]):
        assert not np.array_equal(earlier, later)
    norms = np.sqrt(sum((values.reshape(len(values), -1) ** 2).sum(1) for values in run.checkpoints.values()))
    np.testing.assert_allclose(norms, run.weight_norm[run.checkpoint_steps // 2], rtol=1e-12)


def test_checkpoints_may_be_fewer_or_more() -> None:
    """The first and the last always; the run is the same."""
    base = dataclasses.replace(SMALL, look_every=2, budget=64)
    runs = {n: train_run(dataclasses.replace(base, checkpoints=n)) for n in (0, 1, 4)}
    assert runs[0].checkpoint_steps.tolist() == [0, 64]
    assert runs[1].checkpoint_steps.tolist() == [0, 2, 4, 8, 16, 32, 64]
    assert len(runs[4].checkpoint_steps) > 10
    for run in runs.values():
        np.testing.assert_array_equal(run.train_loss, runs[0].train_loss)
        for name, values in run.checkpoints.items():
            np.testing.assert_array_equal(values[[0, -1]], runs[0].checkpoints[name])


@given(st.integers(1, 1000), st.integers(1, 10**5))
def test_logarithmic(look_every: int, evaluations: int) -> None:
    """0, the first evaluation, the last; multiples of the first; about two an octave,
    none further apart.
    """
    found = Modular.checkpoints(SimpleNamespace(look_every=look_every, budget=evaluations * look_every, checkpoints=2))
    assert found[0] == 0
    assert found[1] == look_every
    assert found[-1] == evaluations * look_every
    assert not (found % look_every).any()
    assert (np.diff(found) > 0).all()
    assert len(found) <= 2 * np.log2(evaluations) + 3
    at = found[1:] // look_every
    assert (at[1:] <= 1.55 * at[:-1] + 1).all()


@pytest.mark.parametrize("seed", [0, 1])
def test_the_analytic_solution_is_right(seed: int) -> None:
    """Cosines of one frequency a hidden unit, with phases that add up: Gromov,
    "Grokking modular arithmetic".
    """
    p, width = 23, 512
    rng = np.random.default_rng(seed)
    frequency = 2 * np.pi / p * rng.integers(1, p, width)
    phases = rng.uniform(-np.pi, np.pi, (2, width))
    symbols = np.arange(p)[:, None]
    first, second = (np.cos(frequency * symbols + phase) for phase in phases)
    solution = np.cos(frequency * symbols + phases.sum(0))
    other = np.cos(frequency * symbols + phases[0] - phases[1])
    configs = [ModularConfig(p=p, width=width, seed=n) for n in range(2)]
    starts = [Modular.start(config) for config in configs]
    for begun, output in zip(starts, (solution, other), strict=True):
        with torch.no_grad():
            begun.model.get_parameter("hidden").copy_(torch.as_tensor(np.stack([first, second])))
            begun.model.get_parameter("output").copy_(torch.as_tensor(output))
    metrics, correct, _ = Ensemble(Modular, starts, configs, "cpu", compiled=False).evaluate()
    assert metrics[0, :2].tolist() == [1, 1]
    assert correct[0].all()
    assert float(correct[1].double().mean()) < 0.3


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"inputs": "embeddings"},
        {"inputs": "sum", "batch_size": 40},
        {"network": "transformer", "mlp": 64},
        {"network": "perceptron"},
    ],
    ids=str,
)
def test_operations_are_those_of_the_products(more: dict[str, Any]) -> None:
    """As torch counts them, forward and backward over a batch and forward over all
    samples, beside AdamW's 14.
    """
    config = ModularConfig(p=13, d=32, width=64, look_every=5, budget=5, **more)
    begun = Modular.start(config)
    pairs = torch.as_tensor(task(config)[0])
    batch = pairs[torch.as_tensor(begun.batch)]
    counted = 0.0
    with FlopCounterMode(display=False) as counter:
        begun.model(batch[:, 0], batch[:, 1]).logsumexp(0).sum().backward()
    counted += counter.get_total_flops()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        begun.model(pairs[:, 0], pairs[:, 1])
    counted += counter.get_total_flops() / config.look_every
    assert count(config).operations == pytest.approx(counted + 14 * count(config).n_parameters, rel=0.02)


@pytest.mark.parametrize(
    ("operation", "p"),
    [("modular_addition", 7), ("addition", 7), ("division", 7), ("symmetric", 24), ("dihedral", 10)],
)
def test_results(operation: Any, p: int) -> None:
    """All pairs in order, what each gives, and no output without a pair."""
    config = dataclasses.replace(SMALL, operation=operation, p=p)
    pairs, results = task(config)
    wanted = plain_results(operation, p)
    assert list(map(tuple, pairs.tolist())) == list(wanted)
    assert results.tolist() == list(wanted.values())
    assert len(results) == config.n_samples
    assert set(results.tolist()) == set(range(config.n_results))
    assert dataclasses.replace(config, fraction=1.0).n_train == config.n_samples


def test_a_task_that_division_shares_with_no_other() -> None:
    """Nothing is divided by 0; a network of it begins as one of addition with as many
    training samples does.
    """
    config = dataclasses.replace(SMALL, operation="division", fraction=0.5)
    pairs, results = task(config)
    assert len(pairs) == 42
    assert (pairs[:, 1] > 0).all()
    np.testing.assert_array_equal(results * pairs[:, 1] % 7, pairs[:, 0])
    begun, other = Modular.start(config), Modular.start(dataclasses.replace(SMALL, fraction=21 / 49))
    assert len(begun.mask) == 42
    assert begun.mask.sum() == other.mask.sum() == 21
    for one, another in zip(begun.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(one, another)


@given(st.integers(0, 12), st.sampled_from(["float32", "float64"]), st.integers(0, 8))
@settings(max_examples=20, deadline=None)
def test_decay_ends(until: int, dtype: Any, warmup: int) -> None:
    """SGD, and a gradient that is nothing beside the decay: all weights shrink by
    1 - lr wd min(1, t / warm-up) at update t up to the last one, the embeddings by
    their own; then they stay. A lane beside it never ends.
    """
    base = dataclasses.replace(SMALL, inputs="embeddings", optimizer="sgd", learning_rate=1e-12, dtype=dtype, budget=15)
    base = dataclasses.replace(base, weight_decay=1e10, embedding_wd=2e10, warmup=warmup)
    ending = dataclasses.replace(base, decay_until=until)
    rates = [1e-2 * min(1, t / max(warmup, 1)) for t in range(1, 16)]
    for config, run in run_all([ending, base]).items():
        for name, values in run.checkpoints.items():
            each = [1 - rate * (2 if name == "embedding" else 1) for rate in rates]
            left = np.prod(each[:until] if config is ending else each)
            np.testing.assert_allclose(values[-1], left * values[0], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_decay_that_ends_after_the_last_update_never_ends(optimizer: Any) -> None:
    """To the last bit; one that is over at once is none; and what SGD does knows no
    epsilon.
    """
    base = dataclasses.replace(SMALL, optimizer=optimizer, weight_decay=3.0, learning_rate=0.02)
    others = [dataclasses.replace(base, decay_until=until) for until in (60, 59, 0)]
    none = dataclasses.replace(base, weight_decay=0.0)
    large = dataclasses.replace(base, epsilon=1.0)
    runs = run_all([base, *others, none, large], lanes=6)
    last, earlier, never = (runs[one] for one in others)
    assert_same_bits(runs[base], last)
    assert_same_bits(runs[none], never)
    assert (runs[base].checkpoints["hidden"][-1] != earlier.checkpoints["hidden"][-1]).any()
    assert (runs[base].checkpoints["hidden"][-1] != runs[large].checkpoints["hidden"][-1]).any() == (
        optimizer == "adamw"
    )


@pytest.mark.parametrize(
    "more",
    [{}, {"inputs": "sum", "dropout": 0.5}, {"network": "transformer"}, {"network": "perceptron", "dropout": 0.2}],
    ids=str,
)
def test_what_checkpoints_get_right(more: dict[str, Any]) -> None:
    """At each of them, as measured in training; and of broken weights nothing."""
    config = dataclasses.replace(SMALL, operation="addition", learning_rate=1e-2, **more)
    run = train_run(config)
    assert run.correct.sum() > 0
    checkpoints = [
        {name: values[number] for name, values in run.checkpoints.items()}
        for number in range(len(run.checkpoint_steps))
    ]
    for step, weights in zip(run.checkpoint_steps, checkpoints, strict=True):
        right = correct_samples(config, weights)[run.mask]
        assert right.mean() == pytest.approx(run.train_accuracy[run.steps == step][0], abs=1e-6)
    last = checkpoints[-1]
    np.testing.assert_array_equal(correct_samples(config, last), run.correct)
    broken = last | {"output": np.full_like(last["output"], np.nan)}
    assert not correct_samples(config, broken).any()
