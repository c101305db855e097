"""A phase diagram as a picture: what was measured, point by point, and beside it what
was predicted.

Nothing is smoothed or filled in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, LogNorm, Normalize, to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.tri import Triangulation
from numpy.typing import ArrayLike
from scipy.spatial import KDTree

from analysis.phase_diagram.phases import GENERALISING, PHASES, UNDECIDED
from analysis.phase_diagram.records import Boundary
from analysis.report.look import BLUE, LOOK, ORANGE, VERMILION
from analysis.runs.plan import Axis

# The paper's colours but for comprehension, whose green is darker: the paper's cannot
# be told from the yellow of grokking without the eye's cones for red, and points of
# large diagrams have no letters. "test only" and white, which is hatched, are ours.
_RGB = np.array([(60, 160, 70), (253, 231, 37), (70, 50, 126), (30, 30, 30), (230, 120, 160), (255, 255, 255)]) / 255
_NAMES = (*PHASES, UNDECIDED)
COLOURS: dict[str, str] = {name: to_hex(rgb) for name, rgb in zip(_NAMES, _RGB.tolist(), strict=True)}
LETTERS: dict[str, str] = dict(zip(_NAMES, "CGMXT?", strict=True))
_HATCH: Any = {"hatch": "////", "edgecolor": "0.6", "lw": 0}
_EDGE: Any = [withStroke(linewidth=2, foreground="0.25")]  # around what is white
_DIFFERENCES = {
    "equal": "#E6E6E6",
    "differ at a measured boundary": ORANGE,
    "differ elsewhere": BLUE,
    "measured: undecided": COLOURS[UNDECIDED],
}
_SHARES = ScalarMappable(Normalize(0, 1), colormaps["cividis"])
_RASTER = 720  # pixels a side for diagrams that are no regular grid
_DELAYS = [10**k for k in (1, 2, 3, 4)]
_UNEVEN = 5  # a list of values with steps so many times as wide as others (0, 1, 2, 5, .. 200) is drawn evenly spaced
_SHARE_ROOM = (0.06, 0.07)  # of the panel's width and height, that a letter with a share below it needs


def phase_diagram(cells: pd.DataFrame, boundaries: Sequence[Boundary], axes: Sequence[Axis], title: str) -> Figure:
    """Two panels: the majority phase of each point and its agreement; the median delay,
    its contours, and where on each line generalisation begins or ends.
    """
    with mpl.rc_context(LOOK | {"axes.grid": False}):
        figure = Figure(figsize=(11.5, 5.4))
        left, right = figure.subplots(1, 2)
        plane = _Plane(cells, axes)
        draw_phases(left, cells, axes)
        left.set_title(f"{title}: {_seeds(cells)}")
        handles: list[Patch | Line2D] = [*legend(cells)]
        if _draw_delay(right, plane):
            handles.append(Line2D([], [], color="white", lw=1.2, path_effects=_EDGE, label="contour of the delay"))
        if _draw_boundaries(right, boundaries, plane):
            label = "edge of generalisation"
            handles.append(Line2D([], [], color=VERMILION, marker="o", ms=4, lw=1.2, label=label))
        _legend_below(figure, handles, 7)
    return figure


def theory_diagram(cells: pd.DataFrame, expected: pd.DataFrame, axes: Sequence[Axis], title: str) -> Figure:
    """Three panels: the phases that were measured, those that were predicted, and where
    they differ.
    """
    with mpl.rc_context(LOOK | {"axes.grid": False}):
        figure = Figure(figsize=(15, 5.4))
        left, middle, right = figure.subplots(1, 3)
        for panel, table, what in ((left, cells, "measured"), (middle, expected, "predicted without training")):
            draw_phases(panel, table, axes)
            panel.set_title(f"{what}, {_seeds(cells)}")
        places = _draw_differences(right, expected, axes)
        handles = legend(pd.concat([cells, expected]))
        for label, colour in places.items():
            look: Any = _HATCH if colour == COLOURS[UNDECIDED] else {"edgecolor": "0.5"}
            handles.append(Patch(facecolor=colour, label=label, **look))
        _legend_below(figure, handles, 8)
        figure.suptitle(title, fontsize="medium")
    return figure


def success_maps(expected: pd.DataFrame, axes: Sequence[Axis]) -> Figure:
    """Measured and predicted shares of the runs that generalise, and of those with
    RQI > 0.95.
    """
    with mpl.rc_context(LOOK | {"axes.grid": False}):
        figure = Figure(figsize=(10.5, 9))
        plane, panels = _Plane(expected, axes), figure.subplots(2, 2)
        for row, name, what in zip(panels, ("test", "rqi"), ("generalise", "have RQI > 0.95"), strict=True):
            for panel, prefix, title in zip(row, ("measured_", ""), ("measured", "predicted"), strict=True):
                values = expected[f"{prefix}{name}_share"].to_numpy()
                plane.fill(panel, values, cmap=_SHARES.cmap, norm=_SHARES.norm)
                plane.label(panel)
                panel.set_title(f"{title}: runs that {what}")
        figure.colorbar(_SHARES, ax=panels, label="share of the runs (predicted: of runs and draws)", shrink=0.6)
    return figure


def legend(cells: pd.DataFrame) -> list[Patch]:
    """A patch a phase that occurs in `cells`, and one for undecided points."""
    names = [name for name in PHASES if cells[name].sum() > 0]
    patches = [Patch(facecolor=COLOURS[name], edgecolor="0.5", label=f"{LETTERS[name]}  {name}") for name in names]
    if (cells["majority"] == UNDECIDED).any():
        label = f"{LETTERS[UNDECIDED]}  {UNDECIDED}"
        patches.append(Patch(facecolor=COLOURS[UNDECIDED], label=label, **_HATCH))
    return patches


def _legend_below(figure: Figure, handles: Sequence[Patch | Line2D], most: int) -> None:
    """In two rows where there are more than `most`, which have room in one."""
    n = len(handles)
    figure.legend(handles=handles, loc="outside lower center", ncols=n if n <= most else (n + 1) // 2)


def draw_phases(axes: Axes, cells: pd.DataFrame, plane_axes: Sequence[Axis]) -> None:
    """The majority phase of each point; where the seeds disagree, a bar of their phases
    and the majority's share. A point without a majority is hatched.
    """
    plane = _Plane(cells, plane_axes)
    codes = np.array([_NAMES.index(name) for name in cells["majority"]])
    plane.fill(axes, codes, cmap=ListedColormap([COLOURS[name] for name in _NAMES]), vmin=-0.5, vmax=len(_NAMES) - 0.5)
    plane.hatch(axes, cells["majority"] == UNDECIDED, **_HATCH)
    dense = len(cells) > 300
    roomy = plane.roomy()
    rows = cells.to_dict("records")
    patches = zip(plane.places, plane.corners, plane.sizes, strict=True)
    for ((x, y), (west, south), (width, _)), room, row in zip(patches, roomy, rows, strict=True):
        ink = "white" if row["majority"] in ("memorisation", "confusion") else "0.15"
        shared = row["agreement"] < 1
        if not dense:
            text = LETTERS[row["majority"]]
            if shared and room and row["majority"] != UNDECIDED:
                text += f"\n{row[row['majority']]}/{row['n']}"
            axes.text(x, y, text, ha="center", va="center", fontsize=6.5, color=ink, linespacing=1.2)
        if shared:
            left, span = west + 0.1 * width, 0.8 * width / row["n"]
            for name in PHASES:
                axes.add_patch(
                    Rectangle(
                        (left, south + 0.08 * (y - south)),
                        span * row[name],
                        0.26 * (y - south),
                        facecolor=COLOURS[name],
                        edgecolor=ink,
                        lw=0.4,
                    )
                )
                left += span * row[name]
    plane.label(axes)


def _draw_differences(axes: Axes, expected: pd.DataFrame, plane_axes: Sequence[Axis]) -> dict[str, str]:
    """Points with another phase than predicted, whose letter is below the measured
    one's; returns what colours mean. A point without a phase is neither equal nor not.
    """
    plane = _Plane(expected, plane_axes)
    decided = (expected["measured"] != UNDECIDED).to_numpy()
    differs = decided & (expected["measured"] != expected["majority"]).to_numpy()
    codes = np.where(differs, np.where(expected["touches"], 1, 2), np.where(decided, 0, 3))
    colours = list(_DIFFERENCES.values())
    plane.fill(axes, codes, cmap=ListedColormap(colours), vmin=-0.5, vmax=len(colours) - 0.5)
    plane.hatch(axes, ~decided, **_HATCH)
    rows = expected.to_dict("records")
    for (x, y), code, room, row in zip(plane.places, codes, plane.roomy(), rows, strict=True):
        if code in (1, 2) and room:
            ink = "white" if code == 2 else "0.15"
            text = f"{LETTERS[row['measured']]}\n{LETTERS[row['majority']]}"
            axes.text(x, y, text, ha="center", va="center", fontsize=6.5, color=ink, linespacing=1.2)
    n = decided.sum()
    axes.set_title(f"equal at {n - differs.sum()} of {n} points (letters: measured above predicted)")
    plane.label(axes)
    return {label: colour for code, (label, colour) in enumerate(_DIFFERENCES.items()) if code in codes}


def _draw_delay(axes: Axes, plane: _Plane) -> bool:
    """Median steps from training to generalisation; hatched where most runs have no
    such delay.
    """
    contours = False
    delay = plane.cells["delay"].to_numpy()
    finite = np.isfinite(delay)
    axes.set_facecolor("0.85")
    shown = np.where(finite, np.maximum(delay, 1), np.nan)  # test before train, too, is no delay
    top = max(np.nanmax(shown, initial=1e4), 1e4)
    image = plane.fill(axes, shown, cmap=colormaps["cividis"], norm=LogNorm(1, top))
    plane.hatch(axes, ~finite, hatch="////", edgecolor="0.65", lw=0)
    if finite.sum() > 3 and min(map(len, plane.ticks)) > 1:
        triangles = Triangulation(*plane.places.T)
        triangles.set_mask(~finite[triangles.triangles].all(axis=1))
        if not np.all(triangles.mask):
            values = np.log10(np.where(finite, np.maximum(delay, 1), 1))
            lines = axes.tricontour(triangles, values, np.log10(_DELAYS), colors="white", linewidths=1.2)
            texts = axes.clabel(lines, fmt=lambda value: f"{10**value:,.0f}", fontsize=7)
            lines.set_path_effects(_EDGE)
            for text in texts:
                text.set_path_effects(_EDGE)
            contours = any(np.size(path.vertices) for path in lines.get_paths())
    axes.figure.colorbar(image, ax=axes, label="median delay: steps from train to test accuracy", shrink=0.9)
    axes.set_title("delay of generalisation (grey: most runs have none)")
    plane.label(axes)
    return contours


def _draw_boundaries(axes: Axes, boundaries: Sequence[Boundary], plane: _Plane) -> int:
    """Positions and intervals along x (along y where x has categories) where
    generalising points border on others; returns how many there are.
    """
    n_drawn = 0
    along = 0 if plane.axes[0].is_number else 1
    axis, across = plane.axes[along], plane.axes[1 - along]
    for found in boundaries:
        sides = (found.before, found.after)
        crossing = UNDECIDED not in sides and (found.before in GENERALISING) != (found.after in GENERALISING)
        if found.along != axis.field or not crossing:
            continue
        low, place, high = (_place(axis, value) for value in (found.low, found.position, found.high))
        at = _place(across, found.at[across.field])
        bars: Any = {("xerr", "yerr")[along]: [[place - low], [high - place]]}
        where = (place, at) if along == 0 else (at, place)
        axes.errorbar(*where, **bars, fmt="o", ms=4, lw=1.2, capsize=2, color=VERMILION, clip_on=False)
        n_drawn += 1
    return n_drawn


class _Plane:
    """The points of a diagram in the units of its axes, each with the patch of the
    plane that it stands for.
    """

    def __init__(self, cells: pd.DataFrame, axes: Sequence[Axis]):
        self.cells, self.axes = cells, axes
        columns = [[_place(axis, value) for value in cells[name]] for name, axis in zip("xy", axes, strict=True)]
        self.places = np.array(columns).T  # (n, 2)
        self.ticks = [np.unique(column) for column in columns]
        self.regular = len(cells) == len(self.ticks[0]) * len(self.ticks[1])
        self._edges = [_edges(ticks) for ticks in self.ticks]
        index = [np.searchsorted(ticks, column) for ticks, column in zip(self.ticks, columns, strict=True)]
        self._index = np.array(index)
        self.corners = np.array([edges[i] for edges, i in zip(self._edges, index, strict=True)]).T  # lower left ones
        self.sizes = np.array([np.diff(edges)[i] for edges, i in zip(self._edges, index, strict=True)]).T

    def roomy(self) -> np.ndarray:
        """bool (n,): whether a letter with a share below it overlaps with no other
        point's, nor with its own bar.
        """
        unit = np.array([edges[-1] - edges[0] for edges in self._edges]) * _SHARE_ROOM
        nearest = KDTree(self.places / unit).query(self.places / unit, k=2, p=np.inf)[0][:, 1]  # inf if there is none
        return (nearest >= 1) & (self.places[:, 1] - self.corners[:, 1] >= unit[1] / 2)

    def fill(self, axes: Axes, values: np.ndarray, **options):
        """Each patch in the colour of its value: the cells of a regular grid, else all
        that is nearest to a point.
        """
        x, y = self._edges
        if self.regular:
            table = np.full((len(y) - 1, len(x) - 1), np.nan)
            table[self._index[1], self._index[0]] = values
        else:
            x, y = (np.linspace(edges[0], edges[-1], _RASTER + 1) for edges in self._edges)
            centres = np.stack(np.meshgrid((x[1:] + x[:-1]) / 2, (y[1:] + y[:-1]) / 2), axis=-1)
            step = [np.diff(ticks).max(initial=0) or 1 for ticks in self.ticks]
            nearest = KDTree(self.places / step).query(centres / step)[1]
            table = values[nearest]
        return axes.pcolormesh(x, y, table, rasterized=True, **options)

    def hatch(self, axes: Axes, which: ArrayLike, **look: Any) -> None:
        """The patches of some points, in a regular grid."""
        for corner, (width, height), here in zip(self.corners, self.sizes, np.asarray(which), strict=True):
            if here and self.regular:
                axes.add_patch(Rectangle(corner, width, height, fill=False, **look))

    def label(self, axes: Axes) -> None:
        for which, axis, ticks in zip((axes.xaxis, axes.yaxis), self.axes, self.ticks, strict=True):
            which.set_label_text(axis.label or axis.field.replace("_", " "))
            if axis.is_number and axis.log:
                whole = np.arange(np.ceil(ticks[0] - 1e-6), ticks[-1] + 1e-6)
                if len(whole) > 1:
                    which.set_ticks(whole, [f"$10^{{{place:.0f}}}$" for place in whole])
                    continue
            # those of the first grid: refined values may be too close for their labels
            which.set_ticks([_place(axis, value) for value in axis.values], [_text(value) for value in axis.values])


def _place(axis: Axis, value: Any) -> float:
    """Where a value is drawn: at its position, or evenly spaced on an axis with both
    narrow and wide steps.
    """
    steps = np.diff([axis.position(known) for known in axis.values])
    if not axis.is_number or axis.log or len(steps) == 0 or steps.max() < _UNEVEN * steps.min():
        return axis.position(value)
    return float(np.interp(value, axis.values, np.arange(len(axis.values))))


def _seeds(cells: pd.DataFrame) -> str:
    """Whose phases the points have."""
    n_seeds, most = cells["n"].min(), cells["n"].max()
    return "one seed" if most == 1 else f"majority of {n_seeds}" + (f" to {most}" if most > n_seeds else "") + " seeds"


def _text(value: Any) -> str:
    if value is None:
        return "full"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _edges(ticks: np.ndarray) -> np.ndarray:
    """Borders halfway between neighbours."""
    if len(ticks) == 1:
        return np.array([ticks[0] - 0.5, ticks[0] + 0.5])
    middle = (ticks[1:] + ticks[:-1]) / 2
    return np.concatenate(([2 * ticks[0] - middle[0]], middle, [2 * ticks[-1] - middle[-1]]))
