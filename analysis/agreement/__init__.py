"""Holding theory against experiment: predictions on the runs' own training sets, and the statistics of
agreement.
"""
