"""Which phase of learning does a network end in? A plane of runs, as the paper's phase
diagrams, with its uncertainty.

    python -m analysis.phase_diagram lr_lr
    python -m analysis.phase_diagram --x decoder_lr=1e-5:1e-2:7:log \\
        --y decoder_wd=0:10:6 --seeds 5

leaves runs.csv, scores.csv, report.json, report.md and phases.png in
results/phase_diagram/NAME; with --theory also what can be predicted of the same runs
without training them. Runs are kept in a store: a stopped command goes on where it was,
other thresholds cost nothing, a finer grid or more seeds train only what is new.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import tyro

from analysis.experiments import EXPERIMENTS
from analysis.phase_diagram import diagram
from analysis.phase_diagram.diagram import DRAWS, PREDICTOR, TARGETS, Row
from analysis.phase_diagram.pictures import phase_diagram, success_maps, theory_diagram
from analysis.predictors.catalogue import CATALOGUE, predict
from analysis.report.command import check_at_least, environment, leave, trained_on
from analysis.report.files import table
from analysis.report.tables import TARGETS_IN_WORDS, cell, rows_of, seed_range, wide
from analysis.runs.phases import PHASES, UNDECIDED, Thresholds, classify, points
from analysis.runs.plan import Experiment, at_point
from analysis.runs.session import ERRORS, PlaneOptions, trained
from analysis.runs.store import phase_records
from analysis.runs.sweep import ensure
from analysis.scores.table import score
from efftheory.constants import ACCURACY_THRESHOLD
from neural import ConfigError
from neural.command import run_command
from neural.families.toy import Toy

PROG = "python -m analysis.phase_diagram"
DIAGRAMS = EXPERIMENTS["phase_diagram"]


@dataclass(frozen=True, kw_only=True)
class Arguments(PlaneOptions, Thresholds):
    """Train a plane of runs and draw in which phase (paper, table 1) each ends."""

    refine: int = 0
    """Rounds of refinement after the grid: new runs halfway between points of different phases, and more seeds
    where the seeds disagree.
    """
    theory: tyro.conf.FlagCreatePairsOff[bool] = False
    """Also predict the diagram without training, from each run's training set, initial embeddings, targets and rates,
    and say where the two agree.
    """


def main(arguments: Arguments) -> None:
    plane = plan(arguments)
    axes, records, configs = plane.axes, phase_records(plane.family), plane.configs()
    out = arguments.out or Path("results/phase_diagram") / (arguments.name or "-".join(axis.field for axis in axes))
    with trained(arguments, configs, out) as store:
        for round_ in range(1, arguments.refine + 1):
            more = refinement(plane, points(classify(store.table(configs), arguments, records), axes), configs)
            if not more:
                break
            configs += more
            print(f"refinement {round_}: {len(more)} more runs", file=sys.stderr)
            ensure(more, store, arguments.execution)
        runs = classify(store.table(configs), arguments, records)
        predictors = [CATALOGUE[PREDICTOR]] if arguments.theory else []
        predictions = predict(store, runs, predictors, {PREDICTOR: DRAWS})
    cells = points(runs, axes)
    edges = diagram.boundaries(cells, axes)
    scores = diagram.measured_scores(runs, cells, edges)
    pictures = {"phases.png": phase_diagram(cells, edges, axes, plane.title)}
    tables = {"runs": runs, "points": cells}
    if arguments.theory:
        told = diagram.foretold(predictions, runs["key"].tolist(), arguments.delay)
        expected, compared = diagram.compare(runs, told, axes)
        of_targets = score(runs, predictions, predictors, TARGETS, within=None).assign(**dict.fromkeys(diagram.BY, ""))
        scores = pd.concat([scores, compared, of_targets], ignore_index=True)
        pictures["theory.png"] = theory_diagram(cells, expected, axes, plane.title)
        pictures["success.png"] = success_maps(expected, axes)
        tables |= {"predictions": predictions, "predicted_points": expected}
    made = environment(PROG, trained_on(runs))
    report = {"environment": made, "points": cells.to_dict("records"), "scores": scores.to_dict("records")}
    said = [table(phase_rows(scores), "simple"), "", *([theory_line(scores), ""] if arguments.theory else [])]
    leave(out, report, pictures, page(plane, runs, scores, arguments, made), said, **tables, scores=scores)


def plan(arguments: Arguments) -> Experiment:
    """The plane that the arguments ask for; ConfigError where that cannot be."""
    for name in ("train_threshold", "test_threshold"):
        if arguments.theory and getattr(arguments, name) != ACCURACY_THRESHOLD:
            raise ConfigError(
                f"`{name}` must be {ACCURACY_THRESHOLD} with --theory, which predicts the steps to that accuracy, "
                f"but is {getattr(arguments, name)}."
            )
    check_at_least(0, arguments, "refine")
    plane = arguments.plane(DIAGRAMS, n_axes=2)
    if arguments.theory and plane.family is not Toy:
        raise ConfigError(f"`theory` must be left out with --family {plane.family.name}: it is that of the toy model.")
    if full := [config for config in plane.configs() if config.n_train == config.n_samples]:
        n = full[0].n_samples
        raise ConfigError(f"`n_train` must leave samples to test on, below {n}, but is {n}.")
    return plane


def refinement(plane: Experiment, cells: pd.DataFrame, configs: list[Any]) -> list[Any]:
    """The runs that are to be added to `configs` where the phase is uncertain."""
    wanted, have = diagram.uncertain(cells, plane.axes, plane.seeds), set(configs)
    more = (at_point(plane.base, plane.axes, point, seeds, plane.first_seed) for point, seeds in wanted.items())
    return [run for some in more for run in some if run not in have]


_PHASES = """\
![phase diagram](phases.png)

