"""Random training sets: how often the linear representation is unique, and from which
size on.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from efftheory import _checks
from efftheory import _random_kernels as kernels
from efftheory._checks import ArgumentError
from efftheory._records import short
from efftheory._threads import threaded
from efftheory.description import describe
from efftheory.elimination import primes as random_primes
from efftheory.elimination import sparse_nullity
from efftheory.operations import Operation, Seed, require_operation, require_sum
from efftheory.ranks import DENSE_NULLITY, minor_bits, primes_beyond
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

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.4g} [{low:.4g}, {high:.4g}] from {self.draws} draws"


def proportion(successes: int, draws: int) -> Estimate:
    """successes / draws with the exact (Clopper-Pearson) 95 % interval.

    Raises:
        ArgumentError: `draws` is below 1, or `successes` not in 0..draws.
    """
    draws = _checks.integer("draws", draws, 1)
    successes = _checks.integer("successes", successes, 0, draws)
    from scipy.stats import binomtest  # a third of a second, which not every command has to wait

    interval = binomtest(successes, draws).proportion_ci(_CONFIDENCE, method="exact")
    return Estimate(successes / draws, (float(interval.low), float(interval.high)), draws)


def linear_thresholds(op: Operation, draws: int, seed: Seed, n_train: int | None = None) -> NDArray[np.int64]:
    """For `draws` random orders of D0, the number of samples from which on n_0 is that
    of all data (2 for addition); int64 (draws,).

    The first n of a random order are a uniformly random set of size n, and adding data
    never raises n_0, so P(linear at size n) = P(threshold <= n): one draw serves every
    size. N + 1 for an order that never gets there.

    A lower bound comes first: until each symbol is in an equation (in a result class
    with two samples), its embedding alone can be anything. Up to p = 128 samples go
    into an echelon form one after the other; above, `exact_nullity` of the first n
    samples says where between the lower bound and N the threshold lies (it nearly
    always is the lower bound). A threshold is exact where it is that bound, and always
    for p <= 20; else ranks are modulo two random primes, or as sure as `exact_nullity`,
    and a draw is too late with a probability of about 1e-9.

    Draws are made in chunks with a random stream each, which threads share: the same
    seed gives the same draws for any number of threads, and a longer run begins with
    the shorter one up to its last whole chunk.

    Args:
        op: the operation.
        draws: how many random orders.
        seed: an int or a numpy Generator.
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
    rng, n_coverable = _checks.generator("seed", seed), count_coverable(op)
    if p > DENSE_NULLITY:
        streams = _checks.streams("seed", rng, draws)
        return np.array(threaded(lambda stream: sparse_threshold(op, n, n_coverable, stream), streams))
    if p <= kernels.SMALL_SYMBOLS:
        kernel, field = kernels.small_thresholds, small_inverses()
    else:
        kernel, field = kernels.thresholds, working_primes(rank, rng)
    table = _table(op, n_coverable)
    return np.concatenate(threaded(lambda stream, size: kernel(stream, size, n, table, field), *_chunks(draws, rng)))


def _table(op: Operation, n_coverable: int) -> kernels.Table:
    """D0 as the kernels take it."""
    p = op.n_symbols
    return kernels.Table(*op.rule(np.arange(op.n_samples)), op.n_results, p, p - op.full_nullity, n_coverable)


def _chunks(draws: int, rng: np.random.Generator) -> tuple[list[np.random.Generator], list[int]]:
    """A random stream for each chunk of draws, and how many draws it has."""
    sizes = [min(_CHUNK, draws - begin) for begin in range(0, draws, _CHUNK)]
    return _checks.streams("seed", rng, len(sizes)), sizes


