"""How a record of arrays shows itself: on one line, or in a table of a notebook,
whatever it holds.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from efftheory._html import page


def short(self: Any) -> str:
    """The fields of a dataclass, arrays by their type and shape only: its `__repr__`.
    Functions are left out.
    """
    return f"{type(self).__name__}({', '.join(f'{name}={_shown(value)}' for name, value in _fields(self))})"


def table(self: Any) -> str:
    """The same as a table: its `_repr_html_`."""
    return page(type(self).__name__, [(name.replace("_", " "), _said(value)) for name, value in _fields(self)])


def _fields(self: Any) -> list[tuple[str, Any]]:
    values = [(one.name, getattr(self, one.name)) for one in fields(self)]
    return [(name, value) for name, value in values if not callable(value)]


def _said(value: Any) -> str:
    """Numbers by what matters of their digits, words as they are."""
    if isinstance(value, tuple):
        return f"({', '.join(map(_said, value))})"
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else _shown(value)


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    return f"{len(value)} strings" if isinstance(value, tuple) and value and isinstance(value[0], str) else repr(value)
