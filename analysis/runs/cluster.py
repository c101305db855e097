"""Training on the workers of a dask cluster that has been started: docs/cluster.md.

Tasks and results are pickles, so that who reaches the scheduler may run code on every
worker. This file starts no scheduler and opens no port; how a connection is secured is
dask's configuration (`distributed.comm.tls`).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from itertools import groupby
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import torch

import neural
from analysis.runs.executors import Keep, OnWork, WorkerError, whole
from neural import History, resolve_device, train_runs
from neural.config import shape

ANSWER = 10.0  # seconds within which a scheduler, and a worker at the start, has to answer
PATIENCE = 30.0  # seconds without a result, after which it is asked whether there are workers
SILENCE = 10  # that many times a scheduler may not answer


def digest(files: Mapping[str, Path]) -> str:
    """Of names and text, however lines end."""
    texts = [f"{name}\0{file.read_text(encoding='utf-8')}\0" for name, file in sorted(files.items())]
    return hashlib.sha256("".join(texts).encode()).hexdigest()[:12]


def sources() -> dict[str, Path]:
    """All that a worker runs: `neural`, and what of this package gives it runs."""
    package, here = Path(neural.__file__).parent, Path(__file__).parent
    files = {file.relative_to(package).as_posix(): file for file in package.rglob("*.py")}
    return files | {f"analysis/runs/{name}": here / name for name in ("executors.py", "cluster.py")}


# Taken when this is imported: a worker that runs on beside newer files is an older one.
# torch's build ("+cpu") may differ, as devices do.
CODE = f"source {digest(sources())}, torch {torch.__version__.split('+')[0]}"


def code() -> str:
    """What a worker trains with."""
    return CODE


# torch's generator and number of threads are a process's: it has one task at a time.
_ONE_TASK = threading.Lock()


def train_batch(configs: list[Any], device: str, lanes: int, expected: str) -> tuple[list[History], str, str]:
    """In a worker: histories, device, torch; WorkerError if its code is other."""
    if expected != CODE:  # it may have come after the others were asked
        raise WorkerError(_other_code(f"one has {CODE}", expected))
    with _ONE_TASK:
        device = resolve_device(device)
        return list(train_runs(configs, device, lanes)), device, torch.__version__


def train_on_cluster(missing: list[Any], scheduler: str, device: str, lanes: int, keep: Keep, on_work: OnWork) -> None:
    """An ensemble a task; dask gives that of a lost worker to another. WorkerError if
    the scheduler cannot be reached or is lost, or workers are none or have other code.
    """
    try:
        from dask import config
        from distributed import Client
    except ImportError:
        raise WorkerError("the executor dask needs the package distributed: install efftheory[dask].") from None
    for name in ("distributed", "distributed.client"):  # what matters comes as an error below
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with config.set({"distributed.comm.timeouts.connect": ANSWER}):
        try:
            asyncio.run(_call(scheduler))  # before Client starts a thread for what may never answer
            client = Client(scheduler, timeout=ANSWER, set_as_default=False)
        except Exception as error:
            found = f"{scheduler}: {_reason(error)}"
            raise WorkerError(f"`scheduler` must be the address of a running dask scheduler, but {found}.") from None
        with client:
            _check_workers(client)
            _train_through(client, missing, device, lanes, keep, on_work)


async def _call(address: str) -> None:
    """An error if no dask scheduler answers there."""
    from distributed import Security
    from distributed.comm.addressing import get_address_host_port
    from distributed.core import rpc

    get_address_host_port(address)  # ValueError unless it is one
    try:
        security = Security().get_connection_args("client")
    except OSError as error:
        raise OSError(f"the credentials of dask's configuration, distributed.comm.tls: {error}") from None
    if address.startswith("tls://") and security["ssl_context"] is None:
        raise ValueError("dask's configuration has no ca-file under distributed.comm.tls")
    try:
        async with asyncio.timeout(ANSWER + 1), rpc(address, connection_args=security) as one:  # else it waits for ever
            answer: Any = await one.identity()
    except TimeoutError:
        raise OSError(f"accepts a connection, but has not answered after {ANSWER:g} s") from None
    except (OSError, RuntimeError):  # lost or refused; encryption is required
        raise
    except Exception:  # the first bytes of another protocol, read as the length of a message, say
        raise OSError("what answers there is not dask") from None
    if "workers" not in answer:
        raise OSError(f"it is the address of a dask {str(answer.get('type')).lower()}")


def _workers(client) -> list[str]:
    """The addresses of the workers now; OSError where the scheduler does not answer."""
    try:
        return list(client.sync(asyncio.wait_for, client.scheduler.identity(), ANSWER)["workers"])
    except TimeoutError:
        raise OSError(f"no answer within {ANSWER:g} s") from None
    except Exception as error:  # the client closes, say
        raise OSError(_reason(error)) from None


def _check_workers(client) -> None:
    """WorkerError where there are none, or one has other code than this process. Who is
    lost or slow (it imports torch first) is left alone: tasks compare again.
    """

    async def ask(address: str) -> object:
        try:
            return (await asyncio.wait_for(client.run(code, workers=[address]), PATIENCE))[address]
        except OSError:  # lost, or slow
            return CODE
        except Exception as error:  # has no such function, say
            return _reason(error)

    deadline = time.monotonic() + ANSWER
    try:
        while not (addresses := _workers(client)):
            if time.monotonic() > deadline:
                raise WorkerError(f"the dask cluster has no workers, also after {ANSWER:g} s.")
            time.sleep(0.1)
        answers = dict(zip(addresses, client.sync(asyncio.gather, *map(ask, addresses)), strict=True))
    except OSError as error:
        raise WorkerError(f"the dask scheduler was lost before work was given out: {_reason(error)}.") from None
    if others := [address for address, has in answers.items() if has != CODE]:
        found = f"{len(others)} of {len(answers)} have not: {others[0]} has {answers[others[0]]}"
        raise WorkerError(_other_code(found))


def _train_through(client, missing, device: str, lanes: int, keep: Keep, on_work: OnWork) -> None:
    """Submit the tasks and keep what comes back; WorkerError if a task fails."""
    groups = [list(group) for _, group in groupby(missing, key=lambda config: (type(config), shape(config)))]
    batches = [runs[i : i + lanes] for runs in groups for i in range(0, len(runs), lanes)]
    # not pure: a run is kept in the store, not in the cluster's memory
    futures = client.map(train_batch, batches, device=device, lanes=lanes, expected=CODE, pure=False)
    done: SimpleQueue[Any] = SimpleQueue()
    for future in futures:
        future.add_done_callback(done.put)
    for _ in futures:
        future = _patiently(client, partial(done.get, True))
        try:
            histories, *trained_on = _patiently(client, future.result)
        except WorkerError:
            raise
        except Exception as error:
            failed = future.status == "error"
            said = f"a dask worker failed: {type(error).__name__}" if failed else "the dask cluster was lost"
            raise WorkerError(f"{said}: {_reason(error)}; finished runs are kept.") from None
        for history in histories:
            keep(history, *trained_on)
            on_work(whole(history.config))
        future.release()


def _patiently(client, wait: Callable[[float], Any]) -> Any:
    """What `wait(seconds)` gives; as long as it gives nothing, say so if there are no
    workers. WorkerError when the scheduler is silent for long.
    """
    silent = 0
    while True:
        with suppress(Empty, TimeoutError):
            return wait(PATIENCE)
        try:
            if not _workers(client):
                print("waiting: the dask cluster has no workers", file=sys.stderr)
            silent = 0
        except OSError as error:
            silent += 1
            if silent == SILENCE or client.status == "closed":
                raise WorkerError(f"the dask cluster was lost: {_reason(error)}; finished runs are kept.") from None
            print("waiting: the dask scheduler does not answer", file=sys.stderr)


def _other_code(found: str, expected: str = CODE) -> str:
    return f"dask workers must have this version of efftheory and of torch ({expected}), but {found}."


def _reason(error: BaseException) -> str:
    """The first line of what an error says, and of what caused it; or its kind."""
    said = [str(some).splitlines()[0] for some in (error, error.__cause__) if some is not None and str(some)]
    said = [re.sub(r"^in <[^>]*>: ", "", line) for line in said]  # which of dask's objects it was
    return ": ".join(said) or type(error).__name__
