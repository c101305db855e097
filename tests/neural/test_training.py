"""The loop: lanes refill, budgets are exact, runs retire only when nothing is left to
measure, and the golden run of the official code comes out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from tqdm import tqdm

from neural.config import ConfigError
from neural.counting import count
from neural.ensemble import Ensemble
from neural.families.modular import ModularConfig
from neural.families.toy import MAX_SNAPSHOTS, RunConfig, Toy
from neural.history import History
from neural.training import CHUNK, default_lanes, resolve_device, train_run, train_runs
from tests.neural.reference import train_alone
from tests.neural.test_ensemble import METRICS, assert_same_bits, batched, mixed, mixed_s3, run_all

EASY = [  # runs that are through after a few hundred steps
    RunConfig(n_train=50, seed=58, init="reference", repr_lr=1e-2, decoder_lr=1e-3, budget=700),
    RunConfig(n_train=54, seed=58, init="reference", repr_lr=1e-2, decoder_lr=3e-3, budget=700),
]


@pytest.fixture(scope="module")
def golden() -> History:
    """The official code's run, long enough for all three of its thresholds."""
    return train_run(RunConfig(p=10, n_train=45, seed=58, init="reference", budget=2000))


def test_golden_steps(golden: History) -> None:
    """Published: 800, 1130, 1530. The official code counts the state after the update,
    hence +-2.
    """
    crossed = (golden.steps_to_rqi, golden.steps_to_train, golden.steps_to_test)
    assert None not in crossed
    np.testing.assert_allclose(np.array(crossed, dtype=float), [800, 1130, 1530], atol=2)


def test_golden_losses(golden: History) -> None:
    """Published to three digits."""
    assert f"{golden.train_loss[0]:.3f}" == "0.981"
    assert f"{golden.train_loss[1000]:.3f}" == "0.430"


def test_golden_run_is_whole(golden: History) -> None:
    """A run that never settles is kept to its last step, snapshots at both ends."""
    assert not golden.retired
    assert golden.steps_run == 2000
    assert all(len(getattr(golden, name)) == 2001 for name in METRICS)
    assert golden.checkpoint_steps[0] == 0
    assert golden.checkpoint_steps[-1] == 2000
    assert golden.checkpoints["embedding"].shape == (len(golden.checkpoint_steps), 10, 1)
    assert len(golden.checkpoint_steps) <= MAX_SNAPSHOTS + 1
    assert golden.accuracy == golden.correct.mean()
    train_share = golden.correct[golden.mask].mean()
    np.testing.assert_allclose(train_share, golden.train_accuracy[-1], rtol=1e-6)


@pytest.mark.parametrize("budget", [1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 70])
def test_a_budget_of_n_updates_has_n_plus_one_states(budget: int) -> None:
    """Multiples of the chunk or not; the states are the twin's, the last snapshot that
    of the last state.
    """
    config = RunConfig(budget=budget, seed=3, dtype="float64", repr_lr=1e-2, width=20)
    history, trace = train_run(config), train_alone(config)
    assert history.steps_run == budget
    for name in METRICS:
        np.testing.assert_allclose(getattr(history, name), getattr(trace, name), rtol=1e-9, err_msg=name)
    assert history.checkpoint_steps[-1] == budget
    assert np.all(np.diff(history.checkpoint_steps) > 0)
    np.testing.assert_allclose(history.checkpoints["embedding"], trace.embeddings[history.checkpoint_steps], rtol=1e-9)


def test_lanes_refill() -> None:
    """Runs that enter a used lane are as if they had started there, and runs leave in
    the order they finish.

    Two lanes, 50 states at a time. 120 and 49 enter; 49 leaves, 1 enters and leaves, 70
    enters; 120 leaves, 50 enters; 70 leaves, 50 leaves.
    """
    budgets = [120, 49, 1, 70, 50]
    configs = [dataclasses.replace(run, budget=budget) for run, budget in zip(mixed(1), budgets, strict=True)]
    through_two = list(train_runs(configs, device="cpu", lanes=2, compiled=False))
    assert [run.config.budget for run in through_two] == [49, 1, 120, 70, 50]
    assert [run.steps_run for run in through_two] == [49, 1, 120, 70, 50]
    in_five = run_all(configs, lanes=5)
    for run in through_two:
        assert_same_bits(run, in_five[run.config])


