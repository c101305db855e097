"""The model of two variables: the norm w of a decoder, and the messiness m of the
embeddings that it reads.

    python -m analysis.two_variables
    python -m analysis.two_variables addition --sizes 25 45 --seeds 1

trains decoders whose norm and m are held, for the surface of the reduced training loss;
follows the two reduced equations on it; trains networks in which both are free; and
leaves tables, report.json, report.md, landscape.png and times.png in
results/two_variables: whether t = (L + h tan theta)/(eta_D gamma), read off the
surface, says when the equations, and when the networks, come to small m.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import tyro

from analysis.experiments import EXPERIMENTS
from analysis.predictors.predictor import Predictor, on
from analysis.report.command import check_given, environment, leave, trained_on
from analysis.report.files import table
from analysis.report.tables import wide
from analysis.runs.plan import Axis, parse_settings
from analysis.runs.session import ERRORS, Trains, trained
from analysis.scores.table import COLUMNS, score
from analysis.weight_norm.pictures import surfaces_picture, times_picture
from analysis.weight_norm.reduced import BORDER, FLOOR
from analysis.weight_norm.tables import Which, case, surface
from neural import ConfigError, MessinessConfig
from neural.command import run_command

PROG = "python -m analysis.two_variables"
FREE = EXPERIMENTS["two_variables"]["free"]
_OPERATIONS, _SIZES, _DECAYS = (axis.values for axis in FREE.axes)
BY = ["operation", "n_train"]
# Learning rate of a surface's decoders at alpha = 1; in proportion to alpha, so that a
# step turns the weights by as much at every norm.
TURN = 3e-3
PREDICTORS = [
    Predictor("formula", "formula", ("norm", "messiness", "rates", "other runs"), on("messiness")),
    Predictor("equations", "reduced equations", ("norm", "messiness", "rates", "other runs"), on("messiness")),
]


@dataclass(frozen=True, kw_only=True)
class Arguments(Trains):
    """Hold the formula of the two-variable model against its own equations, and against
    networks.
    """

    operations: tyro.conf.Positional[tuple[Literal["modular_addition", "addition"], ...]] = _OPERATIONS
    """What is learned: the source's text has plain addition, its code modular."""
    p: int = FREE.base.p
    """Number of symbols."""
    sizes: tuple[int, ...] = _SIZES
    """Training-set sizes, of p(p+1)/2."""
    seeds: int | None = FREE.seeds
    """How many seeds a size."""
    scales: tuple[float, ...] = (2, 2.6, 3.4, 4.5, 6, 8)
    """Norms of the surface, in those of the usual initial weights (alpha)."""
    levels: tuple[float, ...] = (0, 0.1, 0.25, 0.5, 1)
    """Values of m of the surface."""
    landscape_steps: int = 8_000
    """Updates of each of its decoders; a multiple of 100."""
    decays: tuple[float, ...] = _DECAYS
    """Weight decays gamma of the free runs."""
    corner: float = 0.1
    """m at which they are where sums mean something."""
    set: tuple[str, ...] = ()
    """FIELD=VALUE of all runs (width), or of the free ones: init_scale and messiness, with which they start,
    learning_rate (eta_D), messiness_lr (eta_R), and hold, updates before m may move.
    """
    out: Path = Path("results/two_variables")
    """Folder for the report."""


def main(arguments: Arguments) -> None:
    held, free = plan(arguments)
    loose = [(which, config) for which, some in free.items() for config in some]
    configs = [config for _, config in loose]
    everything = [*(config for some in held.values() for config in some), *configs]
    with trained(arguments, everything) as store:
        found = {which: surface(store, some) for which, some in held.items()}
        surfaces = {which: one for which, (one, _) in found.items()}
        followed = [case(store, config, surfaces[which], arguments.corner) for which, config in loose]
        cases = pd.concat([store.table(configs), pd.DataFrame(followed)], axis=1)
        made_with = environment(PROG, trained_on(store.table(everything)))
    predictions, scores = scored(cases, configs[0].n_samples)
    counts, ratios = shares(scores), times(scores)
    report = {"scores": scores.to_dict("records"), "environment": made_with}
    drawn = surfaces_picture(surfaces, cases, arguments.corner)
    leave(
        *(arguments.out, report, {"landscape.png": drawn, "times.png": times_picture(cases)}),
        page=page(table(counts), table(ratios), made_with["command"]),
        said=[table(counts, "simple"), "", table(ratios, "simple"), ""],
        runs=cases.drop(columns=["path", "traces"]),
        predictions=predictions,
        scores=scores,
        surfaces=pd.concat([rows for _, rows in found.values()], ignore_index=True),
    )


