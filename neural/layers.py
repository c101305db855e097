"""What several families train: linear layers with one activation between them, and
dropout.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

_WORD = 2**32
_FACTOR = 0x45D9F3B  # odd and of 27 bits: a product with a word stays below 2^63


def layer(model: nn.Module, name: str, n_in: int, n_out: int, limit: float, biased: bool = True) -> None:
    """Give a network weights `name` (n_out, n_in) and biases `name`_bias, uniform
    within `limit`; biases of 0 if not `biased`. torch's own linear layers have limit
    1/sqrt(n_in).
    """
    for full, size, drawn in ((name, (n_out, n_in), True), (f"{name}_bias", (n_out,), biased)):
        values = torch.zeros(size)
        model.register_parameter(full, nn.Parameter(nn.init.uniform_(values, -limit, limit) if drawn else values))


class Perceptron(nn.Module):
    """Layers of weights (n_out, n_in) and biases, by default layer_1, layer_2 .. and
    last, between numbers (B, widths[0]) and (B, widths[-1]); `scale` times the weights
    that torch draws.
    """

    def __init__(
        self,
        widths: Sequence[int],
        activation: Callable[[Tensor], Tensor],
        scale: float,
        names: Sequence[str] | None = None,
    ):
        super().__init__()
        self._activation = activation
        self._names = names or [*(f"layer_{number}" for number in range(1, len(widths) - 1)), "last"]
        for name, (n_in, n_out) in zip(self._names, pairwise(widths), strict=True):
            layer(self, name, n_in, n_out, scale * n_in**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(B, widths[0]) to (B, widths[-1])."""
        return self._layer(self._names[-1], self.features(x))

    def features(self, x: Tensor) -> Tensor:
        """(B, widths[0]) to what the last layer reads, (B, widths[-2])."""
        for name in self._names[:-1]:
            x = self._activation(self._layer(name, x))
        return x

    def _layer(self, name: str, x: Tensor) -> Tensor:
        return x @ getattr(self, name).T + getattr(self, f"{name}_bias")


def dropout(values: Tensor, rate: float, seed: Tensor, step: Tensor, site: int) -> Tensor:
    """Each entry of one lane is 0 with probability `rate`, else divided by 1 - rate.
    The noise is a function of the run's seed and step: `torch.func` cannot vectorise
    torch's, which would belong to the whole ensemble.

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
