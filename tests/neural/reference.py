"""The naive twin of the ensemble: one network at a time, in plain eager PyTorch.

For the tests it is an oracle through another channel: autograd instead of torch.func, torch.optim instead of
a hand-written update, a distance instead of its expansion, indexing instead of a product with the mask.
For the benchmark it is the baseline, so it is written to be quick as well as plain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neural.config import RunConfig
from neural.models import draw


@dataclass(frozen=True)
class Trace:
    """What the twin measured. Index s is the state after s updates, s = 0..budget; correct: the last."""

    train_accuracy: NDArray
    test_accuracy: NDArray
    rqi: NDArray
    train_loss: NDArray
    test_loss: NDArray
    embeddings: NDArray  # (steps + 1, p, d)
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


def plain_rqi(embedding: NDArray, delta: float = 0.1) -> float:
    """RQI of one embedding (p, d), a parallelogram at a time; nan where there is none."""
    standard = (embedding - embedding.mean(0)) / embedding.std(0, ddof=1)
    found = [
        np.mean((standard[i] + standard[j] - standard[m] - standard[n]) ** 2) < delta**2
        for i, j, m, n in parallelograms(len(embedding))
    ]
    return float(np.mean(found)) if found else float("nan")


def train_alone(config: RunConfig) -> Trace:
    """Train one run for its whole budget, measuring every state."""
    start = draw(config)
    dtype = getattr(torch, config.dtype)
    model = start.model.to(dtype)
    mask = torch.as_tensor(start.mask)
    targets = torch.as_tensor(start.targets, dtype=dtype)
    pairs = torch.tensor(samples(config.p))
    results = pairs.sum(1)
    quads = torch.tensor(parallelograms(config.p), dtype=torch.long).reshape(-1, 4).T  # (4, M)
    wanted = targets[results]  # (N, n_outputs)

    def passing() -> tuple[Tensor, Tensor, Tensor]:
        """Training loss; the five measurements; which samples are right. All from one pass over D0."""
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
            embedding = model.embedding
            standard = (embedding - embedding.mean(0)) / embedding.std(0)
            i, j, m, n = standard[quads]
            close = ((i + j - m - n) ** 2).mean(1) < 0.01
            measured = torch.stack(
                [
                    hits[mask].mean(),
                    hits[~mask].mean(),
                    close.to(dtype).mean(),
                    loss.detach(),
                    sample_loss[~mask].mean(),
                ]
            )
        return loss, measured, correct

    optimizers = _optimizers(model, config)
    rows, embeddings = [], []
    for _ in range(config.budget):
        loss, measured, _ = passing()
        rows.append(measured)
        embeddings.append(model.embedding.detach().clone())
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
    with torch.no_grad():
        _, measured, correct = passing()
    rows.append(measured)
    embeddings.append(model.embedding.detach().clone())
    return Trace(*torch.stack(rows).T.numpy(), embeddings=torch.stack(embeddings).numpy(), correct=correct.numpy())


def _optimizers(model: torch.nn.Module, config: RunConfig) -> list[torch.optim.Optimizer]:
    """AdamW on both, or SGD on the embedding, whose coupled decay is the same as a decoupled one."""
    named = dict(model.named_parameters())
    embedding = {
        "params": [named.pop("embedding")],
        "lr": config.repr_lr,
        "weight_decay": config.repr_wd,
    }
    decoder = {
        "params": list(named.values()),
        "lr": config.decoder_lr,
        "weight_decay": config.decoder_wd,
    }
    if config.repr_optimizer == "sgd":
        return [torch.optim.SGD([embedding]), torch.optim.AdamW([decoder], fused=True)]
    return [torch.optim.AdamW([embedding, decoder], fused=True)]
