"""Named grids of runs. A grid is a plain list of RunConfig, longest-running first where that is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from neural import RunConfig

# The training-set sizes of the paper's figures 3 to 5 at p = 10, of 55 samples.
PAPER_SIZES = (5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 54)
DEFAULT_SIZES = PAPER_SIZES[3:]


def grid(
    base: RunConfig,
    sizes: Sequence[int],
    seeds: int,
    repr_lrs: Sequence[float],
    decoder_lrs: Sequence[float],
) -> list[RunConfig]:
    """Every combination of training-set size, learning rates and seed 0..seeds-1; smallest sets first.

    Small training sets seldom generalise and so run to the end of their budget: starting with them keeps
    every lane of the last ensembles busy.
    """
    axes = product(sorted(set(sizes)), repr_lrs, decoder_lrs, range(seeds))
    return [
        replace(base, n_train=n, repr_lr=repr_lr, decoder_lr=decoder_lr, seed=seed)
        for n, repr_lr, decoder_lr, seed in axes
    ]


def paper_sizes(seeds: int = 8) -> list[RunConfig]:
    """The runs behind figures 3, 4 and 5: p = 10, d = 1, budget 1e4, all sizes of the paper."""
    base = RunConfig()
    return grid(base, PAPER_SIZES, seeds, [base.repr_lr], [base.decoder_lr])
