"""The page of a phase diagram: what was measured, in words and tables."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from analysis._report import table
from analysis.agreement.phases import PHASES


def page(report: dict[str, Any]) -> list[str]:
    """The paragraphs of report.md."""
    cells, limits = report["points"], report["thresholds"]
    x, y = report["x"]["field"], report["y"]["field"]
    agreed = np.mean([cell["agreement"] == 1 for cell in cells])
    shared = ", ".join(f"{name} = {value}" for name, value in report["base"].items())
    parts = [
        f"# {report['title']}",
        f"{len(report['runs'])} runs at {len(cells)} points of the plane {x} x {y}. "
        f"All seeds agree at {agreed:.0%} of the points. "
        "A letter stands for the phase of most seeds, with their share and a bar of all phases where they disagree; of "
        f"equally frequent phases for the first of {', '.join(PHASES)}.",
        "![phase diagram](phases.png)",
        table(phase_rows(report)),
        f"Learned: training accuracy at least {limits['train']:g} within the budget. Generalised: test accuracy at "
        f"least {limits['test']:g}. Comprehension: that comes less than {limits['delay']:g} steps after the training "
        "accuracy; grokking: later. Memorisation: learned and not generalised; confusion: neither; test only (which "
        "the paper's table 1 leaves open): generalised and not learned.",
    ]
    if report["boundaries"]:
        parts += [
            "## Boundaries",
            "Where one phase gives way to another along a line of the plane: the line's likeliest partition into "
            "segments of constant phase probabilities, less a penalty for each cut. In brackets likelihood intervals. "
            "In simulations (13 points; 1, 3 or 5 seeds, of which 0, 10 or 25 % stray) 90 to 100 % of them held the "
            "true cut, at least 98 % with up to 10 % strays; of lines without a step at most 6 % had a boundary. An "
            "interval is never narrower than the distance of two neighbouring points (`--refine` adds points between).",
            table(boundary_rows(report)),
        ]
    parts += [
        "## Set-up",
        f"Shared by all runs: {shared}.",
        f"`{report['environment']['command']}`, {', '.join(report['environment']['trained_on'])}. "
        "All numbers, run by run, are in report.json.",
    ]
    return parts


def phase_rows(report: dict[str, Any]) -> list[dict[str, Any]]:
    """A row a phase: points whose majority it is, runs, lower median of their delays."""
    rows = []
    for name in PHASES:
        runs = [run for run in report["runs"] if run["phase"] == name]
        points = [cell for cell in report["points"] if cell["majority"] == name]
        delays = [run["delay"] for run in runs if np.isfinite(run["delay"])]
        if name == "test only" and not runs:
            continue
        rows.append(
            {
                "phase": name,
                "points": f"{len(points)} of {len(report['points'])}",
                "runs": f"{len(runs)} of {len(report['runs'])}",
                "median delay (steps)": f"{np.quantile(delays, 0.5, method='inverted_cdf'):,.0f}" if delays else None,
            }
        )
    return rows


def boundary_rows(report: dict[str, Any]) -> list[dict[str, Any]]:
    """A row a line that has boundaries: value of the other axis, then phases and intervals in order."""
    lines = defaultdict(list)
    for found in report["boundaries"]:
        [(other, at)] = found["at"].items()
        text = f"{found['from']} | {found['position']:.3g} [{found['low']:.3g}, {found['high']:.3g}] | {found['to']}"
        lines[found["along"], f"{other} = {at:g}" if isinstance(at, int | float) else f"{other} = {at}"].append(text)
    return [
        {"along": along, "at": at, "boundaries": "; ".join(texts).replace("|", "/")}
        for (along, at), texts in lines.items()
    ]
