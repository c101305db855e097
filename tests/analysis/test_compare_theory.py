"""The command as its users meet it: report, resume after SIGKILL, one clear line for
every mistake.
"""

from __future__ import annotations

import ast
import contextlib
import json
import math
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path

import pytest

from analysis.compare_theory.__main__ import ERRORS, PROG, Arguments, main, plan
from analysis.runs.executors import Execution
from neural import RunConfig
from neural.command import run_command

COMPARE = [sys.executable, "-m", "analysis.compare_theory"]
SMALL = ["--p", "5", "--sizes", "9", "14", "--seeds", "4", "--first-seed", "3"]
SMALL += ["--budget", "900", "--draws", "500", "--decoder-draws", "2"]
STORE = Path("results/runs.sqlite")


def run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMPARE, *arguments], cwd=folder, capture_output=True, text=True, timeout=240)


def n_finished(store: Path) -> int:
    if not store.exists():
        return 0
    connection = sqlite3.connect(store)
    try:
        return connection.execute("select count(*) from runs").fetchone()[0]
    except sqlite3.OperationalError:  # not laid out yet, or being written
        return 0
    finally:
        connection.close()


def start_and_kill(folder: Path) -> None:
    """SIGKILL the driver and its workers once something, but not everything, has
    finished.
    """
    process = subprocess.Popen([*COMPARE, *SMALL], cwd=folder, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 240
    while n_finished(folder / STORE) == 0:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_killed_comparison_resumes_to_the_same_report(tmp_path):
    undisturbed, disturbed = tmp_path / "a", tmp_path / "b"
    undisturbed.mkdir()
    disturbed.mkdir()
    start_and_kill(disturbed)
    kept = n_finished(disturbed / STORE)
    for folder in (undisturbed, disturbed):
        done = run(SMALL, folder)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
    assert 0 < kept < 8
    assert f"8 runs, {8 - kept} of them trained now" in done.stderr
    reports = [(f / "results/compare_theory/report.json").read_text() for f in (undisturbed, disturbed)]
    assert reports[0] == reports[1]

    again = run(SMALL, undisturbed)
    assert "8 runs, 0 of them trained now" in again.stderr
    out = undisturbed / "results/compare_theory"
    assert (out / "report.json").read_text() == reports[0]
    report = json.loads(reports[0])
    assert len(report["runs"]) == 8
    assert (report["seeds"], report["draws"], report["decoder_draws"]) == (4, 500, 2)  # as the options have them
    assert report["first_seed"] == 3
    assert {run["seed"] for run in report["runs"]} == {3, 4, 5, 6}
    recompute_with_the_readme(undisturbed, report)
    page = (out / "report.md").read_text()
    assert "8 runs, seeds 3..6." in page
    assert "theory with memory, blind" in page
    for picture in out.glob("*.png"):
        assert f"({picture.name})" in page
    assert all(sentence in page and sentence in again.stdout for sentence in report["verdict"])


def recompute_with_the_readme(folder: Path, report: dict) -> None:
    """README's five lines of pandas give the report's numbers from the store alone."""
    readme = Path(__file__).parents[2] / "README.md"
    [snippet] = re.findall(r"```python\n(import sqlite3.*?)```", readme.read_text(), flags=re.DOTALL)
    assert len([line for line in ast.parse(snippet).body if not isinstance(line, ast.Import)]) == 5
    names: dict = {}
    with contextlib.chdir(folder):
        exec(snippet, names)
    [entry] = [e for e in report["time"] if (e["target"], e["predictor"]) == ("rqi", "optimizer_flow")]
    assert entry["c_index"] == pytest.approx(names["c_index"])
    for share in report["probability"]:
        assert names["share"][share["n_train"]] == share["measured"]
    for entry in report["medians"]:
        if entry["target"] == "rqi":
            median = names["median"][entry["n_train"]]
            assert entry["median"] == (median if math.isfinite(median) else None)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--p 1", "`p` must be an integer of at least 3 (fewer symbols make no parallelogram), but is 1."),
        ("--sizes 56", "`n_train` must be at most p(p+1)/2 = 55 for p = 10, but is 56."),
        ("--sizes 0", "`n_train` must be an integer of at least 1, but is 0."),
        ("--seeds 0", "`seeds` must be an integer of at least 1, but is 0."),
        ("--first-seed -1", "`first_seed` must be an integer of at least 0, but is -1."),
        ("--decoder-lr nan", "`decoder_lr` must be a finite number above 0, but is nan."),
        ("--decoder-lr", "`decoder_lr` must be at least one number, but is empty."),
        ("--out damaged.sqlite", "`out` must be a folder that can be written, but damaged.sqlite: File exists."),
        ("--loss foo", "invalid choice 'foo' for argument '--loss'"),
        ("--out /proc/nowhere", "`out` must be a folder that can be written, but /proc/nowhere: No such file"),
        ("--store /proc/nowhere/runs.sqlite", "`store` must be a file that can be written"),
        ("--store damaged.sqlite", "`store` must be an undamaged run store"),
        ("--bogus", "--bogus"),
        ("--replicas 0", "`replicas` must be an integer of at least 1, but is 0."),
        ("--decoder-draws 0", "`decoder_draws` must be an integer of at least 1, but is 0."),
        ("--paired-rates --decoder-lr 1e-4 1e-3", "`decoder_lr` must be 1 numbers, as many as repr_lr, but is 2."),
        ("--set d=2", "`set` must not name what has an option of its own, but names d."),
        ("--set decoder-weight-decay=1", "`set` must not name what has an option of its own, but names decoder_wd."),
        ("--set operation=s3", "`set` must not name operation: the theories without a decoder know sums only."),
        ("--set width=50,60", "`set` must have one value a field, but is 'width=50,60'."),
        ("--set batch_size=21", "`batch_size` must be at most n_train = 20, but is 21."),
    ],
)
def test_a_mistake_is_one_clear_line(tmp_path, monkeypatch, capsys, arguments, says):
    (tmp_path / "damaged.sqlite").write_bytes(b"no database" * 1000)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["compare_theory", *arguments.split()])
    with pytest.raises(SystemExit) as stop:
        run_command(Arguments, main, PROG, ERRORS)
    assert stop.value.code in (1, 2)
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert says in lines[0]


