"""What numba compiles is kept where it can be; where nothing can be written, the theory
works all the same.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from numba import config

from efftheory import _cache

PACKAGE = Path(_cache.__file__).parent

# one small kernel, and what processes that start later are told
WORK = """
import os
import efftheory as et
folder = os.environ["NUMBA_CACHE_DIR"]
print(et.addition(3).by_result.tolist(), os.listdir(folder) != [], folder)
"""


def test_an_installation_that_cannot_be_written(tmp_path: Path) -> None:
    """With a home that cannot be written either. Files stand where numba would make its
    folders, which stops the superuser as well.
    """
    shutil.copytree(PACKAGE, tmp_path / "efftheory", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "efftheory" / "__pycache__").touch()
    nowhere = dict.fromkeys(("HOME", "XDG_CACHE_HOME"), os.devnull)
    environment = os.environ | nowhere | {"PYTHONPATH": str(tmp_path), "TMPDIR": str(tmp_path)}
    environment.pop("NUMBA_CACHE_DIR", None)
    command = [sys.executable, "-c", WORK]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("[0, 1, 2, 3, 4, 5] True ")
    assert done.stderr.count("RuntimeWarning") == done.stderr.count("kept in a temporary folder") == 1
    assert not Path(done.stdout.split()[-1]).exists()  # removed at the end


def test_where_there_is_no_temporary_folder_either(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", refuse)
    monkeypatch.setattr(_cache, "found", lambda: False)
    before = config.CACHE_DIR  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.warns(RuntimeWarning, match="numba has no folder .* nothing is kept"):
        assert _cache.folder() is None
    assert before == config.CACHE_DIR  # pyright: ignore[reportAttributeAccessIssue]


def test_where_numba_has_a_folder_nothing_is_said_or_made() -> None:
    assert _cache.found()
    assert _cache.folder() is None
