"""Addition modulo p, plain addition, division modulo p, composition in a group, or a
table of your own, by one hidden layer, by a multilayer perceptron on embeddings, or by
a one-layer transformer.

All ordered pairs (a, b) are samples, a fraction of them is trained on. Sources: Gromov,
"Grokking modular arithmetic" (a hidden layer of squares on one-hot inputs); Nanda et
al., "Progress measures for grokking via mechanistic interpretability" (the transformer
on the tokens a, b and =, without layer norm, weights normal with variance 1/d);
Chughtai et al., "A Toy Model of Universality" (groups; their perceptron on two
embeddings is the hidden layer with `inputs` "embeddings" and `activation` "relu").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, vmap

from neural.compositions import OPERATIONS, misfit, table
from neural.config import ConfigError, check, option
from neural.constants import ACCURACY_THRESHOLD
from neural.family import Evaluation, Group, Metric, Parameters, Start, weight_norm
from neural.noise import dropout
from neural.samples import count_samples, read_samples
from neural.supervised import check_schedule, index_batches, initial_norm, logarithmic, means_of_parts
from neural.tables import Table, adopt_operation, adopt_pairs


@dataclass(frozen=True)
class ModularConfig:
    """One training run on modular addition, or another operation; one hidden layer of
    128 squares, which groks in 2,000 steps, by default.
    """

    network: Literal["hidden", "perceptron", "transformer"] = "hidden"
    """One hidden layer; a perceptron with two, and biases, that reads the mean of the
    two symbols' embeddings; or one layer of a transformer that reads "a b =" and
    answers at the last token.
    """
    p: int = option(31, 2)
    """Symbols 0..p-1; the modulus, or how many elements the group has."""
    fraction: float = option(0.4, above=True, label="training fraction")
    """Share of the p^2 samples (p (p - 1) of division) that is trained on."""
    seed: int = option(0, 0, below=2**32, mixed=True)
    """Fixes the training set, all initial weights, the order of mini-batches and
    dropout's noise.
    """
    inputs: Literal["one-hot", "embeddings", "sum"] = "one-hot"
    """What the hidden layer sees: the two symbols one-hot, their embeddings from two
    tables, or the sum of their embeddings from one table (the other networks have
    embeddings).
    """
    activation: Literal["square", "relu"] = "square"
    """Of the hidden layer (the other networks' is relu)."""
    width: int = 128
    """Width of the hidden layers."""
    d: int = 128
    """Embedding dimension, also the width of the transformer's residual stream."""
    heads: int = 4
    """Attention heads of the transformer; d is a multiple of them."""
    mlp: int = 512
    """Width of the transformer's MLP."""
    loss: Literal["ce", "mse"] = "ce"
    """Cross-entropy, or the mean square distance to the one-hot result."""
    learning_rate: float = option(3e-3, above=True, mixed=True, aliases=("lr",))
    """Learning rate, per step."""
    embedding_lr: float | None = option(None, above=True, mixed=True, label="learning rate of the embeddings")
    """Learning rate of the embeddings; by default that of all."""
    weight_decay: float = option(1.0, mixed=True, aliases=("wd",))
    """Weight decay (decoupled)."""
    embedding_wd: float | None = option(None, mixed=True, label="weight decay of the embeddings")
    """Weight decay of the embeddings; by default that of all."""
    warmup: int = option(0, 0, below=2**32, mixed=True)
    """Updates over which all learning rates rise linearly; 0 and 1 are none."""
    optimizer: Literal["adamw", "sgd"] = option("adamw", mixed=True)
    """AdamW, or plain SGD without momentum."""
    beta2: float = option(0.98, 0)
    """AdamW's second decay rate, at most 0.999; the first is 0.9."""
    dropout: float = option(0.0, 0)
    """Probability with which an activation of the hidden layer, or an output of the
    attention and the MLP, is 0.
    """
    batch_size: int | None = option(None, label="batch size (samples)")
    """Samples an update, through the training set in an order that is new each epoch;
    by default all of it.
    """
    init_scale: float = option(1.0, above=True, mixed=True, label="initial scale of all weights")
    """What all initial weights are multiplied by."""
    constrained: bool = False
    """Scale all weights together back to their initial norm after every update."""
    look_every: int = 25
    """Updates between two measurements, and so the resolution of the steps to a
    threshold.
    """
    budget: Annotated[int, tyro.conf.arg(aliases=["--steps"])] = option(
        10_000, mixed=True, aliases=("steps",), label="budget (steps)"
    )
    """Number of updates after which a threshold that was not crossed is censored; a
    multiple of look_every.
    """
    dtype: Literal["float32", "float64"] = "float32"
    """Precision of the training."""
    operation: Annotated[str, tyro.conf.arg(aliases=["--table"])] = option(
        "modular_addition", later=True, aliases=("table",)
    )
    """modular_addition, a + b modulo p; addition, a + b itself, which has 2p - 1 results; division, a / b modulo a
    prime p; symmetric, the product of two permutations (p is 6, 24 or 120), or dihedral, of two symmetries of a regular
    polygon (p is even); or a CSV file with your own operation: a square of results, names or numbers, with the symbols'
    names beside it or without. In Python also neural.Table(results)."""
    checkpoints: int = option(2, 0, mixed=True, later=True)
    """How many times all weights are kept in an octave of steps; the first and the last
    always are."""
    epsilon: float = option(1e-8, above=True, mixed=True, later=True)
    """AdamW's epsilon, which keeps small gradients from large updates."""
    decay_until: int | None = option(None, 0, below=2**32, mixed=True, later=True, label="last update with decay")
    """Updates after which all weight decay is 0; by default it never ends."""
    samples: Annotated[str, tyro.conf.arg(aliases=["--pairs"])] = option("", mixed=True, later=True, aliases=("pairs",))
    """The training set itself: a CSV file with rows a,b or a,b,result, or a hexadecimal number whose bit s is sample
    s. It says what the fraction is; by default the seed draws the set."""

    def __post_init__(self) -> None:
        check(self)
        adopt_operation(self, OPERATIONS)
        wanted = misfit(self.operation, self.p)
        if wanted:
            raise ConfigError(f"`p` must be {wanted} for operation {self.operation}, but is {self.p}.")
        self._adopt_samples()
        for name, limit in (("fraction", 1), ("beta2", 0.999)):
            if getattr(self, name) > limit:
                raise ConfigError(f"`{name}` must be at most {limit}, but is {getattr(self, name)}.")
        if self.dropout >= 1:
            raise ConfigError(f"`dropout` must be below 1, but is {self.dropout}.")
        if self.n_train < 1:
            raise ConfigError(
                f"`fraction` must leave a sample of {self.n_samples} to train on, but is {self.fraction}."
            )
        if self.network == "transformer" and self.d % self.heads:
            raise ConfigError(f"`d` must be a multiple of heads = {self.heads}, but is {self.d}.")
        check_schedule(self)

    def _adopt_samples(self) -> None:
        """The fraction is that of the training set that is given."""
        if self.samples == "":
            return
        adopt_pairs(self, task)
        fraction = count_samples(self.samples, self.n_samples, self.p) / self.n_samples
        if self.fraction not in (type(self).fraction, fraction):
            raise ConfigError(f"`fraction` must be left out with samples, which say it, but is {self.fraction}.")
        object.__setattr__(self, "fraction", fraction)

    @property
    def n_samples(self) -> int:
        """Ordered pairs."""
        return self.p * (self.p - 1 if self.operation == "division" else self.p)

    @property
    def n_train(self) -> int:
        """Training-set size."""
        return round(self.fraction * self.n_samples)

    @property
    def n_results(self) -> int:
        """The network's outputs."""
        if isinstance(self.operation, Table):
            return len(self.operation.result_names)
        return 2 * self.p - 1 if self.operation == "addition" else self.p


class HiddenLayer(nn.Module):
    """W2 phi(u[a] + v[b]), without biases: u and v are rows of the first layer's
    weights (one-hot inputs), or linear in the symbols' embeddings.
    """

    def __init__(self, config: ModularConfig):
        super().__init__()
        self._config = config
        p, d, width = config.p, config.d, config.width
        if config.inputs == "one-hot":
            self.hidden = nn.Parameter(torch.empty(2, p, width))
        else:
            tables = 2 if config.inputs == "embeddings" else 1
            self.embedding = nn.Parameter(torch.empty(tables, p, d))
            self.hidden = nn.Parameter(torch.empty(tables, d, width))
        self.output = nn.Parameter(torch.empty(config.n_results, width))

    def draw(self, generator: torch.Generator) -> None:
        """Uniform with the limits of torch's linear layers, 1/sqrt(number of inputs);
        embeddings normal (0, 1).
        """
        n_inputs = 2 * self._config.p if self._config.inputs == "one-hot" else self.hidden.shape[0] * self._config.d
        for weights, n in ((self.hidden, n_inputs), (self.output, self._config.width)):
            nn.init.uniform_(weights, -(n**-0.5), n**-0.5, generator)
        if self._config.inputs != "one-hot":
            nn.init.normal_(self.embedding, generator=generator)

    def forward(self, first: Tensor, second: Tensor, noise: Mapping[str, Tensor] | None = None) -> Tensor:
        """Symbols (B,) and (B,) to outputs (n_results, B): an odd p would be a slow
        width of products and reductions.
        """
        table = self.hidden if self._config.inputs == "one-hot" else self.embedding @ self.hidden  # (2 or 1, p, width)
        x = table[0][first] + table[-1][second]
        x = x.square() if self._config.activation == "square" else x.relu()
        if noise is not None:
            x = dropout(x, self._config.dropout, noise["noise"], noise["step"], 0)
        return self.output @ x.T


class Perceptron(nn.Module):
    """A perceptron of two hidden layers on the mean of two embeddings. Source: Liu et
    al., "Towards Understanding Grokking", figure 2.
    """

    def __init__(self, config: ModularConfig):
        super().__init__()
        self._config = config
        self.embedding = nn.Parameter(torch.empty(config.p, config.d))
        widths = [config.d, config.width, config.width, config.n_results]
        self._names = ["first", "second", "output"]
        for name, (n_in, n_out) in zip(self._names, pairwise(widths), strict=True):
            self.register_parameter(name, nn.Parameter(torch.empty(n_out, n_in)))
            self.register_parameter(f"{name}_bias", nn.Parameter(torch.empty(n_out, 1)))

    def draw(self, generator: torch.Generator) -> None:
        """As torch draws linear layers, uniform within 1/sqrt(number of inputs);
        embeddings normal (0, 1).
        """
        nn.init.normal_(self.embedding, generator=generator)
        for name in self._names:
            weights = self.get_parameter(name)
            limit = weights.shape[1] ** -0.5
            for values in (weights, self.get_parameter(f"{name}_bias")):
                nn.init.uniform_(values, -limit, limit, generator)

    def forward(self, first: Tensor, second: Tensor, noise: Mapping[str, Tensor] | None = None) -> Tensor:
        """Symbols (B,) and (B,) to outputs (n_results, B)."""
        return self.read((self.embedding[first] + self.embedding[second]).T / 2, noise)

    def read(self, x: Tensor, noise: Mapping[str, Tensor] | None = None) -> Tensor:
        """Places (d, B) to outputs (n_results, B)."""
        for site, name in enumerate(self._names):
            x = getattr(self, name) @ x + getattr(self, f"{name}_bias")
            if name != "output":
                x = x.relu()
                x = x if noise is None else dropout(x, self._config.dropout, noise["noise"], noise["step"], site)
        return x


class Transformer(nn.Module):
    """One layer on the tokens a, b and =, read at the last one; no layer norm.

    Only what the last token needs is computed: its query, which is the same for all
    samples, and keys and values of 2p + 1 pairs of a symbol and a place, which all
    samples share.
    """

    def __init__(self, config: ModularConfig):
        super().__init__()
        self._config = config
        p, d, mlp = config.p, config.d, config.mlp
        self.embedding = nn.Parameter(torch.empty(p + 1, d))
        self.position = nn.Parameter(torch.empty(3, d))
        self.query, self.key, self.value, self.attended = (nn.Parameter(torch.empty(d, d)) for _ in range(4))
        self.up, self.up_bias = nn.Parameter(torch.empty(d, mlp)), nn.Parameter(torch.empty(mlp))
        self.down, self.down_bias = nn.Parameter(torch.empty(mlp, d)), nn.Parameter(torch.empty(d))
        self.output = nn.Parameter(torch.empty(config.n_results, d))

    def draw(self, generator: torch.Generator) -> None:
        """Normal with variance 1/d, the output's 1/n_results; biases 0."""
        for name, weights in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(weights)
            else:
                n = self._config.n_results if name == "output" else self._config.d
                nn.init.normal_(weights, std=n**-0.5, generator=generator)

    def forward(self, first: Tensor, second: Tensor, noise: Mapping[str, Tensor] | None = None) -> Tensor:
        """Symbols (B,) and (B,) to outputs (n_results, B)."""

        def dropped(x: Tensor, site: int) -> Tensor:
            if noise is None:
                return x
            return dropout(x, self._config.dropout, noise["noise"], noise["step"], site)

        heads, d_head = self._config.heads, self._config.d // self._config.heads
        symbols, equals = self.embedding[:-1], self.embedding[-1]
        last = equals + self.position[2]  # (d,)
        places = [symbols + self.position[0], symbols + self.position[1], last[None]]
        query = (last @ self.query).view(heads, d_head)
        scores, values = [], []
        for tokens in places:  # (p, d), (p, d), (1, d)
            keys = (tokens @ self.key).view(-1, heads, d_head)
            scores.append((keys * query).sum(-1) / d_head**0.5)  # (p or 1, heads)
            values.append(tokens @ self.value)
        score = torch.stack([scores[0][first], scores[1][second], scores[2].expand(len(first), heads)])
        weight = score.softmax(0)[..., None]  # (3, B, heads, 1)
        value = [values[0][first], values[1][second], values[2].expand(len(first), -1)]
        parts = [w * v.view(-1, heads, d_head) for w, v in zip(weight, value, strict=True)]
        mixed = parts[0] + parts[1] + parts[2]
        x = last + dropped(mixed.flatten(1) @ self.attended, 0)  # (B, d)
        hidden = (x @ self.up + self.up_bias).relu()
        x = x + dropped(hidden @ self.down + self.down_bias, 1)
        return self.output @ x.T


_NETWORKS = {"hidden": HiddenLayer, "perceptron": Perceptron, "transformer": Transformer}


def network(config: ModularConfig) -> HiddenLayer | Perceptron | Transformer:
    """The network, its weights not drawn yet."""
    return _NETWORKS[config.network](config)


def task(config: ModularConfig) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs (N, 2) in the order (0,0), (0,1) .., and their results (N,). No pair of
    division has a second symbol 0.
    """
    own = config.operation
    results = own.results.copy() if isinstance(own, Table) else table(config.operation, config.p)
    first, second = np.indices(results.shape).reshape(2, -1)
    return np.stack([first, second + config.p - results.shape[1]], axis=1), results.ravel()


def start(config: ModularConfig) -> Start:
    """Independent streams from (seed, p, n_train): runs that differ in another field
    only, the training set that is given included, are paired.
    """
    streams = np.random.SeedSequence([config.seed, config.p, config.n_train]).spawn(4)
    order = np.random.default_rng(streams[0]).permutation(config.n_samples)
    trained = np.sort(order[: config.n_train])
    if config.samples:
        trained = np.flatnonzero(read_samples(config.samples, config.n_samples))
    mask = np.zeros(config.n_samples, dtype=np.bool_)
    mask[trained] = True
    model = network(config)
    weights, noise = (int(stream.generate_state(1)[0]) for stream in streams[1:3])
    with torch.no_grad():
        model.draw(torch.Generator().manual_seed(weights))
        for value in model.parameters():
            value.mul_(config.init_scale)
    return Start(
        mask=mask,
        model=model,
        lane={"mask": mask, "noise": np.array(noise)},
        batch=trained[: config.batch_size],
        batches=index_batches(trained, config.batch_size, streams[3]),
        radius=initial_norm(model) if config.constrained else 0.0,
    )


def answers_at(config: ModularConfig, weights: Mapping[str, NDArray], places: NDArray[np.float64]) -> NDArray[np.int64]:
    """The result that a perceptron with these weights reads at each place (B, d) of the
    plane that the means of two embeddings are in.
    """
    model = network(config).to(getattr(torch, config.dtype))
    assert isinstance(model, Perceptron)
    model.load_state_dict({name: torch.as_tensor(value) for name, value in weights.items()})
    with torch.no_grad():
        return model.read(torch.as_tensor(places.T, dtype=model.embedding.dtype)).argmax(0).numpy()


def correct_samples(config: ModularConfig, weights: Mapping[str, NDArray]) -> NDArray[np.bool_]:
    """Which samples (N,) a network with these weights (as checkpoints have them) gets
    right, without dropout.
    """
    pairs, results = (torch.as_tensor(array) for array in task(config))
    held = {name: torch.as_tensor(value) for name, value in weights.items()}
    with torch.no_grad():
        outputs = functional_call(network(config).to(getattr(torch, config.dtype)), held, (pairs[:, 0], pairs[:, 1]))
    return ((outputs.argmax(0) == results) & outputs.isfinite().all(0)).numpy()


class Modular:
    """The family of addition and other operations on pairs of symbols. A batch is int64
    (B,): the samples that an update descends on.
    """

    name: ClassVar[str] = "modular"
    Config: ClassVar[type] = ModularConfig
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
            {"steps_to_test_50": 0.5, "steps_to_test": ACCURACY_THRESHOLD, "steps_to_test_95": 0.95},
            record="test_record",
        ),
        Metric("train_loss", "loss"),
        Metric("test_loss", "loss"),
        Metric("weight_norm", "size"),
    )
    SETTLED: ClassVar[int] = 10
    ARRAYS: ClassVar[Mapping[str, Any]] = {}
    COMPILES: ClassVar[bool] = True

    start = staticmethod(start)

    def __init__(self, config: ModularConfig, device: str):
        self._mse = config.loss == "mse"
        with torch.device("meta"):  # its own weights are never used
            self._model = network(config)
        pairs, results = task(config)
        kind = getattr(torch, config.dtype)
        self._one_hot = torch.eye(config.n_results, device=device, dtype=kind)
        self._pairs = torch.as_tensor(pairs, device=device)
        self._results = torch.as_tensor(results, device=device)

    @staticmethod
    def groups(config: ModularConfig) -> dict[str, Group]:
        rest = Group(
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
            optimizer=config.optimizer,
            warmup=config.warmup,
            beta2=config.beta2,
            epsilon=config.epsilon,
            decay_until=config.decay_until,
        )
        rate = config.learning_rate if config.embedding_lr is None else config.embedding_lr
        decay = config.weight_decay if config.embedding_wd is None else config.embedding_wd
        return {"embedding": replace(rest, learning_rate=rate, weight_decay=decay), "": rest}

    def objective(self, parameters: Parameters, lane: Parameters, batch: Tensor) -> tuple[Tensor, Any]:
        """Mean loss over the batch."""
        outputs = self._outputs(parameters, self._pairs[batch], lane)
        return self._losses(outputs, self._results[batch]).mean(), ()

    def evaluate(self, parameters: Parameters, lanes: Parameters, outputs: Any) -> Evaluation:
        """Without dropout; test values are 0/0 = nan where everything is trained on."""
        outputs = vmap(lambda one: self._outputs(one, self._pairs, None))(parameters)  # (R, n_results, N)
        losses = vmap(self._losses, in_dims=(0, None))(outputs, self._results)
        correct = (outputs.argmax(1) == self._results) & losses.isfinite()
        hits, mask = correct.to(losses.dtype), lanes["mask"]
        shares = [*means_of_parts(hits, mask), *means_of_parts(losses, mask)]
        norm = weight_norm(parameters)
        return torch.stack([*shares, norm], dim=1), correct, {}

    def _outputs(self, parameters: Parameters, pairs: Tensor, noise: Parameters | None) -> Tensor:
        return functional_call(self._model, parameters, (pairs[:, 0], pairs[:, 1], noise))

    def _losses(self, outputs: Tensor, results: Tensor) -> Tensor:
        """(n_results, B) and (B,) to (B,): the cross-entropy or the mean square
        distance.
        """
        if self._mse:
            return (outputs - self._one_hot[:, results]).square().mean(0)
        return outputs.logsumexp(0) - outputs.gather(0, results[None])[0]

    @staticmethod
    def settled(traces: Mapping[str, NDArray]) -> bool:
        """Every sample was right through the last SETTLED evaluations; so every
        threshold was crossed.
        """
        train, test = (traces[name][-Modular.SETTLED :] for name in ("train_accuracy", "test_accuracy"))
        return len(train) == Modular.SETTLED and bool(((train == 1) & ((test == 1) | np.isnan(test))).all())

    @staticmethod
    def checkpoints(config: ModularConfig) -> NDArray[np.int64]:
        return logarithmic(config.look_every, config.budget, config.checkpoints)
