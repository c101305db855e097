"""The toy model of the paper: embed two symbols, compose, decode by an MLP; addition of
0..p-1, the group S3, or a table of your own that commutes.

Source: paper, section 3.1 and appendix H, and the official code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neural.compositions import table
from neural.config import ConfigError, check, option
from neural.constants import ACCURACY_THRESHOLD, RQI_THRESHOLD
from neural.family import Evaluation, Group, Metric, Parameters, Start
from neural.supervised import Supervised, means_of_parts
from neural.tables import Table, adopt_operation, adopt_pairs, count_samples, read_samples


@dataclass(frozen=True)
class ToyConfig:
    """One training run of a toy model; the paper's set-up, addition of 0..9, by
    default.
    """

    operation: str = option("addition", aliases=("table",))
    """What is learned: addition, i + j with embeddings composed by a sum; s3, the group S3 by a matrix product (p =
    6); or a CSV file with your own operation, which must commute, by a sum: a square of results, names or numbers,
    with the symbols' names beside it or without. In Python also neural.Table(results)."""
    p: int = option(10, 2)
    """Number of symbols, 0..p-1."""
    n_train: int = option(45, mixed=True, label="training-set size $|D|$ (samples)")
    """Training-set size |D|, of p(p+1)/2 samples (s3: of p^2)."""
    seed: int = option(0, 0, below=2**32, mixed=True)
    """Fixes the training set, unless that is given, the targets and all initial weights."""
    samples: str = option("", mixed=True, aliases=("pairs",))
    """The training set itself: a CSV file with rows a,b or a,b,result; or, of n_train samples, a hexadecimal number
    whose bit s is sample s of the table, in the order (0,0), (0,1) .. (0,p-1), (1,1) .. (s3: all ordered pairs). By
    default the seed draws it."""
    replica: int = option(0, 0, below=2**32, mixed=True)
    """Which draw of the decoder's initial weights; all else that the seed fixes, replicas share."""
    init: Literal["default", "reference"] = option("default", mixed=True)
    """How the seed is used: own streams for each (seed, n_train), or the official code's order of draws."""
    loss: Literal["mse", "ce"] = "mse"
    """Regression on random target vectors, or classification of the result."""
    targets: Literal["random", "orthogonal"] = option("random", mixed=True)
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
    repr_lr: float = option(1e-3, above=True, mixed=True, label=r"learning rate of the embeddings $\eta_r$")
    """Learning rate of the embeddings, per step."""
    decoder_lr: float = option(1e-4, above=True, mixed=True, label=r"learning rate of the decoder $\eta_d$")
    """Learning rate of the decoder, per step."""
    decoder_warmup: int = option(0, 0, below=2**32, mixed=True)
    """Updates over which the decoder's learning rate rises linearly to decoder_lr; 0 and 1 are none."""
    repr_wd: float = option(0.0, mixed=True, aliases=("repr_weight_decay",), label="weight decay of the embeddings")
    """Weight decay of the embeddings (decoupled)."""
    decoder_wd: float = option(
        0.0, mixed=True, aliases=("decoder_weight_decay", "weight_decay"), label="weight decay of the decoder"
    )
    """Weight decay of the decoder (decoupled)."""
    repr_optimizer: Literal["adamw", "sgd"] = option("adamw", mixed=True, aliases=("optimizer",))
    """Optimiser of the embeddings."""
    decoder_optimizer: Literal["adamw", "sgd"] = "adamw"
    """Optimiser of the decoder; sgd is plain, without momentum."""
    repr_l1: float = option(0.0, mixed=True)
    """Weight of the penalty mean |E| in the loss (the official S3 code: 1e-3; not in the paper)."""
    batch_size: int | None = option(None, mixed=True, label="batch size (samples)")
    """Samples an update, each epoch in a new random order; by default all of the training set."""
    init_scale: float = option(1.0, above=True, mixed=True, label="initial scale of the embeddings $s$")
    """s: the initial embeddings are uniform in [-s/2, s/2]."""
    budget: int = option(10_000, mixed=True, aliases=("steps",), label="budget (steps)")
    """Number of updates after which a threshold that was not crossed is censored."""
    dtype: Literal["float32", "float64"] = "float32"
    """Precision of the training."""

    def __post_init__(self) -> None:
        check(self)
        adopt_operation(self, ("addition", "s3"))
        own = self.operation
        if isinstance(own, Table) and (witness := own.witness):
            raise ConfigError(
                f"`table` must commute for toy, which adds embeddings (not for family modular), but {witness}."
            )
        if adopt_pairs(self, task) and self.n_train == type(self).n_train:
            object.__setattr__(self, "n_train", count_samples(self))
        if self.operation == "s3" and self.p != 6:
            raise ConfigError(f"`p` must be 6 for operation s3, which has six elements, but is {self.p}.")
        if self.n_train > self.n_samples:
            count = "p^2" if self.operation == "s3" else "p(p+1)/2"
            raise ConfigError(
                f"`n_train` must be at most {count} = {self.n_samples} for p = {self.p}, but is {self.n_train}."
            )
        if self.samples != "":
            count = count_samples(self)
            if count != self.n_train:
                raise ConfigError(f"`samples` must have n_train = {self.n_train} samples, but has {count}.")
        if self.batch_size is not None and self.batch_size > self.n_train:
            raise ConfigError(f"`batch_size` must be at most n_train = {self.n_train}, but is {self.batch_size}.")
        if self.targets == "orthogonal" and self.loss == "ce":
            raise ConfigError("`targets` must be random with loss ce, which has one-hot ones, but is 'orthogonal'.")
        if self.targets == "orthogonal" and self.n_outputs < self.n_results:
            raise ConfigError(
                f"`n_outputs` must be at least the number of results = {self.n_results} for orthogonal targets, "
                f"but is {self.n_outputs}."
            )

    @property
    def look_every(self) -> int:
        """Every state is evaluated."""
        return 1

    @property
    def n_samples(self) -> int:
        """|D0|: unordered pairs of a commutative operation, ordered ones of another."""
        return self.p**2 if self.operation == "s3" else self.p * (self.p + 1) // 2

    @property
    def n_results(self) -> int:
        """Number of result classes: 2p - 1 sums, p group elements, those of a table."""
        if isinstance(self.operation, Table):
            return len(np.unique(self.operation.results))
        return 2 * self.p - 1 if self.operation == "addition" else self.p


