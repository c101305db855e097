"""What training a run costs, counted rather than written down: one update and one
evaluation pass over tensors without numbers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from neural.config import shape
from neural.ensemble import Ensemble
from neural.families import family_of
from neural.foreign import check_layers, explained, source_of


@dataclass(frozen=True)
class Count:
    """Of one run.

    Attributes:
        n_parameters: numbers that are trained.
        operations: floating-point operations of one update and its share of an
            evaluation: two a multiplication in a product of matrices, 14 a parameter
            for AdamW.
        product: rows, inner size and columns of the products that most of an update is
            in.
    """

    n_parameters: int
    operations: float
    product: tuple[int, int, int]


_USUAL = (64, 64, 64)  # a product as good as any, where there is none
_COUNTS: dict[object, Count] = {}  # by configuration type and shape, on which alone it depends


def count(config: Any) -> Count:
    """The cost of a run; a tenth of a second for the first of each shape.

    Raises:
        ConfigError: the data that it is trained on is not there.
    """
    family = family_of(config)
    known = (family, shape(config))
    if known not in _COUNTS:
        with explained(family):
            start = family.start(config)
        if source_of(family) is not None:
            check_layers(start.model)
        n = sum(value.numel() for value in start.model.parameters())
        try:
            ensemble = Ensemble(family, [start], [config], "meta", compiled=False)
            update = _products(ensemble.step if config.look_every == 1 else lambda: ensemble.advance(1))
            apart = 0 if config.look_every == 1 else _products(ensemble.evaluate).total() / config.look_every
        except Exception:
            if source_of(family) is None:
                raise
            # LSTMs need numbers; what is wrong with a network, training says
            update: Counter[tuple[int, int, int]] = Counter({_USUAL: 6 * n * len(start.batch)})
            apart = 2 * n * len(start.mask) / config.look_every
        _COUNTS[known] = Count(n, update.total() + apart + 14 * n, max(update, key=update.__getitem__))
    return _COUNTS[known]


def _products(run: Callable[[], object]) -> Counter[tuple[int, int, int]]:
    """The operations of `run` by the shapes of the products that they are in."""
    found: Counter[tuple[int, int, int]] = Counter()

    def operations(first: torch.Size, second: torch.Size, *_: Any, **__: Any) -> int:
        rows, inner, columns = first[-2], *second[-2:]
        done = 2 * math.prod(first) * columns
        found[rows, inner, columns] += done
        return done

    own = {torch.ops.aten.mm: operations, torch.ops.aten.bmm: operations}
    with FlopCounterMode(display=False, custom_mapping=own) as counter:
        run()
    if rest := counter.get_total_flops() - found.total():  # of convolutions, say
        found[_USUAL] += rest
    return found or Counter({_USUAL: 0})
