"""Training in processes beside this one, one a core. They are reached through pipes:
no port is opened, and nobody else can send them work.
"""

from __future__ import annotations

import math
import multiprocessing
import traceback
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

import torch

from analysis._processes import quiet_children
from analysis.runs.executors import Keep, OnWork, WorkerError, train_here, whole
from neural import ConfigError
from neural.training import MIN_LANES

# A worker that dies takes the runs it had with it; they are given to another. Where
# workers keep dying and no run is finished, there is a reason (too little memory, say)
# that training once more will not fix.
MAX_DEATHS = 3


@dataclass
class _Worker:
    process: SpawnProcess
    runs: list[Any] = field(default_factory=list)  # given to it and not yet finished
    work: float = 0.0  # on these, as far as reported


class Processes:
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
        try:
            ours, theirs = self._context.Pipe()
            process = self._context.Process(target=_work, args=(theirs, self._lanes), daemon=True)
            with quiet_children():
                process.start()
        except OSError as error:  # the system's limits of processes, files or memory
            raise WorkerError(
                f"a training process cannot be started: {error}; `--executor in-process` needs none."
            ) from None
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
        elif kind == "refused":
            raise ConfigError(content)
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
        for history in train_here(assigned(), "cpu", lanes, on_work=lambda operations: pipe.send(("work", operations))):
            pipe.send(("run", history))
        pipe.send(("end", None))
    except (EOFError, OSError):  # the driver is gone
        return
    except ConfigError as error:  # what only training shows, of a user's network
        pipe.send(("refused", str(error)))
    except Exception as error:  # a bug: it would come again
        traceback.print_exc()
        pipe.send(("error", f"{type(error).__name__}: {error}"))
