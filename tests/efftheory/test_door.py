"""The package's door: what the architecture promises is there."""

from __future__ import annotations

import numpy as np
import pytest

import efftheory as et

PROMISED = [
    "addition",
    "symmetric_group",
    "count_parallelograms",
    "parallelograms",
    "constraint_matrix",
    "effective_loss",
    "effective_loss_gradient",
    "hessian",
    "hessian_operator",
    "spectrum",
    "nullity",
    "is_linear",
    "generalizable",
    "ideal_accuracy",
    "rqi",
    "predicted_accuracy",
    "flow",
    "time_to_rqi",
    "grokking_steps",
    "optimizer_flow",
    "linear_probability",
    "critical_fraction",
    "describe",
    "design_training_set",
    "Decoder",
    "DecoderTrajectory",
    "LearningTrajectory",
    "decoder_flow",
    "memory_flow",
    "decoder_kernels",
    "ridge_potential",
    "success_probability",
    "modular_addition",
    "dihedral_group",
    "from_table",
    "degrees_of_freedom",
    "permutation_representation",
    "ClassTrajectory",
    "class_loss",
    "class_loss_gradient",
    "class_flow",
]


@pytest.mark.parametrize("name", PROMISED)
def test_promised_name_is_exported_and_documented(name):
    assert name in et.__all__
    assert getattr(et, name).__doc__


def test_all_lists_what_is_there_once():
    assert len(et.__all__) == len(set(et.__all__))
    assert all(hasattr(et, name) for name in et.__all__)


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
    yield et.random_training_sets(op, 30, draws=200, seed=0)
    yield et.memory_flow(op, mask, E, targets, steps=100)
    yield et.decoder_flow(op, mask, E, targets, steps=100)


def test_records_show_themselves_on_a_line():
    """Names, types and shapes of arrays, whatever their length."""
    shown = [repr(record) for record in records()]
    assert all(text.endswith(")") and "\n" not in text and len(text) < 400 for text in shown)
    assert shown[3].startswith("Trajectory(times=float64 (2000,), E=float64 (2000, 10, 1)")
    assert "lambda3=" in shown[2]
