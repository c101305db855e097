"""The page of the two-variable model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.report.files import table
from analysis.report.words import short
from analysis.two_variables.landscape import BORDER, FLOOR
from analysis.two_variables.scores import Case


@dataclass(frozen=True)
class Reach:
    """How many come to the corner of small m, of one operation and size.

    Attributes:
        operation, n_train: which.
        n: free runs, all seeds and decays.
        formula: those that the formula gives a time.
        reduced, measured: those whose equations, and whose network, get there.
        tested: those that reach test accuracy 0.9; None where all is trained on.
    """

    operation: str
    n_train: int
    n: int
    formula: int
    reduced: int
    measured: int
    tested: int | None


def reached(cases: list[Case]) -> list[Reach]:
    """A line an operation and size, in their order."""
    found = []
    for operation, n_train in dict.fromkeys((one.operation, one.n_train) for one in cases):
        own = [one for one in cases if (one.operation, one.n_train) == (operation, n_train)]
        there = {name: sum(getattr(one, name) is not None for one in own) for name in ("formula", "measured")}
        tested = None if own[0].traces.mask.all() else sum(one.steps_to_test is not None for one in own)
        equations = sum(one.path.to_corner is not None for one in own)
        found.append(Reach(operation, n_train, len(own), there["formula"], equations, there["measured"], tested))
    return found


def reach_rows(counts: list[Reach]) -> list[dict[str, Any]]:
    """The table of who gets there."""
    return [
        {
            "operation": one.operation,
            "|D|": str(one.n_train),
            "runs": str(one.n),
            "formula": str(one.formula),
            "reduced equations": str(one.reduced),
            "networks": str(one.measured),
            "test accuracy 0.9": None if one.tested is None else str(one.tested),
        }
        for one in counts
    ]


def time_rows(cases: list[Case]) -> list[dict[str, Any]]:
    """The table of times."""
    rows = [one.row() for one in cases]
    return [
        {
            "operation": row["operation"],
            "|D|": str(row["n_train"]),
            "gamma": f"{row['weight_decay']:g}",
            "seed": str(row["seed"]),
            "L": short(row["distance"]),
            "h": short(row["height"]),
            "theta": short(row["angle"], ".0f"),
            "formula": short(row["formula"], ",.0f"),
            "equations: border": short(row["reduced_to_border"], ",.0f"),
            "equations: corner": short(row["reduced"], ",.0f"),
            "network: corner": short(row["measured"], ",.0f"),
            "equations / formula": short(row["reduced/formula"]),
            "network / formula": short(row["measured/formula"]),
            "m at the end": short(row["messiness"]),
        }
        for row in rows
    ]


def verdict(cases: list[Case]) -> list[str]:
    """The findings in words, from the numbers alone."""
    said = []
    for operation in dict.fromkeys(one.operation for one in cases):
        own = [one for one in cases if one.operation == operation]
        for name, of in (("the reduced equations", "reduced"), ("the networks", "measured")):
            sizes = {
                n_train: (sum(_time(one, of) is not None for one in some), len(some))
                for n_train in sorted({one.n_train for one in own})
                for some in [[one for one in own if one.n_train == n_train]]
            }
            parts = ", ".join(f"{there} of {n} at |D| = {n_train}" for n_train, (there, n) in sizes.items())
            said.append(f"{operation}: {name} come to the corner of small m in {parts}.")
            able = [one for one in own if one.tests_the_formula]
            ratios = [time / (one.formula or 1) for one in able if (time := _time(one, of)) is not None]
            if ratios:
                low, middle, high = np.quantile(ratios, (0, 0.5, 1))
                said.append(
                    f"{operation}: {name} take {middle:.2f} times as long as the formula says (median of "
                    f"{len(ratios)}; {low:.2f} to {high:.2f}; of {len(able)} whose m may move before it is over)."
                )
    return said


def _time(one: Case, of: str) -> float | None:
    return one.path.to_corner if of == "reduced" else one.measured


def page(report: Mapping[str, Any], times: list[dict[str, Any]]) -> list[str]:
    """The paragraphs of report.md."""
    return [
        "# The model of two variables",
        f"`{report['environment']['command']}`",
        "A decoder of norm w reads sums of two embeddings of messiness m, which are m times random ones and 1 - m "
        "times symbols on a line. The reduced training loss is that of the best decoder of norm w at m. Three "
        "computations are kept apart: decoders whose norm and m are held, each trained for itself (the landscape); "
        "the two reduced equations on it, dw/dt = -eta_D (dl/dw + gamma w) and dm/dt = -eta_R dl/dm; and networks in "
        "which both are free (AdamW for the decoder, plain descent for m, which is held while the decoder over-fits).",
        "\n".join(f"- {sentence}" for sentence in report["verdict"]),
        "![the landscapes, with what moves on them](landscape.png)",
        f"The reduced loss of the first seed, with the border where it is {BORDER:g}. Losses count as "
        f"{FLOOR:g} at the least, and of all norms up to w the least loss counts.",
        "## Who comes to small m",
        table(reach_rows(report["reached"])),
        "All seeds and decays. The formula has a time where the border lies between the start and the corner, and the "
        "start is on its side of little loss.",
        "## When",
        table(times),
        "![times beside the formula](times.png)",
        "Formula: t = (L + h tan theta)/(eta_D gamma), all read off the landscape; theta is the border's angle with "
        "the axis of m, in degrees. All times in updates, from the first; a dash: not reached, or no border to read. "
        "Where the formula's time is shorter than the hold, m may not move in time, and the equations pass the border: "
        "these are not in the ratios above.",
    ]
