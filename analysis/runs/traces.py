"""What of a run is too large for a table: full traces and checkpoints, one .npz a run
in a folder beside the store.

Nothing in them is unpickled. Each names its run by the key that the run has in the
store.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neural import History
from neural._files import replacing, sync


class TracesError(Exception):
    """A file of traces is missing, or is none of this run."""


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
    """Make the folder of traces; who may write the store may write it."""
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


def write_traces(path: Path, key: str, history: History, store: Path) -> None:
    """Write a run's traces to the disk; an old file stays whole until the new one is
    there.
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
    with replacing(path, synced=True) as fresh:
        np.savez(fresh, **arrays)
        share(fresh, store)


def read_traces(path: Path, key: str, metrics: Sequence[str]) -> Traces:
    """The traces of the run with this key, which has these metrics.

    Raises:
        TracesError: the file does not hold this run, or not all of it.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        if str(arrays.pop("key")) != key:
            raise TracesError(f"{path} has the traces of another run")
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
    except (KeyError, ValueError, TypeError, OSError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise TracesError(f"{path} is no file of traces that this program wrote: {reason}") from None
