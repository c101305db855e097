"""What to do about runs that fail."""
