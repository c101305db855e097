"""How good is `design_training_set`, and how fast? python -m benchmarks.bench_design

quality   lambda_3 at p = 10 against the best of 10,000 random training sets of the same
          size, over several seeds; "slow" against the slowest linear-unique one of them
speed     one descent from the same sets, updated and screened (the kernel), against the
          same exchange that builds H anew for every trial (`hessian` and its
          eigenvalues)

One thread, this process, after a call that compiles. Exit status 1 if a bar is missed.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from numpy.typing import NDArray

import efftheory as et
from efftheory.design import Search
from tests import oracles

DRAWS = 10_000
SEEDS = 5
QUALITY_BAR = 1.5  # p = 10, 30 samples, every seed
SPEED_BAR = 100
SECONDS_BAR = 60  # p = 30, half of the data


def lambda3(op: et.Operation, mask: NDArray[np.bool_]) -> float:
    """From the dense Hessian alone: 10,000 exact ranks would be the larger part of the
    time.
    """
    return float(np.linalg.eigvalsh(et.hessian(op, mask))[op.full_nullity])


def quality(n_train: int) -> float:
    """Print the values at one size; return the worst seed's lambda_3 over the best
    random set's.
    """
    op, rng = et.addition(10), np.random.default_rng(0)
    begin = time.perf_counter()
    masks = [op.random_training_set(n_train, rng) for _ in range(DRAWS)]
    values = np.array([lambda3(op, mask) for mask in masks])
    random_seconds = time.perf_counter() - begin
    unique = [k for k in np.argsort(values) if values[k] > 1e-6]  # floats will do for a baseline
    slowest = values[unique[0]] if unique else np.nan
    begin = time.perf_counter()
    fast = [lambda3(op, et.design_training_set(op, n_train, seed=seed)) for seed in range(SEEDS)]
    seconds = (time.perf_counter() - begin) / SEEDS
    begin = time.perf_counter()
    slow = [lambda3(op, et.design_training_set(op, n_train, "slow", seed=seed)) for seed in range(SEEDS)]
    slow_seconds = (time.perf_counter() - begin) / SEEDS
    wide = et.design_training_set(op, n_train, "generalizable")
    print(
        f"n = {n_train}: best random {values.max():.3f} ({random_seconds:.1f} s), fast {min(fast):.3f}.."
        f"{max(fast):.3f} ({seconds:.2f} s), ratio {min(fast) / values.max():.2f}; slowest random {slowest:.3g}, slow "
        f"{min(slow):.4g}..{max(slow):.4g} ({slow_seconds:.2f} s); generalizable: accuracy "
        f"{et.ideal_accuracy(op, wide):.3f}, lambda_3 {lambda3(op, wide):.3f}",
        flush=True,
    )
    return min(fast) / values.max()


def recomputed(op: et.Operation, mask: NDArray[np.bool_]) -> float:
    """The steepest exchange until none is better, every trial from scratch."""
    reached = lambda3(op, mask)
    while True:
        best = max(oracles.exchanged(mask), key=lambda other: lambda3(op, other))
        value = lambda3(op, best)
        if value <= reached * (1 + 1e-10):
            return reached
        mask, reached = best, value


def speed(p: int, n_train: int, repeats: int) -> float:
    """Print and return recomputed / updated, of descents from random sets."""
    op = et.addition(p)
    masks = [op.random_training_set(n_train, seed) for seed in range(repeats)]
    search = Search(op, n_train, np.random.default_rng(0))
    search.descended("lambda3", masks[0][op.by_result])
    begin = time.perf_counter()
    ours = [search.descended("lambda3", mask[op.by_result]).value[1] for mask in masks]
    updated = (time.perf_counter() - begin) / repeats
    begin = time.perf_counter()
    theirs = [recomputed(op, mask) for mask in masks]
    anew = (time.perf_counter() - begin) / repeats
    print(
        f"p = {p}, n = {n_train}: a descent updated {1e3 * updated:.3f} ms (mean lambda_3 {np.mean(ours):.2f}), "
        f"recomputed {1e3 * anew:.0f} ms ({np.mean(theirs):.2f}), ratio {anew / updated:.0f}",
        flush=True,
    )
    return anew / updated


def main() -> int:
    """Measure, print, judge."""
    for objective in ("lambda3", "slow", "generalizable"):
        et.design_training_set(et.addition(5), 9, objective, descents=2)  # compiles
    ratios = {n_train: quality(n_train) for n_train in (20, 25, 30, 35, 40, 45)}
    ratio = speed(10, 30, repeats=4)
    op = et.addition(30)
    slowest = 0.0
    for objective in ("lambda3", "slow", "generalizable"):
        begin = time.perf_counter()
        mask = et.design_training_set(op, op.n_samples // 2, objective)
        slowest = max(slowest, time.perf_counter() - begin)
        print(f"p = 30, half, {objective}: lambda_3 {lambda3(op, mask):.4g}, {time.perf_counter() - begin:.1f} s")
    bars = {
        f"at p = 10, n = 30 at least {QUALITY_BAR} times the best of {DRAWS:,} random sets": ratios[30] >= QUALITY_BAR,
        f"a descent at least {SPEED_BAR} times as fast as recomputing": ratio >= SPEED_BAR,
        f"below {SECONDS_BAR} s at p = 30 with half of the data": slowest < SECONDS_BAR,
    }
    for bar, met in bars.items():
        print(f"{'met' if met else 'MISSED'}: {bar}")
    return 0 if all(bars.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
