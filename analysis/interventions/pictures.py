"""The picture of a setting's interventions."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from analysis.interventions.arms import GENERALISED, LEARNED
from analysis.report.look import BLUE, LOOK, ORANGE


def picture(runs: dict[str, pd.DataFrame], budget: int, title: str) -> Figure:
    """Steps to memorise and to generalise, a row an arm and a mark a run; a triangle at
    the budget, and a number, for those that did not.
    """
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(8, 0.9 + 0.55 * len(runs)))
        axes: Any = figure.subplots()
        for y, table in enumerate(runs.values()):
            for column, colour, marker, shift in ((LEARNED, ORANGE, "s", -0.14), (GENERALISED, BLUE, "o", 0.14)):
                steps = table[column].to_numpy(float)
                spread = y + shift + np.linspace(-0.08, 0.08, len(steps))
                seen = np.isfinite(steps)
                axes.plot(steps[seen].clip(min=1), spread[seen], marker, color=colour, ms=4, alpha=0.7)
                if not seen.all():
                    axes.plot(budget, y + shift, ">", color=colour, mfc="none", ms=6)
                    axes.annotate(
                        f"{(~seen).sum()}", (budget, y + shift), (7, 0), textcoords="offset points", va="center"
                    )
        for label, colour, marker in (("memorised", ORANGE, "s"), ("generalised", BLUE, "o")):
            axes.plot([], [], marker, color=colour, label=label)
        axes.plot([], [], ">", color="black", mfc="none", label="how many are not within the budget")
        axes.set_yticks(range(len(runs)), list(runs))
        axes.set(xscale="log", xlabel="steps", ylim=(len(runs) - 0.5, -0.5))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_title(title, loc="left")
        figure.legend(loc="outside lower center", ncols=3)
        return figure
