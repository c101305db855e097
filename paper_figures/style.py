"""One look for all figures, that of the comparison's pictures, and what several of them
draw.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.colors import to_hex, to_rgba_array
from matplotlib.figure import Figure
from PIL import Image

from analysis.compare_theory.pictures import draw_probability
from analysis.report.files import write_bytes
from analysis.report.look import BLACK, BLUE, GREEN, GREY, LOOK, ORANGE, PURPLE, SKY, VERMILION

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "LOOK",
    "ORANGE",
    "VERMILION",
    "draw_best",
    "draw_probability",
    "draw_steps",
    "name_panels",
]

# Okabe and Ito's colours in turn, as other palettes for any colour vision have them:
# Tol's "bright", and greys that a printer tells apart.
Palette = Literal["okabe-ito", "tol", "grey"]
_PALETTES = {
    "okabe-ito": (BLUE, ORANGE, GREEN, VERMILION, GREY, PURPLE, SKY, BLACK),
    "tol": ("#4477AA", "#CCBB44", "#228833", "#EE6677", "#BBBBBB", "#AA3377", "#66CCEE", BLACK),
    "grey": ("#303030", "#A0A0A0", "#585858", "#787878", "#B8B8B8", "#8C8C8C", "#CCCCCC", BLACK),
}


def name_panels(panels: Iterable[Axes], letters: str = "abcdefg") -> None:
    """(a), (b) ... above the panels."""
    for axes, letter in zip(panels, letters, strict=False):
        axes.set_title(f"({letter})", loc="left")


def draw_steps(axes: Axes, table: pd.DataFrame) -> None:
    """Steps to RQI > 0.95 against the training fraction: a dot a run, triangles at the
    budget for those beyond it.
    """
    reached = table["steps_to_rqi"].notna()
    there, late = table[reached], table[~reached]
    axes.plot(there["fraction"], there["steps_to_rqi"], "o", color=VERMILION, alpha=0.5, ms=4, label="network")
    axes.plot(
        late["fraction"], late["budget"], "^", color=VERMILION, mfc="none", label="network, not within the budget"
    )


def draw_best(axes: Axes, table: pd.DataFrame, name: str, colour: str) -> None:
    """Column `name` against the training fraction: a dot a run, a line through the best
    run of each fraction.
    """
    best = table[table["best"]].sort_values("fraction")
    axes.plot(table["fraction"], table[name], "o", color=colour, alpha=0.3, markersize=4, label="all seeds")
    axes.plot(best["fraction"], best[name], color=colour, label="best seed")


def recolour(figure: Figure, palette: Palette) -> None:
    """Give the lines, marks, areas and words of a figure another palette's colours;
    images and colour scales keep theirs.
    """
    other = {to_hex(own): to_hex(new) for own, new in zip(_PALETTES["okabe-ito"], _PALETTES[palette], strict=True)}
    for artist in figure.findobj():
        scaled = isinstance(artist, Collection) and artist.get_array() is not None
        for part in () if scaled else ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor"):
            if hasattr(artist, f"get_{part}") and hasattr(artist, f"set_{part}"):
                old = to_rgba_array(getattr(artist, f"get_{part}")())
                new = old.copy()
                for row, rgba in zip(new, old, strict=True):
                    row[:3] = to_rgba_array(other.get(to_hex(rgba), to_hex(rgba)))[0, :3]
                if (abs(new - old) > 1 / 255).any():  # a hexadecimal number is rounded
                    getattr(artist, f"set_{part}")(new if isinstance(artist, Collection) else new[0])


def save_animation(path: Path, figure: Figure, frame: Callable[[int], object], n: int) -> None:
    """Write a figure as GIF: `frame(k)` changes it into the k-th of n frames."""
    pictures = []
    for k in range(n):
        frame(k)
        content = io.BytesIO()
        figure.savefig(content, dpi=90, format="png")
        pictures.append(Image.open(content).convert("RGB").quantize(64))
    content = io.BytesIO()
    first, *rest = pictures
    first.save(content, "GIF", save_all=True, append_images=rest, duration=[*[400] * (n - 1), 2_000], loop=0)
    write_bytes(path, content.getvalue())
