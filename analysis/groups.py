"""Groups: how many samples pin a representation by matrices down, and from how many on it is found.

    python -m analysis.groups
    python -m analysis.groups --groups s3 d6 --draws 5000

draws random training sets of each group's products and counts those that leave no degree of freedom beside the
symmetries; for S3 it also lets the effective flow run from random matrices. Leaves report.json, report.md and
groups.png in results/groups. No network is trained.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl

import efftheory as et
from analysis._pieces import computed
from analysis._report import environment, prepare_folder, save_picture, table, write_json, write_page
from analysis.agreement.groups import (
    DIMENSIONS,
    FLOWS_OF,
    GROUPS,
    flow_entry,
    flow_pieces,
    group_entry,
    picture,
    span,
    title,
    unique_pieces,
    verdict,
)
from analysis.agreement.pictures import LOOK
from efftheory.constants import RQI_THRESHOLD
from neural import ConfigError
from neural.command import run_command

PROG = "python -m analysis.groups"
ERRORS = (et.ArgumentError,)
STORE = "pieces.sqlite"
LEAST = 10  # fewer have no interval worth the name


@dataclass(frozen=True)
class Arguments:
    """Count the random training sets of groups that leave only the symmetries, and the flows that end well."""

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
    """Processes; by default one a core. The numbers do not hang on it."""
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
    report: dict[str, Any] = {
        "groups": [group_entry(name, numbers(some, arguments.draws)) for name, some in unique.items()],
        "flows": [flow_entry(d, {n: ends[d, n] for n in sizes}) for d in DIMENSIONS if ends],
        "seed": arguments.seed,
    }
    report = {"verdict": verdict(report), **report}
    report["environment"] = environment([], " ".join([PROG, *sys.argv[1:]]))
    write_json(arguments.out / "report.json", report)
    with mpl.rc_context(LOOK):
        save_picture(arguments.out / "groups.png", picture(report))
    write_page(arguments.out / "report.md", page(report))
    print(table(group_rows(report), "simple"), "", sep="\n")
    print(*(f"- {sentence}" for sentence in report["verdict"]), sep="\n")
    print(f"\n{arguments.out / 'report.md'}")


def plan(arguments: Arguments) -> tuple[list[str], list[int]]:
    """The groups and the sizes that are asked for, each once; ConfigError if one cannot be."""
    for name in arguments.groups:
        if name not in GROUPS:
            raise ConfigError(f"`groups` must be of {', '.join(GROUPS)}, but one is {name!r}.")
    for name in ("groups", "sizes"):
        if not getattr(arguments, name):
            raise ConfigError(f"`{name}` must be at least one, but is empty.")
    for name, least in {"draws": LEAST, "flows": LEAST, "seed": 0, "workers": 1}.items():
        value = getattr(arguments, name)
        if value is not None and value < least:
            raise ConfigError(f"`{name}` must be an integer of at least {least}, but is {value}.")
    most = GROUPS[FLOWS_OF]().n_samples
    for size in arguments.sizes:
        if not 1 <= size <= most:
            raise ConfigError(f"`sizes` must be integers in 1..{most}, but one is {size}.")
    return list(dict.fromkeys(arguments.groups)), sorted(set(arguments.sizes))


def page(report: dict[str, Any]) -> list[str]:
    """The paragraphs of report.md."""
    parts = [
        "# Groups",
        f"`{report['environment']['command']}`",
        "Elements are d x d matrices, composed by their product. Shares with exact binomial 95 % intervals; a critical "
        "fraction is where a share is one half on straight lines between the sizes, its interval where the bands are.",
        "\n".join(f"- {sentence}" for sentence in report["verdict"]),
        "![groups](groups.png)",
        "## How many samples leave only the symmetries",
        f"{report['groups'][0]['draws']:,} random orders of a group's samples. Rank: what all samples determine of the "
        "p d^2 unknowns, at a generic solution z rho(a) with permutation matrices rho. Symmetries: what none does, "
        "d^2 = conjugation + centraliser. Enough equations: (2p - 1)/p^2.",
        table(group_rows(report)),
    ]
    if report["flows"]:
        parts += [
            "## S3: how many samples lead the flow there",
            f"{report['flows'][0]['draws']:,} flows of the effective loss a size and dimension, each from matrices "
            "uniform in [-1, 1] (the loss does not see their scale), on a random training set of its own. Shares that "
            f"end at RQI > {RQI_THRESHOLD}. Apart: how many of these keep all six elements apart by what RQI takes for "
            "different, a mean square difference of 0.5 mean squares of an entry. Nearest: that difference of the two "
            "nearest elements, the median over these flows. Unique: the share of training sets of this size that leave "
            "only the symmetries.",
            table(flow_rows(report)),
        ]
    return parts


def group_rows(report: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for entry in report["groups"]:
        symmetries = entry["symmetries"]
        rows.append(
            {
                "group": title(entry["group"]),
                "elements p": entry["elements"],
                "d": entry["d"],
                "samples": entry["n_samples"],
                "parallelograms": entry["n_parallelograms"],
                "unknowns": entry["unknowns"],
                "rank": entry["unknowns"] - symmetries["all"],
                "symmetries": f"{symmetries['all']} = {symmetries['conjugation']} + {symmetries['centraliser']}",
                "enough equations": f"{entry['enough_equations']:.3f}",
                "critical fraction": span(entry),
            }
        )
    return rows


def flow_rows(report: dict[str, Any]) -> list[dict[str, Any]]:
    s3 = next(entry for entry in report["groups"] if entry["group"] == FLOWS_OF)
    rows = []
    for number, size in enumerate(report["flows"][0]["sizes"]):
        row = {"size": size, "fraction": f"{size / s3['n_samples']:.2f}", "unique": _share(s3, size)}
        for entry in report["flows"]:
            d, nearest = entry["d"], entry["median_nearest"][number]
            row[f"{d} x {d}: RQI > {RQI_THRESHOLD}"] = _share(entry, number)
            row[f"{d} x {d}: apart"] = entry["good_and_apart"][number]
            row[f"{d} x {d}: nearest"] = None if nearest is None else f"{nearest:.3f}"
        rows.append(row)
    return rows


def _share(entry: dict[str, Any], number: int) -> str:
    low, high = entry["intervals"][number]
    return f"{entry['shares'][number]:.2f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
