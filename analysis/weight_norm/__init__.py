"""Grokking by weight norm: landscapes at constant norm, and what moves on them."""
