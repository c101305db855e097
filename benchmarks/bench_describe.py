"""How fast is `describe`, against the paper's definitions transcribed
(tests.oracles.paper_description)?

    python -m benchmarks.bench_describe

Medians of repeated calls in this process, one thread. Exit status 1 if a bar is missed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np

import efftheory as et
from tests import oracles

RATIO_BAR = 100  # p = 10, 45 samples
MILLISECONDS_BAR = 50  # p = 59


def median_seconds(call: Callable[[], object], repeats: int) -> float:
    """After one call that compiles and fills caches."""
    call()
    elapsed = []
    for _ in range(repeats):
        begin = time.perf_counter()
        call()
        elapsed.append(time.perf_counter() - begin)
    return float(np.median(elapsed))


def compare(p: int, n_train: int, seed: int, repeats: int) -> float:
    """Print and return baseline / describe."""
    op = et.addition(p)
    mask = op.random_training_set(n_train, seed=seed)
    ours = median_seconds(lambda: et.describe(op, mask), 20 * repeats)
    theirs = median_seconds(lambda: oracles.paper_description(op, mask), repeats)
    print(
        f"p = {p}, |D| = {n_train}, nullity {et.nullity(op, mask)}: describe {1e3 * ours:.3f} ms, "
        f"paper_description {1e3 * theirs:.2f} ms, ratio {theirs / ours:.1f}"
    )
    return theirs / ours


def absolute(p: int, n_train: int, seed: int) -> float:
    """Print and return milliseconds of describe."""
    op = et.addition(p)
    mask = op.random_training_set(n_train, seed=seed)
    milliseconds = 1e3 * median_seconds(lambda: et.describe(op, mask), 50)
    print(f"p = {p}, |D| = {n_train}, nullity {et.nullity(op, mask)}: describe {milliseconds:.2f} ms")
    return milliseconds


def main() -> int:
    golden = compare(10, 45, seed=58, repeats=50)
    compare(20, 105, seed=0, repeats=3)  # for the trend: no bar
    slowest = max(absolute(59, 885, seed=0), absolute(59, 160, seed=0))
    bars = {
        f"at least {RATIO_BAR} times as fast as paper_description at p = 10": golden >= RATIO_BAR,
        f"below {MILLISECONDS_BAR} ms at p = 59": slowest < MILLISECONDS_BAR,
    }
    for bar, met in bars.items():
        print(f"{'met' if met else 'MISSED'}: {bar}")
    return 0 if all(bars.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
