"""Dropout's noise, a lane's own: it depends on the run's seed and step alone, never on
a global generator.

`torch.func` cannot vectorise torch's dropout, whose noise would belong to the whole
ensemble.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_WORD = 2**32
_FACTOR = 0x45D9F3B  # odd and of 27 bits: a product with a word stays below 2^63


def dropout(values: Tensor, rate: float, seed: Tensor, step: Tensor, site: int) -> Tensor:
    """Each entry of one lane is 0 with probability `rate`, else divided by 1 - rate.

    Args:
        values: any shape.
        seed, step: int64 scalars below 2^32, of the lane.
        site: which of the network's dropouts this is.
    """
    if rate == 0:
        return values
    stream = _scrambled(_scrambled(seed + site * 0x9E3779B) ^ step)
    places = torch.arange(math.prod(values.shape), device=values.device)
    kept = _scrambled(_scrambled(places) ^ stream) >= round(rate * _WORD)
    return values * kept.view(values.shape) / (1 - rate)


def _scrambled(word: Tensor) -> Tensor:
    """A bijection of the 32-bit words that looks random: two rounds of xor-shift and
    multiplication.
    """
    for _ in range(2):
        word = (word ^ (word >> 16)) * _FACTOR % _WORD
    return word ^ (word >> 16)
