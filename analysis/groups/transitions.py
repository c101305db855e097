"""What the theory says of groups whose elements are matrices: how many random samples
leave no degree of freedom beside the symmetries, and from how many on the effective
flow ends at a good representation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

import efftheory as et
from analysis._pieces import Piece, chunks
from efftheory.constants import RQI_THRESHOLD

GROUPS: dict[str, Callable[[], et.Operation]] = {
    **{f"s{n}": partial(et.symmetric_group, n) for n in (2, 3, 4)},
    **{f"d{n}": partial(et.dihedral_group, n) for n in (3, 4, 5, 6)},
}
FLOWS_OF = "s3"  # of other groups a flow takes too long
DIMENSIONS = (2, 3)  # of its matrices
PAPER_FRACTION = 0.5
APART = 0.5  # mean square difference, in units of the mean square entry: what RQI takes for different
_HORIZON = 1000.0  # in units of Z0, as `et.time_to_rqi` has it
_RTOL = 1e-8  # of the solver: at 1e-10 and 1e-6 the same flows end well
_DRAWS, _STARTS = 50, 10  # in one piece


@dataclass(frozen=True)
class Transition:
    """How a share of random training sets, or of flows, rises with the size of the set.

    Attributes:
        draws: how many training sets, or flows, the shares of each size are of.
        critical_fraction: the fraction |D|/|D0| at which the share is 1/2, on straight
            lines between the sizes; None: more than all samples would be needed.
        interval: within which the bands cross 1/2, (2,); None as before.
        sizes: |D|, (n,), ascending; the lists below go with it.
        fractions: |D|/|D0|, (n,).
        shares: of `draws`, (n,).
        intervals: exact binomial ones at 95 %, (n, 2).
    """

    draws: int
    critical_fraction: float | None
    interval: list[float | None]
    sizes: list[int]
    fractions: list[float]
    shares: list[float]
    intervals: list[list[float]]


@dataclass(frozen=True)
class Symmetries:
    """Degrees of freedom that no sample determines.

    Attributes:
        all: their number, d^2, the sum of the others.
        conjugation: those that move the matrices of the representation.
        centraliser: those that commute with all of them. Its dimension is the mean over
            the group of the squared number of fixed corners (of the character).
    """

    all: int
    conjugation: int
    centraliser: int


@dataclass(frozen=True)
class Group:
    """A group, and how often random training sets leave nothing but the symmetries.

    Attributes:
        group: its name in GROUPS.
        elements: how many, p.
        d: its elements are permutation matrices d x d.
        n_samples: |D0| = p^2.
        n_parallelograms: |P0|.
        unknowns: p d^2.
        symmetries: what no sample determines of them.
        enough_equations: the fraction (2p - 1)/p^2 of the samples, which has enough of
            them once every result has been seen.
        transition: the share of training sets that leave nothing else, for sizes 0 to
            n_samples. report.json has its fields beside these.
    """

    group: str
    elements: int
    d: int
    n_samples: int
    n_parallelograms: int
    unknowns: int
    symmetries: Symmetries
    enough_equations: float
    transition: Transition


@dataclass(frozen=True)
class Flow:
    """How often the effective flows of matrices d x d end well, for the group FLOWS_OF.

    Attributes:
        d: of the matrices.
        good: how many flows end at RQI > 0.95, (n,), in the order of the sizes.
        good_and_apart: in how many of these all elements are further than APART from
            each other, (n,).
        median_nearest: over the good flows, the mean square difference of the two
            nearest elements in units of the mean square entry, (n,); None: no flow
            is good.
        transition: the share of good flows. report.json has its fields beside these.
    """

    d: int
    good: list[int]
    good_and_apart: list[int]
    median_nearest: list[float | None]
    transition: Transition


def unique_pieces(name: str, draws: int, seed: int) -> list[Piece]:
    """Thresholds of at least `draws` random orders of a group's samples."""
    number = list(GROUPS).index(name)
    op = GROUPS[name]()
    unknowns = et.permutation_representation(op).size
    cost = _DRAWS * (1e-3 + 1e-9 * unknowns**3)
    return [
        Piece(f"unique {name}, seed {seed}, {chunk}", _thresholds, (name, (seed, 0, number, chunk)), cost)
        for chunk in chunks(draws, _DRAWS)
    ]


