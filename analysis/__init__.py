"""Do theory and networks agree? A package an experiment: python -m analysis.NAME.

Each has its command in `__main__.py`, beside what that computes, its page and its
pictures.
"""

from efftheory import _start as _start  # before the rest, which takes a while
