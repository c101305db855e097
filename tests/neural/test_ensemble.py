"""The ensemble is nothing but separate runs: held against one network at a time (reference.py).

The two differ in the order of floating-point sums only. float64: round-off of 1e-16 a step, amplified by
AdamW (which divides small gradients by their own size), stays below 1e-9 relative over 60 steps.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._dynamo.exc import TorchDynamoException

from neural.config import RunConfig
from neural.ensemble import METRICS, Ensemble
from neural.history import History
from neural.models import addition_task, draw
from neural.training import resolve_device, train_runs
from tests.neural.reference import Trace, parallelograms, plain_rqi, train_alone

EXACT: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-12}  # float64 runs
CLOSE: dict[str, Any] = {
    "rtol": 2e-3,
    "atol": 1e-4,
}  # float32 runs: AdamW's first steps follow the sign of the gradient
ARRAYS = (*METRICS, "snapshots", "snapshot_steps", "correct", "mask")


def mixed(budget: int, **shared: Any) -> list[RunConfig]:
    """Runs of one shape that differ in everything an ensemble may mix."""
    base = RunConfig(budget=budget)
    runs = [
        dataclasses.replace(base, n_train=45, seed=58, init="reference"),
        dataclasses.replace(base, n_train=20, seed=1, repr_lr=1e-2, decoder_lr=3e-3, decoder_wd=5.0),
        dataclasses.replace(base, n_train=33, seed=2, repr_wd=2.0, init_scale=3.0),
        dataclasses.replace(base, n_train=54, seed=3, repr_optimizer="sgd", repr_lr=0.3, repr_wd=0.5),
        dataclasses.replace(base, n_train=55, seed=4, repr_optimizer="sgd", repr_lr=0.1, decoder_lr=1e-3),
    ]
    return [dataclasses.replace(run, **shared) for run in runs]


def assert_agree(history: History, trace: Trace, **tolerance: Any) -> None:
    """Every measurement of every state, the embeddings kept, and what the last network gets right."""
    for name in METRICS:
        np.testing.assert_allclose(getattr(history, name), getattr(trace, name), **tolerance, err_msg=name)
    kept = trace.embeddings[history.snapshot_steps]
    np.testing.assert_allclose(history.snapshots, kept, **tolerance, err_msg="embeddings")
    np.testing.assert_array_equal(history.correct, trace.correct)


def assert_same_bits(one: History, other: History) -> None:
    """The same run, to the last bit."""
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def run_all(configs: list[RunConfig], **options: Any) -> dict[RunConfig, History]:
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
    ],
    ids=lambda shared: ",".join(map(str, shared.values())),
)
def test_lanes_are_separate_runs(shared: dict) -> None:
    """Five different runs in five lanes, each against its own twin."""
    configs = mixed(60, dtype="float64", **shared)
    histories = run_all(configs, lanes=5)
    for config in configs:
        assert_agree(histories[config], train_alone(config), **EXACT)


rates = st.floats(1e-5, 3e-2)
decays = st.sampled_from([0.0, 0.1, 3.0, 20.0])


@st.composite
def small_runs(draw_from: st.DrawFn) -> list[RunConfig]:
    """One to three runs of one small shape, everything else free."""
    p = draw_from(st.integers(2, 10))
    shared = {
        "p": p,
        "d": draw_from(st.integers(1, 2)),
        "loss": draw_from(st.sampled_from(["mse", "ce"])),
        "width": draw_from(st.sampled_from([1, 8])),
        "n_outputs": draw_from(st.sampled_from([1, 30])),
        "dtype": "float64",
    }
    one = st.builds(
        RunConfig,
        n_train=st.integers(1, p * (p + 1) // 2),
        seed=st.integers(0, 2**32 - 1),
        init=st.sampled_from(["default", "reference"]),
        repr_lr=rates,
        decoder_lr=rates,
        repr_wd=decays,
        decoder_wd=decays,
        repr_optimizer=st.sampled_from(["adamw", "sgd"]),
        init_scale=st.floats(0.1, 10),
        budget=st.integers(1, 20),
        **{name: st.just(value) for name, value in shared.items()},
    )
    return draw_from(st.lists(one, min_size=1, max_size=3))


@settings(max_examples=20, deadline=None)
@given(small_runs())
def test_any_ensemble_is_separate_runs(configs: list[RunConfig]) -> None:
    """The same, for whatever hypothesis thinks of: p down to 2 (no parallelogram), one training sample."""
    for history in train_runs(configs, device="cpu", compiled=False):
        trace = train_alone(history.config)
        for name in ("train_loss", "test_loss"):
            np.testing.assert_allclose(getattr(history, name), getattr(trace, name), rtol=1e-7, atol=1e-10)
        kept = trace.embeddings[history.snapshot_steps]
        np.testing.assert_allclose(history.snapshots, kept, rtol=1e-7, atol=1e-10)
        # as functions of the embedding: AdamW divides by |gradient|, so states differ by more than round-off
        np.testing.assert_allclose(history.rqi[0], plain_rqi(history.snapshots[0]))
        np.testing.assert_allclose(history.rqi[-1], plain_rqi(history.snapshots[-1]))


@pytest.mark.parametrize("d", [1, 2])
def test_rqi_counts_parallelograms(d: int) -> None:
    """RQI of a state against a count by hand; 70 parallelograms for p = 10, as the theory says."""
    assert len(parallelograms(10)) == 70
    config = RunConfig(d=d, dtype="float64", repr_lr=1e-2, decoder_lr=1e-3, budget=150, n_train=55)
    history = run_all([config])[config]
    counted = [plain_rqi(embedding) for embedding in history.snapshots]
    np.testing.assert_array_equal(history.rqi[history.snapshot_steps], counted)
    assert max(counted) > 0.3  # or the test says little


def test_step_measures_the_state_before_the_update() -> None:
    """The first step's measurements are those of the initial network."""
    configs = mixed(1)
    starts = [draw(config) for config in configs]
    ensemble = Ensemble(addition_task(configs[0]), starts, configs, "cpu", compiled=False)
    metrics, embeddings, correct = ensemble.step()
    assert metrics.shape == (5, len(METRICS))
    assert correct.shape == (5, 55)
    for lane, config in enumerate(configs):
        np.testing.assert_array_equal(embeddings[lane], draw(config).model.embedding.detach())
    _, later, _ = ensemble.step()
    assert not torch.equal(later, embeddings)


