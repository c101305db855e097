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
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.paper.representations import around_generalisation, dimensions
from analysis.paper.runs import lower_medians, run_of
from analysis.phase_diagram.pictures import legend
from analysis.runs.store import RunStore
from paper_figures.phases import Phases, draw_plane, phases
from paper_figures.scale import Scale, part
from paper_figures.style import BLUE, GREY, VERMILION

TIME = "steps_to_test_95"
TITLE = "a transformer: dimension of the embeddings, dropout, phases"
QUICK = Scale(points=6, small=True)
BASE = run_of(
    "modular",
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
SEEN = part(BASE, seeds=100).or_small(SMALL, seeds=30)
BASE, SMALL = (replace(base, checkpoints=0) for base in (BASE, SMALL))
DROPOUT = part(BASE, "dropout=0,0.02,0.05,0.1,0.2,0.3", seeds=10).or_small(SMALL, seeds=5)
PLANE = part(BASE, "learning_rate=3e-4:1e-2:11:log", "weight_decay=0,1,2,4,8,16").or_small(SMALL)


def dropout_runs(scale: Scale) -> list[Any]:
    """Those without dropout are among the runs of (a)."""
    here = DROPOUT.at(scale)
    [dropout] = here.axes
    others = replace(here, axes=(replace(dropout, values=dropout.values[1:]),))
    return [*SEEN.runs(scale)[: here.seeds], *others.runs(Scale())]


def runs(scale: Scale) -> list[Any]:
    return list(dict.fromkeys([*SEEN.runs(scale), *dropout_runs(scale), *PLANE.runs(scale)]))


def tables(store: RunStore, scale: Scale) -> dict[str, Any]:
    """As `dimensions` and `phases` make them; the runs behind (b)."""
    return {
        "curves": dimensions(store, SEEN.runs(scale)),
        "times": store.table(dropout_runs(scale)),
        "plane": phases(store, PLANE, scale),
    }


def draw(curves: pd.DataFrame, times: pd.DataFrame, plane: Phases) -> Figure:
    figure = Figure(figsize=(14, 4.9))
    left, centre, right = figure.subplots(1, 3, width_ratios=(1, 0.85, 1.1))
    _draw_dimensions(left, curves)
    _draw_times(centre, times)
    draw_plane(right, plane, "(c) phases of learning")
    right.set(xlabel="learning rate of the decoder", ylabel="weight decay of the decoder")
    figure.legend(handles=legend(plane.cells), loc="outside lower right", ncols=6)
    return figure


def _draw_dimensions(axes: Axes, curves: pd.DataFrame) -> None:
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
    around, n = around_generalisation(curves), curves["seed"].nunique()
    rise = (around["most"] / around["start"] - 1).median()
    fall = (around["end"] / around["general"] - 1).median()
    said = f"; medians: {rise:+.1%} before, {fall:+.1%} after" if len(around) else ""
    axes.set_title(f"(a) {len(around)} of {n} generalise{said}", loc="left")
    axes.legend(fontsize="small")


def _draw_times(axes: Axes, times: pd.DataFrame) -> None:
    there, late = times[times[TIME].notna()], times[times[TIME].isna()]
    medians = lower_medians(times, "dropout", [TIME])
    place = {value: k for k, value in enumerate(medians["dropout"])}
    axes.plot(there["dropout"].map(place), there[TIME], "o", color=VERMILION, alpha=0.5, ms=5, label="a run")
    axes.plot(
        late["dropout"].map(place), late["budget"], "^", color=VERMILION, mfc="none", label="not within the budget"
    )
    axes.plot(range(len(place)), medians[TIME], "-s", ms=4, color="black", label="median")
    axes.set(xlabel="dropout", ylabel="steps to test accuracy 0.95", yscale="log")
    axes.set_xticks(range(len(place)), [f"{value:g}" for value in place])
    axes.set_title("(b)", loc="left")
    axes.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3)  # runs may be anywhere
