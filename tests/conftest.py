"""Property tests repeat exactly, and have no deadline that numba's first compile would
miss.
"""

import os
import signal

os.environ["OMP_NUM_THREADS"] = "1"  # before torch reads it: small tensors only lose by more threads

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so it is in a script's background: no test could press Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50, database=None)
settings.load_profile("repeatable")
