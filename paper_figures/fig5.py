"""lambda_3 and the grokking time, p = 10, d = 1.

(a) lambda_3 of random training sets against the training fraction, 60 sets a size; 0
where the linear representation is not unique. (b) Steps to RQI > 0.95: networks
(triangles: not within the budget) beside the theory's Z0/(lambda_3 eta), eta = 1e-3, on
the very same training sets, with Z0 of the run's own initial embedding and with that of
a standardised one, Z0 = p - 1, which the paper's numbers assume.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.paper.tables import lambda3_samples, measured_times
from analysis.runs.store import RunStore
from paper_figures.fig3 import RUNS
from paper_figures.fig3 import runs as runs
from paper_figures.scale import Scale
from paper_figures.style import BLUE, GREEN, draw_steps, name_panels

TITLE = "lambda_3 and the steps to RQI > 0.95"
SETS = 60
_PREDICTIONS = ("inverse_lambda3", "inverse_lambda3_standardized")


def tables(store: RunStore, scale: Scale) -> dict[str, Any]:
    """lambda_3 of random sets; the runs with their predictions."""
    [sizes] = RUNS.axes
    return {"sample": lambda3_samples(10, sizes.values, SETS, seed=0), "times": measured_times(store, runs(scale))}


def draw(sample: pd.DataFrame, times: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(9.5, 3.8))
    left, right = figure.subplots(1, 2)
    median = sample.groupby("fraction")["lambda3"].median()
    left.plot(sample["fraction"], sample["lambda3"], "o", color=BLUE, alpha=0.25, markersize=3)
    left.plot(median.index, median, color=BLUE, label="median")
    left.set(xlabel="training fraction |D|/|D0|", ylabel="$\\lambda_3$ of $H$")
    left.legend(loc="upper left")
    draw_steps(right, times)
    x = times["fraction"]
    own, standard = (times[name].replace(np.inf, np.nan) for name in _PREDICTIONS)
    right.plot(x, own, "x", color=BLUE, ms=4, label="theory, own $Z_0$")
    right.plot(x, standard, "+", color=GREEN, ms=5, label="theory, $Z_0 = p - 1$")
    right.set(xlabel="training fraction |D|/|D0|", ylabel="steps", yscale="log", xlim=(-0.03, 1.03), ylim=(5, 5e5))
    right.legend(fontsize="x-small", loc="upper right")
    name_panels((left, right))
    return figure
