"""Measures of grokking: how well they foretell it, when they move, and those of files."""
