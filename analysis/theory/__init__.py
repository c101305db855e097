"""What the theory says of given runs, without training any."""
