"""The causal test of the theory: networks that differ in nothing but a training set
that was designed for its speed.

    python -m analysis.design_experiment

trains, for each seed, one network's initial weights and targets on four training sets
of one size: fast (the largest lambda_3 that a search finds), wide (the largest ideal
accuracy, then the largest lambda_3), random (the seed's own) and slow (the smallest
lambda_3 that still leaves the linear representation alone); and leaves report.json,
report.md and pictures in results/design_experiment: what the theories had said of these
sets, which network was first, and how well each does in the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import tyro
from tqdm import tqdm

import efftheory as et
from analysis.design_experiment.designs import (
    GROUP,
    compare_designs,
    run_entries,
    score_designs,
    verdict,
)
from analysis.design_experiment.page import Report, page, pair_rows
from analysis.design_experiment.pictures import lambda3, survival
from analysis.report.command import check_at_least, check_given, environment, leave, print_trained, seeds_of, trained_on
from analysis.report.files import prepare_folder, table
from analysis.report.look import LOOK
from analysis.runs.executors import Execution, WorkerError
from analysis.runs.store import RunStore, StoreError
from analysis.runs.sweep import ensure
from analysis.theory.predictions import predict, predict_decoder
from neural import ConfigError, RunConfig, write_samples
from neural.command import run_command

PROG = "python -m analysis.design_experiment"
ERRORS = (StoreError, WorkerError, et.ArgumentError)
# In the order that the theory wants; what each is searched for, and its line.
OBJECTIVES = {"fast": "lambda3", "wide": "generalizable", "random": None, "slow": "slow"}


@dataclass(frozen=True)
class Arguments:
    """Train the same networks on training sets designed to be fast, wide and slow, and
    on random ones of their size.

    The defaults: a size at which designs differ much (30) and one at which most runs
    succeed (40). A decoder still slower than the default would let no more runs
    succeed, and would not finish learning within the budget.
    """

    p: int = 10
    """Number of symbols, 0..p-1."""
    sizes: tuple[int, ...] = (30, 40)
    """Training-set sizes |D|."""
    seeds: int = 20
    """How many seeds a size, each with one network and a training set of every design."""
    first_seed: int = 0
    """The seeds are first_seed .. first_seed + seeds - 1, so that runs nobody has looked at can be asked for."""
    budget: int = RunConfig.budget
    """Steps after which a run that has not reached a threshold is censored."""
    repr_lr: tuple[float, ...] = (RunConfig.repr_lr,)
    """Learning rates of the embeddings, one or several."""
    decoder_lr: tuple[float, ...] = (3e-5,)
    """Learning rates of the decoder, one or several."""
    decoder_draws: int = 8
    """Initial weights of the decoder behind each prediction of the theory with a decoder."""
    execution: tyro.conf.OmitArgPrefixes[Execution] = field(default_factory=Execution)
    out: Path = Path("results/design_experiment")
    """Folder for the report."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


def main(arguments: Arguments) -> None:
    check(arguments)
    execution = arguments.execution.resolved()
    prepare_folder(arguments.out)
    with RunStore(arguments.store) as store:
        arms = plan(arguments)
        configs = list(dict.fromkeys(config for arm in arms.values() for config in arm))
        n_trained = ensure(configs, store, execution)
        everyone = store.table(configs)
        runs = pd.concat([store.table(arm).assign(design=name) for name, arm in arms.items()], ignore_index=True)
    runs = runs.sort_values(GROUP, kind="stable", ignore_index=True)  # designs of one size beside each other
    print_trained(len(configs), n_trained)
    with tqdm(total=len(configs), desc="theory", unit="run", leave=False) as bar:
        with_decoder = predict_decoder(everyone, arguments.decoder_draws, ["memory_flow"], lambda n: bar.update())
    runs = runs.merge(predict(everyone).merge(with_decoder, on="key"), on="key")
    pairs = compare_designs(runs, list(OBJECTIVES))
    report = Report(
        verdict=verdict(pairs),
        designs=score_designs(runs),
        pairs=pairs,
        runs=run_entries(runs),
        seeds=arguments.seeds,
        first_seed=arguments.first_seed,
        budget=arguments.budget,
        environment=environment(PROG, trained_on(runs)),
    )
    said = [table(pair_rows(report), "simple"), *report.verdict]
    with mpl.rc_context(LOOK):
        pictures = {"survival.png": survival(runs), "lambda3.png": lambda3(runs)}
        leave(arguments.out, report.plain(), pictures, page(report), said)


def check(arguments: Arguments) -> None:
    """ConfigError for what the plan's runs would not complain of, or not as clearly."""
    check_at_least(1, arguments, "decoder_draws")
    check_given(arguments, "sizes", "repr_lr", "decoder_lr")
    if arguments.p < 3:
        raise ConfigError(
            f"`p` must be an integer of at least 3 (fewer symbols make no parallelogram), but is {arguments.p}."
        )
    n_samples = et.addition(arguments.p).n_samples
    for size in arguments.sizes:
        if not 0 < size < n_samples:
            raise ConfigError(f"`sizes` must be in 1..{n_samples - 1}, not all {n_samples} samples, but one is {size}.")
    drawn(arguments, seeds_of(arguments)[:1])


def drawn(arguments: Arguments, seeds: Sequence[int]) -> list[RunConfig]:
    """The runs on the training sets that their seeds draw."""
    sizes, rates = sorted(set(arguments.sizes)), (dict.fromkeys(arguments.repr_lr), dict.fromkeys(arguments.decoder_lr))
    return [
        RunConfig(p=arguments.p, n_train=n, budget=arguments.budget, repr_lr=repr_lr, decoder_lr=decoder_lr, seed=seed)
        for n, repr_lr, decoder_lr, seed in product(sizes, *rates, seeds)
    ]


def plan(arguments: Arguments) -> dict[str, list[RunConfig]]:
    """The runs of each design, in one order: those at one place share all that their
    seed fixes but the training set.

    A run's seed is its designs' too, so that there are several sets of each design
    wherever the search finds several.
    """
    runs = drawn(arguments, seeds_of(arguments))
    op = et.addition(arguments.p)
    points = list(dict.fromkeys((run.n_train, run.seed) for run in runs))
    arms, n_searched = {}, sum(objective is not None for objective in OBJECTIVES.values())
    with tqdm(total=n_searched * len(points), desc="designs", unit="set", leave=False) as bar:
        for name, objective in OBJECTIVES.items():
            samples = dict.fromkeys(points, "")
            if objective is not None:
                for n_train, seed in points:
                    mask = et.design_training_set(op, n_train, objective=objective, seed=seed)
                    samples[n_train, seed] = write_samples(mask)
                    bar.update()
            arms[name] = [replace(run, samples=samples[run.n_train, run.seed]) for run in runs]
    return arms


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
