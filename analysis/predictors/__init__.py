"""What is said of a run before it is over: theories, laws, measures, null models."""
