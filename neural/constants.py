"""Thresholds of the paper."""

ACCURACY_THRESHOLD = 0.9  # table 1
RQI_THRESHOLD = 0.95  # "high", section 3.1
