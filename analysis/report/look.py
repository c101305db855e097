"""The look of all pictures."""

from __future__ import annotations

from typing import Any, Literal

from matplotlib import colormaps
from matplotlib.collections import Collection
from matplotlib.colors import to_hex, to_rgba_array
from matplotlib.figure import Figure

# Okabe and Ito's palette: told apart with any colour vision.
BLUE, ORANGE, GREEN, VERMILION, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#666666"
PURPLE, SKY, BLACK = "#CC79A7", "#56B4E9", "#000000"
# These in turn, as other palettes for any colour vision have them: Tol's "bright", and
# greys that a printer tells apart.
Palette = Literal["okabe-ito", "tol", "grey"]
_PALETTES = {
    "okabe-ito": (BLUE, ORANGE, GREEN, VERMILION, GREY, PURPLE, SKY, BLACK),
    "tol": ("#4477AA", "#CCBB44", "#228833", "#EE6677", "#BBBBBB", "#AA3377", "#66CCEE", BLACK),
    "grey": ("#303030", "#A0A0A0", "#585858", "#787878", "#B8B8B8", "#8C8C8C", "#CCCCCC", BLACK),
}
LOOK: Any = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.titlesize": "medium",
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "font.size": 9,
}
SIZE_COLOURS = colormaps["viridis"]


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
