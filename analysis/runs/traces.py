"""What of a run is too large for a table: full traces and checkpoints, one .npz a run
in a folder beside the store.

Nothing in them is unpickled. Each names its run by the key that the run has in the
store.
"""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neural import History
from neural._files import replacing


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


def traces_path(store: Path, key: str) -> Path:
    """Where the traces of the run with this key are."""
    return store.with_name(store.name + ".traces") / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npz"


def write_traces(path: Path, key: str, history: History) -> None:
    """Write a run's traces; an old file stays whole until the new one is."""
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
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as fresh:
        np.savez(fresh, **arrays)


def read_traces(path: Path, key: str) -> Traces:
    """The traces of the run with this key.

    Raises:
        TracesError: there is no such file, or it does not hold this run.
    """
    if not path.exists():
        raise TracesError(f"the traces of this run are missing ({path}); its row in the store is kept")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        if str(arrays.pop("key")) != key:
            raise TracesError(f"{path} has the traces of another run")
        named = {
            kind: {name.removeprefix(kind): arrays[name] for name in arrays if name.startswith(kind)}
            for kind in ("metric/", "norm/", "weights/")
        }
        return Traces(
            steps=arrays["steps"],
            metrics=named["metric/"],
            norms=named["norm/"],
            checkpoint_steps=arrays["checkpoint_steps"],
            checkpoints=named["weights/"],
            mask=arrays["mask"],
            correct=arrays["correct"],
        )
    except (KeyError, ValueError, OSError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise TracesError(f"{path} is no file of traces that this program wrote: {reason}") from None
