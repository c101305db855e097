"""The pictures of a comparison. Each function draws a table into a new figure; nothing
is computed here but positions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from analysis.compare_theory.outcomes import SuccessShare
from analysis.compare_theory.predictors import GRADIENT_FLOWS, NULL_MODEL, PREDICTORS
from analysis.compare_theory.predictors import NAMES as PLAIN_NAMES
from analysis.compare_theory.report import Comparison
from analysis.compare_theory.success import BASELINE, SuccessScore
from analysis.compare_theory.times import TimeScore
from analysis.compare_theory.verdict import SUCCESS_NAMES
from analysis.report.look import BLACK, BLUE, GREEN, GREY, LOOK, SIZE_COLOURS, SKY, VERMILION
from analysis.report.words import TARGETS_IN_WORDS
from analysis.runs.tables import TARGETS, Setting, measured, settings, sizes
from analysis.scores.survival import survival_curve
from analysis.theory.predictions import DECODER_FLOWS, LinearProbability

NAMES = PLAIN_NAMES | {"inverse_lambda3": r"$Z_0/(\lambda_3\,\eta_r)$"}
_NOT_PREDICTED = {
    name: "predicted never" if name in GRADIENT_FLOWS else "not predicted in budget" for name in PREDICTORS
}
_COLOURS: dict[str, str] = dict(zip(PREDICTORS, (BLUE, GREEN, VERMILION, SKY, BLACK, GREY), strict=True))
_MARKS: dict[str, str] = dict(zip(PREDICTORS, "osDX*^", strict=True))
_WITHOUT_DECODER = tuple(name for name in PREDICTORS if name not in (*DECODER_FLOWS, NULL_MODEL))


def draw_all(runs: pd.DataFrame, report: Comparison) -> dict[str, Figure]:
    """All pictures of a comparison, by file name."""
    with mpl.rc_context(LOOK):
        return {
            "times.png": times(runs),
            "concordance.png": concordance(report.time),
            "probability.png": probability(report.probability, report.linear_probability),
            "reliability.png": reliability(report.success),
            "survival.png": survival(runs),
            "accuracy.png": accuracy(runs),
        }


def _title(setting: Setting) -> str:
    return f"$\\eta_r$ = {setting.repr_lr:g}, $\\eta_d$ = {setting.decoder_lr:g}"


def size_colour(size: int, sizes: Iterable[int]) -> Any:
    """A colour a training-set size, dark = small."""
    low, high = min(sizes), max(sizes)
    return SIZE_COLOURS(0.9 * (size - low) / max(high - low, 1))


def times(runs: pd.DataFrame) -> Figure:
    """Measured against predicted steps to RQI > 0.95, a panel a predictor: two rows a
    setting, of the theories without a decoder and of those with one.
    """
    groups, predictors = settings(runs), (*_WITHOUT_DECODER, *DECODER_FLOWS)
    n_columns = max(len(_WITHOUT_DECODER), len(DECODER_FLOWS))
    figure = Figure(figsize=(3.4 * n_columns, 6.6 * len(groups) + 0.6))
    grid = figure.subplots(2 * len(groups), n_columns, squeeze=False)
    all_sizes = sizes(runs)
    for (setting, group), upper, lower in zip(groups, grid[::2], grid[1::2], strict=True):
        steps, seen = measured(group, "rqi")
        everything = np.concatenate([steps, *(group[name] for name in predictors)])
        positive = everything[np.isfinite(everything) & (everything > 0)]
        low, high = positive.min(initial=np.inf) / 1.5, positive.max(initial=0) * 1.5
        if not len(positive):
            low, high = 0.5, 2.0
        steps = steps.clip(min=low)  # a logarithmic axis has no 0: such a time lies on the axis
        for unused in (*upper[len(_WITHOUT_DECODER) :], *lower[len(DECODER_FLOWS) :]):
            unused.set_axis_off()
        panels = [*upper[: len(_WITHOUT_DECODER)], *lower[: len(DECODER_FLOWS)]]
        for axes, name in zip(panels, predictors, strict=True):
            predicted = group[name].to_numpy(float).clip(min=low)
            drawn = np.isfinite(predicted)
            colours = np.array([size_colour(n, all_sizes) for n in group["n_train"]])
            axes.scatter(predicted[drawn & seen], steps[drawn & seen], c=colours[drawn & seen], s=22)
            axes.scatter(
                predicted[drawn & ~seen], steps[drawn & ~seen], edgecolors=colours[drawn & ~seen],
                facecolors="none", marker="^", s=26,
            )  # fmt: skip
            axes.plot([low, high], [low, high], color=GREY, linewidth=1, zorder=0)
            axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
            axes.set_xlabel(f"predicted steps: {NAMES[name]}")
            axes.text(
                0.97, 0.03, f"{_NOT_PREDICTED[name]}: {(~drawn & seen).sum()} reached, {(~drawn & ~seen).sum()} not",
                transform=axes.transAxes, ha="right", fontsize="small",
            )  # fmt: skip
        for row in (upper, lower):
            row[0].set_ylabel("measured steps to RQI > 0.95")
        upper[0].set_title(_title(setting), loc="left")
    handles = [
        Line2D([], [], marker="o", linestyle="", color=size_colour(n, all_sizes), label=f"|D| = {n}") for n in all_sizes
    ]
    handles += [
        Line2D([], [], marker="^", ls="", mfc="none", color=GREY, label="not within the budget"),
        Line2D([], [], color=GREY, linewidth=1, label="measured = predicted"),
    ]
    grid[0, -1].legend(handles=handles, loc="upper left", fontsize="small")  # a panel that no predictor needs
    return figure


def concordance(time: list[TimeScore]) -> Figure:
    """Concordance index and its interval for each predictor and target, over all runs
    and within sizes.
    """
    scored = list(dict.fromkeys(Setting(entry.repr_lr, entry.decoder_lr) for entry in time))
    figure = Figure(figsize=(9, 3.1 * len(scored) + 0.8))
    grid = figure.subplots(len(scored), 2, squeeze=False, sharey=True, sharex=True)
    for row, setting in zip(grid, scored, strict=True):
        for axes, within, title in zip(
            row, (False, True), ("over all runs", "within each training-set size"), strict=True
        ):
            for entry in filter(setting.has, time):
                y = TARGETS.index(entry.target) + 0.1 * (PREDICTORS.index(entry.predictor) - (len(PREDICTORS) - 1) / 2)
                value = entry.c_index_within_size if within else entry.c_index
                bounds = entry.interval_within_size if within else entry.interval
                colour = _COLOURS[entry.predictor]
                if bounds is not None:
                    axes.plot(bounds, [y, y], color=colour, linewidth=1.5)
                if value is not None:
                    axes.plot(value, y, _MARKS[entry.predictor], color=colour, markersize=5)
            axes.axvline(0.5, color="black", linewidth=0.8, linestyle=":")
            axes.set_title(f"{_title(setting)}, {title}", loc="left")
            axes.set_yticks(range(len(TARGETS)), [TARGETS_IN_WORDS[t] for t in TARGETS])
            axes.set(xlim=(-0.02, 1.02), ylim=(len(TARGETS) - 0.5, -0.5))
    for axes in grid[-1]:
        axes.set_xlabel("concordance index, 95 % interval (none: too few got there)")
    handles = [Line2D([], [], marker=_MARKS[name], color=_COLOURS[name], label=NAMES[name]) for name in PREDICTORS]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize="small")
    return figure


def probability(entries: list[SuccessShare], chances: list[LinearProbability]) -> Figure:
    """P(linear) and the measured share of successes against the training fraction, a
    panel a setting.
    """
    shares = pd.DataFrame(entries)
    groups = settings(shares)
    figure, panels = _panels(len(groups))
    for axes, (setting, group) in zip(panels, groups, strict=True):
        draw_probability(axes, group, pd.DataFrame(chances))
        axes.set_title(_title(setting), loc="left")
        axes.set_ylabel("share of runs / training sets")
        axes.label_outer()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _panels(n: int) -> tuple[Figure, list[Axes]]:
    """A figure with n panels, at most three in a row, on common axes."""
    n_columns, n_rows = min(n, 3), math.ceil(n / 3)
    figure = Figure(figsize=(max(4.2 * n_columns, 6), 3.3 * n_rows + 0.4))
    panels = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes in panels[n:]:
        axes.set_axis_off()
    return figure, list(panels[:n])


def draw_probability(axes: Axes, measured_shares: pd.DataFrame, chances: pd.DataFrame) -> None:
    """P(linear) with its interval as a line, the measured share of successes with its
    interval as points.
    """
    x = chances["fraction"].to_numpy()
    low, high = np.array(chances["predicted_interval"].tolist()).T
    axes.fill_between(x, low, high, color=BLUE, alpha=0.2, linewidth=0)
    axes.plot(x, chances["predicted"], color=BLUE, label="theory: P(linear)")
    share = measured_shares["measured"].to_numpy()
    below, above = np.array(measured_shares["measured_interval"].tolist()).T
    axes.errorbar(
        measured_shares["fraction"],
        share,
        [share - below, above - share],
        fmt="o",
        color=VERMILION,
        capsize=2,
        label="network: RQI > 0.95",
    )
    axes.set(xlabel="training fraction |D|/|D0|", ylim=(-0.03, 1.03))


def reliability(success: list[SuccessScore]) -> Figure:
    """Share of runs of all settings that succeeded, with exact intervals, against the
    predicted probability; below, how many runs there are.
    """
    entries = {entry.predictor: entry for entry in success if entry.repr_lr is None}
    names = [BASELINE, *DECODER_FLOWS]
    figure = Figure(figsize=(2.7 * len(names), 3.9))
    grid = figure.subplots(2, len(names), sharex=True, sharey="row", height_ratios=(4, 1))
    for (axes, counts), name in zip(grid.T, names, strict=True):
        bins = pd.DataFrame(entries[name].bins)
        share = bins["measured"].to_numpy()
        low, high = np.array(bins["measured_interval"].tolist()).T
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, zorder=0)
        axes.errorbar(bins["predicted"], share, [share - low, high - share], fmt="o", color=BLUE, capsize=2)
        axes.set_title(SUCCESS_NAMES[name], loc="left")
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        counts.bar(bins["predicted"], bins["n"], width=0.04, color=GREY)
        counts.set_xlabel("predicted probability")
    grid[0, 0].set_ylabel("share that succeeded")
    grid[1, 0].set_ylabel("runs")
    return figure


def survival(runs: pd.DataFrame) -> Figure:
    """Kaplan-Meier curves of the steps to RQI > 0.95, a curve a size, a panel a
    setting.
    """
    groups = settings(runs)
    figure, panels = _panels(len(groups))
    all_sizes = sizes(runs)
    for axes, (setting, group) in zip(panels, groups, strict=True):
        for k, size in enumerate(sizes(group)):
            here = group[group["n_train"] == size]
            steps, seen = measured(here, "rqi")
            curve = survival_curve(steps, seen)
            x = np.append(curve.times.clip(min=1), here["budget"].max())
            y = np.append(curve.survival, curve.survival[-1])
            style = ("-", "--", "-.", ":")[k % 4]
            axes.step(x, y, where="post", color=size_colour(size, all_sizes), ls=style, label=f"|D| = {size}")
        axes.set(xscale="log", ylim=(-0.03, 1.03), xlabel="steps", ylabel="share of runs not yet at RQI > 0.95")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.label_outer()
        axes.set_title(_title(setting), loc="left")
    earliest = runs["steps_to_rqi"].min()
    panels[0].set_xlim(1 if math.isnan(earliest) else max(earliest / 2, 1), 1.02 * runs["budget"].max())
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper", fontsize="small")
    return figure


def accuracy(runs: pd.DataFrame) -> Figure:
    """Accuracy of the networks against Acc-hat of their embeddings and against the
    ideal accuracy, a row a setting.
    """
    groups, all_sizes = settings(runs), sizes(runs)
    figure = Figure(figsize=(8.6, 3.5 * len(groups) + 0.3))
    grid = figure.subplots(len(groups), 2, squeeze=False, sharex=True, sharey=True)
    for row, (setting, group) in zip(grid, groups, strict=True):
        for axes, name in zip(row, ("predicted_accuracy", "ideal_accuracy"), strict=True):
            axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, zorder=0)
            colours = [size_colour(n, all_sizes) for n in group["n_train"]]
            axes.scatter(group[name], group["accuracy"], c=colours, s=20, alpha=0.8)
        row[0].set_title(_title(setting), loc="left")
        row[0].set_ylabel("accuracy of the network on D0")
    grid[-1, 0].set_xlabel("predicted accuracy (trained embedding)")
    grid[-1, 1].set_xlabel("ideal accuracy")
    low = runs[["accuracy", "predicted_accuracy", "ideal_accuracy"]].min().min() - 0.05
    grid[0, 0].set(xlim=(low, 1.03), ylim=(low, 1.03))
    handles = [
        Line2D([], [], marker="o", linestyle="", color=size_colour(n, all_sizes), label=f"|D| = {n}") for n in all_sizes
    ]
    figure.legend(handles=handles, loc="outside right upper", fontsize="small")
    return figure
