"""Slingshots: the last layer grows until the training loss bursts, again and again."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

import efftheory as et
from analysis.measures.signature import as_series

# Beside 1, float32 does not tell smaller ones from 0: below there are no spikes.
LEAST_LOSS = float(np.finfo(np.float32).eps)


def count_slingshots(train_loss: ArrayLike, last_norm: ArrayLike, factor: float = 10.0) -> int:
    """How often the training loss (L,) has a spike and comes back while the norm (L,)
    of the last layer's weights has grown.

    A spike begins where the loss exceeds `factor` times the least loss since the former
    spike's end, and ends where it is back below the geometric middle of this least loss
    and the spike's own highest. It is a slingshot if the norm is larger at its end than
    at the end of the former spike (for the first, than at the beginning): so a cycle is
    what lies between two ends, whether the norm grows before the spike, as it mostly
    does, or within. A spike that has not ended at L is not counted. Losses below
    LEAST_LOSS are taken for LEAST_LOSS.

    Both are read at the same L looks; spikes between two looks are not seen.

    Args:
        train_loss: float (L,), at least 0.
        last_norm: float (L,).
        factor: above 1.

    Source: Thilak et al., "The slingshot mechanism" (2206.04817), where cycles are seen
    by eye; what begins, ends and counts is ours.

    Raises:
        ArgumentError: `train_loss` is not finite (L,) or below 0, `last_norm` not
            finite (L,), or `factor` not a number above 1.
    """
    losses = as_series(train_loss, "train_loss")
    if losses.min() < 0:
        raise et.ArgumentError("train_loss", "be at least 0", f"has {losses.min()}")
    norms = as_series(last_norm, "last_norm", length=len(losses))
    if not (isinstance(factor, int | float | np.integer | np.floating) and 1 < factor < math.inf):
        raise et.ArgumentError("factor", "be a number above 1", f"is {factor!r}")
    count, least, norm_before = 0, math.inf, norms[0]
    highest = None  # of the spike that is on
    for loss, norm in zip(np.maximum(losses, LEAST_LOSS), norms, strict=True):
        if highest is None and loss > factor * least:
            highest = loss
        elif highest is None:
            least = min(least, loss)
        elif loss < math.sqrt(least * highest):
            count += int(norm > norm_before)
            highest, least, norm_before = None, loss, norm
        else:
            highest = max(highest, loss)
    return count
