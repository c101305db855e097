"""Sparse parity: each lane against a twin in torch's own layers and losses, the samples
as numbers, a parity that is known exactly, and a network that learns late.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from neural.ensemble import BATCHES, Ensemble
from neural.families.parity import Parity, ParityConfig, samples, signs_of
from neural.history import History
from neural.training import train_run
from tests.neural.reference import batches_of
from tests.neural.test_ensemble import run_all
from tests.neural.twins import Twin, arrays_of, assert_run_is, copy_layers

SMALL = ParityConfig(n=9, n_train=40, n_test=30, width=12, batch_size=7, look_every=15, budget=60)


def as_signs(codes: np.ndarray, n: int) -> np.ndarray:
    """By the binary digits as text."""
    return np.array([[-1.0 if digit == "1" else 1.0 for digit in f"{code:0{n}b}"[::-1]] for code in codes.tolist()])


def assert_twin_agrees(config: ParityConfig, run: History) -> None:
    """By nn.Linear and torch's losses and optimisers."""
    begin, kind = Parity.start(config), getattr(torch, config.dtype)
    layers = {"hidden": nn.Linear(config.n, config.width), "output": nn.Linear(config.width, 1)}
    copy_layers(layers, begin.model)
    model = nn.Sequential(layers["hidden"], nn.ReLU(), layers["output"]).to(kind)

    def measured(codes: Any) -> tuple[torch.Tensor, ...]:
        codes = begin.lane["codes"] if codes is None else codes
        signs = torch.as_tensor(as_signs(codes, config.n), dtype=kind)
        odd = (signs[:, : config.k] < 0).sum(1) % 2 == 1
        outputs = model(signs)[:, 0]
        right = torch.where(odd, outputs < 0, outputs > 0)
        if config.loss == "ce":
            return right, functional.binary_cross_entropy_with_logits(outputs, (~odd).to(kind), reduction="none")
        labels, zeros = torch.where(odd, -1, 1), torch.zeros_like(outputs)
        return right, functional.margin_ranking_loss(outputs, zeros, labels, margin=1, reduction="none")

    traces, right = Twin(config, begin, model, measured).train()
    assert_run_is(run, traces, arrays_of(layers), right)


def mixed(**shared: Any) -> list[ParityConfig]:
    """Three runs that differ in all that an ensemble may mix."""
    base = replace(SMALL, **shared)
    return [
        replace(base, seed=1, init_scale=2.0),
        replace(base, seed=2, weight_decay=0.5, learning_rate=0.3),
        replace(base, seed=3, optimizer="adamw", learning_rate=1e-2, weight_decay=0.3),
    ]


@pytest.mark.parametrize(
    "shared",
    [{}, {"loss": "ce", "k": 1}, {"online": True}, {"online": True, "batch_size": None, "loss": "ce"}, {"n": 62}],
    ids=str,
)
def test_lanes_are_separate_runs(shared: dict[str, Any]) -> None:
    """The block of batches drawn ahead is used up."""
    assert SMALL.budget > BATCHES
    for config, run in run_all(mixed(dtype="float64", **shared), lanes=3).items():
        assert_twin_agrees(config, run)


@given(st.integers(1, 62), st.data())
def test_a_sample_is_its_bits(n: int, data: st.DataObject) -> None:
    """All of them, also the 62nd."""
    codes = np.array(data.draw(st.lists(st.integers(0, 2**n - 1), min_size=1, max_size=20)))
    found = signs_of(torch.as_tensor(codes), n, torch.float32)
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found, as_signs(codes, n))


@settings(max_examples=30)
@given(
    *(st.integers(3, 62), st.integers(1, 50), st.integers(0, 50), st.integers(1, 50), st.integers(0, 2**32 - 1)),
    st.booleans(),
)
def test_what_a_seed_fixes(n: int, n_train: int, more: int, n_test: int, seed: int, online: bool) -> None:
    """Test samples, nested training sets without any of these, the same initial weights
    up to their scale; no sample comes twice.
    """
    room = 2**n
    n_test = min(n_test, room - 1)
    n_train = min(n_train, room - n_test)
    more = min(more, room - n_test - n_train)
    small = replace(SMALL, n=n, n_train=n_train, n_test=n_test, seed=seed, batch_size=None)
    large = replace(small, n_train=n_train + more, init_scale=2.0, width=12, k=1, loss="ce", online=online)
    one, other = Parity.start(small), Parity.start(large)
    assert len(np.unique(other.lane["codes"])) == large.n_samples
    assert (other.lane["codes"] < 2**n).all()
    np.testing.assert_array_equal(one.lane["codes"][:n_train], other.lane["codes"][:n_train])
    np.testing.assert_array_equal(one.lane["codes"][n_train:], other.lane["codes"][n_train + more :])
    assert one.mask.tolist() == [True] * n_train + [False] * n_test
    for value, larger in zip(one.model.parameters(), other.model.parameters(), strict=True):
        torch.testing.assert_close(larger, 2 * value)
    signs, labels = samples(small)
    np.testing.assert_array_equal(signs, as_signs(one.lane["codes"], n))
    np.testing.assert_array_equal(labels, signs[:, 0] * signs[:, 1] * signs[:, 2])


