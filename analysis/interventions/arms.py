"""The interventions: the runs of each, the same training sets and initial weights in
the same order in all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from analysis.experiments import EXPERIMENTS
from neural import ModularConfig

BASE = "as it is"
LEARNED, GENERALISED = "steps_to_train_99", "steps_to_test_95"
SETTINGS = {name: EXPERIMENTS["league"][name] for name in ("squares-40", "transformer")}
# (rate, decay) of plain SGD. Adam's product of the two makes a transformer forget all
# that it learns at any rate that does not diverge: there it is a tenth.
_SGD = {"squares-40": (10.0, 3e-4), "transformer": (0.3, 7e-4)}
_EPSILON = 1e-4  # of Adam; the gradients' entries are of this size or smaller


def arms(name: str, seeds: Sequence[int], learned: Sequence[float]) -> dict[str, list[ModularConfig]]:
    """The runs of each arm.

    learned: of the runs as they are, steps to memorisation; nan where there is none,
        and decay is never removed.
    """
    base = [replace(SETTINGS[name].base, seed=seed) for seed in seeds]
    sgd, decay = _SGD[name]

    def all_with(change: Callable[[ModularConfig], ModularConfig]) -> list[ModularConfig]:
        return [change(run) for run in base]

    return {
        BASE: base,
        "no decay": all_with(lambda run: replace(run, weight_decay=0.0)),
        "decay removed after memorisation": [
            replace(run, decay_until=int(step)) if math.isfinite(step) else run
            for run, step in zip(base, learned, strict=True)
        ],
        "norm held": all_with(lambda run: replace(run, weight_decay=0.0, constrained=True)),
        "epsilon 1e-4": all_with(lambda run: replace(run, epsilon=_EPSILON)),
        "plain SGD": all_with(lambda run: replace(run, optimizer="sgd", learning_rate=sgd, weight_decay=decay)),
    }
