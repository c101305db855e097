"""The measures, and the theory of rings beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from analysis.measures.series import Series, measured
from analysis.modular_theory.predictions import PREDICTORS, operation, predict, training_set
from analysis.modular_theory.setups import Setup as RingSetup
from analysis.predictors import measures
from analysis.predictors.measures import CODE, Measure
from analysis.predictors.predictor import digest
from analysis.runs.store import RunStore
from neural import ModularConfig

MEASURES = (
    *measures.MEASURES[:-4],
    *(Measure(f"rings: {name}", "Liu 2205.10343, modulo p", "the task", "later") for name in PREDICTORS),
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
    op = operation(RingSetup(config, (config.fraction,)))
    said = predict(op, training_set(op, config))
    return {f"rings: {name}": float(predictor(said)) for name, predictor in PREDICTORS.items()}


def sources() -> str:
    """A digest of the code of all measures."""
    return digest(CODE)
