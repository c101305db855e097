"""Property tests repeat exactly, and have no deadline that numba's first compile would miss."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch reads it: small tensors only lose by more threads

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50, database=None)
settings.load_profile("repeatable")
