"""What the twins of supervised families share: networks of torch's own layers, one at a
time, by autograd and torch's optimisers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neural import History, family_of
from tests.neural.reference import batches_of

Arrays = dict[str, NDArray]
# Runs in float64, as in test_modular.py
EXACT: dict[str, Any] = {"rtol": 1e-8, "atol": 1e-11}


def copy_layers(layers: dict[str, nn.Linear], initial: nn.Module) -> None:
    """Give linear layers the weights that our network has under these names."""
    with torch.no_grad():
        for name, layer in layers.items():
            layer.weight.copy_(initial.get_parameter(name))
            layer.bias.copy_(initial.get_parameter(f"{name}_bias"))


def arrays_of(layers: dict[str, nn.Linear]) -> Arrays:
    """Their weights, by our names."""
    weights = {name: layer.weight.detach().numpy() for name, layer in layers.items()}
    return weights | {f"{name}_bias": layer.bias.detach().numpy() for name, layer in layers.items()}


def perceptron_of(
    widths: Sequence[int], activation: type[nn.Module], initial: nn.Module
) -> tuple[nn.Sequential, dict[str, nn.Linear]]:
    """A perceptron with these initial weights, and its layers by our names."""
    names = [*(f"layer_{number}" for number in range(1, len(widths) - 1)), "last"]
    layers = {name: nn.Linear(n_in, n_out) for name, (n_in, n_out) in zip(names, pairwise(widths), strict=True)}
    copy_layers(layers, initial)
    return nn.Sequential(*[part for layer in layers.values() for part in (layer, activation())][:-1]), layers


def train_twin(
    config: Any,
    start: Any,
    model: nn.Module,
    measured: Callable[[Any], tuple[Tensor, ...]],
    last: nn.Module | None = None,
    groups: list[dict[str, Any]] | None = None,
) -> tuple[Arrays, NDArray]:
    """Traces of one run, and what is right at its end.

    Args:
        config: the run's.
        start: what it starts with.
        model: the twin, with its initial weights.
        measured: of the samples of a batch, or of all where it is None: what the
            family's metrics are means of, whether each is right first, its loss last.
        last: the layer whose norm is a metric, if one is.
        groups: of parameters, if they have rates of their own.
    """
    kinds = {"adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
    optimizer = kinds[getattr(config, "optimizer", "adamw")](
        groups or model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    kind, mask, batches = getattr(torch, config.dtype), torch.as_tensor(start.mask), batches_of(start)
    radius, rows, right = norm_of(model.parameters()), [], mask
    for step in range(config.budget + 1):
        if step % config.look_every == 0:
            with torch.no_grad():
                values = measured(None)
            right = values[0]
            means = [float(value[of].to(kind).mean()) for value in values for of in (mask, ~mask)]
            rows.append([*means, *(norm_of(part.parameters()) for part in (model, last) if part is not None)])
        if step < config.budget:
            optimizer.zero_grad()
            measured(next(batches))[-1].mean().backward()
            optimizer.step()
            if getattr(config, "constrained", False):
                factor = radius / norm_of(model.parameters())
                with torch.no_grad():
                    for value in model.parameters():
                        value *= factor
    names = [metric.name for metric in family_of(config).METRICS]
    return dict(zip(names, np.array(rows).T, strict=True)), right.numpy()


def norm_of(parameters: Iterable[Tensor]) -> float:
    """Of all of them together."""
    return float(torch.cat([value.detach().flatten() for value in parameters]).norm())


def assert_run_is(run: History, traces: Arrays, weights: Arrays, right: NDArray) -> None:
    """A run in float64 has the traces, the last weights and their norms, and is right
    where the twin is.
    """
    assert run.traces.keys() == traces.keys()
    for name, values in traces.items():
        np.testing.assert_allclose(run.traces[name], values, **EXACT, err_msg=name)
    assert run.checkpoints.keys() == run.norms.keys() == weights.keys()
    for name, values in weights.items():
        np.testing.assert_allclose(run.checkpoints[name][-1], values, **EXACT, err_msg=name)
        np.testing.assert_allclose(run.norms[name][-1], np.linalg.norm(values), **EXACT, err_msg=name)
    np.testing.assert_array_equal(run.correct, right)
