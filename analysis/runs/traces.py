"""What of a run is too large for a table: full traces and checkpoints, one .npz a run
in a folder beside the store.

Nothing in them is unpickled. Each names its run by the key that the run has in the
store.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import re
import shutil
import stat
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neural import History
from neural._files import replacing

# All that numpy and zipfile raise at files of arrays whose bytes are others than were
# written.
DAMAGED = (
    *(OSError, ValueError, TypeError, KeyError, AttributeError, EOFError, RuntimeError, MemoryError, OverflowError),
    *(SyntaxError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, tokenize.TokenError),
)
_LEFTOVER = re.compile(r"\.[0-9a-f]{32}\.npz\..+")  # folders of `write_traces`, where it was killed


class TracesError(Exception):
    """A run's traces are "gone: ...", or "damaged: ...", or another run's."""


@dataclass(frozen=True)
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

    def __repr__(self) -> str:
        return f"Traces({len(self.steps)} looks at {', '.join(self.metrics)}; {len(self.checkpoint_steps)} checkpoints)"

    @classmethod
    def of(cls, history: History) -> Traces:
        """Of a run that has just been trained."""
        return cls(
            steps=history.steps,
            metrics=history.traces,
            norms=history.norms,
            checkpoint_steps=history.checkpoint_steps,
            checkpoints=history.checkpoints,
            mask=history.mask,
            correct=history.correct,
        )


def traces_folder(store: Path) -> Path:
    """The folder of traces beside a store."""
    return store.with_name(store.name + ".traces")


def traces_path(store: Path, key: str) -> Path:
    """Where the traces of the run with this key are."""
    return traces_folder(store) / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npz"


def make_folder(folder: Path, store: Path) -> None:
    """Make the folder of traces; who may write the store may write it.

    Raises:
        FileExistsError: something else is in its place.
    """
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        sync(folder.parent)
    share(folder, store)


def share(path: Path, store: Path) -> None:
    """Whoever may read or write the store may do so with a file or folder beside it, as
    far as it is ours to say so.
    """
    with suppress(OSError, AttributeError):
        known, have = store.stat(), path.lstat()
        mode = known.st_mode & 0o666
        if path.is_dir():
            mode |= (mode & 0o444) >> 2 | (have.st_mode & 0o7000)
        if have.st_gid != known.st_gid:
            os.chown(path, -1, known.st_gid, follow_symlinks=False)
        if have.st_mode & 0o7777 != mode:
            path.chmod(mode)


def clear_place(path: Path) -> None:
    """Remove what no file of traces can be written to: a link without its target, a
    pipe, an empty folder.

    Raises:
        OSError: it is a folder with something in it, say.
    """
    if os.path.lexists(path) and not path.is_file():
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()


def remove_leftovers(folder: Path, before: float) -> None:
    """Remove what killed commands had half written before this time (s since 1970),
    while no other command writes.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for one in entries:
            if _LEFTOVER.fullmatch(one.name) and one.is_dir(follow_symlinks=False):
                with suppress(OSError):
                    if one.stat(follow_symlinks=False).st_mtime < before:
                        shutil.rmtree(one.path, ignore_errors=True)


def write_traces(path: Path, key: str, history: History, store: Path) -> None:
    """Write a run's traces to the disk, and not only on their way; an old file stays
    whole until the new one is there.
    """
    arrays = {
        "key": np.array(key),
        "steps": history.steps,
        "checkpoint_steps": history.checkpoint_steps,
        "mask": history.mask,
        "correct": history.correct,
    }
    arrays |= {f"metric/{name}": values for name, values in history.traces.items()}
    arrays |= {f"norm/{name}": values for name, values in history.norms.items()}
    arrays |= {f"weights/{name}": values for name, values in history.checkpoints.items()}
    with replacing(path) as fresh:
        np.savez(fresh, **arrays)
        share(fresh, store)
        sync(fresh)
    sync(Path(os.path.realpath(path)).parent)


def sync(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    if path.is_dir() and os.name == "nt":  # where folders cannot be opened
        return
    number = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def check_there(path: Path, key: str, metrics: Sequence[str] = ()) -> None:
    """TracesError unless there is a regular file with something in it: quick."""
    try:
        known = path.stat()
    except FileNotFoundError:
        found = f"damaged: {path} is a link without its target" if path.is_symlink() else f"gone: {path}"
        raise TracesError(found) from None
    except OSError as error:
        raise TracesError(f"damaged: {path}: {error.strerror}") from None
    if not stat.S_ISREG(known.st_mode):
        raise TracesError(f"damaged: {path} is no regular file")
    if known.st_size == 0:
        raise TracesError(f"damaged: {path} is empty")


def check_named(path: Path, key: str, metrics: Sequence[str] = ()) -> None:
    """TracesError unless the file has its end, and names this run: reads little."""
    with _opened(path, key):
        pass


@contextmanager
def _opened(path: Path, key: str) -> Iterator[Any]:
    """The arrays of the file, by name; TracesError if it is not this run's, or raises
    anything while it is read.
    """
    check_there(path, key)
    try:
        with open(path, "rb", opener=_at_once) as opened, np.load(opened, allow_pickle=False) as file:
            if str(file["key"]) != key:
                raise TracesError(f"damaged: {path} has the traces of another run")
            yield file
    except DAMAGED as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        found = f"{path} is no file of traces that this program wrote: {reason}"
        raise TracesError(f"damaged: {found}") from None


def _at_once(path: str, flags: int) -> int:
    """Open a file without waiting, should it have become a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_traces(path: Path, key: str, metrics: Sequence[str]) -> Traces:
    """The traces of the run with this key, which has these metrics.

    Raises:
        TracesError: the file does not hold this run, or not all of it.
    """
    with _opened(path, key) as file:
        arrays = {name: file[name] for name in file.files}
        named = {
            kind: {name.removeprefix(kind): arrays[name] for name in arrays if name.startswith(kind)}
            for kind in ("metric/", "norm/", "weights/")
        }
        looks = [arrays["steps"], *(named["metric/"][name] for name in metrics), *named["norm/"].values()]
        if any(values.shape != (len(arrays["steps"]),) for values in looks):
            raise ValueError("its metrics have other lengths than its steps")
        if any(len(values) != len(arrays["checkpoint_steps"]) for values in named["weights/"].values()):
            raise ValueError("it has other checkpoints than it says")
        return Traces(
            steps=arrays["steps"],
            metrics=named["metric/"],
            norms=named["norm/"],
            checkpoint_steps=arrays["checkpoint_steps"],
            checkpoints=named["weights/"],
            mask=arrays["mask"],
            correct=arrays["correct"],
        )
