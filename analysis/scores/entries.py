"""What a score is made of: plain numbers under names, as JSON has them."""

from __future__ import annotations

import math
from typing import Any

Entry = dict[str, Any]


def number(value: float) -> float | None:
    """None for nan and inf, which JSON does not have."""
    return float(value) if math.isfinite(value) else None
