"""Commands on machines that lack what Linux has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

# Python imports this at its start, also in the processes that a command starts.
ANOTHER_SYSTEM = """
import os, signal, sys

del os.sched_getaffinity, signal.pthread_sigmask, signal.SIGPIPE, signal.SIG_BLOCK, signal.SIG_SETMASK
sys.modules["fcntl"] = None
"""


def test_what_only_linux_has_is_not_needed(tmp_path: Path) -> None:
    """macOS does not say on which cores a process may run, and Windows lacks the rest,
    too.
    """
    (tmp_path / "sitecustomize.py").write_text(ANOTHER_SYSTEM)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    words = "analysis.sweep --x n_train=20,30 --seeds 1 --budget 2 --device cpu --executor processes"
    command = [sys.executable, "-m", *words.split()]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "2 runs, 2 of them trained now" in done.stderr
