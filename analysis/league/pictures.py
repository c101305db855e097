"""The league at a glance: how well each measure ranks, and when it moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from analysis.league.measures import BY_NAME
from analysis.league.page import SIGNIFICANT, Table
from analysis.report.look import BLUE, GREEN, GREY, LOOK, ORANGE, PURPLE, VERMILION

# By what a measure needs, a colour and a marker: told apart without colours too.
_LOOKS = {
    "nothing": (BLUE, "o"),
    "training data": (GREEN, "s"),
    "test data": (ORANGE, "^"),
    "the task": (PURPLE, "D"),
    "final network": (VERMILION, "v"),
}


def picture_of_ranks(found: Mapping[str, Table]) -> Figure:
    """Concordance at the end of memorisation: a row a measure, a panel a setting;
    filled marks are no chance.
    """

    def cell(axes: Any, one: Table, name: str, y: float, colour: str, marker: str) -> None:
        rank = one.rank(name)
        if rank is None:
            return
        if rank.interval is not None:
            axes.plot(rank.interval, [y, y], color=colour, lw=1)
        face = colour if rank.q < SIGNIFICANT else "white"
        axes.plot(rank.concordance, y, marker, color=colour, mfc=face, ms=5)

    def finish(axes: Any) -> None:
        axes.axvline(0.5, color=GREY, lw=0.8)
        axes.axvline(0.75, color=GREY, lw=0.8, ls=":")
        axes.set(xlim=(0, 1), xlabel="concordance")

    return _panels(found, lambda one: {rank.measure for rank in one.ranks}, cell, finish)


def picture_of_moves(found: Mapping[str, Table]) -> Figure:
    """When each measure moves before test accuracy .95, in units of the steps between
    memorisation and that; a line where test accuracy itself does. Filled marks move the
    way that the theory says, crosses the other; open ones cannot be told.
    """

    def cell(axes: Any, one: Table, name: str, y: float, colour: str, marker: str) -> None:
        move = one.move(name)
        if move is not None:
            style = {"yes": (marker, colour), "no": ("x", colour)}.get(move.agrees, (marker, "white"))
            axes.plot(move.share, y, style[0], color=colour, mfc=style[1], ms=5)
            if name == "test accuracy":
                axes.axvline(move.share, color=GREY, lw=0.8)

    def finish(axes: Any) -> None:
        axes.set(xlim=(-0.04, 1.04), xlabel="lead (share of the delay)")
        axes.plot([], [], "x", color=GREY, label="moves the other way than its theory says")

    return _panels(found, lambda one: {move.measure for move in one.moves}, cell, finish)


def _panels(
    found: Mapping[str, Table],
    named: Callable[[Table], set[str]],
    cell: Callable[[Any, Table, str, float, str, str], None],
    finish: Callable[[Any], None],
) -> Figure:
    """A panel a setting, a row a measure that has something in one of them."""
    there = set().union(*(named(one) for one in found.values()))
    names = [name for name in BY_NAME if name in there]
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(3.2 + 2.1 * len(found), 1.6 + 0.2 * len(names)))
        panels: Any = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
        for axes, (title, one) in zip(panels, found.items(), strict=True):
            for y, name in enumerate(names):
                cell(axes, one, name, y, *_LOOKS[BY_NAME[name].needs])
            finish(axes)
            axes.set_title(title, loc="left")
        panels[0].set_yticks(range(len(names)), names)
        panels[0].set_ylim(max(len(names), 1) - 0.5, -0.5)
        for needs, (colour, marker) in _LOOKS.items():
            panels[0].plot([], [], marker, color=colour, label=f"needs {needs}")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
        return figure
