"""The weights of a decoder in early training, beside what the theory says of them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from analysis.theory.decoder_theory import follow_adiabatic, known
from neural import RunConfig
from neural.families.toy import start as start_of
from neural.families.toy import task

BAND = (0.6, 0.97)  # of the initial loss: the embeddings' order is decided here


@dataclass(frozen=True)
class Look:
    """A look at the weights into one layer of a network in training.

    Attributes:
        step: updates t before the look.
        layer: 0 for the weights into the second layer; the first's are not looked at.
        loss: the training loss.
        loss_share: the same in units of the initial one.
        path: |dW|_rms / tau, how far a weight has moved per tau = eta_d t; at most 1.
        coherence: mean of |dW h|^2 over samples and units, in units of
            (n |dW|_rms)^2 mean h^2, for n inputs h of the layer; 1 if all moves of a
            unit's weights add up.
    """

    step: int
    layer: int
    loss: float
    loss_share: float
    path: float
    coherence: float


@dataclass(frozen=True)
class ComparedLook(Look):
    """A look, and what the theory says of the same step.

    Attributes:
        path_predicted: the theory's `path`.
        loss_predicted: the theory's `loss`.
    """

    path_predicted: float
    loss_predicted: float


def beside_theory(config: RunConfig) -> list[ComparedLook]:
    """The looks at one network, each with what the theory says of the same step."""
    looks = measure(config)
    seen = replace(config, budget=max(look.step for look in looks))
    theory = follow_adiabatic(seen, *known(seen), seed=config.seed)
    compared = []
    for look in looks:
        at = min(np.searchsorted(theory.times, look.step), len(theory.times) - 1)
        path = float(theory.layer_lengths[at, look.layer] / (config.decoder_lr * theory.times[at]))
        loss = float(theory.train_loss[at])
        compared.append(ComparedLook(**asdict(look), path_predicted=path, loss_predicted=loss))
    return compared


def measure(config: RunConfig) -> list[Look]:
    """Train one network by torch's own AdamW and look at the weights into each layer
    beyond the first.
    """
    start, data = start_of(config), task(config)
    model, mask = start.model, torch.as_tensor(start.mask)
    pairs = torch.as_tensor(data.pairs)[mask]
    targets = torch.as_tensor(start.lane["targets"], dtype=torch.float32)[torch.as_tensor(data.results)][mask]
    layers = [layer for layer in model.decoder if isinstance(layer, nn.Linear)][1:]
    initial = [layer.weight.detach().clone() for layer in layers]
    groups = [
        {"params": [model.embedding], "lr": config.repr_lr},
        {"params": list(model.decoder.parameters()), "lr": config.decoder_lr},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.0)
    looks, next_look, first_loss = [], 10, math.nan
    for step in range(config.budget):
        loss = (model(pairs) - targets).square().mean()
        value = loss.item()
        first_loss = value if step == 0 else first_loss
        if step >= next_look:
            next_look = math.ceil(1.2 * next_look)
            looks += [
                Look(step, number, value, value / first_loss, path, coherence)
                for number, (path, coherence) in enumerate(
                    _moves(model, pairs, layers, initial, config.decoder_lr * step)
                )
            ]
            if value < BAND[0] * first_loss:
                break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return looks


@torch.no_grad()
def _moves(
    model: nn.Module, pairs: Tensor, layers: list[nn.Linear], initial: list[Tensor], tau: float
) -> list[tuple[float, float]]:
    """(path, coherence) of the weights into each of `layers`, as `Look` has them."""
    inputs: dict[nn.Module, Tensor] = {}
    hooks = [layer.register_forward_pre_hook(lambda layer, args: inputs.update({layer: args[0]})) for layer in layers]
    model(pairs)
    for hook in hooks:
        hook.remove()
    found = []
    for layer, before in zip(layers, initial, strict=True):
        moved, hidden = layer.weight - before, inputs[layer]
        mean_square = moved.square().mean()
        straight = mean_square * hidden.shape[1] ** 2 * hidden.square().mean()
        coherence = (hidden @ moved.T).square().mean() / straight
        found.append((float(mean_square.sqrt() / tau), float(coherence)))
    return found