A letter stands for the phase of more than half of the seeds, with their share and a bar of all phases where they
disagree. A point without such a phase is undecided: hatched, with a question mark.

Learned: training accuracy at least {0.train_threshold:g} within the budget. Generalised: test accuracy at least
{0.test_threshold:g}. Comprehension: that comes less than {0.delay:g} steps after the training accuracy; grokking:
later. Memorisation: learned only; confusion: neither; test only (which the paper's table 1 leaves open): generalised
only."""

_BOUNDARIES = """\
## Boundaries

Where one phase gives way to another along a line of the plane: the line's likeliest partition into segments of constant
phase probabilities, less a penalty for each cut. In brackets likelihood intervals, never narrower than the distance of
two neighbouring points (`--refine` adds points between). In simulations (13 points; 1, 3 or 5 seeds, of which 0, 10 or
25 % stray) 90 to 100 % of them held the true cut, at least 98 % with up to 10 % strays; of lines without a step at most
6 % had a boundary."""

_PREDICTED = f"""\
## Predicted without training

![measured and predicted phases](theory.png)

The theory of embeddings and decoder (`efftheory.memory`) was given each run's training set, initial embeddings, targets
and rates, and drew {DRAWS} initial decoders of its own. A run's predicted steps are the lower medians over these, its
predicted phase is that of the predicted steps, and a point's is that of most of its runs, as above. Points whose
measured phase is undecided are left out: neither prediction nor constant can be right there. In brackets exact binomial
intervals: too narrow, for neighbouring points are alike, and all points have the same seeds."""

_CONFUSION = "Points by the phase of most seeds, or undecided (single runs); measured down, predicted across:"

_TARGETS = """\
Who gets there within the budget, and when. Predicted: the mean of the share of draws that get there, which the Brier
score is of, too (a smaller one is better). Right: the share of runs that get there, or do not, as most draws do.
Measured / predicted steps: the Kaplan-Meier median of the runs that should get there."""


def page(plane: Experiment, runs: pd.DataFrame, scores: pd.DataFrame, limits: Thresholds, made: Mapping) -> list[str]:
    """The paragraphs of report.md; `made` is what the runs were made with."""
    (x, y), edges, theory = plane.axes, boundary_rows(scores), theory_line(scores)
    [agreed] = _rows(scores, statistic="agreed")
    plain = {name: value for name, value in asdict(plane.base).items() if value != ""}
    shared = [f"{name} = {value}" for name, value in plain.items() if name not in ("seed", x.field, y.field)]
    predicted = {_PREDICTED: answer_rows, _CONFUSION: confusion_rows, _TARGETS: target_rows} if theory else {}
    return [
        f"# {plane.title}",
        f"{len(runs)} runs at {agreed.n:.0f} points of the plane {x.field} x {y.field}. All seeds agree at "
        f"{agreed.value:.0%} of the points. {theory}",
        table(phase_rows(scores)),
        _PHASES.format(limits),
        *([_BOUNDARIES, table(edges)] if edges else []),
        *(part for words, rows in predicted.items() for part in (words, table(rows(scores)))),
        *(["![measured and predicted shares](success.png)"] if theory else []),
        f"## Set-up\n\nShared by all runs: {', '.join(shared)}. Their seeds: {seed_range(runs['seed'])}.",
        f"`{made['command']}`, {', '.join(made['trained_on'])}. All numbers are in scores.csv, run by run in runs.csv.",
    ]


def theory_line(scores: pd.DataFrame) -> str:
    """How many phases are as predicted, in one line; none where nothing was."""
    answers = [row for row in answer_rows(scores) if row["where"] is None]
    told = (row["answer"] + ",".join(f" {row[of]} {of}" for of in ("points", "runs") if row[of]) for row in answers)
    return f"Phases that are right: {'; '.join(told)}." if answers else ""


def _rows(scores: pd.DataFrame, **words: str) -> list[Any]:
    """Those that have these words."""
    return rows_of(scores[(scores[[*words]] == [*words.values()]).all(axis=1)])


def phase_rows(scores: pd.DataFrame) -> list[Row]:
    """A row a phase of the paper, and what else there is: points, runs, delay."""
    here = scores[(scores["other"] == "") & (scores["predictor"] == "") & (scores["phase"] != "")]
    there = set(here["phase"][here["value"] > 0])
    columns = {"points": ("points", ".0f"), "runs": ("runs", ".0f"), "median delay (steps)": ("median_delay", ",.0f")}
    return wide(here[here["phase"].isin({*PHASES[:4], *there})], ["phase"], columns)


def boundary_rows(scores: pd.DataFrame) -> list[Row]:
    """A row a line that has boundaries: phases and intervals in order."""
    lines = defaultdict(list)
    for row in _rows(scores, statistic="boundary"):
        lines[row.where].append(f"{row.phase} / {cell(row, '.3g')} / {row.other}")
    return [{"along": where, "boundaries": "; ".join(texts)} for where, texts in lines.items()]


def answer_rows(scores: pd.DataFrame) -> list[Row]:
    """A row a way to answer, and a place: the shares that are right, of how many."""
    rows: dict[Any, Row] = {}
    for row in _rows(scores, target="phase", other=""):
        own = {PREDICTOR: "the theory's", "constant": f"always {row.phase}"}.get(row.predictor, "the other seeds'")
        begun = {"answer": own, "where": row.where or None, "points": None, "runs": None}
        found = rows.setdefault((own, row.where), begun)
        found[row.statistic.removesuffix("_equal")] = f"{cell(row, '.0%')} of {row.n:.0f}"
    return [*rows.values()]


def confusion_rows(scores: pd.DataFrame) -> list[Row]:
    """Points (runs) by measured phase, a row each, and predicted; those there are."""
    here = scores[(scores["other"] != "") & (scores["target"] == "phase")]
    n = {(row.statistic, row.phase, row.other): f"{row.value:.0f}" for row in rows_of(here)}
    names = [name for name in (*PHASES, UNDECIDED) if name in {*here["phase"], *here["other"]}]
    return [
        {"measured": a} | {b: f"{n.get(('points', a, b), 0)} ({n.get(('runs', a, b), 0)})" for b in names}
        for a in names
    ]


def target_rows(scores: pd.DataFrame) -> list[Row]:
    """A row a threshold: who gets there, and the steps."""
    columns = {
        "measured": ("did", ".0%"),
        "predicted": ("said", ".0%"),
        "right": ("right", ".0%"),
        "one answer for all": ("right_constant", ".0%"),
        "Brier score": ("brier", ".3f"),
        "of a constant": ("brier_constant", ".3f"),
        "measured / predicted steps": ("ratio", ".2g"),
    }
    return wide(scores[scores["target"].isin(TARGETS)], {"target": "to"}, columns, TARGETS_IN_WORDS)


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
