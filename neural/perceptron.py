"""Linear layers with one activation between them: what several families train."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class Perceptron(nn.Module):
    """Layers of weights (n_out, n_in) and biases, layer_1, layer_2 .. and last, between
    numbers (B, widths[0]) and (B, widths[-1]).
    """

    last: nn.Parameter
    last_bias: nn.Parameter

    def __init__(self, widths: Sequence[int], activation: Callable[[Tensor], Tensor]):
        super().__init__()
        self._activation = activation
        self._names = [*(f"layer_{number}" for number in range(1, len(widths) - 1)), "last"]
        for name, (n_in, n_out) in zip(self._names, pairwise(widths), strict=True):
            self.register_parameter(name, nn.Parameter(torch.empty(n_out, n_in)))
            self.register_parameter(f"{name}_bias", nn.Parameter(torch.empty(n_out)))

    def draw(self, generator: torch.Generator, scale: float) -> None:
        """As torch draws linear layers, uniform within 1/sqrt(number of inputs), times
        `scale`.
        """
        for name in self._names:
            weights = self.get_parameter(name)
            limit = scale * weights.shape[1] ** -0.5
            for values in (weights, self.get_parameter(f"{name}_bias")):
                nn.init.uniform_(values, -limit, limit, generator)

    def forward(self, x: Tensor) -> Tensor:
        """(B, widths[0]) to (B, widths[-1])."""
        return self.hidden(x) @ self.last.T + self.last_bias

    def hidden(self, x: Tensor) -> Tensor:
        """(B, widths[0]) to what the last layer sees, (B, widths[-2])."""
        for name in self._names[:-1]:
            x = self._activation(x @ getattr(self, name).T + getattr(self, f"{name}_bias"))
        return x
