"""Brier score and calibration error on cases that can be done by hand, and their
bounds.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.scores.calibration import N_BINS, calibrate


def test_by_hand():
    result = calibrate([0.25, 0.25, 0.25, 0.25, 1.0], [True, False, False, False, False])
    assert result.brier == pytest.approx((0.75**2 + 3 * 0.25**2 + 1) / 5)
    assert result.calibration_error == pytest.approx(0.2)  # the first four are calibrated, the last is off by 1
    assert result.mean_measured == pytest.approx(0.2)
    assert result.mean_predicted == pytest.approx(0.4)
    assert [(bin.predicted, bin.measured, bin.n) for bin in result.bins] == [(0.25, 0.25, 4), (1.0, 0.0, 1)]


@given(st.lists(st.tuples(st.integers(0, 24), st.booleans()), min_size=1, max_size=30))
def test_equals_a_loop_over_bins(runs):
    """Reveals a wrong edge (each bin has its lower one, the last one both) or
    weight.
    """
    p = [count / 24 for count, _ in runs]
    y = [outcome for _, outcome in runs]
    error = 0.0
    for number in range(N_BINS):
        here = [k for k, (count, _) in enumerate(runs) if min(count * N_BINS // 24, N_BINS - 1) == number]
        error += abs(sum(p[k] - y[k] for k in here))
    result = calibrate(p, y)
    assert result.calibration_error == pytest.approx(error / len(runs))
    assert result.brier == pytest.approx(sum((a - b) ** 2 for a, b in zip(p, y, strict=True)) / len(runs))
    assert sum(bin.n for bin in result.bins) == result.n == len(runs)


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.booleans()), min_size=1, max_size=30))
def test_bounds(runs):
    predicted, outcome = zip(*runs, strict=True)
    result = calibrate(predicted, outcome)
    assert 0 <= result.brier <= 1
    assert result.calibration_error <= 1
    # the base rate is the best constant
    constant = calibrate(np.full(len(outcome), 0.37), outcome)
    assert constant.brier >= result.brier_base_rate - 1e-12
    # Jensen, group by group: squared calibration gap never exceeds the Brier score
    assert result.calibration_error**2 <= result.brier + 1e-12
