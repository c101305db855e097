"""Property tests repeat exactly, and have no deadline that numba's first compile would
miss.
"""

import os
import signal

os.environ["OMP_NUM_THREADS"] = "1"  # before torch reads it: small tensors only lose by more threads

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so it is in a script's background: no test could press Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)

import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings
from tqdm import tqdm

settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50, database=None)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def bars(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tqdm]]:
    """The progress bars that a test has shown. One that ends without an error has
    counted to its total, in every command that any test runs.
    """
    closed: list[tqdm] = []
    short: list[str] = []
    close = tqdm.close

    def recorded(bar: tqdm) -> None:
        if not bar.disable:
            closed.append(bar)
            if sys.exc_info()[0] is None and bar.total is not None and bar.n != pytest.approx(bar.total):
                short.append(f"{bar.desc or bar.unit}: {bar.n} of {bar.total}")
        close(bar)

    monkeypatch.setattr(tqdm, "close", recorded)
    yield closed
    assert not short
