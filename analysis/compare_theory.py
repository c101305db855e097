"""Train networks, compute the theory on the very same training sets, and say how well they agree.

    python -m analysis.compare_theory

leaves report.json, report.md and pictures in results/compare_theory. Runs are kept in a store: a stopped
command goes on where it was, and finished runs are never trained again.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
import tyro
from tqdm import tqdm

from analysis._report import environment, prepare_folder, save_picture, table, write_json, write_page
from analysis.agreement.outcomes import score_accuracy, score_probability
from analysis.agreement.page import page, time_rows
from analysis.agreement.pictures import draw_all
from analysis.agreement.predictions import NULL_MODEL, PREDICTORS, TARGETS, linear_probabilities, predict
from analysis.agreement.tables import Entry
from analysis.agreement.times import score_medians, score_time
from analysis.agreement.verdict import verdict
from analysis.runs.executors import Execution, WorkerError
from analysis.runs.experiments import DEFAULT_SIZES
from analysis.runs.plan import Axis, grid
from analysis.runs.store import CONFIG_COLUMNS, RunStore, StoreError
from analysis.runs.sweep import ensure
from neural import ConfigError, RunConfig
from neural.command import run_command

PROG = "python -m analysis.compare_theory"
ERRORS = (StoreError, WorkerError)


@dataclass(frozen=True)
class Arguments:
    """Train networks, compute the theory on the very same training sets, and say how well they agree."""

    p: int = 10
    """Number of symbols, 0..p-1."""
    sizes: tuple[int, ...] = ()
    """Training-set sizes |D|; by default 20 25 .. 50 54 for p = 10, and the same fractions of p(p+1)/2 for
    another p.
    """
    seeds: int = 8
    """How many seeds a size: 0..seeds-1."""
    budget: Annotated[int, tyro.conf.arg(aliases=["--steps"])] = RunConfig.budget
    """Steps after which a run that has not reached a threshold is censored."""
    repr_lr: tuple[float, ...] = (RunConfig.repr_lr,)
    """Learning rates of the embeddings."""
    decoder_lr: tuple[float, ...] = (RunConfig.decoder_lr,)
    """Learning rates of the decoder; several make an axis: the theory takes the decoder as slow."""
    decoder_wd: float = RunConfig.decoder_wd
    """Weight decay of the decoder."""
    d: int = RunConfig.d
    """Embedding dimension."""
    loss: Literal["mse", "ce"] = RunConfig.loss
    """Regression on random targets, or classification."""
    optimizer: Literal["adamw", "sgd"] = RunConfig.repr_optimizer
    """Optimiser of the embeddings."""
    execution: tyro.conf.OmitArgPrefixes[Execution] = field(default_factory=Execution)
    draws: int = 20_000
    """Random training sets behind P(linear)."""
    out: Path = Path("results/compare_theory")
    """Folder for the report."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


def main(arguments: Arguments) -> None:
    configs = plan(arguments)
    execution = arguments.execution.resolved()
    prepare_folder(arguments.out)
    with RunStore(arguments.store) as store:
        n_trained = ensure(configs, store, execution)
        runs = store.table(configs)
        print(f"{len(runs)} runs, {n_trained} of them trained now", file=sys.stderr)
        with tqdm(total=len(runs), desc="theory", unit="run", leave=False) as bar:
            predictions = predict(runs, bar.update)
        store.keep_predictions(predictions)
    runs = runs.merge(predictions, on="key")
    report = compare(runs, arguments.draws)
    trained_on = sorted(set(zip(runs["device"], runs["torch"], strict=True)))
    report["environment"] = environment(trained_on, " ".join([PROG, *sys.argv[1:]]))
    write(arguments.out, runs, report)
    print(table(time_rows(report["time"]), "simple"), "", sep="\n")
    print(*(f"- {sentence}" for sentence in report["verdict"]), sep="\n")
    print(f"\n{arguments.out / 'report.md'}")


def plan(arguments: Arguments) -> list[RunConfig]:
    """The runs that the arguments ask for; ConfigError if there are none or one cannot be."""
    if arguments.draws < 1:
        raise ConfigError(f"`draws` must be an integer of at least 1, but is {arguments.draws}.")
    for name in ("repr_lr", "decoder_lr"):
        if not getattr(arguments, name):
            raise ConfigError(f"`{name}` must be at least one number, but is empty.")
    if arguments.p < 3:
        raise ConfigError(
            f"`p` must be an integer of at least 3 (fewer symbols make no parallelogram), but is {arguments.p}."
        )
    base = RunConfig(
        p=arguments.p,
        n_train=1,
        budget=arguments.budget,
        decoder_wd=arguments.decoder_wd,
        d=arguments.d,
        loss=arguments.loss,
        repr_optimizer=arguments.optimizer,
    )
    sizes = arguments.sizes or [max(n * base.n_samples // 55, 1) for n in DEFAULT_SIZES]
    # Small training sets seldom generalise and so run to the end of their budget: starting with them keeps every
    # lane of the last ensembles busy.
    axes = [
        Axis("n_train", tuple(sorted(set(sizes)))),
        Axis("repr_lr", arguments.repr_lr),
        Axis("decoder_lr", arguments.decoder_lr),
    ]
    return grid(base, axes, arguments.seeds)


def compare(runs: pd.DataFrame, draws: int) -> dict[str, Any]:
    """All numbers of the report from a table of runs with predictions."""
    time = score_time(runs, seed=0)
    chances = linear_probabilities(int(runs["p"].iloc[0]), draws, seed=0)
    probability, calibration = score_probability(runs, chances)
    accuracy = score_accuracy(runs)
    records: Any = runs.to_dict("records")
    return {
        "verdict": verdict(time, probability, calibration, accuracy),
        "time": time,
        "medians": score_medians(runs),
        "probability": probability,
        "calibration": calibration,
        "linear_probability": chances,
        "accuracy": accuracy,
        "runs": [_run_entry(run) for run in records],
        "seeds": {"bootstrap": 0, "linear_probability": 0, "draws": draws},
    }


def _run_entry(run: Entry) -> Entry:
    def steps(value: float) -> int | None:
        return None if value != value else int(value)

    names = [*CONFIG_COLUMNS, "steps_run", "accuracy", "train_accuracy", "test_accuracy", "rqi"]
    names += ["predicted_accuracy", "ideal_accuracy", "lambda3", "nullity", "z0"]
    return {
        **{name: run[name] for name in names},
        **{f"steps_to_{target}": steps(run[f"steps_to_{target}"]) for target in TARGETS},
        "predicted_steps": {name: run[name] for name in PREDICTORS if name != NULL_MODEL},
    }


def write(out: Path, runs: pd.DataFrame, report: dict[str, Any]) -> None:
    """report.json, the pictures, and the page that shows them."""
    write_json(out / "report.json", report)
    for name, figure in draw_all(runs, report).items():
        save_picture(out / name, figure)
    write_page(out / "report.md", page(report))


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
