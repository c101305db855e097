"""What is drawn: random orders of the samples of an operation, and flows from random
matrices. Chunks of draws are kept, and each has a random stream of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

import efftheory as et
from analysis.counting.bounds import bounds_draw

GROUPS: dict[str, Callable[[], et.Operation]] = {
    **{f"s{n}": partial(et.symmetric_group, n) for n in (2, 3, 4)},
    **{f"d{n}": partial(et.dihedral_group, n) for n in (3, 4, 5, 6)},
}
FLOWS_OF = "s3"  # of other groups a flow takes too long
_HORIZON = 1000.0  # in units of Z0, as `et.time_to_rqi` has it
_RTOL = 1e-8  # of the solver: at 1e-10 and 1e-6 the same flows end well


def of_addition(p: int, seed: int, n: int, k: int) -> list[int]:
    """Thresholds: from how many samples on each of n random orders of the samples of p
    symbols leaves only the linear representation.
    """
    return et.linear_thresholds(et.addition(p), n, np.random.default_rng((seed, p, k, 0))).tolist()


def of_bounds(p: int, seed: int, n: int, k: int) -> list[tuple[int, int, bool]]:
    """What decides in n others: see `bounds_draw`."""
    op, rng = et.addition(p), np.random.default_rng((seed, p, k, 1))
    return [bounds_draw(op, rng) for _ in range(n)]


def of_group(name: str, seed: int, n: int, k: int) -> list[int]:
    """Thresholds of n random orders of a group's samples."""
    rng = np.random.default_rng((seed, 0, list(GROUPS).index(name), k))
    return et.linear_thresholds(GROUPS[name](), n, rng).tolist()


def of_flows(d: int, size: int, seed: int, n: int, k: int) -> list[tuple[float, float]]:
    """`end_of_flow` of n random starts, d x d matrices uniform in [-1, 1], each with a
    random training set of this size.
    """
    op, rng = GROUPS[FLOWS_OF](), np.random.default_rng((seed, 1, d, size, k))
    return [
        end_of_flow(op, op.random_training_set(size, rng), rng.uniform(-1, 1, (op.n_symbols, d, d))) for _ in range(n)
    ]


def end_of_flow(op: et.Operation, mask: NDArray[np.bool_], E0: NDArray[np.float64]) -> tuple[float, float]:
    """RQI at the end of the flow from E0, and how far its two nearest elements are
    apart (mean square difference of their matrices, in units of the mean square entry);
    nan where the solver gave up.
    """
    end = et.flow(op, mask, E0, [0.0, _HORIZON * (E0**2).sum()], rtol=_RTOL)
    E = end.E[-1] / np.sqrt((end.E[-1] ** 2).mean())
    a, b = np.triu_indices(len(E), 1)
    return float(end.rqi[-1]), float(((E[a] - E[b]) ** 2).mean(axis=(1, 2)).min())
