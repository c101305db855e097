"""Random orders of the samples of p symbols, drawn in chunks that are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import efftheory as et
from analysis._pieces import Piece, chunks, computed
from analysis.critical_size.bounds import bounds_draw


@dataclass(frozen=True)
class Kind:
    """What is drawn, in chunks of so many.

    `fixed_cost`: of a draw, beside what grows as p^2, in units of 1e-8 s.
    """

    chunk: int
    draw: Callable[[et.Operation, int, np.random.Generator], list[Any]]
    fixed_cost: int

    def seconds(self, p: int) -> float:
        """About what a chunk takes."""
        return 1e-8 * self.chunk * (self.fixed_cost + p**2)


KINDS = {
    "threshold": Kind(100, lambda op, n, rng: et.linear_thresholds(op, n, rng).tolist(), 1_000),
    "bounds": Kind(20, lambda op, n, rng: [bounds_draw(op, rng) for _ in range(n)], 10_000),
}


def draw(kind: str, p: int, seed: int, chunk: int) -> list[Any]:
    """The draws of one chunk, which has a random stream of its own."""
    drawn = KINDS[kind]
    stream = np.random.SeedSequence([seed, p, chunk, list(KINDS).index(kind)])
    return drawn.draw(et.addition(p), drawn.chunk, np.random.default_rng(stream))


def draws_of(
    sizes: Sequence[int], wanted: Mapping[str, int], seed: int, path: Path, workers: int | None
) -> dict[str, dict[int, list[Any]]]:
    """The draws of each kind for each p, as many of a kind as `wanted`.

    The file at `path` keeps them, as `computed` does.
    """
    pieces, places = [], []
    for p, (name, kind) in product(sizes, KINDS.items()):
        for chunk in chunks(wanted[name], kind.chunk):
            label = f"{name} p={p} seed={seed} chunk={chunk}"
            pieces.append(Piece(label, draw, (name, p, seed, chunk), kind.seconds(p)))
            places.append((name, p))
    found: dict[str, dict[int, list[Any]]] = {name: {p: [] for p in sizes} for name in KINDS}
    for (name, p), numbers in zip(places, computed(path, pieces, workers), strict=True):
        found[name][p] += numbers
    return {name: {p: numbers[: wanted[name]] for p, numbers in drawn.items()} for name, drawn in found.items()}
