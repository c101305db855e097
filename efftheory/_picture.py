"""The picture that `python -m efftheory` draws: the spectrum, and what becomes of each
sample. The only file of the package that imports matplotlib; only the command imports
it, and does without where there is none.
"""

from __future__ import annotations

import math
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

import efftheory as et
from efftheory.operations import CHUNK

# After Okabe and Ito: told apart with any colour vision, by lightness alone, and once
# more by the marks.
BLUE, LIGHT_BLUE, ORANGE, VERMILION = "#0072B2", "#CDE7F7", "#E69F00", "#D55E00"
FATES = (("trained", BLUE, "none"), ("within reach", LIGHT_BLUE, "."), ("out of reach", ORANGE, "x"))
MOST_PIXELS = 256  # a side of the table; with more symbols a pixel is several samples
MOST_MARKED = 64  # symbols; smaller cells have no room for a mark
MOST_NAMED, NAME_LENGTH = 32, 12  # symbols whose names fit beside the table, and letters of each
TABLE_POINTS = 290  # about the width of the table in points
LOOK: Any = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": "medium",
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "font.size": 9,
}


def picture_of(description: et.Description, mask: NDArray[np.bool_]) -> Figure:
    """The spectrum of H, its null eigenvalues on an axis of their own, and what becomes
    of each sample.
    """
    op = description.operation
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(10.5, 5.4))
        panels = figure.subplot_mosaic(
            [["spectrum", "table"], ["null", "table"]], height_ratios=(10, 1), width_ratios=(1, 1.15)
        )
        _draw_spectrum(panels["spectrum"], panels["null"], description)
        _draw_table(panels["table"], description, mask)
        share = f"{description.n_train} of {op.n_samples} samples"
        figure.suptitle(f"{_plain(op.name)}, {share}: ideal accuracy {description.ideal_accuracy:.4f}")
        marks = _spectrum_key(description)
        names = [mark.get_label() for mark in marks] + [name for name, _, _ in FATES]
        figure.legend(
            marks + _table_key(op.n_symbols // op.tables <= MOST_MARKED), names, loc="outside lower center", ncols=6
        )
        figure.draw_without_rendering()  # the layout is made under this look
    return figure


def _spectrum_key(description: et.Description) -> list[Any]:
    marks = [("o", BLUE, BLUE, "eigenvalue"), ("o", BLUE, "none", "exactly 0")]
    if not math.isnan(description.lambda3):
        marks.append(("D", VERMILION, "none", _slowest(description)))
    return [Line2D([], [], marker=m, ls="", color=c, markerfacecolor=face, label=name) for m, c, face, name in marks]


def _slowest(description: et.Description) -> str:
    value = f"{description.lambda3:.4g}" if description.lambda3 else "0"
    return f"$\\lambda_{description.operation.full_nullity + 1}$ = {value}"


def _draw_spectrum(axes: Axes, null: Axes, description: et.Description) -> None:
    values, p = description.eigenvalues, description.operation.n_symbols
    n_null = min(description.nullity, len(values))  # of large p these are the smallest only
    number = np.arange(1, len(values) + 1)
    size = 6 if len(values) <= MOST_MARKED else 3
    axes.plot(number[n_null:], values[n_null:], "o", color=BLUE, markersize=size)
    null.plot(number[:n_null], np.zeros(n_null), "o", color=BLUE, markersize=size, markerfacecolor="none")
    third = description.operation.full_nullity
    if not math.isnan(description.lambda3):
        where = axes if third >= n_null else null
        where.plot(number[third], values[third], "D", color=VERMILION, markersize=size + 5, markerfacecolor="none")
    if n_null == len(values):
        axes.text(0.5, 0.5, "all are 0", ha="center", transform=axes.transAxes)
        axes.set_yticks([])
    else:
        axes.set(yscale="log", ylim=(values[n_null] / 2, values[-1] * 2))
    for each in (axes, null):
        each.set_xlim(0.4, len(values) + 0.6)
        each.grid(alpha=0.25)
    axes.tick_params(labelbottom=False, bottom=False)
    axes.set(ylabel="eigenvalue of H", title="Spectrum of the Hessian of $\\ell_0$")
    which = "ascending" if len(values) == p else f"the smallest of {p}"
    null.set(ylim=(-1, 1), yticks=[0], yticklabels=["0"], xlabel=f"number of the eigenvalue, {which}")
    for each in (axes, null):
        each.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _draw_table(axes: Axes, description: et.Description, mask: NDArray[np.bool_]) -> None:
    op = description.operation
    p = op.n_symbols // op.tables
    side = math.ceil(p / MOST_PIXELS)  # of a pixel, in symbols
    n = math.ceil(p / side)
    counts = np.zeros(3 * n * n, np.int64)
    for begin in range(0, op.n_samples, CHUNK):
        part = slice(begin, min(begin + CHUNK, op.n_samples))
        i, j, _ = op.rule(np.arange(part.start, part.stop))
        pixel = (j % p // side).astype(np.int64) * n + i // side
        counts += np.bincount(pixel * 3 + _fates(description, mask, part), minlength=3 * n * n)
    counts = counts.reshape(n, n, 3)
    total = counts.sum(axis=2, keepdims=True)
    colours = np.array([to_rgb(colour) for _, colour, _ in FATES])
    image = np.where(total > 0, counts @ colours / np.maximum(total, 1), 1.0)
    edge = n * side - 0.5
    axes.imshow(image, origin="lower", extent=(-0.5, edge, -0.5, edge), interpolation="nearest")
    if p <= MOST_MARKED:
        cell, fate = TABLE_POINTS / p, _fates(description, mask, slice(None))
        look: Any = {"ls": "", "color": "black", "markersize": min(0.55 * cell, 7), "mew": min(cell / 7, 1.2)}
        for number, (_, _, mark) in enumerate(FATES):
            axes.plot(*(op.pairs[fate == number] % p).T, **look, marker=mark)
        lines = np.arange(p + 1) - 0.5
        axes.hlines(lines, -0.5, edge, color="white", linewidth=min(cell / 8, 1.5))
        axes.vlines(lines, -0.5, edge, color="white", linewidth=min(cell / 8, 1.5))
    names = ("smaller symbol i", "larger symbol j") if op.tables == 1 else ("left symbol i", "right symbol j")
    axes.set(xlabel=names[0], ylabel=names[1], title="Samples (i, j) of $D_0$")
    axes.set(xlim=(-0.6, p - 0.4), ylim=(-0.6, p - 0.4))
    if side > 1:
        axes.set_title(f"Samples (i, j) of $D_0$; a pixel is {side} x {side}, its colour their mean")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if op.names is not None and p <= MOST_NAMED:
        shown = [_plain(name[:NAME_LENGTH]) for name in op.names]
        axes.set_xticks(range(p), shown, rotation=90)
        axes.set_yticks(range(p), shown)


def _fates(description: et.Description, mask: NDArray[np.bool_], part: slice) -> NDArray[np.int64]:
    """The number in FATES of these samples."""
    return np.where(mask[part], 0, np.where(description.reached[part], 1, 2))


def _plain(text: str) -> str:
    """Users' names as they are: a $ would begin a formula."""
    return text.replace("$", r"\$")


def _table_key(marked: bool) -> list[Any]:
    cells = [Patch(facecolor=colour) for _, colour, _ in FATES]
    marks = [Line2D([], [], marker=mark, ls="", color="black") for _, _, mark in FATES]
    return list(zip(cells, marks, strict=True)) if marked else cells  # a tuple is drawn one on the other
