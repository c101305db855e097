"""The model of two variables: the norm w of a decoder, and the messiness m of the
embeddings that it reads.

    python -m analysis.two_variables
    python -m analysis.two_variables --operations addition --sizes 25 45 --seeds 1

trains decoders whose norm and m are held, for the landscape of the reduced training
loss; follows the two reduced equations on it; trains networks in which both are free;
and leaves report.json, report.md, landscape.png and times.png in results/two_variables:
whether t = (L + h tan theta)/(eta_D gamma), read off the landscape, says when the
equations, and when the networks, come to small m.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
import tyro

from analysis.report.command import check_given, environment, leave, print_trained, seeds_of, trained_on
from analysis.report.files import prepare_folder, table
from analysis.runs.executors import Execution, WorkerError
from analysis.runs.store import RunStore, StoreError
from analysis.runs.sweep import ensure
from analysis.two_variables.page import page, reach_rows, reached, time_rows, verdict
from analysis.two_variables.pictures import landscapes, times
from analysis.two_variables.scores import case, surface
from neural import ConfigError, MessinessConfig
from neural.command import run_command

PROG = "python -m analysis.two_variables"
ERRORS = (StoreError, WorkerError)
LOOK_EVERY = 100
Operation = Literal["addition", "modular_addition"]
# Of a landscape's decoders at alpha = 1; in proportion to alpha, so that a step turns
# the weights by as much at every norm.
TURN = 3e-3


@dataclass(frozen=True)
class Arguments:
    """Hold the formula of the two-variable model against its own equations, and against
    networks.
    """

    operations: tuple[Operation, ...] = ("modular_addition", "addition")
    """What is learned: the source's text has plain addition, its code modular."""
    p: int = 10
    """Number of symbols."""
    sizes: tuple[int, ...] = (25, 35, 45, 55)
    """Training-set sizes, of p(p+1)/2."""
    seeds: int = 3
    """How many seeds a size."""
    first_seed: int = 0
    """The seeds are first_seed .. first_seed + seeds - 1, so that runs nobody has looked at can be asked for."""
    width: int = 64
    """Width of the decoder's hidden layers."""
    scales: tuple[float, ...] = (2, 2.6, 3.4, 4.5, 6, 8)
    """Norms of the landscape, in those of the usual initial weights (alpha)."""
    levels: tuple[float, ...] = (0, 0.1, 0.25, 0.5, 1)
    """Values of m of the landscape."""
    landscape_steps: int = 8_000
    """Updates of each of its decoders; a multiple of 100."""
    decays: tuple[float, ...] = (0.01, 0.03, 0.1)
    """Weight decays gamma of the free runs."""
    alpha: float = 6.0
    """Norm that the free runs start with, likewise."""
    messiness: float = 0.5
    """m that they start with."""
    corner: float = 0.1
    """m at which they are where sums mean something."""
    learning_rate: float = 3e-3
    """Of the decoder of the free runs, eta_D."""
    messiness_lr: float = 1e-3
    """Of their m, eta_R."""
    hold: int = 5_000
    """Updates in which they over-fit before m may move; a multiple of 100."""
    folds: float = 2.0
    """Their budget after that: so many times 1/(eta_D gamma)."""
    execution: tyro.conf.OmitArgPrefixes[Execution] = field(default_factory=Execution)
    out: Path = Path("results/two_variables")
    """Folder for the report."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


def main(arguments: Arguments) -> None:
    sets, free = plan(arguments)
    execution = arguments.execution.resolved()
    prepare_folder(arguments.out)
    everything = [config for some in (*sets.values(), *free.values()) for config in some]
    with RunStore(arguments.store) as store:
        n_trained = ensure(everything, store, execution)
        surfaces = {which: surface(configs, store) for which, configs in sets.items()}
        cases = [
            case(config, surfaces[which], store, arguments.corner) for which, some in free.items() for config in some
        ]
        trained = trained_on(store.table(everything))
    print_trained(len(everything), n_trained)
    counts = reached(cases)
    report = {
        "verdict": verdict(cases),
        "reached": counts,
        "cases": [one.row() for one in cases],
        "landscapes": [
            {
                "operation": one.operation,
                "n_train": one.n_train,
                "seed": one.seed,
                "norms": np.exp(one.landscape.log_w).tolist(),
                "messiness": one.landscape.messiness.tolist(),
                "train_loss": np.exp(one.landscape.log_loss).tolist(),
                "test_accuracy": one.test_accuracy.tolist(),
            }
            for one in surfaces.values()
        ],
        "environment": environment(PROG, trained),
    }
    pictures = {
        "landscape.png": landscapes(list(surfaces.values()), cases, arguments.corner),
        "times.png": times(cases),
    }
    said = [table(reach_rows(counts), "simple"), "", *report["verdict"]]
    leave(arguments.out, report, pictures, page(report, time_rows(cases)), said)


Which = tuple[Operation, int, int]


def plan(arguments: Arguments) -> tuple[dict[Which, list[MessinessConfig]], dict[Which, list[MessinessConfig]]]:
    """By operation, size and seed: the runs of a landscape, and the free ones.

    Raises:
        ConfigError: an option leaves nothing to do, or no landscape around the start.
    """
    seeds = seeds_of(arguments)
    check_given(arguments, "operations", "sizes", "decays")
    scales, levels = (sorted(set(values)) for values in (arguments.scales, arguments.levels))
    for name, axis, low, high in (
        ("scales", scales, arguments.alpha, arguments.alpha),
        ("levels", levels, arguments.corner, arguments.messiness),
    ):
        above = axis[0] < low if name == "scales" else axis[0] <= low  # a run at the least norm is over at once
        if len(axis) < 3 or not (above and low <= high <= axis[-1]):
            raise ConfigError(
                f"`{name}` must be at least three values around {low:g} to {high:g}, but is {getattr(arguments, name)}."
            )
    for name in ("decays", "folds"):
        value = getattr(arguments, name)
        if np.min(value) <= 0:
            raise ConfigError(f"`{name}` must be above 0, but is {value}.")
    for name in ("hold", "landscape_steps"):
        value = getattr(arguments, name)
        if value < 0 or value % LOOK_EVERY:
            raise ConfigError(f"`{name}` must be a multiple of {LOOK_EVERY}, but is {value}.")
    n_samples = arguments.p * (arguments.p + 1) // 2
    if not all(1 <= size <= n_samples for size in arguments.sizes):
        raise ConfigError(f"`sizes` must be between 1 and p(p+1)/2 = {n_samples}, but is {arguments.sizes}.")
    base = MessinessConfig(p=arguments.p, width=arguments.width, look_every=LOOK_EVERY, n_train=1)
    sets, free = {}, {}
    for which in product(dict.fromkeys(arguments.operations), sorted(set(arguments.sizes)), seeds):
        operation, n_train, seed = which
        own = replace(base, operation=operation, n_train=n_train, seed=seed)
        held = replace(own, constrained=True, budget=arguments.landscape_steps)
        sets[which] = [
            replace(held, init_scale=scale, messiness=level, learning_rate=TURN * scale)
            for scale, level in product(scales, levels)
        ]
        loose = replace(
            own,
            trained=True,
            init_scale=arguments.alpha,
            messiness=arguments.messiness,
            learning_rate=arguments.learning_rate,
            messiness_lr=arguments.messiness_lr,
            hold=arguments.hold,
        )
        free[which] = [
            replace(loose, weight_decay=decay, budget=arguments.hold + _steps(arguments, decay))
            for decay in sorted(set(arguments.decays))
        ]
    return sets, free


def _steps(arguments: Arguments, decay: float) -> int:
    """Of a free run after the hold, up to a look."""
    looks = arguments.folds / (arguments.learning_rate * decay * LOOK_EVERY)
    return LOOK_EVERY * int(np.ceil(round(looks, 6)))


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
