"""Train a grid of runs and keep them in the store: one or two axes, some seeds.

    python -m analysis.sweep --x decoder_lr=1e-5:1e-2:7:log --seeds 4 --budget 10000

A stopped sweep goes on where it was, a finished one can be extended: only what is new
is trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from analysis.experiments import DIAGRAMS
from analysis.predictors.predictor import targets_of
from analysis.report.command import environment, leave, trained_on
from analysis.report.files import table
from analysis.report.tables import seed_range, wide, words
from analysis.runs.session import ERRORS, PlaneOptions, trained
from analysis.scores.table import NOTHING, score
from neural.command import run_command

PROG = "python -m analysis.sweep"
COLUMNS = {"share": ("did", ".2f"), "median steps": ("median", ",.0f")}
PAGE = """\
{runs} runs, {seeds} seeds a point ({which}). Shares of runs that reached the thresholds within the budget, and the
medians of the steps it took (a run that did not get there counts as longer; - where most did not), with 95 %
intervals.

{table}"""


@dataclass(frozen=True, kw_only=True)
class Arguments(PlaneOptions):
    """Train a grid of runs and keep them in the store. What is there already is not
    trained again.
    """

    out: Path = Path("results/sweep")


def main(arguments: Arguments) -> None:
    plane = arguments.plane(DIAGRAMS, n_axes=1)
    configs, fields = plane.configs(), [axis.field for axis in plane.axes]
    with trained(arguments, configs) as store:
        runs = store.table(configs)
    targets = targets_of(configs[0])
    scores = score(runs, NOTHING, [], targets, fields, within=None)
    named = {name: name.replace("_", " ") for name in fields} | {"target": "to"}
    text = table(wide(scores, named, COLUMNS, {one: words(one) for one in targets}))
    said = PAGE.format(runs=len(runs), seeds=plane.seeds, which=seed_range(runs["seed"]), table=text)
    report = {"plane": {axis.field: axis.values for axis in plane.axes}, "scores": scores.to_dict("records")}
    report["environment"] = environment(PROG, trained_on(runs))
    leave(arguments.out, report, {}, [f"# {plane.title}", said], [text, ""], runs=runs, scores=scores)


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
