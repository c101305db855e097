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
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neural.compositions import OPERATIONS, misfit, table
from neural.config import ConfigError, check, option
from neural.family import Group, Parameters
from neural.layers import dropout
from neural.supervised import Data, Supervised, TrainingConfig, again, usual_metrics
from neural.tables import Table, adopt_operation, adopt_pairs, count_samples, read_samples


@dataclass(frozen=True)
class ModularConfig(TrainingConfig):
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
    seed: int = again("seed")
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
    learning_rate: float = again("learning_rate", 3e-3)
    embedding_lr: float | None = option(None, above=True, mixed=True, label="learning rate of the embeddings")
    """Learning rate of the embeddings; by default that of all."""
    weight_decay: float = again("weight_decay", 1.0)
    embedding_wd: float | None = option(None, mixed=True, label="weight decay of the embeddings")
    """Weight decay of the embeddings; by default that of all."""
    warmup: int = option(0, 0, below=2**32, mixed=True)
    """Updates over which all learning rates rise linearly; 0 and 1 are none."""
    beta2: float = option(0.98, 0)
    """AdamW's second decay rate, at most 0.999; the first is 0.9."""
    dropout: float = option(0.0, 0)
    """Probability with which an activation of the hidden layer, or an output of the
    attention and the MLP, is 0.
    """
    look_every: int = 25
    operation: str = option("modular_addition", later=True, aliases=("table",))
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
    samples: str = option("", mixed=True, later=True, aliases=("pairs",))
    """The training set itself: a CSV file with rows a,b or a,b,result, or a hexadecimal number whose bit s is sample
    s. It says what the fraction is; by default the seed draws the set."""

    def __post_init__(self) -> None:
        check(self)
        adopt_operation(self, OPERATIONS)
        wanted = misfit(self.operation, self.p)
        if wanted:
            raise ConfigError(f"`p` must be {wanted} for operation {self.operation}, but is {self.p}.")
        if self.samples != "":
            adopt_pairs(self, task)
            fraction = count_samples(self) / self.n_samples
            if self.fraction not in (type(self).fraction, fraction):
                raise ConfigError(f"`fraction` must be left out with samples, which say it, but is {self.fraction}.")
            object.__setattr__(self, "fraction", fraction)
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
        super().__post_init__()

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


class _Network(nn.Module):
    """Symbols (B,) and (B,) to outputs (n_results, B): an odd p would be a slow width
    of products and reductions.
    """

    def __init__(self, config: ModularConfig):
        super().__init__()
        self._config = config

    def _dropped(self, x: Tensor, lane: Parameters | None, site: int) -> Tensor:
        """With dropout in an update, whose lane this is."""
        return x if lane is None else dropout(x, self._config.dropout, lane["noise"], lane["step"], site)


def _uniform(*size: int, n_in: int) -> nn.Parameter:
    """Weights with the limits of torch's linear layers, 1/sqrt(number of inputs)."""
    return nn.Parameter(nn.init.uniform_(torch.empty(size), -(n_in**-0.5), n_in**-0.5))


def _normal(*size: int, variance: float = 1.0) -> nn.Parameter:
    return nn.Parameter(nn.init.normal_(torch.empty(size), std=variance**0.5))


class HiddenLayer(_Network):
    """W2 phi(u[a] + v[b]), without biases: u and v are rows of the first layer's
    weights (one-hot inputs), or linear in the symbols' embeddings, which are normal
    (0, 1).
    """

    def __init__(self, config: ModularConfig):
        super().__init__(config)
        tables, n = 1 if config.inputs == "sum" else 2, config.p if config.inputs == "one-hot" else config.d
        hidden = _uniform(tables, n, config.width, n_in=tables * n)
        output = _uniform(config.n_results, config.width, n_in=config.width)
        if config.inputs != "one-hot":
            self.embedding = _normal(tables, config.p, config.d)
        self.hidden, self.output = hidden, output

    def forward(self, first: Tensor, second: Tensor, lane: Parameters | None = None) -> Tensor:
        table = self.hidden if self._config.inputs == "one-hot" else self.embedding @ self.hidden  # (2 or 1, p, width)
        x = table[0][first] + table[-1][second]
        x = x.square() if self._config.activation == "square" else x.relu()
        return self.output @ self._dropped(x, lane, 0).T


class Perceptron(_Network):
    """A perceptron of two hidden layers on the mean of two embeddings, which are normal
    (0, 1). Source: Liu et al., "Towards Understanding Grokking", figure 2.
    """

    output: nn.Parameter
    output_bias: nn.Parameter

    def __init__(self, config: ModularConfig):
        super().__init__(config)
        self.embedding = _normal(config.p, config.d)
        widths = {"first": config.width, "second": config.width, "output": config.n_results}
        n_in = config.d
        for name, n_out in widths.items():
            self.register_parameter(name, _uniform(n_out, n_in, n_in=n_in))
            self.register_parameter(f"{name}_bias", _uniform(n_out, 1, n_in=n_in))
            n_in = n_out

    def forward(self, first: Tensor, second: Tensor, lane: Parameters | None = None) -> Tensor:
        return self.read((self.embedding[first] + self.embedding[second]).T / 2, lane)

    def read(self, x: Tensor, lane: Parameters | None = None) -> Tensor:
        """Places (d, B) to outputs (n_results, B)."""
        for site, name in enumerate(("first", "second")):
            x = (getattr(self, name) @ x + getattr(self, f"{name}_bias")).relu()
            x = self._dropped(x, lane, site)
        return self.output @ x + self.output_bias