def test_a_plan():
    rates = {"repr_lr": (1e-3, 1e-3, 1e-2), "decoder_lr": (1e-5, 1e-4, 1e-4), "sizes": (45, 20), "seeds": 2}
    wanted = [(1e-3, 1e-5), (1e-3, 1e-4), (1e-2, 1e-4)]
    paired = plan(Arguments(**rates, paired_rates=True))
    expected = [(n, *pair, seed) for n in (20, 45) for pair in wanted for seed in range(2)]
    assert [(run.n_train, run.repr_lr, run.decoder_lr, run.seed) for run in paired] == expected
    assert len(plan(Arguments(**rates))) == 2 * 4 * 2
    [first, second] = plan(Arguments(sizes=(30,), seeds=1, replicas=2, set=("width=50", "targets=orthogonal")))
    assert first == RunConfig(n_train=30, width=50, targets="orthogonal")
    assert second == replace(first, replica=1)
    later = plan(Arguments(sizes=(30, 45), seeds=2, first_seed=100))
    assert [(run.n_train, run.seed) for run in later] == [(30, 100), (30, 101), (45, 100), (45, 101)]


def test_help_explains_every_option(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["compare_theory", "--help"])
    with pytest.raises(SystemExit) as stop:
        run_command(Arguments, main, PROG, ERRORS)
    assert stop.value.code in (None, 0)
    text = capsys.readouterr().out
    for field in [field for field in fields(Arguments) if field.name != "execution"] + list(fields(Execution)):
        assert "--" + field.name.replace("_", "-") in text
