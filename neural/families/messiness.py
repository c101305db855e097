"""A decoder on two-dimensional embeddings that one number makes messy: between symbols
on a line, where sums mean something, and random places.

R = m R_random + (1 - m) R_linear. The messiness m is held, to see how well a decoder of
a given norm can learn at each m; or it descends with the decoder. Source: Liu, Michaud,
Tegmark, "Omnigrok", section 4 and appendix D, and the official code (p = 10, decoder
2-200-200-30, LeakyReLU 0.2, Adam at 1e-2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from neural.config import ConfigError, option
from neural.family import Group, Parameters, Start, weight_norm
from neural.layers import Perceptron
from neural.supervised import Data, Supervised, TrainingConfig, again, usual_metrics


@dataclass(frozen=True)
class MessinessConfig(TrainingConfig):
    """One run on embeddings of a given messiness, by default the official code's."""

    operation: Literal["addition", "modular_addition"] = "modular_addition"
    """a + b, which has 2p - 1 results, or a + b modulo p."""
    p: int = option(10, 2)
    """Number of symbols, 0..p-1."""
    n_train: int = option(45, mixed=True, label="training-set size $|D|$ (samples)")
    """Training-set size, of p(p+1)/2 unordered pairs; the same seed's smaller sets are
    parts of its larger ones."""
    seed: int = again("seed")
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
    learning_rate: float = again("learning_rate", 1e-2)
    """Learning rate of the decoder (AdamW), per step."""
    weight_decay: float = again("weight_decay")
    """Weight decay (decoupled) of the decoder; m has none."""
    budget: int = again("budget", 5_000)
    optimizer: ClassVar = "adamw"  # pyright: ignore[reportIncompatibleVariableOverride]
    batch_size: ClassVar = None  # pyright: ignore[reportIncompatibleVariableOverride]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_train > self.n_samples:
            raise ConfigError(
                f"`n_train` must be at most p(p+1)/2 = {self.n_samples} for p = {self.p}, but is {self.n_train}."
            )
        if self.messiness > 1:
            raise ConfigError(f"`messiness` must be at most 1, but is {self.messiness}.")
        if self.trained and self.constrained:
            raise ConfigError("`trained` must be false where the decoder's norm is held, but is true.")

    @property
    def n_samples(self) -> int:
        """Unordered pairs: of the sum of two embeddings, ordered ones are the same."""
        return self.p * (self.p + 1) // 2

    @property
    def n_results(self) -> int:
        """Target vectors."""
        return self.p if self.operation == "modular_addition" else 2 * self.p - 1

    @property
    def pairs(self) -> NDArray[np.int64]:
        """a <= b, (N, 2), in the order (0,0), (0,1) .. (0,p-1), (1,1) .."""
        return np.stack(np.triu_indices(self.p), axis=1)


def linear_embedding(p: int) -> NDArray[np.float64]:
    """R_linear (p, 2): the symbols evenly along the first dimension, with mean 0 and
    standard deviation 1.
    """
    line = np.arange(p) - (p - 1) / 2
    return np.stack([line / line.std(), np.zeros(p)], axis=1)


class Messiness(Supervised):
    """The family of messy embeddings. A batch is the training set, bool (N,). A sample
    is right where its own target is the nearest.
    """

    name: ClassVar = "messiness"
    Config: ClassVar = MessinessConfig
    METRICS: ClassVar = usual_metrics("messiness_now")
    SETTLED = 0  # the loss of a landscape is that after all steps, and a trajectory goes on when all are right
    SCALED = True

    @staticmethod
    def network(config: MessinessConfig) -> Perceptron:
        """Sums of two embeddings (N, 2) to outputs (N, n_outputs), and m if trained."""
        widths = [2, *[config.width] * (config.depth - 1), config.n_outputs]
        model = Perceptron(widths, partial(leaky_relu, negative_slope=0.2), config.init_scale)
        if config.trained:
            model.register_parameter("messiness", nn.Parameter(torch.tensor([config.messiness], dtype=torch.float64)))
        return model

    @staticmethod
    def data(config: MessinessConfig) -> Data:
        """Runs of one seed and p share random embeddings, and nested training sets."""
        streams = np.random.SeedSequence([config.seed, config.p]).spawn(4)
        chosen = np.random.default_rng(streams[0]).permutation(config.n_samples)[: config.n_train]
        random = np.random.default_rng(streams[1]).normal(size=(config.p, 2))
        targets = np.random.default_rng(streams[2]).normal(size=(config.n_results, config.n_outputs))
        # what the decoder reads of each pair is linear in the embeddings
        lane = {"targets": targets, "random": random[config.pairs].sum(axis=1)}
        lane |= {"hold": np.array(config.hold)} if config.trained else {"messiness": np.array([config.messiness])}
        return Data(np.isin(np.arange(config.n_samples), chosen), lane, weights=streams[3])

    @staticmethod
    def tables(config: MessinessConfig) -> dict[str, NDArray]:
        pairs = config.pairs
        return {"line": linear_embedding(config.p)[pairs].sum(axis=1), "results": pairs.sum(axis=1) % config.n_results}

    @classmethod
    def start(cls, config: MessinessConfig) -> Start:
        begin = super().start(config)
        return replace(begin, batch=begin.mask)

    @staticmethod
    def groups(config: MessinessConfig) -> dict[str, Group]:
        decoder = Group(config.learning_rate, config.weight_decay)
        return {"": decoder, "messiness": Group(config.messiness_lr, optimizer="sgd")}

    def objective(self, parameters: Parameters, lane: Parameters, batch: Tensor) -> tuple[Tensor, Any]:
        """Mean square distance to the targets, over the batch."""
        m = self._messiness(parameters, lane)
        if self.config.trained:
            m = torch.where(lane["step"] < lane["hold"], m.detach(), m)
        _, losses = self._passing(parameters, m, lane)
        return (losses * batch).sum() / batch.sum(), ()

    def _measured(self, parameters: Parameters, lane: Parameters) -> tuple[Tensor, ...]:
        outputs, losses = self._passing(parameters, self._messiness(parameters, lane), lane)
        # |f - Y|^2 without |f|^2, which all targets share
        distances = lane["targets"].square().sum(-1) - 2 * outputs @ lane["targets"].T
        return (distances.argmin(-1) == self.shared["results"]) & losses.isfinite(), losses

    def sizes(self, parameters: Parameters, lanes: Parameters) -> list[Tensor]:
        decoder = {name: value for name, value in parameters.items() if name != "messiness"}
        return [weight_norm(decoder), self._messiness(parameters, lanes)[:, 0]]

    def _messiness(self, parameters: Parameters, lane: Parameters) -> Tensor:
        return (parameters if self.config.trained else lane)["messiness"]

    def _passing(self, parameters: Parameters, m: Tensor, lane: Parameters) -> tuple[Tensor, Tensor]:
        """One lane: outputs (N, n_outputs), and the loss of each sample (N,)."""
        outputs = self.outputs(parameters, m * lane["random"] + (1 - m) * self.shared["line"], lane)
        return outputs, (outputs - lane["targets"][self.shared["results"]]).square().mean(1)