class Transformer(_Network):
    """One layer on the tokens a, b and =, read at the last one; no layer norm. Weights
    are normal with variance 1/d, the output's 1/n_results; biases 0.

    Only what the last token needs is computed: its query, which is the same for all
    samples, and keys and values of 2p + 1 pairs of a symbol and a place, which all
    samples share.
    """

    def __init__(self, config: ModularConfig):
        super().__init__(config)
        d, mlp = config.d, config.mlp
        self.embedding, self.position = _normal(config.p + 1, d, variance=1 / d), _normal(3, d, variance=1 / d)
        self.query, self.key, self.value, self.attended = (_normal(d, d, variance=1 / d) for _ in range(4))
        self.up, self.up_bias = _normal(d, mlp, variance=1 / d), nn.Parameter(torch.zeros(mlp))
        self.down, self.down_bias = _normal(mlp, d, variance=1 / d), nn.Parameter(torch.zeros(d))
        self.output = _normal(config.n_results, d, variance=1 / config.n_results)

    def forward(self, first: Tensor, second: Tensor, lane: Parameters | None = None) -> Tensor:
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
        x = last + self._dropped(mixed.flatten(1) @ self.attended, lane, 0)  # (B, d)
        hidden = (x @ self.up + self.up_bias).relu()
        x = x + self._dropped(hidden @ self.down + self.down_bias, lane, 1)
        return self.output @ x.T


def task(config: ModularConfig) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs (N, 2) in the order (0,0), (0,1) .., and their results (N,). No pair of
    division has a second symbol 0.
    """
    own = config.operation
    results = own.results.copy() if isinstance(own, Table) else table(config.operation, config.p)
    first, second = np.indices(results.shape).reshape(2, -1)
    return np.stack([first, second + config.p - results.shape[1]], axis=1), results.ravel()


class Modular(Supervised):
    """The family of addition and other operations on pairs of symbols."""

    name: ClassVar = "modular"
    Config: ClassVar = ModularConfig
    METRICS: ClassVar = usual_metrics(steps_to_train_99=0.99, steps_to_test_50=0.5, steps_to_test_95=0.95)

    @staticmethod
    def network(config: ModularConfig) -> _Network:
        return {"hidden": HiddenLayer, "perceptron": Perceptron, "transformer": Transformer}[config.network](config)

    @staticmethod
    def data(config: ModularConfig) -> Data:
        """Independent streams from (seed, p, n_train): runs that differ in another
        field only, the training set that is given included, are paired.
        """
        chosen, weights, noise, batches = np.random.SeedSequence([config.seed, config.p, config.n_train]).spawn(4)
        order = np.random.default_rng(chosen).permutation(config.n_samples)
        mask = np.isin(np.arange(config.n_samples), order[: config.n_train])
        if config.samples:
            mask = read_samples(config.samples, config.n_samples)
        return Data(mask, {"noise": noise.generate_state(1)[0].astype(np.int64)}, weights, batches)

    @staticmethod
    def tables(config: ModularConfig) -> dict[str, NDArray]:
        pairs, results = task(config)
        return {"pairs": pairs, "results": results, "one_hot": np.eye(config.n_results)}

    def samples(self, lane: Parameters, batch: Tensor | None) -> tuple[Tensor, Tensor]:
        pairs, results = self.shared["pairs"], self.shared["results"]
        return (pairs, results) if batch is None else (pairs[batch], results[batch])

    def outputs(self, parameters: Parameters, x: Tensor, lane: Parameters | None) -> Tensor:
        """(n_results, B)."""
        return super().outputs(parameters, (x[:, 0], x[:, 1], lane), None)

    def losses(self, outputs: Tensor, y: Tensor) -> Tensor:
        """(n_results, B) and (B,) to (B,): the cross-entropy or the mean square
        distance.
        """
        if self.config.loss == "mse":
            return (outputs - self.shared["one_hot"][:, y]).square().mean(0)
        return outputs.logsumexp(0) - outputs.gather(0, y[None])[0]

    def right(self, outputs: Tensor, y: Tensor) -> Tensor:
        return outputs.argmax(0) == y

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

    @classmethod
    def settled(cls, traces: Mapping[str, NDArray]) -> bool:
        """Every sample was right through the last SETTLED evaluations; so every
        threshold was crossed.
        """
        test = traces["test_accuracy"][-cls.SETTLED :]
        return super().settled(traces) and bool(((test == 1) | np.isnan(test)).all())


def answers_at(config: ModularConfig, weights: Mapping[str, NDArray], places: NDArray[np.float64]) -> NDArray[np.int64]:
    """The result that a perceptron with these weights reads at each place (B, d) of the
    plane that the means of two embeddings are in.
    """
    model = Modular(config, "cpu").model
    assert isinstance(model, Perceptron)
    model.load_state_dict({name: torch.as_tensor(value) for name, value in weights.items()})
    with torch.no_grad():
        return model.read(torch.as_tensor(places.T, dtype=model.embedding.dtype)).argmax(0).numpy()


def correct_samples(config: ModularConfig, weights: Mapping[str, NDArray]) -> NDArray[np.bool_]:
    """Which samples (N,) a network with these weights (as checkpoints have them) gets
    right, without dropout.
    """
    family = Modular(config, "cpu")
    x, y = family.samples({}, None)
    with torch.no_grad():
        outputs = family.outputs({name: torch.as_tensor(value) for name, value in weights.items()}, x, None)
    return family.measure(outputs, y)[0].numpy()
