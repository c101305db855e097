"""What a plan will cost, against counts by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.runs import cost
from analysis.runs.cost import ACHIEVED, Cost, estimate
from analysis.runs.executors import Execution
from neural import RunConfig
from neural.counting import count
from neural.families.toy import least_operations as operations
from neural.families.toy import start as start_of

TOY = RunConfig()
# 1-200-200-30: 46,200 weights, 430 biases, 10 embeddings
FORWARD, BACKWARD, DISTANCES, ADAMW = 2 * 55 * 46_200, 4 * 45 * 46_200, 2 * 55 * 30 * 19, 14 * 46_640


def test_the_default_toy_by_hand():
    assert operations(TOY) == FORWARD + BACKWARD + DISTANCES + ADAMW


def test_what_a_field_changes():
    assert operations(replace(TOY, batch_size=5)) == FORWARD + 4 * 5 * 46_200 + DISTANCES + ADAMW
    assert operations(replace(TOY, batch_size=45)) == operations(TOY)
    for other in (replace(TOY, seed=3), replace(TOY, decoder_lr=1.0), replace(TOY, budget=5)):
        assert operations(other) == operations(TOY)
    # classification: 19 outputs and no distances
    weights = 200 + 200 * 200 + 200 * 19
    parameters = weights + 200 + 200 + 19 + 10
    assert operations(replace(TOY, loss="ce")) == (2 * 55 + 4 * 45) * weights + 14 * parameters
    # S3: 3 x 3 matrices, all 36 ordered pairs, six results
    s3 = RunConfig(operation="s3", p=6, n_train=24, d=3)
    weights = 9 * 200 + 200 * 200 + 200 * 30
    parameters = weights + 430 + 6 * 9
    assert operations(s3) == (2 * 36 + 4 * 24) * weights + 2 * 36 * 30 * 6 + 14 * parameters


@pytest.mark.parametrize(
    "config",
    [
        TOY,
        replace(TOY, depth=1, d=3, width=7),
        replace(TOY, depth=4, n_outputs=3, loss="ce"),
        RunConfig(operation="s3", p=6, n_train=24, d=3),
        RunConfig(operation="s3", p=6, n_train=24, d=2, loss="ce"),
    ],
)
def test_parameters_are_the_networks(config):
    """The count of weights and of all parameters, recovered from the operations, is
    PyTorch's.
    """
    model = start_of(config).model
    weights = sum(parameter.numel() for name, parameter in model.named_parameters() if name.endswith("weight"))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    more = replace(config, n_train=config.n_train + 1)
    assert operations(more) - operations(config) == 4 * weights
    n_results = 2 * config.p - 1 if config.operation == "addition" else config.p
    distances = 2 * config.n_samples * config.n_outputs * n_results if config.loss == "mse" else 0
    rest = operations(config) - (2 * config.n_samples + 4 * config.n_train) * weights - distances
    assert rest == 14 * parameters


@given(st.integers(1, 300), st.integers(1, 54), st.integers(1, 4))
def test_more_of_anything_costs_more(width, n_train, depth):
    config = RunConfig(width=width, n_train=n_train, depth=depth)
    more = [
        {"width": width + 1},
        {"n_train": n_train + 1},
        {"depth": depth + 1},
        {"p": 11},
        {"n_outputs": 31},
        {"d": 2},
    ]
    assert all(operations(replace(config, **change)) > operations(config) for change in more)


def test_nothing_to_train_costs_nothing():
    nothing = estimate([], Execution("cpu", "in-process"))
    assert nothing == Cost(0, 0, 0, 0)
    assert str(nothing).startswith("nothing")


@pytest.fixture
def rate(monkeypatch) -> float:
    """A machine of 1 G operations a second."""
    monkeypatch.setattr(cost, "gemm_rate", lambda *_: 1e9)
    return 1e9


def test_an_estimate_adds_up(rate):
    runs = [TOY, replace(TOY, budget=500), replace(TOY, loss="ce", budget=100)]
    alone = estimate(runs, Execution("cpu", "in-process"))
    assert (alone.n_runs, alone.n_steps) == (3, 10_600)
    assert alone.operations == 10_500 * count(TOY).operations + 100 * count(runs[2]).operations
    assert alone.seconds == pytest.approx(alone.operations / (ACHIEVED * rate))
    many = estimate(runs, Execution("cpu", "processes", workers=4))
    assert many.seconds == pytest.approx((alone.seconds or 0) / 4)
    assert many.operations == alone.operations


def test_an_estimate_can_be_read():
    told = str(Cost(507, 50_700_000, 7.1e14, 3600))
    assert told.startswith("507 runs to train, 50,700,000 steps, 7.1e+14 operations: about 60 min on this machine")
    assert "about 1 min" in str(Cost(1, 1, 1.0, 0.1))
    assert "about 89 min" in str(Cost(1, 1, 1.0, 89 * 60))
    assert "about 2.5 hours" in str(Cost(1, 1, 1.0, 2.5 * 3600))


def test_the_machines_rate_is_a_rate():
    """No more than that it is measured: a machine does between 10 M and 1,000 T
    operations a second.
    """
    assert 1e7 < cost.gemm_rate(1, 8, 16, 4) < 1e15
