"""Where runs are trained: in this process, in one process a core (`processes.py`), or
on the workers of a dask cluster (`cluster.py`). Each executor takes a list of runs and
gives back histories as they finish; none of them knows the store.

All three give the same bits on one machine; workers on processors of another kind round
otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from efftheory._threads import usable_cores
from neural import ConfigError, History, resolve_device, train_runs
from neural.config import shape
from neural.counting import count
from neural.training import MIN_LANES, default_lanes

Keep = Callable[[History, str, str], object]  # a finished run, the device and the torch that it was trained with
OnWork = Callable[[float], object]


def whole(config: Any) -> float:
    """The operations of a run to its budget."""
    return config.budget * count(config).operations


class WorkerError(Exception):
    """A training process or a scheduler is not there, or not any more."""


@dataclass(frozen=True)
class Execution:
    """Where runs are trained."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train."""
    executor: Literal["auto", "in-process", "processes", "dask"] = "auto"
    """auto: dask where --scheduler is given, else in this process on a GPU, else a process a core."""
    workers: int | None = None
    """Train in that many processes on this machine (by default one a core)."""
    scheduler: str | None = None
    """Train on the dask cluster with this scheduler, for example tls://host:8786 (docs/cluster.md); each worker decides
    on its device."""

    def resolved(self) -> Execution:
        """With device and executor decided; ConfigError where the options do not go
        together.
        """
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"`workers` must be an integer of at least 1, but is {self.workers}.")
        if self.workers is not None and self.scheduler is not None:
            raise ConfigError(f"`workers` must be left out with a scheduler, which has its own, but is {self.workers}.")
        device = self.device
        if self.scheduler is None:
            device = "cuda" if resolve_device(device) == "cuda" else "cpu"
        executor = self.executor
        if executor == "auto":
            executor = "dask" if self.scheduler is not None else "in-process" if device == "cuda" else "processes"
        if executor != "dask" and self.scheduler is not None:
            raise ConfigError(f"`executor` must be dask where a scheduler is named, but is {executor!r}.")
        if executor == "dask" and self.scheduler is None:
            raise ConfigError(
                "`scheduler` must be the address of a dask scheduler with the executor dask, but is None."
            )
        if executor == "in-process" and self.workers is not None:
            raise ConfigError(f"`workers` must be left out in-process, as on a GPU, but is {self.workers}.")
        if executor == "processes" and device == "cuda":
            raise ConfigError("`executor` must be in-process on a GPU, but is 'processes'.")
        return Execution(device, executor, self.workers, self.scheduler)

    def n_workers(self) -> int:
        """How many ensembles advance side by side (a foreign cluster: as many as this
        machine has cores).
        """
        if self.executor == "in-process":
            return 1
        return self.workers or usable_cores()


def lanes_for(missing: Sequence[Any], execution: Execution) -> int:
    """Lanes an ensemble: what suits the device and every shape of network, but no more
    than there are runs for.
    """
    share = math.ceil(len(missing) / execution.n_workers())
    device = execution.device if execution.scheduler is None else "cpu"  # what other machines have is not known here
    suited = min(
        default_lanes(config, device)
        for config in {(type(config), shape(config)): config for config in missing}.values()
    )
    return max(MIN_LANES, min(suited, share))


def train_here(missing, device: str, lanes: int, on_work: OnWork = lambda operations: None) -> Iterator[History]:
    """Train in this process, with one thread on a CPU; histories as they finish."""
    threads = torch.get_num_threads()
    if device == "cpu":
        torch.set_num_threads(1)  # two small ensembles on two cores beat one on both; and bits depend on it
    try:
        yield from train_runs(missing, device, lanes, on_work=on_work)
    finally:
        torch.set_num_threads(threads)
