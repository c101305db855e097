"""What does a prediction with a decoder cost, against training the network?

    python -m benchmarks.bench_decoder

One thread each, in turn: `et.decoder_flow` over 10,000 steps for 48 runs (six
training-set sizes, two speeds of the decoder), and the compiled ensemble training runs
of the same kind, per network. The ratio is that of one network, trained for all of its
steps, to one prediction (one draw of the decoder's initial function). Exit status 1 if
the bar is missed.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch

from analysis.theory.decoder_theory import follow, known
from neural import RunConfig
from neural.ensemble import Ensemble
from neural.families.toy import Toy, start
from neural.training import default_lanes

STEPS = 10_000
TIMED_STEPS = 300
RATIO_BAR = 50


def prediction_seconds(configs: list[RunConfig]) -> list[float]:
    """Seconds of each run's flow."""
    seconds = []
    for config in [configs[0], *configs]:  # the first one compiles
        knowledge = known(config)
        begin = time.perf_counter()
        follow(config, *knowledge, seed=0)
        seconds.append(time.perf_counter() - begin)
    return seconds[1:]


def training_seconds(configs: list[RunConfig]) -> float:
    """Seconds a network for STEPS steps, in an ensemble of the usual size."""
    lanes = default_lanes(configs[0], "cpu")
    chosen = configs[:lanes]
    ensemble = Ensemble(Toy, [start(config) for config in chosen], chosen, "cpu", compiled=True)
    for _ in range(50):
        ensemble.step()
    rounds = []
    for _ in range(5):
        begin = time.perf_counter()
        for _ in range(TIMED_STEPS):
            ensemble.step()
        rounds.append(time.perf_counter() - begin)
    return float(np.median(rounds)) / TIMED_STEPS / lanes * STEPS


def main() -> int:
    torch.set_num_threads(1)
    configs = [
        RunConfig(n_train=n, seed=seed, decoder_lr=rate, budget=STEPS)
        for n in (25, 30, 35, 40, 45, 50)
        for rate in (1e-4, 1e-5)
        for seed in range(4)
    ]
    prediction, training = prediction_seconds(configs), training_seconds(configs)
    print(f"training {STEPS:,} steps, one thread   {1000 * training:8.0f} ms a network")
    print(f"decoder_flow, mean of {len(configs)} runs     {1000 * np.mean(prediction):8.1f} ms")
    print(f"              slowest run           {1000 * max(prediction):8.1f} ms")
    print(f"ratio, mean                         {training / np.mean(prediction):8.0f}")
    print(f"ratio, slowest                      {training / max(prediction):8.0f}")
    return int(training / np.mean(prediction) < RATIO_BAR)


if __name__ == "__main__":
    sys.exit(main())
