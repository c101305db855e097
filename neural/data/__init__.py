"""Real data as arrays, or one clear line that says how to get them. Nothing is
downloaded: they come inside installed packages, or from a folder of yours, which the
environment variable EFFTHEORY_DATA names.
"""
