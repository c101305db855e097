"""How large a network's weights are, and how far from where they began."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

import efftheory as et
from analysis.measures.arrays import as_reals


def largest_change(weights: Mapping[str, ArrayLike], start: Mapping[str, ArrayLike]) -> float:
    """||w_t - w_0||_inf, the largest change of any one weight; nan if one of them is.

    Source: Barak et al., "Hidden progress in deep learning" (2207.08799).

    Raises:
        ArgumentError: `weights` has no number or others than real ones, or `start` has
            other names or shapes.
    """
    now, begin = _reals("weights", weights), _reals("start", start)
    shapes, found = ({name: array.shape for name, array in some.items()} for some in (now, begin))
    if found != shapes:
        raise et.ArgumentError("start", f"have the names and shapes of weights, {shapes}", f"has {found}")
    return float(np.abs(_flat(now) - _flat({name: begin[name] for name in now})).max())


def total_norm(weights: Mapping[str, ArrayLike]) -> float:
    """||w||, the root of the sum of squares of all weights, each name counted once.

    Source: Liu et al., "Omnigrok" (2210.01117).

    Raises:
        ArgumentError: `weights` has no number, or others than real ones.
    """
    return float(np.linalg.norm(_flat(_reals("weights", weights))))


def _reals(name: str, weights: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.float64]]:
    """In float64, where squares of float32 do not overflow."""
    return {key: as_reals(name, "hold real numbers", array) for key, array in weights.items()}


def _flat(weights: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """All of them in one row."""
    if not sum(array.size for array in weights.values()):
        raise et.ArgumentError("weights", "hold at least one number", "holds none")
    return np.concatenate([array.ravel() for array in weights.values()])
