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
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.experiments import EXPERIMENTS
from analysis.paper.runs import histories, run_of
from analysis.runs.store import RunStore
from paper_figures.scale import Part, Scale, part
from paper_figures.style import BLUE, GREY, ORANGE, VERMILION
from paper_figures.weight_norm import draw_history, draw_inverse, draw_losses, draw_times, held

TITLE = "a student and a teacher: L and U, grokking, and its time against the decay"
FREE = run_of("teacher", budget=100_000)
_TEACHER = EXPERIMENTS["landscape"]["teacher"]
STILL = Part(_TEACHER.base, _TEACHER.axes[:1])
CURVES = part(FREE, "init_scale=0.5,2", "weight_decay=0,0.03,1", whole=True)
TIMED = part(replace(FREE, init_scale=2.0), "weight_decay=0.03:1:6:log")
_STYLES = {0.0: (GREY, "no decay"), 0.03: (BLUE, "decay .03"), 1.0: (VERMILION, "decay 1")}


def curve_runs(scale: Scale) -> list[Any]:
    return CURVES.runs(replace(scale, seeds=1))


def runs(scale: Scale) -> list[Any]:
    return [*STILL.runs(scale), *curve_runs(scale), *TIMED.runs(scale)]


def tables(store: RunStore, scale: Scale) -> dict[str, Any]:
    """As `held` and `histories` make them; the runs of (c), a row a run."""
    return {
        "landscape": held(store, STILL, scale, "n_train"),
        "curves": histories(store, curve_runs(scale), "init_scale", "weight_decay"),
        "timed": store.table(TIMED.runs(scale)),
    }


def draw(landscape: pd.DataFrame, curves: pd.DataFrame, timed: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(11, 7.4))
    (losses, slow), (fast, times) = figure.subplots(2, 2)
    draw_losses(losses, landscape)
    losses.set_title("(a) trained at constant norm", loc="left")
    for axes, start, name in ((slow, 2.0, "(b) $\\alpha = 2$"), (fast, 0.5, "(b) $\\alpha = 1/2$")):
        for decay, (colour, label) in _STYLES.items():
            here = curves[(curves["init_scale"] == start) & (curves["weight_decay"] == decay)]
            draw_history(axes, here, "test_accuracy", colour, label=label)
            draw_history(axes, here, "train_accuracy", colour, "--")
        axes.set_title(name, loc="left")
        axes.legend()
    draw_times(times, timed, "steps_to_train", "weight_decay", ORANGE, "s", "95 % of the training samples")
    draw_times(times, timed, "steps_to_test", "weight_decay", BLUE, "o", "95 % of the test samples")
    draw_inverse(times, timed, "steps_to_test", "weight_decay")
    times.set_xlabel(r"weight decay $\gamma$")
    times.set_title("(c) steps, $\\alpha = 2$", loc="left")
    times.legend()
    return figure
