"""Ctrl-C at any moment of any command is one line and exit status 130."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from analysis._pieces import Piece, computed
from analysis._processes import quiet_children
from neural.command import run_command

ROOT = Path(__file__).parents[1]
FILES = [file for name in ("efftheory", "neural", "analysis", "paper_figures") for file in (ROOT / name).rglob("*.py")]
COMMANDS = sorted(
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
    for file in FILES
    if '\nif __name__ == "__main__":\n' in file.read_text()
)

# Python imports this at its start: Ctrl-C is pressed when the module PRESS_AT is first
# looked for.
CUSTOM = """
import os, signal, sys

class Press:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["PRESS_AT"]:
            sys.meta_path.remove(self)
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Press())
"""


def pressed(tmp_path: Path, command: str, module: str, **options) -> subprocess.CompletedProcess[str]:
    """python -m COMMAND, with Ctrl-C at the import of `module`."""
    (tmp_path / "sitecustomize.py").write_text(CUSTOM)
    paths = [str(tmp_path), str(ROOT)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PRESS_AT": module}
    words = [sys.executable, "-m", *command.split()]
    if command.startswith("efftheory train"):  # no package has this name: the script that pip makes
        script = tmp_path / "efftheory"
        script.write_text("import sys\nfrom analysis.__main__ import main\nsys.exit(main())\n")
        words = [sys.executable, str(script), *command.split()[1:]]
    return subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, **options)


def test_both_packages_start_alike() -> None:
    """Neither may import the other."""
    code = [(ROOT / name / "_start.py").read_text().split('"""', 2)[2] for name in ("efftheory", "neural")]
    assert code[0].replace('"efftheory", "analysis", "paper_figures"', '"neural",') == code[1]


def test_every_command_is_known() -> None:
    assert {"efftheory", "neural.train", "analysis.compare_theory", "analysis.runs", "paper_figures"} <= set(COMMANDS)
    assert len(COMMANDS) >= 13


@pytest.mark.parametrize(
    ("command", "module"),
    [
        *((command, "numpy") for command in COMMANDS),
        ("neural.train", "torch"),
        ("efftheory", "matplotlib"),
        ("analysis.runs list", "neural.command"),
        ("efftheory train", "torch"),
    ],
)
def test_while_a_command_is_imported(tmp_path: Path, command: str, module: str) -> None:
    """Its first import of weight, and later ones."""
    ended = pressed(tmp_path, command, module)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "interrupted\n")


def test_ctrl_c_that_is_to_be_ignored_is(tmp_path: Path) -> None:
    """As nohup wants it."""

    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    ended = pressed(
        tmp_path, "efftheory --help", "numpy", preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_library_leaves_the_signals_of_its_host_alone(tmp_path: Path) -> None:
    """Also one that is started with -m."""
    host = tmp_path / "host"
    host.mkdir()
    (host / "__init__.py").write_text("import analysis, efftheory, neural, paper_figures\n")
    ask = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    (host / "__main__.py").write_text(ask)
    ended = pressed(tmp_path, "host", "none")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "True\n", "")


@dataclass(frozen=True)
class Nothing:
    """No options."""


def test_where_no_exception_gets_through_it_comes_again(monkeypatch, capsys) -> None:
    """In a callback from C, as compilers have them, Python reports the exception and
    goes on.
    """
    monkeypatch.setattr(sys, "argv", ["command"])
    hook, done = sys.unraisablehook, []

    def main(_: Nothing) -> None:
        ctypes.CFUNCTYPE(None)(lambda: signal.raise_signal(signal.SIGINT))()
        done.append("went on")
        time.sleep(10)
        done.append("slept")

    with pytest.raises(SystemExit) as stop:
        run_command(Nothing, main, "command")
    assert stop.value.code == 130
    assert done == ["went on"]
    assert capsys.readouterr().err == "interrupted; whatever had finished is kept\n"
    assert sys.unraisablehook is hook


CLOSES_SLOWLY = """
import signal, time
from dataclasses import dataclass
from neural.command import run_command

@dataclass
class Nothing:
    pass

def main(_):
    try:
        signal.raise_signal(signal.SIGINT)
    finally:
        print("closing", flush=True)
        signal.raise_signal(signal.SIGINT)
        time.sleep(60)

run_command(Nothing, main, "command")
"""


def test_a_second_one_does_not_wait_for_what_the_first_closes() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", CLOSES_SLOWLY], capture_output=True, text=True, check=False, timeout=50
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "closing\n", "interrupted\n")


def test_a_pool_does_not_wait_for_its_pieces(tmp_path: Path) -> None:
    """Nor does it leave a process behind."""
    pieces = [Piece(str(number), time.sleep, (60,), cost=60) for number in range(4)]
    before, begin = multiprocessing.active_children(), time.monotonic()
    press = threading.Timer(1.5, os.kill, [os.getpid(), signal.SIGINT])
    press.start()
    with pytest.raises(KeyboardInterrupt):
        computed(tmp_path / "pieces.sqlite", pieces, workers=2)
    assert time.monotonic() - begin < 50
    assert multiprocessing.active_children() == before


def _is_deaf(pipe: Connection) -> None:
    pipe.send(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))


def test_children_never_see_it() -> None:
    """From before their first line on; the parent does, at the end of their start."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    before = signal.getsignal(signal.SIGINT), signal.pthread_sigmask(signal.SIG_BLOCK, [])
    child = context.Process(target=_is_deaf, args=(theirs,))

    def start() -> None:
        with quiet_children():
            child.start()
            signal.raise_signal(signal.SIGINT)
            done.append("started")

    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        start()
    assert done == ["started"]
    assert ours.recv()
    child.join()
    assert (signal.getsignal(signal.SIGINT), signal.pthread_sigmask(signal.SIG_BLOCK, [])) == before
    with quiet_children():
        pass  # nothing was pressed: nothing is raised
