"""Targets, numbers and their intervals as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

TARGETS_IN_WORDS = {"rqi": "RQI > 0.95", "train": "train accuracy 0.9", "test": "test accuracy 0.9"}


def short(value: float | None, form: str = ".2f") -> str:
    """A number; a dash for none."""
    return "-" if value is None else format(value, form)


def span(bounds: Sequence[float | None] | None, form: str = ".2f") -> str:
    """An interval in brackets; a dash for no bound, or no interval."""
    return "-" if bounds is None else f"[{', '.join(short(bound, form) for bound in bounds)}]"


def with_span(value: float | None, bounds: Sequence[float | None] | None, form: str = ".2f") -> str:
    """A number and its interval: 0.34 [0.33, 0.35]."""
    return f"{short(value, form)} {span(bounds, form)}"


def seed_range(seeds: Iterable[int]) -> str:
    """The seeds of runs, which follow one another: 0..7, or the only one."""
    found = sorted(seeds)
    first, last = found[0], found[-1]
    return f"{first}" if first == last else f"{first}..{last}"


def rates(entry: Mapping[str, Any]) -> str:
    """The learning rates of an entry."""
    return f"eta_r = {entry['repr_lr']:g}, eta_d = {entry['decoder_lr']:g}"
