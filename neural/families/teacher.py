"""A student learns what a teacher says: two perceptrons of one shape, the student's
initial weights too large or too small.

Source: Liu, Michaud and Tegmark, "Omnigrok: Grokking Beyond Algorithmic Data", section
3.1: 5-100-100-5 with tanh, the teacher with the usual initial weights, the student with
alpha times such weights of its own; 100 training inputs, normal (0, 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neural.family import Metric
from neural.layers import Perceptron
from neural.supervised import Data, Supervised, TrainingConfig, again, initial_weights, usual_metrics

_SHARE = 0.95  # of samples that are right: the paper's threshold


@dataclass(frozen=True)
class TeacherConfig(TrainingConfig):
    """One run of a student: 5-100-100-5, tanh, 100 training inputs, by default."""

    n_train: int = 100
    """Training inputs; the same seed's smaller sets are parts of its larger ones."""
    n_test: int = 100
    """Test inputs."""
    seed: int = again("seed")
    """Fixes the teacher, the inputs and the student's initial weights."""
    n_inputs: int = 5
    """Numbers that the networks see."""
    n_outputs: int = 5
    """Numbers that they give."""
    width: int = 100
    """Width of the hidden layers, of both."""
    depth: int = 3
    """Layers of weights, of both."""
    learning_rate: float = again("learning_rate", 3e-4)
    weight_decay: float = again("weight_decay", 0.05)
    batch_size: ClassVar = None  # pyright: ignore[reportIncompatibleVariableOverride]

    @property
    def widths(self) -> list[int]:
        """Of the inputs, each hidden layer, and the outputs."""
        return [self.n_inputs, *[self.width] * (self.depth - 1), self.n_outputs]


def samples(config: TeacherConfig) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Inputs (N, n_inputs), the training inputs first, and what the teacher says, (N,
    n_outputs). Runs of one seed share a teacher, nested training and test sets.
    """
    *inputs, weights, _ = np.random.SeedSequence([config.seed, config.n_inputs, config.n_outputs]).spawn(4)
    sizes = [(n, config.n_inputs) for n in (config.n_train, config.n_test)]
    parts = [np.random.default_rng(one).normal(size=size) for one, size in zip(inputs, sizes, strict=True)]
    x = np.concatenate(parts).astype(np.float32)
    teacher = initial_weights(lambda: Perceptron(config.widths, torch.tanh, 1.0), weights)
    with torch.no_grad():
        return x, teacher(torch.as_tensor(x)).numpy()


class Teacher(Supervised):
    """The family of students and teachers. All updates descend on the whole training
    set. A sample is right where the mean square distance of its outputs to the
    teacher's is below 0.001 (the paper's code) or 0.01 (its text).
    """

    name: ClassVar = "teacher"
    Config: ClassVar = TeacherConfig
    _USUAL = usual_metrics("last_norm", steps_to_train=_SHARE, steps_to_test=_SHARE)
    METRICS: ClassVar = (
        *_USUAL[:2],
        Metric("train_accuracy_01", "share", {"steps_to_train_01": _SHARE}, record="train_record_01"),
        Metric("test_accuracy_01", "share", {"steps_to_test_01": _SHARE}, record="test_record_01"),
        *_USUAL[2:],
    )
    SCALED = True

    @staticmethod
    def network(config: TeacherConfig) -> Perceptron:
        return Perceptron(config.widths, torch.tanh, config.init_scale)

    @staticmethod
    def data(config: TeacherConfig) -> Data:
        """Runs of one seed share the student's initial weights, but for their scale."""
        x, y = samples(config)
        weights = np.random.SeedSequence([config.seed, config.n_inputs, config.n_outputs]).spawn(4)[3]
        return Data(np.arange(len(x)) < config.n_train, {"x": x, "y": y}, weights)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return (outputs - y).square().mean()

    def measure(self, outputs: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        errors = (outputs - y).square().mean(1)
        return errors < 0.001, (errors < 0.01).to(errors.dtype), errors
