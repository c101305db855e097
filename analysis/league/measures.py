"""The measures, and the theory of rings beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from analysis.measures.series import Series, measured
from analysis.predictors import measures
from analysis.predictors.measures import CODE, Measure
from analysis.predictors.predictor import digest
from analysis.predictors.rings import describe
from analysis.runs.store import RunStore
from neural import ModularConfig
from neural.families.modular import Modular

_RINGS = {
    "1/lambda": "inverse_lambda",
    "mean of 1/eigenvalue": "mean_time",
    "few parallelograms": "few_parallelograms",
    "rarest symbol": "rarest_symbol",
}

MEASURES = (
    *measures.MEASURES[:-4],
    *(Measure(f"rings: {name}", "Liu 2205.10343, modulo p", "the task", "later") for name in _RINGS),
    *measures.MEASURES[-4:],
)
BY_NAME = {measure.name: measure for measure in MEASURES}


def series_of(store: str, config: Any, learned: float, generalised: float, early: Sequence[int]) -> Series:
    """`measured` of a run in a store."""
    with RunStore(Path(store), read_only=True) as opened:
        traces = opened.traces(config)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the products are small, and others are measured beside this one
    try:
        found = measured(config, traces, learned, generalised, early)
        return found | {name: ([0.0], [value]) for name, value in _of_training_set(config).items()}
    finally:
        torch.set_num_threads(threads)


def _of_training_set(config: Any) -> dict[str, float]:
    """What the theory of rings says before a run begins, of addition modulo p."""
    if not isinstance(config, ModularConfig) or config.operation != "modular_addition":
        return {}
    said = describe(config, Modular.data(config).mask)
    return {f"rings: {name}": said[column] for name, column in _RINGS.items()}


def sources() -> str:
    """A digest of the code of all measures."""
    return digest(CODE)
