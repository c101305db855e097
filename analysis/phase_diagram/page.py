"""The page of a phase diagram: what was measured and, where it was asked for,
predicted, in words and tables.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.phase_diagram.phases import PHASES, UNDECIDED
from analysis.phase_diagram.records import OfBoth, Study, TargetScore, Theory
from analysis.report.files import table
from analysis.report.words import TARGETS_IN_WORDS, judged, seed_range, with_span


def page(report: Study) -> list[str]:
    """The paragraphs of report.md."""
    cells, limits = report.points, report.thresholds
    agreed = np.mean(cells["agreement"] == 1)
    shared = ", ".join(f"{name} = {value}" for name, value in report.base.items() if value != "")
    parts = [
        f"# {report.title}",
        f"{len(report.runs)} runs at {len(cells)} points of the plane {report.x.field} x {report.y.field}. "
        f"All seeds agree at {agreed:.0%} of the points. "
        "A letter stands for the phase of more than half of the seeds, with their share and a bar of all phases where "
        f"they disagree. A point without such a phase is {UNDECIDED}: hatched, with a question mark.",
        "![phase diagram](phases.png)",
        table(phase_rows(report)),
        f"Learned: training accuracy at least {limits.train:g} within the budget. Generalised: test accuracy at "
        f"least {limits.test:g}. Comprehension: that comes less than {limits.delay:g} steps after the training "
        "accuracy; grokking: later. Memorisation: learned and not generalised; confusion: neither; test only (which "
        "the paper's table 1 leaves open): generalised and not learned.",
    ]
    if report.boundaries:
        parts += [
            "## Boundaries",
            "Where one phase gives way to another along a line of the plane: the line's likeliest partition into "
            "segments of constant phase probabilities, less a penalty for each cut. In brackets likelihood intervals. "
            "In simulations (13 points; 1, 3 or 5 seeds, of which 0, 10 or 25 % stray) 90 to 100 % of them held the "
            "true cut, at least 98 % with up to 10 % strays; of lines without a step at most 6 % had a boundary. An "
            "interval is never narrower than the distance of two neighbouring points (`--refine` adds points between).",
            table(boundary_rows(report)),
        ]
    if report.theory is not None:
        parts += _theory(report, report.theory)
    parts += [
        "## Set-up",
        f"Shared by all runs: {shared}. Their seeds: {seed_range(report.runs['seed'])}.",
        f"`{report.environment['command']}`, {', '.join(report.environment['trained_on'])}. "
        "All numbers, run by run, are in report.json.",
    ]
    return parts


def phase_rows(report: Study) -> list[dict[str, Any]]:
    """A row a phase: points that have it as majority, runs, lower median of delays; and
    one for the undecided points.
    """
    rows = []
    for name in PHASES:
        runs = report.runs[report.runs["phase"] == name]
        points = report.points[report.points["majority"] == name]
        delays = runs["delay"][np.isfinite(runs["delay"])]
        median = f"{np.quantile(delays, 0.5, method='inverted_cdf'):,.0f}" if len(delays) else None
        if name == "test only" and runs.empty:
            continue
        rows.append(
            {
                "phase": name,
                "points": f"{len(points)} of {len(report.points)}",
                "runs": f"{len(runs)} of {len(report.runs)}",
                "median delay (steps)": median,
            }
        )
    n = int((report.points["majority"] == UNDECIDED).sum())
    if n:
        points = f"{n} of {len(report.points)}"
        rows.append({"phase": UNDECIDED, "points": points, "runs": None, "median delay (steps)": None})
    return rows


def boundary_rows(report: Study) -> list[dict[str, Any]]:
    """A row a line that has boundaries: value of the other axis, then phases and
    intervals in order.
    """
    lines = defaultdict(list)
    for found in report.boundaries:
        [(other, at)] = found.at.items()
        place = with_span(found.position, (found.low, found.high), ".3g")
        text = f"{found.before} | {place} | {found.after}"
        lines[found.along, f"{other} = {at:g}" if isinstance(at, int | float) else f"{other} = {at}"].append(text)
    return [
        {"along": along, "at": at, "boundaries": "; ".join(texts).replace("|", "/")}
        for (along, at), texts in lines.items()
    ]


def theory_line(theory: Theory) -> str:
    """The theory's success in one line, for the terminal."""
    equal, runs, others = theory.equal.points, theory.equal.runs, theory.other_seeds.share
    line = (
        f"theory: {equal.equal} of {equal.n} points equal ({equal.share:.0%}; always {equal.commonest}: "
        f"{equal.baseline:.0%}), {runs.equal} of {runs.n} runs ({runs.share:.0%}"
    )
    return line + (")" if others is None else f"; the other seeds tell {others:.0%})")


