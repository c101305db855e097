"""Students and teachers: each lane against a twin in torch's own layers, and what a
seed fixes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from neural.families.teacher import Teacher, TeacherConfig, samples
from neural.history import History
from neural.training import train_run
from tests.neural.test_ensemble import run_all
from tests.neural.twins import Twin, arrays_of, assert_run_is, norm_of, perceptron_of

SMALL = TeacherConfig(n_train=12, n_test=7, width=9, look_every=5, budget=40, learning_rate=3e-3)


def assert_twin_agrees(config: TeacherConfig, run: History) -> None:
    """By nn.Linear and torch's optimisers."""
    begin = Teacher.start(config)
    kind = getattr(torch, config.dtype)
    model, layers = perceptron_of(config.widths, nn.Tanh, begin.model)
    model.to(kind)
    x, y = (torch.as_tensor(array, dtype=kind) for array in samples(config))

    def measured(batch: Any) -> tuple[torch.Tensor, ...]:
        errors = ((model(x) - y) ** 2).mean(1)[slice(None) if batch is None else batch]
        return errors < 0.001, errors < 0.01, errors

    traces, right = Twin(config, begin, model, measured, lambda: [norm_of(layers["last"].parameters())]).train()
    assert_run_is(run, traces, arrays_of(layers), right)


@pytest.mark.parametrize("shared", [{}, {"constrained": True, "depth": 2}, {"depth": 1, "n_outputs": 2}], ids=str)
def test_lanes_are_separate_runs(shared: dict[str, Any]) -> None:
    """Three runs that differ in all that an ensemble may mix; each tensor counts once
    in the norm that is held.
    """
    base = replace(SMALL, dtype="float64", **shared)
    configs = [
        replace(base, seed=1, init_scale=3.0),
        replace(base, seed=2, weight_decay=1.0, learning_rate=1e-2),
        replace(base, seed=3, optimizer="sgd", learning_rate=0.1, init_scale=0.5),
    ]
    for config, run in run_all(configs, lanes=3).items():
        assert_twin_agrees(config, run)
        if config.constrained:
            np.testing.assert_allclose(run.weight_norm, run.weight_norm[0], rtol=1e-12)


def test_a_student_that_begins_as_its_teacher_would_be_right() -> None:
    """The two are drawn apart: at step 0 no student is its teacher; and the inputs are
    normal (0, 1).
    """
    config = replace(SMALL, n_train=4_000, n_test=4_000)
    x, y = samples(config)
    with torch.no_grad():
        student = Teacher.start(config).model(torch.as_tensor(x)).numpy()
    assert np.abs(student - y).mean() > 0.05
    assert np.abs(x.mean(0)).max() < 5 / 8_000**0.5
    assert np.abs(x.std(0) - 1).max() < 5 / 16_000**0.5


def test_a_run_at_constant_norm_is_trained_to_its_budget() -> None:
    """A landscape asks for the loss after so many steps; a free run of the same kind
    ends when nothing is left to see.
    """
    config = replace(SMALL, n_train=60, n_test=60, learning_rate=0.01, weight_decay=0.0, n_inputs=2, n_outputs=1)
    config = replace(config, look_every=20, budget=600)
    free, held = train_run(config), train_run(replace(config, constrained=True))
    assert free.retired
    assert free.steps_run < 600
    assert not held.retired
    assert held.steps_run == 600
    assert held.test_accuracy[-1] > 0.9