def _thresholds(name: str, stream: tuple[int, ...]) -> list[int]:
    return et.linear_thresholds(GROUPS[name](), _DRAWS, np.random.default_rng(stream)).tolist()


def flow_pieces(d: int, size: int, flows: int, seed: int) -> list[Piece]:
    """Where the flow ends from at least `flows` random starts, each with a random
    training set of this size.
    """
    return [
        Piece(
            f"flow d = {d}, n = {size}, seed {seed}, {chunk}",
            _ends,
            (d, size, (seed, 1, d, size, chunk)),
            _STARTS * 0.04 * d,
        )
        for chunk in chunks(flows, _STARTS)
    ]


def _ends(d: int, size: int, stream: tuple[int, ...]) -> list[tuple[float, float]]:
    op, rng = GROUPS[FLOWS_OF](), np.random.default_rng(stream)
    return [
        end_of_flow(op, op.random_training_set(size, rng), rng.uniform(-1, 1, (op.n_symbols, d, d)))
        for _ in range(_STARTS)
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


def half_point(sizes: Sequence[float], shares: Sequence[float]) -> float | None:
    """The size, a real number, at which a share that should rise first is 1/2, on
    straight lines between the sizes; None: it does not.
    """
    rising = np.maximum.accumulate(shares)
    if rising[-1] < 0.5:
        return None
    above = int(np.argmax(rising >= 0.5))
    if above == 0:
        return float(sizes[0])
    low, high = rising[above - 1], rising[above]
    return float(sizes[above - 1] + (sizes[above] - sizes[above - 1]) * (0.5 - low) / (high - low))


def transition(sizes: Sequence[int], counts: Sequence[int], draws: int, n_samples: int) -> Transition:
    """Of `counts` among `draws` at each of `sizes`, of n_samples samples."""
    shares = [et.proportion(int(count), draws) for count in counts]
    values, lows, highs = ([*column] for column in zip(*((s.value, *s.interval) for s in shares), strict=True))
    points = (half_point(sizes, column) for column in (values, highs, lows))
    middle, early, late = (None if point is None else point / n_samples for point in points)
    return Transition(
        draws=draws,
        critical_fraction=middle,
        interval=[early, late],
        sizes=[*sizes],
        fractions=[size / n_samples for size in sizes],
        shares=values,
        intervals=[[low, high] for low, high in zip(lows, highs, strict=True)],
    )


def group_entry(name: str, thresholds: Sequence[int]) -> Group:
    """A group's numbers, from the sizes at which random orders of its samples left
    nothing but the symmetries.
    """
    op = GROUPS[name]()
    rho = et.permutation_representation(op)
    p, d = rho.shape[:2]
    centraliser = int((np.trace(rho, axis1=1, axis2=2) ** 2).mean())
    sizes = range(op.n_samples + 1)
    counts = np.searchsorted(np.sort(thresholds), sizes, side="right").tolist()
    return Group(
        group=name,
        elements=p,
        d=d,
        n_samples=op.n_samples,
        n_parallelograms=et.count_parallelograms(op),
        unknowns=p * d**2,
        symmetries=Symmetries(all=d**2, conjugation=d**2 - centraliser, centraliser=centraliser),
        enough_equations=(2 * p - 1) / op.n_samples,
        transition=transition(sizes, counts, len(thresholds), op.n_samples),
    )


def flow_entry(d: int, ends: dict[int, list[tuple[float, float]]]) -> Flow:
    """The numbers of the flows of matrices d x d, from their `end_of_flow` by size."""
    good = {size: [apart for rqi, apart in found if rqi > RQI_THRESHOLD] for size, found in ends.items()}
    n_samples = GROUPS[FLOWS_OF]().n_samples
    (flows,) = {len(found) for found in ends.values()}
    return Flow(
        d=d,
        good=[len(nearest) for nearest in good.values()],
        good_and_apart=[sum(apart > APART for apart in nearest) for nearest in good.values()],
        median_nearest=[float(np.median(nearest)) if nearest else None for nearest in good.values()],
        transition=transition([*ends], [len(nearest) for nearest in good.values()], flows, n_samples),
    )
