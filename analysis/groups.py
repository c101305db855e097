"""Groups: how many samples pin a representation by matrices down, and from how many on
it is found.

    python -m analysis.groups
    python -m analysis.groups s3 d6 --draws 5000

draws random training sets of each group's products and counts those that leave only the
symmetries; for S3 it also lets the effective flow run from random matrices. No network
is trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
import pandas as pd
import tyro
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

import efftheory as et
from analysis._pieces import drawn, in_chunks
from analysis.counting.size_law import LEAST_DRAWS, score
from analysis.counting.thresholds import FLOWS_OF, GROUPS, of_flows, of_group
from analysis.report.command import check_at_least, check_given, environment, leave
from analysis.report.files import prepare_folder, table
from analysis.report.look import BLUE, GREEN, GREY, LOOK, ORANGE, PURPLE, VERMILION
from analysis.report.tables import cell, wide
from efftheory.constants import RQI_THRESHOLD
from neural import ConfigError
from neural.command import run_command

Group = Literal["s2", "s3", "s4", "d3", "d4", "d5", "d6"]
PROG = "python -m analysis.groups"
DIMENSIONS = (2, 3)  # of the matrices of flows
PAPER_FRACTION = 0.5
APART = 0.5  # mean square difference, in units of the mean square entry: what RQI takes for different
COLUMNS = ["group", "d", "size", "fraction", "statistic", "value", "low", "high", "n"]
_GROUPS = ["elements", "samples", "parallelograms", "unknowns", "rank", "symmetries", "conjugation", "centraliser"]
_GROUPS += ["enough_equations", "critical_unique", "per_element"]
_FLOWS = ["unique", "found", "good_and_apart", "median_nearest"]


@dataclass(frozen=True)
class Arguments:
    """Count training sets of groups that leave only the symmetries, and good flows."""

    names: tyro.conf.Positional[tuple[Group, ...]] = ("s3", "d4", "d5", "s4")
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
    check_given(arguments, "names", "sizes")
    check_at_least(LEAST_DRAWS, arguments, "draws", "flows")
    check_at_least(0, arguments, "seed")
    check_at_least(1, arguments, "workers")
    most = GROUPS[FLOWS_OF]().n_samples
    if wrong := [size for size in arguments.sizes if not 1 <= size <= most]:
        raise ConfigError(f"`sizes` must be integers in 1..{most}, but one is {wrong[0]}.")
    prepare_folder(arguments.out)
    names, sizes, seed = dict.fromkeys(arguments.names), sorted(set(arguments.sizes)), arguments.seed
    dimensions, pieces = DIMENSIONS if FLOWS_OF in names else (), {}
    for name in names:
        seconds = 1e-3 + 1e-9 * et.permutation_representation(GROUPS[name]()).size ** 3
        pieces[name] = in_chunks(f"unique {name}, seed {seed}, ", of_group, (name, seed), arguments.draws, 50, seconds)
    for d, n in product(dimensions, sizes):
        label = f"flow d = {d}, n = {n}, seed {seed}, "
        pieces[d, n] = in_chunks(label, of_flows, (d, n, seed), arguments.flows, 10, 0.04 * d)
    found = drawn(arguments.out / "pieces.sqlite", pieces, arguments.workers)
    some = [of_thresholds(name, found[name][: arguments.draws]) for name in names]
    some += [of_ends(d, {n: found[d, n][: arguments.flows] for n in sizes}) for d in dimensions]
    scores, made_with = pd.concat(some, ignore_index=True).reindex(columns=COLUMNS), environment(PROG)
    said, rows = verdict(scores), wide(scores, ["group", "d"], _GROUPS)
    by_flow = scores[(scores["group"] == FLOWS_OF) & scores["size"].isin(sizes)].sort_values(["size", "d"])
    report = {"verdict": said, "scores": scores.to_dict("records"), "seed": seed, "environment": made_with}
    page = f"""\
# Groups

`{made_with["command"]}`

{said}

{table(rows)}

![groups](groups.png)

