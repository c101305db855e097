"""A run is a small diff from the default RunConfig; two runs with one configuration are one run."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

import numpy as np
import tyro
from numpy.typing import ArrayLike, NDArray


class ConfigError(Exception):
    """A run was asked for that cannot be trained."""


@dataclass(frozen=True)
class RunConfig:
    """One training run of a toy model; the paper's set-up, addition of 0..9, by default."""

    operation: Literal["addition", "s3"] = "addition"
    """What is learned: i + j with embeddings composed by a sum, or the group S3 by a matrix product (p = 6)."""
    p: int = 10
    """Number of symbols, 0..p-1."""
    n_train: int = 45
    """Training-set size |D|, of p(p+1)/2 samples (s3: of p^2)."""
    seed: int = 0
    """Fixes the training set, unless that is given, the targets and all initial weights."""
    samples: str = ""
    """The training set itself, of n_train samples: a hexadecimal number whose bit s is sample s of the table, in the
    order (0,0), (0,1) .. (0,p-1), (1,1) .. (s3: all ordered pairs). By default the seed draws it."""
    replica: int = 0
    """Which draw of the decoder's initial weights; all else that the seed fixes, replicas share."""
    init: Literal["default", "reference"] = "default"
    """How the seed is used: own streams for each (seed, n_train), or the official code's order of draws."""
    loss: Literal["mse", "ce"] = "mse"
    """Regression on random target vectors, or classification of the result."""
    targets: Literal["random", "orthogonal"] = "random"
    """Regression targets: independent normal vectors, or random ones at right angles, all of one length."""
    d: int = 1
    """Embedding dimension (s3: of the embedding matrices, d x d)."""
    width: int = 200
    """Width of the decoder's hidden layers."""
    depth: int = 2
    """Number of hidden layers of the decoder."""
    activation: Literal["tanh", "relu"] = "tanh"
    """What follows each hidden layer of the decoder."""
    n_outputs: int = 30
    """Dimension of the regression targets; classification has an output a result instead."""
    repr_lr: float = 1e-3
    """Learning rate of the embeddings, per step."""
    decoder_lr: float = 1e-4
    """Learning rate of the decoder, per step."""
    decoder_warmup: int = 0
    """Updates over which the decoder's learning rate rises linearly to decoder_lr; 0 and 1 are none."""
    repr_wd: float = 0.0
    """Weight decay of the embeddings (decoupled)."""
    decoder_wd: float = 0.0
    """Weight decay of the decoder (decoupled)."""
    repr_optimizer: Literal["adamw", "sgd"] = "adamw"
    """Optimiser of the embeddings."""
    decoder_optimizer: Literal["adamw", "sgd"] = "adamw"
    """Optimiser of the decoder; sgd is plain, without momentum."""
    repr_l1: float = 0.0
    """Weight of the penalty mean |E| in the loss (the official S3 code: 1e-3; not in the paper)."""
    batch_size: int | None = None
    """Samples an update, each epoch in a new random order; by default all of the training set."""
    init_scale: float = 1.0
    """s: the initial embeddings are uniform in [-s/2, s/2]."""
    budget: Annotated[int, tyro.conf.arg(aliases=["--steps"])] = 10_000
    """Number of updates after which a threshold that was not crossed is censored."""
    dtype: Literal["float32", "float64"] = "float32"
    """Precision of the training."""

    def __post_init__(self) -> None:
        self._one_of("operation", "addition", "s3")
        self._whole("p", 2)
        if self.operation == "s3" and self.p != 6:
            raise ConfigError(f"`p` must be 6 for operation s3, which has six elements, but is {self.p}.")
        self._whole("n_train", 1)
        if self.n_train > self.n_samples:
            count = "p(p+1)/2" if self.operation == "addition" else "p^2"
            raise ConfigError(
                f"`n_train` must be at most {count} = {self.n_samples} for p = {self.p}, but is {self.n_train}."
            )
        self._training_set("samples")
        if self.batch_size is not None:
            self._whole("batch_size", 1)
            if self.batch_size > self.n_train:
                raise ConfigError(f"`batch_size` must be at most n_train = {self.n_train}, but is {self.batch_size}.")
        for name in ("seed", "replica", "decoder_warmup"):
            self._whole(name, 0)
            if getattr(self, name) >= 2**32:
                raise ConfigError(f"`{name}` must be below 2^32, but is {getattr(self, name)}.")
        for name in ("d", "width", "depth", "n_outputs", "budget"):
            self._whole(name, 1)
        for name in ("repr_lr", "decoder_lr", "init_scale"):
            self._real(name, zero=False)
        for name in ("repr_wd", "decoder_wd", "repr_l1"):
            self._real(name, zero=True)
        self._one_of("init", "default", "reference")
        self._one_of("loss", "mse", "ce")
        self._one_of("targets", "random", "orthogonal")
        self._one_of("activation", "tanh", "relu")
        self._one_of("repr_optimizer", "adamw", "sgd")
        self._one_of("decoder_optimizer", "adamw", "sgd")
        self._one_of("dtype", "float32", "float64")
        if self.targets == "orthogonal" and self.loss == "ce":
            raise ConfigError("`targets` must be random with loss ce, which has one-hot ones, but is 'orthogonal'.")
        if self.targets == "orthogonal" and self.n_outputs < self.n_results:
            raise ConfigError(
                f"`n_outputs` must be at least the number of results = {self.n_results} for orthogonal targets, "
                f"but is {self.n_outputs}."
            )

    @property
    def n_samples(self) -> int:
        """|D0|: unordered pairs of a commutative operation, ordered ones of another."""
        return self.p * (self.p + 1) // 2 if self.operation == "addition" else self.p**2

    @property
    def n_results(self) -> int:
        """Number of result classes: 2p - 1 sums, or p group elements."""
        return 2 * self.p - 1 if self.operation == "addition" else self.p

    def shape(self) -> tuple[object, ...]:
        """All that the runs of one ensemble must have in common; equal for runs that fit together."""
        return tuple(value for name, value in asdict(self).items() if name not in MIXED)

    def _whole(self, name: str, low: int) -> None:
        value = getattr(self, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < low:
            raise ConfigError(f"`{name}` must be an integer of at least {low}, but is {value!r}.")

    def _real(self, name: str, *, zero: bool) -> None:
        value = getattr(self, name)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value < 0 or (value == 0 and not zero):
            bound = "at least 0" if zero else "above 0"
            raise ConfigError(f"`{name}` must be a finite number {bound}, but is {value!r}.")
        object.__setattr__(self, name, float(value))  # 1 and 1.0 are one configuration

    def _training_set(self, name: str) -> None:
        """Empty, or the one way to write a set of n_train samples: two equal sets are one configuration."""
        value = getattr(self, name)
        if value == "":
            return
        if not isinstance(value, str) or not re.fullmatch("[1-9a-f][0-9a-f]*", value):
            form = "a hexadecimal number in lower case, without 0x or leading zeros"
            raise ConfigError(f"`{name}` must be {form}, but is {value!r}.")
        bits = int(value, 16)
        if bits.bit_length() > self.n_samples:
            raise ConfigError(
                f"`{name}` must have bits for the {self.n_samples} samples of p = {self.p} only, 0 to "
                f"{self.n_samples - 1}, but has bit {bits.bit_length() - 1}."
            )
        if bits.bit_count() != self.n_train:
            raise ConfigError(f"`{name}` must have n_train = {self.n_train} samples, but has {bits.bit_count()}.")

    def _one_of(self, name: str, *options: str) -> None:
        if getattr(self, name) not in options:
            raise ConfigError(f"`{name}` must be one of {', '.join(options)}, but is {getattr(self, name)!r}.")


# What may differ between the runs of one ensemble: everything that changes no shape and no code path.
MIXED = (
    "n_train",
    "seed",
    "samples",
    "replica",
    "init",
    "targets",
    "repr_lr",
    "decoder_lr",
    "decoder_warmup",
    "repr_wd",
    "decoder_wd",
    "repr_optimizer",
    "init_scale",
    "repr_l1",
    "batch_size",
    "budget",
)


def write_samples(mask: ArrayLike) -> str:
    """`RunConfig.samples` of a training set, bool (N,)."""
    return f"{int.from_bytes(np.packbits(np.asarray(mask, bool), bitorder='little').tobytes(), 'little'):x}"


def read_samples(samples: str, n_samples: int) -> NDArray[np.bool_]:
    """The training set, bool (n_samples,), that `samples` (not empty) stands for."""
    content = int(samples, 16).to_bytes(-(-n_samples // 8), "little")
    return np.unpackbits(np.frombuffer(content, np.uint8), count=n_samples, bitorder="little").astype(np.bool_)