def test_batches() -> None:
    """Of the training samples, each once in an epoch; or of what was never seen, all
    signs drawn alike.
    """
    begun = Parity.start(SMALL)
    trained = begun.lane["codes"][:40]
    epochs = np.concatenate(list(islice(batches_of(begun), 40))).reshape(7, 40)
    assert all(sorted(epoch) == sorted(trained) for epoch in epochs)
    assert Parity.start(replace(SMALL, batch_size=None)).batches is None
    config = replace(SMALL, n=62, online=True)
    fresh = np.concatenate(list(islice(batches_of(Parity.start(config)), 500)))
    assert fresh.shape == (3_500,)
    assert len(np.unique(fresh)) == 3_500
    assert np.abs(as_signs(fresh, 62).mean(0)).max() < 5 / 3_500**0.5
    assert next(batches_of(Parity.start(replace(config, batch_size=None)))).shape == (40,)


@pytest.mark.parametrize("loss", ["hinge", "ce"])
def test_a_parity_of_three_neurons(loss: Any) -> None:
    """The product of two signs is 2 |x1 + x2| / 2 - 1: three ReLUs have all samples
    right, with exact losses.
    """
    config = ParityConfig(n=6, k=2, n_train=30, n_test=34, width=3, loss=loss, batch_size=None)
    begun = Parity.start(config)
    weights = {"hidden": torch.zeros(3, 6), "hidden_bias": torch.zeros(3)}
    weights |= {"output": torch.tensor([[1.0, 1.0, 0.0]]), "output_bias": torch.tensor([-1.0])}
    weights["hidden"][0, :2], weights["hidden"][1, :2] = 1, -1
    begun.model.load_state_dict(weights)
    other = Parity.start(config)
    metrics, correct, _ = Ensemble(Parity, [begun, other], [config] * 2, "cpu", compiled=False).evaluate()
    assert correct[0].all()
    assert metrics[0, :2].tolist() == [1, 1]
    wanted = 0.0 if loss == "hinge" else float(np.log1p(np.exp(-1)))
    np.testing.assert_allclose(metrics[0, 2:4], wanted, rtol=1e-6)
    assert float(metrics[0, 4]) == pytest.approx((4 + 2 + 1) ** 0.5)
    broken = Parity.start(config)
    broken.model.load_state_dict(weights | {"output_bias": torch.tensor([np.nan])})
    _, correct, _ = Ensemble(Parity, [broken, begun], [config] * 2, "cpu", compiled=False).evaluate()
    assert not correct[0].any()
    assert correct[1].all()


def test_initial_weights_have_their_sizes() -> None:
    """Within 1/sqrt(number of inputs), as torch's linear layers."""
    model = Parity.start(ParityConfig(n=25, width=900)).model
    for name, limit in (("hidden", 0.2), ("hidden_bias", 0.2), ("output", 1 / 30)):
        value = model.get_parameter(name).detach()
        assert float(value.abs().max()) == pytest.approx(limit, rel=2e-2)
        assert float(value.std()) == pytest.approx(limit / 3**0.5, rel=0.1)


def test_a_parity_is_learned_late() -> None:
    """2 of 16 signs: the training samples long before the others; the run ends when
    nothing is left to see.
    """
    config = ParityConfig(n=16, k=2, n_train=60, n_test=200, width=40, budget=4_000, weight_decay=0.03)
    for run in run_all([replace(config, seed=seed) for seed in range(4)]).values():
        assert run.steps_to_test_95 > 2 * run.steps_to_train  # found: four times
        assert run.retired
        assert run.steps_run < config.budget
    names = ["steps_to_train", "steps_to_train_99", "steps_to_test_75", "steps_to_test", "steps_to_test_95"]
    assert list(train_run(SMALL).summary())[:5] == names