RunConfig = ToyConfig  # its first name


def task(config: ToyConfig) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """D0: pairs i <= j, (N, 2), in the order (0,0), (0,1) .. (0,p-1), (1,1) .., of S3
    all ordered pairs; and their results (N,), those that occur numbered from 0 on.
    """
    own = config.operation
    i, j = np.indices((6, 6)).reshape(2, -1) if own == "s3" else np.triu_indices(config.p)
    results = own.results if isinstance(own, Table) else table("symmetric" if own == "s3" else own, config.p)
    return np.stack([i, j], axis=1), np.unique(results[i, j], return_inverse=True)[1]


def layer_widths(config: ToyConfig) -> list[int]:
    """Features, hidden layers, outputs of the decoder: the targets' dimension
    (regression) or the result classes (classification).
    """
    n_features = config.d**2 if config.operation == "s3" else config.d
    return [n_features, *[config.width] * config.depth, config.n_outputs if config.loss == "mse" else config.n_results]


class Network(nn.Module):
    """Embed two symbols, compose, decode by an MLP: f(E_i + E_j) with E_i in R^d, or,
    of S3, f(E_a E_b) with E_a in R^{d x d}.

    Weights are drawn in the official code's order: embeddings, then the linear layers
    with PyTorch's default initialisation. Source: paper, section 3.1 and appendix H.
    """

    def __init__(self, config: ToyConfig):
        super().__init__()
        self._products = config.operation == "s3"
        size = (config.p, config.d, config.d) if self._products else (config.p, config.d)
        self.embedding = nn.Parameter((torch.rand(size) - 0.5) * config.init_scale)
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(layer_widths(config)):
            layers += [nn.Linear(n_in, n_out), nn.Tanh() if config.activation == "tanh" else nn.ReLU()]
        self.decoder = nn.Sequential(*layers[:-1])

    def compose(self, embedding: Tensor, pairs: Tensor) -> Tensor:
        """What the decoder reads of each pair: (..., p, ...) and (N, 2) ->
        (..., N, n_features).
        """
        if self._products:
            return (embedding[..., pairs[:, 0], :, :] @ embedding[..., pairs[:, 1], :, :]).flatten(-2)
        return embedding[..., pairs[:, 0], :] + embedding[..., pairs[:, 1], :]

    def standardize(self, embedding: Tensor) -> Tensor:
        """The embedding (..., p, ...) in the units in which its parallelograms are
        counted, as in the official codes: each dimension with mean 0 and unbiased
        standard deviation 1; of S3 divided by the root mean square of all entries.
        """
        if self._products:
            return embedding / embedding.square().mean((-3, -2, -1), keepdim=True).sqrt()
        return (embedding - embedding.mean(-2, keepdim=True)) / embedding.std(-2, keepdim=True)

    def is_parallelogram(self, residual: Tensor) -> Tensor:
        """Where the residual (..., n_features) of two standardised compositions is
        small: the official codes' delta^2.
        """
        return residual.square().mean(-1) < (0.5 if self._products else 0.1**2)

    def forward(self, pairs: Tensor) -> Tensor:
        return self.decoder(self.compose(self.embedding, pairs))  # (N, n_outputs)


