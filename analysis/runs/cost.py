"""What a plan will cost: operations counted, the machine's rate measured, their ratio
from docs/engine.md.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from analysis.runs.executors import Execution, lanes_for, whole
from analysis.runs.sweep import missing_runs
from neural.counting import count

# Share of the GEMM rate that the compiled ensemble achieves (docs/engine.md).
ACHIEVED = 0.4


@dataclass(frozen=True)
class Cost:
    """Of the runs that are still to be trained, if each runs to its budget; those that
    settle earlier cost less.
    """

    n_runs: int
    n_steps: int
    operations: float
    seconds: float | None
    """None where that is not known: on a GPU, or on other machines."""

    def __str__(self) -> str:
        if self.n_runs == 0:
            return "nothing to train"
        text = f"{self.n_runs:,} runs to train, {self.n_steps:,} steps, {self.operations:.2g} operations"
        if self.seconds is None:
            return text
        minutes = max(self.seconds / 60, 1)  # finer it is not known
        span = f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} hours"
        return f"{text}: about {span} on this machine if no run settles before its budget"


def print_cost(configs: Sequence[Any], store: Path, execution: Execution) -> None:
    """What a dry run says: how many runs there would be, and what the missing ones
    cost.
    """
    print(f"{len(configs)} runs in the plan", estimate(missing_runs(configs, store), execution), sep="\n")


def gemm_rate(lanes: int, rows: int, inner: int, columns: int) -> float:
    """Operations a second of one thread on float32 products (rows x inner) (inner x
    columns), one a lane.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        a = torch.randn(lanes, rows, inner)
        b = torch.randn(lanes, inner, columns)
        out = torch.empty(lanes, rows, columns)
        best = float("inf")
        for _ in range(20):
            begin = time.perf_counter()
            for _ in range(50):
                torch.bmm(a, b, out=out)
            best = min(best, time.perf_counter() - begin)
    finally:
        torch.set_num_threads(threads)
    return 50 * lanes * 2 * rows * inner * columns / best


def estimate(missing: Sequence[Any], execution: Execution) -> Cost:
    """The cost of training `missing`."""
    seconds: float | None = 0.0 if execution.device == "cpu" and execution.scheduler is None else None
    work: dict[tuple[int, int, int], float] = defaultdict(float)
    for config in missing:
        work[count(config).product] += whole(config)
    if missing and seconds is not None:
        lanes, workers = lanes_for(missing, execution), execution.n_workers()
        seconds = sum(done / (ACHIEVED * gemm_rate(lanes, *product) * workers) for product, done in work.items())
    return Cost(len(missing), sum(config.budget for config in missing), sum(work.values()), seconds)
