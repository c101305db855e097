"""A decoder on two-dimensional embeddings that one number makes messy: between symbols
on a line, where sums mean something, and random places.

R = m R_random + (1 - m) R_linear. The messiness m is held, to see how well a decoder of
a given norm can learn at each m; or it descends with the decoder. Source: Liu, Michaud,
Tegmark, "Omnigrok", section 4 and appendix D, and the official code (p = 10, decoder
2-200-200-30, LeakyReLU 0.2, Adam at 1e-2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.functional import leaky_relu

from neural.config import ConfigError, check, option
from neural.constants import ACCURACY_THRESHOLD
from neural.family import Group, Looked, Metric, Parameters, Start, weight_norm
from neural.perceptron import Perceptron
from neural.samples import check_looks, initial_norm, logarithmic, means_of_parts

_SLOPE = 0.2  # of LeakyReLU below 0


@dataclass(frozen=True)
class MessinessConfig:
    """One training run on embeddings of a given messiness; modular addition of 0..9 by
    the official code's decoder, by default.
    """

    operation: Literal["addition", "modular_addition"] = "modular_addition"
    """a + b, which has 2p - 1 results, or a + b modulo p."""
    p: int = option(10, 2)
    """Number of symbols, 0..p-1."""
    n_train: int = option(45, mixed=True, label="training-set size $|D|$ (samples)")
    """Training-set size, of p(p+1)/2 unordered pairs; the same seed's smaller sets are
    parts of its larger ones."""
    seed: int = option(0, 0, below=2**32, mixed=True)
    """Fixes the training set, the random embeddings, the targets and all initial
    weights."""
    width: int = 200
    """Width of the decoder's hidden layers."""
    depth: int = 3
    """Layers of weights of the decoder."""
    n_outputs: int = 30
    """Dimension of the random target vectors, one a result."""
    messiness: float = option(1.0, mixed=True, label="messiness $m$")
    """The messiness m, at first or for ever: 0 is a line, 1 is random."""
    trained: bool = False
    """Whether m descends with the decoder, or is held."""
    messiness_lr: float = option(1.0, above=True, mixed=True, label=r"learning rate of the messiness $\eta_R$")
    """Learning rate of m where it descends: plainly on its gradient, as the reduced
    equations do."""
    hold: int = option(0, 0, mixed=True)
    """Updates before m may descend: the decoder over-fits first. (Initial weights that
    are too large have a loss that would throw m anywhere.)"""
    init_scale: Annotated[float, tyro.conf.arg(aliases=["--alpha"])] = option(
        1.0, above=True, mixed=True, aliases=("alpha",), label="initial scale of all weights"
    )
    """What all initial weights of the decoder are multiplied by."""
    learning_rate: float = option(1e-2, above=True, mixed=True, aliases=("lr",))
    """Learning rate of the decoder (AdamW), per step."""
    weight_decay: float = option(0.0, mixed=True, aliases=("wd",))
    """Weight decay (decoupled) of the decoder; m has none."""
    constrained: bool = False
    """Scale the decoder's weights together back to their initial norm after every
    update."""
    look_every: int = 20
    """Updates between two measurements, and so the resolution of the steps to a
    threshold."""
    budget: Annotated[int, tyro.conf.arg(aliases=["--steps"])] = option(
        5_000, mixed=True, aliases=("steps",), label="budget (steps)"
    )
    """Number of updates after which a threshold that was not crossed is censored; a
    multiple of look_every."""
    dtype: Literal["float32", "float64"] = "float32"
    """Precision of the training."""
    checkpoints: int = option(0, 0, mixed=True)
    """How many times all weights are kept in an octave of steps; the first and the last
    always are."""

    def __post_init__(self) -> None:
        check(self)
        if self.n_train > self.n_samples:
            raise ConfigError(
                f"`n_train` must be at most p(p+1)/2 = {self.n_samples} for p = {self.p}, but is {self.n_train}."
            )
        if self.messiness > 1:
            raise ConfigError(f"`messiness` must be at most 1, but is {self.messiness}.")
        if self.trained and self.constrained:
            raise ConfigError("`trained` must be false where the decoder's norm is held, but is true.")
        check_looks(self)

    @property
    def n_samples(self) -> int:
        """Unordered pairs: of the sum of two embeddings, ordered ones are the same."""
        return self.p * (self.p + 1) // 2

    @property
    def n_results(self) -> int:
        """Target vectors."""
        return self.p if self.operation == "modular_addition" else 2 * self.p - 1

    @property
    def widths(self) -> list[int]:
        """Of the decoder's inputs, each hidden layer, and the outputs."""
        return [2, *[self.width] * (self.depth - 1), self.n_outputs]


