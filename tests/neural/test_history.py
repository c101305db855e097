"""What a run leaves behind: when a threshold was first crossed, and a summary that JSON
can hold.
"""

from __future__ import annotations

import dataclasses
import json
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neural.families.modular import ModularConfig
from neural.families.toy import RunConfig
from neural.history import History
from neural.training import train_runs

shares = st.sampled_from([0.0, 0.5, 0.89, 0.9, 0.95, 0.96, 1.0, float("nan")])
losses = st.floats(width=32, allow_nan=True, allow_infinity=True)


def history(train, test, rqi, loss) -> History:
    """A made-up record."""
    return History(
        config=RunConfig(),
        mask=np.zeros(55, dtype=bool),
        steps=np.arange(len(train)),
        traces={
            "train_accuracy": np.array(train, dtype=np.float32),
            "test_accuracy": np.array(test, dtype=np.float32),
            "rqi": np.array(rqi, dtype=np.float32),
            "train_loss": np.array(loss, dtype=np.float32),
            "test_loss": np.array(loss, dtype=np.float32),
        },
        norms={},
        checkpoint_steps=np.zeros(1, dtype=np.int64),
        checkpoints={"embedding": np.zeros((1, 10, 1))},
        correct=np.arange(55) % 5 == 0,
        retired=False,
    )


def first_step(reached: np.ndarray) -> int | None:
    """Of a run that was evaluated after every update."""
    nothing = [0] * len(reached)
    return history(nothing, nothing, nothing, nothing).first_step(reached)


def with_curve(name: str, curve: np.ndarray) -> History:
    """A run of which one metric matters."""
    run = history([1], [1], [1], [1])
    return dataclasses.replace(run, steps=np.arange(len(curve)), traces=run.traces | {name: curve})


@given(st.lists(st.booleans(), max_size=50))
def test_first_step_is_the_first(reached: list[bool]) -> None:
    """None if and only if never; otherwise reached there and nowhere before."""
    step = first_step(np.array(reached, dtype=bool))
    if step is None:
        assert not any(reached)
    else:
        assert type(step) is int
        assert reached[step]
        assert not any(reached[:step])


def test_thresholds_are_the_papers() -> None:
    """Accuracies at least 0.9, also in float32 for 9 of 10; RQI strictly above 0.95."""
    run = history([0, 0.89, 0.9, 1], [0, 0, np.float32(9) / 10, 0.5], [0.9, 0.95, 0.94, 0.96], [1] * 4)
    # float32(0.9) = 0.89999998, float32(0.95) = 0.94999999: neither side is decided by
    # their last bit
    assert (run.steps_to_train, run.steps_to_test, run.steps_to_rqi) == (2, 2, 3)


def test_never_reached_is_none() -> None:
    """Censored runs say so; nan is not above anything."""
    run = history([0.5] * 3, [float("nan")] * 3, [0.95] * 3, [1] * 3)
    assert (run.steps_to_train, run.steps_to_test, run.steps_to_rqi) == (None, None, None)


@given(st.lists(st.tuples(shares, shares, shares, losses), min_size=1, max_size=5))
def test_summary_is_json(rows) -> None:
    """Strict JSON whatever happened, diverged runs included; numbers or null."""
    run = history(*zip(*rows, strict=True))
    summary = run.summary()
    again = json.loads(json.dumps(summary, allow_nan=False))
    assert again == summary
    assert summary["steps_run"] == len(rows) - 1
    assert summary["accuracy"] == 11 / 55
    assert summary["train_loss"] is None or np.float32(summary["train_loss"]) == run.train_loss[-1]


# Accuracies as an ensemble has them, diverged runs' included; thresholds as people
# write them.
series = st.lists(st.one_of(st.floats(0, 1, width=32), shares), max_size=40)
written = st.one_of(shares.filter(lambda x: x == x), st.integers(-10, 10**6 + 10).map(lambda x: x / 10**6))
NAMES = st.sampled_from(["train_accuracy", "test_accuracy", "rqi"])


@given(series, st.lists(written, max_size=20), NAMES, st.sampled_from([np.float32, np.float64]))
def test_a_record_answers_for_every_threshold(values: list[float], thresholds: list[float], name: str, dtype) -> None:
    """The first recorded step with a value >= x (> x) is the first of all with one, in
    either precision.
    """
    curve = np.array(values, dtype=dtype)
    run = with_curve(name, curve)
    steps, best = run.record(name)
    own = [float(str(value)) for value in curve if value == value]  # the ties
    for x in (*thresholds, *own):
        for passes in (np.greater_equal, np.greater):
            read = next((step for step, value in zip(steps, best, strict=True) if passes(value, x)), None)
            assert read == first_step(passes(curve, x)), (x, passes)


@given(series, NAMES)
def test_a_record_holds_only_records(values: list[float], name: str) -> None:
    """Steps and values both rise, each value is the curve's there; plain numbers that
    JSON can hold.
    """
    run = with_curve(name, np.array(values, dtype=np.float32))
    steps, best = run.record(name)
    assert len(steps) == len(best)
    assert all(np.diff(steps) > 0)
    assert all(np.diff(best) > 0)
    assert [np.float32(value) for value in best] == [np.float32(values[step]) for step in steps]
    assert {type(step) for step in steps} <= {int}
    assert {type(value) for value in best} <= {float}
    assert json.loads(json.dumps([steps, best], allow_nan=False)) == [steps, best]


def test_the_record_of_nothing_is_empty() -> None:
    """All nan, as test accuracy is where everything is trained on; 0 from the start is
    something.
    """
    run = history([0, 0, 0], [float("nan")] * 3, [float("nan"), 0.9, 0.5], [1] * 3)
    assert run.record("test_accuracy") == ([], [])
    assert run.record("train_accuracy") == ([0], [0.0])
    assert run.record("rqi") == ([1], [0.9])


def test_a_history_shows_itself_on_a_line() -> None:
    """Whatever its length; what can be asked for is listed, and all of that can be."""
    run = history(*[[0.5] * 1000] * 4)
    first = "History(toy, seed 0, trained on 45 of 55 samples; after 999 of 10000 steps: train_accuracy 0.5"
    assert repr(run).startswith(first)
    assert len(repr(run)) < 250
    assert {"train_loss", "rqi", "steps_to_rqi", "steps", "summary"} <= set(dir(run))
    assert all(hasattr(run, name) for name in dir(run))


def test_a_history_as_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row a state, norms included; one line says what is missing without pandas."""
    run = history([0, 1], [0, 1], [0, 1], [2, 1])
    frame = run.to_frame()
    assert list(frame) == ["step", *run.traces]
    assert frame["train_loss"].tolist() == [2, 1]
    modular = next(train_runs([ModularConfig(p=5, width=8, budget=50)], "cpu", compiled=False))
    assert modular.to_frame()["norm_output"].tolist() == modular.norms["output"].tolist()
    assert modular.to_frame()["step"].tolist() == [0, 25, 50]
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="`to_frame` needs the package pandas"):
        run.to_frame()
