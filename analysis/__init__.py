"""Do theory and networks agree? What stands directly here, a person can type: python -m analysis.NAME."""
