"""What a look measures beside losses: the weights, the embedding, and, where the task
is known, waves in what the network says of all pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import efftheory as et
from analysis.measures import waves
from analysis.measures.components import effective_dimension
from analysis.measures.rings import fourier_shares, gini, ring_rqi
from analysis.measures.series import or_nan
from analysis.watch.evaluation import Samples, norm
from neural import ConfigError
from neural.compositions import OPERATIONS, misfit, table
from neural.config import nearest

_MOST_ELEMENTS = 128  # of a group that is looked for in a table
_MOST_NUMBERS = 2**18  # of an embedding that nobody named


class Weights:
    """The norms of a network's tensors, and the dimension of its embedding."""

    def __init__(self, model: nn.Module, embedding: str | None, last_layer: str | None, task: Task | None):
        held = dict(model.named_parameters())
        if not held:
            raise ConfigError("`model` must have weights, but has none.")
        tables = [name + ".weight" for name, layer in model.named_modules() if isinstance(layer, nn.Embedding)]
        first = next((name for name in tables if name in held and held[name].numel() <= _MOST_NUMBERS), None)
        matrices = [name for name, weight in held.items() if weight.ndim > 1]
        self.embedding = _named("embedding", embedding, held) or first
        self.last_layer = _named("last_layer", last_layer, held) or (matrices or list(held))[-1]
        self._task = task
        if self.embedding and (held[self.embedding].ndim != 2 or min(held[self.embedding].shape) < 2):
            shape = tuple(held[self.embedding].shape)
            raise ConfigError(f"`embedding` must name a tensor (symbols, d), but {self.embedding} has shape {shape}.")

    def measured(self, model: nn.Module) -> dict[str, float]:
        held = {name: weight.detach() for name, weight in model.named_parameters()}
        found = {
            "weight_norm": norm(list(held.values())),
            "last_layer_norm": norm([held[self.last_layer]]),
            "largest_weight": float(
                torch.stack([one.abs().max().cpu().double() for one in held.values() if one.numel()]).max()
            ),
        }
        if self.embedding:
            E = held[self.embedding].cpu().double().numpy()
            if self._task:  # whose symbols are the first rows; as (d, p) they are columns
                E = (E if len(E) >= self._task.p else E.T)[: self._task.p]
            found["effective_dimension"] = or_nan(lambda: effective_dimension(E))
            if self._task and self._task.is_modular:
                found["fourier_gini"] = or_nan(lambda: gini(np.sqrt(fourier_shares(E))))
                found["ring_quality"] = or_nan(lambda: ring_rqi(E))
        return found | {f"norm/{name}": norm([weight]) for name, weight in held.items()}


