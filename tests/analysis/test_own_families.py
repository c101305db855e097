"""Families in files of users, from the commands and in the store."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.compare_theory.__main__ import Arguments, main
from analysis.phase_diagram.__main__ import Arguments as Phases
from analysis.phase_diagram.__main__ import main as draw
from analysis.runs.__main__ import Export, Inspect, List, families_called
from analysis.runs.__main__ import main as look
from analysis.runs.executors import Execution
from analysis.runs.rows import called
from analysis.runs.store import RunStore
from analysis.runs.sweep import ensure
from neural import ConfigError, find_family

ROOT = Path(__file__).parents[2]
PAGE = re.findall(r"```python\n(.*?)```", (ROOT / "docs/families.md").read_text(), re.DOTALL)[0]
HERE = Execution("cpu", "in-process")


def test_processes_and_a_second_time(tmp_path: Path) -> None:
    """Processes beside this one import the file, and leave the same rows as this one;
    then nothing is missing.
    """
    (tmp_path / "own.py").write_text(PAGE)
    family: Any = find_family(str(tmp_path / "own.py"))
    configs = [family.Config(budget=n, seed=seed, width=2, learning_rate=1e-5) for n in (20, 900) for seed in (0, 1)]
    with RunStore(tmp_path / "a.sqlite") as store, RunStore(tmp_path / "b.sqlite") as other:
        assert ensure(configs[1:], store, Execution("cpu", "processes", workers=1)) == 3
        assert ensure(configs, other, HERE) == 4
        assert ensure(configs, store, HERE) == 1
        assert ensure(configs, store, HERE) == 0
        pd.testing.assert_frame_equal(store.table(configs), other.table(configs))


# What a process that never saw the file says of its runs; the second ends it.
AFTER = """
import runpy, sys
for word in ("list", "retrain"):
    sys.argv = ["runs", word, "--store", sys.argv[-1]]
    runpy.run_module("analysis.runs", run_name="__main__", alter_sys=True)
"""


def test_a_file_that_changed_or_went(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another text is another run; without the file all can be read, none trained."""
    file, path = tmp_path / "own.py", tmp_path / "runs.sqlite"
    families: list[Any] = []
    texts = [PAGE, PAGE.replace("    look_every", "    depth: int = 2\n    look_every")]
    configs = []
    for text in texts:
        file.write_text(text)
        family: Any = find_family(str(file))
        configs.append(family.Config(n=7, budget=20))
        with RunStore(path) as store:
            assert ensure(configs[-1:], store, HERE) == 1
            assert ensure(configs[-1:], store, HERE) == 0
            assert len(store.table(configs[-1:])) == 1
            families = families_called(store, List(family="majority"))
    assert "own.py has changed since 1 runs of majority@" in capsys.readouterr().err
    look(List(store=path))
    said = capsys.readouterr().out
    assert len(re.findall("^1 runs in .*, family majority@", said, re.MULTILINE)) == 2
    assert said.count("own.py, which has changed since and is now ") == 1
    file.unlink()
    look(Inspect(2, store=path, family="majority", picture=tmp_path / "curves.png"))
    look(Export(tmp_path / "x.csv", store=path, family=called(families[1])))
    assert pd.read_csv(tmp_path / "x.csv")["depth"].tolist() == [2]
    with pytest.raises(ConfigError, match=r"must be one of majority@.*, majority@.*, which the store has"):
        look(Export(tmp_path / "x.csv", store=path, family="majority"))
    next((tmp_path / "runs.sqlite.traces").glob("*.npz")).unlink()
    done = subprocess.run(
        [sys.executable, "-c", AFTER, str(path)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.stdout.count("own.py, which is missing)") == 2
    assert done.stderr.splitlines()[-1].startswith("error: `family` must be the file of majority@")
    assert "Traceback" not in done.stderr


def test_other_commands_take_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own.py").write_text(PAGE)
    own = {"family": str(tmp_path / "own.py"), "seeds": 1, "budget": 20}
    main(Arguments(**own, set=("n=7",), store=tmp_path / "runs.sqlite", out=tmp_path / "out"))
    assert "runs reached" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="`p` must be left out with --family majority"):
        main(Arguments(**own, p=5))
    plane = {"x": "width=4,8", "y": "n_train=30,40", "set": ("n=7",), "execution": HERE}
    draw(Phases(**own, **plane, out=tmp_path / "phases", store=tmp_path / "runs.sqlite"))
    assert (tmp_path / "phases/phases.png").exists()
