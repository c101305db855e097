"""What the twins of supervised families share: networks of torch's own layers, one at a
time, by autograd and torch's optimisers. Those of modular addition are here, with
one-hot vectors or all three tokens instead of rows of products: a benchmark has them as
its baseline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from neural import History, family_of
from neural.families.modular import Modular, ModularConfig
from neural.family import Start
from neural.layers import dropout
from tests.neural.reference import batches_of, plain_results

Arrays = dict[str, NDArray]
# Runs in float64; a relu's kink or a softmax costs a digit more than in
# test_ensemble.py
EXACT: dict[str, Any] = {"rtol": 1e-8, "atol": 1e-11}


def copy_layers(layers: dict[str, nn.Linear], initial: nn.Module) -> None:
    """Give linear layers the weights that our network has under these names."""
    with torch.no_grad():
        for name, layer in layers.items():
            layer.weight.copy_(initial.get_parameter(name))
            layer.bias.copy_(initial.get_parameter(f"{name}_bias"))


def arrays_of(layers: dict[str, nn.Linear]) -> Arrays:
    """Their weights, by our names."""
    weights = {name: layer.weight.detach().numpy() for name, layer in layers.items()}
    return weights | {f"{name}_bias": layer.bias.detach().numpy() for name, layer in layers.items()}


def perceptron_of(
    widths: Sequence[int], activation: Callable[[], nn.Module], initial: nn.Module
) -> tuple[nn.Sequential, dict[str, nn.Linear]]:
    """A perceptron with these initial weights, and its layers by our names."""
    names = [*(f"layer_{number}" for number in range(1, len(widths) - 1)), "last"]
    layers = {name: nn.Linear(n_in, n_out) for name, (n_in, n_out) in zip(names, pairwise(widths), strict=True)}
    copy_layers(layers, initial)
    return nn.Sequential(*[part for layer in layers.values() for part in (layer, activation())][:-1]), layers


class Twin:
    """A run in training.

    Args:
        config: the run's.
        start: what it starts with.
        model: the twin, with its initial weights.
        measured: of the samples of a batch, or of all where it is None: what the
            family's metrics are means of, whether each is right first, its loss last. A
            batch may give the loss alone.
        sizes: the metrics that no sample has, but for the norm of all weights.
        groups: of parameters, if they have rates of their own.
        others: optimisers of parameters that are not the model's.
        schedule: what is done before an update, after so many of them.
    """

    def __init__(
        self,
        config: Any,
        start: Start,
        model: nn.Module,
        measured: Callable[[Any], tuple[Tensor, ...]],
        sizes: Callable[[], Sequence[float]] = tuple,
        groups: list[dict[str, Any]] | None = None,
        others: Sequence[torch.optim.Optimizer] = (),
        schedule: Callable[[int], object] = int,
    ):
        kinds: dict[str, Any] = {"adamw": partial(torch.optim.AdamW, fused=True), "sgd": torch.optim.SGD}
        optimizer = kinds[getattr(config, "optimizer", "adamw")](
            groups or model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.config, self.model, self.measured, self.sizes = config, model, measured, sizes
        self.optimizers, self.schedule = [optimizer, *others], schedule
        self.mask, self.batches, self.steps = torch.as_tensor(start.mask), batches_of(start), 0
        self.radius = norm_of(model.parameters())

    def update(self) -> None:
        """One step of the optimisers."""
        self.schedule(self.steps)
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        self.measured(torch.as_tensor(next(self.batches)))[-1].mean().backward()
        for optimizer in self.optimizers:
            optimizer.step()
        self.steps += 1
        if getattr(self.config, "constrained", False):
            factor = self.radius / norm_of(self.model.parameters())
            with torch.no_grad():
                for value in self.model.parameters():
                    value *= factor

    def evaluate(self) -> tuple[list[float], Tensor]:
        """The metrics, and which samples are right."""
        kind, mask = getattr(torch, self.config.dtype), self.mask
        with torch.no_grad():
            values = self.measured(None)
        means = [float(value[of].to(kind).mean()) for value in values for of in (mask, ~mask)]
        return [*means, norm_of(self.model.parameters()), *self.sizes()], values[0]

    def train(self) -> tuple[Arrays, NDArray]:
        """Traces of the whole run, and what is right at its end."""
        found = [self.evaluate()]
        while self.steps < self.config.budget:
            self.update()
            if self.steps % self.config.look_every == 0:
                found.append(self.evaluate())
        names = [metric.name for metric in family_of(self.config).METRICS]
        return dict(zip(names, np.array([row for row, _ in found]).T, strict=True)), found[-1][1].numpy()


def norm_of(parameters: Iterable[Tensor]) -> float:
    """Of all of them together."""
    return float(torch.cat([value.detach().flatten() for value in parameters]).norm())


def assert_run_is(run: History, traces: Arrays, weights: Arrays, right: NDArray) -> None:
    """A run in float64 has the traces, the last weights and their norms, and is right
    where the twin is.
    """
    assert run.traces.keys() == traces.keys()
    for name, values in traces.items():
        np.testing.assert_allclose(run.traces[name], values, **EXACT, err_msg=name)
    assert run.checkpoints.keys() == run.norms.keys() == weights.keys()
    for name, values in weights.items():
        np.testing.assert_allclose(run.checkpoints[name][-1], values, **EXACT, err_msg=name)
        np.testing.assert_allclose(run.norms[name][-1], np.linalg.norm(values), **EXACT, err_msg=name)
    np.testing.assert_array_equal(run.correct, right)


Dropped = Callable[[Tensor, int], Tensor]  # activations and which of the network's dropouts this is


class PlainHidden(nn.Module):
    """Two linear layers on one-hot symbols side by side, or on their embeddings, side
    by side or added.
    """

    def __init__(self, config: ModularConfig):
        super().__init__()
        self.config = config
        tables = {"one-hot": 0, "embeddings": 2, "sum": 1}[config.inputs]
        self.embeddings = nn.ModuleList(nn.Embedding(config.p, config.d) for _ in range(tables))
        self.first = nn.Linear(tables * config.d or 2 * config.p, config.width, bias=False)
        self.last = nn.Linear(config.width, config.n_results, bias=False)

    def prepare(self, pairs: Tensor) -> Tensor:
        """What is fed of each sample."""
        if self.config.inputs != "one-hot":
            return pairs
        return functional.one_hot(pairs, self.config.p).flatten(1).to(getattr(torch, self.config.dtype))

    def forward(self, x: Tensor, dropped: Dropped) -> Tensor:
        if self.config.inputs == "embeddings":
            x = torch.cat([table(symbols) for table, symbols in zip(self.embeddings, x.T, strict=True)], dim=1)
        elif self.config.inputs == "sum":
            x = self.embeddings[0](x).sum(1)
        x = self.first(x)
        x = x * x if self.config.activation == "square" else functional.relu(x)
        return self.last(dropped(x, 0))

    def load(self, weights: Mapping[str, Tensor]) -> None:
        self.first.weight.copy_(weights["hidden"].flatten(0, 1).T)
        self.last.weight.copy_(weights["output"])
        for number, table in enumerate(self.embeddings):
            table.get_parameter("weight").copy_(weights["embedding"][number])

    def arrays(self) -> dict[str, Tensor]:
        tables = [table.get_parameter("weight") for table in self.embeddings]
        hidden = self.first.weight.T.unflatten(0, (len(tables) or 2, -1))
        return {"hidden": hidden, "output": self.last.weight} | (
            {"embedding": torch.stack(tuple(tables))} if tables else {}
        )


class PlainPerceptron(nn.Module):
    """Three of torch's linear layers on the mean of two embeddings."""

    def __init__(self, config: ModularConfig):
        super().__init__()
        self.embeddings = nn.Embedding(config.p, config.d)
        self.first, self.second = nn.Linear(config.d, config.width), nn.Linear(config.width, config.width)
        self.output = nn.Linear(config.width, config.n_results)

    def prepare(self, pairs: Tensor) -> Tensor:
        """What is fed of each sample."""
        return pairs

    def forward(self, x: Tensor, dropped: Dropped) -> Tensor:
        x = self.embeddings(x).mean(1)
        x = dropped(functional.relu(self.first(x)).T, 0).T  # noise is drawn for (width, B)
        x = dropped(functional.relu(self.second(x)).T, 1).T
        return self.output(x)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        for name, value in self.arrays().items():
            value.copy_(weights[name])

    def arrays(self) -> dict[str, Tensor]:
        found = {"embedding": self.embeddings.weight}
        for name in ("first", "second", "output"):
            layer = getattr(self, name)
            found |= {name: layer.weight, f"{name}_bias": layer.bias[:, None]}
        return found


