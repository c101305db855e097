"""All measures of grokking of one run, from its checkpoints and traces.

What each of them is named here, `analysis.predictors.measures` says: the theory that
proposes it, and what one has to know for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.measures import networks, waves
from analysis.measures.components import effective_dimension
from analysis.measures.curvature import gradient_norm, sharpness
from analysis.measures.curves import count_slingshots, fit_patterns, hjorth
from analysis.measures.networks import Network, Weights
from analysis.measures.rings import fourier_shares, gini, inverse_participation, ring_rqi
from analysis.measures.weights import gradient_gap, largest_change
from efftheory import ArgumentError
from neural import ParityConfig, family_of

# Of each measure: steps, and its values there. Lists, which JSON can hold.
Series = Mapping[str, tuple[Sequence[float], Sequence[float]]]

# Of the early loss; its authors take every step, these are the looks.
_SIGNATURE_STEPS, _SIGNATURE_LOOKS = 400, 10
_PATTERNS = 2
_ON_THE_WAY = 16  # checkpoints from memorisation to generalisation


def measured(
    config: Any, traces: Any, learned: float, generalised: float = np.nan, early: Sequence[float] = ()
) -> dict[str, tuple[list[float], list[float]]]:
    """Steps (S,) and values (S,) of each measure that applies to a run that left these
    traces: at the checkpoints around the readings, which are the step by which it had
    `learned` (nan: never) and the `early` ones; but for curvature, where one costs a
    hundred updates, at some on the way until it had `generalised` too; of the looks at
    the readings. nan where there is none.
    """
    at = traces.checkpoint_steps.astype(float)
    readings = [step for step in (learned, *early) if step <= at[-1]]
    # the checkpoint of each reading, or those before and after it
    around = {*np.searchsorted(at, readings), *np.maximum(np.searchsorted(at, readings, "right") - 1, 0)}
    moments = _Moments(config, traces)
    rows: dict[float, dict[str, float]] = {step: _of_looks(traces, step) for step in readings}
    for k in around | _between(at, learned, generalised):
        rows[at[k]] = moments.values(k, curvature=k in around) | _of_looks(traces, at[k])
    found = {"steps to memorise": ([at[0]], [learned]), "pattern's delay": ([at[0]], [_delay(traces, learned)])}
    for step in sorted(rows):
        for name, value in rows[step].items():
            steps, values = found.setdefault(name, ([], []))
            steps.append(float(step))
            values.append(float(value))
    return found


def read(series: Series, name: str, step: float) -> tuple[float, float]:
    """The value at a step, and the last step that it knows of: linear between the
    checkpoints around it; nan without one of them. What is known from the start is a
    single value.
    """
    if name not in series or not np.isfinite(step):
        return float("nan"), step
    steps, values = (np.asarray(part, float) for part in series[name])
    if len(steps) == 1:
        return float(values[0]), step
    known_at = steps[steps >= step].min(initial=np.inf)
    return float(np.interp(step, steps, values, left=np.nan, right=np.nan)), float(known_at)


def _between(at: NDArray, learned: float, generalised: float) -> set[int]:
    """Some checkpoints, evenly spread, from the first after memorisation to the first
    after generalisation.
    """
    if not learned < generalised:
        return set()
    first, last = np.searchsorted(at, [learned, generalised])
    return set(np.linspace(first, last, _ON_THE_WAY).round().astype(int).tolist())


class _Moments:
    """What the weights of a run's checkpoints say."""

    def __init__(self, config: Any, traces: Any):
        self._config, self._traces, self._mask = config, traces, traces.mask
        self._inputs, self._labels = networks.samples_of(config)
        self._start = self._weights(0)
        self._loss = networks.training_loss(config, family_of(config).start(config))
        self._group = networks.group_of(config)
        self._final_keys: NDArray | None = None
        if self._group is not None and _finite(last := self._weights(-1)):
            self._final_keys = waves.key_parts(self._logits(self._network(last)), self._group)

    def _weights(self, k: int) -> Weights:
        return {name: values[k] for name, values in self._traces.checkpoints.items()}

    def _network(self, weights: Weights) -> Network:
        return networks.network_at(self._config, weights, self._inputs)

    def _logits(self, network: Network) -> NDArray[np.float64]:
        return network.outputs.reshape(self._config.p, self._config.p, -1)

    def values(self, k: int, curvature: bool) -> dict[str, float]:
        """Of checkpoint k; nothing of a run that has diverged."""
        weights = self._weights(k)
        if not _finite(weights):
            return {}
        network = self._network(weights)
        found = {
            "largest change of a weight": largest_change(weights, self._start),
            "effective sparsity": len(networks.active_neurons(network, self._mask)) / len(network.incoming),
        }
        if curvature:
            found |= {"gradient norm": gradient_norm(self._loss, weights), "sharpness": sharpness(self._loss, weights)}
        if self._group is not None:
            found |= self._of_products(network, self._group)
        if isinstance(self._config, ParityConfig):
            found |= self._of_bits(weights)
        return found

    def _of_products(self, network: Network, group: waves.Group) -> dict[str, float]:
        """Of the outputs as functions of the product, and of the symbols' weights."""
        logits = self._logits(network)
        found = {}
        for name, keys in (("final", self._final_keys), ("current", waves.key_parts(logits, group))):
            if keys is not None:
                alone, without = waves.restricted(logits, group, keys), waves.excluded(logits, group, keys)
                found[f"restricted loss, {name} keys"] = self._loss_of(alone, ~self._mask)
                found[f"excluded loss, {name} keys"] = self._loss_of(without, self._mask)
        found["effective dimension"] = or_nan(lambda: _mean(effective_dimension, network.symbols))
        if self._config.operation == "modular_addition":
            return found | _of_rings(network)
        return found | {"character correlation": float(waves.correlations(logits, group)[1:].max())}

    def _loss_of(self, logits: NDArray[np.float64], samples: NDArray[np.bool_]) -> float:
        """nan where there are no such samples."""
        outputs = logits.reshape(len(samples), -1)
        return or_nan(lambda: waves.mean_cross_entropy(outputs[samples], self._labels[samples]))

    def _of_bits(self, weights: Weights) -> dict[str, float]:
        """How the first layer and its gradient tell the relevant bits from the rest."""
        held = {name: torch.as_tensor(value).requires_grad_() for name, value in weights.items()}
        [gradient] = torch.autograd.grad(self._loss(held), [held["hidden"]])
        gaps = {"gradient gap": gradient, "weight gap": weights["hidden"]}
        return {name: gradient_gap(layer, np.arange(self._config.k)) for name, layer in gaps.items()}


