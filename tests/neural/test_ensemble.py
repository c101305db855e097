"""The ensemble is nothing but separate runs: held against one network at a time
(reference.py).

The two differ in the order of floating-point sums only. float64: round-off of 1e-16 a
step, amplified by AdamW (which divides small gradients by their own size), stays below
1e-9 relative over 60 steps.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch._dynamo.exc import TorchDynamoException

from neural.ensemble import BATCHES, BETA1, BETA2, CORRECTED, EPS, Ensemble, bias_corrections
from neural.families.toy import RunConfig, Toy, task
from neural.families.toy import start as start_of
from neural.history import History
from neural.training import resolve_device, train_runs
from tests.neural.reference import (
    Trace,
    network_of,
    parallelograms,
    permutation_matrices,
    plain_rqi,
    plain_s3_rqi,
    s3_parallelograms,
    train_alone,
)

EXACT: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-12}  # float64 runs
CLOSE: dict[str, Any] = {
    "rtol": 2e-3,
    "atol": 1e-4,
}  # float32 runs: AdamW's first steps follow the sign of the gradient
METRICS = [metric.name for metric in Toy.METRICS]


def mixed(budget: int, **shared: Any) -> list[RunConfig]:
    """Runs of one shape that differ in everything an ensemble may mix."""
    base = RunConfig(budget=budget)
    runs = [
        dataclasses.replace(base, n_train=45, seed=58, init="reference"),
        dataclasses.replace(base, n_train=20, seed=1, repr_lr=1e-2, decoder_lr=3e-3, decoder_wd=5.0, decoder_warmup=20),
        dataclasses.replace(base, n_train=33, seed=2, replica=1, repr_wd=2.0, init_scale=3.0, samples=f"{2**33 - 1:x}"),
        dataclasses.replace(base, n_train=54, seed=3, repr_optimizer="sgd", repr_lr=0.3, repr_wd=0.5),
        dataclasses.replace(base, n_train=55, seed=4, repr_optimizer="sgd", repr_lr=0.1, decoder_lr=1e-3),
    ]
    return [dataclasses.replace(run, **shared) for run in runs]


def mixed_s3(budget: int, **shared: Any) -> list[RunConfig]:
    """The same for S3, some with the penalty, some with mini-batches, some with neither
    or both.
    """
    base = RunConfig(operation="s3", p=6, n_train=30, d=3, budget=budget)
    runs = [
        dataclasses.replace(base, seed=58, init="reference"),
        dataclasses.replace(base, n_train=20, seed=1, repr_lr=1e-2, decoder_lr=3e-3, repr_l1=1e-3, repr_wd=2.0),
        dataclasses.replace(base, n_train=33, seed=2, repr_l1=3.0, batch_size=8, init_scale=3.0, decoder_warmup=90),
        dataclasses.replace(base, seed=3, repr_optimizer="sgd", repr_lr=0.3, repr_l1=0.5, decoder_wd=5.0),
        dataclasses.replace(base, n_train=36, seed=4, repr_optimizer="sgd", repr_lr=0.1, batch_size=25),
    ]
    return [dataclasses.replace(run, **shared) for run in runs]


def batched(budget: int, **shared: Any) -> list[RunConfig]:
    """Addition again: mini-batches of one, some and nearly all samples beside full
    batches, and a penalty.
    """
    sizes = [None, 7, 1, 53, 55]
    penalties = [1e-2, 0.0, 0.0, 0.3, 0.0]
    return [
        dataclasses.replace(run, batch_size=size, repr_l1=penalty)
        for run, size, penalty in zip(mixed(budget, **shared), sizes, penalties, strict=True)
    ]


def ensemble_of(configs: list[RunConfig], compiled: bool = False) -> Ensemble:
    """A lane each, at its first step."""
    return Ensemble(Toy, [start_of(config) for config in configs], configs, "cpu", compiled)


def one_step(ensemble: Ensemble) -> tuple[Tensor, Tensor, Tensor]:
    """Metrics, embeddings, which samples are right."""
    metrics, correct, kept = ensemble.step()
    return metrics, kept["embedding"], correct


def measurements(ensemble: Ensemble, steps: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Every lane's, of `steps` more steps."""
    return [one_step(ensemble) for _ in range(steps)]


