"""The kinds of networks that the theory of rings is held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from neural import ModularConfig


@dataclass(frozen=True)
class Setup:
    """Runs of one kind: what they share, and their training fractions.

    Attributes:
        base: all but fraction, seed and budget.
        fractions: at some of them runs succeed and at some they fail.
    """

    base: ModularConfig
    fractions: tuple[float, ...]

    @property
    def tables(self) -> int:
        """Tables of embeddings: one where both symbols of a sum are looked up in the
        same.
        """
        return 1 if self.base.network == "transformer" or self.base.inputs == "sum" else 2

    def at(self, fraction: float, seeds: Sequence[int], budget: int) -> list[ModularConfig]:
        return [replace(self.base, fraction=fraction, seed=seed, budget=budget) for seed in seeds]


SETUPS = {
    "squares": Setup(ModularConfig(), (0.12, 0.16, 0.20, 0.24, 0.28, 0.32, 0.36, 0.40)),
    "transformer": Setup(
        ModularConfig(network="transformer", d=32, mlp=128, learning_rate=1e-3, weight_decay=2.0), (0.4, 0.5, 0.6)
    ),
}
