"""Where runs are trained: in this process, in one process a core, or on the workers of
a dask cluster (`cluster.py`). Each takes a list of runs and gives back histories as
they finish; none knows the store.

All three give the same bits on one machine; processors of another kind round otherwise.
The processes are reached through pipes: no port is opened where others could send work.
"""

from __future__ import annotations

import math
import multiprocessing
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Literal

import torch

from analysis._processes import quiet_children
from efftheory._threads import usable_cores
from neural import ConfigError, History, resolve_device, train_runs
from neural.config import shape
from neural.counting import count
from neural.training import MIN_LANES, default_lanes

Keep = Callable[[History, str, str], object]  # a finished run, the device and the torch that it was trained with
OnWork = Callable[[float], object]
# The runs of a worker that dies are given to another. Where workers keep dying and no
# run is finished, training once more will not help (too little memory, say).
MAX_DEATHS = 3


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
        """With device and executor decided; ConfigError where options disagree."""
        device, executor = self.device, self.executor
        if self.scheduler is None:
            device = "cuda" if resolve_device(device) == "cuda" else "cpu"
        if executor == "auto":
            executor = "dask" if self.scheduler is not None else "in-process" if device == "cuda" else "processes"
        dask = executor == "dask"
        for wrong, name, wanted in (
            (self.workers is not None and self.workers < 1, "workers", "an integer of at least 1"),
            (self.workers and self.scheduler, "workers", "left out with a scheduler, which has its own"),
            (self.workers and executor == "in-process", "workers", "left out in-process, as on a GPU"),
            (self.scheduler and not dask, "executor", "dask where a scheduler is named"),
            (executor == "processes" and device == "cuda", "executor", "in-process on a GPU"),
            (dask and not self.scheduler, "scheduler", "the address of a dask scheduler with the executor dask"),
        ):
            if wrong:
                raise ConfigError(f"`{name}` must be {wanted}, but is {getattr(self, name)!r}.")
        return replace(self, device=device, executor=executor)

    def n_workers(self) -> int:
        """How many ensembles advance at a time; on a cluster, as many as cores here."""
        return 1 if self.executor == "in-process" else self.workers or usable_cores()


def lanes_for(missing: Sequence[Any], execution: Execution) -> int:
    """Lanes of an ensemble: as suits device and networks, no more than runs."""
    share = math.ceil(len(missing) / execution.n_workers())
    device = execution.device if execution.scheduler is None else "cpu"  # what other machines have is not known here
    kinds = {(type(config), shape(config)): config for config in missing}
    return max(MIN_LANES, min(share, *(default_lanes(config, device) for config in kinds.values())))


@dataclass
class _Worker:
    process: SpawnProcess
    runs: list[Any] = field(default_factory=list)  # given to it and not yet finished
    work: float = 0.0  # on these, as far as reported


class Processes:
    """One process a core, each with one ensemble; they ask for runs for free lanes."""

    def __init__(self, missing: list[Any], lanes: int, n_workers: int, keep: Keep, on_work: OnWork):
        self._context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
        self._waiting, self._lanes = deque(missing), lanes
        self._keep, self._on_work = keep, on_work
        self._n_workers = min(n_workers, math.ceil(len(missing) / MIN_LANES))
        self._workers: dict[Connection, _Worker] = {}
        self._deaths = 0

    def run(self) -> None:
        """Train all, or raise WorkerError."""
        try:
            for _ in range(self._n_workers):
                self._start()
            while self._workers:
                for pipe in wait(list(self._workers)):
                    assert isinstance(pipe, Connection)
                    self._hear(pipe, self._workers[pipe])
        finally:
            for worker in self._workers.values():
                worker.process.terminate()
            for worker in self._workers.values():
                worker.process.join()

    def _start(self) -> None:
        try:
            ours, theirs = self._context.Pipe()
            process = self._context.Process(target=_work, args=(theirs, self._lanes), daemon=True)
            with quiet_children():
                process.start()
        except OSError as error:  # the system's limits of processes, files or memory
            found = f"{error}; `--executor in-process` needs none"
            raise WorkerError(f"a training process cannot be started: {found}.") from None
        theirs.close()  # so that the end of the process is the end of the pipe
        self._workers[ours] = _Worker(process)

    def _hear(self, pipe: Connection, worker: _Worker) -> None:
        try:
            kind, content = pipe.recv()
            if kind == "next":
                given = [self._waiting.popleft()] if self._waiting else []
                worker.runs += given
                pipe.send(given)
        except (EOFError, OSError):
            return self._bury(pipe)
        if kind == "work":
            worker.work += content
            self._on_work(content)
        elif kind == "run":
            worker.runs.remove(content.config)
            worker.work -= whole(content.config)
            self._deaths = 0
            self._keep(content, "cpu", torch.__version__)
        elif kind == "error":
            raise content
        elif kind == "end":
            self._workers.pop(pipe).process.join()

    def _bury(self, pipe: Connection) -> None:
        """Give a dead worker's runs to the others, and put another in its place."""
        worker = self._workers.pop(pipe)
        worker.process.join()
        self._on_work(-worker.work)
        self._deaths += 1
        if self._deaths > MAX_DEATHS:
            died = f"died {self._deaths} times (the last with exit status {worker.process.exitcode})"
            kept = "finished runs are kept, the same command goes on from there"
            raise WorkerError(f"training processes {died}; {kept}.")
        self._waiting.extendleft(reversed(worker.runs))
        if self._waiting:
            self._start()


def _work(pipe: Connection, lanes: int) -> None:
    """A worker: it trains runs that it asks for, until none or no driver is left."""

    def assigned() -> Iterator[Any]:
        pipe.send(("next", None))
        while given := pipe.recv():
            yield from given
            pipe.send(("next", None))

    try:
        for history in train_runs(assigned(), "cpu", lanes, on_work=lambda operations: pipe.send(("work", operations))):
            pipe.send(("run", history))
        pipe.send(("end", None))
    except (EOFError, OSError):  # the driver is gone
        return
    except ConfigError as error:  # what only training shows, of a user's network
        pipe.send(("error", error))
    except Exception as error:  # a bug: it would come again
        traceback.print_exc()
        failed = f"a training process failed: {type(error).__name__}: {error}; finished runs are kept."
        pipe.send(("error", WorkerError(failed)))
