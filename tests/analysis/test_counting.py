"""The two commands that count samples; and numbers of groups known otherwise."""

from __future__ import annotations

import errno
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from multiprocessing.synchronize import SemLock
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pandas as pd
import psutil
import pytest
import tyro

import efftheory as et
from analysis import critical_size, groups
from analysis._pieces import Piece, computed
from analysis.counting.thresholds import GROUPS, end_of_flow
from analysis.groups import half_point, of_ends, of_thresholds
from neural import ConfigError
from neural.command import run_command

LINES: dict[Any, str] = {
    critical_size: "--p 24 4 8 12 --draws 250 --bound-draws 30 --workers 2",
    groups: "s2 s3 --draws 60 --flows 10 --sizes 30 --workers 2",
}


def run(command: Any, line: str, out: Path, **options: Any) -> None:
    command.main(replace(tyro.cli(command.Arguments, args=line.split()), out=out, **options))


def kept(out: Path) -> dict[str, str]:
    """The pieces in a command's folder, by name."""
    for path in out.glob("*.sqlite"):
        with closing(sqlite3.connect(path)) as connection, suppress(sqlite3.OperationalError):  # not laid out yet
            return dict(connection.execute("SELECT name, numbers FROM pieces").fetchall())
    return {}


def report_of(out: Path) -> dict:
    report = json.loads((out / "report.json").read_text())
    del report["environment"]["command"]
    return report


ONE = pytest.mark.parametrize("finished", [groups], indirect=True, ids=["analysis.groups"])  # of what both share


@pytest.fixture(scope="module", params=LINES, ids=lambda command: command.__name__)
def finished(request, tmp_path_factory) -> tuple[Any, Path]:
    """A command, and the folder of an undisturbed run, in this process."""
    out = tmp_path_factory.mktemp("finished")
    run(request.param, LINES[request.param], out, workers=1)
    return request.param, out


def test_the_report_is_whole(finished):
    _, out = finished
    report, page, rows = report_of(out), (out / "report.md").read_text(), pd.read_csv(out / "scores.csv")
    pd.testing.assert_frame_equal(pd.DataFrame(report["scores"])[[*rows]], rows, check_dtype=False)
    assert not ((rows["low"] > rows["value"]) | (rows["value"] > rows["high"])).any()
    assert not rows.drop(columns=["value", "low", "high", "n"]).duplicated().any()
    assert report["verdict"] in page
    assert report["verdict"].count("\n") < 10
    pictures = [picture.name for picture in out.glob("*.png")]
    assert [f"({name})" in page for name in pictures] == [True] * len(pictures) != []


@ONE
def test_a_killed_command_resumes_to_the_same_report(finished, tmp_path, capsys):
    """Killed in the middle: kept pieces stay, and workers end by themselves; of the
    pool that both commands share.
    """
    command, out = finished
    line = [sys.executable, "-m", command.__name__, *LINES[command].split(), "--out", str(tmp_path)]
    process = subprocess.Popen(line, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while not kept(tmp_path):
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    found = kept(tmp_path)
    assert not (tmp_path / "report.json").exists()
    run(command, LINES[command], tmp_path, workers=1)
    assert report_of(tmp_path)["verdict"] in capsys.readouterr().out
    assert report_of(tmp_path) == report_of(out)
    assert found.items() < kept(tmp_path).items()
    assert kept(tmp_path) == kept(out)
    while running(process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def running(session: int) -> bool:
    """Whether a process of a session still runs."""
    for one in psutil.process_iter():
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getsid(one.pid) == session and one.status() != psutil.STATUS_ZOMBIE:
                return True
    return False


@pytest.mark.parametrize(
    ("command", "few", "more"),
    [(critical_size, "--p 9 --draws 150 --bound-draws 40", 350), (groups, "s2 --draws 30", 110)],
)
def test_more_draws_begin_with_those_that_are_kept(command, few, more, tmp_path, monkeypatch):
    run(command, few, tmp_path)
    before, first = kept(tmp_path), report_of(tmp_path)
    run(command, few, tmp_path, draws=more)
    assert before.items() < kept(tmp_path).items()
    assert len(kept(tmp_path)) == len(before) + 2
    assert more in {row["n"] for row in report_of(tmp_path)["scores"]}
    run(command, few, tmp_path, seed=1)
    assert len(set(kept(tmp_path).values())) == len(kept(tmp_path)) == 2 * len(before) + 2  # each has its own stream
    monkeypatch.setattr(et, "linear_thresholds", None)  # nothing can be drawn now
    run(command, few, tmp_path)
    assert report_of(tmp_path) == first


def test_no_torch_is_loaded(finished):
    """By a whole run: a command that trains nothing starts without it."""
    command, out = finished
    loaded = f"import runpy, sys; runpy.run_module('{command.__name__}', run_name='__main__', alter_sys=True)"
    line = [f"{loaded}; assert 'torch' not in sys.modules", *LINES[command].split(), "--out", str(out)]
    done = subprocess.run([sys.executable, "-c", *line], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("command", "line", "words"),
    [
        (critical_size, "--p 5 1", "`p` must be integers of at least 3, but one is 1"),
        (critical_size, "--p", "`p` must be at least one"),
        (critical_size, "--p 70000", "must be an integer in"),
        (critical_size, "--draws 0", "`draws` must be an integer of at least 10, but is 0"),
        (critical_size, "--bound-draws 0", "`bound_draws` must be an integer of at least 10"),
        (critical_size, "--seed -1", "`seed` must be an integer of at least 0"),
        (groups, "--draws 9", "`draws` must be an integer of at least 10, but is 9"),
        (groups, "--flows 0", "`flows` must be an integer of at least 10"),
        (groups, "--sizes", "`sizes` must be at least one"),
        (groups, "--sizes 12 37", r"`sizes` must be integers in 1\.\.36, but one is 37"),
        (groups, "--workers 0", "`workers` must be an integer of at least 1"),
    ],
)
def test_nonsense_is_refused(command, line, words, tmp_path):
    with pytest.raises((ConfigError, et.ArgumentError), match=words) as error:
        run(command, line, tmp_path / "new")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_used_is_one_line(finished, tmp_path):
    command, _ = finished
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="`out` must be a folder"):
        run(command, LINES[command], tmp_path / "file")
    for name in ("draws.sqlite", "pieces.sqlite"):
        (tmp_path / name).write_text("no database, but long enough to be looked at" * 50)
    with pytest.raises(ConfigError, match="undamaged"):
        run(command, LINES[command], tmp_path)


def test_an_unknown_group_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["groups", "monster"])
    with pytest.raises(SystemExit, match="2"):
        run_command(groups.Arguments, groups.main, groups.PROG)
    [said] = capsys.readouterr().err.splitlines()
    assert "s2" in said


