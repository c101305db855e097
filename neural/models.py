"""The networks, and how a seed becomes one. A network is trained by `ensemble` if it looks like Network:

forward(pairs (N, 2)) -> (N, n_outputs), the input embeddings in a parameter called `embedding`, everything
else the decoder; and it says what its embeddings are composed by, so that their parallelograms can be counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, permutations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neural.config import RunConfig, read_samples


class Network(nn.Module):
    """Embed two symbols, compose, decode by an MLP.

    Weights are drawn in the official code's order: embeddings, then the linear layers with PyTorch's default
    initialisation.
    """

    rqi_delta2: float
    """A parallelogram counts if the mean squared residual of the standardised embedding is below this."""

    def __init__(self, config: RunConfig, embedding_shape: tuple[int, ...]):
        super().__init__()
        self.embedding = nn.Parameter((torch.rand(embedding_shape) - 0.5) * config.init_scale)
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(layer_widths(config)):
            layers += [nn.Linear(n_in, n_out), nn.Tanh() if config.activation == "tanh" else nn.ReLU()]
        self.decoder = nn.Sequential(*layers[:-1])

    @staticmethod
    def compose(embedding: Tensor, pairs: Tensor) -> Tensor:
        """What the decoder sees of each pair: (..., p, ...) and (N, 2) -> (..., N, n_features)."""
        raise NotImplementedError

    @staticmethod
    def standardize(embedding: Tensor) -> Tensor:
        """The embedding (..., p, ...) in the units in which its parallelograms are counted."""
        raise NotImplementedError

    def forward(self, pairs: Tensor) -> Tensor:
        return self.decoder(self.compose(self.embedding, pairs))  # (N, n_outputs)


class SumNetwork(Network):
    """f(E_i + E_j), E_i in R^d. Source: paper, section 3.1; RQI with the official code's delta^2 = 0.01."""

    rqi_delta2 = 0.1**2

    def __init__(self, config: RunConfig):
        super().__init__(config, (config.p, config.d))

    @staticmethod
    def compose(embedding: Tensor, pairs: Tensor) -> Tensor:
        return embedding[..., pairs[:, 0], :] + embedding[..., pairs[:, 1], :]

    @staticmethod
    def standardize(embedding: Tensor) -> Tensor:
        """Each dimension with mean 0 and unbiased standard deviation 1."""
        return (embedding - embedding.mean(-2, keepdim=True)) / embedding.std(-2, keepdim=True)


class ProductNetwork(Network):
    """f(E_a E_b), E_a in R^{d x d}. Source: paper, appendix H; RQI as in the official S3 code, E / RMS(E)."""

    rqi_delta2 = 0.5

    def __init__(self, config: RunConfig):
        super().__init__(config, (config.p, config.d, config.d))

    @staticmethod
    def compose(embedding: Tensor, pairs: Tensor) -> Tensor:
        return (embedding[..., pairs[:, 0], :, :] @ embedding[..., pairs[:, 1], :, :]).flatten(-2)

    @staticmethod
    def standardize(embedding: Tensor) -> Tensor:
        """Divided by the root mean square of all entries."""
        return embedding / embedding.square().mean((-3, -2, -1), keepdim=True).sqrt()


@dataclass(frozen=True)
class Task:
    """The full data set D0 as arrays: pairs (N, 2), results (N,)."""

    pairs: NDArray[np.int64]
    results: NDArray[np.int64]


@dataclass(frozen=True)
class Start:
    """Everything that a run starts with.

    mask: bool (N,), the training set. targets: float64 (n_results, n_outputs), one row a result class. model:
    with its initial weights. batches: the training samples of each update in turn, bool (N,), without end.
    """

    mask: NDArray[np.bool_]
    targets: NDArray[np.float64]
    model: Network
    batches: Iterator[NDArray[np.bool_]]


def n_outputs(config: RunConfig) -> int:
    """Outputs of the network: the targets' dimension (regression) or the result classes (classification)."""
    return config.n_outputs if config.loss == "mse" else config.n_results


def layer_widths(config: RunConfig) -> list[int]:
    """Features, hidden layers, outputs of the decoder."""
    n_features = config.d if config.operation == "addition" else config.d**2
    return [n_features, *[config.width] * config.depth, n_outputs(config)]


