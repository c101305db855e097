"""Where runs are trained: in this process, in one process a core, or on dask workers.
Each executor takes a list of runs and gives back histories as they finish; none of them
knows the store.

All three give the same bits on one machine; workers on processors of another kind round
otherwise.
"""

from __future__ import annotations

import asyncio
import logging
import math
import multiprocessing
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Literal

import torch

from analysis._processes import quiet_children
from efftheory._threads import usable_cores
from neural import ConfigError, History, family_of, resolve_device, train_runs
from neural.config import shape
from neural.training import MIN_LANES, default_lanes

Keep = Callable[[History, str, str], object]  # a finished run, the device and the torch that it was trained with
OnWork = Callable[[float], object]

# A worker that dies takes the runs it had with it; they are given to another. Where
# workers keep dying and no run is finished, there is a reason (too little memory, say)
# that training once more will not fix.
MAX_DEATHS = 3
SCHEDULER_TIMEOUT = "10s"


def whole(config: Any) -> float:
    """The operations of a run to its budget."""
    return config.budget * family_of(config).operations(config)


class WorkerError(Exception):
    """A training process or a scheduler is not there, or not any more."""


@dataclass(frozen=True)
class Execution:
    """Where runs are trained."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train."""
    executor: Literal["auto", "in-process", "processes", "dask"] = "auto"
    """auto: dask where --scheduler or --workers is given, else in this process on a GPU, else a process a core."""
    workers: int | None = None
    """Train on a local dask cluster of that many workers (with --executor processes: in that many processes)."""
    scheduler: str | None = None
    """Train on the dask cluster with this scheduler, for example tcp://host:8786; each worker decides on its device."""

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
            many = self.workers is not None or self.scheduler is not None
            executor = "dask" if many else "in-process" if device == "cuda" else "processes"
        if executor != "dask" and self.scheduler is not None:
            raise ConfigError(f"`executor` must be dask where a scheduler is named, but is {executor!r}.")
        if executor == "in-process" and self.workers is not None:
            raise ConfigError(f"`workers` must be left out in-process, but is {self.workers}.")
        if executor == "processes" and device == "cuda":
            raise ConfigError("`executor` must be in-process or dask on a GPU, but is 'processes'.")
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


def train(missing: list[Any], execution: Execution, keep: Keep, on_work: OnWork) -> None:
    """Train all of `missing`; `keep` has each history as it finishes, `on_work` as in
    `train_runs`.

    Raises:
        WorkerError: training processes died again and again, or a scheduler cannot be
            reached.
    """
    lanes = lanes_for(missing, execution)
    if execution.executor == "in-process":
        for history in _train_here(missing, execution.device, lanes, on_work):
            keep(history, execution.device, torch.__version__)
    elif execution.executor == "processes":
        _Processes(missing, lanes, execution.n_workers(), keep, on_work).run()
    else:
        _train_on_dask(missing, execution, lanes, keep, on_work)


def _train_here(missing, device: str, lanes: int, on_work: OnWork = lambda operations: None) -> Iterator[History]:
    threads = torch.get_num_threads()
    if device == "cpu":
        torch.set_num_threads(1)  # two small ensembles on two cores beat one on both; and bits depend on it
    try:
        yield from train_runs(missing, device, lanes, on_work=on_work)
    finally:
        torch.set_num_threads(threads)


@dataclass
class _Worker:
    process: SpawnProcess
    runs: list[Any] = field(default_factory=list)  # given to it and not yet finished
    work: float = 0.0  # on these, as far as reported


class _Processes:
    """One process a core, each with one thread and one ensemble; they ask for runs when
    a lane is free.
    """

    def __init__(self, missing: list[Any], lanes: int, n_workers: int, keep: Keep, on_work: OnWork):
        self._context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
        self._waiting, self._lanes = deque(missing), lanes
        self._keep, self._on_work = keep, on_work
        self._n_workers = min(n_workers, math.ceil(len(missing) / MIN_LANES))
        self._workers: dict[Connection, _Worker] = {}
        self._deaths = 0

    def run(self) -> None:
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
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs, self._lanes), daemon=True)
        with quiet_children():
            process.start()
        theirs.close()  # so that the end of the process is the end of the pipe
        self._workers[ours] = _Worker(process)

    def _hear(self, pipe: Connection, worker: _Worker) -> None:
        try:
            kind, content = pipe.recv()
            if kind == "next":
                config = self._waiting.popleft() if self._waiting else None
                if config is not None:
                    worker.runs.append(config)
                pipe.send(config)
        except (EOFError, OSError):
            self._bury(pipe)
            return
        if kind == "work":
            worker.work += content
            self._on_work(content)
        elif kind == "run":
            worker.runs.remove(content.config)
            worker.work -= whole(content.config)
            self._deaths = 0
            self._keep(content, "cpu", torch.__version__)
        elif kind == "error":
            raise WorkerError(f"a training process failed: {content}; finished runs are kept.")
        elif kind == "end":
            self._workers.pop(pipe).process.join()

    def _bury(self, pipe: Connection) -> None:
        """Give a dead worker's runs to the others, and put another in its place."""
        worker = self._workers.pop(pipe)
        worker.process.join()
        self._on_work(-worker.work)
        self._deaths += 1
        if self._deaths > MAX_DEATHS:
            raise WorkerError(
                f"training processes died {self._deaths} times (the last with exit status {worker.process.exitcode}); "
                "finished runs are kept, the same command goes on from there."
            )
        self._waiting.extendleft(reversed(worker.runs))
        if self._waiting:
            self._start()


