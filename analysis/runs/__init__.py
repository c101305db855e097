"""Getting the experiments: named grids, the sweep that trains what is missing, and the
store that keeps it.
"""
