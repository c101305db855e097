"""Watch anybody's training loop: what a network is like while it learns, in a file."""

from analysis.watch.file import read_looks
from analysis.watch.loop import Watch

__all__ = ["Watch", "read_looks"]
