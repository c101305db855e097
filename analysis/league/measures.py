"""The measures, one row a measure of the survey, and what a run's checkpoints and
traces give for each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.league.basis import basis_of
from analysis.league.networks import LAST_LAYER, Network, Weights, active_neurons, network_at, samples_of, training_loss
from analysis.measures.components import effective_dimension
from analysis.measures.curvature import gradient_norm, sharpness
from analysis.measures.fourier import gini, inverse_participation, mean_cross_entropy
from analysis.measures.fourier_gap import gradient_gap
from analysis.measures.patterns import fit_patterns
from analysis.measures.rings import fourier_shares, ring_rqi
from analysis.measures.signature import hjorth
from analysis.measures.slingshots import count_slingshots
from analysis.measures.weights import largest_change
from analysis.modular_theory.predictions import PREDICTORS, operation, predict, training_set
from analysis.modular_theory.setups import Setup as RingSetup
from analysis.runs.store import RunStore
from analysis.runs.traces import Traces
from efftheory import ArgumentError
from neural import ModularConfig, ParityConfig, family_of

Needs = Literal["nothing", "training data", "the task", "test data", "final network"]


@dataclass(frozen=True)
class Measure:
    """A number that a run has at a moment.

    Attributes:
        name: of its row.
        source: the theory that proposes it.
        needs: what one has to know to measure it, beside the weights: the last of these
            in the order in which they stand. "the task": what the network should find,
            such as its Fourier basis or the relevant bits. "final network": hindsight.
        larger: whether, by that theory, a run with more of it generalises sooner or
            later. What comes sooner with more of it must rise as a network generalises,
            and the other falls: `way`.
        scale: on which it moves.
    """

    name: str
    source: str
    needs: Needs
    larger: Literal["sooner", "later"]
    scale: Literal["linear", "log"] = "linear"

    @property
    def sign(self) -> int:
        """What turns the value into a score that rises with the time."""
        return 1 if self.larger == "later" else -1

    @property
    def way(self) -> Literal["rises", "falls"]:
        """Which it does, by its theory, from memorisation to generalisation."""
        return "falls" if self.larger == "later" else "rises"


_NANDA, _CHUGHTAI, _BARAK = "Nanda 2301.05217", "Chughtai 2302.03025", "Barak 2207.08799"
_THILAK, _POWER, _NOTSAWO = "Thilak 2206.04817", "Power 2201.02177", "Notsawo 2306.13253"
MEASURES = (
    Measure("restricted loss, final keys", _NANDA, "final network", "later", "log"),
    Measure("excluded loss, final keys", _NANDA, "final network", "sooner", "log"),
    Measure("restricted loss, current keys", _NANDA, "test data", "later", "log"),
    Measure("excluded loss, current keys", _NANDA, "the task", "sooner", "log"),
    Measure("character correlation", _CHUGHTAI, "the task", "sooner"),
    Measure("Gini of the first layer", _NANDA, "the task", "sooner"),
    Measure("Gini of the output map", _NANDA, "the task", "sooner"),
    Measure("participation ratio", "Gromov 2301.02679", "the task", "sooner"),
    Measure("ring quality", "Liu 2205.10343", "the task", "sooner"),
    Measure("effective dimension", "Liu 2205.10343", "nothing", "later"),
    Measure("gradient gap", _BARAK, "the task", "sooner"),
    Measure("weight gap", _BARAK, "the task", "sooner"),
    Measure("largest change of a weight", _BARAK, "nothing", "sooner"),
    Measure("effective sparsity", "Merrill 2303.11873", "training data", "later"),
    # read at memorisation, the laws of delay rank as it does: 2603.13331, 2605.18845
    Measure("weight norm", "Liu 2210.01117", "nothing", "later", "log"),
    Measure("last layer's norm", _THILAK, "nothing", "sooner", "log"),
    Measure("slingshots", _THILAK, "training data", "sooner"),
    Measure("gradient norm", _POWER, "training data", "later", "log"),
    Measure("sharpness", _POWER, "training data", "later", "log"),
    Measure("Hjorth activity", _NOTSAWO, "training data", "sooner"),
    Measure("Hjorth mobility", _NOTSAWO, "training data", "later"),
    Measure("Hjorth complexity", _NOTSAWO, "training data", "later"),
    Measure("pattern's delay", "Davies 2303.06173", "test data", "later"),
    *(Measure(f"rings: {name}", "Liu 2205.10343, modulo p", "the task", "later") for name in PREDICTORS),
    Measure("training loss", "none", "training data", "later", "log"),
    Measure("steps to memorise", "none", "training data", "later"),
    Measure("test loss", "none", "test data", "later", "log"),
    Measure("test accuracy", "none", "test data", "sooner"),
)
BY_NAME = {measure.name: measure for measure in MEASURES}

# Of the early loss; its authors take every step, these are the looks.
_SIGNATURE_STEPS, _SIGNATURE_LOOKS = 400, 10
_PATTERNS = 2
_ON_THE_WAY = 16  # checkpoints from memorisation to generalisation

# Of each measure: steps, and its values there. Lists, which JSON can hold.
Series = Mapping[str, tuple[Sequence[float], Sequence[float]]]


def measured(config: Any, traces: Traces, learned: float, generalised: float, early: Sequence[int]) -> Series:
    """Steps (S,) and values (S,) of each measure that applies to a run: at the
    checkpoints around the readings, and but for curvature, where one costs a hundred
    updates, at some on the way to generalisation; of the looks at the readings too. nan
    where there is none.

    Args:
        config, traces: the run and what it left.
        learned, generalised: steps to either, nan if it never is.
        early: steps at which all measures must have a value, beside `learned`.
    """
    at = traces.checkpoint_steps.astype(float)
    readings = [step for step in (learned, *early) if step <= at[-1]]
    around = {k for step in readings for k in _around(at, step)}
    moments = _Moments(config, traces)
    rows: dict[float, dict[str, float]] = {}
    for k in sorted(around | _between(at, learned, generalised)):
        rows[at[k]] = moments.values(k, curvature=k in around) | _of_looks(traces, at[k])
    for step in readings:
        rows.setdefault(step, _of_looks(traces, step))
    constant = _of_training_set(config) | {"steps to memorise": learned, "pattern's delay": _delay(traces, learned)}
    found: dict[str, tuple[list[float], list[float]]] = {}
    for measure in MEASURES:
        if measure.name in constant:
            found[measure.name] = ([at[0]], [constant[measure.name]])
            continue
        # of the weights: checkpoints; of the looks: readings too
        known = [(step, rows[step][measure.name]) for step in sorted(rows) if measure.name in rows[step]]
        if known:
            found[measure.name] = ([float(step) for step, _ in known], [float(value) for _, value in known])
    return found


def _around(at: NDArray, step: float) -> set[int]:
    """The checkpoint of a step, or those before and after it."""
    k = int(np.searchsorted(at, step))
    return {k} if at[k] == step else {max(k - 1, 0), k}


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

    def __init__(self, config: Any, traces: Traces):
        self._config, self._traces, self._mask = config, traces, traces.mask
        self._inputs, self._labels = samples_of(config)
        self._start = self._weights(0)
        self._loss = training_loss(config, family_of(config).start(config))
        self._basis = basis_of(config)
        if self._basis is not None:
            last = network_at(config, self._weights(-1), self._inputs)
            self._final_keys = self._basis.keys(last.outputs)

    def _weights(self, k: int) -> Weights:
        return {name: values[k] for name, values in self._traces.checkpoints.items()}

    def values(self, k: int, curvature: bool) -> dict[str, float]:
        """Of checkpoint k."""
        weights = self._weights(k)
        if not all(np.isfinite(value).all() for value in weights.values()):
            return {}
        network = network_at(self._config, weights, self._inputs)
        found = {"largest change of a weight": largest_change(weights, self._start)}
        found["effective sparsity"] = len(active_neurons(network, self._mask)) / len(network.incoming)
        if curvature:
            held = {name: torch.as_tensor(value) for name, value in weights.items()}
            found["gradient norm"], found["sharpness"] = gradient_norm(self._loss, held), sharpness(self._loss, held)
        if self._basis is not None:
            found |= self._of_keys(network)
            found["effective dimension"] = _or_nan(lambda: _mean(effective_dimension, network.symbols))
            if self._basis.correlation is not None:
                found["character correlation"] = self._basis.correlation(network.outputs)
            else:
                found |= _of_rings(network)
        if isinstance(self._config, ParityConfig):
            found |= self._of_bits(weights)
        return found

    def _of_keys(self, network: Network) -> dict[str, float]:
        assert self._basis is not None
        found = {}
        for name, keys in (("final", self._final_keys), ("current", self._basis.keys(network.outputs))):
            for kind, part, samples in (
                ("restricted", self._basis.restricted, ~self._mask),
                ("excluded", self._basis.excluded, self._mask),
            ):
                losses = mean_cross_entropy(part(network.outputs, keys)[samples], self._labels[samples])
                found[f"{kind} loss, {name} keys"] = losses
        return found

    def _of_bits(self, weights: Weights) -> dict[str, float]:
        """How the first layer and its gradient tell the relevant bits from the rest."""
        relevant = np.arange(self._config.k)
        held = {name: torch.as_tensor(value).requires_grad_() for name, value in weights.items()}
        [gradient] = torch.autograd.grad(self._loss(held), [held["hidden"]])
        return {
            "gradient gap": gradient_gap(gradient.numpy(), relevant),
            "weight gap": gradient_gap(np.asarray(weights["hidden"]), relevant),
        }


def _of_rings(network: Network) -> dict[str, float]:
    """Waves in the weights that symbols are looked up in, and in those that results are
    read with.
    """
    tables = network.symbols
    measures: dict[str, Callable[[], float]] = {
        "Gini of the first layer": lambda: _mean(lambda table: gini(np.sqrt(fourier_shares(table))), tables),
        "Gini of the output map": lambda: gini(np.sqrt(fourier_shares(network.readout))),
        "participation ratio": lambda: _mean(lambda table: float(np.nanmedian(inverse_participation(table))), tables),
        "ring quality": lambda: _mean(ring_rqi, tables),
    }
    return {name: _or_nan(measure) for name, measure in measures.items()}


def _or_nan(measure: Callable[[], float]) -> float:
    """Where weights have collapsed some measures are not defined."""
    try:
        return measure()
    except ArgumentError:
        return float("nan")


def _mean(of: Callable[[NDArray], float], tables: Sequence[NDArray]) -> float:
    return float(np.mean([of(table) for table in tables]))


def _of_looks(traces: Traces, step: float) -> dict[str, float]:
    """Of the looks until a step; of a run that has diverged nothing."""
    past = slice(0, int(np.searchsorted(traces.steps, step, side="right")))
    steps = traces.steps[past].astype(float)
    losses, last_norm = traces.metrics["train_loss"][past], traces.norms[LAST_LAYER][past]
    if not np.isfinite(losses).all():
        return {}
    found = {
        "weight norm": float(traces.metrics["weight_norm"][past][-1]),
        "last layer's norm": float(last_norm[-1]),
        "slingshots": float(count_slingshots(losses, last_norm)),
        "training loss": float(losses[-1]),
        "test loss": float(traces.metrics["test_loss"][past][-1]),
        "test accuracy": float(traces.metrics["test_accuracy"][past][-1]),
    }
    early = losses[steps <= _SIGNATURE_STEPS]
    if len(early) >= _SIGNATURE_LOOKS:
        signature = hjorth(early)
        found |= {
            "Hjorth activity": signature.activity,
            "Hjorth mobility": signature.mobility,
            "Hjorth complexity": signature.complexity,
        }
    return found


def _delay(traces: Traces, learned: float) -> float:
    """When, by the looks until memorisation, half of the last pattern is learned."""
    past = traces.steps <= learned
    if past.sum() <= 3 * _PATTERNS:
        return float("nan")
    train, test = (traces.metrics[name][past] for name in ("train_accuracy", "test_accuracy"))
    return float(fit_patterns(traces.steps[past], train, test, _PATTERNS).times.max())


def _of_training_set(config: Any) -> dict[str, float]:
    """What the theory of rings says before a run begins, of addition modulo p."""
    if not isinstance(config, ModularConfig) or config.operation != "modular_addition":
        return {}
    op = operation(RingSetup(config, (config.fraction,)))
    said = predict(op, training_set(op, config))
    return {f"rings: {name}": float(predictor(said)) for name, predictor in PREDICTORS.items()}


def series_of(store: str, config: Any, learned: float, generalised: float, early: Sequence[int]) -> Series:
    """`measured` of a run in a store."""
    with RunStore(Path(store), read_only=True) as opened:
        traces = opened.traces(config)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the products are small, and others are measured beside this one
    try:
        return measured(config, traces, learned, generalised, early)
    finally:
        torch.set_num_threads(threads)


def sources() -> str:
    """A digest of the code of all measures: what was measured by another is measured
    anew.
    """
    here = Path(__file__).parent
    files = [here / f"{name}.py" for name in ("measures", "networks", "basis")]
    files += sorted((here.parent / "measures").glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
