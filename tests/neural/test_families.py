"""What holds for every family: the protocol, the cost that is counted, when a run may
be evaluated.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from neural import FAMILIES, family_of
from neural.config import ConfigError
from neural.counting import count
from neural.ensemble import Ensemble
from neural.families.digits import DigitsConfig, Images
from neural.families.messiness import MessinessConfig
from neural.families.modular import ModularConfig
from neural.families.molecules import MoleculesConfig
from neural.families.parity import ParityConfig
from neural.families.reviews import ReviewsConfig
from neural.families.teacher import TeacherConfig
from neural.families.toy import RunConfig
from neural.family import Family

OFTEN: dict[str, Any] = {"look_every": 5, "budget": 20}
SUPERVISED = [
    ModularConfig(p=5, width=6, **OFTEN),
    TeacherConfig(n_train=12, n_test=7, width=9, **OFTEN),
    ParityConfig(n=8, n_train=12, n_test=7, width=9, batch_size=4, **OFTEN),
    MessinessConfig(p=4, n_train=6, width=9, **OFTEN),
    MessinessConfig(p=4, n_train=6, width=9, trained=True, **OFTEN),
    DigitsConfig(data="small", n_train=12, n_test=7, width=9, batch_size=4, **OFTEN),
    MoleculesConfig(n_train=12, n_test=7, batch_size=4, **OFTEN),
    ReviewsConfig(n_train=12, n_test=7, words=20, length=4, embedding=3, width=5, batch_size=4, **OFTEN),
]
EACH = pytest.mark.parametrize("config", SUPERVISED, ids=lambda config: family_of(config).name)


def test_the_protocol_is_small() -> None:
    """Every family has its members, and they are few."""
    asked = {*Family.__annotations__, *(name for name in vars(Family) if not name.startswith("_")), "__init__"}
    assert len(asked) <= 13
    for family in FAMILIES.values():
        assert all(hasattr(family, name) for name in asked), family.name
        assert {metric.kind for metric in family.METRICS[:2]} == {"share"}


@pytest.mark.parametrize("config", [RunConfig(p=4, n_train=6, width=9), *SUPERVISED], ids=lambda c: family_of(c).name)
def test_parameters_are_counted(config: Any) -> None:
    """With the lane's own cost of AdamW."""
    model = family_of(config).start(config).model
    assert count(config).n_parameters == sum(value.numel() for value in model.parameters())
    assert count(config).operations > 14 * count(config).n_parameters


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("batch_size", [None, 8])
def test_operations_are_those_of_a_perceptron(depth: int, batch_size: int | None) -> None:
    """Closed form: products forward and backward of a batch, without the gradient of
    the images; forward of all samples in an evaluation; AdamW.
    """
    config = DigitsConfig(data="small", n_train=30, n_test=20, width=12, depth=depth, batch_size=batch_size, **OFTEN)
    layers = [n_in * n_out for n_in, n_out in pairwise(config.widths)]
    samples = (3 * sum(layers) - layers[0]) * (batch_size or 30) + sum(layers) * 50 / 5
    assert count(config).operations == pytest.approx(2 * samples + 14 * count(config).n_parameters, rel=1e-12)
    assert count(config).product == (batch_size or 30, *config.widths[:2])


@EACH
def test_evaluations_divide_a_run(config: Any) -> None:
    """At the least every other update, and at the end."""
    for wrong, says in (
        ({"budget": 63}, "`budget` must be a multiple of look_every = 5, but is 63."),
        ({"look_every": 1}, "`look_every` must be an integer of at least 2, but is 1."),
        ({"learning_rate": 0.0}, "`learning_rate` must be a finite number above 0, but is 0.0."),
        ({"init_scale": 0.0}, "`init_scale` must be a finite number above 0, but is 0.0."),
    ):
        with pytest.raises(ConfigError) as caught:
            replace(config, **wrong)
        assert str(caught.value) == says


@EACH
def test_a_run_is_done_when_the_last_evaluations_say_so(config: Any) -> None:
    """All training samples right, and the last threshold of the test samples behind;
    some families never are.
    """
    family: Any = family_of(config)
    learned, generalised = family.METRICS[:2]
    n, threshold = family.SETTLED, 1.0 if family.name == "modular" else max(generalised.crossings.values())

    def settled(train: float, test: float, n: int = n) -> bool:
        return family.settled(
            {learned.name: np.array([0.0] + [train] * n), generalised.name: np.array([0] + [test] * n)}
        )

    assert settled(1, threshold) == settled(1, np.nan) == (n > 0)
    assert not settled(1, threshold - 0.01)
    assert not settled(0.99, 1)
    assert n == 0 or not settled(1, 1, n - 1)


def test_a_held_norm_needs_an_ensemble_of_such_runs() -> None:
    free = DigitsConfig(data="small", n_train=12, n_test=7, width=9, batch_size=4, **OFTEN)
    ensemble = Ensemble(Images, [Images.start(free)] * 2, [free] * 2, "cpu", compiled=False)
    held = replace(free, constrained=True)
    with pytest.raises(ValueError, match="must not join"):
        ensemble.load(0, held, Images.start(held))


def run_elsewhere(family: Any, config: Any) -> set[str]:
    """An update and an evaluation on a device that is not here; the kinds of devices
    that results are on.

    Fake tensors have a device and no numbers, and refuse what would mix two devices.
    "meta" stands for a GPU: indexing a fake tensor on "cuda" asks torch for CUDA.
    """
    ensemble = Ensemble(family, [family.start(config)] * 2, [config] * 2, "meta", compiled=False)
    with FakeTensorMode(allow_non_fake_inputs=True):
        if config.look_every > 1:
            ensemble.advance(1)
        metrics, correct, kept = ensemble.evaluate() if config.look_every > 1 else ensemble.step()
        found = [metrics, correct, *kept.values(), *ensemble.norms().values()]
    return {tensor.device.type for tensor in found}


@pytest.mark.parametrize(
    "config",
    [
        RunConfig(p=4, n_train=6, width=9, batch_size=4, repr_l1=0.1),
        RunConfig(p=4, n_train=6, width=9, loss="ce", decoder_optimizer="sgd"),
        RunConfig(operation="s3", p=6, n_train=9, d=2, width=9),
        ModularConfig(p=5, width=6, loss="mse", inputs="sum", constrained=True, **OFTEN),
        ModularConfig(p=5, network="transformer", d=4, heads=2, mlp=6, dropout=0.2, batch_size=4, **OFTEN),
        ModularConfig(p=5, network="perceptron", d=4, width=6, **OFTEN),
        ParityConfig(n=8, n_train=12, n_test=7, width=9, batch_size=4, online=True, loss="ce", **OFTEN),
        *SUPERVISED,
    ],
    ids=lambda config: family_of(config).name,
)
def test_all_tensors_are_on_the_device(config: Any) -> None:
    """Of every family, as on a GPU, which this machine need not have."""
    assert run_elsewhere(family_of(config), config) == {"meta"}


def test_a_tensor_left_behind_is_found() -> None:
    """Or the test above says nothing."""

    class Left(Images):
        def losses(self, outputs: Tensor, y: Tensor) -> Tensor:
            return super().losses(outputs, y) + torch.zeros(len(y))

    with pytest.raises(RuntimeError, match="at least two devices, meta and cpu"):
        run_elsewhere(Left, DigitsConfig(data="small", n_train=12, n_test=7, width=9, batch_size=4, **OFTEN))
