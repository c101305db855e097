"""The pictures of the experiment, from its table of runs."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from analysis.design_experiment.designs import GROUP
from analysis.report.look import BLUE, GREEN, GREY, VERMILION
from analysis.report.words import TARGETS_IN_WORDS
from analysis.runs.tables import TARGETS, measured
from analysis.scores.survival import survival_curve

_LINES = {
    "fast": (BLUE, "-", "o"),
    "wide": (GREEN, ":", "^"),
    "random": (GREY, "--", "s"),
    "slow": (VERMILION, "-.", "D"),
}


def survival(runs: pd.DataFrame) -> Figure:
    """Kaplan-Meier curves of the steps to each target with their bands, a curve a
    design, a row a setting.
    """
    groups, budget = _settings(runs), int(runs["budget"].max())
    figure = Figure(figsize=(11, 3 * len(groups) + 0.6))
    grid = figure.subplots(len(groups), len(TARGETS), squeeze=False, sharex=True, sharey=True)
    for row, (title, group) in zip(grid, groups, strict=True):
        for axes, target in zip(row, TARGETS, strict=True):
            for name, (colour, style, _) in _LINES.items():
                curve = survival_curve(*measured(group[group["design"] == name], target))
                x = np.append(curve.times, budget).clip(min=1)
                low, y, high = (np.append(v, v[-1]) for v in (curve.low, curve.survival, curve.high))
                axes.fill_between(x, low, high, step="post", color=colour, alpha=0.12, linewidth=0)
                axes.step(x, y, where="post", color=colour, ls=style, label=name)
            axes.set(xscale="log", ylim=(-0.02, 1.02), xlim=(max(budget / 50, 1), budget))
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_title(f"not yet at {TARGETS_IN_WORDS[target]}", loc="left")
        row[0].set_ylabel(f"share of runs\n{title}")
    for axes in grid[-1]:
        axes.set_xlabel("steps")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(_LINES))
    return figure


def lambda3(runs: pd.DataFrame) -> Figure:
    """Steps to RQI > 0.95 against lambda_3, a mark a run, a panel a setting."""
    groups = _settings(runs)
    figure = Figure(figsize=(max(4.2 * len(groups), 6), 3.8))
    panels = figure.subplots(1, len(groups), squeeze=False, sharey=True).ravel()
    positive = runs["lambda3"][runs["lambda3"] > 0]
    low = positive.min() / 2 if len(positive) else 0.5  # a logarithmic axis has no 0: it lies on the left edge
    for axes, (title, group) in zip(panels, groups, strict=True):
        for name, (colour, _, mark) in _LINES.items():
            here = group[group["design"] == name]
            steps, seen = measured(here, "rqi")
            x = here["lambda3"].to_numpy(float).clip(min=low)
            axes.scatter(x[seen], steps[seen].clip(min=1), color=colour, marker=mark, s=22, alpha=0.8)
            axes.scatter(x[~seen], steps[~seen], edgecolors=colour, facecolors="none", marker=mark, s=22, clip_on=False)
        axes.set(xscale="log", yscale="log", xlim=(low, None), xlabel=r"$\lambda_3$ of the training set")
        axes.set_title(title, loc="left")
    panels[0].set_ylabel("steps to RQI > 0.95")
    handles = [Line2D([], [], ls="", marker=m, color=colour, label=name) for name, (colour, _, m) in _LINES.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(_LINES))
    return figure


def _settings(runs: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The runs of each size and pair of learning rates, with a title."""
    return [
        (f"|D| = {n}, $\\eta_r$ = {repr_lr:g}, $\\eta_d$ = {decoder_lr:g}", group)
        for (n, repr_lr, decoder_lr), group in runs.groupby(GROUP, sort=False)
    ]
