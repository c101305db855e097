"""Measures of what a network has learned: functions of arrays, which know no experiment
and no network. Anybody's embedding matrix will do.
"""