class PlainTransformer(nn.Module):
    """Three tokens, of which the last asks torch's attention."""

    def __init__(self, config: ModularConfig):
        super().__init__()
        self.config = config
        p, d = config.p, config.d
        self.embeddings = nn.Embedding(p + 1, d)
        self.position = nn.Parameter(torch.empty(3, d))
        self.attention = nn.MultiheadAttention(d, config.heads, bias=False, batch_first=True)
        self.up, self.down = nn.Linear(d, config.mlp), nn.Linear(config.mlp, d)
        self.last = nn.Linear(d, config.n_results, bias=False)

    def prepare(self, pairs: Tensor) -> Tensor:
        """What is fed of each sample: a, b and =."""
        return torch.cat([pairs, torch.full((len(pairs), 1), self.config.p)], dim=1)

    def forward(self, x: Tensor, dropped: Dropped) -> Tensor:
        x = self.embeddings(x) + self.position
        attended, _ = self.attention(x[:, -1:], x, x, need_weights=False)
        x = x[:, -1] + dropped(attended[:, 0], 0)
        x = x + dropped(self.down(functional.relu(self.up(x))), 1)
        return self.last(x)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        for name, value in self.arrays().items():
            if name not in ("query", "key", "value"):
                value.copy_(weights[name])
        self.attention.in_proj_weight.copy_(torch.cat([weights[name].T for name in ("query", "key", "value")]))

    def arrays(self) -> dict[str, Tensor]:
        query, key, value = self.attention.in_proj_weight.chunk(3)
        return {
            "embedding": self.embeddings.weight,
            "position": self.position,
            "query": query.T,
            "key": key.T,
            "value": value.T,
            "attended": self.attention.out_proj.weight.T,
            "up": self.up.weight.T,
            "up_bias": self.up.bias,
            "down": self.down.weight.T,
            "down_bias": self.down.bias,
            "output": self.last.weight,
        }


