"""The picture of the advice."""

from __future__ import annotations

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import efftheory as et
from analysis.advise.samples import Size
from analysis.advise.trained import Check
from analysis.report.look import BLUE, GREY, LOOK, ORANGE


def picture(sizes: list[Size], n_train: int, kept: bool, check: Check | None) -> Figure:
    """Success over the number of training samples: predicted as lines with 95 % bands,
    measured as points with 95 % bars. The two ways to train differ in colour, dashes
    and markers; where the default rates are `kept` there is but one.
    """
    arms = [("default rates", "default", ORANGE, "--", "s")]
    if not kept:
        arms.insert(0, ("as advised", "advised", BLUE, "-", "o"))
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(6.4, 4))
        axes: Axes = figure.subplots()
        x = [size.n_train for size in sizes]
        axes.axvline(n_train, color=GREY, lw=0.8)
        axes.plot(x, [size.linear for size in sizes], color=GREY, ls=":", label="sets with one linear representation")
        for number, (name, which, colour, style, marker) in enumerate(arms):
            shares = [getattr(size, which) for size in sizes]
            low, high = zip(*(one.interval for one in shares), strict=True)
            axes.plot(x, [one.value for one in shares], color=colour, ls=style, label=f"{name}, predicted")
            axes.fill_between(x, low, high, color=colour, alpha=0.18, lw=0)
            if check is not None:
                apart = (2 * number - 1) * 0.006 * (max(x) - min(x))  # else one bar covers the other
                _point(axes, n_train + apart, getattr(check, which).row.success, colour, marker, f"{name}, trained")
        axes.set(xlabel="training samples", ylabel="share of runs that succeed", ylim=(-0.02, 1.04))
        figure.legend(loc="outside lower center", ncols=2)
        return figure


def _point(axes: Axes, x: float, share: et.Estimate, colour: str, marker: str, name: str) -> None:
    low, high = share.interval
    bars = [[share.value - low], [high - share.value]]
    axes.errorbar([x], [share.value], yerr=bars, color=colour, marker=marker, mec="black", capsize=3, label=name, ls="")
