"""Sparse parity: the product of k of n signs, by one hidden layer.

A sample is a number whose n bits are its signs; the first k matter, and as all signs
are drawn alike, which k they are makes no difference. Sources: Merrill, Tsilivis and
Shukla, "A Tale of Two Circuits: Grokking as Competition of Sparse and Dense
Subnetworks" (n = 40, k = 3, 1,000 training samples, 1,000 ReLUs, hinge loss, SGD);
Barak et al., "Hidden Progress in Deep Learning: SGD Learns Parities Near the
Computational Limit" (every update sees a fresh batch).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, vmap

from neural.config import ConfigError, check, option
from neural.constants import ACCURACY_THRESHOLD
from neural.family import Group, Looked, Metric, Parameters, Start, weight_norm
from neural.samples import check_looks, index_batches, logarithmic, means_of_parts

_NEARLY_ALL = 0.95


@dataclass(frozen=True)
class ParityConfig:
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
    seed: int = option(0, 0, below=2**32, mixed=True)
    """Fixes the samples, all initial weights and the mini-batches."""
    width: int = 1_000
    """Width of the hidden layer."""
    loss: Literal["hinge", "ce"] = "hinge"
    """max(0, 1 - y f) of label y and output f, or the logistic loss ln(1 + exp(-y f))."""
    learning_rate: float = option(0.1, above=True, mixed=True, aliases=("lr",))
    """Learning rate, per step."""
    weight_decay: float = option(0.01, mixed=True, aliases=("wd",))
    """Weight decay (decoupled), of biases as well."""
    optimizer: Literal["sgd", "adamw"] = option("sgd", mixed=True)
    """Plain SGD without momentum, or AdamW."""
    batch_size: int | None = option(32, label="batch size (samples)")
    """Samples an update, through the training set in an order that is new each epoch; None is n_train of them."""
    init_scale: Annotated[float, tyro.conf.arg(aliases=["--alpha"])] = option(
        1.0, above=True, mixed=True, aliases=("alpha",), label="initial scale of all weights"
    )
    """What all initial weights are multiplied by."""
    look_every: int = 20
    """Updates between two measurements, and so the resolution of the steps to a threshold."""
    budget: Annotated[int, tyro.conf.arg(aliases=["--steps"])] = option(
        20_000, mixed=True, aliases=("steps",), label="budget (steps)"
    )
    """Number of updates after which a threshold that was not crossed is censored; a multiple of look_every."""
    dtype: Literal["float32", "float64"] = "float32"
    """Precision of the training."""
    checkpoints: int = option(0, 0, mixed=True)
    """How many times all weights are kept in an octave of steps; the first and the last
    always are."""

    def __post_init__(self) -> None:
        check(self)
        if self.k > self.n:
            raise ConfigError(f"`k` must be at most n = {self.n}, but is {self.k}.")
        if self.n_samples > 2**self.n:
            raise ConfigError(
                f"`n_train` and `n_test` must be at most 2^n = {2**self.n:,} together, but are {self.n_samples:,}."
            )
        check_looks(self)

    @property
    def n_samples(self) -> int:
        """Samples that are measured."""
        return self.n_train + self.n_test


class HiddenLayer(nn.Module):
    """u phi(W x + b) + c, phi a ReLU."""

    def __init__(self, config: ParityConfig):
        super().__init__()
        self.hidden = nn.Parameter(torch.empty(config.width, config.n))
        self.hidden_bias = nn.Parameter(torch.empty(config.width))
        self.output = nn.Parameter(torch.empty(1, config.width))
        self.output_bias = nn.Parameter(torch.empty(1))

    def draw(self, generator: torch.Generator, scale: float) -> None:
        """As torch draws linear layers, uniform within 1/sqrt(number of inputs), times
        `scale`.
        """
        for weights, biases in ((self.hidden, self.hidden_bias), (self.output, self.output_bias)):
            limit = scale * weights.shape[1] ** -0.5
            for values in (weights, biases):
                nn.init.uniform_(values, -limit, limit, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Signs (B, n) to outputs (B,)."""
        return ((x @ self.hidden.T + self.hidden_bias).relu() @ self.output.T + self.output_bias)[:, 0]


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


