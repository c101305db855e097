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
from neural.models import draw, n_parameters, task

# Steps between two looks at the lanes: measurements stay on the device in between. Runs enter and leave only
# then.
CHUNK = 50
MAX_SNAPSHOTS = 200

# Compiling takes about 10 s and halves the time of a step. Whether it is done hangs on the run alone, not on how many
# there are: the two differ in the last bits, and a sweep that goes on must go on with the same numbers (of one machine:
# another processor rounds otherwise anyway).
COMPILE_FROM = 1_000

# One lane takes other code paths in the matrix products than several do, and so rounds otherwise: with two at least, a
# run's numbers do not depend on its company.
MIN_LANES = 2
# More lanes share the cost of a call, which eight have made small (docs/engine.md); but a few wide networks are better
# than many whose weights and optimiser state do not fit into a cache. A GPU needs many to be filled.
MAX_LANES = {"cpu": 8, "cuda": 256}
CACHE_BYTES = 8 * 2**20
# At the end of a plan lanes fall idle. To go on with fewer takes another compilation, which so many steps pay for.
NARROW_FROM = 15_000


def resolve_device(device: str) -> str:
    """ "auto" is cuda where there is one, else cpu."""
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise ConfigError("`device` must be one that is here, but this torch sees no CUDA device.")
    if device not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"`device` must be one of auto, cpu, cuda, but is {device!r}.")
    return ("cuda" if available else "cpu") if device == "auto" else device


def default_lanes(config: RunConfig, device: str) -> int:
    """How many runs like `config` should advance together: by the size of a cache, or of the GPU's free memory."""
    held = 4 * n_parameters(config) * (8 if config.dtype == "float64" else 4)  # weights, gradients, two moments
    room = CACHE_BYTES if device == "cpu" else torch.cuda.mem_get_info()[0] // 4
    return max(MIN_LANES, min(MAX_LANES[device], room // held))


def train_runs(
    configs: Iterable[RunConfig],
    device: str = "auto",
    lanes: int | None = None,
    compiled: bool | None = None,
    on_steps: Callable[[int], object] = lambda n: None,
) -> Iterator[History]:
    """Train runs, any number at once, and yield each as it finishes.

    Neighbours of one shape (`RunConfig.shape`) share an ensemble; another shape waits until that has ended.

    Args:
        configs: the runs; taken from the iterable only when a lane is free.
        device: auto, cpu or cuda.
        lanes: how many advance together; None for what suits the device.
        compiled: compile the step; None for runs with a budget from COMPILE_FROM on.
        on_steps: called now and then with the number of run-steps that the plan has come nearer to its end:
            steps trained, and, when a run retires, the rest of its budget.

    Raises:
        ConfigError: an unknown or absent device.
    """
    device = resolve_device(device)

    def kind(config: RunConfig) -> tuple[tuple[object, ...], bool]:
        return config.shape(), config.budget >= COMPILE_FROM if compiled is None else compiled

    for (_, compile_step), group in groupby(configs, key=kind):
        yield from _train_group(group, device, lanes, compile_step, on_steps)


def train_run(config: RunConfig, device: str = "cpu", compiled: bool = False) -> History:
    """Train a single run."""
    return next(train_runs([config], device=device, compiled=compiled))


def _train_group(
    configs: Iterator[RunConfig],
    device: str,
    lanes: int | None,
    compiled: bool,
    on_steps: Callable[[int], object],
) -> Iterator[History]:
    leader = next(configs)
    first = [leader, *islice(configs, (lanes or default_lanes(leader, device)) - 1)]
    starts = [draw(config) for config in first]
    running: list[Recorder | None] = [Recorder(config, start.mask) for config, start in zip(first, starts, strict=True)]
    # a lone run has an idle copy beside it: see MIN_LANES
    n_copies = max(MIN_LANES - len(first), 0)
    idle = [draw(config) for config in first[:n_copies]]
    ensemble = Ensemble(task(first[0]), starts + idle, first + first[:n_copies], device, compiled)
    narrow_from = NARROW_FROM if compiled else 1
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
            yield recorder.history(ensemble.compiled)
            config = next(configs, None)
            running[lane] = None  # an idle lane steps on unwatched
            if config is not None:
                start = draw(config)
                ensemble.load(lane, config, start)
                running[lane] = Recorder(config, start.mask)
        busy = [lane for lane, recorder in enumerate(running) if recorder is not None]
        left = max((recorder.steps_left for recorder in running if recorder is not None), default=0)
        if left >= narrow_from and max(2 * len(busy), MIN_LANES + 1) <= ensemble.lanes:
            idle = [lane for lane in range(ensemble.lanes) if lane not in busy]
            kept = busy + idle[: max(MIN_LANES - len(busy), 0)]
            ensemble.keep(kept)
            running = [running[lane] for lane in kept]


class Recorder:
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

    @property
    def steps_left(self) -> int:
        """Of the budget."""
        return self._config.budget + 1 - self._states

    def progress(self) -> int:
        """Run-steps since the last call, counting the whole budget once finished."""
        done = self._config.budget if self.finished else self._states
        step, self._reported = done - self._reported, done
        return step

    def history(self, compiled: bool) -> History:
        columns = dict(zip(METRICS, np.concatenate(self._metrics).T, strict=True))
        return History(
            config=self._config,
            mask=self._mask,
            snapshot_steps=np.array(list(self._snapshots)),
            snapshots=np.array(list(self._snapshots.values()), dtype=np.float64),
            correct=self._correct,
            retired=self._retired,
            compiled=compiled,
            **columns,
        )
