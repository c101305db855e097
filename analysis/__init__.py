"""Do theory and networks agree? A package an experiment: python -m analysis.NAME.

Each has its command in `__main__.py`, beside what that computes, its page and its
pictures.
"""

from efftheory import _interrupt as _interrupt  # Ctrl-C while the rest is imported
