"""The linear representation: when it is unique, when it forms, and how; p = 10, d = 1, budget 1e4.

(a) Probability that a random training set leaves the linear representation as the only one (20,000 sets a size), beside
the share of networks that reached RQI > 0.95 (95 % intervals). (b) Steps to RQI > 0.95: a dot a run, triangles at the
top for runs that did not get there, lines for the medians over the seeds; the network's is a Kaplan-Meier median, drawn
where at least half of the runs got there. (c) Exact flow of the effective loss from the initial embedding of the
reference run (45 samples, seed 58), standardised; vertical lines at one and three n_h = Z0/(lambda_3 eta). (d) The
network of the same run, recorded every 50 steps until it was finished. The initial state is drawn at step 1.
"""

from __future__ import annotations

import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.agreement.paper_tables import measured_times, trajectories
from analysis.agreement.predictions import linear_probabilities
from analysis.agreement.scores import score_medians, score_probability
from analysis.runs.experiments import paper_sizes
from analysis.runs.store import RunStore
from neural import RunConfig
from paper_figures.style import BLUE, GREEN, GREY, VERMILION, draw_probability

TITLE = "probability of the linear representation, steps to RQI > 0.95, trajectories"
REFERENCE = RunConfig(n_train=45, seed=58, init="reference")
DRAWS = 20_000


def runs(seeds: int) -> list[RunConfig]:
    return [*paper_sizes(seeds), REFERENCE]


def draw(store: RunStore, seeds: int) -> Figure:
    table = measured_times(store, paper_sizes(seeds))
    figure = Figure(figsize=(9.5, 7))
    (a, b), (c, d) = figure.subplots(2, 2)
    _probability(a, table)
    _steps(b, table)
    theory, network, e_folding = trajectories(store, REFERENCE)
    _trajectories(c, theory)
    _trajectories(d, network)
    for multiple, style in ((1, ":"), (3, "--")):
        c.axvline(multiple * e_folding, color="black", ls=style, label=f"{multiple} $n_h$" if multiple > 1 else "$n_h$")
    c.legend(fontsize="small", loc="upper left")
    c.set_ylabel("standardised embedding $E_k$")
    for axes, title in ((c, "theory: exact flow"), (d, "network")):
        axes.set(xlabel="steps", xlim=(1, REFERENCE.budget), title=title)
    for axes, letter in zip((a, b, c, d), "abcd", strict=True):
        axes.set_title(f"({letter})", loc="left")
    return figure


def _probability(axes: Axes, table: pd.DataFrame) -> None:
    chances = linear_probabilities(10, DRAWS, seed=0)
    draw_probability(axes, pd.DataFrame(score_probability(table, chances)[0]), pd.DataFrame(chances))
    axes.set_ylabel("probability")
    axes.legend(fontsize="small", loc="upper left")


def _steps(axes: Axes, table: pd.DataFrame) -> None:
    reached = table["steps_to_rqi"].notna()
    axes.plot(
        table["fraction"][reached],
        table["steps_to_rqi"][reached],
        "o",
        color=VERMILION,
        alpha=0.5,
        markersize=4,
        label="network",
    )
    axes.plot(
        table["fraction"][~reached],
        table["budget"][~reached],
        "^",
        color=VERMILION,
        mfc="none",
        label="network, not within the budget",
    )
    medians = pd.DataFrame([entry for entry in score_medians(table) if entry["target"] == "rqi"])
    x = sorted(set(table["fraction"].tolist()))
    axes.plot(x, medians["median"].astype(float), color=VERMILION, label="network, median")
    for name, colour, style, label in (
        ("exact_flow", BLUE, "--", "exact flow, median"),
        ("optimizer_flow", GREEN, "-.", "optimiser-aware flow, median"),
    ):
        axes.plot(x, medians[f"predicted_median_{name}"].astype(float), color=colour, ls=style, label=label)
    axes.set(xlabel="training fraction |D|/|D0|", ylabel="steps to RQI > 0.95", yscale="log", xlim=(-0.03, 1.03))
    axes.legend(fontsize="x-small", loc="lower left")


def _trajectories(axes: Axes, table: pd.DataFrame) -> None:
    p = len(table.columns) - 1  # and the steps
    for k in range(p):
        colour = colormaps["viridis"](k / (p - 1))
        axes.plot(table["steps"].clip(lower=1), table[k], color=colour, linewidth=1.2)
        axes.annotate(f"{k}", (table["steps"].iloc[-1], table[k].iloc[-1]), fontsize="x-small", color=GREY)
    axes.set_xscale("log")
