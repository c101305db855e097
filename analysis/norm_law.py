"""The law of grokking by weight norm: steps predicted from a landscape, against
measured ones, beside its rivals.

    python -m analysis.norm_law

trains what is missing and leaves tables, report.json, report.md and a picture a kind of
networks in results/norm_law.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import tyro

from analysis.experiments import EXPERIMENTS
from analysis.predictors.catalogue import predict
from analysis.predictors.norm import CALIBRATION_SEEDS, PREDICTORS, calibration_runs, landscape_runs
from analysis.report.command import check_given, environment, leave, trained_on
from analysis.report.files import table
from analysis.report.tables import seed_range, wide
from analysis.runs.session import ERRORS, Trains, trained
from analysis.runs.store import RunStore
from analysis.scores.table import score
from analysis.weight_norm.pictures import laws_picture
from analysis.weight_norm.tables import falls
from neural import ConfigError
from neural.command import run_command

PROG = "python -m analysis.norm_law"
FEWEST = 5  # seeds, whose draws are too few to tell an error otherwise
# What is predicted of each kind of networks,
TARGETS = {
    "teacher": {"test": "95 % within 0.001", "test_01": "95 % within 0.01"},
    "digits": {"test_60": "test accuracy 0.6"},
    "transformer": {"test_95": "test accuracy 0.95"},
}
# and the form of our law, the better one on CALIBRATION_SEEDS.
FORMS = {"teacher": "crossing_in_time", "digits": "time_inside", "transformer": "crossing_in_time"}


@dataclass(frozen=True, kw_only=True)
class Arguments(Trains):
    """Predict when networks generalise from the landscape of weight norms, and hold
    that and its rivals against training runs.
    """

    names: tyro.conf.Positional[tuple[Literal["teacher", "digits", "transformer"], ...]] = ("teacher",)
    """Which networks: teacher, digits, transformer."""
    seeds: int | None = None
    """How many seeds; by default 8 of the teacher, 5 of the others."""
    out: Path = Path("results/norm_law")
    """Folder for the report."""


def main(arguments: Arguments) -> None:
    plans = plan(arguments)
    beside = {one: None for runs in plans.values() for run in runs for one in landscape_runs(run)}
    cells = [one for runs in plans.values() for one in calibration_runs(runs[0])]
    with trained(arguments, [*beside, *(run for runs in plans.values() for run in runs), *cells]) as store:
        found = {name: scored(store, name, runs) for name, runs in plans.items()}
    runs, predictions, scores = (pd.concat(tables, ignore_index=True) for tables in zip(*found.values(), strict=True))
    made_with = environment(PROG, trained_on(runs))
    pictures, said = {}, []
    paragraphs = ["# When networks grok by weight norm", f"`{made_with['command']}`"]
    for name, (falling, told, own) in found.items():
        title, shown = EXPERIMENTS["norm_law"][name].title, rows(name, own)
        pictures[f"{name}.png"] = laws_picture(_with_laws(falling, told), TARGETS[name], title)
        said += [f"{title}:", table(shown, "simple"), ""]
        paragraphs += section(name, title, falling, table(shown))
    paragraphs.append(_EXPLAINED)
    report = {"scores": scores.to_dict("records"), "environment": made_with}
    leave(arguments.out, report, pictures, paragraphs, said, runs=runs, predictions=predictions, scores=scores)


def plan(arguments: Arguments) -> dict[str, list[Any]]:
    """The runs that laws are held against, by the name of their networks; ConfigError
    if seeds of the calibration are among them.
    """
    check_given(arguments, "names")
    found = {}
    for name in dict.fromkeys(arguments.names):
        seeds = arguments.seed_range(EXPERIMENTS["norm_law"][name].seeds)
        if {*seeds} & {*CALIBRATION_SEEDS}:
            wanted = f"leave out {seed_range(CALIBRATION_SEEDS)}, the seeds of the calibration"
            raise ConfigError(f"`seeds` and `first_seed` must {wanted}, but are {seed_range(seeds)}.")
        found[name] = EXPERIMENTS["norm_law"][name].configs(seeds)
    return found


def scored(store: RunStore, name: str, configs: Sequence[Any]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Runs, a row for each target; predictions; and scores, those of our form first."""
    runs = store.table(configs)
    predictors = sorted(PREDICTORS, key=lambda one: one.name != FORMS[name])
    predictions = predict(store, runs, predictors)
    how: Any = {"within": None, "clusters": ["seed"], "against": [FORMS[name]], "fewest": FEWEST}
    scores = score(runs, predictions, predictors, list(TARGETS[name]), **how)
    falling = [falls(store, configs, target) for target in TARGETS[name]]
    return pd.concat(falling, ignore_index=True), predictions, scores.assign(networks=name)


