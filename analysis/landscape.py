"""What training at constant weight norm finds, over the norm and the data size: the
reduced landscape of the LU mechanism.

    python -m analysis.landscape teacher

trains what is missing and leaves tables, report.json, report.md and pictures in
results/landscape/teacher.

Source: Liu, Michaud and Tegmark, "Omnigrok", section 2: the reduced loss l~(w) is the
loss where the training loss is least on the sphere ||theta|| = w; the training loss
should be an L in w, the test loss a U with its minimum at w_c. Here, as there: what
training at constant norm has found after so many steps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import tyro

from analysis.experiments import EXPERIMENTS
from analysis.predictors.norm import least
from analysis.report.command import environment, leave, trained_on
from analysis.report.files import table
from analysis.report.tables import wide
from analysis.runs.plan import Experiment, parse_settings
from analysis.runs.session import ERRORS, Trains, trained
from analysis.scores.table import MEASURED
from analysis.weight_norm.pictures import contours_picture, curves_picture
from analysis.weight_norm.tables import SCALES, landscape
from neural import ConfigError
from neural.command import run_command

PROG = "python -m analysis.landscape"
LANDSCAPES = EXPERIMENTS["landscape"]
_FIXED = (SCALES, "weight_decay", "constrained")
_COLUMNS = {
    "alpha of the least test loss": ("alpha_c", ".2f"),
    "that loss": ("least_test_loss", ".2g"),
    "left wall": ("left_wall", ".3g"),
    "right wall": ("right_wall", ".3g"),
    "training loss, alpha = 1": ("train_loss_at_1", ".2g"),
    "largest alpha": ("train_loss_at_largest", ".2g"),
}


@dataclass(frozen=True, kw_only=True)
class Arguments(Trains):
    """Train networks at constant weight norm and draw their losses: the L, the U."""

    name: tyro.conf.Positional[str]
    """Which networks: teacher, digits, transformer, reviews or molecules."""
    x: str | None = None
    """Axis of norms, init_scale=LO:HI:N:log in units of the usual initial norm; by default the landscape's own."""
    y: str | None = None
    """Axis of data sizes, n_train=A,B,C (of the transformer fraction=A,B,C); by default the landscape's own."""
    set: tuple[str, ...] = ()
    """FIELD=VALUE that all runs share, for example width=200."""
    seeds: int | None = None
    """How many seeds a point; by default the landscape's own number."""
    budget: int | None = None
    """Steps of each run; by default the landscape's own number."""
    out: Path | None = None
    """Folder for the report; by default results/landscape/NAME."""


def main(arguments: Arguments) -> None:
    plan = resolved(arguments)
    configs, size = plan.configs(), plan.axes[1].field
    with trained(arguments, configs, out := arguments.out or Path("results/landscape") / arguments.name) as store:
        runs = store.table(configs)
        found = landscape(store, configs, size, times(plan))
    scores = summary(found, size)
    pictures = {"curves.png": curves_picture(found, plan)}
    if len(plan.axes[1].values) > 1:
        pictures["contours.png"] = contours_picture(found, plan)
    made_with = environment(PROG, trained_on(runs))
    report = {"scores": scores.to_dict("records"), "environment": made_with}
    words = {size: size, "step": "steps", "kind": "kind"}
    last = wide(scores[scores["step"] == scores["step"].max()], words, _COLUMNS)
    paragraphs = page(plan, table(wide(scores, words, _COLUMNS)), made_with["command"])
    leave(out, report, pictures, paragraphs, [table(last, "simple"), ""], runs=runs, landscape=found, scores=scores)


