"""What does a prediction with a decoder cost, against training the network?

    python -m benchmarks.bench_decoder [--json FILE]

One thread each, in turn: `et.memory_flow` over 10,000 steps for 48 runs (six
training-set sizes, two speeds of the decoder), and the compiled ensemble training runs
of the same kind, per network. The ratio is that of one network, trained for all of its
steps, to one prediction (one draw of the decoder). Processor time. Exit status 1 if the
bar is missed.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch

import efftheory as et
from analysis.predictors.effective import operation
from analysis.predictors.memory import known, training
from neural import RunConfig
from neural.ensemble import Ensemble
from neural.families.toy import Toy, start
from neural.training import default_lanes

STEPS = 10_000
TIMED_STEPS = 300
RATIO_BAR = 30


def prediction_seconds(configs: list[RunConfig]) -> list[float]:
    """Processor seconds of each run's flow."""
    seconds = []
    for config in [configs[0], *configs]:  # the first one compiles
        knowledge = known(config)
        begin = time.process_time()
        et.memory_flow(operation(config), *knowledge, seed=0, **training(config))
        seconds.append(time.process_time() - begin)
    return seconds[1:]


def training_seconds(configs: list[RunConfig]) -> float:
    """Processor seconds a network for STEPS steps, in an ensemble of the usual size."""
    lanes = default_lanes(configs[0], "cpu")
    chosen = configs[:lanes]
    ensemble = Ensemble(Toy, [start(config) for config in chosen], chosen, "cpu", compiled=True)
    for _ in range(50):
        ensemble.step()
    rounds = []
    for _ in range(5):
        begin = time.process_time()
        for _ in range(TIMED_STEPS):
            ensemble.step()
        rounds.append(time.process_time() - begin)
    return float(np.median(rounds)) / TIMED_STEPS / lanes * STEPS


def main() -> int:
    torch.set_num_threads(1)
    configs = [
        RunConfig(n_train=n, seed=seed, decoder_lr=rate, budget=STEPS)
        for n in (25, 30, 35, 40, 45, 50)
        for rate in (1e-4, 1e-5)
        for seed in range(4)
    ]
    training = training_seconds(configs)
    print(f"training {STEPS:,} steps      {1000 * training:7.0f} ms a network")
    prediction = prediction_seconds(configs)
    mean, slowest = float(np.mean(prediction)), max(prediction)
    print(
        f"memory_flow  mean, slowest {1000 * mean:7.1f} {1000 * slowest:7.1f} ms; "
        f"1/{training / mean:.0f}, 1/{training / slowest:.0f} of the training"
    )
    if "--json" in sys.argv:
        took = {"training_seconds": training, "prediction_seconds": mean, "slowest_prediction_seconds": slowest}
        rounded = {name: round(seconds, 4) for name, seconds in took.items()}
        measured = {"steps": STEPS, "networks": len(configs), "cores": os.cpu_count()} | rounded
        Path(sys.argv[sys.argv.index("--json") + 1]).write_text(json.dumps(measured))
    return int(training / mean < RATIO_BAR)


if __name__ == "__main__":
    sys.exit(main())
