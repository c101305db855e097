"""What only the paper's figures show, as tables."""
