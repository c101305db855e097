"""Nothing that the package offers fails but by an ArgumentError of one line; 20,000
calls more, and what counts as a failure: `python -m tests.fuzz`.
"""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest

import efftheory as et
from tests import fuzz

CALLS = 2000


def test_random_calls_return_a_value_or_say_what_is_wrong() -> None:
    assert list(fuzz.faults(0, range(CALLS))) == []


def test_every_argument_of_every_function_is_made() -> None:
    functions = {name for name in et.__all__ if inspect.isfunction(getattr(et, name))}
    assert functions | {"Decoder"} == set(fuzz.NAMES)
    made = {one for name in fuzz.NAMES for one in inspect.signature(getattr(et, name)).parameters}
    assert made - {"options"} == set(fuzz.VALID)


def test_most_calls_get_past_the_checks_and_many_do_not() -> None:
    """So that neither what follows the checks nor the checks go untried."""
    calls = [fuzz.one_call(1, number)[:2] for number in range(300)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = [fuzz.told(lambda name=name, made=made: getattr(et, name)(**made)) is not None for name, made in calls]
    assert 0.4 < np.mean(values) < 0.9


def _raises(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: _raises(ValueError("of another grammar")),
        lambda: _raises(et.ArgumentError("E", "be\ntwo lines", "is one")),
        lambda: warnings.warn("of something", RuntimeWarning, stacklevel=1),
        lambda: float("nan"),
        lambda: et.Estimate(0.5, (float("nan"), 1.0), 3),
        lambda: et.Trajectory(np.zeros(1), np.full((1, 2, 1), np.nan), np.zeros(1), np.ones(1), np.zeros(1)),
    ],
    ids=["error", "two lines", "warning", "nan", "nan in a record", "nan and converged"],
)
def test_a_fault_is_found(wrong, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(et, "proportion", lambda successes, draws: wrong())
    monkeypatch.setattr(fuzz, "NAMES", ["proportion"])
    assert len(list(fuzz.faults(0, range(3)))) == 3


def test_the_same_seed_makes_the_same_calls() -> None:
    assert [fuzz.shown(3, n) for n in range(50)] == [fuzz.shown(3, n) for n in range(50)]
    assert fuzz.shown(3, 7) != fuzz.shown(4, 7)
