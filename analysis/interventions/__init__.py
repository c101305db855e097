"""Cause or company: what happens to grokking when what a theory names is taken away."""
