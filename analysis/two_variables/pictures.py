"""The landscapes with what moves on them, and the three times."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.report.look import BLUE, GREEN, GREY, LOOK, ORANGE, PURPLE, VERMILION
from analysis.two_variables.landscape import BORDER, FLOOR
from analysis.two_variables.scores import Case, Surface

# A decay each; on grey, and the kind of line says whether equations or a network.
_DECAYS = (BLUE, ORANGE, GREEN, VERMILION, PURPLE)
_LOSSES = Normalize(np.log10(FLOOR) - 1.5, 0)  # the least loss is no black: lines are seen on it


def landscapes(surfaces: list[Surface], cases: list[Case], corner: float) -> Figure:
    """A row an operation, a column a size: the reduced loss of the first seed."""
    operations = list(dict.fromkeys(one.operation for one in surfaces))
    sizes = sorted({one.n_train for one in surfaces})
    decays = sorted({one.weight_decay for one in cases})
    colours = {decay: _DECAYS[number % len(_DECAYS)] for number, decay in enumerate(decays)}
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(2.2 + 2.7 * len(sizes), 0.9 + 2.7 * len(operations)))
        panels: Any = figure.subplots(len(operations), len(sizes), squeeze=False, sharex=True, sharey=True)
        image: Any = None
        for one in surfaces:
            if one.seed:
                continue
            row, column = operations.index(one.operation), sizes.index(one.n_train)
            own = [
                case for case in cases if (case.operation, case.n_train, case.seed) == (one.operation, one.n_train, 0)
            ]
            image = _landscape(panels[row, column], one, own, colours, corner)
            panels[row, column].set_title(f"{one.operation.replace('_', ' ')}, |D| = {one.n_train}")
        for axes in panels[-1]:
            axes.set_xlabel("norm of the decoder $w$")
        for axes in panels[:, 0]:
            axes.set_ylabel("messiness $m$")
        bar = figure.colorbar(image, ax=panels, label="log10 of the reduced training loss")
        bar.ax.set_ylim(np.log10(FLOOR), 0)
        marks = [
            *(Line2D([], [], color=colours[decay], label=rf"$\gamma$ = {decay:g}") for decay in decays),
            Line2D([], [], color=GREY, lw=1.2, ls="--", label="reduced equations"),
            Line2D([], [], color=GREY, lw=1.8, label="network, both free"),
            Line2D([], [], color="k", lw=2.5, label=f"border: loss {BORDER:g}"),
            Line2D([], [], color="k", mec="w", marker="o", ls="", label="start"),
            Line2D([], [], color=GREY, ls=":", label="corner"),
        ]
        figure.legend(handles=marks, loc="outside lower center", ncols=len(marks) // 2 + 1, fontsize=8)
        return figure


def _landscape(axes: Axes, one: Surface, cases: list[Case], colours: dict[float, str], corner: float) -> Any:
    log_w, m = (np.linspace(axis[0], axis[-1], 120) for axis in (one.landscape.log_w, one.landscape.messiness))
    losses = one.landscape.losses(log_w, m).T
    image = axes.pcolormesh(np.exp(log_w), m, np.log10(losses), cmap="Greys_r", norm=_LOSSES, shading="nearest")
    image.set_rasterized(True)
    if losses.min() < BORDER < losses.max():
        axes.contour(np.exp(log_w), m, losses, [BORDER], colors="k", linewidths=2.5)
    for case in cases:
        colour, metrics = colours[case.weight_decay], case.traces.metrics
        axes.plot(np.exp(case.path.log_w), case.path.messiness, "--", color=colour, lw=1.2)
        axes.plot(metrics["weight_norm"], metrics["messiness_now"], color=colour, lw=1.8)
        axes.plot(metrics["weight_norm"][0], metrics["messiness_now"][0], "ko", mec="w", ms=6, zorder=5)
    axes.axhline(corner, color=GREY, ls=":")
    axes.set(xscale="log", xlim=np.exp(log_w[[0, -1]]), ylim=(m[0] - 0.03, m[-1] + 0.03))
    ticks = [tick for tick in (5, 10, 20, 40, 80, 160) if log_w[0] <= np.log(tick) <= log_w[-1]]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.grid(False)
    return image


def times(cases: list[Case]) -> Figure:
    """Against the formula's: the equations' and the networks'; at the budget, hollow,
    what did not get there.
    """
    operations = list(dict.fromkeys(one.operation for one in cases))
    sizes = sorted({one.n_train for one in cases})
    markers = dict(zip(sizes, "osD^v<>ph*" * (1 + len(sizes) // 10), strict=False))
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(max(6.5, 1.5 + 4 * len(operations)), 4.6))
        panels: Any = figure.subplots(1, len(operations), squeeze=False, sharex=True, sharey=True)
        for axes, operation in zip(panels[0], operations, strict=True):
            own = [one for one in cases if one.operation == operation and one.formula is not None]
            for one in own:
                # what is censored stands side by side
                for time, colour, beside in ((one.path.to_corner, BLUE, 1), (one.measured, VERMILION, 1.25)):
                    y, filled = (one.budget * beside, "none") if time is None else (max(time, 1), colour)
                    axes.plot(one.formula, y, markers[one.n_train], color=colour, mfc=filled, ms=6, alpha=0.8)
            axes.set_title(operation.replace("_", " "))
            axes.set(xscale="log", yscale="log", xlabel="formula: (L + h tan theta)/(eta_D gamma), updates")
            if own:
                ends = np.array([min(one.formula or 1 for one in own), max(one.formula or 1 for one in own)])
                axes.plot(ends, ends, color=GREY, lw=0.8)
            else:
                axes.text(0.5, 0.5, "no border between\nstart and corner", transform=axes.transAxes, ha="center")
        panels[0, 0].set_ylabel("updates to small messiness")
        marks = [
            Line2D([], [], color=BLUE, marker="o", ls="", label="reduced equations"),
            Line2D([], [], color=VERMILION, marker="o", ls="", label="networks"),
            Line2D([], [], color="k", marker="o", mfc="none", ls="", label="not within the budget (there)"),
            *(Line2D([], [], color=GREY, marker=markers[n], ls="", label=f"|D| = {n}") for n in sizes),
            Line2D([], [], color=GREY, lw=0.8, label="as the formula says"),
        ]
        figure.legend(handles=marks, loc="outside lower center", ncols=3, fontsize=8)
        return figure
