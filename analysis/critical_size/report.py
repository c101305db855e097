"""All numbers of the size law."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.critical_size.page import verdict
from analysis.critical_size.size_law import collapse, estimate, resampled, score_bounds, score_laws, slopes
from analysis.statistics.entries import Entry


def study(thresholds: dict[int, list[int]], bounds: dict[int, list[tuple[int, int, bool]]]) -> dict[str, Any]:
    """Everything in the report that hangs on the draws alone."""
    rng = np.random.default_rng(0)
    draws = {p: np.array(numbers) for p, numbers in thresholds.items()}
    entries: list[Entry] = []
    medians = []
    for p, numbers in draws.items():
        boots = resampled(numbers, rng)
        medians.append(boots[:, 1])
        entries.append({**estimate(p, numbers, boots), "bounds": score_bounds(bounds[p])})
    report: dict[str, Any] = {
        "sizes": entries,
        "slopes": slopes(entries),
        "laws": score_laws(entries, medians),
        "collapse": collapse(draws, rng),
    }
    return {"verdict": verdict(report), **report}
