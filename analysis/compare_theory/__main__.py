"""Train networks, ask every predictor that knows of them, and say how well they agree.

    python -m analysis.compare_theory
    python -m analysis.compare_theory decoder_range
    python -m analysis.compare_theory --family modular --x fraction=0.2:0.4:3

leaves runs.csv, predictions.csv, scores.csv, report.json, report.md and pictures in
results/compare_theory. Runs and predictions are kept in a store: a stopped command goes
on where it was, and nothing is computed twice.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from itertools import chain, product
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
import tyro

from analysis.compare_theory.compared import compared
from analysis.compare_theory.page import page, said
from analysis.compare_theory.pictures import draw_all
from analysis.compare_theory.report import as_report
from analysis.experiments import DEFAULT_SIZES, EXPERIMENTS
from analysis.predictors.catalogue import CATALOGUE, applying, read_predictor
from analysis.predictors.effective import check_table
from analysis.report.command import check_at_least, check_given, environment, leave, trained_on
from analysis.runs.plan import Axis, grid, parse_axis, parse_settings
from analysis.runs.session import ERRORS, Trains, trained
from neural import ConfigError, RunConfig, Table, find_family
from neural.command import run_command
from neural.families.toy import Toy

PROG = "python -m analysis.compare_theory"
_GROUPS = ("decoder_range", "modular_theory", "league", "norm_law")
_FOR_ALL = {field.name for field in fields(Trains)} | {"names", "family", "budget", "set", "x", "predictor"}


@dataclass(frozen=True, kw_only=True)
class Arguments(Trains):
    """Train networks, ask every predictor that knows of them, and say how well they
    agree.
    """

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Experiments by name (a wrong one lists them) instead of the options below: decoder_range, all of them, or one,
    such as "width 50"; modular_theory: rings; league; norm_law."""
    family: str = "toy"
    """Which networks: toy, or modular, digits, teacher, reviews, molecules, messiness, parity, or a file of yours,
    NAME.py. Of another than toy --set, --x and --budget say which runs."""
    predictor: tuple[Path, ...] = ()
    """Files with predictors of your own (docs/commands.md), beside those that apply, which --dry-run lists."""
    seeds: int | None = None
    """How many seeds a size; by default 8, or an experiment's own."""
    p: int = 10
    """Number of symbols, 0..p-1."""
    table: Path | None = None
    """CSV file with your own operation instead of addition, which must commute: a square of results (see neural.train
    --help); it says how many symbols there are."""
    pairs: Path | None = None
    """CSV file with the training set of all runs, instead of --sizes: rows a,b or a,b,result."""
    sizes: tuple[int, ...] = ()
    """Training-set sizes |D|; by default 20 25 .. 50 54 for p = 10, and the same fractions of p(p+1)/2 for another."""
    replicas: int = 1
    """How many times each run is trained, each time with another decoder. Predictions are judged on the first; the
    others tell how much of success depends on the decoder's initial weights alone."""
    budget: Annotated[int | None, tyro.conf.arg(aliases=["--steps"])] = None
    """Steps after which a run that has not reached a threshold is censored; by default 10,000, or a family's own."""
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
    x: str | None = None
    """Axis of another family's runs, FIELD=LO:HI:N[:log] or FIELD=A,B,C; fraction=0.2:0.4:3, say."""
    draws: int = 20_000
    """Random training sets behind P(linear)."""
    decoder_draws: int = 8
    """Initial decoders a run for the theory with a decoder; twice as many where it draws the targets, too."""
    out: Path = Path("results/compare_theory")
    """Folder for the report."""


def main(arguments: Arguments) -> None:
    check_at_least(1, arguments, "draws", "decoder_draws", "replicas")
    own = [read_predictor(path) for path in arguments.predictor]
    plans = plan(arguments)
    draws = {
        "linear_probability": arguments.draws,
        "memory_flow": arguments.decoder_draws,
        "memory_flow_blind": 2 * arguments.decoder_draws,
    }
    everyone = [*chain.from_iterable(plans.values())]
    asked = applying(everyone, [*CATALOGUE.values(), *own])
    if arguments.dry_run:
        print("predictors:", "; ".join(one.title for one in asked))
    with trained(arguments, everyone) as store:
        found = compared(store, plans, asked, draws)
    made_with = environment(PROG, trained_on(*(one.everyone for one in found)))
    report = as_report(found, arguments) | {"environment": made_with}
    together = {name: pd.concat([getattr(one, name) for one in found]) for name in ("runs", "predictions", "scores")}
    pictures = draw_all(found, arguments.draws)
    leave(arguments.out, report, pictures, page(found, pictures, made_with), said(found), **together)


