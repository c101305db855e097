"""Which phase of learning does a network end in? A plane of runs, as the paper's phase
diagrams, with its uncertainty.

    python -m analysis.phase_diagram lr_lr
    python -m analysis.phase_diagram --x decoder_lr=1e-5:1e-2:7:log \\
        --y decoder_wd=0:10:6 --seeds 5

leaves report.json, report.md and phases.png in results/phase_diagram/NAME; with
--theory also what can be predicted of the same runs without training them. Runs are
kept in a store: a stopped command goes on where it was, other thresholds cost nothing,
a finer grid or more seeds train only what is new.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import tyro
from tqdm import tqdm

from analysis.phase_diagram.page import page, phase_rows, theory_line
from analysis.phase_diagram.phases import classify, points, uncertain
from analysis.phase_diagram.pictures import phase_diagram, success_maps, theory_diagram
from analysis.phase_diagram.records import Thresholds
from analysis.phase_diagram.report import as_json, study
from analysis.phase_diagram.theory import predict
from analysis.report.command import check_at_least, environment, leave, print_trained, trained_on
from analysis.report.files import prepare_folder, table
from analysis.runs.cost import print_cost
from analysis.runs.executors import Execution, WorkerError
from analysis.runs.experiments import Plane, PlaneOptions
from analysis.runs.plan import at_point
from analysis.runs.store import RunStore, StoreError, phase_records
from analysis.runs.sweep import ensure
from efftheory.constants import ACCURACY_THRESHOLD
from neural import ConfigError, RunConfig
from neural.command import run_command
from neural.families.toy import Toy

PROG = "python -m analysis.phase_diagram"
ERRORS = (StoreError, WorkerError)


@dataclass(frozen=True)
class Arguments:
    """Train a plane of runs and draw in which phase of learning (paper, table 1) each
    ends.
    """

    plane: tyro.conf.OmitArgPrefixes[PlaneOptions] = field(default_factory=PlaneOptions)
    train_threshold: float = Thresholds.train
    """Training accuracy that counts as learned (at least this)."""
    test_threshold: float = Thresholds.test
    """Test accuracy that counts as generalised."""
    delay: float = Thresholds.delay
    """Steps between the two from which on generalisation is grokking."""
    refine: int = 0
    """Rounds of refinement after the grid: new runs halfway between points of different phases, and more seeds
    where the seeds disagree.
    """
    theory: tyro.conf.FlagCreatePairsOff[bool] = False
    """Also predict the diagram without training, from each run's training set, initial embeddings, targets and rates,
    and say where the two agree.
    """
    dry_run: tyro.conf.FlagCreatePairsOff[bool] = False
    """Only say how many runs are missing (before any refinement) and what they would cost."""
    execution: tyro.conf.OmitArgPrefixes[Execution] = field(default_factory=Execution)
    out: Path | None = None
    """Folder for the report; by default results/phase_diagram/NAME."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


def main(arguments: Arguments) -> None:
    plane, thresholds = plan(arguments)
    execution = arguments.execution.resolved()
    out = arguments.out or Path("results/phase_diagram") / plane.name
    configs = plane.configs()
    if arguments.dry_run:
        print_cost(configs, arguments.store, execution)
        return
    prepare_folder(out)
    with RunStore(arguments.store) as store:
        n_trained = ensure(configs, store, execution)
        for number in range(1, arguments.refine + 1):
            cells = points(classify(store.table(configs), thresholds, phase_records(plane.family)), plane.axes)
            more = refinement(plane, cells, configs)
            if not more:
                break
            configs += more
            print(f"refinement {number}: {len(more)} more runs", file=sys.stderr)
            n_trained += ensure(more, store, execution)
        runs = store.table(configs)
    print_trained(len(runs), n_trained)
    predicted = None
    if arguments.theory:
        with tqdm(total=len(configs), desc="theory", unit="run", leave=False) as bar:
            predicted = predict(configs, thresholds.delay, bar.update)
    report = study(runs, plane, thresholds, environment(PROG, trained_on(runs)), predicted)
    pictures = {"phases.png": phase_diagram(report.points, report.boundaries, plane.axes, plane.title)}
    said = [table(phase_rows(report), "simple"), ""]
    if report.theory is not None:
        expected = report.theory.points
        pictures["theory.png"] = theory_diagram(report.points, expected, plane.axes, plane.title)
        pictures["success.png"] = success_maps(expected, plane.axes)
        said += [theory_line(report.theory), ""]
    leave(out, as_json(report), pictures, page(report), said)


def plan(arguments: Arguments) -> tuple[Plane, Thresholds]:
    """What the arguments ask for; ConfigError where that cannot be."""
    thresholds = Thresholds(arguments.train_threshold, arguments.test_threshold, arguments.delay)
    for name in ("train_threshold", "test_threshold"):
        if arguments.theory and getattr(arguments, name) != ACCURACY_THRESHOLD:
            raise ConfigError(
                f"`{name}` must be {ACCURACY_THRESHOLD} with --theory, which predicts the steps to that accuracy, "
                f"but is {getattr(arguments, name)}."
            )
    check_at_least(0, arguments, "refine")
    plane = arguments.plane.resolved(n_axes=2)
    if arguments.theory and plane.family is not Toy:
        raise ConfigError(f"`theory` must be left out with --family {plane.family.name}: it is that of the toy model.")
    for config in plane.configs():
        if config.n_train == config.n_samples:
            raise ConfigError(
                f"`n_train` must leave samples to test on, below {config.n_samples}, but is {config.n_train}."
            )
    return plane, thresholds


def refinement(plane: Plane, cells: pd.DataFrame, configs: list[RunConfig]) -> list[RunConfig]:
    """The runs that are to be added to `configs` where the phase is uncertain."""
    wanted = uncertain(cells, plane.axes, plane.seeds)
    more = [
        run
        for point, seeds in wanted.items()
        for run in at_point(plane.base, plane.axes, point, seeds, plane.first_seed)
    ]
    have = set(configs)
    return [run for run in more if run not in have]


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
