"""The naive twins of the ensemble: one network at a time, in plain eager PyTorch.

For the tests they are an oracle through another channel: autograd instead of
torch.func, torch.optim instead of a hand-written update, a distance instead of its
expansion, indexing instead of a product with the mask, S3 by permutation matrices, a
warm-up by setting the optimiser's learning rate before each step. Modular addition has
torch's own layers on one-hot vectors or all three tokens, instead of rows of products.
For the benchmarks they are the baseline, so they are written to be quick as well as
plain.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from neural.families.modular import Modular, ModularConfig
from neural.families.toy import Network, RunConfig
from neural.families.toy import start as start_of
from neural.family import Start
from neural.layers import dropout


@dataclass(frozen=True)
class Trace:
    """What the twin measured. Index s is the state after s updates, s = 0..budget;
    correct: the last.
    """

    train_accuracy: NDArray
    test_accuracy: NDArray
    rqi: NDArray
    train_loss: NDArray
    test_loss: NDArray
    embeddings: NDArray  # (steps + 1, p, d), s3: (steps + 1, 6, d, d)
    correct: NDArray  # bool (N,)


def samples(p: int) -> list[tuple[int, int]]:
    """D0 of addition in the official order."""
    return [(i, j) for i in range(p) for j in range(i, p)]


def parallelograms(p: int) -> list[tuple[int, int, int, int]]:
    """P0 by definition: unordered pairs of distinct samples with one sum."""
    pairs = samples(p)
    return [
        (*first, *second) for n, first in enumerate(pairs) for second in pairs[n + 1 :] if sum(first) == sum(second)
    ]


def permutation_matrices(n: int = 3) -> NDArray[np.float64]:
    """S3 by its action on three unit vectors, (6, 3, 3), in lexicographic order: M_a
    e_k = e_a(k); or S4, ..
    """
    return np.stack([np.eye(n)[:, list(a)] for a in itertools.permutations(range(n))])


def polygon_matrices(n: int) -> NDArray[np.float64]:
    """The symmetries of a polygon in the plane, (2n, 2, 2): turns by 2 pi a / n, then
    mirrors about the axis at half of that, which take corner k to a - k.
    """
    turns = 2 * np.pi / n * np.arange(n)
    (cos, sin), flip = (np.cos(turns), np.sin(turns)), np.diag([1.0, -1.0])
    rotations = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], 1)
    return np.concatenate([rotations, rotations @ flip])


def s3_samples() -> list[tuple[int, int]]:
    """D0 of S3: ordered pairs."""
    return list(itertools.product(range(6), range(6)))


@functools.cache
def s3_product(a: int, b: int) -> int:
    """The element whose matrix is M_a M_b."""
    matrices = permutation_matrices()
    (found,) = [c for c in range(6) if np.array_equal(matrices[c], matrices[a] @ matrices[b])]
    return found


def s3_parallelograms() -> list[tuple[int, int, int, int]]:
    """P0 by definition: unordered pairs of distinct samples with one product."""
    products = {pair: s3_product(*pair) for pair in s3_samples()}
    return [(*one, *other) for one, other in itertools.combinations(products, 2) if products[one] == products[other]]


def plain_rqi(embedding: NDArray, delta: float = 0.1) -> float:
    """RQI of one embedding (p, d), a parallelogram at a time; nan where there is
    none.
    """
    standard = (embedding - embedding.mean(0)) / embedding.std(0, ddof=1)
    found = [
        np.mean((standard[i] + standard[j] - standard[m] - standard[n]) ** 2) < delta**2
        for i, j, m, n in parallelograms(len(embedding))
    ]
    return float(np.mean(found)) if found else float("nan")


def plain_s3_rqi(embedding: NDArray) -> float:
    """RQI of six matrices (6, d, d), a parallelogram at a time, as in the official S3
    code: E / RMS(E).
    """
    standard = embedding / np.sqrt(np.mean(embedding**2))
    found = [
        np.mean((standard[a] @ standard[b] - standard[c] @ standard[e]) ** 2) < 0.5
        for a, b, c, e in s3_parallelograms()
    ]
    return float(np.mean(found))


def network_of(start: Start) -> Network:
    """The toy's, not drawn anew."""
    assert isinstance(start.model, Network)
    return start.model


def batches_of(start: Start) -> Iterator[NDArray]:
    """What the updates descend on, full batches included."""
    return itertools.repeat(start.batch) if start.batches is None else start.batches


