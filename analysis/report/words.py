"""Targets, numbers, their intervals and what these decide, as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

TARGETS_IN_WORDS = {
    "rqi": "RQI > 0.95",
    "train": "train accuracy 0.9",
    "test": "test accuracy 0.9",
    "learned_rqi": "RQI > 0.95 and train accuracy 0.9",
    "learned_test": "test and train accuracy 0.9",
    "train_99": "train accuracy 0.99",
    "test_95": "test accuracy 0.95",
}

NOT_CERTAIN = "not certain"
Bounds = Sequence[float | None] | None  # of an interval; None: there is none


def surely_above(value: float, bounds: Bounds) -> bool:
    """Whether all of an interval is above `value`.

    A bound that is None is not known: nothing limits the interval there.
    """
    return bounds is not None and bounds[0] is not None and bounds[0] > value


def surely_below(value: float, bounds: Bounds) -> bool:
    """Whether all of it is below."""
    return bounds is not None and bounds[1] is not None and bounds[1] < value


def judged(
    bounds: Bounds,
    band: tuple[float, float],
    *,
    below: str,
    above: str,
    within: str | None = None,
    otherwise: str = NOT_CERTAIN,
) -> str:
    """The verdict of an interval: it holds only where all of the interval does.

    `below`, `above`: no point of the interval is in the band. `within`: all of them
    are, the ends of the band counted. `otherwise`: all else, and where there is no
    interval. A band of one number, twice, is a threshold, and has no `within`.
    """
    if surely_below(band[0], bounds):
        return below
    if surely_above(band[1], bounds):
        return above
    low, high = bounds or (None, None)
    if within is not None and low is not None and high is not None and band[0] <= low and high <= band[1]:
        return within
    return otherwise


def words(target: str) -> str:
    """A target, as in `steps_to_...`."""
    metric, _, percent = target.partition("_")
    return TARGETS_IN_WORDS.get(target, f"{metric} accuracy {int(percent) / 100:g}" if percent.isdigit() else target)


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