def test_processes_that_fail_are_one_line(tmp_path, monkeypatch):
    """What had finished is kept. And where /dev/shm cannot be written, say: a pool's
    queues need semaphores.
    """
    pieces, path = [Piece(str(number), int, (number,), 1.0) for number in range(3)], tmp_path / "pieces.sqlite"
    assert computed(path, pieces[:1], workers=1) == [0]
    monkeypatch.setattr(ProcessPoolExecutor, "submit", Mock(side_effect=BrokenProcessPool))
    with pytest.raises(ConfigError, match="finished pieces are kept"):
        computed(path, pieces, workers=2)
    assert kept(tmp_path) == {"0": "0"}
    monkeypatch.setattr(SemLock, "__init__", Mock(side_effect=OSError(errno.EROFS, "Read-only file system")))
    with pytest.raises(ConfigError, match=r"^`workers` must be 1 where no processes can be started, but is 2: .*only"):
        computed(path, pieces, workers=2)
    assert computed(path, pieces, workers=1) == [0, 1, 2]


def test_the_critical_fraction_is_the_library_s():
    """et.critical_fraction on the same draws, by its own interpolation."""
    op = GROUPS["s3"]()
    found = of_thresholds("s3", et.linear_thresholds(op, 200, seed=3).tolist()).set_index("statistic")
    ours: Any = found.loc["critical_unique"]
    theirs = et.critical_fraction(op, 200, seed=3)
    assert ours[["value", "low", "high"]].tolist() == pytest.approx([theirs.value, *theirs.interval])
    assert found.loc["per_element", "value"] == pytest.approx(6 * theirs.value)


@pytest.mark.parametrize("name", GROUPS)
def test_the_dimensions_are_those_of_commuting_matrices(name):
    """The centraliser by linear algebra: matrices z with z rho(a) = rho(a) z."""
    op = GROUPS[name]()
    found = of_thresholds(name, [op.n_samples]).set_index("statistic")["value"]
    rho = et.permutation_representation(op).astype(float)
    d = rho.shape[1]
    commutators = np.concatenate([np.kron(np.eye(d), a.T) - np.kron(a, np.eye(d)) for a in rho])
    centraliser = d * d - np.linalg.matrix_rank(commutators)
    symmetries = found[["symmetries", "conjugation", "centraliser"]].tolist()
    assert symmetries == [d * d, d * d - centraliser, centraliser]
    assert found["rank"] == found["unknowns"] - d * d
    assert found["samples"] == found["elements"] ** 2


def test_half_points():
    shares = ([0.0, 0.4, 0.8], [0.6, 0.2, 0.8], [0.2, 0.4, 0.3, 0.6], [0.2, 0.5, 0.5, 0.6], [0.2, 0.45, 0.3])
    found = [half_point([2, 4, 6, 8][: len(some)], some) for some in shares]
    assert found == pytest.approx([4.5, 2, 7, 4, np.nan], nan_ok=True)


def test_the_end_of_a_flow():
    """A representation stands still; a good one is one that et.time_to_rqi sees."""
    op = GROUPS["s3"]()
    everything = np.ones(op.n_samples, np.bool_)
    rqi, apart = end_of_flow(op, everything, et.permutation_representation(op).astype(float))
    assert rqi == 1
    assert apart == pytest.approx(4 / 9 / (1 / 3))  # a transposition apart: four entries of nine, a third of all are 1
    rng = np.random.default_rng(0)
    for _ in range(3):
        mask, E0 = op.random_training_set(24, rng), rng.uniform(-1, 1, (6, 2, 2))
        assert (end_of_flow(op, mask, E0)[0] > 0.95) == np.isfinite(et.time_to_rqi(op, mask, E0))


def test_flows_are_counted():
    lost = (float("nan"), float("nan"))
    found = of_ends(2, {12: [(0.2, 1.0), (0.96, 0.6), lost], 24: [(1.0, 0.1)] * 3, 30: [lost] * 3})
    by_name = {name: some["value"].tolist() for name, some in found.groupby("statistic")}
    assert (by_name["good"], by_name["good_and_apart"]) == ([1, 3, 0], [1, 0, 0])
    assert by_name["median_nearest"] == pytest.approx([0.6, 0.1, np.nan], nan_ok=True)
    assert by_name["found"] == pytest.approx([1 / 3, 1, 0])
    assert found["fraction"].max() == 30 / 36
    never = of_ends(2, {12: [lost] * 3, 24: [lost, lost, (1.0, 0.1)]}).iloc[0]
    assert (never["statistic"], np.isnan(never["value"]), np.isnan(never["high"])) == ("critical_found", True, True)
