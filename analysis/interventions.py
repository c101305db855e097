"""Cause or correlation: the league's networks without what a theory says makes them
generalise.

    python -m analysis.interventions

trains the same training sets and initial weights under each intervention, cuts keys and
neurons out of the finished networks, and leaves report.json, report.md, its tables and
survival.png in results/interventions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import tyro
from numpy.typing import NDArray
from tqdm.auto import tqdm

from analysis.arms.engine import Arms, arm_rows, leave_arms, runs_of, score_arms, survival, tabulate, verdict
from analysis.experiments import EXPERIMENTS
from analysis.measures.networks import Network, active_neurons, group_of, network_at, samples_of
from analysis.measures.waves import excluded, key_parts, restricted
from analysis.report.files import table
from analysis.report.tables import TARGETS_IN_WORDS, wide
from analysis.runs.session import ERRORS, Trains, end_dry_run, trained
from analysis.runs.store import RunStore
from analysis.runs.traces import Traces
from analysis.scores.table import MEASURED
from neural import ModularConfig
from neural.command import run_command

PROG = "python -m analysis.interventions"
BASE = "as it is"
NETWORKS = {name: EXPERIMENTS["league"][name] for name in ("squares-40", "transformer")}
LEARNED, GENERALISED = TARGETS = ("train_99", "test_95")
# (rate, decay) of plain SGD. Adam's product of the two makes a transformer forget all
# that it learns at any rate that does not diverge: there it is a tenth.
_SGD = {"squares-40": (10.0, 3e-4), "transformer": (0.3, 7e-4)}
_SEED = 0  # of the neurons that are drawn at random
CUTS = {
    "train": "training accuracy",
    "test": "test accuracy",
    "train_without_keys": "training accuracy without the keys",
    "test_without_keys": "test accuracy without the keys",
    "test_keys_alone": "test accuracy of the keys alone",
    "active": "share of neurons that are active",
    "test_active": "test accuracy of the active neurons alone",
    "test_others": "test accuracy of as many others",
}
# Columns of tables: the statistic, and how it is written.
MOMENTS = {"at memorisation": ("memorised", ".2f"), "at the end": ("end", ".2f")}
COLUMNS: dict[str, dict[str, tuple[str, ...]]] = {
    LEARNED: {"memorise": ("did", ".2f"), "steps to memorise": ("median", ",.0f")},
    GENERALISED: {"generalise": ("did", ".2f"), "steps to generalise": ("median", ",.0f")},
}
COLUMNS[GENERALISED]["times as it is"] = ("ratio", ".2f", BASE)


@dataclass(frozen=True)
class Arguments(Trains):
    """Take away what a theory says makes networks generalise: do they still?"""

    names: tyro.conf.Positional[tuple[Literal["squares-40", "transformer"], ...]] = ("squares-40", "transformer")
    """Which networks of the league, whose runs in the store are used."""
    seeds: int = 16
    """How many seeds."""
    out: Path = Path("results/interventions")


def main(arguments: Arguments) -> None:
    bases = {name: NETWORKS[name].configs(arguments.seed_range()) for name in arguments.names}
    # when runs memorise is not known yet
    plans = {name: arms(name, base, [base[0].budget] * len(base)) for name, base in bases.items()}
    end_dry_run(arguments, [run for plan in plans.values() for run in runs_of(plan)])
    with trained(arguments, runs_of(bases)) as store:
        for name, base in bases.items():
            plans[name] = arms(name, base, store.table(base)[f"steps_to_{LEARNED}"].tolist())
    with trained(arguments, [run for plan in plans.values() for run in runs_of(plan)]) as store:
        runs = pd.concat([tabulate(store, plan).assign(network=name) for name, plan in plans.items()])
        rows = [row for name, base in bases.items() for row in _cut(store, name, base)]
        cut = pd.DataFrame(rows, columns=["network", "seed", "moment", *CUTS])
    scores = pd.concat([score_arms(runs, TARGETS, by=["network"]), _left(cut)], ignore_index=True)
    groups = {NETWORKS[name].title: runs[runs["network"] == name] for name in bases}
    judged = [verdict(scores[scores["network"] == name], GENERALISED) for name in bases]
    answers = [f"**{title}.** {said}" for title, said in zip(groups, judged, strict=True)]
    rest = f"""\
The same training sets and initial weights in every row. Memorise: {TARGETS_IN_WORDS[LEARNED]}; generalise:
{TARGETS_IN_WORDS[GENERALISED]}, shares of the runs within the budget; medians are Kaplan-Meier's. Times as it is: the
ratio of the steps to generalise, median and 95 % interval over the pairs; a dash where most do so only as they are.