def _of_rings(network: Network) -> dict[str, float]:
    """Waves in the weights that symbols are looked up in, and results are read with."""
    tables = network.symbols
    measures: dict[str, Callable[[], float]] = {
        "Gini of the first layer": lambda: _mean(lambda table: gini(np.sqrt(fourier_shares(table))), tables),
        "Gini of the output map": lambda: gini(np.sqrt(fourier_shares(network.readout))),
        "participation ratio": lambda: _mean(lambda table: float(np.nanmedian(inverse_participation(table))), tables),
        "ring quality": lambda: _mean(ring_rqi, tables),
    }
    return {name: or_nan(measure) for name, measure in measures.items()}


def _finite(weights: Weights) -> bool:
    return all(np.isfinite(value).all() for value in weights.values())


def or_nan(measure: Callable[[], float]) -> float:
    """Where weights have collapsed, or there is no test set, some are not defined."""
    try:
        return measure()
    except ArgumentError:
        return float("nan")


def _mean(of: Callable[[NDArray], float], tables: Sequence[NDArray]) -> float:
    return float(np.mean([of(table) for table in tables]))


def _of_looks(traces: Any, step: float) -> dict[str, float]:
    """Of the looks until a step; of a run that has diverged nothing."""
    past = traces.steps <= step
    losses, last_norm = traces.metrics["train_loss"][past], traces.norms[networks.LAST_LAYER][past]
    if not np.isfinite(losses).all():
        return {}
    last = {"weight norm": "weight_norm", "training loss": "train_loss"}
    last |= {"test loss": "test_loss", "test accuracy": "test_accuracy"}
    found = {name: float(traces.metrics[metric][past][-1]) for name, metric in last.items()}
    found |= {"last layer's norm": float(last_norm[-1]), "slingshots": float(count_slingshots(losses, last_norm))}
    early = losses[traces.steps[past] <= _SIGNATURE_STEPS]
    if len(early) >= _SIGNATURE_LOOKS:
        found |= {f"Hjorth {name}": value for name, value in hjorth(early)._asdict().items()}
    return found


def _delay(traces: Any, learned: float) -> float:
    """When, by the looks until memorisation, half of the last pattern is learned."""
    past = traces.steps <= learned
    if past.sum() <= 3 * _PATTERNS:
        return float("nan")
    train, test = (traces.metrics[name][past] for name in ("train_accuracy", "test_accuracy"))
    return float(fit_patterns(traces.steps[past], train, test, _PATTERNS).times.max())
