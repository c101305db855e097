"""Pictures of the L and the U, of laws, and of the surface of two variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.artist import setp
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from analysis.predictors import norm
from analysis.report.look import BLUE, GREEN, GREY, LOOK, ORANGE, PURPLE, VERMILION
from analysis.runs.plan import Experiment
from analysis.weight_norm.reduced import BORDER, FLOOR, Surface
from analysis.weight_norm.tables import SCALES, Which, medians

ALPHA = r"weight norm, in units of the usual initial one, $\alpha$"
_TIMES = (GREEN, BLUE, VERMILION)  # a colour a number of steps
_CONTOURS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_MARKERS = "os^Dv"
# A decay each; on grey, and the kind of line says whether equations or a network.
_DECAYS = (BLUE, ORANGE, GREEN, VERMILION, PURPLE)
_LOSSES = Normalize(np.log10(FLOOR) - 1.5, 0)  # the least loss is no black: lines are seen on it


def curves_picture(table: pd.DataFrame, plan: Experiment) -> Figure:
    """Losses and test accuracy against alpha at the largest size, a colour a time."""
    size, generalised = plan.axes[1].field, plan.family.METRICS[1].name
    part = table[(table[size] == table[size].max()) & (table["kind"] == "final")]
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(11, 3.9))
        for axes, name in zip(figure.subplots(1, 3), ("train_loss", "test_loss", generalised), strict=True):
            for colour, (step, here) in zip(_TIMES, part.groupby("step"), strict=False):
                draw_curve(axes, here, name, colour, f"{step:,} steps")
            axes.set_title(name.replace("_", " ").replace("train", "training"), loc="left")
        figure.axes[0].legend(title=f"{size} = {part[size].iloc[0]:g}")
        figure.suptitle(f"{plan.title}: trained at constant norm", fontsize="large")
        return figure


def draw_curve(axes: Axes, table: pd.DataFrame, name: str, colour: str, label: str) -> None:
    """One metric against alpha: the median and the range of the seeds."""
    by_scale = table.groupby(SCALES)[name]
    axes.plot(by_scale.median(), "o-", color=colour, ms=3, label=label)
    axes.fill_between(by_scale.min().index, by_scale.min(), by_scale.max(), color=colour, alpha=0.15, lw=0)
    axes.axvline(1, color=GREY, lw=0.8, ls=":")
    _norm_axis(axes)
    if name.endswith("loss"):
        axes.set(yscale="log", ylabel="loss")
    else:
        axes.set(ylim=(-0.02, 1.02), ylabel="share")


def contours_picture(table: pd.DataFrame, plan: Experiment) -> Figure:
    """Errors over alpha and data size after all steps, with A, B and C."""
    sizes = plan.axes[1]
    last = table[(table["step"] == table["step"].max()) & (table["kind"] == "final")]
    with mpl.rc_context(LOOK | {"axes.grid": False}):
        figure = Figure(figsize=(10, 4.4))
        panels: Any = figure.subplots(1, 2, sharey=True)
        drawn: Any = None
        for axes, metric, words in zip(panels, plan.family.METRICS, ("training error", "test error"), strict=False):
            drawn = draw_contours(axes, last, metric.name, sizes.field, sizes.log)
            axes.set_title(words, loc="left")
        panels[0].set(ylabel=sizes.field)
        draw_places(panels[1], last, sizes.field)
        figure.colorbar(drawn, ax=panels, label="share of samples that are wrong")
        figure.suptitle(f"{plan.title}: error after {last['step'].iloc[0]:,} steps at constant norm", fontsize="large")
        return figure


def _norm_axis(axes: Axes) -> None:
    """Logarithmic in alpha, with ticks at 1, 2 and 5."""
    axes.set(xscale="log", xlabel=ALPHA)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def draw_contours(axes: Axes, table: pd.DataFrame, name: str, size: str, log: bool) -> Any:
    """1 - accuracy as colour and contours; what to make a colour bar of."""
    x, y, accuracy = medians(table, size, name)
    drawn = axes.pcolormesh(x, y, 1 - accuracy, cmap=colormaps["viridis_r"], vmin=0, vmax=1, shading="nearest")
    lines = axes.contour(x, y, 1 - accuracy, levels=_CONTOURS, colors="white", linewidths=0.7)
    axes.clabel(lines, fontsize=7, fmt="%g")
    _norm_axis(axes)
    if log:
        axes.set_yscale("log")
        axes.set_yticks(y, [f"{value:g}" for value in y])
        axes.minorticks_off()
    return drawn


def draw_places(axes: Axes, table: pd.DataFrame, size: str) -> None:
    """A: the usual norm and few data; B: too large a norm and as few; C: as large a
    norm, and most data. From B to A a run groks; from B to C it need not.
    """
    scales, sizes = np.unique(table[SCALES]), np.unique(table[size])
    usual, large = (scales[np.abs(np.log(scales / of)).argmin()] for of in (1, scales[-1] ** 0.85))
    look: Any = {"ha": "center", "va": "center", "bbox": {"boxstyle": "circle", "fc": "white", "lw": 0.8}}
    for name, place in {"A": (usual, sizes[0]), "B": (large, sizes[0]), "C": (large, sizes[-1])}.items():
        axes.annotate(name, place, color="black", **look)


def laws_picture(runs: pd.DataFrame, targets: Mapping[str, str], title: str) -> Figure:
    """Predicted against measured steps, a panel a law: a colour a decay, a marker a
    target, which `targets` names; triangles to the right for censored runs.
    """
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(11, 7.2))
        panels: Any = figure.subplots(2, 3, sharex=True, sharey=True)
        for axes, law in zip(panels.flat, norm.PREDICTORS, strict=True):
            _draw_law(axes, runs, targets, law.name)
            axes.set_title(law.title, loc="left")
        setp(panels[-1], xlabel="measured steps")
        setp(panels[:, 0], ylabel="predicted steps")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
        figure.suptitle(title, fontsize="large")
        return figure


def _draw_law(axes: Axes, runs: pd.DataFrame, targets: Mapping[str, str], law: str) -> None:
    decays = sorted(runs["weight_decay"].unique())
    colours = colormaps["viridis"](np.linspace(0, 0.9, len(decays)))
    times = runs["steps"].fillna(runs["budget"])
    low, high = times[times > 0].min() / 1.5, times.max() * 1.5
    axes.plot([low, high], [low, high], color=GREY, lw=0.8)
    for decay, colour in zip(decays, colours, strict=True):
        for target, marker in zip(targets, _MARKERS, strict=False):
            here = runs[(runs["target"] == target) & (runs["weight_decay"] == decay)]
            there, said = here["steps"].notna(), here[law].clip(low, high)
            label = f"decay {decay:g}, {targets[target]}"
            axes.plot(here["steps"][there], said[there], marker, color=colour, ms=4, alpha=0.7, label=label)
            axes.plot(here["budget"][~there], said[~there], ">", color=colour, mfc="none")
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low * 0.8, high * 1.25))


def surfaces_picture(surfaces: Mapping[Which, Surface], cases: pd.DataFrame, corner: float) -> Figure:
    """The first seed's reduced loss and paths on it: a row an operation."""
    operations = list(dict.fromkeys(operation for operation, *_ in surfaces))
    sizes, first = sorted({n_train for _, n_train, _ in surfaces}), min(seed for *_, seed in surfaces)
    decays = sorted(cases["weight_decay"].unique())
    colours = {decay: _DECAYS[number % len(_DECAYS)] for number, decay in enumerate(decays)}
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(2.2 + 2.7 * len(sizes), 0.9 + 2.7 * len(operations)))
        panels: Any = figure.subplots(len(operations), len(sizes), squeeze=False, sharex=True, sharey=True)
        image: Any = None
        groups: Any = cases[cases["seed"] == first].groupby(["operation", "n_train"])
        for (operation, n_train), own in groups:
            axes = panels[operations.index(operation), sizes.index(n_train)]
            image = _draw_surface(axes, surfaces[operation, n_train, first], own, colours, corner)
            axes.set_title(f"{operation.replace('_', ' ')}, |D| = {n_train}")
        setp(panels[-1], xlabel="norm of the decoder $w$")
        setp(panels[:, 0], ylabel="messiness $m$")
        bar = figure.colorbar(image, ax=panels, label="log10 of the reduced training loss")
        bar.ax.set_ylim(np.log10(FLOOR), 0)
        marks = [
            *(_mark(rf"$\gamma$ = {decay:g}", color=colours[decay], ls="-") for decay in decays),
            _mark("reduced equations", lw=1.2, ls="--"),
            _mark("network, both free", lw=1.8, ls="-"),
            _mark(f"border: loss {BORDER:g}", color="k", lw=2.5, ls="-"),
            _mark("start", color="k", mec="w", marker="o"),
            _mark("corner", ls=":"),
        ]
        figure.legend(handles=marks, loc="outside lower center", ncols=len(marks) // 2 + 1, fontsize=8)
        return figure


def _mark(label: str, **look: Any) -> Line2D:
    """An entry of a legend: grey, without a line, but for `look`."""
    drawn: dict[str, Any] = {"color": GREY, "ls": ""} | look
    return Line2D([], [], label=label, **drawn)


def _draw_surface(axes: Axes, surface: Surface, cases: pd.DataFrame, colours: dict[float, str], corner: float) -> Any:
    log_w, m = (np.linspace(axis[0], axis[-1], 120) for axis in (surface.log_w, surface.messiness))
    losses = surface.losses(log_w, m).T
    image = axes.pcolormesh(np.exp(log_w), m, np.log10(losses), cmap="Greys_r", norm=_LOSSES, shading="nearest")
    image.set_rasterized(True)
    if losses.min() < BORDER < losses.max():
        axes.contour(np.exp(log_w), m, losses, [BORDER], colors="k", linewidths=2.5)
    for decay, path, traces in cases[["weight_decay", "path", "traces"]].itertuples(index=False):
        norms, messiness = traces.metrics["weight_norm"], traces.metrics["messiness_now"]
        axes.plot(np.exp(path.log_w), path.messiness, "--", color=colours[decay], lw=1.2)
        axes.plot(norms, messiness, color=colours[decay], lw=1.8)
        axes.plot(norms[0], messiness[0], "ko", mec="w", ms=6, zorder=5)
    axes.axhline(corner, color=GREY, ls=":")
    axes.set(xscale="log", xlim=np.exp(log_w[[0, -1]]), ylim=(m[0] - 0.03, m[-1] + 0.03))
    ticks = [tick for tick in (5, 10, 20, 40, 80, 160) if log_w[0] <= np.log(tick) <= log_w[-1]]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.grid(False)
    return image


def times_picture(cases: pd.DataFrame) -> Figure:
    """Equations' and networks' times against the formula's; hollow: censored."""
    sizes = sorted(cases["n_train"].unique())
    markers = dict(zip(sizes, "osD^v<>ph*" * (1 + len(sizes) // 10), strict=False))
    with mpl.rc_context(LOOK):
        operations = cases["operation"].unique()
        figure = Figure(figsize=(max(6.5, 1.5 + 4 * len(operations)), 4.6))
        panels: Any = figure.subplots(1, len(operations), squeeze=False, sharex=True, sharey=True)
        for axes, operation in zip(panels[0], operations, strict=True):
            own = cases[(cases["operation"] == operation) & cases["formula"].notna()]
            # what is censored stands side by side
            for name, colour, beside in (("equations", BLUE, 1), ("steps_to_corner", VERMILION, 1.25)):
                columns = ["n_train", "formula", "budget", name]
                for n_train, formula, budget, time in own[columns].itertuples(index=False):
                    y, filled = (max(time, 1), colour) if np.isfinite(time) else (budget * beside, "none")
                    axes.plot(formula, y, markers[n_train], color=colour, mfc=filled, ms=6, alpha=0.8)
            axes.set_title(operation.replace("_", " "))
            axes.set(xscale="log", yscale="log", xlabel="formula: (L + h tan theta)/(eta_D gamma), updates")
            if len(own):
                ends = own["formula"].agg(["min", "max"])
                axes.plot(ends, ends, color=GREY, lw=0.8)
            else:
                axes.text(0.5, 0.5, "no border between\nstart and corner", transform=axes.transAxes, ha="center")
        panels[0, 0].set_ylabel("updates to small messiness")
        marks = [
            _mark("reduced equations", color=BLUE, marker="o"),
            _mark("networks", color=VERMILION, marker="o"),
            _mark("not within the budget (there)", color="k", marker="o", mfc="none"),
            *(_mark(f"|D| = {n}", marker=markers[n]) for n in sizes),
            _mark("as the formula says", lw=0.8, ls="-"),
        ]
        figure.legend(handles=marks, loc="outside lower center", ncols=3, fontsize=8)
        return figure
