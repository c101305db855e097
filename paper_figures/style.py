"""One look for all figures, that of the comparison's pictures, and what several of them
draw.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
from matplotlib.axes import Axes

from analysis.compare_theory.pictures import draw_probability
from analysis.report.look import BLUE, GREEN, GREY, LOOK, ORANGE, VERMILION

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "LOOK",
    "ORANGE",
    "VERMILION",
    "draw_best",
    "draw_probability",
    "draw_steps",
    "name_panels",
]


def name_panels(panels: Iterable[Axes], letters: str = "abcdefg") -> None:
    """(a), (b) ... above the panels."""
    for axes, letter in zip(panels, letters, strict=False):
        axes.set_title(f"({letter})", loc="left")


def draw_steps(axes: Axes, table: pd.DataFrame) -> None:
    """Steps to RQI > 0.95 against the training fraction: a dot a run, triangles at the
    budget for those beyond it.
    """
    reached = table["steps_to_rqi"].notna()
    there, late = table[reached], table[~reached]
    axes.plot(there["fraction"], there["steps_to_rqi"], "o", color=VERMILION, alpha=0.5, ms=4, label="network")
    axes.plot(
        late["fraction"], late["budget"], "^", color=VERMILION, mfc="none", label="network, not within the budget"
    )


def draw_best(axes: Axes, table: pd.DataFrame, name: str, colour: str) -> None:
    """Column `name` against the training fraction: a dot a run, a line through the best
    run of each fraction.
    """
    best = table[table["best"]].sort_values("fraction")
    axes.plot(table["fraction"], table[name], "o", color=colour, alpha=0.3, markersize=4, label="all seeds")
    axes.plot(best["fraction"], best[name], color=colour, label="best seed")
