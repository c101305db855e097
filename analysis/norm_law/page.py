"""The page of the laws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.norm_law.scores import FEWEST, Score
from analysis.norm_law.setups import CALIBRATION_SEEDS, Setup
from analysis.report.files import table
from analysis.report.words import with_span


@dataclass(frozen=True)
class Scored:
    """One target: its name, the table of `predicted`, and a score a law."""

    target: str
    runs: pd.DataFrame
    scores: list[Score]


def rows(scores: list[Score]) -> list[dict[str, Any]]:
    """The table of one target."""
    return [
        {
            "law": score.law,
            "error (MAPE)": with_span(100 * score.mape, _percent(score.mape_interval), ".0f") + " %",
            "more than ours": "-"
            if score.law == scores[0].law
            else with_span(100 * score.excess, _percent(score.excess_interval), "+.0f"),
            "predicted/measured": f"{score.median_ratio:.2f}",
            "says never": str(score.never),
            "concordance": with_span(score.concordance, score.concordance_interval),
        }
        for score in scores
    ]


def _percent(bounds: tuple[float, float] | None) -> tuple[float, float] | None:
    return None if bounds is None else (100 * bounds[0], 100 * bounds[1])


def section(name: str, setup: Setup, scored: list[Scored]) -> list[str]:
    """What is said of one kind of networks."""
    parts = [f"## {setup.title}", f"![{name}]({name}.png)"]
    for one in scored:
        runs = one.runs
        observed = runs["steps"].notna()
        slow = runs[observed & (runs["weight_decay"] <= 0.3)]
        inside = (runs["norm_generalised"] / runs["shell"])[np.isfinite(runs["shell"])]
        parts += [
            f"### {one.target}",
            f"{len(runs)} runs (initial scale {_listed(setup.large)}, decay {_listed(setup.decays)}, "
            f"{runs['seed'].nunique()} seeds), of which {int(observed.sum())} got there within their budget. Their "
            f"norm there over w0 exp(-eta gamma t): {_range(slow['decay_error'])} at decays up to 0.3, "
            f"{_range(runs[observed]['decay_error'])} at all; over the landscape's w_c after as many steps: "
            f"{_range(inside)}.",
            table(rows(one.scores)),
        ]
    return parts


def _listed(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _range(values: pd.Series) -> str:
    return f"{values.min():.3f} to {values.max():.3f}" if len(values) else "-"


def page(sections: list[str], command: str) -> list[str]:
    """The paragraphs of report.md."""
    return [
        "# When networks grok by weight norm",
        f"`{command}`",
        "Steps until a network that began at too large a norm generalises, predicted from the landscape of training "
        "at constant norm (same training set and initial direction, same test samples), against measured. Two forms "
        "are ours, with nothing fitted; the norm is w0 exp(-eta gamma t) in both. Crossing in time: it meets the norm "
        "at which the landscape's test accuracy after as many steps falls through the threshold. Time inside: at norm "
        "w a step is 1/T(w) of the way, where T(w) is how long a run held there takes. The form that is compared with "
        "the rivals, the first of a table, is the one that was better on the seeds of the calibration. Norm separation "
        "and first "
        "passage know when the run has learned its "
        "training set, and its norm there; both are calibrated on one cell of runs of other seeds "
        f"({_listed(CALIBRATION_SEEDS)}).",
        *sections,
        f"Intervals: 95 %, seeds drawn with replacement; none with fewer than {FEWEST} seeds. MAPE: over the runs that "
        "got there; never, or no prediction, "
        "counts as 100 %. Concordance: Harrell's index over all runs, those censored at their budget too.",
    ]
