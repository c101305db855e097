"""The one name for all commands, and what every command does at its start."""

from __future__ import annotations

import ast
import io
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
import tyro

import efftheory
from analysis.__main__ import COMMANDS, main, module_of
from analysis.report import command as report_command
from efftheory import _start
from neural import FAMILIES, command

ROOT = Path(__file__).parents[2]


@pytest.fixture
def started(monkeypatch):
    """Runs `efftheory WORDS`, but for the command itself: (its module, its words)."""

    def start(*words: str) -> tuple[str, list[str]]:
        found = []
        monkeypatch.setattr(sys, "argv", ["efftheory", *words])
        monkeypatch.setattr(runpy, "run_module", lambda module, **_: found.append((module, sys.argv[1:])))
        main()
        return found[0]

    return start


def test_readme_has_the_same_commands():
    """A line each, in the same words."""
    rows = re.findall(r"^\| `([\w.]+)` \| (.+?) \| \[", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert rows == list(COMMANDS.values())


def test_every_command_is_listed(capsys, monkeypatch):
    files = [file for form in ("*/__main__.py", "*.py") for file in (ROOT / "analysis").glob(form)]
    found = {
        f"analysis.{file.parent.name if file.stem == '__main__' else file.stem}"
        for file in files
        if "\n    run_command(" in file.read_text()
    }
    assert {module for module, _ in COMMANDS.values()} == found | {"efftheory", "neural.train", "paper_figures"}
    for words in ([], ["--help"]):
        monkeypatch.setattr(sys, "argv", ["efftheory", *words])
        main()
        printed = capsys.readouterr().out
        assert all(re.search(f"^  {name} +{re.escape(line)}$", printed, re.M) for name, (_, line) in COMMANDS.items())


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("compare", "analysis.compare_theory"),
        ("compare_theory", "analysis.compare_theory"),
        ("compare-theory", "analysis.compare_theory"),
        ("analysis.compare_theory", "analysis.compare_theory"),
        ("phase-diagram", "analysis.phase_diagram"),
        ("phase_diagram", "analysis.phase_diagram"),
        ("sweep", "analysis.sweep"),
        ("train", "neural.train"),
        ("figures", "paper_figures"),
        ("paper-figures", "paper_figures"),
        ("theory", "efftheory"),
    ],
)
def test_names_as_people_type_them(started, name, module):
    assert started(name, "--p", "5", "train") == (module, ["--p", "5", "train"])


def test_options_without_a_command_are_the_theorys(started):
    assert started("--p", "10", "--n-train", "25") == ("efftheory", ["--p", "10", "--n-train", "25"])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("swep", "there is no command 'swep'. The nearest is sweep. efftheory --help lists all."),
        ("qqq", "there is no command 'qqq'. efftheory --help lists all."),
    ],
)
def test_an_unknown_command_is_one_line(capsys, name, says):
    with pytest.raises(SystemExit) as stop:
        module_of(name)
    assert stop.value.code == 2
    assert capsys.readouterr().err == f"error: {says}\n"


@pytest.mark.parametrize("arguments", [["analysis", "decoder-range"], ["analysis.decoder_range"]])
def test_a_command_that_is_gone_says_where_it_went(arguments):
    done = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stderr.startswith("error: analysis.decoder_range")
    assert done.stderr.count("\n") == 1


def lines_of(page: str) -> list[list[str]]:
    """The words of every command line `python -m ...` on a page, in blocks of code and
    between backticks, whole where one goes on behind a backslash, without comments.
    """
    text = page.replace("\\\n", " ")
    found = re.findall(r"^(python -m .*)$|`(python -m [^`]*)`", text, re.MULTILINE)
    return [shlex.split(block or inline, comments=True)[2:] for block, inline in found]


LINES = [line for page in ("README.md", "docs/commands.md") for line in lines_of((ROOT / page).read_text())]


def test_lines_of_a_page_are_seen():
    page = """`python -m a` and ``` `python -m b.c --x "d e"
```
python -m f \\
    --y 3  # more
```
"""
    assert lines_of(page) == [["a"], ["b.c", "--x", "d e"], ["f", "--y", "3"]]
    assert {line[0] for line in LINES} | {"analysis.measure_checkpoints"} == {module for module, _ in COMMANDS.values()}


@pytest.mark.parametrize("module", [module for module, _ in COMMANDS.values()])
def test_every_command_has_a_help(monkeypatch, capsys, module):
    monkeypatch.setattr(sys, "argv", ["efftheory", module, "--help"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    assert "usage" in capsys.readouterr().out


@pytest.mark.parametrize("line", [line for line in LINES if line[0] != "efftheory"], ids=" ".join)
def test_a_command_understands_the_lines_of_the_pages(monkeypatch, line):
    """All their options and values; the theory's own command is tested with it."""
    parsed = []

    def instead(arguments, main, prog, errors=()):
        parsed.append(tyro.cli(arguments, prog=prog, return_unknown_args=True))

    for taken_from in (command, report_command):
        monkeypatch.setattr(taken_from, "run_command", instead)
    monkeypatch.setattr(sys, "argv", ["efftheory", *line])
    main()
    [(_, unknown)] = parsed
    assert unknown == []


def test_the_version(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["efftheory", "--version"])
    main()
    assert capsys.readouterr().out == f"efftheory {efftheory.__version__}\n"


def test_a_package_that_is_not_installed_is_one_line(capsys, monkeypatch):
    """Those of the extra; anything else is a bug and keeps its traceback."""
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in ("torch.nn", "nowhere"):
        try:
            __import__(name)
        except ModuleNotFoundError as error:
            _start.report(type(error), error, error.__traceback__)
    one, *others = capsys.readouterr().err.splitlines()
    assert one == "error: this command needs the package torch: pip install 'efftheory[networks]'"
    assert others[0] == "Traceback (most recent call last):"


def test_these_packages_are_those_of_the_extra():
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["networks"]
    names = [re.split("[><=]", word)[0].replace("pillow", "PIL") for word in extra]
    assert sorted(names) == sorted(_start.NETWORKS)


def test_what_is_printed_can_be_printed(monkeypatch):
    """On a terminal that has no such letters, and where there is none at all."""
    screen = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(screen, encoding="ascii"))
    monkeypatch.setattr(sys, "stderr", None)
    _start.open_streams()
    print("Kähler \udce9", flush=True)
    assert screen.getvalue() == b"K\\xe4hler \\udce9\n"
    with sys.stderr as nowhere:
        print("lost \udce9", file=nowhere, flush=True)


def test_families_are_listed_wherever_one_is_asked_for():
    """By the help of every --family."""
    found = 0
    for file in [*(ROOT / "analysis").rglob("*.py"), *(ROOT / "neural").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            for line, after in pairwise(node.body if isinstance(node, ast.ClassDef) else []):
                if isinstance(line, ast.AnnAssign) and ast.unparse(line).startswith(("family: str =", "family: str |")):
                    found += 1
                    told = ast.unparse(after)  # the toy model has no files that could be lost, and so no --family
                    assert [name for name in FAMILIES if name not in told and name != "toy"] == [], file
    assert found >= 4