def plan(arguments: Arguments) -> dict[str, list[Any]]:
    """The runs that the arguments ask for, by experiment; ConfigError if there are none
    or one cannot be.
    """
    seeds = arguments.seed_range(8)
    if arguments.names:
        _refuse(arguments, {"names", "predictor"} | {field.name for field in fields(Trains)}, "with an experiment,")
        experiments = {name: one for asked in arguments.names for name, one in named(asked).items()}
        return {name: one.configs(arguments.seed_range(one.seeds)) for name, one in experiments.items()}
    family = find_family(arguments.family)
    if family is Toy:
        if arguments.x is not None:
            raise ConfigError(f"`x` must be left out with the toy model, which has --sizes, but is {arguments.x!r}.")
        return {"": toy_runs(arguments)}
    _refuse(arguments, _FOR_ALL, f"with --family {family.name}, whose fields are set by --set,")
    settings = parse_settings(family.Config, "set", arguments.set)
    if arguments.budget is not None:
        settings["budget"] = arguments.budget
    axes = [] if arguments.x is None else [parse_axis(family.Config, "x", arguments.x)]
    first = {axis.field: axis.values[0] for axis in axes}
    return {"": grid(replace(family.Config(), **settings, **first), axes, len(seeds), seeds.start)}


def named(name: str) -> dict[str, Any]:
    """The experiments that a name means: a group, or one of a group."""
    known: dict[str, dict[str, Any]] = {}
    for group in _GROUPS:
        known[group] = {f"{group}/{one}": found for one, found in EXPERIMENTS[group].items()}
        for one, found in EXPERIMENTS[group].items():
            known |= {key: {one: found} for key in (one, f"{group}/{one}")}
    if name not in known:
        raise ConfigError(f"`names` must be among {', '.join(sorted(known))}, but one is {name!r}.")
    return known[name]


def _refuse(arguments: Arguments, allowed: set[str], where: str) -> None:
    """ConfigError if an option is given that means nothing there."""
    for one in fields(arguments):
        if one.name not in allowed and getattr(arguments, one.name) != one.default:
            given = getattr(arguments, one.name)
            raise ConfigError(f"`{one.name}` must be left out {where} but is {given}.")


def toy_runs(arguments: Arguments) -> list[RunConfig]:
    """The runs of the toy model."""
    seeds = arguments.seed_range(8)
    check_given(arguments, "repr_lr", "decoder_lr")
    check_at_least(3, arguments, "p")  # fewer symbols make no parallelogram
    known = learned(arguments)
    n_repr, n_decoder = len(arguments.repr_lr), len(arguments.decoder_lr)
    if arguments.paired_rates and n_repr != n_decoder:
        raise ConfigError(f"`decoder_lr` must be {n_repr} numbers, as many as repr_lr, but is {n_decoder}.")
    sizes = sorted(set(arguments.sizes or [max(n * known.n_samples // 55, 1) for n in DEFAULT_SIZES]))
    if known.samples:
        sizes = [known.n_train]
    options: dict[str, Any] = {name: getattr(arguments, name) for name in ("decoder_wd", "d", "loss")}
    options |= {"n_train": sizes[0], "repr_optimizer": arguments.optimizer}
    options["budget"] = RunConfig.budget if arguments.budget is None else arguments.budget
    settings = parse_settings(RunConfig, "set", arguments.set)
    for name in settings:
        if name in (*options, "p", "samples", "repr_lr", "decoder_lr", "replica"):
            raise ConfigError(f"`set` must not name what has an option of its own, but names {name}.")
        if name == "operation":
            raise ConfigError("`set` must not name operation: the theories without a decoder know sums only.")
    base = replace(known, **options, **settings)
    # Small training sets seldom generalise and so run to the end of their budget:
    # starting with them keeps every lane of the last ensembles busy.
    values = {"n_train": sizes, "repr_lr": arguments.repr_lr, "decoder_lr": arguments.decoder_lr}
    axes = [Axis(name, tuple(dict.fromkeys(some))) for name, some in values.items()]
    rates = {*(zip if arguments.paired_rates else product)(arguments.repr_lr, arguments.decoder_lr)}
    runs = [run for run in grid(base, axes, len(seeds), seeds.start) if (run.repr_lr, run.decoder_lr) in rates]
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
    theories = [one.name for one in CATALOGUE.values() if one.applies(RunConfig()) and one.gives == "steps"]
    check_table(table, ", ".join(theories))
    return RunConfig(**given, operation=table)


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
