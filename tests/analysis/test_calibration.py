"""The calibration error on a case that can be done by hand, and its bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.scores.calibration import N_BINS, bins, calibration_error


def test_by_hand():
    runs = [0.25, 0.25, 0.25, 0.25, 1.0], [True, False, False, False, False]
    assert calibration_error(*runs) == pytest.approx(0.2)  # the first four are calibrated, the last is off by 1
    assert [(one.predicted, one.measured, one.n) for one in bins(*runs)] == [(0.25, 0.25, 4), (1.0, 0.0, 1)]


@given(st.lists(st.tuples(st.integers(0, 24), st.booleans()), min_size=1, max_size=30))
def test_equals_a_loop_over_bins(runs):
    """Reveals a wrong edge (each bin has its lower one, the last one both) or weight;
    Jensen, group by group: the squared error never exceeds the Brier score.
    """
    p = [count / 24 for count, _ in runs]
    y = [outcome for _, outcome in runs]
    error = 0.0
    for number in range(N_BINS):
        here = [k for k, (count, _) in enumerate(runs) if min(count * N_BINS // 24, N_BINS - 1) == number]
        error += abs(sum(p[k] - y[k] for k in here))
    assert calibration_error(p, y) == pytest.approx(error / len(runs))
    assert sum(one.n for one in bins(p, y)) == len(runs)
    assert calibration_error(p, y) ** 2 <= sum((a - b) ** 2 for a, b in zip(p, y, strict=True)) / len(runs) + 1e-12
