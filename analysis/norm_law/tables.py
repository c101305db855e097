"""What was measured, and what each law says of it: a row a run and target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.landscape.shells import whole_traces
from analysis.norm_law import laws
from analysis.norm_law.laws import FORMS, Reduced
from analysis.norm_law.setups import Setup, Target
from analysis.runs.store import RunStore
from analysis.runs.traces import Traces

# In the order of the page: ours, and its rivals. The last two read the run until it has
# learned its training set.
LAWS = (
    *FORMS,
    "with the radial gradient",
    "minimum of the U",
    "norm separation",
    "first passage",
)


def measured(store: RunStore, configs: Sequence[Any], target: Target) -> pd.DataFrame:
    """A row a run: init_scale, weight_decay, seed, rate (eta gamma), learning_rate,
    budget, steps and learned (nan: not within the budget), and the norms there, in
    units of the usual initial one; decay_error, the last of them over w0 exp(-rate
    steps).
    """
    table = store.table(configs)
    rows = []
    for config, steps, learned in zip(configs, table[target.steps], table[target.learned], strict=True):
        traces = store.traces(config)
        norms = traces.metrics["weight_norm"]
        usual = float(norms[0]) / config.init_scale
        rate = config.learning_rate * config.weight_decay
        then, end = (_at(traces, norms, step) / usual for step in (learned, steps))
        rows.append(
            {
                "init_scale": config.init_scale,
                "weight_decay": config.weight_decay,
                "seed": config.seed,
                "rate": rate,
                "learning_rate": config.learning_rate,
                "budget": config.budget,
                "steps": steps,
                "learned": learned,
                "norm_learned": then,
                "norm_generalised": end,
                "decay_error": end / (config.init_scale * np.exp(-rate * steps)),
            }
        )
    return pd.DataFrame(rows)


def _at(traces: Traces, values: np.ndarray, step: float) -> float:
    return float(values[np.searchsorted(traces.steps, step)]) if np.isfinite(step) else float("nan")


def reduced(store: RunStore, configs: Sequence[Any], target: Target) -> dict[int, Reduced]:
    """The landscape of each seed."""
    found = {}
    for seed in dict.fromkeys(config.seed for config in configs):
        here = sorted((config for config in configs if config.seed == seed), key=lambda config: config.init_scale)
        traces = [whole_traces(store, config) for config in here]
        found[seed] = Reduced(
            scales=np.array([config.init_scale for config in here]),
            steps=traces[0].steps,
            accuracies=np.array([one.metrics[target.accuracy] for one in traces], float),
            test_loss=np.array([one.metrics["test_loss"][-1] for one in traces], float),
            train_loss=np.array([one.metrics["train_loss"][-1] for one in traces], float),
            threshold=target.threshold,
            usual_norm=float(traces[0].metrics["weight_norm"][0]) / here[0].init_scale,
        )
    return found


def ours(store: RunStore, setup: Setup, seeds: Sequence[int], target: Target) -> pd.DataFrame:
    """`measured`; shell, the landscape's w_c after the measured steps; and a column a
    form of our law: steps, inf for never.
    """
    runs = measured(store, setup.runs(seeds), target)
    landscapes = reduced(store, setup.landscape(seeds), target)
    at = [
        (scale, rate, landscapes[seed])
        for scale, rate, seed in zip(runs["init_scale"], runs["rate"], runs["seed"], strict=True)
    ]
    shells = [
        one.shells[min(np.searchsorted(one.steps, steps), len(one.steps) - 1)] if np.isfinite(steps) else np.nan
        for (_, _, one), steps in zip(at, runs["steps"], strict=True)
    ]
    return runs.assign(shell=shells, **{name: [form(*one) for one in at] for name, form in FORMS.items()})


def predicted(store: RunStore, setup: Setup, seeds: Sequence[int], target: Target) -> pd.DataFrame:
    """`ours`, and a column a rival: steps, inf for never; nan where the law has nothing
    to go by.
    """
    runs = ours(store, setup, seeds, target)
    landscapes = reduced(store, setup.landscape(seeds), target)
    cell = measured(store, setup.calibration(), target).dropna(subset=["steps", "learned"])
    cell = cell[cell["steps"] > cell["learned"]]
    by = laws.calibrate(cell["steps"] - cell["learned"], cell["rate"], cell["norm_learned"], cell["norm_generalised"])

    def said(run: pd.Series) -> dict[str, float]:
        at = (run["init_scale"], run["rate"], landscapes[int(run["seed"])])
        own = (run["learned"], run["norm_learned"], run["rate"])
        known = by if np.isfinite(run["learned"]) else None
        return {
            "with the radial gradient": laws.with_radial_gradient(*at, run["learning_rate"]),
            "minimum of the U": laws.minimum_of_the_u(*at),
            "norm separation": laws.norm_separation(*own, known) if known else np.nan,
            "first passage": laws.first_passage(*own, known) if known else np.nan,
        }

    return runs.join(pd.DataFrame([said(run) for _, run in runs.iterrows()], columns=list(LAWS[len(FORMS) :])))
