"""Random training sets: how often the linear representation is unique, and from which size on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from efftheory import _checks, _kernels
from efftheory.generalization import minor_bits, primes_beyond
from efftheory.operations import Operation, Seed

_CONFIDENCE = 0.95
_CHUNK = 4096  # draws per call of the kernel: bounds the memory of the insertion orders


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
    """successes / draws with the exact (Clopper-Pearson) 95 % interval."""
    interval = binomtest(successes, draws).proportion_ci(_CONFIDENCE, method="exact")
    return Estimate(successes / draws, (float(interval.low), float(interval.high)), draws)


def linear_thresholds(op: Operation, draws: int, seed: Seed) -> NDArray[np.int64]:
    """For `draws` random orders of D0, the number of samples from which on the set has n_0 = 2; (draws,),
    exact.

    N + 1 for an order that never gets there (no such operation is built here, but a table could be one). The
    first n of a random order are a uniformly random set of size n, and adding data never raises n_0, so
    P(linear at size n) = P(threshold <= n): one draw serves every size.

    Raises:
        ArgumentError: `draws` is below 1; `op` composes by a product.
    """
    _checks.sum_composition(op)
    draws = _checks.integer("draws", draws, 1)
    rng = _checks.generator("seed", seed)
    p, full_rank = op.n_symbols, op.n_symbols - op.full_nullity
    left, right = np.ascontiguousarray(op.pairs.T)
    thresholds = np.full(draws, op.n_samples + 1)
    for begin in range(0, draws, _CHUNK):
        n = min(_CHUNK, draws - begin)
        orders = rng.permuted(np.tile(np.arange(op.n_samples), (n, 1)), axis=1)
        for q in primes_beyond(minor_bits(full_rank)):
            # a rank modulo q can only fall short, so the smallest threshold is the true one
            found = _kernels.linear_thresholds(orders, left, right, op.results, op.n_results, p, q, full_rank)
            thresholds[begin : begin + n] = np.minimum(thresholds[begin : begin + n], found)
    return thresholds


def linear_probability(op: Operation, n_train: int, draws: int, seed: Seed) -> Estimate:
    """The share of random training sets of size `n_train` with n_0 = 2, with its exact binomial 95 %
    interval.

    Args:
        op: the operation.
        n_train: |D|, in 0..N.
        draws: how many random sets.
        seed: an int or a numpy Generator.

    Source: paper, section 4.2, figure 4 (a).

    Raises:
        ArgumentError: `n_train` or `draws` out of range; `op` composes by a product.
    """
    n_train = _checks.integer("n_train", n_train, 0, op.n_samples)
    thresholds = linear_thresholds(op, draws, seed)
    return proportion(int((thresholds <= n_train).sum()), draws)


def critical_fraction(op: Operation, draws: int, seed: Seed) -> Estimate:
    """r_c: the training fraction |D|/|D0| at which half of the random training sets have n_0 = 2.

    Linear interpolation of P(linear) between neighbouring sizes; the interval is where the exact binomial 95
    % band of P(linear) crosses 1/2. About 0.41 for p = 10 (between 22 and 23 of 55); it falls with p.

    Source: paper, section 4.2 (r_c about 0.4 at p = 10).

    Raises:
        ArgumentError: `draws` is below 1; `op` composes by a product.
    """
    thresholds = linear_thresholds(op, draws, seed)
    sizes = np.arange(op.n_samples + 1)
    counts = (thresholds[:, None] <= sizes).sum(axis=0)
    estimates = [proportion(int(count), draws) for count in counts]

    def crossing(probability: list[float]) -> float:
        rising = np.maximum.accumulate(probability)
        above = int(np.argmax(rising >= 0.5)) if rising[-1] >= 0.5 else len(sizes) - 1
        if above == 0 or rising[above] < 0.5:
            return float(sizes[above]) / op.n_samples
        low, high = rising[above - 1], rising[above]
        return float(above - 1 + (0.5 - low) / (high - low)) / op.n_samples

    value = crossing([e.value for e in estimates])
    early = crossing([e.interval[1] for e in estimates])
    late = crossing([e.interval[0] for e in estimates])
    return Estimate(value, (early, late), draws)
