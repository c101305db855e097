"""Train networks, compute the theory on the very same training sets, and say how well
they agree.

    python -m analysis.compare_theory

leaves report.json, report.md and pictures in results/compare_theory. Runs are kept in a
store: a stopped command goes on where it was, and finished runs are never trained
again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
import tyro
from tqdm import tqdm

from analysis.compare_theory.families import measured, no_theory, plan_family
from analysis.compare_theory.page import page, time_rows
from analysis.compare_theory.pictures import draw_all
from analysis.compare_theory.predictors import NULL_MODEL, PREDICTORS
from analysis.compare_theory.report import as_report, compare
from analysis.report.command import check_at_least, check_given, environment, leave, print_trained, trained_on
from analysis.report.files import prepare_folder, table
from analysis.runs.executors import Execution, WorkerError
from analysis.runs.experiments import DEFAULT_SIZES
from analysis.runs.plan import Axis, grid, parse_settings
from analysis.runs.store import RunStore, StoreError
from analysis.runs.sweep import ensure
from analysis.theory.decoder_theory import check_table
from analysis.theory.predictions import DECODER_FLOWS, n_draws, predict, predict_decoder
from neural import ConfigError, RunConfig, Table, find_family
from neural.command import run_command
from neural.families.toy import Toy

PROG = "python -m analysis.compare_theory"
ERRORS = (StoreError, WorkerError)


@dataclass(frozen=True)
class Arguments:
    """Train networks, compute the theory on the very same training sets, and say how
    well they agree.
    """

    family: str = "toy"
    """Which networks: toy, or modular, digits, teacher, reviews, molecules, messiness, parity, or a file of yours,
    NAME.py: no theory speaks of these, they are measured."""
    p: int = 10
    """Number of symbols, 0..p-1."""
    table: Path | None = None
    """CSV file with your own operation instead of addition, which must commute: a square of results (see neural.train
    --help); it says how many symbols there are."""
    pairs: Path | None = None
    """CSV file with the training set of all runs, instead of --sizes: rows a,b or a,b,result."""
    sizes: tuple[int, ...] = ()
    """Training-set sizes |D|; by default 20 25 .. 50 54 for p = 10, and the same fractions of p(p+1)/2 for
    another p.
    """
    seeds: int = 8
    """How many seeds a size."""
    first_seed: int = 0
    """The seeds are first_seed .. first_seed + seeds - 1, so that runs nobody has looked at can be asked for."""
    replicas: int = 1
    """How many times each run is trained, each time with another decoder. Predictions are judged on the first; the
    others tell how much of success depends on the decoder's initial weights alone.
    """
    budget: Annotated[int, tyro.conf.arg(aliases=["--steps"])] = RunConfig.budget
    """Steps after which a run that has not reached a threshold is censored."""
    repr_lr: tuple[float, ...] = (RunConfig.repr_lr,)
    """Learning rates of the embeddings."""
    decoder_lr: tuple[float, ...] = (RunConfig.decoder_lr,)
    """Learning rates of the decoder; several make an axis: the theories without a decoder take it as slow."""
    paired_rates: tyro.conf.FlagCreatePairsOff[bool] = False
    """The n-th --repr-lr with the n-th --decoder-lr, instead of all combinations."""
    decoder_wd: float = RunConfig.decoder_wd
    """Weight decay of the decoder."""
    d: int = RunConfig.d
    """Embedding dimension."""
    loss: Literal["mse", "ce"] = RunConfig.loss
    """Regression on random targets, or classification."""
    optimizer: Literal["adamw", "sgd"] = RunConfig.repr_optimizer
    """Optimiser of the embeddings."""
    set: tuple[str, ...] = ()
    """FIELD=VALUE that all runs share, for fields of a run that have no option here: width=400 targets=orthogonal."""
    execution: tyro.conf.OmitArgPrefixes[Execution] = field(default_factory=Execution)
    draws: int = 20_000
    """Random training sets behind P(linear)."""
    decoder_draws: int = 8
    """Initial decoders a run for the theory with a decoder; twice as many where it draws the targets, too."""
    out: Path = Path("results/compare_theory")
    """Folder for the report."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


def main(arguments: Arguments) -> None:
    family = find_family(arguments.family)
    configs = plan(arguments) if family is Toy else plan_family(family, arguments, RunConfig.budget)
    execution = arguments.execution.resolved()
    prepare_folder(arguments.out)
    if family is not Toy:
        measure(configs, execution, arguments)
        return
    with RunStore(arguments.store) as store:
        n_trained = ensure(configs, store, execution)
        everyone = store.table(configs)
        print_trained(len(everyone), n_trained)
        runs = everyone[everyone["replica"] == 0]
        predictions = predictions_of(runs, arguments.decoder_draws)
        rows = predictions.melt("key", [name for name in PREDICTORS if name != NULL_MODEL], "predictor", "value")
        nothing = dict.fromkeys(("probability", "low", "high"), math.nan)
        store.keep_predictions(rows.assign(target="rqi", draws=0, version="", read_at=0.0, **nothing))
    runs = runs.merge(predictions, on="key")
    found, made_with = compare(runs, everyone, arguments.draws), environment(PROG, trained_on(runs))
    report = {
        **as_report(found),
        "seeds": arguments.seeds,
        "first_seed": arguments.first_seed,
        "decoder_draws": arguments.decoder_draws,
        "environment": made_with,
    }
    said = [table(time_rows(found.time), "simple"), "", *(f"- {sentence}" for sentence in found.verdict), ""]
    leave(arguments.out, report, draw_all(runs, found), page(found, arguments.decoder_draws, made_with), said)