def _work(pipe: Connection, lanes: int) -> None:
    """A worker's life: ask for runs, train them, send what happens, until there are
    none or the driver is gone.
    """

    def assigned() -> Iterator[Any]:
        while True:
            pipe.send(("next", None))
            config = pipe.recv()
            if config is None:
                return
            yield config

    try:
        for history in _train_here(
            assigned(), "cpu", lanes, on_work=lambda operations: pipe.send(("work", operations))
        ):
            pipe.send(("run", history))
        pipe.send(("end", None))
    except (EOFError, OSError):  # the driver is gone
        return
    except Exception as error:  # a bug: it would come again
        traceback.print_exc()
        pipe.send(("error", f"{type(error).__name__}: {error}"))


def _train_on_dask(missing, execution: Execution, lanes: int, keep: Keep, on_work: OnWork) -> None:
    """An ensemble a task. dask gives the task of a lost worker to another."""
    try:
        from dask import config
        from distributed import Client, LocalCluster
    except ImportError:
        raise WorkerError("the executor dask needs the package distributed: install efftheory[dask].") from None

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters comes as an error below
    cluster = None
    with config.set({"distributed.comm.timeouts.connect": SCHEDULER_TIMEOUT}):
        try:
            if execution.scheduler is None:
                n_workers = execution.n_workers()
                with quiet_children():
                    cluster = LocalCluster(
                        n_workers, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
                    )
            try:
                if execution.scheduler is not None:  # before Client starts a thread for what may never answer
                    asyncio.run(_call(execution.scheduler))
                client = Client(cluster or execution.scheduler, timeout=SCHEDULER_TIMEOUT)
            except (OSError, ValueError) as error:
                raise WorkerError(
                    "`scheduler` must be the address of a running dask scheduler, "
                    f"but {execution.scheduler}: {_reason(error)}."
                ) from None
            with client:
                _train_through(client, missing, execution.device, lanes, keep, on_work)
        finally:
            if cluster is not None:
                cluster.close()


async def _call(address: str) -> None:
    """OSError or ValueError if nobody answers there."""
    from distributed.comm.core import connect

    comm = await connect(address)
    await comm.close()


def _train_through(client, missing, device: str, lanes: int, keep: Keep, on_work: OnWork) -> None:
    """Submit the tasks and keep what comes back."""
    from distributed import as_completed
    from distributed.client import FutureCancelledError
    from distributed.scheduler import KilledWorker

    try:
        client.wait_for_workers(1, timeout=SCHEDULER_TIMEOUT)
        client.run(train_batch, [], "cpu", MIN_LANES)
    except TimeoutError:
        raise WorkerError(f"the dask cluster has no workers, also after {SCHEDULER_TIMEOUT}.") from None
    except Exception as error:
        raise WorkerError(
            f"dask workers must have this version of efftheory installed, but: {_reason(error)}."
        ) from None
    batches = []
    for _, group in groupby(missing, key=lambda config: (type(config), shape(config))):
        runs = list(group)
        batches += [runs[i : i + lanes] for i in range(0, len(runs), lanes)]
    # not pure: a run is kept in the store, not in the cluster's memory
    futures = client.map(train_batch, batches, device=device, lanes=lanes, pure=False)
    try:
        for future in as_completed(futures):
            histories, *trained_on = future.result()
            for history in histories:
                keep(history, *trained_on)
                on_work(whole(history.config))
            future.release()
    except (KilledWorker, FutureCancelledError, OSError) as error:
        raise WorkerError(f"the dask cluster was lost: {_reason(error)}; finished runs are kept.") from None


# Weights are drawn with torch's global generator, and the number of threads is global,
# too: one task a process.
_ONE_TASK = threading.Lock()


def train_batch(configs: list[Any], device: str, lanes: int) -> tuple[list[History], str, str]:
    """What a dask worker does: the histories, and the device and torch that they were
    trained with.
    """
    with _ONE_TASK:
        device = resolve_device(device)
        return list(_train_here(configs, device, lanes)), device, torch.__version__


def _reason(error: Exception) -> str:
    """The first line of what an error says, or its kind."""
    return (str(error) or type(error).__name__).splitlines()[0]
