"""The page of the interventions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from analysis.interventions.scores import Outcome
from analysis.interventions.surgery import Cuts
from analysis.report.files import table
from analysis.report.words import short, with_span

_CUTS_IN_WORDS = {
    "train": "training accuracy",
    "test": "test accuracy",
    "train_without_keys": "training accuracy without the keys",
    "test_without_keys": "test accuracy without the keys",
    "test_keys_alone": "test accuracy of the keys alone",
    "active": "share of neurons that are active",
    "test_active": "test accuracy of the active neurons alone",
    "test_others": "test accuracy of as many others",
}


def rows(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """The table of one setting."""
    return [
        {
            "intervention": one.arm,
            "memorise": f"{one.memorised:.2f}",
            "generalise": with_span(one.generalised, one.interval),
            "steps to memorise": short(one.memorised_steps, ",.0f"),
            "steps to generalise": short(one.generalised_steps, ",.0f"),
            "times as it is": with_span(one.ratio, one.ratio_interval) + f" ({one.pairs})",
        }
        for one in outcomes
    ]


def page(found: Mapping[str, tuple[str, Sequence[Outcome], Sequence[tuple[Cuts, Cuts]]]], command: str) -> list[str]:
    """The paragraphs of report.md."""
    parts = [
        "# Interventions",
        f"`{command}`",
        "The same training sets and initial weights in every row. Memorise: training accuracy 0.99; generalise: test "
        "accuracy 0.95, shares of the runs within the budget; medians are Kaplan-Meier's. Times as it is: the ratio of "
        "the steps to generalise, median and 95 % interval over the pairs in which the run as it is does (how many); a "
        "dash where half do not.",
    ]
    for title, (name, outcomes, cuts) in found.items():
        parts += [
            f"## {title}",
            f"![{name}]({name}.png)",
            table(rows(outcomes)),
            "Cut out of the networks as they are, without training: the key frequencies of the final outputs, or all "
            "but the neurons that the final network needs. Means over the runs, lowest and highest.",
            table(_cut_rows(cuts)),
        ]
    return parts


def _cut_rows(cuts: Sequence[tuple[Cuts, Cuts]]) -> list[dict[str, Any]]:
    found = []
    for field in fields(Cuts):
        cells = {}
        for moment, k in (("at memorisation", 0), ("at the end", 1)):
            values = np.array([getattr(pair[k], field.name) for pair in cuts], float)
            values = values[~np.isnan(values)]  # fewer other neurons than active ones
            cells[moment] = (
                with_span(float(values.mean()), (float(values.min()), float(values.max()))) if len(values) else "-"
            )
        found.append({"": _CUTS_IN_WORDS[field.name]} | cells)
    return found