{arguments.draws:,} random orders of a group's samples; its elements, p, are d x d matrices, composed by their product.
Rank: what all samples determine of the p d^2 unknowns, at a generic solution z rho(a) with permutation matrices rho.
Symmetries: what none does, d^2 = conjugation (they move rho) + centraliser (they commute with it). Enough equations:
(2p - 1)/p^2. Unique: the share of training sets that leave only the symmetries, with its exact binomial 95 % interval.
Critical: the fraction of all samples at which a share is one half, on straight lines between the sizes; per element: in
samples.

## S3: how many samples lead the flow there

{arguments.flows:,} flows of the effective loss a size and dimension d, each from matrices uniform in [-1, 1] (the loss
does not see their scale), on a random training set of its own. Found: the share that ends at RQI > {RQI_THRESHOLD}.
Apart: how many of these keep all six elements apart by what RQI takes for different, a mean square difference of
{APART} mean squares of an entry. Nearest: that difference of the two nearest, the median over these.

{table(wide(by_flow, ["size", "d"], _FLOWS)) if dimensions else "None: no S3."}"""
    with mpl.rc_context(LOOK):
        shown = [table(rows, "simple"), "", said, ""]
        leave(arguments.out, report, {"groups.png": picture(scores)}, [page], shown, scores=scores)


def of_thresholds(name: str, thresholds: Sequence[int]) -> pd.DataFrame:
    """The scores of a group, from the thresholds of random orders of its samples."""
    op = GROUPS[name]()
    rho = et.permutation_representation(op)
    p, d = rho.shape[:2]
    by, n, sizes = {"group": name, "d": d}, len(thresholds), np.arange(op.n_samples + 1)
    centraliser = int((np.trace(rho, axis1=1, axis2=2) ** 2).mean())  # of the squared character
    numbers = {"elements": p, "samples": op.n_samples, "parallelograms": et.count_parallelograms(op)}
    numbers |= {"unknowns": p * d**2, "rank": (p - 1) * d**2, "symmetries": d**2}
    numbers |= {"conjugation": d**2 - centraliser, "centraliser": centraliser}
    numbers["enough_equations"] = (2 * p - 1) / op.n_samples
    rising = shares("unique", sizes, np.searchsorted(np.sort(thresholds), sizes, side="right"), n, **by)
    per_element = score("per_element", *(p * rising.iloc[0][["value", "low", "high"]]), n=n, **by)
    return pd.concat([score([*numbers], [*numbers.values()], **by), rising, per_element])


def of_ends(d: int, ends: Mapping[int, Sequence[tuple[float, float]]]) -> pd.DataFrame:
    """The scores of the flows of d x d matrices, from their `end_of_flow` by size."""
    by, sizes = {"group": FLOWS_OF, "d": d}, np.array([*ends])
    nearest = [[apart for rqi, apart in found if rqi > RQI_THRESHOLD] for found in ends.values()]
    good = [len(some) for some in nearest]
    numbers = {"good": good, "good_and_apart": [sum(one > APART for one in some) for some in nearest]}
    numbers |= {"median_nearest": [np.median(some) if some else np.nan for some in nearest]}
    (flows,) = {len(found) for found in ends.values()}
    found = [score(name, values, size=sizes, n=good, **by) for name, values in numbers.items()]
    return pd.concat([shares("found", sizes, good, flows, **by), *found])


def shares(name: str, sizes: Any, counts: ArrayLike, draws: int, **by: Any) -> pd.DataFrame:
    """`counts` at each size as shares of the draws, and where they are one half."""
    fractions = sizes / GROUPS[by["group"]]().n_samples
    found = [et.proportion(int(count), draws) for count in np.asarray(counts)]
    columns = np.array([(share.value, *share.interval) for share in found]).T
    half, late, early = (half_point(fractions, column) for column in columns)
    critical = score(f"critical_{name}", half, early, late, n=draws, **by)
    return pd.concat([critical, score(name, *columns, size=sizes, fraction=fractions, n=draws, **by)])


def half_point(sizes: ArrayLike, shares: ArrayLike) -> float:
    """Where a share that should rise first is 1/2, by straight lines; nan: nowhere."""
    rising = np.maximum.accumulate(shares)
    until = np.searchsorted(rising, 0.5) + 1
    return float(np.interp(0.5, rising[:until], np.asarray(sizes)[:until])) if until <= len(rising) else np.nan


def verdict(scores: pd.DataFrame) -> str:
    """What the numbers say, a line each."""
    critical = scores[scores["statistic"] == "critical_unique"]
    fractions = ", ".join(f"{cell(row, '.3f')} ({str(row.group).upper()})" for row in critical.itertuples())
    said = [
        "- Half of the random training sets leave no degree of freedom beside the symmetries at a fraction of "
        f"{fractions} of all samples; from (2p - 1)/p^2 on there are enough equations once every result has been seen."
    ]
    for d, some in scores[scores["statistic"].isin(["critical_found", "good", "good_and_apart"])].groupby("d"):
        value = some.groupby("statistic")["value"].sum()
        half = cell(some[some["statistic"] == "critical_found"].iloc[0], ".3f")
        said.append(
            f"- S3, the flow of matrices {d} x {d}: half end at RQI > {RQI_THRESHOLD} from a fraction of {half} on "
            f"(paper, from trained networks: {PAPER_FRACTION}); of {value['good']:.0f} that ended there "
            f"{value['good_and_apart']:.0f} kept all six elements apart by what RQI takes for different."
        )
    return "\n".join(said)


_LINES: dict[Any, tuple[Any, ...]] = {
    "s2": (GREY, (0, (1, 3))), "s3": (BLUE, "-"), "s4": (VERMILION, "--"), "d3": (PURPLE, ":"),
    "d4": (GREEN, "-."), "d5": (ORANGE, (0, (5, 1, 1, 1, 1, 1))), "d6": ("black", (0, (8, 2))),
    2: (ORANGE, "--", "s"), 3: (VERMILION, "-.", "D"),
}  # fmt: skip


def picture(scores: pd.DataFrame) -> Figure:
    """P(unique) against the training fraction, a line a group, and the flows of S3."""
    unique, found = (scores[scores["statistic"] == name] for name in ("unique", "found"))
    n = 2 if len(found) else 1
    figure = Figure(figsize=(4.5 * n + 1.5, 4.3))
    panels: Any = figure.subplots(1, n, sharey=True, squeeze=False)[0]
    for name, some in unique.groupby("group", sort=False):
        _banded(panels[0], some, name, f"{str(name).upper()}: {some['size'].max():.0f} samples")
    panels[0].set(title="random training sets that leave only the symmetries", ylabel="share of training sets")
    if len(found):
        _banded(panels[1], unique[unique["group"] == FLOWS_OF], FLOWS_OF, "leaves only the symmetries")
        for d, some in found.groupby("d"):
            _banded(panels[1], some, d, f"flow of {d} x {d} matrices ends at RQI > {RQI_THRESHOLD}")
        panels[1].axvline(PAPER_FRACTION, color=GREY, ls=":", label="the paper's transition of networks")
        panels[1].set(title="S3: unique, and found", ylabel="share of training sets, of flows")
        panels[1].tick_params(labelleft=True)
    for axes in panels:
        axes.axhline(0.5, color=GREY, linewidth=0.8, zorder=0)
        axes.set(xlabel="training fraction |D|/|D0|", xlim=(-0.02, 1.02), ylim=(-0.03, 1.03))
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, fontsize="small")
    return figure


def _banded(axes: Axes, scores: pd.DataFrame, of: Any, label: str) -> None:
    colour, style, *mark = _LINES[of]
    axes.fill_between(scores["fraction"], scores["low"], scores["high"], color=colour, alpha=0.18, linewidth=0)
    look: Any = {"color": colour, "linestyle": style, "marker": mark[0] if mark else None, "markersize": 4}
    axes.plot(scores["fraction"], scores["value"], label=label, **look)


if __name__ == "__main__":
    run_command(Arguments, main, PROG)