def rows(name: str, scores: pd.DataFrame) -> list[dict[str, str]]:
    """The table of one kind of networks."""
    columns = {
        "error (MAPE)": ("mape", ".0%"),
        "more than ours": ("mape", "+.0%", FORMS[name]),
        "measured/predicted": ("ratio", ".2f"),
        "says never": ("unpredicted", ".0f"),
        "concordance": ("concordance", ".2f"),
    }
    words = TARGETS[name] | {one.name: one.title for one in PREDICTORS}
    return wide(scores, {"target": "target", "predictor": "law"}, columns, words)


def section(name: str, title: str, runs: pd.DataFrame, scores: str) -> list[str]:
    """What is said of one kind of networks."""
    parts = [f"## {title}", scores, f"![{name}]({name}.png)"]
    for target, here in runs.groupby("target", sort=False):
        there = here[here["steps"].notna()]
        slow, shells = there[there["weight_decay"] <= 0.3], there[np.isfinite(there["shell"])]
        parts.append(
            f"{TARGETS[name][str(target)]}: {len(here)} runs (initial scale {_listed(here['init_scale'])}, decay "
            f"{_listed(here['weight_decay'])}, {here['seed'].nunique()} seeds), of which {len(there)} got there within "
            f"their budget. Their norm there over w0 exp(-eta gamma t): {_range(slow['decay_error'])} at decays up to "
            f"0.3, {_range(there['decay_error'])} at all; over the landscape's w_c after as many steps: "
            f"{_range(shells['norm_generalised'] / shells['shell'])}."
        )
    return parts


def _with_laws(runs: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """With a column a law: what it says of the run and target."""
    return runs.merge(predictions.pivot(index=["key", "target"], columns="predictor", values="value").reset_index())


def _listed(values: Iterable[float]) -> str:
    return ", ".join(f"{value:g}" for value in sorted({*values}))


def _range(values: pd.Series) -> str:
    return f"{values.min():.3f} to {values.max():.3f}" if len(values) else "-"


_EXPLAINED = f"""\
Steps until a network that began at too large a norm generalises, predicted from the landscape of training at constant \
norm (same training set and initial direction, same test samples), against measured. Two forms are ours, with nothing \
fitted; the norm is w0 exp(-eta gamma t) in both. Crossing in time: it meets the norm at which the landscape's test \
accuracy after as many steps falls through the threshold. Time inside: at norm w a step is 1/T(w) of the way, where \
T(w) is how long a run held there takes. The form that is compared with the rivals, the first of a table, is the one \
that was better on the seeds of the calibration. Norm separation and first passage know when the run has learned its \
training set, and its norm there; both are calibrated on one cell of runs of other seeds \
({_listed(CALIBRATION_SEEDS)}).

Intervals: 95 %, seeds drawn with replacement; none with fewer than {FEWEST} seeds. MAPE: over the runs that got \
there; never, or no prediction, counts as 100 %. Measured/predicted: the median over all runs with a finite \
prediction (Kaplan-Meier). Concordance: Harrell's index over all runs of which something is said, those censored at \
their budget too."""


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
