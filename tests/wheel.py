"""The wheel as a stranger gets it: `make wheel`, or python -m tests.wheel.

Builds it, installs it alone into a fresh environment, and from an empty folder asks for
what must work without torch and matplotlib. No part of the suite: pip fetches what the
theory needs, which takes a minute.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from efftheory import __version__

ROOT = Path(__file__).parents[1]
SOURCES = ("efftheory", "neural", "analysis", "paper_figures", "pyproject.toml", "README.md", "LICENSE")
IMPORTED = """
import importlib.util, efftheory
assert not any(map(importlib.util.find_spec, ("torch", "matplotlib", "pandas"))), "the wheel asks for too much"
print(efftheory.__version__)
"""
# What is typed, the exit status, and what must be in what it prints.
CALLS = (
    (("python", "-c", IMPORTED), 0, __version__),
    (("efftheory", "--version"), 0, f"efftheory {__version__}"),
    (("efftheory",), 0, "compare "),
    (("efftheory", "--help"), 0, "compare "),
    (("efftheory", "--p", "10", "--n-train", "25"), 0, "the picture needs matplotlib"),
    (("python", "-m", "efftheory", "--help"), 0, "--n-train"),
    (("efftheory", "compare"), 1, "efftheory[networks]"),
    (("python", "-m", "neural.train", "--help"), 1, "efftheory[networks]"),
    (("efftheory", "compere"), 2, "The nearest is compare."),
)


def built(folder: Path) -> Path:
    """The wheel, made from a copy: a folder `build` of another day would get in."""
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, source], check=True)
    return next(folder.glob("efftheory-*.whl"))


def installed(wheel: Path, folder: Path) -> Path:
    """Where the programs of a fresh environment are that has the wheel and what it asks
    for.
    """
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    pip = [programs / "python", "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--constraint", ROOT / "constraints.txt", wheel], check=True)
    return programs


def tried(words: tuple[str, ...], status: int, says: str, programs: Path, folder: Path) -> bool:
    """Whether a call ends as it must, and an error is one line."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [programs / words[0], *words[1:]]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    printed = done.stdout + done.stderr
    right = done.returncode == status and says in printed and (status == 0 or printed.count("\n") == 1)
    print("ok " if right else "NO ", *(word for word in words if "\n" not in word))
    if not right:
        print(f"exit status {done.returncode}, not {status}, or no {says!r} in what it printed:\n{printed}")
    return right


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        programs = installed(built(Path(folder)), Path(folder) / "environment")
        empty = Path(folder) / "empty"
        empty.mkdir()
        verdicts = [tried(*call, programs, empty) for call in CALLS]
        return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
