"""The size law: how many samples make the linear representation unique, as the number
of symbols grows.

    python -m analysis.critical_size

draws random orders of the samples of additions of p symbols, finds for each the number
of samples from which on the linear representation is unique (n_0 = 2, exactly), and
leaves report.json, report.md and pictures in results/critical_size: the median n_c(p)
with its interval, and which law it follows. No network is trained.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib as mpl

import efftheory as et
from analysis.critical_size.draws import draws_of
from analysis.critical_size.page import page, size_rows
from analysis.critical_size.pictures import critical_size, transitions
from analysis.critical_size.report import study
from analysis.critical_size.size_law import LEAST_DRAWS
from analysis.report.command import check_at_least, environment, leave
from analysis.report.files import prepare_folder, table
from analysis.report.look import LOOK
from neural import ConfigError
from neural.command import run_command

PROG = "python -m analysis.critical_size"
ERRORS = (et.ArgumentError,)
STORE = "draws.sqlite"


@dataclass(frozen=True)
class Arguments:
    """Measure how many samples make the linear representation unique, as p grows, and
    which law that follows.
    """

    p: tuple[int, ...] = (
        5, 7, 10, 14, 20, 28, 40, 57, 80, 113, 160, 226, 320, 453, 640, 905, 1280, 1810, 2560,
    )  # fmt: skip
    """Numbers of symbols."""
    draws: int = 3000
    """Random orders a p, behind every number and its interval. More of them later adds only what is missing."""
    bound_draws: int = 200
    """Random orders a p of which it is asked what decides: the last symbol to be covered, the number of equations."""
    seed: int = 0
    """Of all random orders."""
    workers: int | None = None
    """Processes, by default one a core."""
    out: Path = Path("results/critical_size")
    """Folder for the report, and for the draws (draws.sqlite)."""


def main(arguments: Arguments) -> None:
    check(arguments)
    prepare_folder(arguments.out)
    wanted = {"threshold": arguments.draws, "bounds": arguments.bound_draws}
    drawn = draws_of(sorted(set(arguments.p)), wanted, arguments.seed, arguments.out / STORE, arguments.workers)
    report = study(drawn["threshold"], drawn["bounds"], arguments.seed, environment(PROG))
    said = [table(size_rows(report.sizes), "simple"), "", *(f"- {sentence}" for sentence in report.verdict), ""]
    with mpl.rc_context(LOOK):
        pictures = {"critical_size.png": critical_size(report), "collapse.png": transitions(report)}
        leave(arguments.out, asdict(report), pictures, page(report), said)


def check(arguments: Arguments) -> None:
    """ConfigError (or ArgumentError) for what cannot be drawn."""
    if not arguments.p:
        raise ConfigError("`p` must be at least one number of symbols, but is empty.")
    if min(arguments.p) < 3:
        raise ConfigError(
            "`p` must be integers of at least 3 (fewer symbols are linear without a sample), "
            f"but one is {min(arguments.p)}."
        )
    check_at_least(LEAST_DRAWS, arguments, "draws", "bound_draws")
    check_at_least(1, arguments, "workers")
    check_at_least(0, arguments, "seed")
    et.addition(max(arguments.p))


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
