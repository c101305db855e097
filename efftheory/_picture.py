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

import efftheory as et
from efftheory._html import BLUE, ORANGE, VERMILION

# Beside Okabe and Ito's: told apart with any colour vision, by lightness alone, and
# once more by the marks.
LIGHT_BLUE = "#CDE7F7"
FATES = (("trained", BLUE, "none"), ("within reach", LIGHT_BLUE, "."), ("out of reach", ORANGE, "x"))
MOST_PIXELS = 256  # a side of the table; with more symbols a pixel is several samples
MOST_MARKED = 64  # symbols; smaller cells are too small for a mark
MOST_NAMED, NAME_LENGTH = 32, 12  # symbols whose names fit beside the table, and letters of each
TABLE_POINTS = 290  # about the width of the table in points
STYLE: Any = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": "medium",
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "font.size": 9,
}


def picture_of(description: et.Description) -> Figure:
    """The spectrum of H, and what becomes of each sample."""
    op = description.operation
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10.5, 5.4))
        spectrum, table = figure.subplots(1, 2, width_ratios=(1, 1.15))
        draw_spectrum(spectrum, description, "Spectrum of the Hessian of $\\ell_0$")
        draw_table(table, description, "Samples (i, j) of $D_0$")
        share = f"{description.n_train} of {op.n_samples} samples"
        figure.suptitle(f"{_plain(op.name)}, {share}: ideal accuracy {description.ideal_accuracy:.4f}")
        of_spectrum, of_table = spectrum.get_legend_handles_labels(), fates(op)
        handles, names = (one + other for one, other in zip(of_spectrum, of_table, strict=True))
        figure.legend(handles, names, loc="outside lower center", ncols=6)
        figure.draw_without_rendering()  # the layout is made in this style
    return figure


def fates(op: et.Operation) -> tuple[list[Any], list[str]]:
    """What stands in a legend for each fate of a sample, and its name."""
    handles: list[Any] = []
    for _, colour, mark in FATES:
        cell, over = Patch(facecolor=colour), Line2D([], [], marker=mark, ls="", color="black")
        handles.append((cell, over) if op.n_symbols // op.tables <= MOST_MARKED else cell)
    return handles, [name for name, _, _ in FATES]


def draw_spectrum(axes: Axes, description: et.Description, title: str) -> None:
    """The eigenvalues of H on a logarithmic axis, those that are 0 below it, and the
    slowest driven one marked.
    """
    values, p, third = description.eigenvalues, description.operation.n_symbols, description.operation.full_nullity
    n_null = min(description.nullity, len(values))  # of large p these are the smallest only
    number = np.arange(1, len(values) + 1)
    size = 6 if len(values) <= MOST_MARKED else 3
    on_edge: Any = {"transform": axes.get_xaxis_transform(), "clip_on": False, "zorder": 3, "ls": ""}
    axes.plot(number[n_null:], values[n_null:], "o", color=BLUE, markersize=size, label="eigenvalue")
    edge = {"color": BLUE, "markersize": size, "markerfacecolor": "white", "label": "exactly 0", **on_edge}
    axes.plot(number[:n_null], 0 * values[:n_null], "o", **edge)
    if not math.isnan(description.lambda3):
        label = f"$\\lambda_{third + 1}$ = {description.lambda3:.4g}"
        mark: Any = {"color": VERMILION, "markersize": size + 5, "markerfacecolor": "none", "label": label}
        axes.plot(number[third], values[third], "D", **(on_edge if third < n_null else {"ls": ""}), **mark)
    if n_null == len(values):
        axes.text(0.5, 0.5, "all are 0", ha="center", transform=axes.transAxes)
        axes.set_yticks([])
    else:
        axes.set(yscale="log", ylim=(values[n_null] / 3, values[-1] * 2))
    which = "ascending" if len(values) == p else f"the smallest of {p}"
    axes.set(xlabel=f"number of the eigenvalue, {which}", ylabel="eigenvalue of H")
    axes.set(title=title, xlim=(0.4, len(values) + 0.6))
    axes.grid(alpha=0.25)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def draw_table(axes: Axes, description: et.Description, title: str) -> None:
    """What becomes of each sample, as a square."""
    op = description.operation
    trained = np.ones(op.n_samples, np.bool_) if description.mask is None else description.mask
    p = op.n_symbols // op.tables
    side = math.ceil(p / MOST_PIXELS)  # of a pixel, in symbols
    n = math.ceil(p / side)
    fate = np.where(trained, np.int8(0), np.int8(2) - description.reached.view(np.int8))  # the number in FATES
    counts = np.zeros(3 * n * n, np.int64)
    for part in op.in_chunks():
        i, j, _ = op.rule(part)
        pixel = (j % p // side).astype(np.int64) * n + i // side
        counts += np.bincount(pixel * 3 + fate[part], minlength=3 * n * n)
    counts = counts.reshape(n, n, 3)
    total = counts.sum(axis=2, keepdims=True)
    colours = np.array([to_rgb(colour) for _, colour, _ in FATES])
    image = np.where(total > 0, counts @ colours / np.maximum(total, 1), 1.0)
    edge = n * side - 0.5
    axes.imshow(image, origin="lower", extent=(-0.5, edge, -0.5, edge), interpolation="nearest")
    if p <= MOST_MARKED:
        cell = TABLE_POINTS / p
        style: Any = {"ls": "", "color": "black", "markersize": min(0.55 * cell, 7), "mew": min(cell / 7, 1.2)}
        for number, (_, _, mark) in enumerate(FATES):
            axes.plot(*(op.pairs[fate == number] % p).T, **style, marker=mark)
        lines, thin = np.arange(p + 1) - 0.5, min(cell / 8, 1.5)
        axes.hlines(lines, -0.5, edge, color="white", linewidth=thin)
        axes.vlines(lines, -0.5, edge, color="white", linewidth=thin)
    names = ("smaller symbol i", "larger symbol j") if op.tables == 1 else ("left symbol i", "right symbol j")
    pixels = f"; a pixel is {side} x {side}, its colour their mean" if side > 1 else ""
    axes.set(xlabel=names[0], ylabel=names[1], title=title + pixels)
    axes.set(xlim=(-0.6, p - 0.4), ylim=(-0.6, p - 0.4))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if op.names is not None and p <= MOST_NAMED:
        shown = [_plain(name[:NAME_LENGTH]) for name in op.names]
        axes.set_xticks(range(p), shown, rotation=90)
        axes.set_yticks(range(p), shown)


def _plain(text: str) -> str:
    """Users' names as they are: a $ would begin a formula."""
    return text.replace("$", r"\$")
