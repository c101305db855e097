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
from typing import Any

import pytest
from hypothesis import settings
from tqdm import tqdm

settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50, database=None)
settings.load_profile("repeatable")


# Of two workers none should be left with a long file at the end: what takes longest
# comes first. Seconds on one core, where they are many; the others take five or so.
SECONDS = {
    "tests/analysis/test_sweep.py": 60,
    "tests/neural/test_ensemble.py": 45,
    "tests/analysis/test_cluster.py": 40,
    "tests/analysis/test_compare_theory.py": 40,
    "tests/paper_figures": 36,
    "tests/neural/test_training.py": 27,
    "tests/neural/test_families.py": 25,
    "tests/analysis/test_phase_diagram.py": 23,
    "tests/analysis/test_league.py": 22,
    "tests/analysis/test_own_families.py": 19,
    "tests/analysis/test_counting.py": 18,
    "tests/analysis/test_norm_law.py": 17,
    "tests/analysis/test_watch_loops.py": 15,
    "tests/analysis/test_verdict.py": 15,
    "tests/analysis/test_imported.py": 12,
    "tests/analysis/test_forecast.py": 11,
    "tests/analysis/test_watch.py": 10,
    "tests/analysis/test_logs.py": 8,
    "tests/neural/test_modular.py": 17,
    "tests/analysis/test_phases.py": 12,
    "tests/analysis/test_gallery.py": 11,
    "tests/analysis/test_measure_checkpoints.py": 11,
    "tests/neural/test_command.py": 11,
    "tests/analysis/test_runs_command.py": 10,
    "tests/efftheory/test_design.py": 10,
    "tests/test_machines.py": 10,
}


def unit(nodeid: str) -> str:
    """What one worker does as a whole, as its tests share what they train: a file, or
    the folder of the figures.
    """
    file = nodeid.split("::")[0]
    folder = file.rpartition("/")[0]
    return folder if folder in SECONDS else file


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: -SECONDS.get(unit(item.nodeid), 5))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """xdist's `--dist loadfile`, but with a folder as one."""
    from xdist.scheduler import LoadFileScheduling  # an installed wheel is tested without xdist

    class InUnits(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit(nodeid)

    return InUnits(config, log) if config.getvalue("dist") == "loadfile" else None


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
