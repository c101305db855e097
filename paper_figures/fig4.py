"""The linear representation: when it is unique, when it forms, and how; p = 10, d = 1,
budget 1e4.

(a) Probability that a random training set leaves the linear representation as the only
one (20,000 sets a size), beside the share of networks that reached RQI > 0.95 (95 %
intervals). (b) Steps to RQI > 0.95: a dot a run, triangles at the top for runs that did
not get there, lines for the medians over the seeds; the network's is a Kaplan-Meier
median, drawn where at least half of the runs got there. (c) Exact flow of the effective
loss from the initial embedding of the reference run (45 samples, seed 58),
standardised; vertical lines at one and three n_h = Z0/(lambda_3 eta). (d) The network
of the same run, recorded every 50 steps until it was finished. The initial state is
drawn at step 1.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.paper.runs import run_of
from analysis.paper.tables import measured_times, steps_by_size, trajectories
from analysis.plots import draw_symbols
from analysis.predictors.effective import linear_probabilities, operation
from analysis.runs.store import RunStore
from paper_figures.fig3 import RUNS
from paper_figures.scale import Scale
from paper_figures.style import BLUE, GREEN, VERMILION, draw_probability, draw_steps, name_panels

TITLE = "probability of the linear representation, steps to RQI > 0.95, trajectories"
REFERENCE = run_of("toy", n_train=45, seed=58, init="reference")
DRAWS = 20_000


def runs(scale: Scale) -> list[Any]:
    return [*RUNS.runs(scale), scale.run(REFERENCE)]


def tables(store: RunStore, scale: Scale) -> dict[str, Any]:
    """The runs with predictions; P(linear) at every size; measured shares and medians
    by size; and of the reference run the paths of its embeddings.
    """
    configs = RUNS.runs(scale)
    theory, network, e_folding = trajectories(store, scale.run(REFERENCE))
    return {
        "times": measured_times(store, configs),
        "chances": linear_probabilities(operation(REFERENCE), DRAWS),
        "sizes": steps_by_size(store, configs),
        "theory": theory,
        "network": network,
        "e_folding": e_folding,
    }


def draw(
    times: pd.DataFrame,
    chances: list[Any],
    sizes: pd.DataFrame,
    theory: pd.DataFrame,
    network: pd.DataFrame,
    e_folding: float,
) -> Figure:
    figure = Figure(figsize=(9.5, 7))
    (a, b), (c, d) = figure.subplots(2, 2)
    draw_probability(a, sizes[sizes["statistic"] == "did"], chances)
    a.set_ylabel("probability")
    a.legend(fontsize="x-small", loc="upper left")
    _steps(b, times, sizes[sizes["statistic"] == "median"])
    for axes, table in ((c, theory), (d, network)):
        draw_symbols(axes, table["steps"], table.drop(columns="steps"))
    for multiple, style in ((1, ":"), (3, "--")):
        label = f"{multiple} $n_h$" if multiple > 1 else "$n_h$"
        c.axvline(multiple * e_folding, color="black", ls=style, label=label)
    c.legend(fontsize="small", loc="upper left")
    c.set_ylabel("standardised embedding $E_k$")
    for axes, title in ((c, "theory: exact flow"), (d, "network")):
        axes.set(xlabel="steps", xlim=(1, theory["steps"].max()), title=title)
    name_panels((a, b, c, d))
    return figure


def _steps(axes: Axes, table: pd.DataFrame, medians: pd.DataFrame) -> None:
    draw_steps(axes, table)
    for column, colour, style, label in (
        ("measured", VERMILION, "D-", "network, median"),
        ("exact_flow", BLUE, "--", "exact flow, median"),
        ("optimizer_flow", GREEN, "-.", "optimiser-aware flow, median"),
    ):
        here = medians[medians["predictor"] == column]
        axes.plot(here["fraction"], here["value"], style, color=colour, label=label, ms=4)
    axes.set(xlabel="training fraction |D|/|D0|", ylabel="steps to RQI > 0.95", yscale="log", xlim=(-0.03, 1.03))
    axes.legend(fontsize="x-small", loc="lower left")
