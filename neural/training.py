"""The loop: runs enter the lanes of an ensemble, leave them when nothing is left to measure, and the next
ones enter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice

import numpy as np
import torch
from numpy.typing import NDArray

from neural.config import ConfigError, RunConfig
from neural.ensemble import METRICS, Ensemble
from neural.history import RQI_THRESHOLD, History
from neural.models import addition_task, draw

# Steps between two looks at the lanes: measurements stay on the device in between. Runs enter and leave only
# then.
CHUNK = 50
MAX_SNAPSHOTS = 200

# One lane takes other code paths in the matrix products than several do, and so rounds otherwise: with two at least, a
# run's numbers do not depend on its company.
MIN_LANES = 2
# On a CPU the lanes' weights and optimiser state should stay in a core's cache; a GPU needs many to be
# filled.
DEFAULT_LANES = {"cpu": 4, "cuda": 256}


def resolve_device(device: str) -> str:
    """ "auto" is cuda where there is one, else cpu."""
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise ConfigError("`device` must be one that is here, but this torch sees no CUDA device.")
    if device not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"`device` must be one of auto, cpu, cuda, but is {device!r}.")
    return ("cuda" if available else "cpu") if device == "auto" else device


def train_runs(
    configs: Iterable[RunConfig],
    device: str = "auto",
    lanes: int | None = None,
    compiled: bool = True,
    on_steps: Callable[[int], object] = lambda n: None,
) -> Iterator[History]:
    """Train runs, any number at once, and yield each as it finishes.

    Neighbours of one shape (`RunConfig.shape`) share an ensemble; another shape waits until that has ended.

    Args:
        configs: the runs; taken from the iterable only when a lane is free.
        device: auto, cpu or cuda.
        lanes: how many advance together; None for what suits the device.
        compiled: compile the step (10-20 s the first time; three times the speed).
        on_steps: called now and then with the number of run-steps that the plan has come nearer to its end:
            steps trained, and, when a run retires, the rest of its budget.

    Raises:
        ConfigError: an unknown or absent device.
    """
    device = resolve_device(device)
    for _, group in groupby(configs, key=RunConfig.shape):
        yield from _train_group(group, device, DEFAULT_LANES[device] if lanes is None else lanes, compiled, on_steps)


def train_run(config: RunConfig, device: str = "cpu", compiled: bool = False) -> History:
    """Train a single run."""
    return next(train_runs([config], device=device, compiled=compiled))


def _train_group(
    configs: Iterator[RunConfig],
    device: str,
    max_lanes: int,
    compiled: bool,
    on_steps: Callable[[int], object],
) -> Iterator[History]:
    first = list(islice(configs, max_lanes))
    starts = [draw(config) for config in first]
    running: list[_Recorder | None] = [
        _Recorder(config, start.mask) for config, start in zip(first, starts, strict=True)
    ]
    # a lone run has an idle copy beside it: see MIN_LANES
    n_copies = max(MIN_LANES - len(first), 0)
    ensemble = Ensemble(addition_task(first[0]), starts + starts[:n_copies], first + first[:n_copies], device, compiled)
    while any(running):
        steps = [ensemble.step() for _ in range(CHUNK)]
        metrics, embeddings, correct = (
            torch.stack(parts, dim=1).cpu().numpy() for parts in zip(*steps, strict=True)
        )  # (R, CHUNK, ...)
        for lane, recorder in enumerate(running):
            if recorder is None:
                continue
            recorder.add(metrics[lane], embeddings[lane], correct[lane])
            on_steps(recorder.progress())
            if not recorder.finished:
                continue
            yield recorder.history()
            config = next(configs, None)
            running[lane] = None  # an idle lane steps on unwatched until the ensemble ends
            if config is not None:
                start = draw(config)
                ensemble.load(lane, config, start)
                running[lane] = _Recorder(config, start.mask)


class _Recorder:
    """Collects one run's chunks and knows when it is finished."""

    def __init__(self, config: RunConfig, mask: NDArray[np.bool_]):
        self._config, self._mask = config, mask
        self._stride = CHUNK * math.ceil(config.budget / (CHUNK * MAX_SNAPSHOTS))
        self._metrics: list[NDArray] = []
        self._snapshots: dict[int, NDArray] = {}
        self._correct = np.zeros(0, dtype=np.bool_)
        self._states = 0  # how many states have been measured, the initial one included
        self._reported = 0
        self.finished = False
        self._retired = False

    def add(self, metrics: NDArray, embeddings: NDArray, correct: NDArray) -> None:
        kept = min(len(metrics), self._config.budget + 1 - self._states)
        self._metrics.append(metrics[:kept].copy())
        if self._states % self._stride == 0:
            self._snapshots[self._states] = embeddings[0].copy()
        self._states += kept
        self._retired = self._states <= self._config.budget and self._nothing_left()
        self.finished = self._retired or self._states == self._config.budget + 1
        if self.finished:
            self._snapshots[self._states - 1] = embeddings[kept - 1].copy()
            self._correct = correct[kept - 1].copy()

    def _nothing_left(self) -> bool:
        """Every threshold was crossed, and through the last chunk every sample was right and RQI high."""
        train, test, rqi = self._metrics[-1][:, :3].T
        settled = (train == 1).all() and (rqi > RQI_THRESHOLD).all()
        return bool(settled and ((test == 1) | np.isnan(test)).all())

    def progress(self) -> int:
        """Run-steps since the last call, counting the whole budget once finished."""
        done = self._config.budget if self.finished else self._states
        step, self._reported = done - self._reported, done
        return step

    def history(self) -> History:
        columns = dict(zip(METRICS, np.concatenate(self._metrics).T, strict=True))
        return History(
            config=self._config,
            mask=self._mask,
            snapshot_steps=np.array(list(self._snapshots)),
            snapshots=np.array(list(self._snapshots.values()), dtype=np.float64),
            correct=self._correct,
            retired=self._retired,
            **columns,
        )
