"""How a record of arrays shows itself: on one line, whatever it holds."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np


def short(self: Any) -> str:
    """The fields of a dataclass, arrays by their type and shape only: its `__repr__`.
    Functions are left out.
    """
    values = [(one.name, getattr(self, one.name)) for one in fields(self)]
    shown = [f"{name}={_shown(value)}" for name, value in values if not callable(value)]
    return f"{type(self).__name__}({', '.join(shown)})"


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    return f"{len(value)} strings" if isinstance(value, tuple) and value and isinstance(value[0], str) else repr(value)
