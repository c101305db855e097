"""The decoder that learns beside the embeddings; the theory is in
`efftheory.memory`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efftheory import _checks
from efftheory._checks import ArgumentError
from efftheory._sample_kernels import Part, TrainingSet
from efftheory.embeddings import DELTA, embedding
from efftheory.operations import Operation, require_one_table
from efftheory.parallelograms import Mask

LARGEST_INPUT = 1e15  # what a decoder is asked about: beyond, its layers overflow


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
