"""The size law: how many samples make the linear representation unique, as the number of symbols grows.

    python -m analysis.critical_size

draws random orders of the samples of additions of p symbols, finds for each the number of samples from which on the
linear representation is unique (n_0 = 2, exactly), and leaves report.json, report.md and pictures in
results/critical_size: the median n_c(p) with its interval, and which law it follows. No network is trained.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

import efftheory as et
from analysis._pieces import Piece, chunks, computed
from analysis._report import environment, prepare_folder, save_picture, table, write_json, write_page
from analysis.agreement.bounds import bounds_draw
from analysis.agreement.pictures import LOOK
from analysis.agreement.size_law import LEAST_DRAWS, collapse, estimate, resampled, score_bounds, score_laws, slopes
from analysis.agreement.size_law_page import page, size_rows, verdict
from analysis.agreement.size_law_pictures import critical_size, transitions
from analysis.agreement.tables import Entry
from neural import ConfigError
from neural.command import run_command

PROG = "python -m analysis.critical_size"
ERRORS = (et.ArgumentError,)
STORE = "draws.sqlite"


@dataclass(frozen=True)
class Kind:
    """What is drawn, in chunks of so many. `option` says how many draws are wanted.

    `fixed_cost`: of a draw, beside what grows as p^2, in units of 1e-8 s.
    """

    option: str
    chunk: int
    draw: Callable[[et.Operation, int, np.random.Generator], list[Any]]
    fixed_cost: int

    def seconds(self, p: int) -> float:
        """About what a chunk takes."""
        return 1e-8 * self.chunk * (self.fixed_cost + p**2)


KINDS = {
    "threshold": Kind("draws", 100, lambda op, n, rng: et.linear_thresholds(op, n, rng).tolist(), 1_000),
    "bounds": Kind("bound_draws", 20, lambda op, n, rng: [bounds_draw(op, rng) for _ in range(n)], 10_000),
}


@dataclass(frozen=True)
class Arguments:
    """Measure how many samples make the linear representation unique, as p grows, and which law that follows."""

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
    drawn = draws_of(arguments)
    report = study(drawn["threshold"], drawn["bounds"])
    report["seed"] = arguments.seed
    report["environment"] = environment([], " ".join([PROG, *sys.argv[1:]]))
    write_json(arguments.out / "report.json", report)
    with mpl.rc_context(LOOK):
        save_picture(arguments.out / "critical_size.png", critical_size(report))
        save_picture(arguments.out / "collapse.png", transitions(report))
    write_page(arguments.out / "report.md", page(report))
    print(table(size_rows(report["sizes"]), "simple"), "", sep="\n")
    print(*(f"- {sentence}" for sentence in report["verdict"]), sep="\n")
    print(f"\n{arguments.out / 'report.md'}")


def check(arguments: Arguments) -> None:
    """ConfigError (or ArgumentError) for what cannot be drawn."""
    if not arguments.p:
        raise ConfigError("`p` must be at least one number of symbols, but is empty.")
    if min(arguments.p) < 3:
        raise ConfigError(
            "`p` must be integers of at least 3 (fewer symbols are linear without a sample), "
            f"but one is {min(arguments.p)}."
        )
    for name in ("draws", "bound_draws"):
        if getattr(arguments, name) < LEAST_DRAWS:
            value = getattr(arguments, name)
            raise ConfigError(f"`{name}` must be an integer of at least {LEAST_DRAWS}, but is {value}.")
    if arguments.workers is not None and arguments.workers < 1:
        raise ConfigError(f"`workers` must be an integer of at least 1, but is {arguments.workers}.")
    if arguments.seed < 0:
        raise ConfigError(f"`seed` must be an integer of at least 0, but is {arguments.seed}.")
    et.addition(max(arguments.p))


def sizes(arguments: Arguments) -> list[int]:
    """The numbers of symbols, ascending."""
    return sorted(set(arguments.p))


def draw(kind: str, p: int, seed: int, chunk: int) -> list[Any]:
    """The draws of one chunk, which has a random stream of its own."""
    drawn = KINDS[kind]
    stream = np.random.SeedSequence([seed, p, chunk, list(KINDS).index(kind)])
    return drawn.draw(et.addition(p), drawn.chunk, np.random.default_rng(stream))


def draws_of(arguments: Arguments) -> dict[str, dict[int, list[Any]]]:
    """The draws of each kind for each p, as many as asked for."""
    pieces, places = [], []
    for p, (name, kind) in product(sizes(arguments), KINDS.items()):
        for chunk in chunks(getattr(arguments, kind.option), kind.chunk):
            label = f"{name} p={p} seed={arguments.seed} chunk={chunk}"
            pieces.append(Piece(label, draw, (name, p, arguments.seed, chunk), kind.seconds(p)))
            places.append((name, p))
    found: dict[str, dict[int, list[Any]]] = {name: {p: [] for p in sizes(arguments)} for name in KINDS}
    for (name, p), numbers in zip(places, computed(arguments.out / STORE, pieces, arguments.workers), strict=True):
        found[name][p] += numbers
    return {
        name: {p: numbers[: getattr(arguments, KINDS[name].option)] for p, numbers in drawn.items()}
        for name, drawn in found.items()
    }


def study(thresholds: dict[int, list[int]], bounds: dict[int, list[tuple[int, int, bool]]]) -> dict[str, Any]:
    """Everything in the report that hangs on the draws alone."""
    rng = np.random.default_rng(0)
    draws = {p: np.array(numbers) for p, numbers in thresholds.items()}
    entries: list[Entry] = []
    medians = []
    for p, numbers in draws.items():
        boots = resampled(numbers, rng)
        medians.append(boots[:, 1])
        entries.append({**estimate(p, numbers, boots), "bounds": score_bounds(bounds[p])})
    report: dict[str, Any] = {
        "sizes": entries,
        "slopes": slopes(entries),
        "laws": score_laws(entries, medians),
        "collapse": collapse(draws, rng),
    }
    return {"verdict": verdict(report), **report}


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
