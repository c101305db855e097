"""The picture of the groups, drawn from its report."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.groups.page import Report, title
from analysis.groups.transitions import FLOWS_OF, PAPER_FRACTION, Transition
from analysis.report.look import BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILION
from efftheory.constants import RQI_THRESHOLD

_LINES = {
    "s2": (GREY, (0, (1, 3))), "s3": (BLUE, "-"), "s4": (VERMILION, "--"), "d3": (PURPLE, ":"),
    "d4": (GREEN, "-."), "d5": (ORANGE, (0, (5, 1, 1, 1, 1, 1))), "d6": ("black", (0, (8, 2))),
}  # fmt: skip


_FLOW_LINES = {2: (ORANGE, "--", "s"), 3: (VERMILION, "-.", "D")}


def picture(report: Report) -> Figure:
    """P(unique) against the training fraction, a line a group, and the flows of S3."""
    flows = report.flows
    figure = Figure(figsize=(10.5 if flows else 6, 4.3))
    panels: Any = figure.subplots(1, 2 if flows else 1, sharey=True, squeeze=False)[0]
    for entry in report.groups:
        colour, style = _LINES[entry.group]
        label = f"{title(entry.group)}: {entry.n_samples} samples"
        _banded(panels[0], entry.transition, colour, linestyle=style, label=label)
    panels[0].set(title="random training sets that leave only the symmetries", ylabel="share of training sets")
    if flows:
        s3 = next(entry for entry in report.groups if entry.group == FLOWS_OF)
        _banded(panels[1], s3.transition, BLUE, linestyle="-", label="leaves only the symmetries")
        for entry in flows:
            colour, style, mark = _FLOW_LINES[entry.d]
            label = f"flow of {entry.d} x {entry.d} matrices ends at RQI > {RQI_THRESHOLD}"
            _banded(panels[1], entry.transition, colour, linestyle=style, marker=mark, markersize=4, label=label)
        panels[1].axvline(PAPER_FRACTION, color=GREY, ls=":", label="the paper's transition of networks")
        panels[1].set(title="S3: unique, and found", ylabel="share of training sets, of flows")
        panels[1].tick_params(labelleft=True)
    for axes in panels:
        axes.axhline(0.5, color=GREY, linewidth=0.8, zorder=0)
        axes.set(xlabel="training fraction |D|/|D0|", xlim=(-0.02, 1.02), ylim=(-0.03, 1.03))
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, fontsize="small")
    return figure


def _banded(axes: Axes, transition: Transition, colour: str, **line: Any) -> None:
    low, high = np.array(transition.intervals).T
    axes.fill_between(transition.fractions, low, high, color=colour, alpha=0.18, linewidth=0)
    axes.plot(transition.fractions, transition.shares, color=colour, **line)
