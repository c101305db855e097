"""The pictures of a comparison; nothing is computed here but positions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import cycle
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

import efftheory as et
from analysis.compare_theory.compared import Compared
from analysis.predictors.effective import linear_probabilities, operation
from analysis.report.look import BLUE, GREEN, GREY, LOOK, SIZE_COLOURS, VERMILION
from analysis.report.tables import rows_of, words
from analysis.runs.store import config_of
from analysis.scores.calibration import bins as bins_of
from analysis.scores.survival import survival_curve
from analysis.scores.table import measured

# A panel of the first picture: its title, the statistic, and where a predictor that
# knows nothing, or all, would be.
_PANELS = (
    ("AUC", "auc", 0.5),
    ("Brier score", "brier", 0.0),
    ("concordance within size", "concordance_within", 0.5),
    ("measured / predicted steps", "ratio", 1.0),
)


def draw_all(found: Sequence[Compared], draws: int) -> dict[str, Figure]:
    """All pictures of a comparison, by file name, the answer's first."""
    pictures = {}
    with mpl.rc_context(LOOK):
        for one in found:
            name = f"{one.family}_" if len(found) > 1 else ""
            if "linear_probability" in one.title:
                pictures[f"{name}success.png"] = success(one, draws)
            pictures[f"{name}scores.png"] = scores(one)
            if _with_steps(one):
                pictures[f"{name}times.png"] = times(one)
            pictures[f"{name}survival.png"] = survival(one)
            if any(each.draws for each in one.predictors):
                pictures[f"{name}reliability.png"] = reliability(one)
            if "linear_probability" in one.title:
                pictures[f"{name}accuracy.png"] = accuracy(one)
    return pictures


def groups(one: Compared) -> list[tuple[str, pd.DataFrame]]:
    """The runs of each setting, with its name."""
    if not one.by:
        return [(one.family, one.runs)]
    symbols = {"repr_lr": "$\\eta_r$ = {:g}", "decoder_lr": "$\\eta_d$ = {:g}"}
    return [
        (", ".join(symbols.get(name, "{}").format(value) for name, value in zip(one.by, values, strict=True)), group)
        for values, group in one.runs.groupby([*one.by], sort=True)
    ]


def size_colour(size: float, sizes: Iterable[float]) -> Any:
    """A colour a training-set size, dark = small."""
    low, high = min(sizes), max(sizes)
    return SIZE_COLOURS(0.9 * (size - low) / ((high - low) or 1))


def _marks(one: Compared) -> list[Line2D]:
    sizes = sorted(set(one.runs[one.size]))
    name = "|D|" if one.size == "n_train" else one.size
    return [Line2D([], [], marker="o", ls="", color=size_colour(n, sizes), label=f"{name} = {n:g}") for n in sizes]


def scores(one: Compared) -> Figure:
    """The scores of all runs by which predictors are judged, a row a predictor."""
    rows = one.of_success
    panels = [panel for panel in _PANELS if panel[1] in set(rows["statistic"])]
    judged = rows[rows["statistic"].isin([statistic for _, statistic, _ in panels])]
    names = [each.name for each in one.predictors if each.name in set(judged["predictor"])]
    figure = Figure(figsize=(2.4 + 2.6 * len(panels), 0.9 + 0.27 * len(names)))
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (title, statistic, known) in zip(grid, panels, strict=True):
        axes.axvline(known, color=GREY, lw=0.8, ls=":")
        here = judged[judged["statistic"] == statistic]
        seen = here[["value", "low", "high"]].to_numpy()
        edge = 1.3 * seen[np.isfinite(seen)].max(initial=1)
        for row in rows_of(here):
            y = names.index(str(row.predictor))
            if statistic == "ratio" and not np.isfinite(row.value):
                axes.annotate("beyond", (1, y), xycoords=("axes fraction", "data"), ha="right", va="center", size=7)
                continue
            axes.plot([row.low, min(row.high, edge)], [y, y], color=BLUE, lw=1.5)
            axes.plot(row.value, y, "o", color=BLUE, ms=4)
        if statistic == "ratio":
            axes.set_xscale("log")
        axes.set_title(title, loc="left")
        axes.set_yticks(range(len(names)), [one.title[name] for name in names])
        axes.set_ylim(len(names) - 0.5, -0.5)
    figure.suptitle(f"{words(one.targets[0])}, {len(one.runs)} runs, 95 % intervals", fontsize="medium")
    return figure


def _with_steps(one: Compared) -> list[str]:
    """The predictors that say when runs reach the first target."""
    said = one.said(one.targets[0])
    return [each.name for each in one.predictors if each.gives == "steps" and each.name in said]


