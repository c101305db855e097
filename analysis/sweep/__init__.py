"""A grid of runs, kept in the store."""