def working_primes(rank: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Primes modulo which the rank is asked for: one if it exceeds all minors, else two
    random ones.
    """
    enough = primes_beyond(minor_bits(rank))
    return np.array(enough if len(enough) == 1 else list(islice(random_primes(rng), 2)))


@cache
def small_inverses() -> NDArray[np.uint32]:
    q = kernels.SMALL_PRIME
    return np.array([0, *(pow(x, -1, q) for x in range(1, q))], np.uint32)


def count_coverable(op: Operation) -> int:
    """How many symbols are in an equation of D0. The embedding of another one is among
    what full_nullity counts.
    """
    if op.known_nullity is not None and op.n_symbols > 2:
        return op.n_symbols
    return _covered(op, np.arange(op.n_samples), op.n_symbols + 1)[1]


def _covered(op: Operation, order: NDArray[np.integer], n_coverable: int) -> tuple[int, int]:
    """(how many of these samples it takes until so many symbols are in an equation, how
    many are in one in the end).

    One more than there are if they do not suffice.
    """
    n = len(order)
    left, right, results = op.rule(order)
    anchor, covered = np.empty(op.n_results, np.int64), np.empty(op.n_symbols, np.bool_)
    equations = kernels.Equations(*(np.empty(n, np.int64) for _ in range(3)))
    k = kernels.list_equations(np.arange(n), n, results, anchor, equations)
    needed = kernels.covering(left, right, equations, k, covered, n_coverable)
    return int(equations.taken[needed - 1]) if needed <= k else n + 1, int(covered.sum())


def sparse_threshold(op: Operation, n: int, n_coverable: int, rng: np.random.Generator) -> int:
    """The threshold of one random order; n + 1 if it is above n."""
    p = op.n_symbols
    drawn = min(n, math.ceil(p * (math.log(p) + 5)))  # at least twice the critical size
    order = rng.choice(op.n_samples, drawn, replace=False)
    found = threshold_within(op, order, n_coverable, rng)
    if found > drawn and drawn < n:  # hardly ever
        rest = np.setdiff1d(np.arange(op.n_samples), order)
        order = np.concatenate([order, rng.permutation(rest)])[:n]
        found = threshold_within(op, order, n_coverable, rng)
    return found


def threshold_within(op: Operation, order: NDArray[np.int64], n_coverable: int, rng: np.random.Generator) -> int:
    """The threshold of these samples; one more than there are if they do not
    suffice.
    """
    n, (least, _) = len(order), _covered(op, order, n_coverable)

    def unique(size: int) -> bool:
        found, _ = sparse_nullity(op.chosen(order[:size]), op.n_symbols, op.least_nullity, rng)
        return found.value == op.full_nullity

    low, high, step = least - 1, least, 1  # not unique at low
    while high <= n and not unique(high):
        low, high, step = high, max(min(high + step, n), high + 1), 2 * step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if unique(middle) else (middle, high)
    return high


def linear_probability(op: Operation, n_train: int, draws: int, seed: Seed) -> Estimate:
    """The share of random training sets of size `n_train` with the n_0 of all data (2
    for addition), with its exact binomial 95 % interval. How: see `linear_thresholds`.

    Args:
        op: the operation.
        n_train: |D|, in 0..N.
        draws: how many random sets.
        seed: an int or a numpy Generator.

    Source: paper, section 4.2, figure 4 (a).

    Raises:
        ArgumentError: `n_train` or `draws` out of range; `op` composes by a product and
            is not a group.
    """
    require_operation(op)
    n_train = _checks.integer("n_train", n_train, 0, op.n_samples)
    draws = _checks.integer("draws", draws, 1)
    p = op.n_symbols
    if op.known_nullity is None or not 2 < p <= kernels.SMALL_SYMBOLS:
        return proportion(int((linear_thresholds(op, draws, seed, n_train) <= n_train).sum()), draws)
    table, inverses = _table(op, p), small_inverses()
    chunks = _chunks(draws, _checks.generator("seed", seed))
    counts = threaded(lambda stream, size: kernels.small_count(stream, size, n_train, table, inverses), *chunks)
    return proportion(sum(counts), draws)


@dataclass(frozen=True, eq=False)
class RandomTrainingSets:
    """What random training sets of one size determine, a number a set.

    Attributes:
        n_train: |D|.
        nullity: int64 (draws,), n_0, exact.
        lambda3: float64 (draws,), as in `Spectrum`; 0 where n_0 is above that of all
            data.
        ideal_accuracy: float64 (draws,), |Dbar(D, P(D))| / |D0|.
    """

    n_train: int
    nullity: NDArray[np.int64]
    lambda3: NDArray[np.float64]
    ideal_accuracy: NDArray[np.float64]

    __repr__ = short

    def quantiles(self, probabilities: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95)) -> dict[str, list[float]]:
        """Quantiles of each.

        Raises:
            ArgumentError: `probabilities` are not in 0..1.
        """
        at = _checks.real_array("probabilities", probabilities)
        if at.ndim != 1 or ((at < 0) | (at > 1)).any():
            raise ArgumentError("probabilities", "be a list of numbers in 0..1", f"is {_checks.shown(probabilities)}")
        names = ("nullity", "lambda3", "ideal_accuracy")
        return {name: np.quantile(getattr(self, name), at).tolist() for name in names}


def random_training_sets(op: Operation, n_train: int, draws: int, seed: Seed) -> RandomTrainingSets:
    """`describe` for `draws` random training sets of size `n_train`, three numbers
    each; memory O(|D| + draws).

    Every draw has a random stream of its own, spawned from the seed: a longer run
    begins with the shorter one.

    Source: paper, figures 5 (a) and 10.

    Raises:
        ArgumentError: `n_train` or `draws` out of range; `op` composes by a product.
    """
    require_sum(op)
    n_train = _checks.integer("n_train", n_train, 0, op.n_samples)
    draws = _checks.integer("draws", draws, 1)

    def one(stream: np.random.Generator) -> tuple[int, float, float]:
        found = describe(op, op.random_training_set(n_train, stream))
        return found.nullity, found.lambda3, found.ideal_accuracy

    streams = _checks.streams("seed", seed, draws)
    nullity, lambda3, accuracy = zip(*(one(stream) for stream in streams), strict=True)
    return RandomTrainingSets(n_train, np.array(nullity), np.array(lambda3), np.array(accuracy))


def critical_fraction(op: Operation, draws: int, seed: Seed) -> Estimate:
    """r_c: the training fraction |D|/|D0| at which half of the random training sets are
    enough.

    Linear interpolation of P(linear) between neighbouring sizes; the interval is where
    the exact binomial 95 % band of P(linear) crosses 1/2. About 0.41 for p = 10
    (between 22 and 23 of 55); it falls with p.

    S3, by degrees of freedom: 0.34, where the paper has 0.5. That is the size from
    which on the group's representation cannot be deformed; the paper's is read off
    trained networks, which need more to find it.

    Source: paper, section 4.2 (r_c about 0.4 at p = 10) and appendix H (S3: 0.5).

    Raises:
        ArgumentError: `draws` is below 1; `op` composes by a product and is not a
            group.
    """
    thresholds = np.sort(linear_thresholds(op, draws, seed))

    def crossing(probability: Callable[[int], float]) -> float:
        """The fraction at which `probability` of the count of thresholds, which rises
        with it, is 1/2.
        """
        count = bisect_left(range(draws + 1), 0.5, key=probability)
        if count == 0 or count > draws:
            return float(count > 0)
        size = int(thresholds[count - 1])  # the first at which there are so many
        low, high = (probability(int(np.searchsorted(thresholds, size, side))) for side in ("left", "right"))
        return (size - 1 + (0.5 - low) / (high - low)) / op.n_samples if size else 0.0

    value = crossing(lambda count: count / draws)
    early = crossing(lambda count: proportion(count, draws).interval[1])
    late = crossing(lambda count: proportion(count, draws).interval[0])
    return Estimate(value, (early, late), draws)