def _theory(report: Study, theory: Theory) -> list[str]:
    """The section on what was predicted."""
    equal, touches, near = theory.equal.points, theory.boundary.touches, theory.boundary.near
    low, high = equal.interval
    place = judged((low, high), (equal.baseline, equal.baseline), below="above", above="below", otherwise="inside")
    seeds = [f"{seed.equal} of {seed.n}" for seed in theory.equal_by_seed]
    n_differ = equal.n - equal.equal
    parts = [
        "## Predicted without training",
        "The theory of embeddings and decoder (`efftheory.memory`) was given each run's training set, initial "
        f"embeddings, targets and rates, and drew {theory.draws} initial decoders of its own. A run's predicted "
        "steps are the lower medians over these, its predicted phase is that of the predicted steps, and a point's is "
        "that of most of its runs, as above. Points whose measured phase is undecided are left out: neither "
        "prediction nor constant can be right there.",
        "![measured and predicted phases](theory.png)",
        table(answer_rows(theory)),
        "No point has a measured phase."
        if not equal.n
        else f"The theory has the phase of {with_span(equal.share, (low, high), '.0%')} of the points right; "
        f"answering {equal.commonest} everywhere, {equal.baseline:.0%}, is {place} that interval. It takes the "
        "points as independent. They are not, neighbours are alike and all points have the same seeds: it is too "
        "narrow. "
        f"Seed by seed {', '.join(seeds)} runs are as predicted.",
    ]
    if n_differ:
        parts.append(
            f"Of the {n_differ} points that differ {touches.differ} touch a boundary between measured phases and "
            f"{near.differ} are within one cell of one; of all {equal.n} points {touches.n} and {near.n} "
            "do."
        )
    return [
        *parts,
        f"Points by the phase of most seeds, or {UNDECIDED}, and in brackets single runs; measured down, predicted "
        "across:",
        table(confusion_rows(theory.confusion)),
        "Who gets there within the budget, and when. Right: the share of runs that get there, or do not, as predicted. "
        "Brier score: of the share of draws that get there as a probability; a smaller one is better. Measured / "
        "predicted steps: of the runs that get there by both, median and quartiles.",
        table(target_rows(theory.targets)),
        "![measured and predicted shares](success.png)",
    ]


def answer_rows(theory: Theory) -> list[dict[str, Any]]:
    """A row a way to answer: the theory, the commonest phase, other seeds; with the
    shares that are right.
    """
    equal, others = {"points": theory.equal.points, "runs": theory.equal.runs}, theory.other_seeds.share
    rows: list[dict[str, Any]] = [
        {"answer": "the theory's"} | {name: f"{one.equal} of {one.n} ({one.share:.0%})" for name, one in equal.items()},
        {"answer": "always the commonest phase"}
        | {name: f"{one.commonest}: {one.baseline:.0%}" for name, one in equal.items()},
    ]
    if others is not None:
        rows.append({"answer": "that of the point's other seeds", "points": None, "runs": f"{others:.0%}"})
    return rows


def confusion_rows(confusion: OfBoth[dict[str, dict[str, int]]]) -> list[dict[str, Any]]:
    """A row a measured phase, a column a predicted one: points, and runs in brackets;
    phases that occur.
    """
    cells, runs = confusion.points, confusion.runs
    both = (*cells.items(), *runs.items())
    names = [name for name in cells if any(row[name] or (a == name and any(row.values())) for a, row in both)]
    return [{"measured": a} | {b: f"{cells[a][b]} ({runs[a][b]})" for b in names} for a in names]


def target_rows(targets: Sequence[TargetScore]) -> list[dict[str, Any]]:
    """A row a threshold: who gets there, and the steps."""
    rows = []
    for one in targets:
        ratio = None
        if one.ratio is not None:
            low, middle, high = one.ratio
            ratio = f"{with_span(middle, (low, high), '.2g')}, n = {one.n_ratio}"
        rows.append(
            {
                "to": TARGETS_IN_WORDS[one.target],
                "measured": f"{one.n_measured} of {one.n}",
                "predicted": f"{one.n_predicted} of {one.n}",
                "right (one answer for all)": f"{one.right:.0%} ({one.baseline:.0%})",
                "Brier score (of a constant)": f"{one.brier:.3f} ({one.brier_base_rate:.3f})",
                "measured / predicted steps": ratio,
            }
        )
    return rows
