"""Brier score and calibration error on cases that can be done by hand, and their bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.agreement.calibration import calibrate


def test_by_hand():
    result = calibrate([0.25, 0.25, 0.25, 0.25, 1.0], [True, False, False, False, False])
    assert result.brier == pytest.approx((0.75**2 + 3 * 0.25**2 + 1) / 5)
    assert result.calibration_error == pytest.approx(0.2)  # the first four are calibrated, the last is off by 1
    assert result.mean_measured == pytest.approx(0.2)
    assert result.mean_predicted == pytest.approx(0.4)


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
