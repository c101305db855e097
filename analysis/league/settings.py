"""The kinds of networks that the measures are compared on. Within one of them the
training fraction and the weight decay are the same for all runs, and so cannot rank
them: what tells the runs apart are the training set and the initial weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from neural import ModularConfig, ParityConfig

# So many checkpoints an octave of steps: neighbours are 9 % apart.
_CHECKPOINTS = 8


@dataclass(frozen=True)
class Setting:
    """One kind of networks.

    Attributes:
        title: of its part of the page.
        base: all but the seed.
        seeds: how many, by default.
        early: steps, the same for all runs, at which measures are read as well: of
            checkpoints, before any run generalises.
    """

    title: str
    base: Any
    seeds: int
    early: tuple[int, ...]

    def runs(self, seeds: Sequence[int]) -> list[Any]:
        return [replace(self.base, seed=seed) for seed in seeds]


LEARNED = "steps_to_train_99"
GENERALISED = "steps_to_test_95"

_SQUARES = ModularConfig(look_every=10, checkpoints=_CHECKPOINTS, budget=8_000)
SETTINGS = {
    "squares-40": Setting("Squares, p = 31, 40 % of the pairs", _SQUARES, 48, (50, 210, 420)),
    "squares-32": Setting(
        "Squares, p = 31, 32 % of the pairs",
        replace(_SQUARES, fraction=0.32, budget=16_000),
        48,
        (50, 210, 420),
    ),
    "transformer": Setting(
        "A transformer, p = 31, 60 % of the pairs",
        ModularConfig(
            network="transformer",
            d=32,
            mlp=128,
            fraction=0.6,
            learning_rate=1e-3,
            weight_decay=2.0,
            look_every=10,
            checkpoints=_CHECKPOINTS,
            budget=8_000,
        ),
        48,
        (50, 100, 210),
    ),
    "symmetric": Setting(
        "Composition of permutations, S4, 70 % of the pairs",
        ModularConfig(
            operation="symmetric",
            p=24,
            inputs="embeddings",
            activation="relu",
            d=32,
            fraction=0.7,
            weight_decay=2.0,
            look_every=10,
            checkpoints=_CHECKPOINTS,
            budget=6_000,
        ),
        32,
        (50, 210, 410),
    ),
    "parity": Setting(
        "Parity of 3 of 20 bits, 300 samples",
        # a look at 1,300 samples costs three updates
        ParityConfig(
            n=20,
            n_train=300,
            width=100,
            batch_size=None,
            look_every=40,
            checkpoints=_CHECKPOINTS,
            budget=20_000,
        ),
        32,
        (120, 200, 400),
    ),
}
