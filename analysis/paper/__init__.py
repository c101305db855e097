"""What only the papers' figures show, as tables."""