def test_an_ensemble_has_one_shape() -> None:
    """Runs whose tensors do not fit together are refused."""
    configs = [RunConfig(), RunConfig(d=2)]
    starts = [draw(config) for config in configs]
    with pytest.raises(ValueError, match="one shape"):
        Ensemble(addition_task(configs[0]), starts, configs, "cpu", compiled=False)


def test_eager_lanes_keep_their_bits_in_any_company() -> None:
    """Whatever else is trained, and in how many lanes, from two lanes on; one lane takes other BLAS calls."""
    configs = mixed(60)
    everything = run_all(configs, lanes=5)
    for history in (
        *run_all(configs[::-1], lanes=3).values(),
        *run_all(configs[1:3], lanes=2).values(),
        *run_all(configs[:1] * 2, lanes=2).values(),
    ):
        assert_same_bits(history, everything[history.config])


@pytest.fixture(scope="module")
def compiled() -> Iterator[tuple[list[RunConfig], dict[RunConfig, History], dict[RunConfig, History]]]:
    """Five runs compiled, once in five lanes and once through three: two compilations serve every test."""
    configs = mixed(60)
    with warnings.catch_warnings(record=True) as caught:
        five = run_all(configs, lanes=5, compiled=True)
        three = run_all(configs[::-1], lanes=3, compiled=True)
    failures = [str(warning.message) for warning in caught if "torch.compile failed" in str(warning.message)]
    if failures:
        pytest.skip(f"nothing was checked about the compiled step: {failures[0]}")
    yield configs, five, three
    torch.compiler.reset()


def test_compiled_lanes_keep_their_bits_in_any_company(compiled) -> None:
    """A compiled run's numbers depend on nothing but its configuration, refilled lanes included."""
    configs, five, three = compiled
    assert len(five) == len(three) == len(configs)
    for config in configs:
        assert_same_bits(five[config], three[config])


def test_float32_compiled_and_eager_follow_the_twin(compiled) -> None:
    """Compilation and lanes change the last digits only."""
    configs, five, _ = compiled
    eager = run_all(configs, lanes=5)
    for config in configs:
        trace = train_alone(config)
        for history in (five[config], eager[config]):
            for name in ("train_loss", "test_loss"):
                np.testing.assert_allclose(getattr(history, name), getattr(trace, name), **CLOSE)
            np.testing.assert_allclose(history.snapshots, trace.embeddings[history.snapshot_steps], **CLOSE)
            # shares of few samples: a sample or a parallelogram on the edge may fall to either side
            for name in ("train_accuracy", "test_accuracy", "rqi"):
                one, other = getattr(history, name), getattr(trace, name)
                assert np.isclose(one, other, equal_nan=True).mean() > 0.9, name


def test_without_a_compiler_training_goes_on_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.compile failing at its first call is a warning; the numbers are the eager ones."""

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


@pytest.mark.gpu
def test_gpu_runs_are_the_cpu_runs() -> None:
    """float64 on the device against float64 here: only the order of sums differs."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device: nothing was checked about training on a GPU")
    assert resolve_device("auto") == "cuda"
    for loss in ("mse", "ce"):
        configs = mixed(60, dtype="float64", loss=loss)
        on_cpu = run_all(configs)
        for compiled_step in (False, True):
            on_gpu = run_all(configs, device="auto", compiled=compiled_step)
            for config in configs:
                for name in METRICS:
                    one, other = getattr(on_gpu[config], name), getattr(on_cpu[config], name)
                    np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-12, err_msg=name)
                np.testing.assert_allclose(on_gpu[config].snapshots, on_cpu[config].snapshots, rtol=1e-8, atol=1e-12)
