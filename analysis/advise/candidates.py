"""What can be advised: learning rates, a warm-up and a decay of the decoder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from itertools import product

from neural import RunConfig


@dataclass(frozen=True)
class Candidate:
    """One way to train.

    repr_lr, decoder_lr, decoder_warmup, decoder_wd: as in `RunConfig`.
    """

    repr_lr: float
    decoder_lr: float
    decoder_warmup: int
    decoder_wd: float

    def applied_to(self, config: RunConfig) -> RunConfig:
        """The run, trained in this way: training set, targets and all initial weights
        stay.
        """
        return replace(config, **asdict(self))


DEFAULT = Candidate(RunConfig.repr_lr, RunConfig.decoder_lr, RunConfig.decoder_warmup, RunConfig.decoder_wd)


def grid(
    repr_lr: Iterable[float], decoder_lr: Iterable[float], warmup: Iterable[float], decoder_wd: Iterable[float]
) -> list[Candidate]:
    """All combinations, after the default rates; warm-ups in units of 1/repr_lr, the
    time in which embeddings sort themselves.
    """
    made = (Candidate(r, d, round(w / r), k) for r, d, w, k in product(repr_lr, decoder_lr, warmup, decoder_wd))
    return list(dict.fromkeys((DEFAULT, *made)))