def scored(cases: pd.DataFrame, n_samples: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictions and scores, of an operation and of its sizes. The formula foretells
    the equations as well as the networks; nothing where it has no time, or one within
    the hold, in which m does not move.
    """
    formula, equations = cases["formula"].where(cases["formula"] > cases["hold"]), cases["equations"]
    cases = cases.assign(steps_to_equations=equations.replace(np.inf, np.nan))
    told = [("formula", "equations", formula), ("formula", "corner", formula), ("equations", "corner", equations)]
    parts = [pd.DataFrame({"key": cases["key"], "predictor": one, "target": of, "value": x}) for one, of, x in told]
    said = pd.concat(parts, ignore_index=True).assign(draws=0, read_at=0.0)
    said["probability"] = np.isfinite(said["value"]).astype(float)
    tested = cases[cases["n_train"] < n_samples]
    scores = [
        score(runs, said, PREDICTORS, [target], by, within=None, clusters=["seed"])
        for target, runs in {"equations": cases, "corner": cases, "test": tested}.items()
        for by in (BY[:1], BY)
    ]
    found = pd.concat(scores, ignore_index=True)[[*BY, *COLUMNS]]
    return said, found.assign(n_train=found["n_train"].map("{:g}".format).replace("nan", "all"))


def shares(scores: pd.DataFrame) -> list[dict[str, str]]:
    """How many come to the corner of small m; of the formula, how many have a time."""
    did, has = scores[scores["statistic"] == "did"], scores[scores["statistic"] == "said"]
    has = has[(has["predictor"] == "formula") & (has["target"] == "corner")].assign(target="formula")
    together = pd.concat([did, has])
    columns = {
        "formula": ("formula", ".2f"),
        "reduced equations": ("equations", ".2f"),
        "networks": ("corner", ".2f"),
        "test accuracy 0.9": ("test", ".2f"),
    }
    return wide(together.assign(statistic=together["target"]), BY, columns)


def times(scores: pd.DataFrame) -> list[dict[str, str]]:
    """How many times what is said it takes, over all sizes."""
    words = {one.name: one.title for one in PREDICTORS} | {"corner": "networks"}
    columns = {"times what is said": ("ratio", ".2f"), "concordance": ("concordance", ".2f")}
    rows = {"operation": "operation", "target": "time of", "predictor": "as said by"}
    return wide(scores[scores["n_train"] == "all"], rows, columns, words)


def plan(arguments: Arguments) -> tuple[dict[Which, list[MessinessConfig]], dict[Which, list[MessinessConfig]]]:
    """By operation, size and seed: the runs of a surface, and free ones;
    ConfigError if an option leaves nothing to do, or no surface around the start.
    """
    check_given(arguments, "operations", "sizes", "decays")
    if min(arguments.decays) <= 0:
        raise ConfigError(f"`decays` must be above 0, but is {arguments.decays}.")
    axes = Axis("operation", tuple(dict.fromkeys(arguments.operations))), Axis("n_train", _ascending(arguments.sizes))
    settings = {"p": arguments.p} | parse_settings(MessinessConfig, "set", arguments.set)
    free = replace(FREE, axes=(*axes, Axis("weight_decay", _ascending(arguments.decays)))).varied({}, settings)
    base, scales, levels = free.base, _ascending(arguments.scales), _ascending(arguments.levels)
    start, corner = base.init_scale, arguments.corner
    if len(scales) < 3 or not scales[0] < start <= scales[-1]:  # at the least norm all would be over
        raise ConfigError(f"`scales` must be at least three values around {start:g}, but is {arguments.scales}.")
    if len(levels) < 3 or not levels[0] <= corner <= base.messiness <= levels[-1]:
        around = f"{corner:g} to {base.messiness:g}"
        raise ConfigError(f"`levels` must be at least three values around {around}, but is {arguments.levels}.")
    moves = {"trained": False, "hold": 0, "messiness_lr": 1.0, "weight_decay": 0.0}  # nothing does
    still = replace(base, constrained=True, budget=arguments.landscape_steps, **moves)
    grid = (*axes, Axis("init_scale", scales), Axis("messiness", levels))
    held = replace(FREE, base=still, axes=grid, budget=None).configs(arguments.seed_range())
    return (
        _by_set([replace(run, learning_rate=TURN * run.init_scale) for run in held]),
        _by_set(free.configs(arguments.seed_range())),
    )


def _ascending(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(sorted(set(values)))


def _by_set(configs: Iterable[MessinessConfig]) -> dict[Which, list[MessinessConfig]]:
    found = defaultdict(list)
    for config in configs:
        found[config.operation, config.n_train, config.seed].append(config)
    return found


def page(counts: str, ratios: str, command: str) -> list[str]:
    """The paragraphs of report.md."""
    return [
        f"""\
# The model of two variables

`{command}`

{counts}

Shares that come to small m, all seeds and decays, with exact intervals. The formula has a time where the border \
lies between the start and the corner, the start is on its side of little loss, and its time is not within the \
hold, where the equations pass the border. How many times what is said it takes:

{ratios}

Medians over all runs of which something is said (Kaplan-Meier; a dash: beyond the budget).

A decoder of norm w reads sums of two embeddings of messiness m, which are m times random ones and 1 - m times \
symbols on a line. The reduced training loss is that of the best decoder of norm w at m. Three computations are kept \
apart: decoders whose norm and m are held, each trained for itself (the surface); the two reduced equations on it, \
dw/dt = -eta_D (dl/dw + gamma w) and dm/dt = -eta_R dl/dm; and networks in which both are free (AdamW for the \
decoder, plain descent for m, which is held while the decoder over-fits).

![the surfaces, with what moves on them](landscape.png)

The reduced loss of the first seed, with the border where it is {BORDER:g}. Losses count as {FLOOR:g} at the least, \
and of all norms up to w the least loss counts.

![times beside the formula](times.png)

Formula: t = (L + h tan theta)/(eta_D gamma), all read off the surface; theta is the border's angle with the axis of \
m. All times in updates, from the first. runs.csv has those of each run, and L (distance), h (height) and theta \
(angle).""",
    ]


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
