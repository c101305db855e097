"""The loop: runs enter the lanes of an ensemble, leave them when nothing is left to
measure, and the next ones enter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm.auto import tqdm

from neural.config import ConfigError, shape
from neural.counting import count
from neural.ensemble import Ensemble
from neural.families import family_of
from neural.family import Family, Start
from neural.foreign import explained
from neural.history import History

# Updates between two visits of the loop to the lanes where runs are evaluated at every
# step: measurements stay on the device in between. Runs enter and leave only then.
# (Others are visited at every evaluation.)
CHUNK = 50

# Compiling takes about 10 s and halves the time of a step. Whether it is done depends
# on the run alone, not on how many there are: the two differ in the last bits, and a
# sweep that goes on must go on with the same numbers (of one machine: another processor
# rounds otherwise anyway).
COMPILE_FROM = 1_000

# One lane takes other code paths in the matrix products than several do, and so rounds
# otherwise: with two at least, a run's numbers do not depend on its company.
MIN_LANES = 2
# More lanes share the cost of a call, which eight have made small (docs/engine.md); but
# a few wide networks are better than many whose weights and optimiser state do not fit
# into a cache. A GPU needs many to be filled.
MAX_LANES = {"cpu": 8, "cuda": 256}
CACHE_BYTES = 8 * 2**20
# At the end of a plan lanes fall idle. To go on with fewer takes another compilation,
# which so many steps pay for.
NARROW_FROM = 15_000


def resolve_device(device: str) -> str:
    """ "auto" is cuda where there is one, else cpu."""
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise ConfigError("`device` must be one that is here, but this torch sees no CUDA device.")
    if device not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"`device` must be one of auto, cpu, cuda, but is {device!r}.")
    return ("cuda" if available else "cpu") if device == "auto" else device


def default_lanes(config: Any, device: str) -> int:
    """How many runs like `config` should advance together: by the size of a cache, or
    of the GPU's free memory.
    """
    held = 4 * count(config).n_parameters * (8 if config.dtype == "float64" else 4)  # weights, gradients, two moments
    room = CACHE_BYTES if device == "cpu" else torch.cuda.mem_get_info()[0] // 4
    return max(MIN_LANES, min(MAX_LANES[device], room // held))


def train_runs(
    configs: Iterable[Any],
    device: str = "auto",
    lanes: int | None = None,
    compiled: bool | None = None,
    on_work: Callable[[float], object] = lambda operations: None,
    progress: bool = False,
) -> Iterator[History]:
    """Train runs, any number at once, and yield each as it finishes.

    Neighbours of one family and shape (`neural.config.shape`) share an ensemble;
    another one waits until that has ended. On a CPU torch has one thread until all are
    trained: two processes with an ensemble each beat two threads on one.

    Args:
        configs: the runs; taken from the iterable only when a lane is free.
        device: auto, cpu or cuda.
        lanes: how many advance together; None for what suits the device.
        compiled: compile the step; None for runs with a budget from COMPILE_FROM on, of
            families that are worth it.
        on_work: called now and then with the floating-point operations by which the
            plan has come nearer to its end: those of the steps trained, and, when a run
            retires, of the rest of its budget. (Steps of one family may cost a hundred
            times those of another.)
        progress: show a bar of steps, of all budgets together; takes all of `configs`
            from the iterable at once.

    Raises:
        ConfigError: an unknown or absent device.
    """
    device = resolve_device(device)

    def kind(config: Any) -> tuple[type[Family], tuple[object, ...], bool]:
        worth = family_of(config).COMPILES and config.budget >= COMPILE_FROM
        return family_of(config), shape(config), worth if compiled is None else compiled

    total = None
    if progress:
        configs = list(configs)
        total = sum(config.budget for config in configs)
    threads = torch.get_num_threads()
    if device == "cpu":  # a run's bits depend on it, and what is compiled for two may crash
        torch.set_num_threads(1)
    try:
        with tqdm(total=total, unit="step", smoothing=0, disable=not progress) as bar:
            for (family, _, compile_step), group in groupby(configs, key=kind):
                with explained(family):
                    yield from _train_group(group, device, lanes, compile_step, on_work, bar.update)
    finally:
        torch.set_num_threads(threads)


def train_run(config: Any, device: str = "cpu", compiled: bool = False) -> History:
    """Train a single run."""
    return next(train_runs([config], device=device, compiled=compiled))


def _train_group(
    configs: Iterator[Any],
    device: str,
    lanes: int | None,
    compiled: bool,
    on_work: Callable[[float], object],
    on_steps: Callable[[int], object],
) -> Iterator[History]:
    leader = next(configs)
    family = family_of(leader)
    first = [leader, *islice(configs, (lanes or default_lanes(leader, device)) - 1)]
    # a lone run has an idle copy beside it: see MIN_LANES
    lanes_of = first + first[: max(MIN_LANES - len(first), 0)]
    starts = [family.start(config) for config in lanes_of]
    ensemble = Ensemble(family, starts, lanes_of, device, compiled)
    running: list[Recorder | None] = [Recorder(config, start) for config, start in zip(first, starts, strict=False)]
    narrow_from = NARROW_FROM if compiled else 1
    apart = leader.look_every > 1
    measured = _measured(ensemble, not apart)
    while True:
        for lane, recorder in enumerate(running):
            if recorder is None:
                continue
            recorder.add(measured, lane, ensemble)
            steps = recorder.progress()
            on_work(steps * recorder.cost)
            on_steps(steps)
            if not recorder.finished:
                continue
            yield recorder.history(ensemble.compiled)
            running[lane] = None  # an idle lane steps on unwatched
            for config in islice(configs, 1):
                start = family.start(config)
                ensemble.load(lane, config, start)
                running[lane] = Recorder(config, start)
        busy = {lane: recorder for lane, recorder in enumerate(running) if recorder is not None}
        if not busy:
            return
        left = max(recorder.steps_left for recorder in busy.values())
        if left >= narrow_from and max(2 * len(busy), MIN_LANES + 1) <= ensemble.lanes:
            idle = [lane for lane in range(ensemble.lanes) if lane not in busy]
            kept = [*busy, *idle[: max(MIN_LANES - len(busy), 0)]]
            ensemble.keep(kept)
            running = [running[lane] for lane in kept]
        if apart:
            entered = [(lane, new) for lane, new in enumerate(running) if new is not None and new.is_new]
            measured = _measured(ensemble, not apart) if entered else measured
            for lane, recorder in entered:
                recorder.add(measured, lane, ensemble)
            ensemble.advance(leader.look_every)
        measured = _measured(ensemble, not apart)


class Measured(NamedTuple):
    """The lanes' next L states: of CHUNK states, through which the lanes advance, or of
    the state that they are in. Norms, of each tensor of weights, are of the latter
    only.
    """

    metrics: NDArray  # (R, L, M)
    correct: NDArray  # (R, L, N)
    kept: dict[str, NDArray]  # (R, L, ...) each
    norms: dict[str, NDArray]  # (R, L) each


def _measured(ensemble: Ensemble, together: bool) -> Measured:
    n, names, wholes = CHUNK if together else 1, [], []
    for state in range(n):
        metrics, correct, kept = ensemble.step() if together else ensemble.evaluate()
        names, parts = list(kept), (metrics, correct, *kept.values())
        # copied at once: small tensors that stay between large ones would keep memory
        # from being used again
        wholes = wholes or [part.new_empty(len(part), n, *part.shape[1:]) for part in parts]
        for whole, part in zip(wholes, parts, strict=True):
            whole[:, state] = part
    metrics, correct, *rest = (whole.cpu().numpy() for whole in wholes)
    norms = {} if together else {name: value[:, None].cpu().numpy() for name, value in ensemble.norms().items()}
    return Measured(metrics, correct, dict(zip(names, rest, strict=True)), norms)


class Recorder:
    """Collects what is seen of one run, and knows when the run is finished."""

    def __init__(self, config: Any, start: Start):
        self._config, self._start, self._every = config, start, config.look_every
        self._family = family_of(config)
        self.cost = count(config).operations  # of a step
        self._due = set(self._family.checkpoints(config).tolist())
        self._metrics = np.zeros((0, 0))  # (states, M), allocated as the first come
        self._norms: list[dict[str, NDArray]] = []
        self._checkpoints: dict[int, dict[str, NDArray]] = {}
        self._correct = np.zeros(0, dtype=np.bool_)
        self._states = 0  # how many have been evaluated, the initial one included
        self._reported = 0
        self.finished = False
        self._retired = False

    def add(self, measured: Measured, lane: int, ensemble: Ensemble) -> None:
        """The next states, of a lane. What is kept of them goes to the checkpoints, or
        all weights as they are where there is one state.
        """
        metrics = measured.metrics[lane]
        first, states = self._states, self._config.budget // self._every + 1
        n = min(len(metrics), states - first)
        if self.is_new:
            self._metrics = np.empty((states, metrics.shape[1]), metrics.dtype)
        self._metrics[first : first + n] = metrics[:n]
        self._norms.append({name: values[lane] for name, values in measured.norms.items()})
        self._states += n
        # a run at constant norm is a point of a landscape, trained to its budget
        may_retire = self._start.radius == 0 and self.steps_left > 0
        self._retired = may_retire and self._family.settled(self._traces())
        self.finished = self._retired or self.steps_left < self._every
        for state in range(n):
            step = (first + state) * self._every
            if step in self._due or (self.finished and state == n - 1):
                kept = {name: values[lane, state].copy() for name, values in measured.kept.items()}
                self._checkpoints[step] = kept if self._every == 1 else ensemble.weights(lane)
        if self.finished:
            self._correct = measured.correct[lane, n - 1].copy()

    def _traces(self) -> dict[str, NDArray]:
        values = self._metrics[: self._states].T
        return {metric.name: column for metric, column in zip(self._family.METRICS, values, strict=True)}

    @property
    def is_new(self) -> bool:
        """Whether nothing has been seen of the run yet."""
        return self._states == 0

    @property
    def steps_left(self) -> int:
        """Of the budget, after the last state that was seen."""
        return self._config.budget - (self._states - 1) * self._every

    def progress(self) -> int:
        """Steps since the last call, counting the whole budget once finished."""
        done = self._config.budget if self.finished else self._states * self._every
        steps, self._reported = done - self._reported, done
        return steps

    def history(self, compiled: bool) -> History:
        steps = sorted(self._checkpoints)
        names = self._checkpoints[steps[0]]
        return History(
            config=self._config,
            mask=self._start.mask,
            steps=np.arange(self._states) * self._every,
            traces={name: values.copy() for name, values in self._traces().items()},
            norms={name: np.concatenate([part[name] for part in self._norms]) for name in self._norms[0]},
            checkpoint_steps=np.array(steps),
            checkpoints={name: np.array([self._checkpoints[step][name] for step in steps]) for name in names},
            correct=self._correct,
            retired=self._retired,
            compiled=compiled,
        )