def n_parameters(config: RunConfig) -> int:
    """Numbers that are trained: weights and biases of the decoder, and the embeddings."""
    widths = layer_widths(config)
    return sum((n_in + 1) * n_out for n_in, n_out in pairwise(widths)) + config.p * widths[0]


def task(config: RunConfig) -> Task:
    """The data set of a run's operation."""
    return addition_task(config.p) if config.operation == "addition" else s3_task()


def addition_task(p: int) -> Task:
    """Addition of 0..p-1, not modular; pairs i <= j in the order (0,0), (0,1) .. (0,p-1), (1,1) .."""
    i, j = np.triu_indices(p)
    return Task(pairs=np.stack([i, j], axis=1), results=i + j)


def s3_task() -> Task:
    """The six permutations of three things in lexicographic order; (a b)(k) = a(b(k)); all 36 ordered pairs."""
    elements = list(permutations(range(3)))
    pairs = [(a, b) for a in range(6) for b in range(6)]
    results = [elements.index(tuple(elements[a][k] for k in elements[b])) for a, b in pairs]
    return Task(pairs=np.array(pairs), results=np.array(results))


def draw(config: RunConfig) -> Start:
    """Draw a run's training set, targets and weights from its seed.

    "reference" is the official code's order of draws: numpy's legacy generator seeded with s gives the
    targets, then the training set; torch seeded with s gives the weights. Its training sets of different
    sizes are nested and share everything else. "default" seeds independent streams with (seed, n_train), so
    that runs which differ in either are statistically independent, and runs which differ in neither (but in a
    learning rate, say) are paired. The order of the samples in mini-batches has a stream of its own in both.
    The decoders of replicas other than 0 have a stream each, seeded with all that the other weights hang on.
    A training set that is given takes the place of the one that the seed draws, and changes nothing else: runs of one
    seed and size on different training sets have the same targets and weights.
    """
    size = (config.n_results, n_outputs(config))
    streams = np.random.SeedSequence([config.seed, config.n_train]).spawn(4)
    if config.init == "reference":
        legacy = np.random.RandomState(config.seed)
        targets = legacy.normal(0, 1, size)
        chosen = legacy.choice(config.n_samples, config.n_train, replace=False)
        torch_seed = config.seed
        replica_of = [config.seed]
    else:
        targets = np.random.default_rng(streams[0]).normal(0, 1, size)
        chosen = np.random.default_rng(streams[1]).choice(config.n_samples, config.n_train, replace=False)
        torch_seed = _torch_seed(streams[2])
        replica_of = [config.seed, config.n_train]
    mask = np.zeros(config.n_samples, dtype=np.bool_)
    mask[chosen] = True
    if config.samples:
        mask = read_samples(config.samples, config.n_samples)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed)
        model = SumNetwork(config) if config.operation == "addition" else ProductNetwork(config)
        if config.replica:
            torch.manual_seed(_torch_seed(np.random.SeedSequence([*replica_of, config.replica])))
            for layer in model.decoder:
                if isinstance(layer, nn.Linear):
                    layer.reset_parameters()
    if config.loss == "ce":
        targets = np.eye(config.n_results)
    elif config.targets == "orthogonal":
        targets = _orthogonal(targets)
    batches = training_batches(mask, config.batch_size or config.n_train, np.random.default_rng(streams[3]))
    return Start(mask=mask, targets=targets, model=model, batches=batches)


def _torch_seed(stream: np.random.SeedSequence) -> int:
    return int(stream.generate_state(1)[0])


def _orthogonal(normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Orthogonal rows with mean square 1, uniformly distributed (Haar) where `normal` has independent normal entries:
    Gram-Schmidt on its rows, whose signs a positive diagonal of R fixes.
    """
    q, r = np.linalg.qr(normal.T)
    return np.ascontiguousarray((q * np.copysign(1, np.diag(r))).T) * np.sqrt(normal.shape[1])


def training_batches(mask: NDArray[np.bool_], size: int, rng: np.random.Generator) -> Iterator[NDArray[np.bool_]]:
    """Epochs without end: the training samples in a new random order, cut into batches; the last may be smaller."""
    trained = np.flatnonzero(mask)
    while True:
        order = rng.permutation(trained)
        for begin in range(0, len(order), size):
            batch = np.zeros_like(mask)
            batch[order[begin : begin + size]] = True
            yield batch
