"""The naive twins of the ensemble: one network at a time, in plain eager PyTorch.

For the tests they are an oracle through another channel: autograd instead of
torch.func, torch.optim instead of a hand-written update, a distance instead of its
expansion, indexing instead of a product with the mask, S3 by permutation matrices, a
warm-up by setting the optimiser's learning rate before each step. For the
benchmarks they are the baseline, so they are written to be quick as well as
plain.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neural.families.toy import Network, RunConfig
from neural.families.toy import start as start_of
from neural.family import Start


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
