"""One question a file; a ratio to a named baseline in the same run: python -m
benchmarks.NAME, or `make bench`.

The libraries' threads are pinned here, before any of them is imported; a benchmark of
threads asks torch for them.
"""

import os

for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA"):
    os.environ[f"{library}_NUM_THREADS"] = "1"
