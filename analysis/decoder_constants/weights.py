"""The weights of a decoder in early training, beside what the theory says of them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from analysis.theory.decoder_theory import follow, known
from neural import RunConfig
from neural.families.toy import start as start_of
from neural.families.toy import task

BAND = (0.6, 0.97)  # of the initial loss: the embeddings' order is decided here


def beside_theory(config: RunConfig) -> list[dict[str, Any]]:
    """The looks at one network, each with what the theory says of the same step."""
    looks = measure(config)
    seen = replace(config, budget=max(look["step"] for look in looks))
    theory = follow(seen, *known(seen), seed=config.seed)
    for look in looks:
        at = min(np.searchsorted(theory.times, look["step"]), len(theory.times) - 1)
        look["path_predicted"] = float(theory.layer_lengths[at, look["layer"]] / (config.decoder_lr * theory.times[at]))
        look["loss_predicted"] = float(theory.train_loss[at])
    return looks


def measure(config: RunConfig) -> list[dict[str, Any]]:
    """Train one network by torch's own AdamW and look at the weights into each layer beyond the first.

    Of each look: path = |dW|_rms / tau, how far a weight has moved per tau = eta_d t; coherence = mean of |dW h|^2 over
    samples and units / ((n |dW|_rms)^2 mean h^2), 1 if all moves of a unit's weights add up.
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
                {"step": step, "layer": number, "loss": value, "loss_share": value / first_loss} | of_layer
                for number, of_layer in enumerate(_look(model, pairs, layers, initial, config.decoder_lr * step))
            ]
            if value < BAND[0] * first_loss:
                break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return looks


@torch.no_grad()
def _look(
    model: nn.Module, pairs: Tensor, layers: list[nn.Linear], initial: list[Tensor], tau: float
) -> list[dict[str, float]]:
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
        found.append({"path": float(mean_square.sqrt() / tau), "coherence": float(coherence)})
    return found