def assert_same_lane(
    one: list[tuple[Tensor, ...]], lane: int, other: list[tuple[Tensor, ...]], other_lane: int
) -> None:
    """As many steps of two lanes, to the last bit; nan is nan."""
    assert len(one) == len(other)
    for mine, theirs in zip(zip(*one, strict=True), zip(*other, strict=True), strict=True):
        here, there = (torch.stack(part)[:, n].numpy() for part, n in ((mine, lane), (theirs, other_lane)))
        np.testing.assert_array_equal(here, there)


def assert_follows(steps: list[tuple[Tensor, ...]], lane: int, trace: Trace, **tolerance: Any) -> None:
    """Losses and embeddings of a lane's steps against the twin's."""
    metrics, embeddings, _ = (torch.stack(part)[:, lane].numpy() for part in zip(*steps, strict=True))
    for name in ("train_loss", "test_loss"):
        expected = getattr(trace, name)[: len(steps)]
        np.testing.assert_allclose(metrics[:, METRICS.index(name)], expected, **tolerance, err_msg=name)
    np.testing.assert_allclose(embeddings, trace.embeddings[: len(steps)], **tolerance)


def assert_agree(history: History, trace: Trace, **tolerance: Any) -> None:
    """Every measurement of every state, the embeddings kept, and what the last network
    gets right.
    """
    for name in METRICS:
        np.testing.assert_allclose(getattr(history, name), getattr(trace, name), **tolerance, err_msg=name)
    kept = trace.embeddings[history.checkpoint_steps]
    np.testing.assert_allclose(history.checkpoints["embedding"], kept, **tolerance, err_msg="embeddings")
    np.testing.assert_array_equal(history.correct, trace.correct)