def start(config: ToyConfig) -> Start:
    """Draw a run's training set, targets and weights from its seed.

    "reference" is the official code's order of draws: numpy's legacy generator seeded
    with s gives the targets, then the training set; torch seeded with s gives the
    weights. Its training sets of different sizes are nested and share everything else.
    "default" seeds independent streams with (seed, n_train), so that runs which differ
    in either are statistically independent, and runs which differ in neither (but in a
    learning rate, say) are paired. The order of the samples in mini-batches has a
    stream of its own in both. The decoders of replicas other than 0 have a stream each,
    seeded with all that the other weights depend on. A training set that is given takes
    the place of the one that the seed draws, and changes nothing else: runs of one seed
    and size on different training sets have the same targets and weights.
    """
    size = (config.n_results, layer_widths(config)[-1])
    streams = np.random.SeedSequence([config.seed, config.n_train]).spawn(4)
    if config.init == "reference":
        legacy = np.random.RandomState(config.seed)
        targets = legacy.normal(0, 1, size)
        chosen = legacy.choice(config.n_samples, config.n_train, replace=False)
        seed, replica_of = config.seed, [config.seed]
    else:
        targets = np.random.default_rng(streams[0]).normal(0, 1, size)
        chosen = np.random.default_rng(streams[1]).choice(config.n_samples, config.n_train, replace=False)
        seed, replica_of = streams[2].generate_state(1)[0], [config.seed, config.n_train]
    mask = np.isin(np.arange(config.n_samples), chosen)
    if config.samples:
        mask = read_samples(config.samples, config.n_samples)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(seed))
        model = Network(config)
        if config.replica:
            torch.manual_seed(int(np.random.SeedSequence([*replica_of, config.replica]).generate_state(1)[0]))
            for layer in model.decoder:
                if isinstance(layer, nn.Linear):
                    layer.reset_parameters()
    if config.loss == "ce":
        targets = np.eye(config.n_results)
    elif config.targets == "orthogonal":
        targets = _orthogonal(targets)
    size = config.batch_size
    batches = None if size is None else training_batches(mask, size, np.random.default_rng(streams[3]))
    lane = {"targets": targets, "mask": mask, "penalty": np.array(config.repr_l1)}
    return Start(mask=mask, model=model, lane=lane, batch=mask, batches=batches)


