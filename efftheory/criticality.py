"""Random training sets: how often the linear representation is unique, and from which
size on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv

from efftheory import _checks
from efftheory import _random_kernels as kernels
from efftheory._records import table
from efftheory._threads import threaded
from efftheory.elimination import DENSE_NULLITY, minor_bits, primes_beyond, sparse_nullity
from efftheory.elimination import primes as random_primes
from efftheory.operations import Operation, Seed, require_operation
from efftheory.representations import unique_thresholds

_CONFIDENCE = 0.95
_CHUNK = 4096  # draws of one random stream


@dataclass(frozen=True)
class Estimate:
    """A Monte Carlo estimate.

    Attributes:
        value: the estimate.
        interval: (low, high), 95 %.
        draws: the number of independent random training sets behind it.
    """

    value: float
    interval: tuple[float, float]
    draws: int

    _repr_html_ = table

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.4g} [{low:.4g}, {high:.4g}] from {self.draws} draws"


def _clopper_pearson(successes: ArrayLike, draws: int) -> NDArray[np.float64]:
    """The exact 95 % interval of each share successes / draws: (2, ..)."""
    k = np.asarray(successes)
    low = betaincinv(np.maximum(k, 1), draws - k + 1, (1 - _CONFIDENCE) / 2)
    high = betaincinv(k + 1, np.maximum(draws - k, 1), (1 + _CONFIDENCE) / 2)
    return np.array([np.where(k > 0, low, 0.0), np.where(k < draws, high, 1.0)])


def proportion(successes: int, draws: int) -> Estimate:
    """successes / draws with the exact (Clopper-Pearson) 95 % interval.

    Args:
        successes, draws: how many there were, and of how many draws.

    Raises:
        ArgumentError: `draws` is below 1, or `successes` not in 0..draws.
    """
    draws = _checks.integer("draws", draws, 1)
    successes = _checks.integer("successes", successes, 0, draws)
    low, high = _clopper_pearson(successes, draws).tolist()
    return Estimate(successes / draws, (low, high), draws)


def linear_thresholds(op: Operation, draws: int, seed: Seed = 0, n_train: int | None = None) -> NDArray[np.int64]:
    """For `draws` random orders of D0, the number of samples from which on n_0 is that
    of all data (2 for addition); int64 (draws,).

    The first n of a random order are a uniformly random set of size n, and adding data
    never raises n_0, so P(linear at size n) = P(threshold <= n): one draw serves every
    size. N + 1 for an order that never gets there.

    Until each symbol is in an equation (in a result class with two samples), its
    embedding alone can be anything: a lower bound, which nearly always is the
    threshold. Up to p = 128 samples go into an echelon form one after the other; above,
    `exact_nullity` of the first n samples says where between the bound and N the
    threshold lies. A threshold is exact where it is that bound, and always for p <= 20;
    else ranks are modulo two random primes, or as sure as `exact_nullity`, and a draw
    is too late with a probability of about 1e-9.

    Draws are made in chunks with a random stream each, which threads share: the same
    seed gives the same draws for any number of threads, and a longer run begins with
    the shorter one up to its last whole chunk.

    Args:
        op: the operation.
        draws: how many random orders.
        seed: an int or a numpy Generator; 0 where nothing is said.
        n_train: stop there: thresholds above are n_train + 1. None is N.

    Raises:
        ArgumentError: `draws` is below 1 or `n_train` not in 0..N; `op` composes by a
            product and is not a group.
    """
    require_operation(op)
    draws = _checks.integer("draws", draws, 1)
    n = op.n_samples if n_train is None else _checks.integer("n_train", n_train, 0, op.n_samples)
    if op.composition == "product":
        return np.minimum(unique_thresholds(op, draws, seed), n + 1)
    p, rank = op.n_symbols, op.n_symbols - op.full_nullity
    if rank == 0:
        return np.zeros(draws, np.int64)
    rng = _checks.generator("seed", seed)
    if p > DENSE_NULLITY:
        return np.array(threaded(lambda stream: sparse_threshold(op, n, stream), _checks.streams("seed", rng, draws)))
    sizes = [min(_CHUNK, draws - begin) for begin in range(0, draws, _CHUNK)]
    streams = _checks.streams("seed", rng, len(sizes))
    samples = kernels.AllSamples(*op.rule(np.arange(op.n_samples)), op.n_results, p, rank)
    primes = working_primes(rank, rng)
    return np.concatenate(
        threaded(lambda stream, size: kernels.thresholds(stream, size, n, samples, primes), streams, sizes)
    )


def working_primes(rank: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Primes modulo which the rank is asked for: one if it exceeds all minors, else two
    random ones.
    """
    enough = primes_beyond(minor_bits(rank))
    return np.array(enough if len(enough) == 1 else list(islice(random_primes(rng), 2)))