def train_alone(config: RunConfig) -> Trace:
    """Train one run for its whole budget, measuring every state."""
    start = start_of(config)
    dtype = getattr(torch, config.dtype)
    model = network_of(start).to(dtype)
    mask = torch.as_tensor(start.mask)
    targets = torch.as_tensor(start.lane["targets"], dtype=dtype)
    batches = batches_of(start)
    s3 = config.operation == "s3"
    pairs = torch.tensor(s3_samples() if s3 else samples(config.p))
    results = torch.tensor([s3_product(a, b) for a, b in s3_samples()]) if s3 else pairs.sum(1)
    p0 = s3_parallelograms() if s3 else parallelograms(config.p)
    quads = torch.tensor(p0, dtype=torch.long).reshape(-1, 4).T  # (4, M)
    wanted = targets[results]  # (N, n_outputs)

    threshold = 0.5 if s3 else 0.01

    def residuals(embedding: Tensor) -> Tensor:
        """Mean square of each parallelogram's, standardised."""
        if s3:
            a, b, c, e = (embedding / embedding.square().mean().sqrt())[quads]
            return ((a @ b - c @ e) ** 2).mean((1, 2))
        standard = (embedding - embedding.mean(0)) / embedding.std(0)
        i, j, m, n = standard[quads]
        return ((i + j - m - n) ** 2).mean(1)

    def passing() -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Loss of each sample; training loss; the five measurements; which samples are
        right. All from one pass.
        """
        if s3:
            left, right = model.embedding[pairs.T]
            outputs = model.decoder(torch.einsum("nij,njk->nik", left, right).reshape(len(pairs), -1))
        else:
            outputs = model(pairs)
        if config.loss == "ce":
            sample_loss = torch.nn.functional.cross_entropy(outputs, results, reduction="none")
        else:
            sample_loss = ((outputs - wanted) ** 2).mean(1)
        loss = sample_loss[mask].mean()
        with torch.no_grad():
            predicted = outputs.argmax(1) if config.loss == "ce" else torch.cdist(outputs, targets).argmin(1)
            correct = predicted == results
            hits = correct.to(dtype)
            close = residuals(model.embedding) < threshold
            measured = torch.stack(
                [
                    hits[mask].mean(),
                    hits[~mask].mean(),
                    close.to(dtype).mean(),
                    loss.detach(),
                    sample_loss[~mask].mean(),
                ]
            )
        return sample_loss, loss, measured, correct

    optimizers = _optimizers(model, config)
    rows, embeddings = [], []
    for step in range(config.budget):
        if config.decoder_warmup:
            (decoder,) = [group for optimizer in optimizers for group in optimizer.param_groups if group["decoder"]]
            decoder["lr"] = config.decoder_lr * min(1, (step + 1) / config.decoder_warmup)
        sample_loss, objective, measured, _ = passing()
        rows.append(measured)
        embeddings.append(model.embedding.detach().clone())
        if config.batch_size is not None:
            objective = sample_loss[torch.as_tensor(next(batches))].mean()
        if config.repr_l1:
            objective = objective + config.repr_l1 * model.embedding.abs().mean()
        for optimizer in optimizers:
            optimizer.zero_grad()
        objective.backward()
        for optimizer in optimizers:
            optimizer.step()
    with torch.no_grad():
        *_, measured, correct = passing()
    rows.append(measured)
    embeddings.append(model.embedding.detach().clone())
    return Trace(*torch.stack(rows).T.numpy(), embeddings=torch.stack(embeddings).numpy(), correct=correct.numpy())


def _optimizers(model: torch.nn.Module, config: RunConfig) -> list[torch.optim.Optimizer]:
    """AdamW or SGD, whose coupled decay is the same as a decoupled one."""
    named = dict(model.named_parameters())
    embedding = {
        "params": [named.pop("embedding")],
        "lr": config.repr_lr,
        "weight_decay": config.repr_wd,
        "decoder": False,
    }
    decoder = {
        "params": list(named.values()),
        "lr": config.decoder_lr,
        "weight_decay": config.decoder_wd,
        "decoder": True,
    }
    adaptive = [
        group
        for group, kind in ((embedding, config.repr_optimizer), (decoder, config.decoder_optimizer))
        if kind == "adamw"
    ]
    plain = [group for group in (embedding, decoder) if group not in adaptive]
    optimizers: list[torch.optim.Optimizer] = [torch.optim.SGD([group]) for group in plain]
    return [*optimizers, torch.optim.AdamW(adaptive, fused=True)] if adaptive else optimizers


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


@functools.cache
def plain_results(operation: str, p: int) -> dict[tuple[int, int], int]:
    """What each pair gives: a quotient by trying all, a product by matrices."""
    symbols, seconds = range(p), range(operation == "division", p)
    if operation in ("symmetric", "dihedral"):
        matrices = permutation_matrices(_PERMUTED[p]) if operation == "symmetric" else polygon_matrices(p // 2)
        products = {}
        for a in symbols:
            apart = np.abs((matrices[a] @ matrices)[:, None] - matrices).max(axis=(2, 3))  # [b, c]: a b from c
            assert ((apart < 1e-9).sum(axis=1) == 1).all()
            products |= {(a, b): int(apart[b].argmin()) for b in seconds}
        return products
    found = {
        "modular_addition": lambda a, b: (a + b) % p,
        "addition": lambda a, b: a + b,
        "division": lambda a, b: next(c for c in symbols if c * b % p == a),
    }[operation]
    return {(a, b): found(a, b) for a in symbols for b in seconds}


_PERMUTED = {6: 3, 24: 4, 120: 5}  # things, by the number of their permutations


class PlainModular:
    """A run of modular addition, or another operation, in training."""

    def __init__(self, config: ModularConfig):
        self.config = config
        start = Modular.start(config)
        plain = {"hidden": PlainHidden, "perceptron": PlainPerceptron, "transformer": PlainTransformer}
        self.model = plain[config.network](config)
        self.model.to(getattr(torch, config.dtype))
        with torch.no_grad():
            self.model.load(dict(start.model.named_parameters()))
        asked = plain_results(config.operation, config.p)
        self.inputs, self.results = self.model.prepare(torch.tensor(list(asked))), torch.tensor(list(asked.values()))
        self.one_hot = functional.one_hot(self.results, config.n_results).to(getattr(torch, config.dtype))
        self.mask = torch.as_tensor(start.mask)
        self.noise = torch.as_tensor(start.lane["noise"])
        self.batches = batches_of(start)
        self.steps = 0
        self.radius = self.norm()
        tables = [value for name, value in self.model.named_parameters() if name.startswith("embeddings")]
        rest = [value for name, value in self.model.named_parameters() if not name.startswith("embeddings")]
        lr, wd = config.learning_rate, config.weight_decay
        groups: list[dict[str, Any]] = [{"params": rest, "rate": lr, "lr": lr, "weight_decay": wd}]
        if tables:
            lr = lr if config.embedding_lr is None else config.embedding_lr
            wd = wd if config.embedding_wd is None else config.embedding_wd
            groups.append({"params": tables, "rate": lr, "lr": lr, "weight_decay": wd})
        if config.optimizer == "sgd":
            self.optimizer: torch.optim.Optimizer = torch.optim.SGD(groups)
        else:
            self.optimizer = torch.optim.AdamW(groups, betas=(0.9, config.beta2), eps=config.epsilon, fused=True)

    def norm(self) -> float:
        """Of all weights together."""
        return float(torch.cat([value.detach().flatten() for value in self.model.parameters()]).norm())

    def losses(self, outputs: Tensor, samples: Any) -> Tensor:
        """Of each sample."""
        if self.config.loss == "mse":
            return ((outputs - self.one_hot[samples]) ** 2).mean(1)
        return functional.cross_entropy(outputs, self.results[samples], reduction="none")

    def update(self) -> None:
        """One step of the optimiser."""
        config = self.config
        batch = torch.as_tensor(next(self.batches))
        step = torch.tensor(self.steps)
        outputs = self.model(self.inputs[batch], lambda x, site: dropout(x, config.dropout, self.noise, step, site))
        self.optimizer.zero_grad()
        self.losses(outputs, batch).mean().backward()
        self.steps += 1
        if config.warmup:
            for group in self.optimizer.param_groups:
                group["lr"] = group["rate"] * min(1, self.steps / config.warmup)
        if config.decay_until is not None and self.steps > config.decay_until:
            for group in self.optimizer.param_groups:
                group["weight_decay"] = 0.0
        self.optimizer.step()
        if config.constrained:
            factor = self.radius / self.norm()
            with torch.no_grad():
                for value in self.model.parameters():
                    value *= factor

    def evaluate(self) -> tuple[dict[str, float], Tensor]:
        """The metrics, and which samples are right."""
        with torch.no_grad():
            outputs = self.model(self.inputs, lambda x, _: x)
            losses = self.losses(outputs, slice(None))
            correct = outputs.argmax(1) == self.results
            hits, train = correct.to(losses.dtype), self.mask
            metrics = {
                "train_accuracy": hits[train].mean(),
                "test_accuracy": hits[~train].mean(),
                "train_loss": losses[train].mean(),
                "test_loss": losses[~train].mean(),
            }
        return {name: float(value) for name, value in metrics.items()} | {"weight_norm": self.norm()}, correct


@dataclass(frozen=True)
class ModularTrace:
    """What the twin measured: at every evaluation, and of the last state."""

    traces: dict[str, NDArray]
    weights: dict[str, NDArray]
    correct: NDArray


def train_modular_alone(config: ModularConfig) -> ModularTrace:
    """Train one run for its whole budget."""
    plain = PlainModular(config)
    found = [plain.evaluate()]
    while plain.steps < config.budget:
        plain.update()
        if plain.steps % config.look_every == 0:
            found.append(plain.evaluate())
    traces = {name: np.array([metrics[name] for metrics, _ in found]) for name in found[0][0]}
    weights = {name: value.detach().numpy() for name, value in plain.model.arrays().items()}
    return ModularTrace(traces, weights, found[-1][1].numpy())
