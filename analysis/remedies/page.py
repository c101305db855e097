"""The page of the remedies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from analysis.remedies.scores import BASE, Reached, Score
from analysis.report.files import table
from analysis.report.words import judged, with_span


@dataclass(frozen=True)
class Report:
    """What report.json has.

    Attributes:
        remedies: a score a remedy.
        sizes: training-set sizes |D|, of each remedy.
        seeds, first_seed: how many a size, and the first of them.
        budget: steps.
        environment: what the numbers were made with.
    """

    remedies: list[Score]
    sizes: tuple[int, ...]
    seeds: int
    first_seed: int
    budget: int
    environment: dict[str, Any]


def page_rows(rows: list[Score]) -> list[dict[str, Any]]:
    """The table of the page."""
    shown = []
    for row in rows:
        rqi, test = row.rqi, row.test
        shown.append(
            {
                "remedy": row.remedy,
                "RQI > 0.95": with_span(rqi.share, rqi.interval),
                "predicted": f"{rqi.predicted:.2f}",
                "gain": _gain(row, rqi),
                "test accuracy 0.9": with_span(test.share, test.interval),
                "predicted ": f"{test.predicted:.2f}",
                "gain ": _gain(row, test),
            }
        )
    return shown


def _gain(row: Score, reached: Reached) -> str | None:
    if row.remedy == BASE:
        return None
    return with_span(reached.gain, reached.gain_interval, "+.2f")


def verdict(rows: list[Score]) -> str:
    """With which remedies more runs succeed, with which fewer; which do not tell."""
    words = ("More runs find the linear representation with", "Fewer with", "Not certain with")
    found: dict[str, list[str]] = {word: [] for word in words}
    for row in rows:
        if row.remedy != BASE:
            more, fewer, open_ = words
            found[judged(row.rqi.gain_interval, (0, 0), below=fewer, above=more, otherwise=open_)].append(row.remedy)
    return " ".join(f"{word}: {', '.join(names)}." for word, names in found.items() if names)


def page(report: Report) -> list[str]:
    """The paragraphs of report.md."""
    rows = report.remedies
    return [
        "# Remedies",
        f"`{report.environment['command']}`",
        f"{rows[0].n} training sets and initial embeddings, each under every remedy (|D| = "
        f"{', '.join(map(str, report.sizes))}, {report.seeds} seeds from {report.first_seed} on, "
        f"{report.budget:,} steps). Shares within "
        "the budget with exact 95 % intervals; gains over no remedy with bootstrap intervals over the pairs; "
        "predicted: by the theory with a decoder, without training a network.",
        table(page_rows(rows)),
        verdict(rows),
        "![survival](survival.png)",
        "Share of runs that are not there yet (Kaplan-Meier; a run that retires has all behind it).",
    ]
