"""The page on groups, computed from its report, in words and tables."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from analysis.groups.transitions import FLOWS_OF, PAPER_FRACTION, Flow, Group, Transition
from analysis.report.files import table
from analysis.report.words import with_span
from efftheory.constants import RQI_THRESHOLD


@dataclass(frozen=True)
class Report:
    """The numbers and what they say.

    Attributes:
        verdict: sentences.
        groups: in the order in which they were asked for.
        flows: one of each dimension; none unless FLOWS_OF is among the groups.
        seed: of all random choices.
        environment: what the numbers were made with.
    """

    verdict: list[str]
    groups: list[Group]
    flows: list[Flow]
    seed: int
    environment: dict[str, Any]

    def plain(self) -> dict[str, Any]:
        """As report.json has it: the fields of a transition stand beside those of its
        group or flow.
        """
        report = asdict(self)
        for entry in (*report["groups"], *report["flows"]):
            entry.update(entry.pop("transition"))
        return report


def verdict(groups: list[Group], flows: list[Flow]) -> list[str]:
    """The numbers in sentences."""
    said = [
        "Half of the random training sets leave no degree of freedom beside the symmetries at a fraction of "
        + ", ".join(f"{_fraction(entry.transition)} ({title(entry.group)})" for entry in groups)
        + " of all samples."
    ]
    said.append(
        "No constant of the theory: in samples an element that is "
        + ", ".join(f"{_samples_an_element(entry):.2f}" for entry in groups)
        + "; of the p^2 samples 2p - 1 have enough equations once every result has been seen."
    )
    for entry in flows:
        size = f"{entry.d} x {entry.d}"
        said.append(
            f"S3, the flow of matrices {size}: half end at RQI > {RQI_THRESHOLD} from a fraction of "
            f"{_fraction(entry.transition)} on (the paper, from trained networks: {PAPER_FRACTION})."
        )
        n_good, n_apart = sum(entry.good), sum(entry.good_and_apart)
        if n_good:
            said.append(
                f"RQI is no faithfulness: of {n_good} flows of matrices {size} that ended above {RQI_THRESHOLD}, "
                f"{n_apart} kept all six elements apart by what RQI takes for different."
            )
    return said


def title(name: str) -> str:
    return f"{name[0].upper()}{name[1:]}"


def _samples_an_element(group: Group) -> float:
    """The critical fraction of the p^2 samples, divided among p elements."""
    fraction = group.transition.critical_fraction
    if fraction is None:
        raise AssertionError("all samples leave nothing but the symmetries")
    return fraction * group.elements


def _fraction(transition: Transition) -> str:
    """0.34 [0.33, 0.35]; a dash where half was not reached."""
    return with_span(transition.critical_fraction, transition.interval, ".3f")


def page(report: Report) -> list[str]:
    """The paragraphs of report.md."""
    draws = report.groups[0].transition.draws
    parts = [
        "# Groups",
        f"`{report.environment['command']}`",
        "Elements are d x d matrices, composed by their product. Shares with exact binomial 95 % intervals; a critical "
        "fraction is where a share is one half on straight lines between the sizes, its interval where the bands are.",
        "\n".join(f"- {sentence}" for sentence in report.verdict),
        "![groups](groups.png)",
        "## How many samples leave only the symmetries",
        f"{draws:,} random orders of a group's samples. Rank: what all samples determine of the "
        "p d^2 unknowns, at a generic solution z rho(a) with permutation matrices rho. Symmetries: what none does, "
        "d^2 = conjugation + centraliser. Enough equations: (2p - 1)/p^2.",
        table(group_rows(report)),
    ]
    if report.flows:
        flows = report.flows[0].transition.draws
        parts += [
            "## S3: how many samples lead the flow there",
            f"{flows:,} flows of the effective loss a size and dimension, each from matrices "
            "uniform in [-1, 1] (the loss does not see their scale), on a random training set of its own. Shares that "
            f"end at RQI > {RQI_THRESHOLD}. Apart: how many of these keep all six elements apart by what RQI takes for "
            "different, a mean square difference of 0.5 mean squares of an entry. Nearest: that difference of the two "
            "nearest elements, the median over these flows. Unique: the share of training sets of this size that leave "
            "only the symmetries.",
            table(flow_rows(report)),
        ]
    return parts


def group_rows(report: Report) -> list[dict[str, Any]]:
    rows = []
    for entry in report.groups:
        symmetries = entry.symmetries
        rows.append(
            {
                "group": title(entry.group),
                "elements p": entry.elements,
                "d": entry.d,
                "samples": entry.n_samples,
                "parallelograms": entry.n_parallelograms,
                "unknowns": entry.unknowns,
                "rank": entry.unknowns - symmetries.all,
                "symmetries": f"{symmetries.all} = {symmetries.conjugation} + {symmetries.centraliser}",
                "enough equations": f"{entry.enough_equations:.3f}",
                "critical fraction": _fraction(entry.transition),
            }
        )
    return rows


def flow_rows(report: Report) -> list[dict[str, Any]]:
    s3 = next(entry for entry in report.groups if entry.group == FLOWS_OF)
    rows = []
    for number, size in enumerate(report.flows[0].transition.sizes):
        row = {"size": size, "fraction": f"{size / s3.n_samples:.2f}", "unique": _share(s3.transition, size)}
        for entry in report.flows:
            d, nearest = entry.d, entry.median_nearest[number]
            row[f"{d} x {d}: RQI > {RQI_THRESHOLD}"] = _share(entry.transition, number)
            row[f"{d} x {d}: apart"] = entry.good_and_apart[number]
            row[f"{d} x {d}: nearest"] = None if nearest is None else f"{nearest:.3f}"
        rows.append(row)
    return rows


def _share(transition: Transition, number: int) -> str:
    return with_span(transition.shares[number], transition.intervals[number])
