"""How fast are the degrees of freedom of a group's training sets, against the numeric
way?

    python -m benchmarks.bench_groups

ours      `linear_thresholds`: a random order of all samples goes into one exact
          elimination, sample by sample
theirs    the Jacobian of the first n samples in floats, its rank by numpy's singular
          values and a threshold, n by bisection between 0 and all samples (the rank
          never falls as samples are added), with all of numpy's threads

The same orders for both. Medians in this process. For S3 numpy's way is the faster one;
for larger groups exactness costs nothing. Exit status 1 if a bar is missed or a
threshold differs.
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

import efftheory as et
from benchmarks.bench_describe import median_seconds

RATIO_BAR = 1.5  # S4
Floats = NDArray[np.float64]


def generic_point(rho: Floats, rng: np.random.Generator) -> Floats:
    """z rho(a), z of the centraliser: the mean of g^-1 x g over the group, of a random
    x.
    """
    x = rng.normal(size=rho.shape[1:])
    return (rho.transpose(0, 2, 1) @ x @ rho).mean(axis=0) @ rho


def product_derivatives(op: et.Operation, E: Floats) -> Floats:
    """d(E_a E_b)/dE of every sample, (N, d^2, p d^2)."""
    p, d, _ = E.shape
    derivatives = np.zeros((op.n_samples, d * d, p, d * d))
    for s, (a, b) in enumerate(op.pairs.tolist()):
        derivatives[s, :, a] += np.kron(np.eye(d), E[b].T)
        derivatives[s, :, b] += np.kron(E[a], np.eye(d))
    return derivatives.reshape(op.n_samples, d * d, p * d * d)


def numeric_threshold(op: et.Operation, derivatives: Floats, order: NDArray[np.integer], rank: int) -> int:
    """The first n at which the first n samples of `order` have the Jacobian's full
    rank.
    """
    low, high = 0, op.n_samples
    while high - low > 1:
        middle = (low + high) // 2
        by_class = order[:middle][np.argsort(op.results[order[:middle]], kind="stable")]
        again = np.flatnonzero(np.diff(op.results[by_class]) == 0) + 1  # each against the one before, in its class
        jacobian = derivatives[by_class[again]] - derivatives[by_class[again - 1]]
        found = np.linalg.matrix_rank(jacobian.reshape(-1, derivatives.shape[-1])) if len(again) else 0
        low, high = (low, middle) if found == rank else (middle, high)
    return high


def compare(op: et.Operation, draws: int) -> tuple[float, bool]:
    """Print and return theirs / ours of one random order, and whether all thresholds
    are equal.
    """
    rho = et.permutation_representation(op).astype(np.float64)
    p, d, _ = rho.shape

    def theirs() -> list[int]:
        rng = np.random.default_rng(0)
        derivatives = product_derivatives(op, generic_point(rho, rng))
        return [numeric_threshold(op, derivatives, order, (p - 1) * d * d) for order in orders]

    # The orders that `linear_thresholds` draws: it is given this very generator, and
    # draws its point first.
    orders: list[NDArray[np.integer]] = []
    watched = _Watched(np.random.PCG64(0), orders)
    found = et.linear_thresholds(op, draws, watched)
    ours_seconds = median_seconds(lambda: et.linear_thresholds(op, draws, seed=0), 3)
    theirs_seconds = median_seconds(theirs, 3)
    same = found.tolist() == theirs()
    print(
        f"{op.name}, {op.n_samples} samples, {p * d * d} unknowns: exact {1e3 * ours_seconds / draws:.2f} ms an order, "
        f"singular values {1e3 * theirs_seconds / draws:.2f} ms, ratio {theirs_seconds / ours_seconds:.1f}; "
        f"{'the same thresholds' if same else 'OTHER THRESHOLDS'}",
        flush=True,
    )
    return theirs_seconds / ours_seconds, same


class _Watched(np.random.Generator):
    """A generator that writes down the permutations that it draws."""

    def __init__(self, bits: np.random.BitGenerator, drawn: list[NDArray[np.integer]]):
        super().__init__(bits)
        self._drawn = drawn

    def permutation(self, *arguments, **options):
        order = super().permutation(*arguments, **options)
        self._drawn.append(order)
        return order


def main() -> int:
    smaller = [
        compare(op, draws)
        for op, draws in ((et.symmetric_group(3), 50), (et.dihedral_group(4), 20), (et.dihedral_group(5), 10))
    ]
    ratio, same = compare(et.symmetric_group(4), 3)
    bars = {
        f"at least {RATIO_BAR} times as fast as singular values for S4": ratio >= RATIO_BAR,
        "the same thresholds": same and all(agree for _, agree in smaller),
    }
    for bar, met in bars.items():
        print(f"{'met' if met else 'MISSED'}: {bar}")
    return 0 if all(bars.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
