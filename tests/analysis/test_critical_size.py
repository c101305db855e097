"""The command of the size law: report, resume after SIGKILL, more draws later, one line
for every mistake.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from analysis.critical_size import draws
from analysis.critical_size.__main__ import ERRORS, PROG, Arguments, main
from neural import ConfigError
from neural.command import run_command

COMMAND = [sys.executable, "-m", "analysis.critical_size"]
SMALL = ["--p", "24", "4", "8", "12", "--draws", "250", "--bound-draws", "30"]
OPTIONS: dict = {"p": (24, 4, 8, 12), "draws": 250, "bound_draws": 30}  # the same


def chunks(out: Path) -> list[tuple]:
    if not (out / "draws.sqlite").exists():
        return []
    with contextlib.closing(sqlite3.connect(out / "draws.sqlite")) as connection:
        try:
            return connection.execute("SELECT * FROM pieces ORDER BY name").fetchall()
        except sqlite3.OperationalError:  # not laid out yet
            return []


def report_of(out: Path) -> dict:
    report = json.loads((out / "report.json").read_text())
    del report["environment"]["command"]
    return report


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """An undisturbed run."""
    out = tmp_path_factory.mktemp("finished")
    main(Arguments(**OPTIONS, out=out))
    return out


def test_the_report_is_whole(finished, capsys):
    report = report_of(finished)
    assert [entry["p"] for entry in report["sizes"]] == [4, 8, 12, 24]
    assert {entry["draws"] for entry in report["sizes"]} == {250}
    for entry in report["sizes"]:
        low, high = entry["interval"]
        assert low < entry["critical_size"] < high
        assert entry["bounds"]["draws"] == 30
    assert len(report["slopes"]) == 3
    page = (finished / "report.md").read_text()
    assert all(sentence in page for sentence in report["verdict"])
    for picture in finished.glob("*.png"):
        assert f"({picture.name})" in page
    assert len(list(finished.glob("*.png"))) == 2
    assert "0.4 belongs to its p = 10" in page


def test_a_killed_command_resumes_to_the_same_report(finished, tmp_path, capsys):
    """Killed in the middle: kept chunks stay, the others are drawn as if nothing had
    been.
    """
    out = tmp_path / "killed"
    process = subprocess.Popen([*COMMAND, *SMALL, "--out", str(out)], stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 60
    while not chunks(out):
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = chunks(out)
    assert not (out / "report.json").exists()
    main(Arguments(**OPTIONS, out=out))
    shown = capsys.readouterr().out
    assert report_of(out) == report_of(finished)
    assert set(kept) < set(chunks(out)) == set(chunks(finished))
    assert all(sentence in shown for sentence in report_of(out)["verdict"])


def test_more_draws_begin_with_those_that_are_kept(tmp_path, monkeypatch):
    few, many = (Arguments(p=(5,), draws=n, bound_draws=20, out=tmp_path) for n in (150, 350))
    main(few)
    before, first = chunks(tmp_path), report_of(tmp_path)
    main(many)
    assert report_of(tmp_path)["sizes"][0]["draws"] == 350
    assert set(before) < set(chunks(tmp_path))
    assert len(chunks(tmp_path)) == len(before) + 2
    kinds = {name: dataclasses.replace(kind, draw=None) for name, kind in draws.KINDS.items()}  # nothing is drawn
    monkeypatch.setattr(draws, "KINDS", kinds)
    main(few)
    assert report_of(tmp_path) == first


def test_chunks_have_streams_of_their_own(tmp_path):
    for seed in (0, 1):
        main(Arguments(p=(9, 10), draws=200, bound_draws=40, seed=seed, out=tmp_path))
    drawn = [row[-1] for row in chunks(tmp_path)]
    assert len(drawn) == 2 * 2 * 4
    assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"p": (5, 1)}, "`p` must be integers of at least 3"),
        ({"p": (2,)}, "`p` must be integers of at least 3"),
        ({"p": ()}, "`p` must be at least one"),
        ({"p": (70_000,)}, "must be an integer in"),
        ({"draws": 0}, "`draws` must be an integer of at least 10, but is 0"),
        ({"bound_draws": 0}, "`bound_draws` must be an integer of at least 10"),
        ({"seed": -1}, "`seed` must be an integer of at least 0"),
        ({"workers": 0}, "`workers` must be an integer of at least 1"),
    ],
)
def test_nonsense_is_refused(options, words, tmp_path):
    with pytest.raises((ConfigError, *ERRORS), match=words) as error:
        main(Arguments(**{"out": tmp_path / "new", **options}))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_used_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="`out` must be a folder"):
        main(Arguments(p=(5,), out=tmp_path / "file"))
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "draws.sqlite").write_text("no database, but long enough to be looked at" * 50)
    with pytest.raises(ConfigError, match="undamaged"):
        main(Arguments(p=(5,), out=tmp_path / "damaged"))


def test_the_command_line_says_it_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["critical_size", "--p", "1"])
    with pytest.raises(SystemExit) as stop:
        run_command(Arguments, main, PROG, ERRORS)
    assert stop.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("error: `p`")
    assert said.count("\n") == 1