@pytest.mark.parametrize("some", [batched, mixed_s3])
def test_lanes_with_mini_batches_refill(some) -> None:
    """The same where runs have batches: 70 and 50 enter lanes that others used up
    blocks of batches in.
    """
    budgets = [120, 49, 1, 70, 50]
    configs = [dataclasses.replace(run, budget=n) for run, n in zip(some(1, width=40)[::-1], budgets, strict=True)]
    in_five = run_all(configs, lanes=5)
    for run in train_runs(configs, device="cpu", lanes=2, compiled=False):
        assert_same_bits(run, in_five[run.config])


@pytest.mark.parametrize("operation", [{}, {"operation": "s3", "p": 6, "d": 2}])
def test_a_lone_run_with_mini_batches_is_the_twins(operation: dict) -> None:
    """The idle copy beside it takes no batch away from it."""
    config = RunConfig(n_train=17, batch_size=5, budget=70, seed=3, dtype="float64", width=20, **operation)
    history, trace = train_run(config), train_alone(config)
    for name in METRICS:
        np.testing.assert_allclose(getattr(history, name), getattr(trace, name), rtol=1e-9, err_msg=name)


def test_shapes_are_trained_apart() -> None:
    """Runs that do not fit together are sorted, none is lost, and twice the same run is
    two histories.
    """
    base = RunConfig(budget=3, p=6, n_train=20, width=20)
    kinds = [{}, {"d": 2}, {"loss": "ce"}, {"operation": "s3"}]
    configs = [dataclasses.replace(base, **kind) for kind in kinds] * 2
    histories = list(train_runs(configs, device="cpu", compiled=False))
    assert len(histories) == 8
    assert sorted(map(repr, (run.config for run in histories))) == sorted(map(repr, configs))


@pytest.mark.parametrize("p", [2, 3, 5, 8])
def test_small_p_trains(p: int) -> None:
    """Also where |D0| is below the default n_train."""
    config = RunConfig(p=p, n_train=2, budget=2)
    assert train_run(config).config == config


def test_runs_are_taken_only_when_a_lane_is_free() -> None:
    """So a plan may be endless, and a plan cut short has not drawn what it will not
    train.
    """
    taken = 0

    def plan() -> Iterator[RunConfig]:
        nonlocal taken
        while True:
            taken += 1
            yield RunConfig(seed=taken, budget=10, width=8)

    histories = train_runs(plan(), device="cpu", lanes=2, compiled=False)
    assert taken == 0
    for finished in range(1, 6):
        next(histories)
        assert taken <= finished + 2


def test_as_many_lanes_as_suit_the_device() -> None:
    """Where none are asked for: eight of the paper's networks on a CPU, two where eight
    would not fit into a cache.
    """
    assert default_lanes(RunConfig(), "cpu") == 8
    assert default_lanes(RunConfig(width=1000), "cpu") == 2
    assert 2 < default_lanes(RunConfig(width=300), "cpu") < 8
    assert default_lanes(ModularConfig(), "cpu") == 8
    assert default_lanes(ModularConfig(network="transformer"), "cpu") == 2
    taken: list[int] = []
    plan = (taken.append(seed) or RunConfig(seed=seed, budget=1, width=4) for seed in range(20))
    next(train_runs(plan, device="cpu", compiled=False))
    assert taken == list(range(8))


def test_idle_lanes_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end of a plan the ensemble goes on with fewer, and every run as if nothing
    had happened.
    """
    budgets = [60, 250, 60, 160, 60, 60]
    configs = [RunConfig(seed=seed, budget=budget, width=20) for seed, budget in enumerate(budgets)]
    configs[1] = dataclasses.replace(configs[1], batch_size=7, repr_optimizer="sgd", repr_wd=0.1)
    kept: list[list[int]] = []
    keep = Ensemble.keep

    def spy(self: Ensemble, lanes: list[int]) -> None:
        kept.append(list(lanes))
        keep(self, lanes)

    monkeypatch.setattr(Ensemble, "keep", spy)
    histories = run_all(configs, lanes=6)
    assert kept == [[1, 3]]
    monkeypatch.setattr(Ensemble, "keep", lambda self, lanes: pytest.fail("two lanes are the fewest"))
    for config in configs:
        assert_same_bits(histories[config], run_all([config, configs[1]], lanes=2)[config])
    monkeypatch.setattr(Ensemble, "keep", spy)
    run_all([configs[1], *(dataclasses.replace(configs[0], seed=seed) for seed in range(3))], lanes=4)
    assert kept[1:] == [[0, 1]]  # with an idle companion


def test_no_runs() -> None:
    """Nothing to do is not an error."""
    assert list(train_runs([], device="cpu")) == []


def test_a_settled_run_retires(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends early with every threshold crossed, and its record is the beginning of
    the full run's.
    """
    early = run_all(EASY, lanes=2)
    monkeypatch.setattr(Toy, "settled", staticmethod(lambda traces: False))
    full = run_all(EASY, lanes=2)
    for config in EASY:
        short, long = early[config], full[config]
        assert short.retired
        assert not long.retired
        assert CHUNK < short.steps_run < long.steps_run == config.budget
        for name in METRICS:
            np.testing.assert_array_equal(getattr(short, name), getattr(long, name)[: short.steps_run + 1])
        for steps in ("steps_to_rqi", "steps_to_train", "steps_to_test"):
            assert getattr(short, steps) is not None
            assert getattr(short, steps) == getattr(long, steps)
        assert short.accuracy == 1
        assert short.checkpoint_steps[-1] == short.steps_run


