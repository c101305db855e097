"""What a plan will cost, against counts by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.runs import cost
from analysis.runs.cost import ACHIEVED, Cost, estimate
from analysis.runs.executors import Execution
from neural import RunConfig
from neural.counting import count

TOY = RunConfig()


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
