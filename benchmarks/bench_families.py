"""Do lanes pay for modular addition? python -m benchmarks.bench_families

Two networks in float32 on full batches, 40 % of the pairs trained on, evaluated every
25 steps on either side:

transformer  p = 53, d = 128, 4 heads, MLP 512
squares      p = 31, a hidden layer of 128 squares on one-hot inputs

ours      one compiled ensemble of as many lanes as `neural.training.default_lanes` says
baseline  the same network alone, in torch's own layers and optimiser
          (tests/neural/twins.py): nn.MultiheadAttention asked by the last token, or
          nn.Linear on one-hot vectors that are made once; torch.optim.AdamW, fused

One thread each. A rate is net-steps (one network advanced by one update, its share of
the evaluations included) a second of processor time, which hardly depends on who else
is at work: of the quickest of ROUNDS rounds of 25 updates and an evaluation, compiling
and other warm-up not included. Exit status 1 where ours is not quicker than the
baseline.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from neural.ensemble import Ensemble
from neural.families.modular import Modular, ModularConfig
from neural.training import default_lanes
from tests.neural.twins import modular_twin

CONFIGS = {
    "transformer": ModularConfig(network="transformer", p=53, d=128, heads=4, mlp=512),
    "squares": ModularConfig(p=31, width=128),
}
ROUNDS = 6
SECONDS = 0.2  # a round has as many times 25 updates and an evaluation as take so long


def processor_seconds(update: Callable[[], object], evaluate: Callable[[], object], every: int) -> tuple[float, float]:
    """Of `every` updates, and of an evaluation: the least of ROUNDS."""

    def once() -> tuple[float, float]:
        begin = time.process_time()
        for _ in range(every):
            update()
        middle = time.process_time()
        evaluate()
        return middle - begin, time.process_time() - middle

    once()  # compiles
    once()
    repeats = max(1, round(SECONDS / max(sum(once()), 1e-6)))
    rounds = []
    for _ in range(ROUNDS):
        times = [once() for _ in range(repeats)]
        rounds.append([sum(parts) / repeats for parts in zip(*times, strict=True)])
    updates, evaluations = min(rounds, key=sum)
    return updates, evaluations


def ours(config: ModularConfig) -> tuple[float, float, float]:
    """Processor seconds of `look_every` updates of one of the lanes, of an evaluation,
    and the number of lanes.
    """
    lanes = default_lanes(config, "cpu")
    runs = [replace(config, seed=seed) for seed in range(lanes)]
    ensemble = Ensemble(Modular, [Modular.start(run) for run in runs], runs, "cpu", compiled=True)

    def evaluate() -> None:
        for part in ensemble.evaluate()[:2]:
            part.numpy()

    updates, evaluations = processor_seconds(lambda: ensemble.advance(1), evaluate, config.look_every)
    if not ensemble.compiled:
        sys.exit("error: this machine cannot compile, see above")
    return updates / lanes, evaluations / lanes, lanes


def baseline(config: ModularConfig) -> tuple[float, float]:
    """The same of a network alone."""
    plain, _ = modular_twin(config)
    return processor_seconds(plain.update, plain.evaluate, config.look_every)


def main() -> int:
    """Measure, print, judge."""
    torch.set_num_threads(1)
    is_slow = False
    print("modular addition, float32, full batches; net-steps a processor second, evaluations every 25 steps included")
    for name, config in CONFIGS.items():
        alone = baseline(config)
        *together, lanes = ours(config)
        ratio = sum(alone) / sum(together)
        rows = {"alone, eager": alone, f"ensemble, compiled, {lanes} lanes": together}
        for row, (updates, evaluations) in rows.items():
            seconds = updates + evaluations
            rate, share = config.look_every / seconds, evaluations / seconds
            quicker = sum(alone) / seconds
            print(f"  {name:12} {row:32}{rate:8.0f} /cpu-s{quicker:8.2f} x   evaluations {share:4.0%}", flush=True)
        is_slow |= ratio <= 1
    return int(is_slow)


if __name__ == "__main__":
    sys.exit(main())
