"""The picture of the advice."""

from __future__ import annotations

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import efftheory as et
from analysis._look import BLUE, GREY, LOOK, ORANGE
from analysis.advise.samples import Size
from analysis.advise.trained import Check


def picture(sizes: list[Size], n_train: int, check: Check | None) -> Figure:
    """Success over the number of training samples: predicted as lines with 95 % bands,
    measured as points with 95 % bars. The two ways to train differ in colour, dashes
    and markers.
    """
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(6.4, 4))
        axes: Axes = figure.subplots()
        x = [size.n_train for size in sizes]
        for shares, colour, style, name in (
            ([size.advised for size in sizes], BLUE, "-", "as advised"),
            ([size.default for size in sizes], ORANGE, "--", "default rates"),
        ):
            axes.plot(x, [one.value for one in shares], color=colour, ls=style, label=f"{name}, predicted")
            low, high = zip(*(one.interval for one in shares), strict=True)
            axes.fill_between(x, low, high, color=colour, alpha=0.18, lw=0)
        axes.plot(x, [size.linear for size in sizes], color=GREY, ls=":", label="sets with one linear representation")
        axes.axvline(n_train, color=GREY, lw=0.8)
        if check is not None:
            apart = 0.004 * (max(x) - min(x))  # bars that would cover each other
            _point(axes, n_train - apart, check.advised.row.success, BLUE, "o", "as advised, trained")
            _point(axes, n_train + apart, check.default.row.success, ORANGE, "s", "default rates, trained")
        axes.set(xlabel="training samples", ylabel="share of runs that succeed", ylim=(-0.02, 1.04))
        figure.legend(loc="outside lower center", ncols=2)
        return figure


def _point(axes: Axes, x: float, share: et.Estimate, colour: str, marker: str, name: str) -> None:
    low, high = share.interval
    bars = [[share.value - low], [high - share.value]]
    axes.errorbar([x], [share.value], yerr=bars, color=colour, marker=marker, mec="black", capsize=3, label=name, ls="")
