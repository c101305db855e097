"""The effective theory meets addition modulo p."""
