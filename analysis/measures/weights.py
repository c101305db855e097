"""How large a network's weights are, and how far from where they began."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

import efftheory as et


def largest_change(weights: Mapping[str, NDArray], start: Mapping[str, NDArray]) -> float:
    """||w_t - w_0||_inf, the largest change of any one weight; nan if one of them is.

    Source: Barak et al., "Hidden progress in deep learning" (2207.08799).

    Raises:
        ArgumentError: `weights` has no number, or `start` has other names or shapes.
    """
    flat = _flat(weights)
    shapes = {name: np.shape(array) for name, array in weights.items()}
    found = {name: np.shape(array) for name, array in start.items()}
    if found != shapes:
        raise et.ArgumentError("start", f"have the names and shapes of weights, {shapes}", f"has {found}")
    return float(np.abs(flat - _flat({name: start[name] for name in weights})).max())


def total_norm(weights: Mapping[str, NDArray]) -> float:
    """||w||, the root of the sum of squares of all weights, each name counted once.

    Source: Liu et al., "Omnigrok" (2210.01117).

    Raises:
        ArgumentError: `weights` has no number.
    """
    return float(np.linalg.norm(_flat(weights)))


def _flat(weights: Mapping[str, NDArray]) -> NDArray[np.float64]:
    """All of them in one row, in float64, where squares of float32 do not overflow."""
    flat = [np.ravel(array).astype(np.float64) for array in weights.values()]
    if not sum(map(len, flat)):
        raise et.ArgumentError("weights", "hold at least one number", "holds none")
    return np.concatenate(flat)
