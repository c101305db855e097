"""The measures of checkpoints against the step."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.report.look import BLUE, LOOK

_WIDE = 30.0  # from this ratio of the largest value to the smallest on, the axis is logarithmic


def picture(rows: pd.DataFrame) -> Figure:
    """Each measure against the step, a panel each."""
    names = [name for name in rows if name != "step"]
    columns = min(3, len(names))
    lines = -(-len(names) // columns)
    steps = rows["step"].astype(float)
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(3.4 * columns, 2.2 * lines))
        panels: Any = figure.subplots(lines, columns, sharex=True, squeeze=False)
        for axes, name in zip(panels.flat, names, strict=False):
            values = rows[name].to_numpy(float)
            axes.plot(steps, values, "o-", color=BLUE, ms=3)
            axes.set_title(name, loc="left")
            there = values[np.isfinite(values)]
            if len(there) and there.min() > 0 and there.max() > _WIDE * there.min():
                axes.set_yscale("log")
            if steps.max() > 100 * max(steps.min(), 1):
                axes.set_xscale("symlog", linthresh=max(steps[steps > 0].min(), 1))
        for axes in panels.flat[len(names) :]:
            axes.set_visible(False)
        for column in panels.T:
            lowest = [axes for axes in column if axes.get_visible()][-1]
            lowest.set_xlabel("step")
            lowest.tick_params(labelbottom=True)
        return figure
