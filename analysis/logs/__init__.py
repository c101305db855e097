"""Logs of anybody's training runs, read."""
