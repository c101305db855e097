"""A computation in pieces: each is kept when it is finished, so that a command that was
stopped goes on from there.

A piece's numbers depend on its arguments alone, not on its process or on what was
computed before (on one machine: the last bits of real numbers are a processor's own).
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, TypeVar

from tqdm.auto import tqdm

from analysis._processes import quiet_children
from efftheory._threads import usable_cores
from neural import ConfigError

Key = TypeVar("Key")

_WORTH_PROCESSES = 10  # seconds of work: several times what processes take to start


@dataclass(frozen=True)
class Piece:
    """compute(*arguments), numbers for JSON (nan too), under a name that says all they
    depend on. Other processes import `compute`. `cost`: about so many seconds.
    """

    name: str
    compute: Callable[..., Any]
    arguments: tuple[Any, ...]
    cost: float


def computed(path: Path, pieces: Sequence[Piece], workers: int | None = None, doing: str = "") -> list[Any]:
    """What each piece gives: from the file at `path` or computed now, and kept there.
    `doing`: a word beside the bar. `workers`: processes, by default one a core if there
    is work for a while; 1: here. ConfigError if the file is damaged, or one is killed.
    """
    with _kept(path) as connection:
        have = {name for (name,) in connection.execute("SELECT name FROM pieces")}
        missing = [piece for piece in pieces if piece.name not in have]
        total, left = (sum(piece.cost for piece in some) for some in (pieces, missing))
        if workers is None:
            workers = usable_cores() if left > _WORTH_PROCESSES else 1
        form = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"  # in units of cost, so that the end is foreseen
        with tqdm(total=total, initial=total - left, bar_format=form, smoothing=0, desc=doing, leave=False) as bar:
            for piece, numbers in _each(missing, min(workers, len(missing))):
                with connection:
                    row = (piece.name, json.dumps(numbers))
                    connection.execute("INSERT OR IGNORE INTO pieces VALUES (?, ?)", row)
                bar.update(piece.cost)
        kept = dict(connection.execute("SELECT name, numbers FROM pieces").fetchall())
    return [json.loads(kept[piece.name]) for piece in pieces]


@contextmanager
def _kept(path: Path) -> Iterator[sqlite3.Connection]:
    """The file of finished pieces; made if there is none."""
    try:
        with closing(sqlite3.connect(path, timeout=60)) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS pieces (name TEXT PRIMARY KEY, numbers TEXT)")
            yield connection
    except sqlite3.Error as error:
        raise ConfigError(f"`out` must hold an undamaged {path.name} or none, but {path}: {error}.") from None


def _each(pieces: Sequence[Piece], workers: int) -> Iterator[tuple[Piece, Any]]:
    """The pieces as they finish."""
    if workers < 2:
        for piece in pieces:
            yield piece, piece.compute(*piece.arguments)
        return
    context = multiprocessing.get_context("spawn")  # numba's and torch's threads do not survive a fork
    reader, writer = context.Pipe(duplex=False)
    pool = None
    try:
        try:
            pool = ProcessPoolExecutor(workers, context, _worker, (reader,))
            with quiet_children():
                running = {pool.submit(piece.compute, *piece.arguments): piece for piece in pieces}
        except (OSError, NotImplementedError) as error:  # no semaphores, as without /dev/shm; or no process more
            found = f"{workers}: {error}"
            raise ConfigError(f"`workers` must be 1 where no processes can be started, but is {found}.") from None
        for future in as_completed(running):
            yield running[future], future.result()
    except BrokenProcessPool:
        kept = "finished pieces are kept, the same command goes on from there"
        raise ConfigError(f"a process was killed; {kept}.") from None
    finally:
        writer.close()  # workers end at once, in the middle of a piece: a pool by itself would wait for them
        if pool is not None:
            pool.shutdown(cancel_futures=True)
        reader.close()


def _worker(pipe: Connection) -> None:
    """A worker ends when `pipe` is closed: with its pool or its command."""

    def follow() -> None:
        wait([pipe])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def in_chunks(
    label: str, draw: Callable[..., Any], arguments: tuple[Any, ...], wanted: int, chunk: int, seconds: float
) -> list[Piece]:
    """At least so many draws as are `wanted`: draw(*arguments, chunk, k) makes the k-th
    chunk, a list, in about so many seconds a draw. `label`: all that they depend on but
    k. Chunks are whole: more draws later begin with these.
    """
    n_chunks = math.ceil(wanted / chunk)
    return [Piece(f"{label}{k}", draw, (*arguments, chunk, k), chunk * seconds) for k in range(n_chunks)]


def drawn(path: Path, some: Mapping[Key, list[Piece]], workers: int | None = None) -> dict[Key, list[Any]]:
    """The draws that pieces make, each a list of them: kept as `computed` does."""
    found = iter(computed(path, [piece for pieces in some.values() for piece in pieces], workers))
    return {key: [draw for _ in pieces for draw in next(found)] for key, pieces in some.items()}
