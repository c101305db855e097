"""All numbers of the size law."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.critical_size.page import verdict
from analysis.critical_size.records import Size, Study
from analysis.critical_size.size_law import collapse, estimate, resampled, score_bounds, score_laws, slopes


def study(
    thresholds: dict[int, list[int]],
    bounds: dict[int, list[tuple[int, int, bool]]],
    seed: int,
    environment: dict[str, Any],
) -> Study:
    """The report on the draws of each p, that were made with `seed`."""
    rng = np.random.default_rng(0)
    draws = {p: np.array(numbers) for p, numbers in thresholds.items()}
    sizes, medians = [], []
    for p, numbers in draws.items():
        boots = resampled(numbers, rng)
        medians.append(boots[:, 1])
        sizes.append(Size(**vars(estimate(p, numbers, boots)), bounds=score_bounds(bounds[p])))
    steps, laws, near = slopes(sizes), score_laws(sizes, medians), collapse(draws, rng)
    return Study(verdict(sizes, steps, laws, near), sizes, steps, laws, near, seed, environment)
