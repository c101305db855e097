"""The package's door: what the architecture promises is there."""

from __future__ import annotations

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
