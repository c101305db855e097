"""The wheel and the source distribution as a stranger gets them: `make wheel`, or
python -m tests.wheel.

Builds both. The wheel goes alone into a fresh environment, where what must work without
torch and matplotlib is asked for from an empty folder. The source distribution goes
into another, with torch, and has its own tests. In both the tests marked `smoke` pass
outside of the repository. No part of the suite: pip fetches what is needed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from efftheory import __version__

ROOT = Path(__file__).parents[1]
PACKAGES = ("efftheory", "neural", "analysis", "paper_figures")
BESIDE = ("tests", "benchmarks", "MANIFEST.in", "pyproject.toml", "constraints.txt", "mkdocs.yml", "Makefile")
TEXTS = ("README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md")
NEEDED_BY_TESTS = ("pytest", "hypothesis", "tqdm")
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


def built(folder: Path) -> tuple[Path, Path]:
    """The wheel and the source distribution, made from a copy: a folder `build` of
    another day would get in.
    """
    source = folder / "source"
    source.mkdir()
    for name in (*PACKAGES, *BESIDE, *TEXTS):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source)
    subprocess.run([*pip(Path(sys.executable)), "wheel", "--no-deps", "--wheel-dir", folder, source], check=True)
    backend = f"from setuptools import build_meta; build_meta.build_sdist({str(folder)!r})"
    subprocess.run([sys.executable, "-c", backend], cwd=source, stdout=subprocess.DEVNULL, check=True)
    return next(folder.glob("efftheory-*.whl")), next(folder.glob("efftheory-*.tar.gz"))


def pip(python: Path) -> list[str]:
    return [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]


def installed(what: str, folder: Path) -> Path:
    """Where the programs of a fresh environment are that has a package and what it asks
    for.
    """
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    install(programs, what)
    return programs


def install(programs: Path, *what: str) -> None:
    command = [*pip(programs / "python"), "install", "--constraint", str(ROOT / "constraints.txt"), *what]
    subprocess.run(command, check=True)


def smokes(programs: Path, sdist: Path, folder: Path) -> bool:
    """Whether the quick tests of the source distribution pass, of what is installed:
    they stand in a folder without the packages.
    """
    install(programs, *NEEDED_BY_TESTS)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    unpacked = folder / sdist.name.removesuffix(".tar.gz")
    for package in (*PACKAGES, "efftheory.egg-info"):
        shutil.rmtree(unpacked / package)
    return tried(("python", "-m", "pytest", "-m", "smoke", "tests/test_smoke.py"), 0, " passed", programs, unpacked)


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
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel, sdist = built(folder)
        empty = folder / "empty"
        empty.mkdir()
        programs = installed(str(wheel), folder / "of the wheel")
        verdicts = [tried(*call, programs, empty) for call in CALLS]
        verdicts.append(smokes(programs, sdist, folder / "tests of the wheel"))
        programs = installed(f"{sdist}[networks]", folder / "of the source")
        verdicts.append(smokes(programs, sdist, folder / "tests of the source"))
        return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
