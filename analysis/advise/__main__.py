"""How to train so that a network finds its representation, said before anything is
trained.

    python -m analysis.advise --p 10
    python -m analysis.advise --operation s3 --goal test
    python -m analysis.advise --n-train 35 --check 24

asks the theory with a decoder which learning rates, warm-up and weight decay of the
decoder make success likely, and how many samples it takes. --check trains fresh
networks as advised and with the default rates, and says whether that helped. Leaves
report.json, report.md and samples.png in results/advise.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import tyro
from tqdm import tqdm

from analysis.advise.candidates import DEFAULT, Candidate, grid
from analysis.advise.outcomes import Goal, measured
from analysis.advise.page import Report, check_rows, page, page_rows, sentence, verdict
from analysis.advise.pictures import picture
from analysis.advise.rows import row_of
from analysis.advise.samples import growth, needed
from analysis.advise.search import FIRST_SEED, choose, rounds, search
from analysis.advise.trained import Check, check
from analysis.report.command import check_at_least, check_given, environment, leave, print_trained, trained_on
from analysis.report.files import prepare_folder, table
from analysis.runs.executors import Execution, WorkerError
from analysis.runs.experiments import S3
from analysis.runs.store import RunStore, StoreError
from analysis.runs.sweep import ensure
from analysis.theory.decoder_theory import check_table, operation, outlooks
from neural import ConfigError, RunConfig, Table
from neural.command import run_command

PROG = "python -m analysis.advise"
ERRORS = (StoreError, WorkerError)
_SHARE = RunConfig.n_train / RunConfig().n_samples
_CHECK_DRAWS = 2  # decoders of the theory behind each trained run


@dataclass(frozen=True)
class Arguments:
    """Say, without training, how to train so that success is likely: learning rates,
    warm-up and weight decay of the decoder, number of samples. Success: the goal and
    train accuracy 0.9 are both reached within the budget.
    """

    operation: Literal["addition", "s3"] = "addition"
    """What is learned."""
    table: Path | None = None
    """CSV file with your own operation instead, which must commute: a square of results (see neural.train --help)."""
    p: int | None = None
    """Number of symbols, 0..p-1; by default 10, for s3 its 6 elements."""
    n_train: int | None = None
    """Training-set size |D|; by default 9 of 11 samples, or as many as --samples has."""
    samples: str = ""
    """The training set itself, a hexadecimal number whose bit s is sample s of the table; by default random ones."""
    pairs: Path | None = None
    """The same as a CSV file: rows a,b or a,b,result."""
    width: int = RunConfig.width
    """Width of the decoder's hidden layers."""
    depth: int = RunConfig.depth
    """Number of hidden layers of the decoder."""
    activation: Literal["tanh", "relu"] = RunConfig.activation
    """What follows each hidden layer of the decoder."""
    n_outputs: int = RunConfig.n_outputs
    """Dimension of the regression targets."""
    loss: Literal["mse", "ce"] = RunConfig.loss
    """Regression on random target vectors, or classification of the result."""
    d: int | None = None
    """Embedding dimension (s3: of the embedding matrices, d x d); by default 1, for s3 3."""
    budget: int = RunConfig.budget
    """Steps within which a run has to succeed."""
    goal: Goal = "rqi"
    """What a run has to reach, beside train accuracy 0.9: RQI > 0.95, or test accuracy 0.9."""
    repr_lr: tuple[float, ...] = (1e-3, 3e-3, 1e-2)
    """Learning rates of the embeddings to choose from."""
    decoder_lr: tuple[float, ...] = (3e-5, 1e-4, 3e-4)
    """Learning rates of the decoder to choose from."""
    warmup: tuple[float, ...] = (0, 1, 3)
    """Warm-ups of the decoder to choose from, in units of 1/repr_lr steps."""
    decoder_wd: tuple[float, ...] = (0, 5)
    """Weight decays of the decoder to choose from."""
    sizes: tuple[int, ...] | None = None
    """Training-set sizes of the picture; by default six, from two fifths of all samples to nine tenths."""
    seeds: int = 64
    """Imagined runs behind each probability of the last round (of the picture: a third as many)."""
    check: int | None = None
    """Train so many fresh networks as advised, and as many with the default rates; by default none."""
    first_seed: int = 200
    """Seed of the first of these."""
    execution: tyro.conf.OmitArgPrefixes[Execution] = field(default_factory=Execution)
    out: Path = Path("results/advise")
    """Folder for the report."""
    store: Path = Path("results/runs.sqlite")
    """The run store, which only --check opens."""


