"""The pictures of the size law, drawn from its report; nothing is computed here but
positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from analysis.critical_size.records import Interval, LawScore, Size, Study
from analysis.critical_size.size_law import BOUNDS, LEVELS
from analysis.report.look import BLUE, GREEN, GREY, ORANGE, PURPLE, SIZE_COLOURS, VERMILION

# Laws that are drawn, with their lines.
_LINES = {
    "the paper's fraction": (PURPLE, ":"),
    "samples per symbol": (GREY, "-."),
    "power law": (ORANGE, "--"),
    "leading order": (GREEN, ":"),
    "counting": (VERMILION, "--"),
    "coupon collector": (VERMILION, ":"),
    BOUNDS: (VERMILION, "-"),
}
_NAMES = {
    "the paper's fraction": "0.4 N, the paper's fraction",
    "samples per symbol": "c p, fitted",
    "power law": r"a $p^b$, fitted",
    "leading order": r"$\frac{1}{2}\,p\,\ln p$",
    "counting": "counting: enough equations",
    "coupon collector": "coupons: every symbol covered",
    BOUNDS: "both, nothing fitted",
}


def critical_size(report: Study) -> Figure:
    """n_c/p, n_c/N and the local slope of ln n_c against p, with the laws as lines."""
    sizes = report.sizes
    figure = Figure(figsize=(12, 4.7))
    panels: Any = figure.subplots(1, 3)
    per_symbol, fraction, slope = panels
    all_p = [size.p for size in sizes]
    _measured(per_symbol, all_p, [size.per_symbol for size in sizes], [size.per_symbol_interval for size in sizes])
    _measured(fraction, all_p, [size.fraction for size in sizes], [size.fraction_interval for size in sizes])
    for law in _drawn(report):
        colour, style = _LINES[law.law]
        p = np.array([size.p for size in sizes if size.p >= law.least_p])
        n = np.array(law.critical_sizes)
        line = {"color": colour, "ls": style, "label": _NAMES[law.law], "zorder": 1}
        per_symbol.plot(p, n / p, **line)
        fraction.plot(p, 2 * n / (p * (p + 1)), **line)
    top = max(size.per_symbol_interval[1] for size in sizes)
    per_symbol.set(ylim=(0, 1.15 * top), ylabel=r"$n_c/p$, samples per symbol")
    fraction.set(yscale="log", ylabel=r"$n_c/N$, critical fraction")
    _slopes(slope, report)
    for axes in panels:
        _sizes_axis(axes, sizes)
    figure.legend(*per_symbol.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _drawn(report: Study) -> list[LawScore]:
    """The laws that have a line, over all p."""
    least = report.sizes[0].p
    return [law for law in report.laws if law.least_p == least and law.law in _LINES]


def _measured(axes: Axes, p: Sequence[int], values: Sequence[float], intervals: Sequence[Interval]) -> None:
    value = np.array(values)
    low, high = np.array(intervals).T
    axes.errorbar(
        p, value, [value - low, high - value],
        fmt="o", color=BLUE, markersize=4, capsize=2, label="measured, 95 %",
    )  # fmt: skip


def _slopes(axes: Axes, report: Study) -> None:
    if report.slopes:
        p = [np.sqrt(np.prod(slope.p)) for slope in report.slopes]
        value = np.array([slope.slope for slope in report.slopes])
        low, high = np.array([slope.interval for slope in report.slopes]).T
        axes.errorbar(p, value, [value - low, high - value], fmt="o", color=BLUE, markersize=4, capsize=2)
        axes.plot(p, [slope.predicted for slope in report.slopes], color=VERMILION, zorder=1)
    for law in _drawn(report):
        if law.law == "power law":
            axes.axhline(law.parameters[1].value, color=ORANGE, ls="--", zorder=1)
    axes.axhline(1, color=GREY, ls="-.", linewidth=1, zorder=1)
    axes.set_ylabel(r"local exponent $d\,\ln n_c\,/\,d\,\ln p$")


def _sizes_axis(axes: Axes, sizes: Sequence[Size]) -> None:
    """A logarithmic axis of p with plain numbers."""
    axes.set(xscale="log", xlabel="p, number of symbols", xlim=(sizes[0].p / 1.3, 1.3 * sizes[-1].p))
    ticks = [p for p in (3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000) if p <= 1.3 * sizes[-1].p]
    axes.set_xticks([p for p in ticks if p >= sizes[0].p / 1.3] or [sizes[0].p])
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())


def transitions(report: Study) -> Figure:
    """P(linear) of all p: from each one's own n_c in units of p/2, and against the
    coupon collector's own variable.
    """
    sizes = report.sizes
    figure = Figure(figsize=(9.5, 4.4))
    panels: Any = figure.subplots(1, 2, sharey=True)
    for number, size in enumerate(sizes):
        look = {"color": SIZE_COLOURS(0.95 * number / max(len(sizes) - 1, 1)), "linewidth": 1.2}
        label = f"p = {size.p}"
        centred = (np.array(size.quantiles) - size.critical_size) / (size.p / 2)
        panels[0].plot(centred, LEVELS, **look, label=label)
        panels[1].plot(size.reduced, LEVELS, **look)
    x = np.linspace(-2.5, 6, 300)
    law = {"color": VERMILION, "ls": "--", "linewidth": 2}
    panels[0].plot(x, np.exp(-np.log(2) * np.exp(-x)), **law, label="Gumbel's law")
    panels[1].plot(x, np.exp(-np.exp(-x)), **law)
    panels[0].set(ylabel="P(linear)", xlabel=r"$(n - n_c)\,/\,(p/2)$", ylim=(-0.02, 1.02), xlim=(-2.2, 5))
    panels[1].set(xlabel=r"$-\ln\,\Lambda(n)$, $\Lambda$: expected number of free symbols", xlim=(-2.2, 5))
    panels[0].set_title("centred: one fitted number a curve", loc="left")
    panels[1].set_title("by the coupon collector: nothing fitted", loc="left")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper", fontsize="small")
    return figure
