"""The decoder that learns beside the embeddings, and what is recorded of them; the
theory is in `efftheory.memory`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efftheory import _checks
from efftheory._checks import ArgumentError
from efftheory._kernels import loss_path
from efftheory._records import short
from efftheory._sample_kernels import Part, TrainingSet
from efftheory.embeddings import DELTA, embedding
from efftheory.flow import Trajectory
from efftheory.operations import Operation, require_one_table
from efftheory.parallelograms import Mask, training_samples

LARGEST_INPUT = 1e15  # what a decoder is asked about: beyond, its layers overflow
SPACING = 0.03  # records are this share of the time apart


@dataclass(frozen=True)
class Decoder:
    """A multilayer perceptron with PyTorch's default initialisation (uniform, variance
    1/(3 inputs)), and how it is trained.

    Attributes:
        width, depth: of its hidden layers, and how many there are.
        activation: of the hidden layers, "tanh" or "relu".
        n_outputs: dimension of the targets; with loss "ce" there is an output a result
            instead.
        loss: "mse", mean over samples and outputs; "ce", cross-entropy of the results.
        optimizer, weight_decay: "adamw" or "sgd" (no momentum), the decay decoupled in
            both.
        warmup: steps over which its learning rate rises linearly from 0.
    """

    width: int = 200
    depth: int = 2
    activation: Literal["tanh", "relu"] = "tanh"
    n_outputs: int = 30
    loss: Literal["mse", "ce"] = "mse"
    optimizer: Literal["adamw", "sgd"] = "adamw"
    weight_decay: float = 0.0
    warmup: int = 0

    def __post_init__(self) -> None:
        for name in ("width", "depth", "n_outputs"):
            _checks.integer(name, getattr(self, name), 1)
        _checks.integer("warmup", self.warmup, 0)
        _checks.choice("activation", self.activation, ("tanh", "relu"))
        _checks.choice("loss", self.loss, ("mse", "ce"))
        _checks.choice("optimizer", self.optimizer, ("adamw", "sgd"))
        _checks.positive("weight_decay", self.weight_decay, zero=True)


@dataclass(frozen=True, eq=False)
class LearningTrajectory(Trajectory):
    """Embeddings and accuracies while a decoder learns; times are optimiser steps.

    `loss` is l_eff (nan for products, and where Z0 has left the range of floats). It
    may end before `steps`: where nothing is left to be learned, or where numbers
    overflowed; then `converged` is False, and there may be no record at all.

    Attributes:
        train_accuracy, test_accuracy: float64 (T,), nearest target; test nan if all
            samples are trained on.
        train_loss: float64 (T,), of the training samples: mean squared residual, or
            cross-entropy.
        steps_to_rqi: first (merged) step with RQI above 0.95; inf = never.
        steps_to_train, steps_to_test: first step with an accuracy of at least 0.9, of
            `times` (up to 3 % late); inf = never. `memory_flow` reads all three after
            every half percent of the time.
    """

    train_accuracy: NDArray[np.float64]
    test_accuracy: NDArray[np.float64]
    train_loss: NDArray[np.float64]
    steps_to_rqi: float
    steps_to_train: float
    steps_to_test: float

    __repr__ = short


def decoder_of(decoder: Decoder | None) -> Decoder:
    """`decoder`; None is the paper's."""
    if decoder is None:
        return Decoder()
    _checks.instance("decoder", decoder, Decoder)
    return decoder


def training_set(op: Operation, mask: Mask, E0: ArrayLike) -> tuple[NDArray[np.float64], TrainingSet]:
    """The embeddings, flat (p, c), and the samples as the kernels take them."""
    require_one_table(op)
    E = _checks.within("E0", embedding(E0, op, "E0"), LARGEST_INPUT)
    trained = _checks.training_mask(mask, op.n_samples)
    if not trained.any():
        raise ArgumentError("mask", "have a sample to train on", "has none")
    left, right = op.pairs.T
    train, test = (Part(left[part], right[part], op.results[part]) for part in (trained, ~trained))
    data = TrainingSet(train, test, op.samples, DELTA[op.composition] ** 2, op.composition == "product")
    return E.reshape(op.n_symbols, -1).copy(), data


def capacity(steps: int) -> int:
    """How many records a flow makes at most."""
    return math.ceil(2 / SPACING + math.log(max(steps, 2)) / math.log1p(SPACING)) + 2


def learned_fields(
    op: Operation,
    mask: Mask,
    times: NDArray[np.float64],
    path: NDArray[np.float64],
    curves: NDArray[np.float64],
    crossed: NDArray[np.float64],
) -> dict[str, Any]:
    """The fields of a `LearningTrajectory`, from the arrays that a flow records."""
    n = len(times)
    with np.errstate(over="ignore"):  # a last record before numbers overflow
        z0 = (path**2).sum(axis=(1, 2))
    if op.composition == "sum":
        l0 = loss_path(*training_samples(op, mask), path)
        loss = np.divide(l0, z0, out=np.full(n, np.nan), where=(z0 > 0) & (z0 < np.inf))
    else:
        loss = np.full(n, np.nan)
        path = path.reshape(n, op.n_symbols, *[math.isqrt(path.shape[2])] * 2)
    train, test, rqi, train_loss = curves.T
    steps_to_train, steps_to_test, steps_to_rqi = crossed.tolist()
    return {
        "times": times,
        "E": path,
        "loss": loss,
        "z0": z0,
        "rqi": rqi,
        "train_accuracy": train,
        "test_accuracy": test,
        "train_loss": train_loss,
        "steps_to_rqi": steps_to_rqi,
        "steps_to_train": steps_to_train,
        "steps_to_test": steps_to_test,
    }