def main(arguments: Arguments) -> None:
    base, candidates, sizes = plan(arguments)
    execution = arguments.execution.resolved()
    prepare_folder(arguments.out)
    goal, few = arguments.goal, max(1, arguments.seeds // 3)
    steps = rounds(len(candidates), arguments.seeds)
    total = sum(one.candidates * one.seeds for one in steps) + 2 * len(sizes) * few
    with tqdm(total=total, desc="theory", unit="run", leave=False) as bar:

        def predict(configs):
            return outlooks(configs, 1, on_run=bar.update)

        finalists = search(candidates, base, arguments.seeds, goal, predict)
        advised = choose(finalists, goal).candidate
        if advised == DEFAULT:  # the same runs serve both
            bar.total -= len(sizes) * few
        samples = growth(advised, base, operation(base), sizes, few, goal, predict)
    rows = {trial.candidate: row_of(trial.candidate, trial.outcomes, goal) for trial in finalists}
    found, trained = (None, []) if arguments.check is None else _check(arguments, base, advised, execution)
    enough = {name: needed(sizes, [getattr(one, name).value for one in samples]) for name in ("advised", "default")}
    report = Report(
        advice=rows[advised],
        default=rows[DEFAULT],
        finalists=list(rows.values()),
        rounds=steps,
        samples=samples,
        needed=enough,
        goal=goal,
        network={name: value for name, value in asdict(base).items() if name not in {"seed", *asdict(DEFAULT)}},
        check=found,
        sentence=sentence(rows[advised], rows[DEFAULT], enough, sizes[-1], base.n_train),
        environment=environment(PROG, trained),
    )
    said = [table(page_rows(report), "simple"), "", report.sentence]
    if found is not None:
        said += ["", table(check_rows(report, found), "simple"), "", verdict(found)]
    pictures = {"samples.png": picture(samples, base.n_train, advised == DEFAULT, found)}
    leave(arguments.out, asdict(report), pictures, page(report), said)


def plan(arguments: Arguments) -> tuple[RunConfig, list[Candidate], list[int]]:
    """The network, the ways to train it, and the training-set sizes; ConfigError unless
    all of that can be trained.
    """
    check_at_least(1, arguments, "seeds", "check")
    check_at_least(0, arguments, "first_seed")
    check_given(arguments, "repr_lr", "decoder_lr", "warmup", "decoder_wd")
    if arguments.first_seed + (arguments.check or 0) > FIRST_SEED:
        raise ConfigError(
            f"`first_seed` must leave the check seeds below {FIRST_SEED}, where those begin that the advice is chosen "
            f"on, but is {arguments.first_seed}."
        )
    for warmup in arguments.warmup:
        if not 0 <= warmup < float("inf"):
            raise ConfigError(f"`warmup` must be finite numbers of at least 0, but has {warmup}.")
    base = network(arguments)
    candidates = grid(arguments.repr_lr, arguments.decoder_lr, arguments.warmup, arguments.decoder_wd)
    for candidate in candidates:
        candidate.applied_to(base)  # a rate that is none ends it here
    if arguments.sizes is None:
        spread = np.linspace(0.4, 0.9, 6) * base.n_samples
        return base, candidates, sorted({max(1, round(n)) for n in spread})
    check_given(arguments, "sizes")
    for n in arguments.sizes:
        if not 1 <= n <= base.n_samples:
            raise ConfigError(f"`sizes` must be between 1 and all {base.n_samples} samples, but has {n}.")
    return base, candidates, sorted(set(arguments.sizes))


def network(arguments: Arguments) -> RunConfig:
    """What is trained, with the default rates."""
    usual = S3 if arguments.operation == "s3" else RunConfig()
    own = usual.operation
    if arguments.table is not None:
        if arguments.operation != "addition":
            raise ConfigError(f"`operation` must be left out with table, but is {arguments.operation!r}.")
        own = Table.read(arguments.table)
        check_table(own, "memory_flow")
    names = ("width", "depth", "activation", "n_outputs", "loss", "budget")
    smallest = replace(
        usual,
        p=usual.p if arguments.p is None else arguments.p,
        d=usual.d if arguments.d is None else arguments.d,
        n_train=1,
        operation=own,
        **{name: getattr(arguments, name) for name in names},
    )
    n_train = arguments.n_train
    if arguments.pairs is not None:
        for name in ("n_train", "samples"):
            if getattr(arguments, name):
                raise ConfigError(f"`{name}` must be left out with pairs, but is {getattr(arguments, name)}.")
        return replace(smallest, n_train=RunConfig.n_train, samples=str(arguments.pairs))
    if n_train is None:
        n_train = _bits(arguments.samples, smallest.n_samples) or round(_SHARE * smallest.n_samples)
    return replace(smallest, n_train=n_train, samples=arguments.samples)


def _bits(samples: str, most: int) -> int:
    """How many samples a training set has, as far as that can be read: what is wrong
    with it, `RunConfig` says.
    """
    try:
        return min(int(samples, 16).bit_count(), most)
    except ValueError:
        return 0


def _check(
    arguments: Arguments, base: RunConfig, advised: Candidate, execution: Execution
) -> tuple[Check, list[tuple[str, str]]]:
    """The trained runs, and what they were trained on."""
    assert arguments.check is not None
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.check)
    arms = {one: [one.applied_to(replace(base, seed=seed)) for seed in seeds] for one in (advised, DEFAULT)}
    configs = [config for arm in arms.values() for config in arm]
    with tqdm(total=len(configs), desc="theory of the runs to train", unit="run", leave=False) as bar:
        theory = {one: outlooks(arm, _CHECK_DRAWS, on_run=bar.update) for one, arm in arms.items()}
    with RunStore(arguments.store) as store:
        n_trained = ensure(configs, store, execution)
        tables = {one: store.table(arm) for one, arm in arms.items()}
    print_trained(len(configs), n_trained)
    runs = {one: measured(some) for one, some in tables.items()}
    return check((seeds[0], seeds[-1]), advised, runs, theory, arguments.goal), trained_on(*tables.values())


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
