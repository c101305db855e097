"""What does it cost to hold the weight norm? python -m benchmarks.bench_norm

Compiled ensembles of `neural.training.default_lanes` runs, free and scaled back to
their initial norm after every update, in turn; one thread. The quickest of ROUNDS
rounds of UPDATES updates each, in processor time, which hardly depends on who else is
at work. Exit status 1 where the constraint costs 10 % of a step or more.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import Any

import torch

from neural import DigitsConfig, ModularConfig, TeacherConfig, family_of
from neural.ensemble import Ensemble
from neural.training import default_lanes

CONFIGS = {
    "teacher": TeacherConfig(),
    "digits": DigitsConfig(width=100, batch_size=100),
    "transformer": ModularConfig(network="transformer", p=53),
}
ROUNDS, SECONDS = 8, 0.5


def ensemble_of(config: Any) -> Ensemble:
    """Compiled."""
    family, lanes = family_of(config), default_lanes(config, "cpu")
    runs = [replace(config, seed=seed) for seed in range(lanes)]
    found = Ensemble(family, [family.start(run) for run in runs], runs, "cpu", compiled=True)
    found.advance(1)
    if not found.compiled:
        sys.exit("error: this machine cannot compile, see above")
    return found


def seconds(ensemble: Ensemble, updates: int) -> float:
    """Processor seconds of so many updates."""
    begin = time.process_time()
    ensemble.advance(updates)
    return time.process_time() - begin


def main() -> int:
    """Measure, print, judge."""
    torch.set_num_threads(1)
    is_expensive = False
    for name, config in CONFIGS.items():
        free, held = ensemble_of(config), ensemble_of(replace(config, constrained=True))
        updates = max(5, round(SECONDS / (seconds(free, 5) / 5)))
        rounds = [(seconds(free, updates), seconds(held, updates)) for _ in range(ROUNDS)]
        least = [min(times) / updates / free.lanes for times in zip(*rounds, strict=True)]
        more = least[1] / least[0] - 1
        print(f"{name:12} {free.lanes} lanes  free {least[0] * 1e6:8.1f} us a step, held {more:+.1%}", flush=True)
        is_expensive |= more >= 0.1
    return int(is_expensive)


if __name__ == "__main__":
    sys.exit(main())
