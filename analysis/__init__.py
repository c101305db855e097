"""Do theory and networks agree? What stands directly here, a person can type: python -m analysis.NAME."""

from efftheory import _interrupt as _interrupt  # Ctrl-C while the rest is imported
