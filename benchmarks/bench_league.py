"""What do the league's evaluations and measures cost, beside the training?
python -m benchmarks.bench_league

Processor time of one thread: the quickest of ROUNDS rounds of compiled updates, and of
evaluations, of an ensemble of `neural.training.default_lanes` runs; and all measures of
RUNS finished runs, after one more that pays for imports. Exit status 1 where
evaluations and measures together cost as much as the training.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from analysis.experiments import EXPERIMENTS
from analysis.grokking.league import GENERALISED
from analysis.measures.series import measured
from analysis.predictors.measures import LEARNED
from analysis.runs.traces import Traces
from neural import family_of, train_runs
from neural.ensemble import Ensemble
from neural.training import default_lanes

ROUNDS, UPDATES, LOOKS, RUNS = 6, 200, 20, 2


def seconds(work: Callable[[], object]) -> float:
    """Processor seconds."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def evaluations(ensemble: Ensemble) -> None:
    for _ in range(LOOKS):
        ensemble.evaluate()
        ensemble.norms()


def main() -> int:
    """Measure, print, judge."""
    torch.set_num_threads(1)
    is_expensive = False
    for name, setting in EXPERIMENTS["league"].items():
        config: Any = setting.base
        lanes, family = default_lanes(config, "cpu"), family_of(config)
        runs = [replace(config, seed=seed) for seed in range(lanes)]
        ensemble = Ensemble(family, [family.start(run) for run in runs], runs, "cpu", compiled=True)
        ensemble.advance(1)
        if not ensemble.compiled:
            sys.exit("error: this machine cannot compile, see above")
        rounds = [
            (seconds(lambda here=ensemble: here.advance(UPDATES)), seconds(lambda here=ensemble: evaluations(here)))
            for _ in range(ROUNDS)
        ]
        update, evaluation = (
            min(times) / n / lanes for times, n in zip(zip(*rounds, strict=True), (UPDATES, LOOKS), strict=True)
        )
        parts = []
        for number, history in enumerate(train_runs(runs[: RUNS + 1], device="cpu")):
            steps = (getattr(history, name) for name in (LEARNED, f"steps_to_{GENERALISED}"))
            learned, generalised = (step or float("nan") for step in steps)
            arguments = (history.config, Traces.of(history), learned, generalised, setting.early)
            took = seconds(lambda them=arguments: measured(*them))
            if number:
                training = history.steps_run * update
                parts.append((history.steps_run / config.look_every * evaluation / training, took / training))
        evaluated, taken = (sum(some) / len(parts) for some in zip(*parts, strict=True))
        print(
            f"{name:12} {update * 1e6:7.1f} us a step; of the training, "
            f"evaluations are {evaluated:.2f} and measures {taken:.2f}",
            flush=True,
        )
        is_expensive |= evaluated + taken >= 1
    return int(is_expensive)


if __name__ == "__main__":
    sys.exit(main())
