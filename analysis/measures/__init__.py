"""Measures of what a network has learned: functions of arrays, which know no experiment
and no network. Anybody's embedding matrix will do.

Arrays and numbers that are not real and finite, or not of the shape, or within the
limits, that a docstring says, are an ArgumentError.
"""
