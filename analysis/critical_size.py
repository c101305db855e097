"""The size law: how many samples make the linear representation unique, as the number of symbols grows.

    python -m analysis.critical_size

draws random orders of the samples of additions of p symbols, finds for each the number of samples from which on the
linear representation is unique (n_0 = 2, exactly), and leaves report.json, report.md and pictures in
results/critical_size: the median n_c(p) with its interval, and which law it follows. No network is trained.
"""

from __future__ import annotations

import json
import math
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from tqdm import tqdm

import efftheory as et
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
    """What is drawn, in chunks of so many; a chunk has a random stream of its own. `option` says how many are wanted.

    `fixed_cost`: of a draw, beside what grows as p^2, in the same units (some 1e-8 s).
    """

    name: str
    option: str
    chunk: int
    draw: Callable[[et.Operation, int, np.random.Generator], list[Any]]
    fixed_cost: int

    def cost(self, p: int) -> int:
        return self.chunk * (self.fixed_cost + p**2)


KINDS = (
    Kind("threshold", "draws", 100, lambda op, n, rng: et.linear_thresholds(op, n, rng).tolist(), 1_000),
    Kind("bounds", "bound_draws", 20, lambda op, n, rng: [bounds_draw(op, rng) for _ in range(n)], 10_000),
)


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
    out: Path = Path("results/critical_size")
    """Folder for the report, and for the draws (draws.sqlite)."""


def main(arguments: Arguments) -> None:
    operations = plan(arguments)
    prepare_folder(arguments.out)
    with kept(arguments.out / STORE) as connection:
        draw_missing(connection, operations, arguments)
        thresholds, bounds = (
            {p: draws_of(connection, kind, p, arguments) for p in operations} for kind in KINDS
        )  # fmt: skip
    report = study(thresholds, bounds)
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


def plan(arguments: Arguments) -> dict[int, et.Operation]:
    """The additions that are asked for, ascending; ConfigError (or ArgumentError) if one cannot be."""
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
    if arguments.seed < 0:
        raise ConfigError(f"`seed` must be an integer of at least 0, but is {arguments.seed}.")
    return {p: et.addition(p) for p in sorted(set(arguments.p))}


@contextmanager
def kept(path: Path) -> Iterator[sqlite3.Connection]:
    """The file of finished chunks; made if there is none, ConfigError if it cannot be used."""
    try:
        with closing(sqlite3.connect(path, timeout=60)) as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS chunks "
                "(kind TEXT, seed INTEGER, p INTEGER, chunk INTEGER, draws TEXT, PRIMARY KEY (kind, seed, p, chunk))"
            )
            yield connection
    except sqlite3.Error as error:
        raise ConfigError(f"`out` must hold an undamaged {STORE} or none, but {path}: {error}.") from None


def draw_missing(connection: sqlite3.Connection, operations: dict[int, et.Operation], arguments: Arguments) -> None:
    """Draw the chunks that are not kept, each to be kept when it is finished.

    Chunks are whole, so that more draws later begin with these. Where two commands draw one chunk in one folder, the
    first to finish it keeps it: they are equal.
    """
    chunks = [
        (kind, p, chunk)
        for p in operations
        for kind in KINDS
        for chunk in range(math.ceil(getattr(arguments, kind.option) / kind.chunk))
    ]
    found = connection.execute("SELECT kind, p, chunk FROM chunks WHERE seed = ?", (arguments.seed,))
    have = set(found.fetchall())
    missing = [(kind, p, chunk) for kind, p, chunk in chunks if (kind.name, p, chunk) not in have]
    total, left = (sum(kind.cost(p) for kind, p, _ in some) for some in (chunks, missing))
    form = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"  # in units of cost, so that the end is foreseen
    with tqdm(total=total, initial=total - left, bar_format=form, smoothing=0, leave=False) as bar:
        for kind, p, chunk in missing:
            bar.set_description(f"p = {p}", refresh=False)
            stream = np.random.SeedSequence([arguments.seed, p, chunk, KINDS.index(kind)])
            numbers = kind.draw(operations[p], kind.chunk, np.random.default_rng(stream))
            with connection:
                row = (kind.name, arguments.seed, p, chunk, json.dumps(numbers))
                connection.execute("INSERT OR IGNORE INTO chunks VALUES (?, ?, ?, ?, ?)", row)
            bar.update(kind.cost(p))


def draws_of(connection: sqlite3.Connection, kind: Kind, p: int, arguments: Arguments) -> list[Any]:
    """The first draws of those that are kept, as many as asked for."""
    query = "SELECT draws FROM chunks WHERE kind = ? AND seed = ? AND p = ? ORDER BY chunk"
    chunks = connection.execute(query, (kind.name, arguments.seed, p))
    return [one for (text,) in chunks for one in json.loads(text)][: getattr(arguments, kind.option)]


def study(thresholds: dict[int, list[int]], bounds: dict[int, list[tuple[int, int, bool]]]) -> dict[str, Any]:
    """Everything in the report that hangs on the draws alone."""
    rng = np.random.default_rng(0)
    draws = {p: np.array(numbers) for p, numbers in thresholds.items()}
    sizes: list[Entry] = []
    medians = []
    for p, numbers in draws.items():
        boots = resampled(numbers, rng)
        medians.append(boots[:, 1])
        sizes.append({**estimate(p, numbers, boots), "bounds": score_bounds(bounds[p])})
    report: dict[str, Any] = {
        "sizes": sizes,
        "slopes": slopes(sizes),
        "laws": score_laws(sizes, medians),
        "collapse": collapse(draws, rng),
    }
    return {"verdict": verdict(report), **report}


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