def modular_twin(config: ModularConfig) -> tuple[Twin, PlainHidden | PlainPerceptron | PlainTransformer]:
    """Of modular addition, or another operation; and its network."""
    start, kind = Modular.start(config), getattr(torch, config.dtype)
    plain = {"hidden": PlainHidden, "perceptron": PlainPerceptron, "transformer": PlainTransformer}
    model = plain[config.network](config).to(kind)
    with torch.no_grad():
        model.load(dict(start.model.named_parameters()))
    asked = plain_results(config.operation, config.p)
    inputs, results = model.prepare(torch.tensor(list(asked))), torch.tensor(list(asked.values()))
    one_hot, noise = functional.one_hot(results, config.n_results).to(kind), torch.as_tensor(start.lane["noise"])
    done = torch.tensor(0)
    betas: dict[str, Any] = {"betas": (0.9, config.beta2), "eps": config.epsilon}
    groups: list[dict[str, Any]] = []
    for tables, lr, wd in ((False, None, None), (True, config.embedding_lr, config.embedding_wd)):
        some = [value for name, value in model.named_parameters() if name.startswith("embeddings") == tables]
        rates = {"lr": config.learning_rate if lr is None else lr}
        rates["weight_decay"] = config.weight_decay if wd is None else wd
        groups += [{"params": some, "rate": rates["lr"], **rates, **betas}] if some else []

    def schedule(steps: int) -> None:
        done.fill_(steps)
        for group in groups:
            group["lr"] = group["rate"] * min(1, (steps + 1) / max(config.warmup, 1))
            if config.decay_until is not None and steps >= config.decay_until:
                group["weight_decay"] = 0.0

    def losses(outputs: Tensor, some: Any) -> Tensor:
        if config.loss == "mse":
            return ((outputs - one_hot[some]) ** 2).mean(1)
        return functional.cross_entropy(outputs, results[some], reduction="none")

    def measured(batch: Any) -> tuple[Tensor, ...]:
        if batch is not None:
            noisy = model(inputs[batch], lambda x, site: dropout(x, config.dropout, noise, done, site))
            return (losses(noisy, batch),)
        outputs = model(inputs, lambda x, _: x)
        return outputs.argmax(1) == results, losses(outputs, slice(None))

    return Twin(config, start, model, measured, groups=groups, schedule=schedule), model
