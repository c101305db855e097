"""What does it cost to watch a loop?

    python -m benchmarks.bench_watch

The page's example and a transformer of one layer (d = 128, tokens a, b and =), on
addition modulo p with all measures, one thread. The cost is the processor time within
the watch, as a share of the loop's other time; beside it is what the watch says of the
clock on the wall. Exit status 1 where the cost is 5 % or more.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, gelu

from analysis.watch import Watch

BAR = 0.05


class Perceptron(nn.Module):
    """That of docs/watch_example.py."""

    def __init__(self, p: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(p, 128)
        self.up, self.down = nn.Linear(256, 256), nn.Linear(256, p)

    def forward(self, pairs: Tensor) -> Tensor:
        return self.down(gelu(self.up(self.embed(pairs).flatten(1))))


class Transformer(nn.Module):
    def __init__(self, p: int) -> None:
        super().__init__()
        self.embed, self.position = nn.Embedding(p + 1, 128), nn.Parameter(torch.randn(3, 128) * 128**-0.5)
        self.layer = nn.TransformerEncoderLayer(128, 4, 512, dropout=0.0, batch_first=True)
        self.unembed = nn.Linear(128, p, bias=False)

    def forward(self, pairs: Tensor) -> Tensor:
        tokens = torch.cat([pairs, torch.full_like(pairs[:, :1], self.embed.num_embeddings - 1)], 1)
        return self.unembed(self.layer(self.embed(tokens) + self.position)[:, -1])


LOOPS: dict[str, tuple[Callable[[int], nn.Module], int, float, int]] = {
    "example, p = 59": (Perceptron, 59, 0.5, 700),
    "transformer, p = 59": (Transformer, 59, 0.3, 400),
    "transformer, p = 113": (Transformer, 113, 0.3, 150),
}


def watched(make: Callable[[int], nn.Module], p: int, fraction: float, steps: int) -> tuple[float, float, str]:
    """Processor time of a loop without its watch, that within the watch, and what the
    watch says.
    """
    torch.manual_seed(0)
    pairs = torch.cartesian_prod(torch.arange(p), torch.arange(p))
    sums, order = pairs.sum(1) % p, torch.randperm(p * p)
    train, test = order.tensor_split([round(fraction * p * p)])
    model = make(p)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1.0)
    with tempfile.TemporaryDirectory() as folder:
        given = {"train": (pairs[train], sums[train]), "test": (pairs[test], sums[test]), "out": folder}
        watch = Watch(model, **given, task="modular_addition", p=p)
        begin, within = time.process_time(), 0.0
        for step in range(steps):
            loss = cross_entropy(model(pairs[train]), sums[train])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            before = time.process_time()
            watch(step)
            within += time.process_time() - before
        rest = time.process_time() - begin - within
        said = f"{len(watch.log.steps)} looks, {watch.skipped} skipped, {watch.cost:.1%} by the wall clock"
    return rest, within, said


def main() -> int:
    """Measure, print, judge."""
    torch.set_num_threads(1)
    costs = []
    for name, known in LOOPS.items():
        rest, within, said = watched(*known)
        costs.append(within / rest)
        print(f"{name:20} {1e3 * rest / known[3]:6.1f} ms a step, {costs[-1]:.1%} for the watch: {said}", flush=True)
    return int(max(costs) >= BAR)


if __name__ == "__main__":
    sys.exit(main())
