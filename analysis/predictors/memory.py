"""The theory with a decoder (efftheory.memory) on a run's very training set, initial
embeddings and, unless it is blind, targets.

It never sees a network's weights: the decoder's initial weights are drawn anew. What it
says of a run is the lower median of the steps over the draws, and the share of draws
that get there within the budget.
"""

from __future__ import annotations

from functools import partial
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

import efftheory as et
from analysis.predictors.effective import TARGETS, operation
from analysis.predictors.predictor import Predictor, Run, Told, on
from efftheory.memory import Options, SuccessProbability
from neural import RunConfig
from neural.families.toy import start as start_of
from neural.families.toy import task

_ONE = Lock()  # torch has one global generator, which a start is drawn with


def decoder(config: RunConfig) -> et.Decoder:
    """The run's decoder as the theory describes it."""
    return et.Decoder(
        width=config.width,
        depth=config.depth,
        activation=config.activation,
        n_outputs=config.n_outputs,
        loss=config.loss,
        optimizer=config.decoder_optimizer,
        weight_decay=config.decoder_wd,
        warmup=config.decoder_warmup,
    )


def training(config: RunConfig) -> Options:
    """How a run is trained, as the theory takes it."""
    return {
        "repr_lr": config.repr_lr,
        "decoder_lr": config.decoder_lr,
        "decoder": decoder(config),
        "steps": config.budget,
        "repr_optimizer": config.repr_optimizer,
        "repr_wd": config.repr_wd,
        "repr_l1": config.repr_l1,
        "batch_size": config.batch_size,
    }


def known(
    config: RunConfig, blind: bool = False
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64] | None]:
    """Training set, initial embeddings, targets (None: random ones, or classes), in the
    theory's order of samples.
    """
    with _ONE:
        start = start_of(config)
    if not np.array_equal(operation(config).pairs, task(config)[0]):
        raise AssertionError("theory and networks list the samples in different orders")
    embedding = start.model.embedding.detach().numpy().astype(float)
    return start.mask, embedding, None if blind or config.loss == "ce" else start.lane["targets"]


def success_of(config: RunConfig, draws: int, blind: bool = False) -> SuccessProbability:
    """What the theory says of a run: steps of each draw, which has a random stream that
    depends on the run and its number alone.
    """
    streams: Any = [np.random.default_rng([config.seed, config.n_train, number, int(blind)]) for number in range(draws)]
    return et.success_probability(
        operation(config), *known(config, blind), draws=streams, parallel=False, **training(config)
    )


def told(run: Run, draws: int, blind: bool = False) -> dict[str, Told]:
    """The lower median of the steps to each target, and the share of draws that get
    there; also until a draw has learned its training set as well
    (`analysis.scores.success`).
    """
    found = success_of(run.config, draws, blind)
    steps = {target: getattr(found, f"steps_to_{target}") for target in TARGETS}
    steps |= {f"learned_{goal}": np.maximum(steps[goal], steps["train"]) for goal in ("rqi", "test")}
    said = {}
    for target, of_draws in steps.items():
        share = et.proportion(int(np.isfinite(of_draws).sum()), draws)
        median = float(np.quantile(of_draws, 0.5, method="inverted_cdf"))
        said[target] = Told(median, share.value, *share.interval)
    return said


_KNOWS = ("D", "E0", "eta_r", "eta_d")
PREDICTORS = (
    Predictor("memory_flow_blind", "theory with memory, blind", _KNOWS, on("toy"), partial(told, blind=True), draws=16),
    Predictor("memory_flow", "theory with memory", (*_KNOWS, "targets"), on("toy"), told, draws=8),
)
