"""What families share whose data are samples of which some are trained on: checks of
batches and looks, batches as numbers of samples, means over both parts, the norm that
weights are held at, the steps of checkpoints.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neural.config import ConfigError


def check_looks(config: Any) -> None:
    """See that a run may be looked at every `look_every` of its `budget` updates, and
    that its `batch_size`, if it has one, is none too large.

    Raises:
        ConfigError: it may not.
    """
    size = getattr(config, "batch_size", None)
    if size is not None and size > config.n_train:
        raise ConfigError(f"`batch_size` must be at most n_train = {config.n_train}, but is {size}.")
    if config.look_every < 2:
        raise ConfigError(f"`look_every` must be an integer of at least 2, but is {config.look_every}.")
    if config.budget % config.look_every:
        raise ConfigError(f"`budget` must be a multiple of look_every = {config.look_every}, but is {config.budget}.")


def index_batches(
    trained: NDArray[np.int64], size: int | None, stream: np.random.SeedSequence
) -> Iterator[NDArray[np.int64]] | None:
    """Batches of one size without end, from epochs in random order; one may hold the
    end of an epoch and the beginning of the next. None without a size: all updates
    descend on all samples.
    """
    return None if size is None else _batches(trained, size, np.random.default_rng(stream))


def _batches(trained: NDArray[np.int64], size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    waiting = np.zeros(0, dtype=np.int64)
    while True:
        while len(waiting) < size:
            waiting = np.concatenate([waiting, rng.permutation(trained)])
        yield waiting[:size]
        waiting = waiting[size:]


def means_of_parts(values: Tensor, mask: Tensor) -> list[Tensor]:
    """Of values (R, N): the means (R,) over the samples that `mask` (R, N) has at 1,
    and over the others; 0/0 = nan where there are none.
    """
    return [(values * part).sum(1) / part.sum(1) for part in (mask, 1 - mask)]


def initial_norm(model: nn.Module) -> float:
    """Euclidean norm of all weights together, in float64, as long as the run's numbers
    may be.
    """
    with torch.no_grad():
        return float(torch.stack([value.double().square().sum() for value in model.parameters()]).sum().sqrt())


def logarithmic(look_every: int, budget: int, per_octave: int) -> NDArray[np.int64]:
    """0 and about `per_octave` looks an octave up to the budget; 0 alone without."""
    if not per_octave:
        return np.zeros(1, np.int64)
    n = round(per_octave * np.log2(max(budget / look_every, 1))) + 1
    looks = np.geomspace(look_every, budget, max(n, 1)) / look_every
    return np.concatenate([[0], np.unique(np.round(looks).astype(np.int64)) * look_every])
