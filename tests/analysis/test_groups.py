"""The command on groups: numbers that are known otherwise, resume after SIGKILL, one
line for every mistake.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing.synchronize import SemLock
from pathlib import Path

import numpy as np
import pytest

import efftheory as et
from analysis import _pieces
from analysis._pieces import Piece, computed
from analysis.groups.__main__ import ERRORS, PROG, Arguments, main
from analysis.groups.transitions import GROUPS, Symmetries, end_of_flow, flow_entry, group_entry, half_point, transition
from neural import ConfigError
from neural.command import run_command

SMALL = Arguments(groups=("s2", "s3"), draws=60, flows=10, sizes=(30,), workers=1)
COMMAND = [sys.executable, "-m", "analysis.groups", "--groups", "s2", "s3", "--draws", "60", "--flows", "10"]
COMMAND += ["--sizes", "30", "--workers", "2"]


def kept(out: Path) -> dict[str, str]:
    if not (out / "pieces.sqlite").exists():
        return {}
    with contextlib.closing(sqlite3.connect(out / "pieces.sqlite")) as connection:
        try:
            return dict(connection.execute("SELECT name, numbers FROM pieces").fetchall())
        except sqlite3.OperationalError:  # not laid out yet
            return {}


def report_of(out: Path) -> dict:
    report = json.loads((out / "report.json").read_text())
    del report["environment"]["command"]
    return report


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """An undisturbed run, in this process."""
    out = tmp_path_factory.mktemp("finished")
    main(replace(SMALL, out=out))
    return out


def test_the_report_is_whole(finished):
    report = report_of(finished)
    assert [entry["group"] for entry in report["groups"]] == ["s2", "s3"]
    assert [entry["draws"] for entry in report["groups"]] == [60, 60]
    flows = [(entry["d"], entry["draws"], entry["sizes"]) for entry in report["flows"]]
    assert flows == [(2, 10, [30]), (3, 10, [30])]
    page = (finished / "report.md").read_text()
    assert all(sentence in page for sentence in report["verdict"])
    assert "(groups.png)" in page
    assert (finished / "groups.png").stat().st_size > 10_000


def test_a_killed_command_resumes_to_the_same_report(finished, tmp_path):
    """Two processes, killed in the middle, and finished by one."""
    process = subprocess.Popen([*COMMAND, "--out", str(tmp_path)], stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 60
    while not kept(tmp_path):
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)  # its workers end by themselves
    process.wait()
    found = kept(tmp_path)
    assert not (tmp_path / "report.json").exists()
    main(replace(SMALL, out=tmp_path))
    assert report_of(tmp_path) == report_of(finished)
    assert found.items() < kept(tmp_path).items()
    assert kept(tmp_path) == kept(finished)
    while _members(process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _members(session: int) -> list[int]:
    """The processes of a session that still run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, its_session = stat.read_text().rpartition(")")[2].split()[:4]
            if int(its_session) == session and state != "Z":
                found.append(int(stat.parent.name))
    return found


def test_more_draws_begin_with_those_that_are_kept(tmp_path, monkeypatch):
    few = Arguments(groups=("s2",), draws=30, workers=1, out=tmp_path)
    main(few)
    before, first = kept(tmp_path), report_of(tmp_path)
    main(replace(few, draws=110))
    assert before.items() < kept(tmp_path).items()
    assert len(kept(tmp_path)) == 3
    monkeypatch.setattr(et, "linear_thresholds", None)  # nothing can be drawn now
    main(few)
    assert report_of(tmp_path) == first
    assert first["flows"] == []


def test_the_critical_fraction_is_the_library_s():
    """et.critical_fraction on the same draws, by its own interpolation."""
    op = GROUPS["s3"]()
    entry = group_entry("s3", et.linear_thresholds(op, 200, seed=3).tolist())
    ours = et.critical_fraction(op, 200, seed=3)
    assert entry.transition.critical_fraction == pytest.approx(ours.value)
    assert entry.transition.interval == pytest.approx(list(ours.interval))


