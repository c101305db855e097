"""What the measures need to know of a network with given weights, as arrays, and of the
group that it is to find.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analysis.measures.arrays import Floats
from analysis.measures.waves import Group, cyclic, group_of_table
from analysis.measures.weights import effective_sparsity
from neural import ModularConfig, ParityConfig, family_of
from neural.families import parity
from neural.families.modular import task

Weights = Mapping[str, NDArray]


@dataclass(frozen=True, eq=False)
class Network:
    """One network at one moment, outputs = direct + hidden readout^T. N samples, C
    outputs (1 of a parity), w neurons of the last hidden layer.
    """

    outputs: Floats  # (N, C)
    hidden: Floats  # (N, w), activations
    readout: Floats  # (C, w)
    incoming: Floats  # (w,), norms of the neurons' incoming weights
    direct: Floats  # (N, C), what reaches the outputs past the neurons: biases, the residual stream
    symbols: tuple[Floats, ...]  # (p, m) each, the weights that symbols are looked up in; none of a parity


LAST_LAYER = "output"  # of all these networks


def is_known(config: Any) -> bool:
    """Whether a run of `config` has a network that `network_at` knows."""
    if isinstance(config, ParityConfig):
        return not config.online
    return isinstance(config, ModularConfig) and config.network != "perceptron"


def network_at(config: Any, weights: Weights, inputs: NDArray) -> Network:
    """Of a run of `config` with these weights: on `inputs`, the pairs (N, 2) of a table
    or the signs (N, n) of a parity.
    """
    held = {name: np.asarray(value, float) for name, value in weights.items()}
    if isinstance(config, ParityConfig):
        return _parity(held, inputs)
    return _transformer(config, held, inputs) if config.network == "transformer" else _hidden(config, held, inputs)


def active_neurons(network: Network, trained: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The fewest, in the order of their incoming norm, with the predictions of all on
    the training set; what passes no neuron is kept.
    """
    k = effective_sparsity(network.hidden[trained], network.readout, network.incoming, direct=network.direct[trained])
    return np.argsort(-network.incoming, kind="stable")[:k]


def _parity(held: Weights, signs: NDArray) -> Network:
    hidden = np.maximum(signs @ held["hidden"].T + held["hidden_bias"].ravel(), 0)
    readout, direct = held["output"].reshape(1, -1), np.full((len(signs), 1), held["output_bias"].item())
    incoming = np.linalg.norm(held["hidden"], axis=1)
    return Network(direct + hidden @ readout.T, hidden, readout, incoming, direct, ())


def _hidden(config: ModularConfig, held: Weights, pairs: NDArray) -> Network:
    symbols = held["hidden" if config.inputs == "one-hot" else "embedding"]
    table = symbols if config.inputs == "one-hot" else symbols @ held["hidden"]
    before = table[0][pairs[:, 0]] + table[-1][pairs[:, 1]]
    hidden, readout = np.square(before) if config.activation == "square" else np.maximum(before, 0), held["output"]
    incoming = np.sqrt(np.square(held["hidden"]).sum(axis=(0, 1)))
    direct = np.zeros((len(pairs), len(readout)))
    return Network(hidden @ readout.T, hidden, readout, incoming, direct, tuple(symbols))


def _transformer(config: ModularConfig, held: Weights, pairs: NDArray) -> Network:
    heads, d_head = config.heads, config.d // config.heads
    symbols, position = held["embedding"][:-1], held["position"]
    last = held["embedding"][-1] + position[2]
    query = (last @ held["query"]).reshape(heads, d_head)
    places = [symbols + position[0], symbols + position[1], last[None]]
    score = [((at @ held["key"]).reshape(-1, heads, d_head) * query).sum(-1) / d_head**0.5 for at in places]
    value = [(at @ held["value"]).reshape(-1, heads, d_head) for at in places]
    which = [pairs[:, 0], pairs[:, 1], np.zeros(len(pairs), int)]
    weight = np.exp([one[at] for one, at in zip(score, which, strict=True)])  # (3, N, heads)
    weight /= weight.sum(axis=0)
    mixed = sum(w[..., None] * one[at] for w, one, at in zip(weight, value, which, strict=True))
    x = last + np.reshape(mixed, (len(pairs), -1)) @ held["attended"]
    hidden = np.maximum(x @ held["up"] + held["up_bias"], 0)
    direct = (x + held["down_bias"]) @ held["output"].T
    readout = held["output"] @ held["down"].T
    incoming = np.linalg.norm(held["up"], axis=0)
    return Network(direct + hidden @ readout.T, hidden, readout, incoming, direct, (symbols,))


def group_of(config: Any) -> Group | None:
    """The group in which a network is to find products; None where there is none.

    Outputs (N, C) of all pairs, in the order (0, 0), (0, 1), .., are logits (n, n, C).
    """
    if not isinstance(config, ModularConfig) or config.operation not in ("modular_addition", "symmetric", "dihedral"):
        return None
    if config.operation == "modular_addition":
        return cyclic(config.p)
    return group_of_table(task(config)[1].reshape(config.p, config.p))


def samples_of(config: Any) -> tuple[NDArray, NDArray]:
    """Inputs as `network_at` takes them; labels (N,): results, or a parity's signs."""
    return parity.samples(config) if isinstance(config, ParityConfig) else task(config)


def training_loss(config: Any, start: Any) -> Callable[[dict[str, Tensor]], Tensor]:
    """Of a run's whole training set, without decay, as a function of the weights."""
    family = family_of(config)(config, "cpu")
    lane = {name: torch.as_tensor(value) for name, value in start.lane.items()} | {"step": torch.tensor(0)}
    trained = start.lane["codes"][start.mask] if isinstance(config, ParityConfig) else np.flatnonzero(start.mask)
    batch = torch.as_tensor(trained)
    return lambda weights: family.objective(weights, lane, batch)[0]
