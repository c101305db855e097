"""Transformers that learn addition modulo 53: the dimension of their embeddings,
dropout, and phases of learning.

(a) Effective dimension e^S of the embeddings (S: the entropy of the shares of variance
along their principal components), a line a seed (100), bold the median; blue are those
that reach test accuracy 0.95 within the budget, with a mark at the last checkpoint
before; in the title the medians over these of the highest value until then against the
first, and of the last against that at the mark. (b) Steps to that accuracy against
dropout: a dot a run (10 seeds), triangles at the budget for those that do not get
there, the line through the medians. (c) In which phase runs end: learning rate and
weight decay of the decoder. Phases, majorities and bars as in figure 6, 3 seeds a cell.

Embeddings of 256 dimensions in a group of their own, with learning rate 1e-3 and
without decay, as the paper has them. What it does not publish is ours: one layer that
reads "a b =" at the last token, 4 heads, an MLP of 512, full batches, half of all
ordered pairs, decoder's rate 3e-3 and decay 3 in (a) and (b), budget 2e4.

The paper says that the effective dimension rises first and falls as the network
generalises, that dropout speeds generalisation up, and shows a diagram such as (c).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.paper.dimensions import around_generalisation, dimensions
from analysis.paper.tables import lower_medians
from analysis.phase_diagram.pictures import draw_phases, legend
from analysis.runs.phases import Thresholds, classify, points
from analysis.runs.plan import Axis, grid, parse_axis
from analysis.runs.store import RunStore
from neural import ModularConfig
from paper_figures.scale import Scale
from paper_figures.style import BLUE, GREY, VERMILION

TIME = "steps_to_test_95"
TITLE = "a transformer: dimension of the embeddings, dropout, phases"
QUICK = Scale(points=6, small=True)
BASE = ModularConfig(
    network="transformer",
    p=53,
    d=256,
    fraction=0.5,
    learning_rate=3e-3,
    weight_decay=3.0,
    embedding_lr=1e-3,
    embedding_wd=0.0,
    budget=20_000,
    checkpoints=1,
)
SMALL = replace(BASE, p=31, d=32, mlp=128, budget=5_000, checkpoints=2)
DROPOUT = Axis("dropout", (0.0, 0.02, 0.05, 0.1, 0.2, 0.3))
RATES = replace(parse_axis(ModularConfig, "x", "learning_rate=3e-4:1e-2:11:log"), label="learning rate of the decoder")
DECAYS = Axis("weight_decay", (0.0, 1.0, 2.0, 4.0, 8.0, 16.0), label="weight decay of the decoder")


class Tables(NamedTuple):
    """As `dimensions` and `around_generalisation` make them; the runs behind (b) and
    their medians by dropout; the cells of the phase diagram, with its axes.
    """

    dimensions: pd.DataFrame
    around: pd.DataFrame
    times: pd.DataFrame
    medians: pd.DataFrame
    cells: pd.DataFrame
    axes: tuple[Axis, Axis]


def _base(scale: Scale) -> ModularConfig:
    return SMALL if scale.small else BASE


def _dimension_runs(scale: Scale) -> list[ModularConfig]:
    return scale.runs(_base(scale), [], 30 if scale.small else 100)


def _dropout_runs(scale: Scale) -> list[ModularConfig]:
    """Those without dropout are among the runs of (a)."""
    seeds = scale.seeds or (5 if scale.small else 10)
    others = replace(DROPOUT, values=scale.axis(DROPOUT).values[1:])
    base = scale.run(replace(_base(scale), checkpoints=0))
    return [*_dimension_runs(scale)[:seeds], *grid(base, [others], seeds)]


def _axes(scale: Scale) -> tuple[Axis, Axis]:
    return scale.axis(RATES), scale.axis(DECAYS)


def _plane_runs(scale: Scale) -> list[ModularConfig]:
    return scale.runs(replace(_base(scale), checkpoints=0), _axes(scale), 3)


def runs(scale: Scale) -> list[ModularConfig]:
    every = [*_dimension_runs(scale), *_dropout_runs(scale), *_plane_runs(scale)]
    return list(dict.fromkeys(every))


def tables(store: RunStore, scale: Scale) -> Tables:
    curves = dimensions(store, _dimension_runs(scale))
    times = store.table(_dropout_runs(scale))
    medians = lower_medians(times, "dropout", [TIME])
    axes = _axes(scale)
    cells = points(classify(store.table(_plane_runs(scale)), Thresholds()), axes)
    return Tables(curves, around_generalisation(curves), times, medians, cells, axes)


def draw(drawn: Tables) -> Figure:
    figure = Figure(figsize=(14, 4.9))
    left, centre, right = figure.subplots(1, 3, width_ratios=(1, 0.85, 1.1))
    _draw_dimensions(left, drawn)
    _draw_times(centre, drawn)
    right.grid(False)
    draw_phases(right, drawn.cells, drawn.axes)
    right.set_title("(c) phases of learning", loc="left")
    figure.legend(handles=legend(drawn.cells), loc="outside lower right", ncols=6)
    return figure


def _draw_dimensions(axes: Axes, drawn: Tables) -> None:
    curves = drawn.dimensions
    for _, run in curves.groupby("seed"):
        late = run[TIME].isna().all()
        axes.plot(run["step"], run["effective_dimension"], color=GREY if late else BLUE, lw=0.6, alpha=0.5)
    median = curves[curves["step"] > 0].groupby("step")["effective_dimension"].agg(["median", "size"])
    most = median[median["size"] == median["size"].max()]  # runs with nothing left to see end earlier
    axes.plot(most.index, most["median"], color="black", lw=2, label="median, while all train")
    axes.plot([], [], color=BLUE, label="test accuracy 0.95 reached")
    axes.plot([], [], color=GREY, label="not within the budget")
    seen = curves[curves["step"] <= curves[TIME]].sort_values("step").groupby("seed").last()
    style: dict[str, Any] = {"mec": "white", "mew": 0.4, "ms": 5, "ls": "none"}
    axes.plot(seen["step"], seen["effective_dimension"], "o", color=VERMILION, label="last before 0.95", **style)
    axes.set(xlabel="steps", ylabel="effective dimension $e^S$", xlim=(0, None))
    axes.set_xscale("symlog", linthresh=25)
    around, n = drawn.around, curves["seed"].nunique()
    rise = (around["most"] / around["start"] - 1).median()
    fall = (around["end"] / around["general"] - 1).median()
    said = f"; medians: {rise:+.1%} before, {fall:+.1%} after" if len(around) else ""
    axes.set_title(f"(a) {len(around)} of {n} generalise{said}", loc="left")
    axes.legend(fontsize="small")


def _draw_times(axes: Axes, drawn: Tables) -> None:
    there = drawn.times[drawn.times[TIME].notna()]
    late = drawn.times[drawn.times[TIME].isna()]
    place = {value: k for k, value in enumerate(drawn.medians["dropout"])}
    axes.plot(there["dropout"].map(place), there[TIME], "o", color=VERMILION, alpha=0.5, ms=5, label="a run")
    axes.plot(
        late["dropout"].map(place), late["budget"], "^", color=VERMILION, mfc="none", label="not within the budget"
    )
    axes.plot(range(len(place)), drawn.medians[TIME], "-s", ms=4, color="black", label="median")
    axes.set(xlabel="dropout", ylabel="steps to test accuracy 0.95", yscale="log")
    axes.set_xticks(range(len(place)), [f"{value:g}" for value in place])
    axes.set_title("(b)", loc="left")
    axes.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3)  # runs may be anywhere
