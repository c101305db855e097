"""Sparse parity: the product of k of n signs, by one hidden layer.

A sample is a number whose n bits are its signs; the first k matter, and as all signs
are drawn alike, which k they are makes no difference. Sources: Merrill, Tsilivis and
Shukla, "A Tale of Two Circuits: Grokking as Competition of Sparse and Dense
Subnetworks" (n = 40, k = 3, 1,000 training samples, 1,000 ReLUs, hinge loss, SGD);
Barak et al., "Hidden Progress in Deep Learning: SGD Learns Parities Near the
Computational Limit" (every update sees a fresh batch).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import softplus

from neural.config import ConfigError, option
from neural.family import Parameters, Start
from neural.layers import Perceptron
from neural.supervised import Data, Optimizer, Supervised, TrainingConfig, again, usual_metrics


@dataclass(frozen=True)
class ParityConfig(TrainingConfig):
    """One training run on sparse parity: 3 of 40 signs, 1,000 ReLUs, 1,000 training
    samples, by default.
    """

    n: int = option(40, below=63)
    """Signs of a sample."""
    k: int = 3
    """How many of them the label is the product of."""
    n_train: int = 1_000
    """Training samples; the same seed's smaller sets are parts of its larger ones."""
    online: bool = False
    """Every update sees a batch of its own, drawn from all 2^n samples; on the training samples only the training
    metrics are measured then."""
    n_test: int = 1_000
    """Test samples, none of which is a training sample."""
    seed: int = again("seed")
    """Fixes the samples, all initial weights and the mini-batches."""
    width: int = 1_000
    """Width of the hidden layer."""
    loss: Literal["hinge", "ce"] = "hinge"
    """max(0, 1 - y f) of label y and output f, or the logistic loss ln(1 + exp(-y f))."""
    learning_rate: float = again("learning_rate", 0.1)
    weight_decay: float = again("weight_decay", 0.01)
    """Weight decay (decoupled), of biases as well."""
    optimizer: Optimizer = again("optimizer", "sgd")
    batch_size: int | None = again("batch_size", 32)
    """Samples an update, through the training set in an order that is new each epoch; None is n_train of them."""
    budget: int = again("budget", 20_000)
    constrained: ClassVar = False  # pyright: ignore[reportIncompatibleVariableOverride]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.k > self.n:
            raise ConfigError(f"`k` must be at most n = {self.n}, but is {self.k}.")
        self.check_enough(2**self.n, "2^n = ")


def signs_of(codes: Tensor, n: int, dtype: torch.dtype) -> Tensor:
    """Numbers (B,) to signs (B, n), each bit's: 0 is +1, 1 is -1, the lowest first."""
    bits = codes[:, None] >> torch.arange(n, device=codes.device) & 1
    return 1 - 2 * bits.to(dtype)


def samples(config: ParityConfig) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Signs (N, n) of a run's samples, the training samples first, and their labels
    +-1, (N,).
    """
    signs = signs_of(torch.as_tensor(_codes(config)), config.n, torch.float64).numpy()
    return signs, signs[:, : config.k].prod(axis=1)


def _codes(config: ParityConfig) -> NDArray[np.int64]:
    """The samples (N,) as numbers."""
    train, test, *_ = _streams(config)
    tested = _different(test, config.n, config.n_test, np.zeros(0, np.int64))
    return np.concatenate([_different(train, config.n, config.n_train, tested), tested])


def _streams(config: ParityConfig) -> list[np.random.SeedSequence]:
    """Of the training samples, the test samples, the weights, and the batches."""
    return np.random.SeedSequence([config.seed, config.n]).spawn(4)


def _different(stream: np.random.SeedSequence, n: int, size: int, without: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first so many numbers of n bits that a stream gives and that are neither
    among `without` nor came before.
    """
    rng = np.random.default_rng(stream)
    found = without
    for draws in count(8):  # in blocks whose sizes do not depend on how many are asked for
        if len(found) >= len(without) + size:
            break
        drawn = np.concatenate([found, rng.integers(2**n, size=2**draws)])
        found = drawn[np.sort(np.unique(drawn, return_index=True)[1])]
    return found[len(without) :][:size]


def _fresh(stream: np.random.SeedSequence, n: int, size: int) -> Iterator[NDArray[np.int64]]:
    """Batches of samples, each of its own."""
    rng = np.random.default_rng(stream)
    while True:
        yield rng.integers(2**n, size=size)


class Parity(Supervised):
    """The family of sparse parity. A batch is int64 (B,): the samples themselves, as
    numbers, that an update descends on. A sample is right where its label times the
    output, the margin, is positive.
    """

    name: ClassVar = "parity"
    Config: ClassVar = ParityConfig
    METRICS: ClassVar = usual_metrics(steps_to_train_99=0.99, steps_to_test_75=0.75, steps_to_test_95=0.95)
    SCALED = True

    @staticmethod
    def network(config: ParityConfig) -> Perceptron:
        """Signs (B, n) to u phi(W x + b) + c, (B, 1), phi a ReLU."""
        return Perceptron([config.n, config.width, 1], torch.relu, config.init_scale, ("hidden", "output"))

    @staticmethod
    def data(config: ParityConfig) -> Data:
        """Runs of one seed and n share test samples and have nested training sets."""
        *_, weights, batches = _streams(config)
        return Data(np.arange(config.n_samples) < config.n_train, {"codes": _codes(config)}, weights, batches)

    @classmethod
    def start(cls, config: ParityConfig) -> Start:
        begin = super().start(config)
        codes, trained = begin.lane["codes"], begin.batch
        batches = begin.batches and (codes[batch] for batch in begin.batches)
        if config.online:
            batches = _fresh(_streams(config)[3], config.n, len(trained))
        return replace(begin, batch=codes[trained], batches=batches)

    def samples(self, lane: Parameters, batch: Tensor | None) -> tuple[Tensor, Tensor]:
        signs = signs_of(lane["codes"] if batch is None else batch, self.config.n, self.dtype)
        return signs, signs[:, : self.config.k].prod(1)

    def losses(self, outputs: Tensor, y: Tensor) -> Tensor:
        margins = y * outputs[:, 0]
        return (1 - margins).relu() if self.config.loss == "hinge" else softplus(-margins)

    def right(self, outputs: Tensor, y: Tensor) -> Tensor:
        return y * outputs[:, 0] > 0
