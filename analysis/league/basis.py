"""The functions that a network which has found the group should be made of: waves of
a + b modulo p, or the representations of a group at ab. Which of them matter, and what
is left of the outputs with them alone, or without them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.measures import characters, fourier
from neural import ModularConfig
from neural.families.modular import task

Outputs = NDArray[np.float64]


@dataclass(frozen=True)
class Basis:
    """Outputs are (N, C), of all pairs in the order (0, 0), (0, 1), ...

    Attributes:
        keys: which components matter.
        restricted, excluded: the outputs with the constant and these components alone;
            without these components.
        correlation: of the outputs with the character of a b c^-1 that is most alike;
            None modulo p, where waves say as much.
    """

    keys: Callable[[Outputs], NDArray[np.int64]]
    restricted: Callable[[Outputs, NDArray[np.int64]], Outputs]
    excluded: Callable[[Outputs, NDArray[np.int64]], Outputs]
    correlation: Callable[[Outputs], float] | None = None


def basis_of(config: Any) -> Basis | None:
    """None where there is no group."""
    groups = ("modular_addition", "symmetric", "dihedral")
    if not isinstance(config, ModularConfig) or config.operation not in groups:
        return None
    n = config.p

    def cube(outputs: Outputs) -> NDArray[np.float64]:
        return outputs.reshape(n, n, -1)

    if config.operation == "modular_addition":
        return Basis(
            keys=lambda outputs: fourier.key_frequencies(cube(outputs)),
            restricted=lambda outputs, keys: fourier.restricted(cube(outputs), keys).reshape(outputs.shape),
            excluded=lambda outputs, keys: fourier.excluded(cube(outputs), keys).reshape(outputs.shape),
        )
    table = characters.character_table(task(config)[1].reshape(n, n))

    def keys(outputs: Outputs) -> NDArray[np.int64]:
        powers = characters.representation_powers(cube(outputs), table)
        powers[0] = 0  # the trivial one: a constant
        return fourier.fewest(powers)

    return Basis(
        keys=keys,
        restricted=lambda outputs, keys: characters.restricted_to(cube(outputs), table, keys).reshape(outputs.shape),
        excluded=lambda outputs, keys: characters.excluded_of(cube(outputs), table, keys).reshape(outputs.shape),
        correlation=lambda outputs: float(characters.character_correlations(cube(outputs), table)[1:].max()),
    )
