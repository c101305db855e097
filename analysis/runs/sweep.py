"""Train what a plan still lacks: runs go to worker processes, one a core, and each comes back into the store
as it finishes.

The driver alone writes the store. A killed command loses at most the runs in flight.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

import torch
from tqdm import tqdm

from analysis.runs.store import RunStore
from neural import RunConfig, resolve_device, train_runs


class WorkerError(Exception):
    """A training process ended without having been told to."""


def ensure(configs: Sequence[RunConfig], store: RunStore, device: str = "auto") -> int:
    """Train those of `configs` that `store` lacks; how many that were.

    Raises:
        WorkerError: a training process died (all finished runs are kept).
        ConfigError: an unknown or absent device.
        StoreError: the store cannot be written any more.
    """
    device = resolve_device(device)
    # runs of one shape together: they share an ensemble, and each shape is compiled once
    missing = sorted(store.missing(configs), key=lambda config: config.shape())
    if not missing:
        return 0
    total = sum(config.budget for config in missing)
    with tqdm(total=total, unit="step", unit_scale=True, mininterval=1, smoothing=0.05, desc="compiling") as bar:

        def on_steps(n: int) -> None:
            if bar.n == 0:  # the rate, and with it the ETA, is that of the training alone
                bar.reset(total)
                bar.set_description("training")
            bar.update(n)

        def keep(history) -> None:
            store.add(history, device, torch.__version__)

        if device == "cpu":
            _train_in_processes(missing, on_steps, keep)
        else:
            for history in train_runs(missing, device, on_steps=on_steps):
                keep(history)
    return len(missing)


def _train_in_processes(missing: list[RunConfig], on_steps, keep) -> None:
    """One process a core, each with one thread: two small ensembles on two cores beat one ensemble on both."""
    # Python's resource tracker frees what a killed worker left; that it says so is not the user's concern
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker")
    context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    waiting = deque(missing)
    workers: dict[Connection, SpawnProcess] = {}
    for _ in range(min(len(os.sched_getaffinity(0)), len(missing))):
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs,), daemon=True)
        process.start()
        theirs.close()  # so that the end of the process is the end of the pipe
        workers[ours] = process
    dead = None
    try:
        while workers:
            for pipe in wait(list(workers)):
                assert isinstance(pipe, Connection)
                try:
                    kind, content = pipe.recv()
                    if kind == "next":  # once a worker has died the others only finish what they have
                        pipe.send(waiting.popleft() if waiting and dead is None else None)
                except (EOFError, OSError):
                    dead = workers.pop(pipe)
                    continue
                if kind == "steps":
                    on_steps(content)
                elif kind == "run":
                    keep(content)
                elif kind == "end":
                    workers.pop(pipe).join()
    finally:
        for process in workers.values():
            process.terminate()
    if dead is not None:
        dead.join()
        raise WorkerError(
            f"a training process died (exit status {dead.exitcode}); finished runs are kept, "
            "the same command goes on from there."
        )


def _work(pipe: Connection) -> None:
    """A worker's life: ask for runs, train them, send what happens, until there are none or the driver is
    gone.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the driver, which ends the workers
    torch.set_num_threads(1)

    def assigned() -> Iterator[RunConfig]:
        while True:
            pipe.send(("next", None))
            config = pipe.recv()
            if config is None:
                return
            yield config

    try:
        for history in train_runs(assigned(), "cpu", on_steps=lambda n: pipe.send(("steps", n))):
            pipe.send(("run", history))
        pipe.send(("end", None))
    except (EOFError, OSError):  # the driver is gone
        return
