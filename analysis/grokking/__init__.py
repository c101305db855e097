"""Measures of grokking: how well they foretell it, when they move, those of files."""