def times(one: Compared) -> Figure:
    """Measured against predicted steps to the first target, a panel a predictor, a row
    a setting.
    """
    target, names = one.targets[0], _with_steps(one)
    said, settings, sizes = one.said(target), groups(one), sorted(set(one.runs[one.size]))
    figure = Figure(figsize=(2.9 * len(names), 3.1 * len(settings) + 0.7))
    grid = figure.subplots(len(settings), len(names), squeeze=False)
    for panels, (title, group) in zip(grid, settings, strict=True):
        steps, seen = measured(group, target)
        predicted = said.reindex(group["key"])
        everything = np.concatenate([steps, predicted[names].to_numpy().ravel()])
        positive = everything[np.isfinite(everything) & (everything > 0)]
        low, high = positive.min(initial=np.inf) / 1.5, positive.max(initial=0) * 1.5
        colours = np.array([size_colour(n, sizes) for n in group[one.size]])
        for axes, name in zip(panels, names, strict=True):
            x, y = predicted[name].to_numpy(float).clip(min=low), steps.clip(min=low)  # a logarithmic axis has no 0
            drawn = np.isfinite(x)
            axes.scatter(x[drawn & seen], y[drawn & seen], c=colours[drawn & seen], s=18)
            late = drawn & ~seen
            axes.scatter(x[late], y[late], edgecolors=colours[late], facecolors="none", marker="^", s=22)
            axes.plot([low, high], [low, high], color=GREY, lw=1, zorder=0)
            axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
            never = f"never or late: {(~drawn & seen).sum()} reached, {(~drawn & ~seen).sum()} not"
            axes.text(0.97, 0.03, never, transform=axes.transAxes, ha="right", size=7)
            axes.set_title(one.title[name], size="small")
        panels[0].set_ylabel(f"{title}\nmeasured steps")
    figure.supxlabel(f"predicted steps to {words(target)}", fontsize="medium")
    late = Line2D([], [], marker="^", ls="", mfc="none", color=GREY, label="not within the budget")
    figure.legend(handles=[*_marks(one), late], loc="outside right upper", fontsize="small")
    return figure


def _panels(n: int) -> tuple[Figure, list[Axes]]:
    """A figure with n panels, at most three in a row, on common axes."""
    n_columns, n_rows = min(n, 3), math.ceil(n / 3)
    figure = Figure(figsize=(max(4.2 * n_columns, 6), 3.3 * n_rows + 0.4))
    panels = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes in panels[n:]:
        axes.set_axis_off()
    return figure, list(panels[:n])


def success(one: Compared, draws: int) -> Figure:
    """What the paper's theory says, and the one that remembers, beside what networks
    did: shares that succeed by training fraction, and the times of those that did; a
    row a setting.
    """
    op = operation(config_of(one.runs["key"].iloc[0]))
    sizes = one.by_size[one.by_size["target"] == "rqi"].assign(fraction=one.by_size["n_train"] / op.n_samples)
    settings, said = groups(one), one.said("rqi")
    figure = Figure(figsize=(9, 3.3 * len(settings) + 0.5))
    grid = figure.subplots(len(settings), 2, squeeze=False)
    for (left, right), (title, group) in zip(grid, settings, strict=True):
        here = sizes[(sizes[[*one.by]] == group[[*one.by]].iloc[0]).all(axis=1)] if one.by else sizes
        draw_probability(left, here[here["statistic"] == "did"], linear_probabilities(op, draws))
        remembered = here[(here["statistic"] == "said") & (here["predictor"] == "memory_flow")]
        left.plot(remembered["fraction"], remembered["value"], "s--", color=GREEN, ms=4, label="theory with memory")
        left.set_ylabel("share of runs / training sets")
        left.set_title(title, loc="left")
        steps, seen = measured(group, "rqi")
        names = {"exact_flow": (BLUE, "^"), "memory_flow": (GREEN, "s")}
        x = said[[*names]].reindex(group["key"]).clip(lower=1)[seen]
        for name, (colour, mark) in names.items():
            right.scatter(x[name], steps[seen].clip(min=1), color=colour, marker=mark, s=18, label=one.title[name])
        every = np.append(x.to_numpy().ravel(), steps[seen])
        low, high = every.min(initial=np.inf, where=np.isfinite(every)), every.max(initial=1, where=np.isfinite(every))
        right.plot([low, high], [low, high], color=GREY, lw=1, zorder=0, label="as said")
        right.set(xscale="log", yscale="log", xlabel="predicted steps to RQI > 0.95", ylabel="measured steps")
    for axes, where in zip(grid[0], ("outside lower left", "outside lower right"), strict=True):
        figure.legend(*axes.get_legend_handles_labels(), loc=where, ncols=1)
    return figure


