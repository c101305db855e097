"""Processes beside this one: Ctrl-C reaches the command alone, which ends them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def quiet_children() -> Iterator[None]:
    """Processes started here never see Ctrl-C; one meanwhile is answered at the end.
    Python's resource tracker does not say that it frees what a killed one left.
    """
    if threading.current_thread() is not threading.main_thread():  # only there can signals be set
        yield
        return
    pressed: list[int] = []
    warnings = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = "ignore:resource_tracker" if warnings is None else warnings
    resource_tracker.ensure_running()  # at its start it would unblock what is blocked below
    handler = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    mask = getattr(signal, "pthread_sigmask", lambda how, signals: signals)  # Windows has none
    blocked = mask(getattr(signal, "SIG_BLOCK", 0), {signal.SIGINT})  # a child inherits this, also through exec
    try:
        yield
    finally:
        mask(getattr(signal, "SIG_SETMASK", 0), blocked)
        signal.signal(signal.SIGINT, handler)
        if warnings is None:
            del os.environ["PYTHONWARNINGS"]
        if pressed:
            signal.raise_signal(signal.SIGINT)
