"""Whole loops that are watched: one that is killed, and that of the page."""

from __future__ import annotations

import importlib.util
import runpy
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from analysis.watch import Watch, read_looks

ROOT = Path(__file__).parents[2]
# Looks at every step, as fast as it can.
LOOP = """
import sys, torch
from torch import nn
from analysis.watch import Watch
torch.manual_seed(0)
model = nn.Linear(3, 2)
data = torch.eye(3), torch.tensor([0, 1, 0])
watch = Watch(model, train=data, out=sys.argv[1], share=float("inf"), per_octave=10**7)
for step in range(10**9):
    with torch.no_grad():
        model.weight += 1e-6
    watch(step)
"""


def test_a_kill_leaves_all_lines_whole_but_the_last(tmp_path: Path) -> None:
    """At any moment, three times; and the next watch goes on with the file."""
    rng, killed = np.random.default_rng(0), {}
    for name in "abc":
        command = [sys.executable, "-c", LOOP, str(tmp_path / name)]
        killed[name] = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    for name, process in killed.items():
        file = tmp_path / name / "looks.csv"
        deadline = time.monotonic() + 100
        while len(read_looks(file)) < 20 and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        looks = read_looks(file)
        assert looks.step.tolist() == list(range(len(looks)))
        assert len(looks) >= 20
        assert looks.notna().all(axis=None)
        assert len(file.read_bytes().splitlines()) - 1 - len(looks) in (0, 1)
        watch = Watch(nn.Linear(3, 2), train=(torch.eye(3), torch.tensor([0, 1, 0])), out=tmp_path / name)
        watch(len(looks))
        assert pd.read_csv(file).step.tolist() == list(range(len(looks) + 1))


def test_the_example_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody's plain loop groks, and its watch has seen it."""
    monkeypatch.chdir(tmp_path)
    if importlib.util.find_spec("analysis.verdict") is None:
        room = types.ModuleType("analysis.verdict")
        room.judge = lambda log, task: f"generalised at {log.generalised_at:.0f}"  # pyright: ignore
        monkeypatch.setitem(sys.modules, "analysis.verdict", room)
    watch = runpy.run_path(str(ROOT / "docs/watch_example.py"))["watch"]
    log = watch.log
    assert log.memorised_at is not None
    assert log.generalised_at is not None
    assert 3 * log.memorised_at < log.generalised_at < 700
    assert log.curves["restricted_loss"][-1] < 0.3 < 1 < log.curves["excluded_loss"][-1]
    assert log.settings["fraction"] == pytest.approx(0.5, abs=1e-3)
    assert read_looks(tmp_path / "watched/looks.csv").step.iloc[-1] == 699
    said = capsys.readouterr().out
    assert said.startswith("Watch: ")
    assert "generalised" in said
