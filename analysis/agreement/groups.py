"""What the theory says of groups whose elements are matrices: how many random samples leave no degree of freedom beside
the symmetries, and from how many on the effective flow ends at a good representation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

import efftheory as et
from analysis._pieces import Piece, chunks
from analysis.agreement.pictures import BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILION
from analysis.agreement.tables import Entry
from efftheory.constants import RQI_THRESHOLD

GROUPS: dict[str, Callable[[], et.Operation]] = {
    **{f"s{n}": partial(et.symmetric_group, n) for n in (2, 3, 4)},
    **{f"d{n}": partial(et.dihedral_group, n) for n in (3, 4, 5, 6)},
}
FLOWS_OF = "s3"  # of other groups a flow takes too long
DIMENSIONS = (2, 3)  # of its matrices
PAPER_FRACTION = 0.5
APART = 0.5  # mean square difference, in units of the mean square entry: what RQI takes for different
_HORIZON = 1000.0  # in units of Z0, as `et.time_to_rqi` has it
_RTOL = 1e-8  # of the solver: at 1e-10 and 1e-6 the same flows end well
_DRAWS, _STARTS = 50, 10  # in one piece
_LINES = {
    "s2": (GREY, (0, (1, 3))), "s3": (BLUE, "-"), "s4": (VERMILION, "--"), "d3": (PURPLE, ":"),
    "d4": (GREEN, "-."), "d5": (ORANGE, (0, (5, 1, 1, 1, 1, 1))), "d6": ("black", (0, (8, 2))),
}  # fmt: skip
_FLOW_LINES = {2: (ORANGE, "--", "s"), 3: (VERMILION, "-.", "D")}


def unique_pieces(name: str, draws: int, seed: int) -> list[Piece]:
    """Thresholds of at least `draws` random orders of a group's samples."""
    number = list(GROUPS).index(name)
    op = GROUPS[name]()
    unknowns = et.permutation_representation(op).size
    cost = _DRAWS * (1e-3 + 1e-9 * unknowns**3)
    return [
        Piece(f"unique {name}, seed {seed}, {chunk}", _thresholds, (name, (seed, 0, number, chunk)), cost)
        for chunk in chunks(draws, _DRAWS)
    ]


def _thresholds(name: str, stream: tuple[int, ...]) -> list[int]:
    return et.linear_thresholds(GROUPS[name](), _DRAWS, np.random.default_rng(stream)).tolist()


def flow_pieces(d: int, size: int, flows: int, seed: int) -> list[Piece]:
    """Where the flow ends from at least `flows` random starts, each with a random training set of this size."""
    return [
        Piece(
            f"flow d = {d}, n = {size}, seed {seed}, {chunk}",
            _ends,
            (d, size, (seed, 1, d, size, chunk)),
            _STARTS * 0.04 * d,
        )
        for chunk in chunks(flows, _STARTS)
    ]


def _ends(d: int, size: int, stream: tuple[int, ...]) -> list[tuple[float, float]]:
    op, rng = GROUPS[FLOWS_OF](), np.random.default_rng(stream)
    return [
        end_of_flow(op, op.random_training_set(size, rng), rng.uniform(-1, 1, (op.n_symbols, d, d)))
        for _ in range(_STARTS)
    ]


def end_of_flow(op: et.Operation, mask: NDArray[np.bool_], E0: NDArray[np.float64]) -> tuple[float, float]:
    """RQI at the end of the flow from E0, and how far its two nearest elements are apart (mean square difference of
    their matrices, in units of the mean square entry); nan where the solver gave up.
    """
    end = et.flow(op, mask, E0, [0.0, _HORIZON * (E0**2).sum()], rtol=_RTOL)
    E = end.E[-1] / np.sqrt((end.E[-1] ** 2).mean())
    a, b = np.triu_indices(len(E), 1)
    return float(end.rqi[-1]), float(((E[a] - E[b]) ** 2).mean(axis=(1, 2)).min())


def half_point(sizes: Sequence[float], shares: Sequence[float]) -> float | None:
    """The size, a real number, at which a share that should rise first is 1/2, on straight lines between the sizes;
    None: it does not.
    """
    rising = np.maximum.accumulate(shares)
    if rising[-1] < 0.5:
        return None
    above = int(np.argmax(rising >= 0.5))
    if above == 0:
        return float(sizes[0])
    low, high = rising[above - 1], rising[above]
    return float(sizes[above - 1] + (sizes[above] - sizes[above - 1]) * (0.5 - low) / (high - low))


def transition(sizes: Sequence[int], counts: Sequence[int], draws: int, n_samples: int) -> Entry:
    """The share of `draws` at each size with exact binomial intervals, and the fraction of the samples at which it is
    1/2, with the interval within which the bands cross 1/2 (None: no more than all samples would be needed).
    """
    shares = [et.proportion(int(count), draws) for count in counts]
    values, lows, highs = ([*column] for column in zip(*((s.value, *s.interval) for s in shares), strict=True))
    points = (half_point(sizes, column) for column in (values, highs, lows))
    middle, early, late = (None if point is None else point / n_samples for point in points)
    return {
        "draws": draws,
        "critical_fraction": middle,
        "interval": [early, late],
        "sizes": [*sizes],
        "fractions": [size / n_samples for size in sizes],
        "shares": values,
        "intervals": [[low, high] for low, high in zip(lows, highs, strict=True)],
    }


