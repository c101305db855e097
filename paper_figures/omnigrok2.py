"""A student that is taught late because its weights are too large: 5-100-100-5, tanh,
100 training and 100 test inputs, AdamW at 3e-4, full batches; right is a sample whose
mean square error is below .001.

(a) Loss after 1e4 steps at constant norm, alpha times the usual one: a line through the
medians of 3 seeds, and their range. The paper expects an L of the training loss and a U
of the test loss, with its minimum at alpha = 1. (b) Test accuracy (and training
accuracy, dashed) over 1e5 steps, initial weights 1/2 and 2 times the usual ones, weight
decay 0, .03 and 1. (c) Steps to 95 % of the training samples, and of the test samples,
at alpha = 2, against the decay: a mark a run (3 seeds), triangles for those not within
1e5 steps. The paper: the first does not depend on the decay, the second is
proportional to its inverse.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from analysis.experiments import EXPERIMENTS
from analysis.paper.weight_norms import histories
from analysis.runs.plan import Axis, parse_axis
from analysis.runs.store import RunStore
from analysis.weight_norm.pictures import draw_curve
from analysis.weight_norm.tables import landscape
from neural import TeacherConfig
from paper_figures.scale import Scale
from paper_figures.style import BLUE, GREY, ORANGE, VERMILION
from paper_figures.weight_norm import draw_history, draw_inverse, draw_times

TITLE = "a student and a teacher: L and U, grokking, and its time against the decay"
SEEDS = 3
STILL = EXPERIMENTS["landscape"]["teacher"].base
NORMS = parse_axis(TeacherConfig, "x", "init_scale=0.1:10:21:log")
FREE = TeacherConfig(budget=100_000)
STARTS = Axis("init_scale", (0.5, 2.0))
FEW_DECAYS = Axis("weight_decay", (0.0, 0.03, 1.0))
DECAYS = parse_axis(TeacherConfig, "y", "weight_decay=0.03:1:6:log")
_STYLES = {0.0: (GREY, "no decay"), 0.03: (BLUE, "decay .03"), 1.0: (VERMILION, "decay 1")}


class Tables(NamedTuple):
    """As `landscape` and `histories` make them; the runs of (c), a row a run."""

    landscape: pd.DataFrame
    histories: pd.DataFrame
    times: pd.DataFrame


def _still_runs(scale: Scale) -> list[TeacherConfig]:
    return scale.runs(STILL, [NORMS], SEEDS)


def _curve_runs(scale: Scale) -> list[TeacherConfig]:
    return replace(scale, points=None, seeds=1).runs(FREE, [STARTS, FEW_DECAYS], 1)


def _timed_runs(scale: Scale) -> list[TeacherConfig]:
    return scale.runs(replace(FREE, init_scale=2.0), [DECAYS], SEEDS)


def runs(scale: Scale) -> list[TeacherConfig]:
    return [*_still_runs(scale), *_curve_runs(scale), *_timed_runs(scale)]


def tables(store: RunStore, scale: Scale) -> Tables:
    still = _still_runs(scale)
    found = landscape(store, still, "n_train", [still[0].budget])
    return Tables(
        found[found["kind"] == "final"],
        histories(store, _curve_runs(scale), "init_scale", "weight_decay"),
        store.table(_timed_runs(scale)),
    )


def draw(drawn: Tables) -> Figure:
    figure = Figure(figsize=(11, 7.4))
    (losses, slow), (fast, times) = figure.subplots(2, 2)
    draw_curve(losses, drawn.landscape, "train_loss", ORANGE, "training loss")
    draw_curve(losses, drawn.landscape, "test_loss", BLUE, "test loss")
    losses.set_title("(a) trained at constant norm", loc="left")
    losses.legend()
    for axes, start, name in ((slow, 2.0, "(b) $\\alpha = 2$"), (fast, 0.5, "(b) $\\alpha = 1/2$")):
        for decay, (colour, label) in _STYLES.items():
            table = drawn.histories
            here = table[(table["init_scale"] == start) & (table["weight_decay"] == decay)]
            draw_history(axes, here, "test_accuracy", colour, label=label)
            draw_history(axes, here, "train_accuracy", colour, "--")
        axes.set_title(name, loc="left")
        axes.legend()
    draw_times(times, drawn.times, "steps_to_train", "weight_decay", ORANGE, "s", "95 % of the training samples")
    draw_times(times, drawn.times, "steps_to_test", "weight_decay", BLUE, "o", "95 % of the test samples")
    draw_inverse(times, drawn.times, "steps_to_test", "weight_decay")
    times.set_xlabel(r"weight decay $\gamma$")
    times.set_title("(c) steps, $\\alpha = 2$", loc="left")
    times.legend()
    return figure