## What is cut out

Cut out of the networks as they are, without training: the key frequencies of the final outputs, or all but the neurons
that the final network needs. Means over the runs, lowest and highest.

{table(wide(scores, {"network": "network", "target": "accuracy"}, MOMENTS, CUTS))}"""
    rows = arm_rows(scores, {"network": "network", "arm": "intervention"}, COLUMNS)
    pictures, tables = {"survival.png": survival(groups, TARGETS, BASE)}, {"runs": runs, "scores": scores, "cuts": cut}
    leave_arms(arguments, PROG, "Interventions", answers, rows, rest, pictures, **tables)


def arms(name: str, base: Sequence[ModularConfig], learned: Sequence[float]) -> Arms:
    """The runs of each arm; `learned`: steps to memorisation, nan: there is none."""

    def changed(**change: Any) -> list[ModularConfig]:
        return [replace(run, **change) for run in base]

    memorised = ({"decay_until": int(step)} if math.isfinite(step) else {} for step in learned)
    sgd, decay = _SGD[name]
    return {
        BASE: [*base],
        "no decay": changed(weight_decay=0.0),
        "decay removed after memorisation": [replace(run, **at) for run, at in zip(base, memorised, strict=True)],
        "norm held": changed(weight_decay=0.0, constrained=True),
        "epsilon 1e-4": changed(epsilon=1e-4),  # of Adam; the gradients' entries are of this size or smaller
        "plain SGD": changed(optimizer="sgd", learning_rate=sgd, weight_decay=decay),
    }


def _cut(store: RunStore, name: str, base: Sequence[ModularConfig]) -> list[dict[str, Any]]:
    """What is left of the runs that memorise, a row a run and moment."""
    learned, rows = store.table(base)[f"steps_to_{LEARNED}"], []
    for config, step in tqdm([*zip(base, learned, strict=True)], desc="cutting", unit="run", leave=False):
        if np.isfinite(step):
            of_run = {"network": name, "seed": config.seed}
            rows += [of_run | {"moment": at} | left for at, left in cuts(config, store.traces(config), step).items()]
    return rows


def cuts(config: ModularConfig, traces: Traces, step: float) -> dict[str, dict[str, float]]:
    """Accuracies of a run at the first checkpoint from `step` on, `memorised`, and at
    the `end`, by the names of CUTS: without the key frequencies of the final network;
    with nothing but the constant and these; with the neurons alone that it needs for
    its predictions on the training set; with as many others, drawn at random (nan if
    there are fewer).
    """
    (inputs, labels), group, trained = samples_of(config), group_of(config), traces.mask
    assert group is not None
    then = min(int(np.searchsorted(traces.checkpoint_steps, step)), len(traces.checkpoint_steps) - 1)
    early, last = (
        network_at(config, {name: values[k] for name, values in traces.checkpoints.items()}, inputs) for k in (then, -1)
    )
    keys = key_parts(last.outputs.reshape(config.p, config.p, -1), group)
    active = active_neurons(last, trained)
    rest = np.setdiff1d(np.arange(last.hidden.shape[1]), active)
    others = np.random.default_rng(_SEED).permutation(rest)[: len(active)]

    def right(outputs: NDArray[np.float64]) -> NDArray[np.bool_]:
        return outputs.reshape(len(labels), -1).argmax(axis=1) == labels

    def of(one: Network) -> dict[str, float]:
        logits = one.outputs.reshape(config.p, config.p, -1)
        whole, without = right(logits), right(excluded(logits, group, keys))
        alone = [right(one.direct + one.hidden[:, some] @ one.readout[:, some].T) for some in (active, others)]
        return {
            "train": whole[trained].mean(),
            "test": whole[~trained].mean(),
            "train_without_keys": without[trained].mean(),
            "test_without_keys": without[~trained].mean(),
            "test_keys_alone": right(restricted(logits, group, keys))[~trained].mean(),
            "active": len(active) / one.hidden.shape[1],
            "test_active": alone[0][~trained].mean(),
            "test_others": alone[1][~trained].mean() if len(others) == len(active) else math.nan,
        }

    return {"memorised": of(early), "end": of(last)}


def _left(cut: pd.DataFrame) -> pd.DataFrame:
    """Means over the runs, where there are any, lowest and highest, as scores."""
    every = cut.melt(["network", "seed", "moment"], var_name="target").dropna()
    groups = every.groupby(["network", "moment", "target"], sort=False)["value"]
    found = groups.agg(value="mean", low="min", high="max", n="count").reset_index()
    return found.rename(columns={"moment": "statistic"}).assign(arm=BASE, predictor=MEASURED, against="", n_censored=0)


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
