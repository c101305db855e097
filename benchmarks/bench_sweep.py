"""How much sooner is a whole phase diagram ready? python -m benchmarks.bench_sweep

The runs of figure 6b (regression, learning rate x weight decay of the decoder, 176
runs) at a budget of 1e4 steps, one seed, on all cores.

ours      `analysis.sweep` into an empty store: start-up, compiling, storing and the
          idle lanes at the end included
baseline  the same runs trained to their budget by plain eager PyTorch with the same
          metrics (tests/neural/reference.py), one after the other in a process a core.
          A step takes as long as the next, so SAMPLE steps of a few runs are timed in
          each process, all at work together, and scaled up.

Runs that settle retire early in ours; the baseline does what a loop in a notebook does.
The rates of steps actually taken are printed beside the times. Exit status 1 where ours
takes more than REQUIRED of the baseline's time.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path

import torch

from analysis.experiments import DIAGRAMS
from analysis.runs.executors import Execution
from analysis.runs.session import PlaneOptions
from analysis.runs.store import RunStore
from analysis.runs.sweep import ensure
from efftheory._threads import usable_cores
from neural import RunConfig
from tests.neural.reference import train_alone

REQUIRED = 1 / 3
BUDGET = 10_000
SAMPLE = 400
RUNS_TIMED = 6


def time_eager(configs: list[RunConfig], barrier: Barrier, seconds) -> None:
    """One baseline process: time a few short runs, leave the best seconds a step in
    `seconds`.
    """
    torch.set_num_threads(1)
    train_alone(replace(configs[0], budget=50))  # warm-up
    barrier.wait(timeout=300)
    best = float("inf")
    for config in configs:
        begin = time.monotonic()
        train_alone(replace(config, budget=SAMPLE))
        best = min(best, (time.monotonic() - begin) / SAMPLE)
    seconds.put(best)


def eager_seconds_a_step(configs: list[RunConfig], n_processes: int) -> float:
    """Of one process, while as many others are at work."""
    context = multiprocessing.get_context("spawn")
    barrier, seconds = context.Barrier(n_processes), context.SimpleQueue()
    chosen = [configs[i :: max(len(configs) // RUNS_TIMED, 1)][:RUNS_TIMED] for i in range(n_processes)]
    workers = [context.Process(target=time_eager, args=(runs, barrier, seconds)) for runs in chosen]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        sys.exit("error: a process of the baseline failed, see above")
    return min(seconds.get() for _ in workers)


def main() -> None:
    """Measure, print, judge."""
    configs = PlaneOptions(name="regression", seeds=1, budget=BUDGET).plane(DIAGRAMS, n_axes=2).configs()
    n_processes = usable_cores()
    step = eager_seconds_a_step(configs, n_processes)
    baseline = step * BUDGET * len(configs) / n_processes
    with tempfile.TemporaryDirectory() as folder, RunStore(Path(folder) / "runs.sqlite") as store:
        begin = time.monotonic()
        ensure(configs, store, Execution("cpu", "processes"))
        ours = time.monotonic() - begin
        taken = int(store.table(configs)["steps_run"].sum())
    print(f"figure 6b, {len(configs)} runs of {BUDGET:,} steps, {n_processes} processes")
    print(f"  plain eager loops   {baseline:7.0f} s  {n_processes / step:7.0f} net-steps/s (timed on a sample)")
    print(f"  analysis.sweep      {ours:7.0f} s  {taken / ours:7.0f} net-steps/s ({taken:,} taken; start-up included)")
    print(f"  {ours / baseline:.2f} of the baseline's time", flush=True)
    if ours > REQUIRED * baseline:
        sys.exit(f"error: {ours / baseline:.2f} of the baseline's time, more than the allowed {REQUIRED:.2f}")


if __name__ == "__main__":
    main()
