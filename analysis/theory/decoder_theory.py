"""The theory with a decoder on the runs' very training sets, initial embeddings and,
unless it is blind, targets.

It never sees a network's weights: the decoder's initial weights are drawn anew, `draws`
times a run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import efftheory as et
from efftheory._threads import usable_cores
from efftheory.memory import Options
from neural import ConfigError, RunConfig, Table
from neural.families.toy import start as start_of
from neural.families.toy import task


@dataclass(frozen=True)
class Outlook:
    """What the theory says of one run: a row a draw, inf where a threshold is not
    reached within the budget.

    steps_to_train, steps_to_test, steps_to_rqi: float64 (draws,).
    """

    steps_to_train: NDArray[np.float64]
    steps_to_test: NDArray[np.float64]
    steps_to_rqi: NDArray[np.float64]

    @property
    def success(self) -> float:
        """The share of draws with RQI > 0.95 within the budget."""
        return self.share("rqi")

    def share(self, target: str) -> float:
        """The share of draws that get to "train", "test" or "rqi" within the budget."""
        return float(np.isfinite(getattr(self, f"steps_to_{target}")).mean())

    def median(self, target: str) -> float:
        """Lower median over the draws of the steps to "train", "test" or "rqi"; inf
        where most never get there.
        """
        return float(np.quantile(getattr(self, f"steps_to_{target}"), 0.5, method="inverted_cdf"))


def outlooks(
    configs: Sequence[RunConfig],
    draws: int,
    blind: bool = False,
    on_run: Callable[[], object] = lambda: None,
) -> list[Outlook]:
    """`Outlook` of each run, on all cores; `blind` takes random targets, new ones each
    draw, for the run's own.
    """
    found = []
    pool = ThreadPoolExecutor(usable_cores())
    try:
        tasks = [pool.submit(outlook_of, config, known(config, blind), draws, blind) for config in configs]
        for one in tasks:
            found.append(one.result())
            on_run()
    finally:
        pool.shutdown(cancel_futures=True)  # a Ctrl-C need not wait for all the runs
    return found


def operation(config: RunConfig) -> et.Operation:
    """What the run learns."""
    if isinstance(config.operation, Table):
        return et.from_table(config.operation.results, "sum", f"table {config.operation}")
    return et.addition(config.p) if config.operation == "addition" else et.symmetric_group(3)


def check_table(table: Table, theories: str) -> None:
    """See that these theories, all of embeddings that are added, say something of an
    operation.

    Raises:
        ConfigError: they do not; the line says why.
    """
    instead = "analysis.sweep --family modular trains networks on it"
    if table.witness:
        reason = f"commute for the theories asked for ({theories}), which add embeddings of one table, E_a + E_b"
        raise ConfigError(f"`table` must {reason}, but {table.witness}; {instead}.")
    if et.from_table(table.results, "sum").full_nullity < 2:
        reason = "have sums of real embeddings that tell its symbols apart, but has none"
        raise ConfigError(
            f"`table` must {reason}: no network gets there by the theories asked for ({theories}); {instead}."
        )


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


def known(
    config: RunConfig, blind: bool = False
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64] | None]:
    """Training set, initial embeddings, targets (None: random ones, or classes), in the
    theory's order of samples.
    """
    start = start_of(config)  # not in a thread: torch has one global generator
    if not np.array_equal(operation(config).pairs, task(config)[0]):
        raise AssertionError("theory and networks list the samples in different orders")
    embedding = start.model.embedding.detach().numpy().astype(float)
    return start.mask, embedding, None if blind or config.loss == "ce" else start.lane["targets"]


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


def outlook_of(config: RunConfig, knowledge: tuple[Any, Any, Any], draws: int, blind: bool) -> Outlook:
    """Each draw has a random stream that depends on the run and its number alone."""
    streams = [np.random.default_rng([config.seed, config.n_train, number, int(blind)]) for number in range(draws)]
    found = et.success_probability(operation(config), *knowledge, draws=streams, parallel=False, **training(config))
    return Outlook(found.steps_to_train, found.steps_to_test, found.steps_to_rqi)