def _orthogonal(normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Orthogonal rows with mean square 1, uniformly distributed (Haar) where `normal`
    has independent normal entries: Gram-Schmidt on its rows, whose signs a positive
    diagonal of R fixes.
    """
    q, r = np.linalg.qr(normal.T)
    return np.ascontiguousarray((q * np.copysign(1, np.diag(r))).T) * np.sqrt(normal.shape[1])


def training_batches(mask: NDArray[np.bool_], size: int, rng: np.random.Generator) -> Iterator[NDArray[np.bool_]]:
    """Epochs without end: the training samples in a new random order, cut into batches;
    the last may be smaller.
    """
    trained = np.flatnonzero(mask)
    while True:
        order = rng.permutation(trained)
        for begin in range(0, len(order), size):
            batch = np.zeros_like(mask)
            batch[order[begin : begin + size]] = True
            yield batch


class Toy(Supervised):
    """The family of the toy model. A batch is bool (N,): the samples that an update
    descends on.
    """

    name: ClassVar = "toy"
    Config: ClassVar = ToyConfig
    METRICS: ClassVar = (
        Metric("train_accuracy", "share", {"steps_to_train": ACCURACY_THRESHOLD}, record="train_record"),
        Metric("test_accuracy", "share", {"steps_to_test": ACCURACY_THRESHOLD}, record="test_record"),
        Metric("rqi", "share", {"steps_to_rqi": RQI_THRESHOLD}, strict=True, record="rqi_record"),
        Metric("train_loss", "loss"),
        Metric("test_loss", "loss"),
    )
    SETTLED = 50
    ARRAYS: ClassVar[Mapping[str, Any]] = {
        "mask": lambda history: history.mask.astype(int),
        "initial_embedding": lambda history: history.checkpoints["embedding"][0],
        "final_embedding": lambda history: history.checkpoints["embedding"][-1],
    }
    start = staticmethod(start)  # pyright: ignore[reportAssignmentType]
    network = Network

    @staticmethod
    def tables(config: ToyConfig) -> dict[str, NDArray]:
        """The data set, and all pairs of samples with one result."""
        pairs, results = task(config)
        # class by class: of all pairs of samples there are 2 * 10^8 at p = 200
        classes = [np.flatnonzero(results == result) for result in np.unique(results)]
        first, second = np.concatenate([one[np.stack(np.triu_indices(len(one), k=1))] for one in classes], axis=1)
        return {"pairs": pairs, "results": results, "first": first, "second": second}

    @staticmethod
    def groups(config: ToyConfig) -> dict[str, Group]:
        return {
            "embedding": Group(config.repr_lr, config.repr_wd, config.repr_optimizer),
            "": Group(config.decoder_lr, config.decoder_wd, config.decoder_optimizer, config.decoder_warmup),
        }

    def objective(self, parameters: Parameters, lane: Parameters, batch: Tensor) -> tuple[Tensor, Any]:
        """Mean loss over the batch and the penalty; for the evaluations, outputs and
        losses on all of D0.
        """
        outputs = self.outputs(parameters, self.shared["pairs"], None)  # (N, n_outputs)
        if self.config.loss == "ce":
            sample_loss = torch.nn.functional.cross_entropy(outputs, self.shared["results"], reduction="none")
        else:
            sample_loss = (outputs - lane["targets"][self.shared["results"]]).square().mean(-1)
        penalty = lane["penalty"] * parameters["embedding"].abs().mean()
        return (sample_loss * batch).sum() / batch.sum() + penalty, (outputs, sample_loss)

    def evaluate(self, parameters: Parameters, lanes: Parameters, outputs: Any) -> Evaluation:
        """A test loss is the mean over the samples outside D, RQI the share of P0 whose
        standardised mean squared residual is small; 0/0 = nan where there are none.
        """
        embedding = parameters["embedding"].clone()  # (R, p, d), before the update
        (outputs, sample_loss), targets, mask = outputs, lanes["targets"], lanes["mask"]
        if self.config.loss == "ce":
            answers = outputs.argmax(-1)
        else:  # the nearest target by |f - Y|^2 without |f|^2, which all targets share
            answers = (targets.square().sum(-1)[:, None, :] - 2 * outputs @ targets.transpose(1, 2)).argmin(-1)
        correct = (answers == self.shared["results"]) & sample_loss.isfinite()  # (R, N)
        accuracies, losses = (means_of_parts(values, mask) for values in (correct.to(mask.dtype), sample_loss))
        model: Any = self.model
        composed = model.compose(model.standardize(embedding), self.shared["pairs"])  # (R, N, n_features)
        parallel = model.is_parallelogram(composed[:, self.shared["first"]] - composed[:, self.shared["second"]])
        rqi = parallel.to(embedding.dtype).mean(1)
        return torch.stack([*accuracies, rqi, *losses], dim=1), correct, {"embedding": embedding}

    @classmethod
    def settled(cls, traces: Mapping[str, NDArray]) -> bool:
        """Every sample was right and RQI high, through the last SETTLED evaluations; so
        every threshold was crossed.
        """
        test, rqi = (traces[name][-cls.SETTLED :] for name in ("test_accuracy", "rqi"))
        done = (rqi > RQI_THRESHOLD) & ((test == 1) | np.isnan(test))
        return super().settled(traces) and bool(done.all())

    @staticmethod
    def checkpoints(config: ToyConfig) -> NDArray[np.int64]:
        """At most MAX_SNAPSHOTS, evenly spaced, at multiples of 50 steps."""
        return np.arange(0, config.budget + 1, 50 * -(-config.budget // (50 * MAX_SNAPSHOTS)))


MAX_SNAPSHOTS = 200
