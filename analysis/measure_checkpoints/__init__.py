"""The measures of anybody's checkpoints: arrays in files, a step in each name."""