def draw_probability(axes: Axes, did: pd.DataFrame, chances: Sequence[et.Estimate]) -> None:
    """P(linear) at every size 0..N with its interval as a line; as points the measured
    shares (`fraction`, `value`, `low`, `high`).
    """
    x = np.arange(1, len(chances)) / (len(chances) - 1)
    low, high = np.array([one.interval for one in chances[1:]]).T
    axes.fill_between(x, low, high, color=BLUE, alpha=0.2, linewidth=0)
    axes.plot(x, [one.value for one in chances[1:]], color=BLUE, label="theory: P(linear)")
    share = did["value"].to_numpy()
    bounds = [share - did["low"], did["high"] - share]
    label = "network: RQI > 0.95"
    axes.errorbar(did["fraction"], share, bounds, fmt="o", color=VERMILION, capsize=2, label=label)
    axes.set(xlabel="training fraction |D|/|D0|", ylim=(-0.03, 1.03))


def reliability(one: Compared) -> Figure:
    """Share of runs of all settings that succeeded, with exact intervals, against the
    predicted probability; below, how many runs there are.
    """
    success = measured(one.runs, one.targets[0])[1]
    said = one.said(one.targets[0], "probability")
    names = [each.name for each in one.predictors if each.name in said][-4:]
    figure = Figure(figsize=(2.5 * len(names) + 0.6, 3.9))
    grid: Any = figure.subplots(2, len(names), sharex=True, sharey="row", height_ratios=(4, 1), squeeze=False)
    for (axes, counts), name in zip(grid.T, names, strict=True):
        bins = pd.DataFrame(bins_of(said[name], success))
        share, bounds = bins["measured"].to_numpy(), np.array(bins["measured_interval"].tolist()).T
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, zorder=0)
        errors = [share - bounds[0], bounds[1] - share]
        axes.errorbar(bins["predicted"], share, errors, fmt="o", color=BLUE, capsize=2)
        axes.set_title(one.title[name], loc="left", size="small")
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        counts.bar(bins["predicted"], bins["n"], width=0.04, color=GREY)
        counts.set_xlabel("predicted probability")
    grid[0, 0].set_ylabel("share that succeeded")
    grid[1, 0].set_ylabel("runs")
    return figure


def survival(one: Compared) -> Figure:
    """Kaplan-Meier curves of the steps to the first target, a curve a size, a panel a
    setting.
    """
    target, settings, sizes = one.targets[0], groups(one), sorted(set(one.runs[one.size]))
    (figure, panels), handles = _panels(len(settings)), _marks(one)
    styles = dict(zip(sizes, cycle(("-", "--", "-.", ":")), strict=False))
    for axes, (title, group) in zip(panels, settings, strict=True):
        for size, here in group.groupby(one.size):
            curve = survival_curve(*measured(here, target))
            x = np.append(curve.times.clip(min=1), here["budget"].max())
            y = np.append(curve.survival, curve.survival[-1])
            axes.step(x, y, where="post", color=size_colour(float(size), sizes), ls=styles[size])  # pyright: ignore[reportArgumentType]
        axes.set(xscale="log", ylim=(-0.03, 1.03), xlabel="steps", ylabel=f"share of runs not yet at\n{words(target)}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.label_outer()
        axes.set_title(title, loc="left")
    earliest = one.runs[f"steps_to_{target}"].min()
    panels[0].set_xlim(1 if math.isnan(earliest) else max(earliest / 2, 1), 1.02 * one.runs["budget"].max())
    for line, style in zip(handles, styles.values(), strict=True):
        line.set(marker="", ls=style)
    figure.legend(handles=handles, loc="outside right upper", fontsize="small")
    return figure


def accuracy(one: Compared) -> Figure:
    """Accuracy of the networks against that read off their embeddings and the ideal
    one, a row a setting.
    """
    said, settings, sizes = one.said("accuracy"), groups(one), sorted(set(one.runs[one.size]))
    figure = Figure(figsize=(8.6, 3.5 * len(settings) + 0.3))
    grid = figure.subplots(len(settings), 2, squeeze=False, sharex=True, sharey=True)
    for row, (title, group) in zip(grid, settings, strict=True):
        colours = [size_colour(n, sizes) for n in group[one.size]]
        for axes, name in zip(row, ("predicted_accuracy", "ideal_accuracy"), strict=True):
            axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, zorder=0)
            axes.scatter(said[name].reindex(group["key"]), group["accuracy"], c=colours, s=20, alpha=0.8)
        row[0].set_title(title, loc="left")
        row[0].set_ylabel("accuracy of the network on D0")
    grid[-1, 0].set_xlabel("predicted accuracy (trained embedding)")
    grid[-1, 1].set_xlabel("ideal accuracy")
    low = min(said.min().min(), one.runs["accuracy"].min()) - 0.05
    grid[0, 0].set(xlim=(low, 1.03), ylim=(low, 1.03))
    figure.legend(handles=_marks(one), loc="outside right upper", fontsize="small")
    return figure