def sparse_threshold(op: Operation, n: int, rng: np.random.Generator) -> int:
    """The threshold of one random order; n + 1 if it is above n."""
    p = op.n_symbols
    drawn = min(n, math.ceil(p * (math.log(p) + 5)))  # at least twice the critical size
    order = rng.choice(op.n_samples, drawn, replace=False)
    found = threshold_within(op, order, rng)
    if found > drawn and drawn < n:  # hardly ever
        rest = np.setdiff1d(np.arange(op.n_samples), order)
        found = threshold_within(op, np.concatenate([order, rng.permutation(rest)])[:n], rng)
    return found


def threshold_within(op: Operation, order: NDArray[np.int64], rng: np.random.Generator) -> int:
    """The threshold of these samples; one more than there are if they do not
    suffice.
    """
    n = len(order)

    def unique(size: int) -> bool:
        found, _ = sparse_nullity(op.chosen(order[:size]), op.n_symbols, op.least_nullity, rng)
        return found.value == op.full_nullity

    least = covering(op, order)
    # a table may have symbols that are in no equation, or cancel in it: no lower bound
    low, high, step = least - 1 if op.known_nullity is not None else 0, least, 1  # not unique at low
    while high <= n and not unique(high):
        low, high, step = high, max(min(high + step, n), high + 1), 2 * step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if unique(middle) else (middle, high)
    return high


def covering(op: Operation, order: NDArray[np.int64]) -> int:
    """How many of these samples it takes until each symbol is in an equation, one more
    than there are if they do not suffice.
    """
    left, right, results = op.rule(order)
    n = len(order)
    at = np.arange(n)
    first, second, covered = np.full(op.n_results, n), np.full(op.n_results, n), np.full(op.n_symbols, n)
    np.minimum.at(first, results, at)
    again = at[at > first[results]]
    np.minimum.at(second, results[again], again)
    entered = np.maximum(at, second[results])  # a class has its first equation with its second sample
    np.minimum.at(covered, left, entered)
    np.minimum.at(covered, right, entered)
    return int(covered.max()) + 1


@overload
def linear_probability(op: Operation, n_train: int, draws: int, seed: Seed = 0) -> Estimate: ...
@overload
def linear_probability(op: Operation, n_train: None, draws: int, seed: Seed = 0) -> list[Estimate]: ...
def linear_probability(op: Operation, n_train: int | None, draws: int, seed: Seed = 0) -> Estimate | list[Estimate]:
    """The share of random training sets of size `n_train` with the n_0 of all data (2
    for addition), with its exact binomial 95 % interval. How: see `linear_thresholds`,
    whose random orders answer every size.

    Args:
        op: the operation.
        n_train: |D|, in 0..N. None is all of them: a list of N + 1 estimates, from the
            same orders.
        draws: how many random sets of a size.
        seed: an int or a numpy Generator; 0 where nothing is said.

    Source: paper, section 4.2, figure 4 (a).

    Raises:
        ArgumentError: `n_train` or `draws` out of range; `op` composes by a product and
            is not a group.
    """
    require_operation(op)
    sizes = range(op.n_samples + 1) if n_train is None else [_checks.integer("n_train", n_train, 0, op.n_samples)]
    counts = np.searchsorted(np.sort(linear_thresholds(op, draws, seed)), sizes, side="right")
    found = [proportion(count, draws) for count in counts.tolist()]
    return found if n_train is None else found[0]


def critical_fraction(op: Operation, draws: int, seed: Seed = 0) -> Estimate:
    """r_c: the training fraction |D|/|D0| at which half of the random training sets are
    enough.

    Linear interpolation of P(linear) between neighbouring sizes; the interval is where
    the exact binomial 95 % band of P(linear) crosses 1/2. About 0.41 for p = 10
    (between 22 and 23 of 55); it falls with p.

    S3, by degrees of freedom: 0.34, where the paper has 0.5. That is the size from
    which on the group's representation cannot be deformed; the paper's is read off
    trained networks, which need more to find it.

    Args:
        op: the operation.
        draws: random orders of D0.
        seed: an int or a numpy Generator; 0 where nothing is said.

    Source: paper, section 4.2 (r_c about 0.4 at p = 10) and appendix H (S3: 0.5).

    Raises:
        ArgumentError: `draws` is below 1; `op` composes by a product and is not a
            group.
    """
    sizes, counts = np.unique(linear_thresholds(op, draws, seed), return_counts=True)
    counts = np.cumsum([0, *counts.tolist()])

    def crossing(chances: NDArray[np.float64]) -> float:
        """The fraction at which these chances, after no size and after each of `sizes`,
        are 1/2.
        """
        k = int(np.searchsorted(chances, 0.5))
        if k == 0 or k == len(chances):
            return float(k > 0)
        size = int(sizes[k - 1])
        below, above = chances[k - 1 : k + 1].tolist()
        return (size - 1 + (0.5 - below) / (above - below)) / op.n_samples if size else 0.0

    low, high = _clopper_pearson(counts, draws)
    return Estimate(crossing(counts / draws), (crossing(high), crossing(low)), draws)
