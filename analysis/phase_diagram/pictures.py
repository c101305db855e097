"""A phase diagram as a picture: what was measured, point by point, and beside it what
was predicted.

Nothing is smoothed or filled in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.tri import Triangulation
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import KDTree

from analysis.report.look import BLUE, LOOK, ORANGE, VERMILION
from analysis.runs.phases import COLOURS, GENERALISING, LETTERS, PHASES, UNDECIDED
from analysis.runs.plan import Axis

_LOOK: Any = LOOK | {"axes.grid": False}
_EDGE: Any = [withStroke(linewidth=2, foreground="0.25")]  # around what is white
_ANSWERS = {
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
_FEW = 300  # points, that have letters


def phase_diagram(cells: pd.DataFrame, boundaries: pd.DataFrame, axes: Sequence[Axis], title: str) -> Figure:
    """Phases with their agreement; delays, contours and edges of generalisation."""
    with mpl.rc_context(_LOOK):
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
    they differ, the letter of the predicted one below that of the measured one. A point
    without a phase is neither equal nor not.
    """
    decided = expected["measured"] != UNDECIDED
    differs = decided & (expected["measured"] != expected["majority"])
    equal, border, elsewhere, undecided = _ANSWERS
    answers = np.where(differs, np.where(expected["touches"], border, elsewhere), np.where(decided, equal, undecided))
    letters = expected["measured"].map(LETTERS) + "\n" + expected["majority"].map(LETTERS)
    with mpl.rc_context(_LOOK):
        figure = Figure(figsize=(15, 5.4))
        left, middle, right = figure.subplots(1, 3)
        for panel, table, what in ((left, cells, "measured"), (middle, expected, "predicted without training")):
            draw_phases(panel, table, axes)
            panel.set_title(f"{what}, {_seeds(cells)}")
        plane = _Plane(expected, axes)
        plane.paint(right, answers, _ANSWERS, letters.where(differs & plane.roomy(), ""))
        n = decided.sum()
        right.set_title(f"equal at {n - differs.sum()} of {n} points (letters: measured above predicted)")
        met = {label: colour for label, colour in _ANSWERS.items() if label in answers}
        _legend_below(figure, [*legend(pd.concat([cells, expected])), *_patches(met)], 8)
        figure.suptitle(title, fontsize="medium")
    return figure


def success_maps(expected: pd.DataFrame, axes: Sequence[Axis]) -> Figure:
    """Measured and predicted shares of runs that generalise, or have RQI > 0.95."""
    with mpl.rc_context(_LOOK):
        figure = Figure(figsize=(10.5, 9))
        plane, panels = _Plane(expected, axes), figure.subplots(2, 2)
        for row, name, what in zip(panels, ("test", "rqi"), ("generalise", "have RQI > 0.95"), strict=True):
            for panel, prefix, title in zip(row, ("measured_", ""), ("measured", "predicted"), strict=True):
                plane.fill(panel, expected[f"{prefix}{name}_share"], cmap=_SHARES.cmap, norm=_SHARES.norm)
                plane.label(panel)
                panel.set_title(f"{title}: runs that {what}")
        figure.colorbar(_SHARES, ax=panels, label="share of the runs (predicted: of runs and draws)", shrink=0.6)
    return figure


def legend(cells: pd.DataFrame) -> list[Patch]:
    """A patch a phase that occurs in `cells`, and one for undecided points."""
    names = [name for name in PHASES if cells[name].sum() > 0]
    names += [UNDECIDED] * bool((cells["majority"] == UNDECIDED).any())
    return _patches({f"{LETTERS[name]}  {name}": COLOURS[name] for name in names})


def _patches(colours: Mapping[str, str]) -> list[Patch]:
    """By label; what is undecided is hatched."""
    looks: Any = {COLOURS[UNDECIDED]: {"hatch": "////", "edgecolor": "0.6", "lw": 0}}
    usual = {"edgecolor": "0.5"}
    return [Patch(facecolor=one, label=label, **looks.get(one, usual)) for label, one in colours.items()]


