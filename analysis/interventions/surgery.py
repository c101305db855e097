"""What is cut out of a trained network: key components of its outputs, or all but its
active neurons. Nothing is trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.measures.networks import Network, active_neurons, group_of, network_at, samples_of
from analysis.measures.waves import excluded, key_parts, restricted
from analysis.runs.traces import Traces

_SEED = 0


@dataclass(frozen=True)
class Cuts:
    """Accuracies of one run at one moment.

    Attributes:
        train, test: of the whole network.
        train_without_keys, test_without_keys: without the key frequencies of the final
            network.
        test_keys_alone: with nothing but the constant and these.
        active: share of the neurons that the final network needs for its predictions on
            the training set.
        test_active: with these neurons alone.
        test_others: with as many others, drawn at random; nan if there are fewer.
    """

    train: float
    test: float
    train_without_keys: float
    test_without_keys: float
    test_keys_alone: float
    active: float
    test_active: float
    test_others: float


def cuts(config: Any, traces: Traces, step: float) -> tuple[Cuts, Cuts]:
    """Of a run at the first checkpoint from `step` on, and at the last."""
    inputs, labels = samples_of(config)
    group = group_of(config)
    assert group is not None
    trained = traces.mask

    def network(k: int) -> Network:
        return network_at(config, {name: values[k] for name, values in traces.checkpoints.items()}, inputs)

    def logits(one: Network) -> NDArray[np.float64]:
        return one.outputs.reshape(config.p, config.p, -1)

    last = network(-1)
    keys = key_parts(logits(last), group)
    active = active_neurons(last, trained)
    rest = np.setdiff1d(np.arange(last.hidden.shape[1]), active)
    others = np.random.default_rng(_SEED).permutation(rest)[: len(active)]

    def of(one: Network) -> Cuts:
        def accuracy(outputs: NDArray, samples: NDArray[np.bool_]) -> float:
            return float((outputs.argmax(axis=1) == labels)[samples].mean())

        def alone(neurons: NDArray) -> NDArray:
            return one.direct + one.hidden[:, neurons] @ one.readout[:, neurons].T

        without = excluded(logits(one), group, keys).reshape(one.outputs.shape)
        keys_alone = restricted(logits(one), group, keys).reshape(one.outputs.shape)
        return Cuts(
            train=accuracy(one.outputs, trained),
            test=accuracy(one.outputs, ~trained),
            train_without_keys=accuracy(without, trained),
            test_without_keys=accuracy(without, ~trained),
            test_keys_alone=accuracy(keys_alone, ~trained),
            active=len(active) / one.hidden.shape[1],
            test_active=accuracy(alone(active), ~trained),
            test_others=accuracy(alone(others), ~trained) if len(others) == len(active) else float("nan"),
        )

    then = min(int(np.searchsorted(traces.checkpoint_steps, step)), len(traces.checkpoint_steps) - 1)
    return of(network(then)), of(last)
