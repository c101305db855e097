"""Training what is missing, in worker processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time

import pytest

from analysis.runs.store import RunStore
from analysis.runs.sweep import WorkerError, ensure
from neural import RunConfig


def test_nothing_missing_starts_nothing(store, configs):
    assert ensure(configs, store, "cpu") == 0


def test_a_dead_worker_is_one_clear_error_and_loses_no_finished_run(tmp_path, histories):
    """A worker killed from outside (out of memory, say) must not hang the driver."""

    def kill_a_worker() -> None:
        while not multiprocessing.active_children():
            time.sleep(0.01)
        os.kill(multiprocessing.active_children()[0].pid or 0, signal.SIGKILL)

    with RunStore(tmp_path / "runs.sqlite") as store:
        store.add(histories[0], "cpu", "test")
        killer = threading.Thread(target=kill_a_worker)
        killer.start()
        with pytest.raises(WorkerError, match="exit status -9"):
            ensure([RunConfig(budget=200)], store, "cpu")
        killer.join()
        assert store.missing([histories[0].config]) == []
