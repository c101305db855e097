"""What of a run is too large for a table: full traces and checkpoints, one .npz a run
in a folder beside the store, which names its run by the key in the store. Nothing in
them is unpickled.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import re
import shutil
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.runs.rows import StoreError
from efftheory._html import Line, page, plot
from neural import History
from neural._files import replacing

# All that numpy and zipfile raise at files of arrays that are not what was written.
DAMAGED = (
    *(OSError, ValueError, TypeError, KeyError, AttributeError, EOFError, RuntimeError, MemoryError, OverflowError),
    *(SyntaxError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, tokenize.TokenError),
)
_WHOLE = ("steps", "checkpoint_steps", "mask", "correct")  # arrays of one name in a file
_LEFTOVER = re.compile(r"\.[0-9a-f]{32}\.npz\..+")  # folders of `write_traces`, where it was killed


class TracesError(Exception):
    """A run's traces are "gone: ...", or "damaged: ...", or another run's."""


@dataclass(frozen=True, repr=False)
class Traces:
    """What was seen of a run at steps (L,): each metric, (L,), and the norm of each
    tensor of weights, (L,) (none in files from before these were kept); at
    checkpoint_steps (S,): weights, (S, ...) each. And bool (N,): the training set, and
    which samples the final network gets right.
    """

    steps: NDArray[np.int64]
    metrics: dict[str, NDArray]
    norms: dict[str, NDArray]
    checkpoint_steps: NDArray[np.int64]
    checkpoints: dict[str, NDArray]
    mask: NDArray[np.bool_]
    correct: NDArray[np.bool_]

    def _repr_html_(self) -> str:
        """With the curves of the accuracies."""
        rows: list[tuple[str, Any]] = [
            ("trained on", f"{self.mask.sum()} of {len(self.mask)} samples"),
            ("evaluated at", f"{len(self.steps)} steps, up to {self.steps[-1]}"),
            ("checkpoints", f"{len(self.checkpoint_steps)} of {', '.join(self.checkpoints)}"),
            *((f"{name.replace('_', ' ')} at the end", f"{curve[-1]:.4g}") for name, curve in self.metrics.items()),
        ]
        shares = [name for name in self.metrics if "accuracy" in name]
        lines = [Line(name.replace("_", " "), self.steps, self.metrics[name]) for name in shares]
        return page("Traces of a run", rows, plot(lines, "steps", "share"))

    @classmethod
    def of(cls, history: History) -> Traces:
        """Of a run that has just been trained."""
        return cls.read(_arrays(history))

    @classmethod
    def read(cls, arrays: Mapping[str, NDArray]) -> Traces:
        """From the arrays of a file."""
        metrics, norms, checkpoints = (
            {name.removeprefix(kind): values for name, values in arrays.items() if name.startswith(kind)}
            for kind in ("metric/", "norm/", "weights/")
        )
        return cls(metrics=metrics, norms=norms, checkpoints=checkpoints, **{name: arrays[name] for name in _WHOLE})


def _arrays(history: History) -> dict[str, Any]:
    """What a file has of a run."""
    return (
        {name: getattr(history, name) for name in _WHOLE}
        | {f"metric/{name}": values for name, values in history.traces.items()}
        | {f"norm/{name}": values for name, values in history.norms.items()}
        | {f"weights/{name}": values for name, values in history.checkpoints.items()}
    )


def traces_folder(store: Path) -> Path:
    """The folder of traces beside a store."""
    return store.with_name(store.name + ".traces")


def traces_path(store: Path, key: str) -> Path:
    """Where the traces of the run with this key are."""
    return traces_folder(store) / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npz"


def make_folder(store: Path) -> None:
    """Make the folder of traces; StoreError if something else is in its place."""
    folder = traces_folder(store)
    try:
        folder.mkdir()
        _sync(folder.parent)
    except FileExistsError:
        if not folder.is_dir():
            raise StoreError(f"`store` must have a folder of traces beside it, but {folder} is none.") from None
    share(folder, store)


def prepare(store: Path, keys: Sequence[str]) -> None:
    """See that traces of these runs can be written; StoreError or OSError if not."""
    make_folder(store)
    for path in (traces_path(store, key) for key in keys):
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        elif os.path.lexists(path) and not path.is_file():  # a link without its target, a pipe
            path.unlink()
    folder = traces_folder(store)
    if not os.access(folder, os.W_OK | os.X_OK):
        opens = "where the store can, its owner opens the folder to you, too, by training once more, or by chmod"
        raise StoreError(f"`store` must have a folder of traces that can be written, but {folder} cannot: {opens}.")


def share(path: Path, store: Path) -> None:
    """Open a file or folder beside the store to whom the store is open, if we may."""
    with suppress(OSError, AttributeError):
        known, have = store.stat(), path.lstat()
        mode = known.st_mode & 0o666
        if path.is_dir():
            mode |= (mode & 0o444) >> 2 | (have.st_mode & 0o7000)
        if have.st_gid != known.st_gid:
            os.chown(path, -1, known.st_gid, follow_symlinks=False)
        if have.st_mode & 0o7777 != mode:
            path.chmod(mode)


def remove_leftovers(store: Path, before: float) -> None:
    """Remove what killed commands had half written before this time (s since 1970)."""
    with suppress(OSError), os.scandir(traces_folder(store)) as entries:
        for one in entries:
            if _LEFTOVER.fullmatch(one.name) and one.is_dir(follow_symlinks=False):
                with suppress(OSError):
                    if one.stat(follow_symlinks=False).st_mtime < before:
                        shutil.rmtree(one.path, ignore_errors=True)


def write_traces(store: Path, histories: Mapping[str, History]) -> None:
    """Write the traces of runs, by their keys, through to the disk; an old file stays
    whole until then.
    """
    make_folder(store)
    folders = set()
    for key, history in histories.items():
        path = traces_path(store, key)
        with replacing(path) as fresh:
            np.savez(fresh, key=np.array(key), **_arrays(history))
            share(fresh, store)
            _sync(fresh)
        folders.add(Path(os.path.realpath(path)).parent)
    for folder in folders:
        _sync(folder)


def _sync(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    if path.is_dir() and os.name == "nt":  # where folders cannot be opened
        return
    number = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def read_traces(path: Path, key: str, metrics: Sequence[str]) -> Traces:
    """The traces of the run with this key and metrics; TracesError if they are not."""
    try:
        with open(path, "rb", opener=_at_once) as opened, np.load(opened, allow_pickle=False) as file:
            if str(file["key"]) != key:
                raise TracesError(f"damaged: {path} has the traces of another run")
            found = Traces.read({name: file[name] for name in file.files})
        looks = [found.steps, *(found.metrics[name] for name in metrics), *found.norms.values()]
        if any(values.shape != (len(found.steps),) for values in looks):
            raise ValueError("its metrics have other lengths than its steps")
        if any(len(values) != len(found.checkpoint_steps) for values in found.checkpoints.values()):
            raise ValueError("it has other checkpoints than it says")
        return found
    except FileNotFoundError:
        raise TracesError(f"gone: {path}") from None
    except DAMAGED as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise TracesError(f"damaged: {path} is no file of traces that this program wrote: {reason}") from None


def _at_once(path: str, flags: int) -> int:
    """Open a file without waiting, should it have become a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
