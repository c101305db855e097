"""Networks on real digits: each lane against a twin in torch's own layers, and what a
seed fixes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from neural.data.digits import digits
from neural.ensemble import Ensemble
from neural.families.digits import DigitsConfig, Images
from neural.history import History
from neural.training import train_run
from tests.neural.test_ensemble import run_all
from tests.neural.twins import Twin, arrays_of, assert_run_is, norm_of, perceptron_of

SMALL = DigitsConfig(data="small", n_train=30, n_test=20, width=12, batch_size=8, look_every=5, budget=60)


def assert_twin_agrees(config: DigitsConfig, run: History) -> None:
    """By nn.Linear and torch's optimisers, on images chosen before."""
    begin = Images.start(config)
    kind = getattr(torch, config.dtype)
    model, layers = perceptron_of(config.widths, nn.ReLU, begin.model)
    model.to(kind)
    found, chosen = digits(config.data), begin.lane["chosen"]
    x, y = torch.as_tensor(found.images[chosen], dtype=kind), torch.as_tensor(found.labels[chosen])
    if config.messiness < 1:
        x = torch.lerp(y[:, None].expand_as(x).to(kind) / 9, x, config.messiness)
    last_lr = config.learning_rate if config.last_lr is None else config.last_lr
    *others, last = layers.values()
    groups = [{"params": [value for layer in others for value in layer.parameters()]}] if others else []

    def measured(batch: Any) -> tuple[torch.Tensor, ...]:
        some = slice(None) if batch is None else torch.as_tensor(batch)
        outputs, wanted = model(x[some]), y[some]
        if config.loss == "ce":
            return outputs.argmax(1) == wanted, functional.cross_entropy(outputs, wanted, reduction="none")
        return outputs.argmax(1) == wanted, ((outputs - functional.one_hot(wanted, 10)) ** 2).mean(1)

    rates = [*groups, {"params": list(last.parameters()), "lr": last_lr}]
    traces, right = Twin(config, begin, model, measured, lambda: [norm_of(last.parameters())], rates).train()
    assert_run_is(run, traces, arrays_of(layers), right)


@pytest.mark.parametrize(
    "shared",
    [
        {},
        {"loss": "ce", "batch_size": None},
        {"constrained": True, "depth": 2},
        {"depth": 1, "loss": "ce", "batch_size": 30},
        {"depth": 4, "width": 5},
    ],
    ids=str,
)
def test_lanes_are_separate_runs(shared: dict[str, Any]) -> None:
    """Four runs that differ in all that an ensemble may mix."""
    base = replace(SMALL, dtype="float64", **shared)
    configs = [
        replace(base, seed=1),
        replace(base, seed=2, init_scale=3.0, learning_rate=1e-2, last_lr=1e-4, messiness=0.3),
        replace(base, seed=3, weight_decay=1.0, last_lr=1e-2),
        replace(base, seed=4, optimizer="sgd", learning_rate=0.1, init_scale=0.5),
    ]
    for config, run in run_all(configs, lanes=4).items():
        assert_twin_agrees(config, run)


def test_initial_weights_are_torchs() -> None:
    """Uniform within 1/sqrt(number of inputs), biases too: their size and spread."""
    model = Images.start(replace(SMALL, width=400)).model
    for name, n_in in (("layer_1", 64), ("layer_2", 400), ("last", 400)):
        for values in (model.get_parameter(name), model.get_parameter(f"{name}_bias")):
            assert values.abs().max() <= n_in**-0.5
        weights = model.get_parameter(name)
        assert weights.std().item() == pytest.approx((3 * n_in) ** -0.5, rel=0.05)
        assert abs(weights.mean().item()) < 5 * (3 * n_in * weights.numel()) ** -0.5


def test_digits_are_learned() -> None:
    """And generalised; retired once nothing is left to see."""
    run = train_run(replace(SMALL, n_train=300, n_test=300, width=50, batch_size=50, learning_rate=3e-3, budget=2000))
    assert run.retired
    assert run.steps_to_train_100 is not None
    assert run.steps_to_test_60 < run.steps_to_test < 1000
    assert run.test_accuracy[-1] > 0.9
    assert run.checkpoint_steps.tolist() == [0, run.steps_run]


class Plain(Images):
    """As if there were no messiness."""

    def samples(self, lane: Any, batch: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        chosen = lane["chosen"] if batch is None else lane["chosen"][batch]
        return self.shared["images"][chosen], self.shared["labels"][chosen]


def test_without_messiness_nothing_changes() -> None:
    """To the bit, also beside a run that has some."""
    configs = [replace(SMALL, seed=seed) for seed in (1, 2, 3)] + [replace(SMALL, seed=4, messiness=0.5)]
    weights, metrics = [], []
    for family in (Images, Plain):
        ensemble = Ensemble(family, [Images.start(config) for config in configs], configs, "cpu", compiled=False)
        ensemble.advance(60)
        metrics.append(ensemble.evaluate()[0].numpy())
        weights.append([ensemble.weights(lane) for lane in range(4)])
    np.testing.assert_array_equal(metrics[0][:3], metrics[1][:3])
    assert (metrics[0][3] != metrics[1][3]).any()
    for ours, plain in zip(weights[0][:3], weights[1][:3], strict=True):
        for name, value in ours.items():
            np.testing.assert_array_equal(value, plain[name])


def test_on_labels_for_images_there_is_nothing_to_memorise() -> None:
    """At m = 0 train and test are one."""
    run = train_run(replace(SMALL, n_train=100, n_test=100, messiness=0.0, batch_size=None, budget=200))
    np.testing.assert_allclose(run.train_loss[-1], run.test_loss[-1], rtol=0.5)
    assert run.train_loss[-1] < 0.9 * run.train_loss[0]
