"""How much faster is an ensemble than its runs one after the other? python -m benchmarks.bench_ensemble

The paper's toy model (p = 10, |D| = 45, d = 1, float32), all metrics at every step, on two cores of a CPU.

ours      two processes of one thread, each a compiled ensemble of LANES lanes
baseline  the same networks one after the other in plain eager PyTorch with the same metrics every step
          (tests/neural/reference.py), in one process with one thread and with two; the faster one counts

A rate is net-steps (one network advanced by one update, and measured) a second of wall clock, the best of
ROUNDS rounds on either side (others may use the machine too), compiling and other warm-up not included. Exit
status 1 where ours is less than REQUIRED times the baseline. The second column, per second of processor time
instead, hardly depends on who else is at work: where the two disagree, try again on a quieter machine.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections import defaultdict
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier

import torch

from neural.config import RunConfig
from neural.ensemble import Ensemble
from neural.models import addition_task, draw
from neural.training import CHUNK
from tests.neural.reference import train_alone

REQUIRED = 3
PROCESSES = 2
LANES = 4
ROUNDS = 6
STEPS = 200  # of each lane in a round: about as long as a round of the baseline
BASELINE_STEPS = 300

# Floating-point operations of one net-step. Forward over 55 samples, two (multiply, add) a weight of 1x200,
# 200x200 and 200x30; backward the same twice, for the weights' and for the inputs' gradients: 3 x 2 x 55
# x 46200 = 15.2 M. Distances to 19 targets: 2 x 55 x 30 x 19 = 0.06 M. AdamW: about 14 a parameter of 46640: 0.65 M.
# tanh of 2 x 55 x 200 and the 70 parallelograms: below 0.1 M, not counted.
OPERATIONS = 3 * 2 * 55 * 46_200 + 2 * 55 * 30 * 19 + 14 * 46_640


def configs(n: int, first_seed: int, budget: int) -> list[RunConfig]:
    """Runs of the default set-up that differ in their seed."""
    return [RunConfig(p=10, n_train=45, d=1, seed=first_seed + k, budget=budget) for k in range(n)]


def ensemble_process(index: int, barrier: Barrier, times: SimpleQueue) -> None:
    """Compile, warm up, then train in rounds that begin together; leaves (round, begin, end, processor
    seconds) in `times`.

    The loop is `neural.train`'s without its bookkeeping at the end of a run: steps, and every CHUNK of them
    the measurements as arrays.
    """
    torch.set_num_threads(1)
    runs = configs(LANES, LANES * index, ROUNDS * STEPS)
    ensemble = Ensemble(addition_task(runs[0]), [draw(run) for run in runs], runs, "cpu", compiled=True)
    for _ in range(CHUNK):
        ensemble.step()
    for number in range(ROUNDS):
        barrier.wait()
        begin, work = time.monotonic(), time.process_time()
        for _ in range(STEPS // CHUNK):
            steps = [ensemble.step() for _ in range(CHUNK)]
            for parts in zip(*steps, strict=True):
                torch.stack(parts, dim=1).numpy()
        times.put((number, begin, time.monotonic(), time.process_time() - work))


def ensemble_rate() -> tuple[float, float]:
    """Net-steps a second, and a processor second, of PROCESSES ensembles side by side."""
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


def gemm_gflops() -> float:
    """One thread's rate on LANES products (55 x 200) (200 x 200) in float32, the step's largest."""
    torch.set_num_threads(1)
    a, b = torch.randn(LANES, 55, 200), torch.randn(LANES, 200, 200)
    out = torch.empty(LANES, 55, 200)
    best = float("inf")
    for _ in range(20):
        begin = time.monotonic()
        for _ in range(100):
            torch.bmm(a, b, out=out)
        best = min(best, time.monotonic() - begin)
    return 100 * LANES * 2 * 55 * 200 * 200 / best / 1e9


def main() -> None:
    """Measure, print, judge."""
    baselines = {threads: baseline_rate(threads) for threads in (1, 2)}
    baseline = max(rate for rate, _ in baselines.values())
    ours, ours_cpu = ensemble_rate()
    gemm = gemm_gflops()

    print("toy model, p = 10, |D| = 45, d = 1, float32; net-steps a second, and a processor second")
    rows = {f"one after the other, eager, {n} thread(s)": rates for n, rates in baselines.items()}
    rows[f"ensemble, compiled, {PROCESSES} processes x {LANES} lanes"] = (ours, ours_cpu)
    for name, (rate, per_cpu) in rows.items():
        print(f"  {name:44}{rate:8.0f} /s{per_cpu:8.0f} /cpu-s{rate / baseline:8.2f} x")
    achieved = ours_cpu * OPERATIONS / 1e9
    print(
        f"  floor: {OPERATIONS / 1e6:.1f} M operations a net-step; {achieved:.0f} GFLOP/s of processor time, "
        f"{achieved / gemm:.0%} of one thread's GEMM rate ({gemm:.0f} GFLOP/s)",
        flush=True,
    )
    if ours < REQUIRED * baseline:
        sys.exit(f"error: {ours / baseline:.2f} times the baseline, less than the required {REQUIRED}")


if __name__ == "__main__":
    main()
