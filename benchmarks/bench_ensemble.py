"""How much faster is an ensemble than its runs one after the other? python -m
benchmarks.bench_ensemble

The paper's toy model (p = 10, |D| = 45, d = 1, float32), all metrics at every step, on
two cores of a CPU.

ours      two processes of one thread, each a compiled ensemble of LANES lanes
baseline  the same networks one after the other in plain eager PyTorch with the same
          metrics every step (tests/neural/reference.py), in one process with one thread
floor     the operations that a step cannot do without (docs/engine.md) at the
          rate at which one thread multiplies matrices of the step's size

A rate is net-steps (one network advanced by one update, and measured) a second of wall
clock, the best of ROUNDS rounds on either side (others may use the machine too),
compiling and other warm-up not included. Exit status 1 where ours is less than REQUIRED
times the baseline, or less than REQUIRED_SHARE of the floor's rate. The second column,
per second of processor time instead, hardly depends on who else is at work: where the
two disagree, try again on a quieter machine. docs/engine.md explains the numbers.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections import defaultdict
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier

import torch

from analysis.runs.session import gemm_rate
from neural.ensemble import Ensemble
from neural.families.toy import RunConfig, Toy, start
from neural.training import CHUNK, MAX_LANES
from tests.neural.reference import train_alone

REQUIRED = 6
REQUIRED_SHARE = 0.4
PROCESSES = 2
LANES = MAX_LANES["cpu"]
ROUNDS = 6
STEPS = 200  # of each lane in a round: about as long as a round of the baseline
BASELINE_STEPS = 300
# Of the default set-up: forward, backward, distances to the targets, AdamW.
FLOOR = 2 * 55 * 46_200 + 4 * 45 * 46_200 + 2 * 55 * 30 * 19 + 14 * 46_640


def configs(n: int, first_seed: int, budget: int) -> list[RunConfig]:
    """Runs of the default set-up that differ in their seed."""
    return [RunConfig(p=10, n_train=45, d=1, seed=first_seed + k, budget=budget) for k in range(n)]


def ensemble_process(index: int, barrier: Barrier, times: SimpleQueue) -> None:
    """Compile, warm up, then train in rounds that begin together; leaves (round, begin,
    end, processor seconds) in `times`.

    The loop is `neural.train`'s without its bookkeeping at the end of a run: steps, and
    every CHUNK of them the measurements as arrays.
    """
    torch.set_num_threads(1)
    runs = configs(LANES, LANES * index, ROUNDS * STEPS)
    ensemble = Ensemble(Toy, [start(run) for run in runs], runs, "cpu", compiled=True)
    for _ in range(CHUNK):
        ensemble.step()
    for number in range(ROUNDS):
        barrier.wait()
        begin, work = time.monotonic(), time.process_time()
        for _ in range(STEPS // CHUNK):
            steps = [ensemble.step() for _ in range(CHUNK)]
            metrics, correct, kept = zip(*steps, strict=True)
            for parts in (metrics, correct, [one["embedding"] for one in kept]):
                torch.stack(tuple(parts), dim=1).numpy()
        times.put((number, begin, time.monotonic(), time.process_time() - work))


def ensemble_rate() -> tuple[float, float]:
    """Net-steps a second, and a processor second, of PROCESSES ensembles at once."""
    context = multiprocessing.get_context("spawn")
    barrier, times = context.Barrier(PROCESSES), context.SimpleQueue()
    workers = [context.Process(target=ensemble_process, args=(i, barrier, times)) for i in range(PROCESSES)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        sys.exit("error: a process of the ensemble failed, see above")
    begins: dict[int, list[float]] = defaultdict(list)
    ends: dict[int, list[float]] = defaultdict(list)
    works: dict[int, float] = defaultdict(float)
    for _ in range(PROCESSES * ROUNDS):
        number, begin, end, work = times.get()
        works[number] += work
        begins[number].append(begin)
        ends[number].append(end)
    best = min(max(ends[number]) - min(begins[number]) for number in begins)
    net_steps = PROCESSES * LANES * STEPS
    return net_steps / best, net_steps / min(works.values())


def baseline_rate(threads: int) -> tuple[float, float]:
    """Net-steps a second, and a processor second, of the naive twin."""
    torch.set_num_threads(threads)
    train_alone(configs(1, 99, 50)[0])  # warm-up
    seconds, works = [], []
    for config in configs(ROUNDS, 0, BASELINE_STEPS):
        begin, work = time.monotonic(), time.process_time()
        train_alone(config)
        seconds.append(time.monotonic() - begin)
        works.append(time.process_time() - work)
    return BASELINE_STEPS / min(seconds), BASELINE_STEPS / min(works)


def main() -> None:
    """Measure, print, judge."""
    baseline, baseline_cpu = baseline_rate(threads=1)
    ours, ours_cpu = ensemble_rate()
    config = configs(1, 0, 1)[0]
    gemm, needed = gemm_rate(LANES, config.n_samples, config.width, config.width), FLOOR

    print("toy model, p = 10, |D| = 45, d = 1, float32; net-steps a second, and a processor second")
    rows = {"one after the other, eager, 1 thread": (baseline, baseline_cpu)}
    rows[f"ensemble, compiled, {PROCESSES} processes x {LANES} lanes"] = (ours, ours_cpu)
    for name, (rate, per_cpu) in rows.items():
        print(f"  {name:44}{rate:8.0f} /s{per_cpu:8.0f} /cpu-s{rate / baseline:8.2f} x")
    share = ours_cpu * needed / gemm
    print(
        f"  floor: {needed / 1e6:.1f} M operations a net-step at {gemm / 1e9:.0f} GFLOP/s a thread: "
        f"{gemm / needed:.0f} /cpu-s, of which ours achieves {share:.0%}",
        flush=True,
    )
    if ours < REQUIRED * baseline:
        sys.exit(f"error: {ours / baseline:.2f} times the baseline, less than the required {REQUIRED}")
    if share < REQUIRED_SHARE:
        sys.exit(f"error: {share:.0%} of the floor's rate, less than the required {REQUIRED_SHARE:.0%}")


if __name__ == "__main__":
    main()