def _legend_below(figure: Figure, handles: Sequence[Patch | Line2D], most: int) -> None:
    """In two rows where there are more than `most`, which have room in one."""
    n = len(handles)
    figure.legend(handles=handles, loc="outside lower center", ncols=n if n <= most else (n + 1) // 2)


def draw_phases(axes: Axes, cells: pd.DataFrame, plane_axes: Sequence[Axis]) -> None:
    """Majorities; where the seeds disagree, a bar and the share; undecided: hatched."""
    plane, majority, rows = _Plane(cells, plane_axes), cells["majority"], cells.to_dict("records")
    shares = pd.Series([f"\n{row.get(row['majority'])}/{row['n']}" for row in rows])
    shown = plane.roomy() & (cells["agreement"] < 1) & (majority != UNDECIDED)
    letters = majority.map(LETTERS) + shares.where(shown, "")
    plane.paint(axes, majority, COLOURS, letters if len(cells) <= _FEW else [""] * len(cells))
    for (_, y), (west, south), (width, _), row in zip(plane.places, plane.corners, plane.sizes, rows, strict=True):
        left, span, height = west + 0.1 * width, 0.8 * width / row["n"], y - south
        for name in PHASES if row["agreement"] < 1 else ():
            corner, size = (left, south + 0.08 * height), (span * row[name], 0.26 * height)
            ink = _ink(COLOURS[row["majority"]])
            axes.add_patch(Rectangle(corner, *size, facecolor=COLOURS[name], edgecolor=ink, lw=0.4))
            left += span * row[name]


def _ink(colour: str) -> str:
    """What can be read on a colour."""
    return "white" if colour in (COLOURS["memorisation"], COLOURS["confusion"], BLUE) else "0.15"


def _draw_delay(axes: Axes, plane: _Plane) -> bool:
    """Median delays, hatched where most runs have none; whether there are contours."""
    delay = plane.cells["delay"].to_numpy()
    finite = np.isfinite(delay)
    axes.set_facecolor("0.85")
    shown = np.where(finite, np.maximum(delay, 1), np.nan)  # test before train, too, is no delay
    top = max(np.nanmax(shown, initial=1e4), 1e4)
    image = plane.fill(axes, shown, cmap=colormaps["cividis"], norm=LogNorm(1, top))
    plane.hatch(axes, ~finite, "0.65")
    contours = _draw_contours(axes, plane, shown)
    axes.figure.colorbar(image, ax=axes, label="median delay: steps from train to test accuracy", shrink=0.9)
    axes.set_title("delay of generalisation (grey: most runs have none)")
    plane.label(axes)
    return contours


def _draw_contours(axes: Axes, plane: _Plane, delay: NDArray[np.float64]) -> bool:
    """Those of the powers of ten between points that have a delay, if there are any."""
    finite = np.isfinite(delay)
    if finite.sum() <= 3 or min(map(len, plane.ticks)) == 1:
        return False
    triangles = Triangulation(*plane.places.T)
    triangles.set_mask(~finite[triangles.triangles].all(axis=1))
    if np.all(triangles.mask):
        return False
    values = np.log10(np.where(finite, delay, 1))
    lines = axes.tricontour(triangles, values, np.log10(_DELAYS), colors="white", linewidths=1.2)
    for one in (lines, *axes.clabel(lines, fmt=lambda value: f"{10**value:,.0f}", fontsize=7)):
        one.set_path_effects(_EDGE)
    return any(np.size(path.vertices) for path in lines.get_paths())


def _draw_boundaries(axes: Axes, boundaries: pd.DataFrame, plane: _Plane) -> bool:
    """Edges of generalisation along x (y for categories); whether there are any."""
    along = 0 if plane.axes[0].is_number else 1
    axis, across = plane.axes[along], plane.axes[1 - along]
    sides = boundaries[["phase", "other"]]
    crossing = (sides.isin(GENERALISING).sum(axis=1) == 1) & (sides != UNDECIDED).all(axis=1)
    found = boundaries[crossing & (boundaries["along"] == axis.field)]
    low, place, high = (np.array([_place(axis, at) for at in found[name]]) for name in ("low", "value", "high"))
    x, y = [place, [_place(across, at) for at in found["at"]]][:: 1 - 2 * along]
    error: Any = {("xerr", "yerr")[along]: [place - low, high - place]}
    if len(found):
        axes.errorbar(x, y, **error, fmt="o", ms=4, lw=1.2, capsize=2, color=VERMILION, clip_on=False)
    return len(found) > 0


class _Plane:
    """The points in the units of the axes, each with its patch of the plane."""

    def __init__(self, cells: pd.DataFrame, axes: Sequence[Axis]):
        self.cells, self.axes = cells, axes
        columns = [[_place(axis, value) for value in cells[name]] for name, axis in zip("xy", axes, strict=True)]
        self.places = np.array(columns).T  # (n, 2)
        self.ticks, self._index = zip(*(np.unique(column, return_inverse=True) for column in columns), strict=True)
        self.regular = len(cells) == len(self.ticks[0]) * len(self.ticks[1])
        self._edges = [_edges(ticks) for ticks in self.ticks]
        patches = list(zip(self._edges, self._index, strict=True))
        self.corners = np.array([edges[i] for edges, i in patches]).T  # lower left ones
        self.sizes = np.array([np.diff(edges)[i] for edges, i in patches]).T

    def roomy(self) -> NDArray[np.bool_]:
        """bool (n,): whether a letter with a share below it overlaps with no other
        point's, nor with its own bar.
        """
        unit = np.array([edges[-1] - edges[0] for edges in self._edges]) * _SHARE_ROOM
        nearest = KDTree(self.places / unit).query(self.places / unit, k=2, p=np.inf)[0][:, 1]  # inf if there is none
        return (nearest >= 1) & (self.places[:, 1] - self.corners[:, 1] >= unit[1] / 2)

    def _raster(self, values: ArrayLike) -> tuple[NDArray, NDArray, NDArray]:
        """Edges along x and y, and between them the values of the nearest points."""
        x, y = self._edges
        values = np.asarray(values)
        if self.regular:
            table = np.full((len(y) - 1, len(x) - 1), np.nan)
            table[self._index[1], self._index[0]] = values
            return x, y, table
        x, y = (np.linspace(edges[0], edges[-1], _RASTER + 1) for edges in self._edges)
        centres = np.stack(np.meshgrid((x[1:] + x[:-1]) / 2, (y[1:] + y[:-1]) / 2), axis=-1)
        step = [np.diff(ticks).max(initial=0) or 1 for ticks in self.ticks]
        return x, y, values[KDTree(self.places / step).query(centres / step)[1]]

    def fill(self, axes: Axes, values: ArrayLike, **options: Any) -> Any:
        """Each patch in the colour of its value."""
        return axes.pcolormesh(*self._raster(values), rasterized=True, **options)

    def paint(self, axes: Axes, names: Iterable[str], colours: Mapping[str, str], texts: Iterable[str]) -> None:
        """Each patch in the colour of its name, with a text; white is hatched."""
        found = [colours[name] for name in names]
        codes = [[*colours.values()].index(colour) for colour in found]
        self.fill(axes, codes, cmap=ListedColormap([*colours.values()]), vmin=-0.5, vmax=len(colours) - 0.5)
        self.hatch(axes, np.array(found) == COLOURS[UNDECIDED], "0.6")
        for (x, y), colour, text in zip(self.places, found, texts, strict=True):
            if text:
                axes.text(x, y, text, color=_ink(colour), ha="center", va="center", fontsize=6.5, linespacing=1.2)
        self.label(axes)

    def hatch(self, axes: Axes, which: NDArray[np.bool_], colour: str) -> None:
        """The patches of some points."""
        if self.regular:
            for corner, size in zip(self.corners[which], self.sizes[which], strict=True):
                axes.add_patch(Rectangle(corner, *size, fill=False, hatch="////", edgecolor=colour, lw=0))
        elif which.any():
            x, y, table = self._raster(which.astype(float))
            centres = ((edges[1:] + edges[:-1]) / 2 for edges in (x, y))
            area = axes.contourf(*centres, table, [0.5, 1.5], colors="none", hatches=["////"])
            area.set(edgecolor=colour, linewidth=0)

    def label(self, axes: Axes) -> None:
        for which, axis, ticks in zip((axes.xaxis, axes.yaxis), self.axes, self.ticks, strict=True):
            which.set_label_text(axis.label or axis.field.replace("_", " "))
            whole = np.arange(np.ceil(ticks[0] - 1e-6), ticks[-1] + 1e-6)
            if axis.is_number and axis.log and len(whole) > 1:
                which.set_ticks(whole, [f"$10^{{{place:.0f}}}$" for place in whole])
            else:  # those of the first grid: refined values may be too close for their labels
                texts = [
                    "full" if one is None else f"{one:.4g}" if type(one) is float else f"{one}" for one in axis.values
                ]
                which.set_ticks([_place(axis, value) for value in axis.values], texts)


def _place(axis: Axis, value: Any) -> float:
    """Its position; evenly spaced on an axis with both narrow and wide steps."""
    steps = np.diff([axis.position(known) for known in axis.values])
    if not axis.is_number or axis.log or len(steps) == 0 or steps.max() < _UNEVEN * steps.min():
        return axis.position(value)
    return float(np.interp(value, axis.values, np.arange(len(axis.values))))


def _seeds(cells: pd.DataFrame) -> str:
    """Whose phases the points have."""
    n_seeds, most = cells["n"].min(), cells["n"].max()
    return "one seed" if most == 1 else f"majority of {n_seeds}" + (f" to {most}" if most > n_seeds else "") + " seeds"


def _edges(ticks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Borders halfway between neighbours."""
    if len(ticks) == 1:
        return ticks[0] + np.array([-0.5, 0.5])
    middle = (ticks[1:] + ticks[:-1]) / 2
    return np.concatenate(([2 * ticks[0] - middle[0]], middle, [2 * ticks[-1] - middle[-1]]))