class Task:
    """An operation on p symbols, by its name or as efftheory has it, and where samples
    stand in its table. ConfigError: targets are not its results.

    Attributes:
        name: of the operation.
        p: how many symbols there are.
        is_modular: whether it is addition modulo p.
        places: a p + b of the pair (a, b) of each sample, training samples first; None
            where restricted loss is not defined, or pairs cannot be read off the
            inputs: it needs a group, and all of its pairs.
        judged: as verdicts take it, with the training set where that is known.
    """

    def __init__(self, task: Any, p: int | None, train: Samples, test: Samples | None):
        if isinstance(task, et.Operation):
            self.name, self.p = task.name.partition("(")[0], task.n_symbols // task.tables
            a, b = task.pairs.T
            self._table = np.full((self.p, self.p), -1)
            self._table[a, b % self.p] = task.results
            if task.n_samples < self.p**2:  # unordered pairs
                self._table = np.maximum(self._table, self._table.T)
        elif task in OPERATIONS and isinstance(p, int) and p >= 2 and not misfit(task, p):
            self.name, self.p = task, p
            results = table(task, p)
            self._table = np.full((p, p), -1)
            self._table[:, p - results.shape[1] :] = results
        else:
            known = f"one of {', '.join(OPERATIONS)}, with p=, or an operation of efftheory"
            raise ConfigError(f"`task` must be {known}, but is {task!r} with p={p!r}.")
        self.is_modular = self.name == "modular_addition"
        self._group: waves.Group | None = waves.cyclic(self.p) if self.is_modular else None
        if not self.is_modular and self.p <= _MOST_ELEMENTS:
            with suppress(et.ArgumentError):  # it is no group's
                self._group = waves.group_of_table(self._table)
        self.places, self.judged = None, task
        pairs = self._pairs([train, *([test] if test else [])])
        if pairs is not None:
            places = pairs[:, 0] * self.p + pairs[:, 1]
            if test and self._group and np.array_equal(np.sort(places), np.arange(self.p**2)):
                self.places = places
            if train.of == len(train.targets):
                self.judged = _judged(task, self.p, places[: train.of])

    def _pairs(self, parts: Sequence[Samples]) -> NDArray[np.int64] | None:
        inputs = [torch.cat([one.inputs[k].cpu() for one in parts]) for k in range(len(parts[0].inputs))]
        pairs, targets = _pairs(inputs, self.p), torch.cat([one.targets.cpu() for one in parts]).numpy()
        if pairs is None or targets.ndim > 1 or targets.dtype.kind != "i":
            return None
        results = self._table[pairs[:, 0], pairs[:, 1]]
        if (results != targets).any():
            k = int(np.argmax(results != targets))
            (a, b), found = pairs[k], f"{results[k]}, and a target says {targets[k]}"
            raise ConfigError(f"`task` must have the targets as results, but {self.name} of {a} and {b} is {found}.")
        return pairs

    def restricted(self, outputs: Sequence[Tensor]) -> dict[str, float]:
        """Restricted loss of the test samples and excluded loss of the training
        samples, with the parts that matter now, of the outputs of both; nothing where
        there are no `places`.
        """
        group, p, places = self._group, self.p, self.places
        if group is None or places is None:
            return {}
        n_train, logits = len(outputs[0]), np.empty((p * p, outputs[0].shape[-1]))
        logits[places] = torch.cat(list(outputs)).numpy()
        labels, cube = self._table.ravel(), logits.reshape(p, p, -1)
        if not np.isfinite(cube).all():
            return {"restricted_loss": np.nan, "excluded_loss": np.nan}
        keys = waves.key_parts(cube, group)

        def loss(part: Any, chosen: NDArray[np.int64]) -> float:
            there = part(cube, group, keys).reshape(p * p, -1)
            return waves.mean_cross_entropy(there[chosen], labels[chosen])

        return {
            "restricted_loss": loss(waves.restricted, places[n_train:]),
            "excluded_loss": loss(waves.excluded, places[:n_train]),
        }


def _judged(task: Any, p: int, places: NDArray[np.int64]) -> Any:
    """The operation and its training set, where each sample is one of its own."""
    op = et.modular_addition(p, tables=2) if task == "modular_addition" else task
    if not isinstance(op, et.Operation):
        return task
    samples = dict(zip((op.pairs[:, 0] * p + op.pairs[:, 1] % p).tolist(), range(op.n_samples), strict=True))
    if not samples.keys() >= set(places.tolist()):
        return task
    mask = np.zeros(op.n_samples, bool)
    mask[[samples[place] for place in places.tolist()]] = True
    return op, mask


def _named(option: str, name: str | None, held: Mapping[str, Tensor]) -> str | None:
    if name is None or name in held:
        return name
    near = nearest(name, held)
    raise ConfigError(
        f"`{option}` must name a tensor of the network{f', {near} say' if near else ''}, but is {name!r}."
    )


def _pairs(inputs: Sequence[Tensor], p: int) -> NDArray[np.int64] | None:
    """The symbols (N, 2) of inputs: two numbers each, whatever else is the same in all
    of them, or two one-hot codes.
    """
    columns = torch.stack(list(inputs), 1) if all(part.ndim == 1 for part in inputs) else inputs[0]
    if len(inputs) > 2 or columns.ndim != 2 or (len(inputs) == 2 and columns is inputs[0]):
        return None
    if columns.shape[1] == 2 * p and columns.is_floating_point():
        is_code = bool(((columns == 0) | (columns == 1)).all()) and bool(
            (columns.unflatten(1, (2, p)).sum(2) == 1).all()
        )
        return columns.unflatten(1, (2, p)).argmax(2).numpy() if is_code else None
    if columns.is_floating_point():
        return None
    columns = columns[:, (columns != columns[:1]).any(0)].numpy().astype(np.int64)
    return columns if columns.shape[1] == 2 and columns.min() >= 0 and columns.max() < p else None