def resolved(arguments: Arguments) -> Experiment:
    """The landscape that the options name, of axes of init_scale and of data sizes;
    ConfigError if there is none, or it has other axes, or values that a run cannot.
    """
    if arguments.name not in LANDSCAPES:
        raise ConfigError(f"`name` must be one of {', '.join(LANDSCAPES)}, but is {arguments.name!r}.")
    known = LANDSCAPES[arguments.name]
    settings = parse_settings(type(known.base), "set", arguments.set)
    for field in settings:
        if field in _FIXED:
            raise ConfigError(f"`set` must not name what a landscape fixes or varies, but names {field}.")
    if arguments.budget is not None:
        settings["budget"] = arguments.budget
    found = known.varied({"x": arguments.x, "y": arguments.y}, settings)
    scales, sizes = found.axes
    if scales.field != SCALES or not scales.is_number:
        raise ConfigError(f"`x` must be an axis of init_scale (alpha), but is one of {scales.field}.")
    if not sizes.is_number or sizes.field in (*_FIXED, "look_every", "budget"):
        raise ConfigError(f"`y` must be an axis of numbers, of data sizes say, but is one of {sizes.field}.")
    if len(scales.values) < 3:
        raise ConfigError(f"`x` must have three values at least, but has {len(scales.values)}.")
    seeds = arguments.seed_range(known.seeds)
    return replace(found, seeds=len(seeds), first_seed=seeds.start)


def times(plan: Experiment) -> list[int]:
    """Steps at which a landscape is read: a tenth, a third and all of the budget."""
    every, budget = plan.base.look_every, plan.base.budget
    return sorted({max(budget // part // every, 1) * every for part in (10, 3, 1)})


def summary(table: pd.DataFrame, size: str) -> pd.DataFrame:
    """Scores of a table of `landscape`, by data size, number of steps and kind.

    `alpha_c`: the scale of the least test loss, median of the seeds between the lowest
    and the highest. `least_test_loss`: the least median. `left_wall`, `right_wall`: how
    many times that the test loss is at both ends. `train_loss_at_1`, `_at_largest`: the
    median training loss at the scale next to 1, and at the largest.
    """
    rows = []
    for which, part in table.groupby([size, "step", "kind"], sort=True):
        found = [least(run[SCALES], run["test_loss"]) for _, run in part.sort_values(SCALES).groupby("seed")]
        # a loss that is not known is that of a run that diverged
        losses = part.fillna({"test_loss": np.inf, "train_loss": np.inf}).groupby(SCALES)
        test, train = (losses[name].median() for name in ("test_loss", "train_loss"))
        values = {
            "alpha_c": (np.nanmedian(found), np.nanmin(found), np.nanmax(found)),
            "least_test_loss": (test.min(),),
            "left_wall": (test.iloc[0] / test.min(),),
            "right_wall": (test.iloc[-1] / test.min(),),
            "train_loss_at_1": (train.iloc[np.abs(np.log(train.index.to_numpy(float))).argmin()],),
            "train_loss_at_largest": (train.iloc[-1],),
        }
        rows += [(*which, name, *(*value, np.nan, np.nan)[:3], len(found)) for name, value in values.items()]
    names = [size, "step", "kind", "statistic", "value", "low", "high", "n"]
    return pd.DataFrame(rows, columns=names).assign(predictor=MEASURED, against="")


def page(plan: Experiment, scores: str, command: str) -> list[str]:
    """The paragraphs of report.md."""
    scales, sizes = plan.axes
    several = "A: the usual norm and few data; B: too large a norm and as few data; C: as large a norm and most data."
    return [
        f"# {plan.title}: landscape",
        f"`{command}`",
        scores,
        f"""\
alpha of the least test loss: median of the seeds [lowest, highest]. Walls: how many times the least test loss it is \
at the smallest and at the largest alpha. final: after so many steps. best: at the look until then at which the \
training loss was least (the test set selects nothing).

Networks whose weights are scaled back to their initial norm, alpha times the usual one, after every update: \
{len(scales.values)} alphas, {len(sizes.values)} data sizes, {plan.seeds} seeds from {plan.first_seed} on, \
{plan.base.budget:,} steps, without weight decay. The paper expects an L of the training loss in alpha and a U of the \
test loss.

![curves](curves.png)

At the largest data size: medians of the seeds, and their range.""",
        *(["![contours](contours.png)", several] if len(sizes.values) > 1 else []),
    ]


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
