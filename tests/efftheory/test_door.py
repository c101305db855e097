"""The package's door: what the architecture promises is there."""

from __future__ import annotations

import inspect
import operator
import re

import numpy as np
import pytest

import efftheory as et

# what the architecture promises, and what a user needs with it
PROMISED = """
Operation addition modular_addition symmetric_group dihedral_group from_table
count_parallelograms parallelograms constraint_matrix effective_loss
effective_loss_gradient hessian hessian_operator spectrum nullity is_linear
generalizable ideal_accuracy rqi predicted_accuracy flow time_to_rqi grokking_steps
optimizer_flow memory_flow success_probability linear_probability critical_fraction
describe design_training_set degrees_of_freedom permutation_representation class_loss
class_loss_gradient class_flow Decoder LearningTrajectory Trajectory Spectrum Estimate
Description ArgumentError
"""
FUNCTIONS = [name for name in et.__all__ if inspect.isfunction(getattr(et, name))]
ARRAYS = ("mask", "E", "E0", "F", "F0", "labels", "targets", "times", "table", "pairs", "representation")
METHODS = ("mask", "first_pairs", "random_training_set")  # of an operation


def test_what_is_promised_is_there_and_documented():
    assert set(PROMISED.split()) <= set(et.__all__)
    assert all(getattr(et, name).__doc__ for name in et.__all__)


def test_dir_shows_what_there_is_once():
    assert sorted(et.__all__) == [name for name in dir(et) if not name.startswith("__")]
    assert len(et.__all__) == len(set(et.__all__))


@pytest.mark.parametrize("name", [*FUNCTIONS, *(f"Operation.{method}" for method in METHODS)])
def test_every_argument_is_documented(name):
    """In an Args section, arrays with their shapes."""
    function = operator.attrgetter(name)(et)
    text = (inspect.getdoc(function) or "").partition("Args:")[2].partition("\n\n")[0]
    assert text, f"{name} has no Args section"
    told = dict(re.findall(r"^    (\w[\w, ]*): (.*(?:\n {8}.*)*)", text, re.MULTILINE))
    described = {one: what for names, what in told.items() for one in names.split(", ")}
    parameters = [one for one in inspect.signature(function).parameters if one != "self"]
    assert sorted(described) == sorted(parameters)
    assert all(re.search(r"\([\w, ]+\)", described[one]) for one in parameters if one in ARRAYS)


def records():
    """One of each kind that holds arrays."""
    op, E = et.addition(10), np.random.default_rng(0).normal(size=(10, 1))
    mask, targets = op.random_training_set(30, seed=0), np.random.default_rng(1).normal(size=(19, 30))
    yield et.symmetric_group(5)
    yield et.describe(op, mask)
    yield et.spectrum(op, mask)
    yield et.flow(op, mask, E, np.linspace(0, 10, 2000))
    yield et.class_flow(np.arange(10) % 3, E, np.linspace(0, 10, 2000))
    yield et.from_table(np.ones((500, 500), int), names=[f"symbol {k}" for k in range(500)])
    yield et.memory_flow(op, mask, E, targets, steps=100)


def test_records_show_themselves_on_a_line():
    """Names, types and shapes of arrays, whatever their length."""
    shown = [repr(record) for record in records()]
    assert all(text.endswith(")") and "\n" not in text and len(text) < 400 for text in shown)
    assert shown[3].startswith("Trajectory(times=float64 (2000,), E=float64 (2000, 10, 1)")
    assert "lambda3=" in shown[2]
