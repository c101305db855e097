"""Groups: how many samples pin a representation by matrices down, and from how many on
it is found.

    python -m analysis.groups
    python -m analysis.groups --groups s3 d6 --draws 5000

draws random training sets of each group's products and counts those that leave no
degree of freedom beside the symmetries; for S3 it also lets the effective flow run from
random matrices. Leaves report.json, report.md and groups.png in results/groups. No
network is trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl

import efftheory as et
from analysis._pieces import computed
from analysis.groups.page import Report, group_rows, page, verdict
from analysis.groups.pictures import picture
from analysis.groups.transitions import (
    DIMENSIONS,
    FLOWS_OF,
    GROUPS,
    flow_entry,
    flow_pieces,
    group_entry,
    unique_pieces,
)
from analysis.report.command import check_at_least, environment, leave
from analysis.report.files import prepare_folder, table
from analysis.report.look import LOOK
from neural import ConfigError
from neural.command import run_command

PROG = "python -m analysis.groups"
ERRORS = (et.ArgumentError,)
STORE = "pieces.sqlite"
LEAST = 10  # fewer have no interval worth the name


@dataclass(frozen=True)
class Arguments:
    """Count the random training sets of groups that leave only the symmetries, and the
    flows that end well.
    """

    groups: tuple[str, ...] = ("s3", "d4", "d5", "s4")
    """Groups: s2 s3 s4 (permutations), d3 d4 d5 d6 (a polygon's rotations and reflections)."""
    draws: int = 1000
    """Random orders of a group's samples. More of them later adds only what is missing."""
    flows: int = 100
    """Random starts a size and dimension, for S3."""
    sizes: tuple[int, ...] = (3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36)
    """Training-set sizes of the flows."""
    seed: int = 0
    """Of all random choices."""
    workers: int | None = None
    """Processes; by default one a core. The numbers do not depend on it."""
    out: Path = Path("results/groups")
    """Folder for the report, and for what is computed (pieces.sqlite)."""


def main(arguments: Arguments) -> None:
    names, sizes = plan(arguments)
    prepare_folder(arguments.out)
    unique = {name: unique_pieces(name, arguments.draws, arguments.seed) for name in names}
    flows = {
        (d, n): flow_pieces(d, n, arguments.flows, arguments.seed)
        for d in DIMENSIONS
        for n in sizes
        if FLOWS_OF in names
    }
    pieces = [piece for some in (*unique.values(), *flows.values()) for piece in some]
    found = dict(zip(pieces, computed(arguments.out / STORE, pieces, arguments.workers), strict=True))

    def numbers(some, wanted: int) -> list[Any]:
        return [number for piece in some for number in found[piece]][:wanted]

    ends = {key: numbers(some, arguments.flows) for key, some in flows.items()}
    groups = [group_entry(name, numbers(some, arguments.draws)) for name, some in unique.items()]
    ended = [flow_entry(d, {n: ends[d, n] for n in sizes}) for d in DIMENSIONS if ends]
    report = Report(verdict(groups, ended), groups, ended, arguments.seed, environment(PROG))
    said = [table(group_rows(report), "simple"), "", *(f"- {sentence}" for sentence in report.verdict), ""]
    with mpl.rc_context(LOOK):
        leave(arguments.out, report.plain(), {"groups.png": picture(report)}, page(report), said)


def plan(arguments: Arguments) -> tuple[list[str], list[int]]:
    """The groups and the sizes that are asked for, each once.

    ConfigError if one of them cannot be had.
    """
    for name in arguments.groups:
        if name not in GROUPS:
            raise ConfigError(f"`groups` must be of {', '.join(GROUPS)}, but one is {name!r}.")
    for name in ("groups", "sizes"):
        if not getattr(arguments, name):
            raise ConfigError(f"`{name}` must be at least one, but is empty.")
    check_at_least(LEAST, arguments, "draws", "flows")
    check_at_least(0, arguments, "seed")
    check_at_least(1, arguments, "workers")
    most = GROUPS[FLOWS_OF]().n_samples
    for size in arguments.sizes:
        if not 1 <= size <= most:
            raise ConfigError(f"`sizes` must be integers in 1..{most}, but one is {size}.")
    return list(dict.fromkeys(arguments.groups)), sorted(set(arguments.sizes))


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