def assert_same_bits(one: History, other: History) -> None:
    """The same run, to the last bit."""
    for name in ("steps", "checkpoint_steps", "correct", "mask"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    for mine, theirs in ((one.traces, other.traces), (one.checkpoints, other.checkpoints)):
        assert mine.keys() == theirs.keys()
        for name, values in mine.items():
            np.testing.assert_array_equal(values, theirs[name], err_msg=name)


def run_all(configs: Sequence[Any], **options: Any) -> dict[Any, History]:
    """Train on the CPU; eager unless asked otherwise."""
    return {run.config: run for run in train_runs(configs, **{"device": "cpu", "compiled": False, **options})}


@pytest.mark.parametrize(
    "shared",
    [
        {"loss": "mse", "d": 1},
        {"loss": "mse", "d": 2},
        {"loss": "ce", "d": 1},
        {"loss": "ce", "d": 2},
        {"loss": "mse", "d": 3, "depth": 1, "width": 17, "n_outputs": 7, "p": 11},
        {"loss": "ce", "d": 1, "depth": 3, "width": 16},
        {"loss": "mse", "activation": "relu", "width": 40, "targets": "orthogonal"},
        {"loss": "mse", "decoder_optimizer": "sgd", "width": 40, "decoder_lr": 0.3},
        {"loss": "ce", "activation": "relu", "decoder_optimizer": "sgd", "width": 40, "decoder_lr": 0.1},
    ],
    ids=lambda shared: ",".join(map(str, shared.values())),
)
def test_lanes_are_separate_runs(shared: dict) -> None:
    """Five different runs in five lanes, each against its own twin."""
    configs = mixed(60, dtype="float64", **shared)
    histories = run_all(configs, lanes=5)
    for config in configs:
        assert_agree(histories[config], train_alone(config), **EXACT)


@pytest.mark.parametrize("shared", [{"loss": "mse", "d": 3}, {"loss": "ce", "d": 3}, {"loss": "mse", "d": 1}], ids=str)
def test_lanes_of_s3_are_separate_runs(shared: dict) -> None:
    """Products instead of sums, with and without the penalty, mini-batches and full
    ones side by side.
    """
    configs = mixed_s3(60, dtype="float64", **shared)
    histories = run_all(configs, lanes=5)
    for config in configs:
        assert histories[config].checkpoints["embedding"].shape[1:] == (6, config.d, config.d)
        assert_agree(histories[config], train_alone(config), **EXACT)


@pytest.mark.parametrize("loss", ["mse", "ce"])
def test_lanes_with_mini_batches_are_separate_runs(loss) -> None:
    """Beside full batches in one ensemble; the block of batches drawn ahead is used up
    twice.
    """
    assert 2 * BATCHES < 110
    configs = batched(110, dtype="float64", loss=loss, width=40)
    histories = run_all(configs, lanes=5)
    for config in configs:
        assert_agree(histories[config], train_alone(config), **EXACT)


@pytest.mark.parametrize("decoder_optimizer", ["adamw", "sgd"])
def test_a_warm_up_ends(decoder_optimizer) -> None:
    """One of a single update is none, to the last bit; a longer one changes every
    update, also the first.
    """
    shared: dict[str, Any] = {"decoder_optimizer": decoder_optimizer, "decoder_lr": 1e-2, "width": 20, "budget": 3}
    none, one, two = (RunConfig(**shared, decoder_warmup=n) for n in (0, 1, 2))
    histories = run_all([none, one, two])
    assert_same_bits(histories[none], histories[one])
    np.testing.assert_array_equal(histories[none].train_loss[0], histories[two].train_loss[0])
    assert (histories[none].train_loss[1:] != histories[two].train_loss[1:]).all()


@given(st.integers(1, 30), st.integers(1, 30), st.sampled_from(["float32", "float64"]))
@settings(max_examples=20, deadline=None)
def test_the_rates_of_a_warm_up(warmup: int, later: int, dtype) -> None:
    """A decoder with weight decay alone shrinks by 1 - lr wd min(1, t / warm-up) at
    update t; a lane by its own count.

    (SGD, and a gradient that is nothing beside the decay.)
    """
    base = RunConfig(decoder_optimizer="sgd", decoder_lr=1e-12, decoder_wd=1e10, width=4, dtype=dtype)
    warm = dataclasses.replace(base, decoder_warmup=warmup)
    ensemble = ensemble_of([warm, base])
    measurements(ensemble, later)
    ensemble.load(1, warm, start_of(warm))
    before = {name: value.clone() for name, value in ensemble._parameters.items() if name != "embedding"}
    measurements(ensemble, 5)
    for lane, done in ((0, later), (1, 0)):
        left = float(np.prod([1 - 1e-2 * min(1, t / warmup) for t in range(done + 1, done + 6)]))
        for name, value in before.items():
            np.testing.assert_allclose(ensemble._parameters[name][lane], left * value[lane], rtol=1e-5, atol=1e-9)


def test_losses_are_those_of_all_samples_without_the_penalty() -> None:
    """What is measured of the initial state depends on neither; what is done to it
    does.
    """
    for base in (RunConfig(seed=7), mixed_s3(2)[0]):
        plain, fined, cut = (
            dataclasses.replace(base, budget=2, **more) for more in ({}, {"repr_l1": 100.0}, {"batch_size": 9})
        )
        histories = run_all([plain, fined, cut])
        for config in (fined, cut):
            for name in METRICS:
                np.testing.assert_array_equal(getattr(histories[config], name)[0], getattr(histories[plain], name)[0])
            assert not np.array_equal(
                histories[config].checkpoints["embedding"][-1], histories[plain].checkpoints["embedding"][-1]
            )


@pytest.mark.parametrize("d", [1, 2])
def test_the_penalty_alone_pulls_every_entry_alike(d: int) -> None:
    """SGD on a decoder that learns next to nothing: each step takes lr w / (number of
    entries) off |E|.
    """
    config = RunConfig(d=d, repr_optimizer="sgd", repr_lr=1e-3, repr_l1=1e6, init_scale=1e6, budget=10, dtype="float64")
    history = run_all([config])[config]
    before, after = history.checkpoints["embedding"][0], history.checkpoints["embedding"][-1]
    np.testing.assert_allclose(before - after, np.sign(before) * 10 * 1e3 / (10 * d), rtol=1e-4)


rates = st.floats(1e-5, 3e-2)
decays = st.sampled_from([0.0, 0.1, 3.0, 20.0])


@st.composite
def small_runs(draw_from: st.DrawFn) -> list[RunConfig]:
    """One to three runs of one small shape, everything else free."""
    operation = draw_from(st.sampled_from(["addition", "s3"]))
    p = 6 if operation == "s3" else draw_from(st.integers(2, 10))
    most = p**2 if operation == "s3" else p * (p + 1) // 2
    shared = {
        "operation": operation,
        "p": p,
        "d": draw_from(st.integers(1, 2)),
        "loss": draw_from(st.sampled_from(["mse", "ce"])),
        "width": draw_from(st.sampled_from([1, 8])),
        "n_outputs": draw_from(st.sampled_from([1, 30])),
        "activation": draw_from(st.sampled_from(["tanh", "relu"])),
        "decoder_optimizer": draw_from(st.sampled_from(["adamw", "sgd"])),
        "dtype": "float64",
    }

    room = shared["loss"] == "mse" and shared["n_outputs"] == 30

    def one(n_train: int) -> st.SearchStrategy[RunConfig]:
        return st.builds(
            RunConfig,
            n_train=st.just(n_train),
            seed=st.integers(0, 2**32 - 1),
            replica=st.sampled_from([0, 1]),
            init=st.sampled_from(["default", "reference"]),
            targets=st.sampled_from(["random", "orthogonal"] if room else ["random"]),
            decoder_warmup=st.sampled_from([0, 1, 3, 50]),
            repr_lr=rates,
            decoder_lr=rates,
            repr_wd=decays,
            decoder_wd=decays,
            repr_optimizer=st.sampled_from(["adamw", "sgd"]),
            repr_l1=st.sampled_from([0.0, 1e-3, 1.0]),
            batch_size=st.none() | st.integers(1, n_train),
            init_scale=st.floats(0.1, 10),
            budget=st.integers(1, 20),
            **{name: st.just(value) for name, value in shared.items()},
        )

    return draw_from(st.lists(st.integers(1, most).flatmap(one), min_size=1, max_size=3))


@settings(max_examples=20, deadline=None)
@given(small_runs())
def test_any_ensemble_is_separate_runs(configs: list[RunConfig]) -> None:
    """The same, for whatever hypothesis thinks of: p down to 2 (no parallelogram), one
    training sample, or batch.
    """
    count = plain_s3_rqi if configs[0].operation == "s3" else plain_rqi
    for history in train_runs(configs, device="cpu", compiled=False):
        trace = train_alone(history.config)
        for name in ("train_loss", "test_loss"):
            np.testing.assert_allclose(getattr(history, name), getattr(trace, name), rtol=1e-7, atol=1e-10)
        kept = trace.embeddings[history.checkpoint_steps]
        np.testing.assert_allclose(history.checkpoints["embedding"], kept, rtol=1e-7, atol=1e-10)
        # as functions of the embedding: AdamW divides by |gradient|, so states differ
        # by more than round-off
        np.testing.assert_allclose(history.rqi[0], count(history.checkpoints["embedding"][0]))
        np.testing.assert_allclose(history.rqi[-1], count(history.checkpoints["embedding"][-1]))


@pytest.mark.parametrize("d", [1, 2])
def test_rqi_counts_parallelograms(d: int) -> None:
    """RQI of a state against a count by hand; 70 parallelograms for p = 10, as the
    theory says.
    """
    assert len(parallelograms(10)) == 70
    config = RunConfig(d=d, dtype="float64", repr_lr=1e-2, decoder_lr=1e-3, budget=150, n_train=55)
    history = run_all([config])[config]
    counted = [plain_rqi(embedding) for embedding in history.checkpoints["embedding"]]
    np.testing.assert_array_equal(history.rqi[history.checkpoint_steps], counted)
    assert max(counted) > 0.3  # or the test says little


def test_rqi_of_s3_counts_parallelograms() -> None:
    """A representation under noise, a lane each: all 90, none, and what a count by hand
    finds in between.
    """
    assert len(s3_parallelograms()) == 90
    noise = [0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.6, 2.0]
    configs = [RunConfig(operation="s3", p=6, n_train=30, d=3, seed=seed, dtype="float64") for seed in range(8)]
    starts = [start_of(config) for config in configs]
    rng = np.random.default_rng(3)
    wanted = []
    for start, size in zip(starts, noise, strict=True):
        embedding = 0.7 * (permutation_matrices() + rng.normal(0, size, (6, 3, 3)))
        wanted.append(plain_s3_rqi(embedding))
        with torch.no_grad():
            network_of(start).to(torch.float64).embedding.copy_(torch.as_tensor(embedding))
    metrics, _, _ = Ensemble(Toy, starts, configs, "cpu", compiled=False).step()
    measured = metrics[:, METRICS.index("rqi")].numpy()
    np.testing.assert_allclose(measured, wanted, rtol=1e-12)
    assert wanted[0] == 1
    assert wanted[-1] == 0
    assert len({share for share in wanted if 0 < share < 1}) >= 3


def test_step_measures_the_state_before_the_update() -> None:
    """The first step's measurements are those of the initial network."""
    configs = mixed(1)
    starts = [start_of(config) for config in configs]
    ensemble = Ensemble(Toy, starts, configs, "cpu", compiled=False)
    metrics, embeddings, correct = one_step(ensemble)
    assert metrics.shape == (5, len(METRICS))
    assert correct.shape == (5, 55)
    for lane, config in enumerate(configs):
        np.testing.assert_array_equal(embeddings[lane], network_of(start_of(config)).embedding.detach())
    _, later, _ = one_step(ensemble)
    assert not torch.equal(later, embeddings)


def test_an_ensemble_has_one_shape() -> None:
    """Runs whose tensors do not fit together are refused."""
    configs = [RunConfig(), RunConfig(d=2)]
    starts = [start_of(config) for config in configs]
    with pytest.raises(ValueError, match="one shape"):
        Ensemble(Toy, starts, configs, "cpu", compiled=False)


def test_eager_lanes_keep_their_bits_in_any_company() -> None:
    """Whatever else is trained, and in how many lanes, from two lanes on; one lane
    takes other BLAS calls.
    """
    configs = mixed(60)
    everything = run_all(configs, lanes=5)
    for history in (
        *run_all(configs[::-1], lanes=3).values(),
        *run_all(configs[1:3], lanes=2).values(),
        *run_all(configs[:1] * 2, lanes=2).values(),
    ):
        assert_same_bits(history, everything[history.config])


def test_eager_lanes_with_mini_batches_keep_their_bits_in_any_company() -> None:
    """Also alone, when an idle copy takes batches beside it, and full batches whether
    others have them or not.
    """
    configs = batched(70, width=40)
    everything = run_all(configs, lanes=5)
    whole = dataclasses.replace(configs[0], seed=9)
    for history in (
        *run_all(configs[::-1], lanes=3).values(),
        *run_all(configs[1:3], lanes=2).values(),
        *run_all(configs[1:2]).values(),
        *run_all([configs[0], whole]).values(),
    ):
        if history.config != whole:
            assert_same_bits(history, everything[history.config])


def test_a_lane_loaded_in_the_middle_of_a_block_keeps_its_bits() -> None:
    """Its batches begin with its own first, whatever is left of the others'; and the
    others notice nothing.
    """
    first, second, third, whole = batched(1, width=40)[1:5]
    whole = dataclasses.replace(whole, batch_size=None)
    undisturbed = measurements(ensemble_of([first, second, third, whole]), 130)
    ensemble = ensemble_of([second, whole])  # with room for batches, and of batches of one
    steps = measurements(ensemble, 3)
    assert_same_lane(steps, 0, undisturbed[:3], 1)
    for begin, config, lane in ((3, first, 0), (50, third, 1), (99, whole, 1), (101, second, 1)):
        while len(steps) < begin:
            steps.append(one_step(ensemble))
        ensemble.load(lane, config, start_of(config))
    steps += measurements(ensemble, 133 - len(steps))
    assert_same_lane(steps[3:], 0, undisturbed, 0)
    assert_same_lane(steps[:50], 1, undisturbed[:50], 3)
    assert_same_lane(steps[50:99], 1, undisturbed[:49], 2)
    assert_same_lane(steps[99:101], 1, undisturbed[:2], 3)
    assert_same_lane(steps[101:], 1, undisturbed[:32], 1)


def test_a_run_with_mini_batches_may_follow_runs_without() -> None:
    """batch_size may be mixed: an ensemble that began with full batches takes the
    batches of a later run.
    """
    whole = [RunConfig(seed=seed, budget=5, width=20) for seed in (1, 2)]
    late = RunConfig(seed=3, budget=60, batch_size=7, width=20)
    through = run_all([*whole, late], lanes=2)
    assert_same_bits(through[late], run_all([late])[late])


def test_a_batch_of_all_is_a_full_batch() -> None:
    """To the last bit, in one ensemble."""
    whole = RunConfig(n_train=30, budget=60, width=40)
    named = dataclasses.replace(whole, batch_size=30)
    histories = run_all([whole, named])
    assert_same_bits(histories[whole], histories[named])


TIMES = (1, 2, 10, 1000, CORRECTED, CORRECTED + 1, 10**6)


@pytest.mark.parametrize("t", TIMES)
def test_bias_corrections_are_torchs(t: int) -> None:
    """Against its formula, and against its optimiser after t - 1 updates; beyond the
    table, its last column.
    """
    scale, eps = bias_corrections()[:, min(t, CORRECTED)]
    m, v = torch.tensor([3e-3, -2.0], dtype=torch.float64), torch.tensor([1e-18, 5.0], dtype=torch.float64)
    direction = scale * m / (v.sqrt() + eps)
    plain = m / (1 - BETA1**t) / (v.sqrt() / (1 - BETA2**t) ** 0.5 + EPS)
    np.testing.assert_allclose(direction, plain, rtol=1e-12)

    x = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    x.grad = torch.zeros_like(x)
    adamw = torch.optim.AdamW([x], lr=1, weight_decay=0)
    adamw.state[x] = {"step": torch.tensor(t - 1.0, dtype=torch.float64), "exp_avg": m / BETA1, "exp_avg_sq": v / BETA2}
    adamw.step()
    np.testing.assert_allclose(-x.detach(), direction, rtol=1e-12)


def test_bias_corrections_are_over_at_the_end_of_the_table() -> None:
    """A direction is m / (sqrt(v) + EPS) from there on; the table's first column is no
    update's.
    """
    table = bias_corrections()
    assert table.shape == (2, CORRECTED + 1)
    assert np.isfinite(table).all()
    np.testing.assert_allclose(table[:, -1], [1, EPS], rtol=3e-16)


@pytest.mark.parametrize("before", [CORRECTED - 2, CORRECTED, CORRECTED + 10, 10**7])
def test_an_ensemble_goes_on_beyond_the_table(before: int) -> None:
    """A lane far on and one at its start: steps of torch's AdamW, corrected each by its
    own count.
    """
    configs = [RunConfig(seed=seed, width=8, dtype="float64", repr_lr=1e-2) for seed in (1, 2)]
    ensemble = ensemble_of(configs)
    ensemble._own["updates"][0] = before
    steps = measurements(ensemble, 6)
    assert ensemble._own["updates"].tolist() == [before + 6, 6]
    for lane, (config, done) in enumerate(zip(configs, (before, 0), strict=True)):
        start = start_of(config)
        model = network_of(start).to(torch.float64)
        groups = [
            {"params": [model.embedding], "lr": config.repr_lr},
            {"params": list(model.decoder.parameters()), "lr": config.decoder_lr},
        ]
        adamw = torch.optim.AdamW(groups, weight_decay=0)
        for value in model.parameters():
            step = torch.tensor(float(done), dtype=torch.float64)
            adamw.state[value] = {
                "step": step,
                "exp_avg": torch.zeros_like(value),
                "exp_avg_sq": torch.zeros_like(value),
            }
        pairs, results = task(config)
        targets = torch.as_tensor(start.lane["targets"])[torch.as_tensor(results)]
        for _, embeddings, _ in steps:
            np.testing.assert_allclose(embeddings[lane], model.embedding.detach(), **EXACT)
            adamw.zero_grad()
            (model(torch.as_tensor(pairs)) - targets)[torch.as_tensor(start.mask)].square().mean().backward()
            adamw.step()


S3_STEPS = 6  # of the compiled S3 ensemble at each turn of the others
S3_LOADED = 33  # the step at which a lane of it is loaded anew: in the middle of a block of batches


class Watched:
    """An ensemble of S3 whose second lane's run is, from step S3_LOADED on, its first
    lane's once more.
    """

    def __init__(self, compiled: bool):
        base = mixed_s3(1, activation="relu", decoder_optimizer="sgd", decoder_lr=0.1)
        self.configs = [base[2], base[0], dataclasses.replace(base[0], seed=5, repr_l1=1e-2)]
        self.ensemble = ensemble_of(self.configs, compiled)
        self.steps: list[tuple[Tensor, Tensor, Tensor]] = []

    def step(self, _: int = 0) -> None:
        """A few steps; the argument is what train_runs says of its progress."""
        for _ in range(S3_STEPS):
            if len(self.steps) == S3_LOADED:
                self.ensemble.load(1, self.configs[0], start_of(self.configs[0]))
            self.steps.append(one_step(self.ensemble))


@functools.cache
def twin(config: RunConfig) -> Trace:
    """Of a float32 run that more than one test looks at."""
    return train_alone(config)


Compiled = tuple[list[RunConfig], dict[RunConfig, History], dict[RunConfig, History], Watched]


@pytest.fixture(scope="module")
def compiled() -> Iterator[Compiled]:
    """Five runs compiled, once in five lanes and once through three, and between their
    steps those of three lanes of S3 with mini-batches, compiled as well: three
    compilations serve every test.
    """
    configs = mixed(60)
    with warnings.catch_warnings(record=True) as caught:
        s3 = Watched(compiled=True)
        s3.step()
        five = run_all(configs, lanes=5, compiled=True, on_work=s3.step)
        three = run_all(configs[::-1], lanes=3, compiled=True, on_work=s3.step)
    failures = [str(warning.message) for warning in caught if "torch.compile failed" in str(warning.message)]
    if failures:
        pytest.skip(f"nothing was checked about the compiled step: {failures[0]}")
    yield configs, five, three, s3
    torch.compiler.reset()


def test_compiled_lanes_keep_their_bits_in_any_company(compiled) -> None:
    """A compiled run's numbers depend on nothing but its configuration, refilled lanes
    included.
    """
    configs, five, three, _ = compiled
    assert len(five) == len(three) == len(configs)
    for config in configs:
        assert_same_bits(five[config], three[config])


def test_float32_compiled_and_eager_follow_the_twin(compiled) -> None:
    """Compilation and lanes change the last digits only."""
    configs, five, _, _ = compiled
    eager = run_all(configs, lanes=5)
    for config in configs:
        trace = twin(config)
        for history in (five[config], eager[config]):
            for name in ("train_loss", "test_loss"):
                np.testing.assert_allclose(getattr(history, name), getattr(trace, name), **CLOSE)
            np.testing.assert_allclose(
                history.checkpoints["embedding"], trace.embeddings[history.checkpoint_steps], **CLOSE
            )
            # shares of few samples: a sample or a parallelogram on the edge may fall to
            # either side
            for name in ("train_accuracy", "test_accuracy", "rqi"):
                one, other = getattr(history, name), getattr(trace, name)
                assert np.isclose(one, other, equal_nan=True).mean() > 0.9, name


def test_compiled_ensembles_of_two_shapes_take_turns(compiled) -> None:
    """S3 between the steps of addition, in one process: each its own, as S3 alone and
    eager is.
    """
    *_, s3 = compiled
    assert len(s3.steps) > 2 * BATCHES
    alone = Watched(compiled=False)
    while len(alone.steps) < len(s3.steps):
        alone.step()
    for steps in (s3.steps, alone.steps):
        for lane, config in ((0, s3.configs[0]), (2, s3.configs[2])):
            trace = twin(dataclasses.replace(config, budget=len(steps)))
            assert_follows(steps, lane, trace, **CLOSE)
        trace = twin(dataclasses.replace(s3.configs[1], budget=S3_LOADED))
        assert_follows(steps[:S3_LOADED], 1, trace, **CLOSE)


def test_compiled_lanes_with_mini_batches_keep_their_bits(compiled) -> None:
    """The same run in two lanes of which one was loaded in the middle of a block."""
    *_, s3 = compiled
    later = s3.steps[S3_LOADED:]
    assert len(later) > BATCHES
    assert_same_lane(later, 1, s3.steps[: len(later)], 0)


def test_without_a_compiler_training_goes_on_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.compile failing at its first call is a warning; the numbers are the eager
    ones.
    """

    def compile_nothing(function, **options):
        def fail():
            raise TorchDynamoException("no C++ compiler here\nand much more")

        return fail

    monkeypatch.setattr(torch, "compile", compile_nothing)
    configs = mixed(20)[:2]
    with pytest.warns(UserWarning, match="training slowly: no C\\+\\+ compiler here$"):
        histories = run_all(configs, compiled=True)
    for config, history in run_all(configs).items():
        assert_same_bits(history, histories[config])


TRAIN = """
from neural import RunConfig, train_runs
[run] = train_runs([RunConfig(p=5, n_train=9, width=24, budget=30)], "cpu", compiled=True)
print(run.compiled, *run.train_loss.tolist())
"""


def test_what_another_processor_compiled_is_left_alone() -> None:
    """torch finds what it compiled on disk, for longer vectors than this process is
    told to use, and must not take it: it gave nan, or crashed.
    """
    shorter = {"AVX512": "avx2", "AVX2": "default"}.get(torch.backends.cpu.get_cpu_capability())
    if shorter is None:
        pytest.skip("nothing was checked about compiled steps on disk: this processor has no shorter vectors")
    [eager] = train_runs([RunConfig(p=5, n_train=9, width=24, budget=30)], "cpu", compiled=False)
    for capability in ({}, {"ATEN_CPU_CAPABILITY": shorter}):
        words = [sys.executable, "-c", TRAIN]
        done = subprocess.run(words, env=os.environ | capability, capture_output=True, text=True, check=True)
        compiled, *losses = done.stdout.split()
        if compiled != "True" and not capability:
            pytest.skip(f"nothing was checked about compiled steps on disk: {done.stderr.splitlines()[-1]}")
        assert compiled == "True"
        np.testing.assert_allclose(np.array(losses, float), eager.train_loss, **CLOSE)


@pytest.mark.gpu
def test_gpu_runs_are_the_cpu_runs() -> None:
    """float64 on the device against float64 here: only the order of sums differs."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device: nothing was checked about training on a GPU")
    assert resolve_device("auto") == "cuda"
    for loss, some in itertools.product(("mse", "ce"), (mixed, batched, mixed_s3)):
        configs = some(60, dtype="float64", loss=loss)
        on_cpu = run_all(configs)
        for compiled_step in (False, True):
            on_gpu = run_all(configs, device="auto", compiled=compiled_step)
            for config in configs:
                for name in METRICS:
                    one, other = getattr(on_gpu[config], name), getattr(on_cpu[config], name)
                    np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-12, err_msg=name)
                one, other = (runs[config].checkpoints["embedding"] for runs in (on_gpu, on_cpu))
                np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-12)