def start(config: ParityConfig) -> Start:
    """Independent streams from the seed and n: runs of one seed that differ in another
    field share test samples and have nested training sets.
    """
    *_, weights, batches = _streams(config)
    codes = _codes(config)
    trained = codes[: config.n_train]
    model = HiddenLayer(config)
    with torch.no_grad():
        model.draw(torch.Generator().manual_seed(int(weights.generate_state(1)[0])), config.init_scale)
    if config.online:
        endless = _fresh(batches, config.n, config.batch_size or config.n_train)
    else:
        endless = index_batches(trained, config.batch_size, batches)
    return Start(
        mask=np.arange(config.n_samples) < config.n_train,
        model=model,
        lane={"codes": codes},
        batch=trained[: config.batch_size],
        batches=endless,
    )


class Parity:
    """The family of sparse parity. A batch is int64 (B,): the samples themselves, as
    numbers, that an update descends on.
    """

    name: ClassVar[str] = "parity"
    Config: ClassVar[type] = ParityConfig
    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "train_accuracy",
            "share",
            {"steps_to_train": ACCURACY_THRESHOLD, "steps_to_train_99": 0.99},
            record="train_record",
        ),
        Metric(
            "test_accuracy",
            "share",
            {"steps_to_test_75": 0.75, "steps_to_test": ACCURACY_THRESHOLD, "steps_to_test_95": _NEARLY_ALL},
            record="test_record",
        ),
        Metric("train_loss", "loss"),
        Metric("test_loss", "loss"),
        Metric("weight_norm", "size"),
    )
    LEARNED: ClassVar[str] = "train_accuracy"
    GENERALISED: ClassVar[str] = "test_accuracy"
    SETTLED: ClassVar[int] = 10
    ARRAYS: ClassVar[tuple[str, ...]] = ()
    COMPILES: ClassVar[bool] = True

    constrained = False
    start = staticmethod(start)

    def __init__(self, config: ParityConfig, device: str):
        self.look_every = config.look_every
        self._config = config
        self._dtype = getattr(torch, config.dtype)
        self._trained = torch.arange(config.n_samples, device=device) < config.n_train
        with torch.device("meta"):  # its own weights are never used
            self._model = HiddenLayer(config)

    @staticmethod
    def groups(config: ParityConfig) -> dict[str, Group]:
        return {"all": Group(config.learning_rate, config.weight_decay, config.optimizer)}

    @staticmethod
    def group(parameter: str) -> str:
        return "all"

    def objective(self, parameters: Parameters, lane: Parameters, batch: Tensor) -> tuple[Tensor, Any]:
        """Mean loss over the batch."""
        return self._losses(self._margins(parameters, batch)).mean(), ()

    def look(self, parameters: Parameters, lanes: Parameters, outputs: Any) -> Looked:
        """Over all samples of each run."""
        margins = vmap(self._margins)(parameters, lanes["codes"])  # (R, N)
        correct = (margins > 0) & margins.isfinite()
        hits, mask = correct.to(margins.dtype), self._trained.to(margins.dtype).expand_as(margins)
        shares = [*means_of_parts(hits, mask), *means_of_parts(self._losses(margins), mask)]
        return torch.stack([*shares, weight_norm(parameters)], dim=1), correct, {}

    def _margins(self, parameters: Parameters, codes: Tensor) -> Tensor:
        """Samples (B,) to label times output, (B,)."""
        signs = signs_of(codes, self._config.n, self._dtype)
        return signs[:, : self._config.k].prod(1) * functional_call(self._model, parameters, (signs,))

    def _losses(self, margins: Tensor) -> Tensor:
        return (1 - margins).relu() if self._config.loss == "hinge" else torch.nn.functional.softplus(-margins)

    @staticmethod
    def settled(traces: Mapping[str, NDArray]) -> bool:
        """All learned, and every threshold of the test samples behind."""
        return bool((traces["train_accuracy"] == 1).all() and (traces["test_accuracy"] >= _NEARLY_ALL).all())

    @staticmethod
    def checkpoints(config: ParityConfig) -> NDArray[np.int64]:
        return logarithmic(config.look_every, config.budget, config.checkpoints)

    @staticmethod
    def arrays(history: Any) -> dict[str, NDArray]:
        return {}

    @staticmethod
    def n_parameters(config: ParityConfig) -> int:
        return (config.n + 2) * config.width + 1

    @staticmethod
    def operations(config: ParityConfig) -> float:
        """Products forward and backward of a batch, without the gradient of the signs;
        forward of all samples at a look; AdamW.
        """
        layers = [config.n * config.width, config.width]
        batch = config.batch_size or config.n_train
        samples = (3 * sum(layers) - layers[0]) * batch + sum(layers) * config.n_samples / config.look_every
        return 2 * samples + 14 * Parity.n_parameters(config)

    @staticmethod
    def product(config: ParityConfig) -> tuple[int, int]:
        return config.batch_size or config.n_train, config.width
