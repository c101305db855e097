"""What to do about runs that fail: the remedies that the theory with a decoder implies,
tried on real networks.

    python -m analysis.remedies

trains the same training sets and initial embeddings under each remedy, and leaves
report.json, report.md and survival.png in results/remedies: how many succeed, when, and
what the theory had said.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import tyro
from tqdm import tqdm

from analysis.remedies.page import Report, page, page_rows
from analysis.remedies.pictures import picture
from analysis.remedies.scores import BASE, score
from analysis.report.command import check_at_least, check_given, environment, leave, print_trained, seeds_of, trained_on
from analysis.report.files import prepare_folder, table
from analysis.runs.executors import Execution, WorkerError
from analysis.runs.store import RunStore, StoreError
from analysis.runs.sweep import ensure
from analysis.theory.decoder_theory import outlooks
from neural import RunConfig
from neural.command import run_command

PROG = "python -m analysis.remedies"
ERRORS = (StoreError, WorkerError)


@dataclass(frozen=True)
class Arguments:
    """Train the same training sets under each remedy that the theory implies, and say
    which of them help.
    """

    p: int = 10
    """Number of symbols, 0..p-1."""
    sizes: tuple[int, ...] = (30, 40, 45)
    """Training-set sizes |D|."""
    seeds: int = 16
    """How many seeds a size."""
    first_seed: int = 0
    """The seeds are first_seed .. first_seed + seeds - 1, so that runs nobody has looked at can be asked for."""
    budget: int = RunConfig.budget
    """Steps after which a run that has not reached a threshold is censored."""
    repr_lr: float = RunConfig.repr_lr
    """Learning rate of the embeddings."""
    decoder_lr: float = RunConfig.decoder_lr
    """Learning rate of the decoder, without a remedy."""
    decoder_draws: int = 8
    """Initial functions of the decoder behind each of the theory's probabilities."""
    execution: tyro.conf.OmitArgPrefixes[Execution] = field(default_factory=Execution)
    out: Path = Path("results/remedies")
    """Folder for the report."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


def main(arguments: Arguments) -> None:
    arms = plan(arguments)
    execution = arguments.execution.resolved()
    prepare_folder(arguments.out)
    configs = [config for arm in arms.values() for config in arm]
    with RunStore(arguments.store) as store:
        n_trained = ensure(configs, store, execution)
        runs = {name: store.table(arm) for name, arm in arms.items()}
    print_trained(len(configs), n_trained)
    with tqdm(total=len(configs), desc="theory", unit="run", leave=False) as bar:
        theory = {name: outlooks(arm, arguments.decoder_draws, on_run=bar.update) for name, arm in arms.items()}
    rows = [score(name, runs, theory[name]) for name in arms]
    report = Report(
        remedies=rows,
        sizes=arguments.sizes,
        seeds=arguments.seeds,
        first_seed=arguments.first_seed,
        budget=arguments.budget,
        environment=environment(PROG, trained_on(*runs.values())),
    )
    pictures = {"survival.png": picture(runs, arguments.budget)}
    leave(arguments.out, asdict(report), pictures, page(report), [table(page_rows(rows), "simple"), ""])


def plan(arguments: Arguments) -> dict[str, list[RunConfig]]:
    """The runs of each remedy, the same (n_train, seed) in the same order in each.

    A warm-up is chosen by the theory's clock: embeddings need some 0.5/eta_r steps to
    sort themselves.
    """
    check_given(arguments, "sizes")
    check_at_least(1, arguments, "decoder_draws")
    seeds = seeds_of(arguments)
    base = RunConfig(
        p=arguments.p,
        n_train=arguments.sizes[0],
        budget=arguments.budget,
        repr_lr=arguments.repr_lr,
        decoder_lr=arguments.decoder_lr,
        n_outputs=max(RunConfig.n_outputs, 2 * arguments.p - 1),  # orthogonal targets need one a result
    )
    clock = 1 / arguments.repr_lr
    orthogonal = replace(base, targets="orthogonal")
    arms = {
        BASE: base,
        "decoder 10 times slower": replace(base, decoder_lr=base.decoder_lr / 10),
        "warm-up over 1/eta_r steps": replace(base, decoder_warmup=round(clock)),
        "warm-up over 3/eta_r steps": replace(base, decoder_warmup=round(3 * clock)),
        "orthogonal targets": orthogonal,
        "orthogonal targets and warm-up over 3/eta_r": replace(orthogonal, decoder_warmup=round(3 * clock)),
    }
    points = [(n, seed) for n in arguments.sizes for seed in seeds]
    return {name: [replace(arm, n_train=n, seed=seed) for n, seed in points] for name, arm in arms.items()}


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
