"""Targets, numbers, their intervals and what these decide, as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
    interval; a bound that is None is not known. A band of one number, twice, is a
    threshold, and has no `within`.
    """
    low, high = bounds or (None, None)
    if high is not None and high < band[0]:
        return below
    if low is not None and low > band[1]:
        return above
    if within is not None and low is not None and high is not None and band[0] <= low and high <= band[1]:
        return within
    return otherwise


def words(target: str) -> str:
    """A target, as in `steps_to_...`."""
    metric, _, percent = target.partition("_")
    return TARGETS_IN_WORDS.get(target, f"{metric} accuracy {int(percent) / 100:g}" if percent.isdigit() else target)


def seed_range(seeds: Iterable[int]) -> str:
    """The seeds of runs, which follow one another: 0..7, or the only one."""
    found = sorted(seeds)
    first, last = found[0], found[-1]
    return f"{first}" if first == last else f"{first}..{last}"
