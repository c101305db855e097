"""The networks, and how a seed becomes one. A network is trained by `ensemble` if it looks like ToyModel:

forward(pairs (N, 2)) -> (N, n_outputs), the input embeddings in a parameter called `embedding`, everything
else the decoder.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neural.config import RunConfig


class ToyModel(nn.Module):
    """Embed two symbols, add, decode by an MLP: f(E_i + E_j). Source: paper, section 3.1.

    Weights are drawn in the official code's order: embeddings, then the linear layers with PyTorch's default
    initialisation.
    """

    def __init__(self, config: RunConfig):
        super().__init__()
        self.embedding = nn.Parameter((torch.rand(config.p, config.d) - 0.5) * config.init_scale)
        layers: list[nn.Module] = []
        n_in = config.d
        for _ in range(config.depth):
            layers += [nn.Linear(n_in, config.width), nn.Tanh()]
            n_in = config.width
        layers.append(nn.Linear(n_in, n_outputs(config)))
        self.decoder = nn.Sequential(*layers)

    def forward(self, pairs: Tensor) -> Tensor:
        x = self.embedding[pairs[:, 0]] + self.embedding[pairs[:, 1]]  # (N, d)
        return self.decoder(x)  # (N, n_outputs)


@dataclass(frozen=True)
class Task:
    """The full data set D0 as arrays: pairs (N, 2), results (N,)."""

    pairs: NDArray[np.int64]
    results: NDArray[np.int64]


@dataclass(frozen=True)
class Start:
    """Everything that a run's seed decides.

    mask: bool (N,), the training set. targets: float64 (n_results, n_outputs), one row a result class. model:
    with its initial weights.
    """

    mask: NDArray[np.bool_]
    targets: NDArray[np.float64]
    model: ToyModel


def n_results(config: RunConfig) -> int:
    """Number of result classes, 2p - 1."""
    return 2 * config.p - 1


def n_outputs(config: RunConfig) -> int:
    """Outputs of the network: the targets' dimension (regression) or the result classes (classification)."""
    return config.n_outputs if config.loss == "mse" else n_results(config)


def addition_task(config: RunConfig) -> Task:
    """Addition of 0..p-1, not modular; pairs i <= j in the order (0,0), (0,1) .. (0,p-1), (1,1) .."""
    i, j = np.triu_indices(config.p)
    return Task(pairs=np.stack([i, j], axis=1), results=i + j)


def draw(config: RunConfig) -> Start:
    """Draw a run's training set, targets and weights from its seed.

    "reference" is the official code's order of draws: numpy's legacy generator seeded with s gives the
    targets, then the training set; torch seeded with s gives the weights. Its training sets of different
    sizes are nested and share everything else. "default" seeds independent streams with (seed, n_train), so
    that runs which differ in either are statistically independent, and runs which differ in neither (but in a
    learning rate, say) are paired.
    """
    size = (n_results(config), n_outputs(config))
    if config.init == "reference":
        legacy = np.random.RandomState(config.seed)
        targets = legacy.normal(0, 1, size)
        chosen = legacy.choice(config.n_samples, config.n_train, replace=False)
        torch_seed = config.seed
    else:
        streams = np.random.SeedSequence([config.seed, config.n_train]).spawn(3)
        targets = np.random.default_rng(streams[0]).normal(0, 1, size)
        chosen = np.random.default_rng(streams[1]).choice(config.n_samples, config.n_train, replace=False)
        torch_seed = int(streams[2].generate_state(1)[0])
    mask = np.zeros(config.n_samples, dtype=np.bool_)
    mask[chosen] = True
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed)
        model = ToyModel(config)
    if config.loss == "ce":
        targets = np.eye(n_results(config))
    return Start(mask=mask, targets=targets, model=model)