def measure(configs: list[Any], execution: Execution, arguments: Arguments) -> None:
    """Train networks that no theory speaks of, and say what was measured."""
    with RunStore(arguments.store) as store:
        n_trained = ensure(configs, store, execution)
        runs = store.table(configs)
    print_trained(len(runs), n_trained)
    family = find_family(arguments.family)
    rows = measured(family, runs)
    report = {"family": family.name, "measured": rows, "environment": environment(PROG, trained_on(runs))}
    text = table([{name: "-" if value is None else value for name, value in row.items()} for row in rows])
    leave(arguments.out, report, {}, [f"# Family {family.name}", no_theory(family), text], [no_theory(family), text])


def plan(arguments: Arguments) -> list[RunConfig]:
    """The runs that the arguments ask for; ConfigError if there are none or one cannot
    be.
    """
    check_at_least(1, arguments, "draws", "decoder_draws", "replicas")
    check_given(arguments, "repr_lr", "decoder_lr")
    if arguments.p < 3:
        raise ConfigError(
            f"`p` must be an integer of at least 3 (fewer symbols make no parallelogram), but is {arguments.p}."
        )
    known = learned(arguments)
    n_repr, n_decoder = len(arguments.repr_lr), len(arguments.decoder_lr)
    if arguments.paired_rates and n_repr != n_decoder:
        raise ConfigError(f"`decoder_lr` must be {n_repr} numbers, as many as repr_lr, but is {n_decoder}.")
    sizes = sorted(set(arguments.sizes or [max(n * known.n_samples // 55, 1) for n in DEFAULT_SIZES]))
    if known.samples:
        sizes = [known.n_train]
    options = {
        "p": known.p,
        "n_train": sizes[0],
        "budget": arguments.budget,
        "decoder_wd": arguments.decoder_wd,
        "d": arguments.d,
        "loss": arguments.loss,
        "repr_optimizer": arguments.optimizer,
    }
    if arguments.table is not None:
        options["operation"] = known.operation
    if known.samples:
        options["samples"] = known.samples
    settings = parse_settings(RunConfig, "set", arguments.set)
    for name in settings:
        if name in options or name in ("repr_lr", "decoder_lr", "replica"):
            raise ConfigError(f"`set` must not name what has an option of its own, but names {name}.")
        if name == "operation":
            raise ConfigError("`set` must not name operation: the theories without a decoder know sums only.")
    base = RunConfig(**options, **settings)
    # Small training sets seldom generalise and so run to the end of their budget:
    # starting with them keeps every lane of the last ensembles busy.
    axes = [
        Axis("n_train", tuple(sizes)),
        Axis("repr_lr", tuple(dict.fromkeys(arguments.repr_lr))),
        Axis("decoder_lr", tuple(dict.fromkeys(arguments.decoder_lr))),
    ]
    rates = set((zip if arguments.paired_rates else product)(arguments.repr_lr, arguments.decoder_lr))
    everyone = grid(base, axes, arguments.seeds, arguments.first_seed)
    runs = [run for run in everyone if (run.repr_lr, run.decoder_lr) in rates]
    return [replace(run, replica=replica) for replica in range(arguments.replicas) for run in runs]


def learned(arguments: Arguments) -> RunConfig:
    """What the runs learn, and the training set that is given; ConfigError if the
    theories say nothing of it.
    """
    samples = "" if arguments.pairs is None else str(arguments.pairs)
    if samples and arguments.sizes:
        raise ConfigError(f"`sizes` must be left out with pairs, but is {' '.join(map(str, arguments.sizes))}.")
    given: dict[str, Any] = {"p": arguments.p, "n_train": RunConfig.n_train if samples else 1, "samples": samples}
    if arguments.table is None:
        return RunConfig(**given)
    table = Table.read(arguments.table)
    check_table(table, ", ".join(name for name in PREDICTORS if name != NULL_MODEL))
    return RunConfig(**given, operation=table)


def predictions_of(runs: pd.DataFrame, decoder_draws: int) -> pd.DataFrame:
    """What all theories say of each run, with a bar for each kind."""
    with tqdm(total=len(runs), desc="theory", unit="run", leave=False) as bar:
        without = predict(runs, bar.update)
    n_all = sum(n_draws(name, decoder_draws) for name in DECODER_FLOWS) * len(runs)
    with tqdm(total=n_all, desc="theory with a decoder", unit="draw", leave=False) as bar:
        return without.merge(predict_decoder(runs, decoder_draws, on_draws=bar.update), on="key")


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
