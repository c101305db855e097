"""What families share whose data are samples of which some are trained on: training
sets in writing, checks of batches and looks, batches as numbers of samples, means over
both parts, the norm that weights are held at, the steps of checkpoints.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from neural.config import ConfigError

HEXADECIMAL = "[1-9a-f][0-9a-f]*"


def write_samples(mask: ArrayLike) -> str:
    """`samples` of a configuration for a training set, bool (N,)."""
    return f"{int.from_bytes(np.packbits(np.asarray(mask, bool), bitorder='little').tobytes(), 'little'):x}"


def read_samples(samples: str, n_samples: int) -> NDArray[np.bool_]:
    """The training set, bool (n_samples,), that `samples` (not empty) stands for."""
    content = int(samples, 16).to_bytes(-(-n_samples // 8), "little")
    return np.unpackbits(np.frombuffer(content, np.uint8), count=n_samples, bitorder="little").astype(np.bool_)


def count_samples(samples: Any, n_samples: int, p: int) -> int:
    """How many samples of `n_samples` a training set in writing has. There is one way
    to write it: two equal sets are one configuration.

    Raises:
        ConfigError: it is no hexadecimal number, or has other samples.
    """
    if not isinstance(samples, str) or not re.fullmatch(HEXADECIMAL, samples):
        form = "a hexadecimal number in lower case, without 0x or leading zeros"
        raise ConfigError(f"`samples` must be {form}, but is {samples!r}.")
    bits = int(samples, 16)
    if bits.bit_length() > n_samples:
        raise ConfigError(
            f"`samples` must have bits for the {n_samples} samples of p = {p} only, 0 to {n_samples - 1}, but has bit "
            f"{bits.bit_length() - 1}."
        )
    return bits.bit_count()


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
