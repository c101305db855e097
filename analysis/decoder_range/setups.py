"""The kinds of networks that the theory is held against."""

from __future__ import annotations

from dataclasses import dataclass, replace

from analysis.runs.experiments import S3
from neural import RunConfig


@dataclass(frozen=True)
class Setup:
    """Runs of one kind: what they share, training-set sizes, seeds a size and the first
    of them.
    """

    base: RunConfig
    sizes: tuple[int, ...] = (25, 30, 35, 40, 45, 50)
    seeds: int = 5
    first_seed: int = 0

    def configs(self) -> list[RunConfig]:
        seeds = range(self.first_seed, self.first_seed + self.seeds)
        return [replace(self.base, n_train=n, seed=seed) for n in self.sizes for seed in seeds]


SETUPS = {
    "the paper's": Setup(RunConfig()),
    "width 50": Setup(RunConfig(width=50)),
    "width 100": Setup(RunConfig(width=100)),
    "width 400": Setup(RunConfig(width=400)),
    "depth 1": Setup(RunConfig(depth=1)),
    "depth 3": Setup(RunConfig(depth=3)),
    "10 outputs": Setup(RunConfig(n_outputs=10)),
    "100 outputs": Setup(RunConfig(n_outputs=100)),
    "ReLU": Setup(RunConfig(activation="relu")),
    "classification": Setup(RunConfig(loss="ce")),
    "SGD embeddings": Setup(RunConfig(repr_optimizer="sgd", repr_lr=0.3)),
    "SGD decoder": Setup(RunConfig(decoder_optimizer="sgd", decoder_lr=0.1)),
    "decoder decay 1": Setup(RunConfig(decoder_wd=1.0)),
    "decoder decay 5": Setup(RunConfig(decoder_wd=5.0)),
    "mini-batches of 10": Setup(RunConfig(batch_size=10)),
    "d = 2": Setup(RunConfig(d=2)),
    "S3": Setup(replace(S3, n_train=16), (16, 20, 24, 28, 32), 6),
    "p = 7": Setup(RunConfig(p=7, n_train=13), (13, 15, 18, 20, 23, 25)),
    "p = 15": Setup(RunConfig(p=15), (55, 65, 76, 87, 98, 109)),
    "p = 20": Setup(RunConfig(p=20), (115, 134, 153, 172, 191), 2),
    "p = 30": Setup(RunConfig(p=30), (254, 296, 338, 380, 423), 1),
}