def test_a_run_retires_only_once_it_has_settled() -> None:
    """Through the whole last chunk every sample was right and RQI high, and the chunk
    before was not.
    """
    for run in run_all(EASY, lanes=2).values():
        settled = (run.train_accuracy == 1) & (run.test_accuracy == 1) & (run.rqi > 0.95)
        assert settled[-CHUNK:].all()
        assert not settled[-2 * CHUNK : -CHUNK].all()


@pytest.mark.parametrize(
    ("config", "missing"),
    [
        (RunConfig(p=9, n_train=40, repr_lr=1e-2, decoder_lr=3e-3), "test_accuracy"),
        (RunConfig(n_train=54, d=2, repr_lr=1e-3, decoder_lr=1e-2), "rqi"),
    ],
    ids=["memorised", "unstructured"],
)
def test_a_run_with_something_left_to_measure_goes_on(config: RunConfig, missing: str) -> None:
    """Trained to the last sample long ago, but not yet generalising, or without a
    structure to show.
    """
    run = train_run(dataclasses.replace(config, seed=58, init="reference", budget=400))
    assert (run.train_accuracy[-2 * CHUNK :] == 1).all()
    others = {"test_accuracy": run.test_accuracy == 1, "rqi": run.rqi > 0.95}
    assert not others.pop(missing)[-CHUNK:].any()
    assert all(reached[-2 * CHUNK :].all() for reached in others.values())
    assert not run.retired
    assert run.steps_run == 400


def test_progress_adds_up() -> None:
    """on_work counts the plan: retired runs count their whole budget."""
    configs = [*EASY, *mixed(60)]
    counts: list[float] = []
    histories = list(train_runs(configs, device="cpu", lanes=3, compiled=False, on_work=counts.append))
    assert any(run.retired for run in histories)
    assert sum(counts) == pytest.approx(sum(config.budget * count(config).operations for config in configs))
    assert min(counts) >= 0


def test_progress_counts_the_steps_of_all_budgets(bars: list[tqdm]) -> None:
    """One bar for runs of two families, whose steps cost differently; none unless it is
    asked for.
    """
    modular = ModularConfig(p=5, width=8, budget=50)
    list(train_runs([modular], "cpu"))
    assert not bars
    list(train_runs(iter([*mixed(60), modular]), "cpu", compiled=False, progress=True))
    [bar] = bars
    assert (bar.unit, bar.n, bar.total) == ("step", 60 * len(mixed(60)) + 50, bar.n)


def test_everything_trained_on_leaves_no_test_values() -> None:
    """n_train = |D0|: nan, null in the summary, and never 'reached'; also such a run
    can retire.
    """
    config = dataclasses.replace(EASY[0], n_train=55)
    history = train_run(config)
    assert np.isnan(history.test_accuracy).all()
    assert np.isnan(history.test_loss).all()
    assert history.steps_to_test is None
    assert history.summary()["test_accuracy"] is None
    assert history.mask.all()
    assert history.retired


def test_unknown_device() -> None:
    """A misspelt or absent device is the user's to fix, not a fallback."""
    with pytest.raises(ConfigError, match="`device` must be one of auto, cpu, cuda, but is 'tpu'"):
        resolve_device("tpu")
    assert resolve_device("cpu") == "cpu"
    if not torch.cuda.is_available():
        assert resolve_device("auto") == "cpu"
        with pytest.raises(ConfigError, match="no CUDA device"):
            resolve_device("cuda")


def test_a_cpu_trains_with_one_thread() -> None:
    """What torch compiles for two has crashed, and bits depend on it; afterwards there
    are as many as before.
    """
    threads, seen = torch.get_num_threads(), set()
    try:
        torch.set_num_threads(2)
        list(train_runs([RunConfig(budget=20)], "cpu", on_work=lambda _: seen.add(torch.get_num_threads())))
        assert (seen, torch.get_num_threads()) == ({1}, 2)
    finally:
        torch.set_num_threads(threads)