def decoder(config: MessinessConfig) -> Perceptron:
    """Sums of two embeddings (N, 2) to outputs (N, n_outputs), and the messiness, where
    it is trained; its weights not drawn yet.
    """
    model = Perceptron(config.widths, partial(leaky_relu, negative_slope=_SLOPE))
    if config.trained:
        model.register_parameter("messiness", nn.Parameter(torch.tensor([config.messiness], dtype=torch.float64)))
    return model


def task(config: MessinessConfig) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs a <= b, (N, 2), in the order (0,0), (0,1) .. (0,p-1), (1,1) .., and their
    results (N,).
    """
    pairs = np.stack(np.triu_indices(config.p), axis=1)
    return pairs, pairs.sum(axis=1) % config.n_results


def linear_embedding(p: int) -> NDArray[np.float64]:
    """R_linear (p, 2): the symbols evenly along the first dimension, with mean 0 and
    standard deviation 1.
    """
    line = np.arange(p) - (p - 1) / 2
    return np.stack([line / line.std(), np.zeros(p)], axis=1)


def start(config: MessinessConfig) -> Start:
    """Independent streams from the seed and p alone: runs that differ in another field
    share random embeddings, and nested training sets.
    """
    streams = np.random.SeedSequence([config.seed, config.p]).spawn(4)
    chosen = np.random.default_rng(streams[0]).permutation(config.n_samples)[: config.n_train]
    mask = np.isin(np.arange(config.n_samples), chosen)
    random = np.random.default_rng(streams[1]).normal(size=(config.p, 2))
    targets = np.random.default_rng(streams[2]).normal(size=(config.n_results, config.n_outputs))
    model = decoder(config)
    with torch.no_grad():
        model.draw(torch.Generator().manual_seed(int(streams[3].generate_state(1)[0])), config.init_scale)
    # what the decoder sees of each pair is linear in the embeddings
    lane = {"mask": mask, "targets": targets, "random": random[task(config)[0]].sum(axis=1)}
    lane |= {"hold": np.array(config.hold)} if config.trained else {"messiness": np.array([config.messiness])}
    return Start(
        mask=mask,
        model=model,
        lane=lane,
        batch=mask,
        radius=initial_norm(model) if config.constrained else 0.0,
    )


def decoder_of(parameters: Parameters) -> Parameters:
    """All weights but the messiness."""
    return {name: value for name, value in parameters.items() if name != "messiness"}


class Messiness:
    """The family of messy embeddings. A batch is bool (N,): the samples that an update
    descends on.
    """

    name: ClassVar[str] = "messiness"
    Config: ClassVar[type] = MessinessConfig
    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric("train_accuracy", "share", {"steps_to_train": ACCURACY_THRESHOLD}, record="train_record"),
        Metric("test_accuracy", "share", {"steps_to_test": ACCURACY_THRESHOLD}, record="test_record"),
        Metric("train_loss", "loss"),
        Metric("test_loss", "loss"),
        Metric("weight_norm", "size"),
        Metric("messiness_now", "size"),
    )
    LEARNED: ClassVar[str] = "train_accuracy"
    GENERALISED: ClassVar[str] = "test_accuracy"
    SETTLED: ClassVar[int] = 1
    ARRAYS: ClassVar[tuple[str, ...]] = ()
    COMPILES: ClassVar[bool] = True

    start = staticmethod(start)

    def __init__(self, config: MessinessConfig, device: str):
        self.look_every, self.constrained = config.look_every, config.constrained
        self._trained = config.trained
        with torch.device("meta"):  # its own weights are never used
            self._model = decoder(config)
        pairs, results = task(config)
        line = linear_embedding(config.p)[pairs].sum(axis=1)
        self._line = torch.as_tensor(line, device=device, dtype=getattr(torch, config.dtype))
        self._results = torch.as_tensor(results, device=device)

    @staticmethod
    def groups(config: MessinessConfig) -> dict[str, Group]:
        return {
            "decoder": Group(config.learning_rate, config.weight_decay),
            "messiness": Group(config.messiness_lr, optimizer="sgd"),
        }

    @staticmethod
    def group(parameter: str) -> str:
        return "messiness" if parameter == "messiness" else "decoder"

    def objective(self, parameters: Parameters, lane: Parameters, batch: Tensor) -> tuple[Tensor, Any]:
        """Mean square distance to the targets, over the batch."""
        m = self._messiness(parameters, lane)
        if self._trained:
            m = torch.where(lane["step"] < lane["hold"], m.detach(), m)
        _, losses = self._passing(parameters, m, lane)
        return (losses * batch).sum() / batch.sum(), ()

    def look(self, parameters: Parameters, lanes: Parameters, outputs: Any) -> Looked:
        """A sample is right where its own target is the nearest; 0/0 = nan of the test
        where everything is trained on.
        """
        messiness = self._messiness(parameters, lanes)  # (R, 1)
        outputs, losses = vmap(self._passing)(parameters, messiness, lanes)  # (R, N, n_outputs), (R, N)
        targets, mask = lanes["targets"], lanes["mask"]
        # |f - Y|^2 without |f|^2, which all targets share
        distances = targets.square().sum(-1)[:, None, :] - 2 * outputs @ targets.transpose(1, 2)
        correct = (distances.argmin(-1) == self._results) & losses.isfinite()
        hits = correct.to(losses.dtype)
        shares = [*means_of_parts(hits, mask), *means_of_parts(losses, mask)]
        sizes = [weight_norm(decoder_of(parameters)), messiness[:, 0]]
        return torch.stack([*shares, *sizes], dim=1), correct, {}

    def _messiness(self, parameters: Parameters, lane: Parameters) -> Tensor:
        return (parameters if self._trained else lane)["messiness"]

    def _passing(self, parameters: Parameters, m: Tensor, lane: Parameters) -> tuple[Tensor, Tensor]:
        """One lane: outputs (N, n_outputs), and the loss of each sample (N,)."""
        x = m * lane["random"] + (1 - m) * self._line
        outputs = functional_call(self._model, parameters, (x,))
        return outputs, (outputs - lane["targets"][self._results]).square().mean(1)

    @staticmethod
    def settled(traces: Mapping[str, NDArray]) -> bool:
        """Never: the loss of a landscape is that after all steps, and a trajectory goes
        on when all samples are right.
        """
        return False

    @staticmethod
    def checkpoints(config: MessinessConfig) -> NDArray[np.int64]:
        return logarithmic(config.look_every, config.budget, config.checkpoints)

    @staticmethod
    def arrays(history: Any) -> dict[str, NDArray]:
        return {}

    @staticmethod
    def n_parameters(config: MessinessConfig) -> int:
        return sum((n_in + 1) * n_out for n_in, n_out in pairwise(config.widths)) + config.trained

    @staticmethod
    def operations(config: MessinessConfig) -> float:
        """Products forward and backward of all samples, the inputs' gradient only where
        m needs it; forward, and distances to the targets, at a look; AdamW.
        """
        layers = [n_in * n_out for n_in, n_out in pairwise(config.widths)]
        update = 3 * sum(layers) - (0 if config.trained else layers[0])
        look = sum(layers) + config.n_outputs * config.n_results
        return 2 * config.n_samples * (update + look / config.look_every) + 14 * Messiness.n_parameters(config)

    @staticmethod
    def product(config: MessinessConfig) -> tuple[int, int]:
        return config.n_samples, config.width
