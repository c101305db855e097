"""How a record shows itself in a notebook: as `efftheory/_html.py` says, which this
package may not import. A test holds that they are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

# After Okabe and Ito: told apart with any colour vision, and once more by dashes.
BLUE, ORANGE, GREEN, VERMILION, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9"
_STYLES = ((BLUE, ""), (ORANGE, "6 3"), (GREEN, "2 3"), (VERMILION, "8 3 2 3"))
_WIDTH, _HEIGHT, _LEFT, _TOP = 300, 150, 48, 16  # of the box of a plot, in pixels, and where it begins


class Line(NamedTuple):
    """What is drawn: a curve, or marks of this size."""

    name: str
    x: ArrayLike
    y: ArrayLike
    size: float = 0.0


def page(title: str, rows: Iterable[tuple[str, Any]], picture: str = "") -> str:
    """A table with a title, and a picture to its right."""
    left = 'style="text-align:left"'
    cells = [f"<tr><th {left}>{text(name)}</th><td {left}>{text(value)}</td></tr>" for name, value in rows]
    table = f"<table><caption {left}>{text(title)}</caption>{''.join(cells)}</table>"
    return f'<div style="display:flex;flex-wrap:wrap;gap:2em;align-items:flex-start">{table}{picture}</div>'


def text(value: Any) -> str:
    """A value as text of a page, with its control characters as escape sequences."""
    return escape("".join(one if one.isprintable() else repr(one)[1:-1] for one in str(value)))


def plot(lines: Sequence[Line], x: str, y: str, *, x_log: bool = True, y_log: bool = False) -> str:
    """Curves and marks over x; y is a share, or positive and on a logarithmic axis, at
    whose foot stands what is 0. A logarithmic x begins at the smallest that is
    positive. "" where there is nothing to draw.
    """
    if not lines:
        return ""
    known = [(np.asarray(one.x, float), np.asarray(one.y, float)) for one in lines]
    every_x, every_y = (np.concatenate([pair[axis] for pair in known]) for axis in (0, 1))
    every_x, every_y = every_x[np.isfinite(every_x)], every_y[np.isfinite(every_y)]
    if not (len(every_x) and len(every_y)):
        return ""
    x_low, x_high = _limits(every_x, x_log, every_x.min(), every_x.max())
    y_low, y_high = _limits(every_y, y_log, 0.0, max(1.0, every_y.max()))
    drawn, legend, at = [], [], _LEFT
    for one, (across, up), (colour, dashes) in zip(lines, known, _STYLES, strict=False):
        place = _LEFT + _WIDTH * _share(across, x_low, x_high, x_log)
        height = _TOP + 8 + _HEIGHT * (1 - _share(up, y_low, y_high, y_log)) + np.where(y_log & (up <= 0), 10, 0)
        style = f'stroke="{colour}" stroke-linecap="round" stroke-width="{one.size or 2}"'
        style += f' stroke-dasharray="{dashes}"' if dashes and not one.size else ""
        drawn.append(f'<path d="{_path(place, height, bool(one.size))}" fill="none" {style}/>')
        legend.append(f'<path d="M{at} 8h{0 if one.size else 18}" {style}/>{words(at + 24, 12, one.name)}')
        at += 36 + 6 * len(one.name)
    bottom = _TOP + _HEIGHT + 16
    axes = f'<path d="M{_LEFT} {_TOP}V{bottom}H{_LEFT + _WIDTH}" fill="none" stroke="currentColor"/>'
    marks = words(_LEFT - 4, _TOP + 12, f"{y_high:.3g}", "end") + words(_LEFT - 4, bottom - 4, f"{y_low:.3g}", "end")
    marks += words(_LEFT, bottom + 14, f"{x_low:.4g}") + words(_LEFT + _WIDTH, bottom + 14, f"{x_high:.4g}", "end")
    marks += words(_LEFT + _WIDTH / 2, bottom + 14, x, "middle")
    label = f"{y} over {x}"
    return svg(max(_LEFT + _WIDTH + 8, at), bottom + 20, label, "".join([axes, marks, *drawn, *legend]))


def relative(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """In units of the first of them; nan where that is 0."""
    return values / (values[0] or np.nan)


def _limits(values: NDArray[np.float64], log: bool, low: float, high: float) -> tuple[float, float]:
    if log:
        positive = values[values > 0]
        low, high = (positive.min(), positive.max()) if len(positive) else (1.0, 1.0)
    return float(low), float(high)


def _share(values: NDArray[np.float64], low: float, high: float, log: bool) -> NDArray[np.float64]:
    """Where values are between low and high, 0..1."""
    values = np.clip(values, low, high)
    if log:
        values, low, high = np.log(values), np.log(low), np.log(high)
    return (values - low) / (high - low) if high > low else 0 * values


def _path(x: NDArray[np.float64], y: NDArray[np.float64], marks: bool) -> str:
    """The path through the points that are finite, at most one in 2 pixels, or a mark
    at each.
    """
    keep = np.isfinite(x) & np.isfinite(y)
    if not marks:
        column = np.round(x, 0) // 2
        keep &= np.append(column[:-1] != column[1:], True)
    after_gap = ~(np.isfinite(x) & np.isfinite(y))
    parts, pen = [], "M"
    for k in range(len(x)):
        if keep[k]:
            parts.append(f"{pen}{x[k]:.0f} {y[k]:.1f}{'h0' if marks else ''}")
            pen = "M" if marks else "L"
        elif after_gap[k]:
            pen = "M"
    return "".join(parts)


def words(x: float, y: float, value: str, anchor: str = "start") -> str:
    """Text in a picture."""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{text(value)}</text>'


def svg(width: int, height: int, label: str, content: str) -> str:
    """A picture, and what it shows in words for who cannot see it."""
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    about = f'role="img" aria-label="{text(label)}" fill="currentColor" font-size="11"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {about}>{content}</svg>'