@pytest.mark.parametrize("name", GROUPS)
def test_the_dimensions_are_those_of_commuting_matrices(name):
    """The centraliser by linear algebra: matrices z with z rho(a) = rho(a) z; the rank
    reaches unknowns - d^2.
    """
    op = GROUPS[name]()
    entry = group_entry(name, [op.n_samples])
    rho = et.permutation_representation(op).astype(float)
    d = rho.shape[1]
    commutators = np.concatenate([np.kron(np.eye(d), a.T) - np.kron(a, np.eye(d)) for a in rho])
    centraliser = d * d - np.linalg.matrix_rank(commutators)
    symmetries = entry.symmetries
    assert symmetries == Symmetries(all=d * d, conjugation=d * d - centraliser, centraliser=centraliser)
    assert entry.n_parallelograms == et.count_parallelograms(op)
    assert entry.n_samples == entry.elements**2


def test_half_points():
    assert half_point([2, 4, 6], [0.0, 0.4, 0.8]) == pytest.approx(4.5)
    assert half_point([2, 4, 6], [0.6, 0.2, 0.8]) == 2
    assert half_point([2, 4, 6], [0.2, 0.45, 0.3]) is None
    assert half_point([2, 4, 6, 8], [0.2, 0.4, 0.3, 0.6]) == pytest.approx(7)
    never = transition([6, 12], [0, 3], 10, 36)
    assert never.critical_fraction is None
    assert never.interval[1] is None


def test_the_end_of_a_flow():
    """A representation stands still; a flow that ends above 0.95 is one that
    et.time_to_rqi sees get there.
    """
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
    entry = flow_entry(2, {12: [(0.2, 1.0), (0.96, 0.6), (float("nan"), float("nan"))], 24: [(1.0, 0.1)] * 3})
    assert entry.good == [1, 3]
    assert entry.good_and_apart == [1, 0]
    assert entry.median_nearest == [0.6, 0.1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"groups": ("s3", "s5")}, "`groups` must be of s2, s3, s4, d3, d4, d5, d6, but one is 's5'"),
        ({"groups": ()}, "`groups` must be at least one, but is empty"),
        ({"draws": 9}, "`draws` must be an integer of at least 10, but is 9"),
        ({"flows": 0}, "`flows` must be an integer of at least 10"),
        ({"sizes": ()}, "`sizes` must be at least one"),
        ({"sizes": (12, 37)}, r"`sizes` must be integers in 1\.\.36, but one is 37"),
        ({"seed": -1}, "`seed` must be an integer of at least 0"),
        ({"workers": 0}, "`workers` must be an integer of at least 1"),
    ],
)
def test_nonsense_is_refused(options, words, tmp_path):
    with pytest.raises(ConfigError, match=words) as error:
        main(Arguments(**{"out": tmp_path / "new", **options}))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "new").exists()


def test_a_damaged_file_is_one_line(tmp_path):
    (tmp_path / "pieces.sqlite").write_text("no database, but long enough to be looked at" * 50)
    with pytest.raises(ConfigError, match=r"undamaged pieces\.sqlite"):
        main(replace(SMALL, out=tmp_path))


class _Broken:
    """A pool whose workers are killed."""

    def __init__(self, *_) -> None:
        pass

    def submit(self, *_):
        raise BrokenProcessPool

    def shutdown(self, **_) -> None:
        pass


def test_a_worker_that_is_killed_is_one_line(tmp_path, monkeypatch):
    """What had finished is kept."""
    pieces = [Piece(str(number), int, (number,), 1.0) for number in range(3)]
    assert computed(tmp_path / "pieces.sqlite", pieces[:1], workers=1) == [0]
    monkeypatch.setattr(_pieces, "ProcessPoolExecutor", _Broken)
    with pytest.raises(ConfigError, match="finished pieces are kept"):
        computed(tmp_path / "pieces.sqlite", pieces, workers=2)
    assert kept(tmp_path) == {"0": "0"}


def test_processes_that_cannot_be_started_are_one_line(tmp_path, monkeypatch):
    """Where /dev/shm cannot be written, say: a pool's queues need semaphores."""

    def refuse(*_, **__) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(SemLock, "__init__", refuse)
    pieces = [Piece(str(number), int, (number,), 1.0) for number in range(3)]
    with pytest.raises(ConfigError, match=r"^`workers` must be 1 where no processes can be started, but is 2: .*only"):
        computed(tmp_path / "pieces.sqlite", pieces, workers=2)
    assert computed(tmp_path / "pieces.sqlite", pieces, workers=1) == [0, 1, 2]


def test_the_door_says_which_groups_there_are(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["groups", "--groups", "monster"])
    with pytest.raises(SystemExit) as stop:
        run_command(Arguments, main, PROG, ERRORS)
    assert stop.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("error: `groups` must be of s2")
    assert said.count("\n") == 1