def group_entry(name: str, thresholds: Sequence[int]) -> Entry:
    """A group's numbers: its samples and dimensions, and how often random training sets leave nothing but symmetries.

    The centraliser's dimension is the mean over the group of the squared number of fixed corners (of the character).
    """
    op = GROUPS[name]()
    rho = et.permutation_representation(op)
    p, d = rho.shape[:2]
    centraliser = int((np.trace(rho, axis1=1, axis2=2) ** 2).mean())
    sizes = range(op.n_samples + 1)
    counts = np.searchsorted(np.sort(thresholds), sizes, side="right").tolist()
    return {
        "group": name,
        "elements": p,
        "d": d,
        "n_samples": op.n_samples,
        "n_parallelograms": et.count_parallelograms(op),
        "unknowns": p * d**2,
        "symmetries": {"all": d**2, "conjugation": d**2 - centraliser, "centraliser": centraliser},
        "enough_equations": (2 * p - 1) / op.n_samples,
        **transition(sizes, counts, len(thresholds), op.n_samples),
    }


def flow_entry(d: int, ends: dict[int, list[tuple[float, float]]]) -> Entry:
    """How often the flows of matrices d x d ended at RQI > 0.95, by size; and with all elements apart."""
    good = {size: [apart for rqi, apart in found if rqi > RQI_THRESHOLD] for size, found in ends.items()}
    n_samples = GROUPS[FLOWS_OF]().n_samples
    (flows,) = {len(found) for found in ends.values()}
    return {
        "d": d,
        "good": [len(nearest) for nearest in good.values()],
        "good_and_apart": [sum(apart > APART for apart in nearest) for nearest in good.values()],
        "median_nearest": [float(np.median(nearest)) if nearest else None for nearest in good.values()],
        **transition([*ends], [len(nearest) for nearest in good.values()], flows, n_samples),
    }


def verdict(report: dict[str, Any]) -> list[str]:
    """The report in sentences."""
    groups, flows = report["groups"], report["flows"]
    said = [
        "Half of the random training sets leave no degree of freedom beside the symmetries at a fraction of "
        + ", ".join(f"{span(entry)} ({title(entry['group'])})" for entry in groups)
        + " of all samples."
    ]
    said.append(
        "No constant of the theory: in samples an element that is "
        + ", ".join(f"{entry['critical_fraction'] * entry['elements']:.2f}" for entry in groups)
        + "; of the p^2 samples 2p - 1 have enough equations once every result has been seen."
    )
    for entry in flows:
        size = f"{entry['d']} x {entry['d']}"
        said.append(
            f"S3, the flow of matrices {size}: half end at RQI > {RQI_THRESHOLD} from a fraction of {span(entry)} on "
            f"(the paper, from trained networks: {PAPER_FRACTION})."
        )
        n_good, n_apart = sum(entry["good"]), sum(entry["good_and_apart"])
        if n_good:
            said.append(
                f"RQI is no faithfulness: of {n_good} flows of matrices {size} that ended above {RQI_THRESHOLD}, "
                f"{n_apart} kept all six elements apart by what RQI takes for different."
            )
    return said


def title(name: str) -> str:
    return f"{name[0].upper()}{name[1:]}"


def span(entry: Entry) -> str:
    """0.34 [0.33, 0.35]; a dash where half was not reached."""
    middle, low, high = ("-" if x is None else f"{x:.3f}" for x in (entry["critical_fraction"], *entry["interval"]))
    return f"{middle} [{low}, {high}]"


def picture(report: dict[str, Any]) -> Figure:
    """P(unique) against the training fraction, a line a group; of S3 the flows beside it."""
    flows = report["flows"]
    figure = Figure(figsize=(10.5 if flows else 6, 4.3))
    panels: Any = figure.subplots(1, 2 if flows else 1, sharey=True, squeeze=False)[0]
    for entry in report["groups"]:
        colour, style = _LINES[entry["group"]]
        label = f"{title(entry['group'])}: {entry['n_samples']} samples"
        _banded(panels[0], entry, colour, linestyle=style, label=label)
    panels[0].set(title="random training sets that leave only the symmetries", ylabel="share of training sets")
    if flows:
        s3 = next(entry for entry in report["groups"] if entry["group"] == FLOWS_OF)
        _banded(panels[1], s3, BLUE, linestyle="-", label="leaves only the symmetries")
        for entry in flows:
            colour, style, mark = _FLOW_LINES[entry["d"]]
            label = f"flow of {entry['d']} x {entry['d']} matrices ends at RQI > {RQI_THRESHOLD}"
            _banded(panels[1], entry, colour, linestyle=style, marker=mark, markersize=4, label=label)
        panels[1].axvline(PAPER_FRACTION, color=GREY, ls=":", label="the paper's transition of networks")
        panels[1].set(title="S3: unique, and found", ylabel="share of training sets, of flows")
        panels[1].tick_params(labelleft=True)
    for axes in panels:
        axes.axhline(0.5, color=GREY, linewidth=0.8, zorder=0)
        axes.set(xlabel="training fraction |D|/|D0|", xlim=(-0.02, 1.02), ylim=(-0.03, 1.03))
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, fontsize="small")
    return figure


def _banded(axes: Axes, entry: Entry, colour: str, **line: Any) -> None:
    low, high = np.array(entry["intervals"]).T
    axes.fill_between(entry["fractions"], low, high, color=colour, alpha=0.18, linewidth=0)
    axes.plot(entry["fractions"], entry["shares"], color=colour, **line)
