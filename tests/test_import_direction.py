"""efftheory and neural know nothing of each other, nor of what stands to their right: a
prediction that could read the experiment, or a run that could read the answer, would be
worth nothing. Within analysis, rooms know nothing of each other.

Held twice: by what a fresh interpreter has loaded after the import, and by every import
statement in the source, the lazy ones inside functions included.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# What no import statement of a package may name, anywhere.
FORBIDDEN = {
    "efftheory": {"neural", "analysis", "paper_figures", "torch", "matplotlib", "pandas"},
    "neural": {"efftheory", "analysis", "paper_figures"},
    "analysis": {"paper_figures"},
    "paper_figures": {"efftheory", "neural"},
}
# The theory's command draws; the library is held to draw nothing, and so to import
# neither its command nor the picture.
ALLOWED = {"efftheory/_picture.py": {"matplotlib"}}
ONLY_THE_COMMAND = ("__main__", "_picture")


def imports(source: str, package: str) -> Iterator[tuple[int, str]]:
    """(line, top-level module) of every import in `source`, a file that stands directly
    in `package`.

    Import statements anywhere, and importlib.import_module("...") or __import__("...")
    with a literal name. A relative import stays inside its package.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom):
            inside = package if node.level else (node.module or "")
            yield node.lineno, inside.split(".")[0]
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__"):
                yield node.lineno, str(node.args[0].value).split(".")[0]


def against_the_direction(source: str, package: str) -> list[tuple[int, str]]:
    """The imports in `source` that `package` must not have."""
    return [(line, name) for line, name in imports(source, package) if name in FORBIDDEN[package]]


@pytest.mark.parametrize("package", FORBIDDEN)
def test_no_import_statement_goes_against_the_direction(package: str) -> None:
    """Every file, every import."""
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    found = {file.relative_to(ROOT).as_posix(): against_the_direction(file.read_text(), package) for file in files}
    for file, names in ALLOWED.items():
        found[file] = [(line, name) for line, name in found.get(file, []) if name not in names]
    assert {file: lines for file, lines in found.items() if lines} == {}


def test_the_library_imports_neither_its_command_nor_the_picture() -> None:
    for file in sorted((ROOT / "efftheory").rglob("*.py")):
        if file.name != "__main__.py":
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    words = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
                    assert not {part for word in words for part in word.split(".")} & set(ONLY_THE_COMMAND), file.name


def test_the_scan_finds_what_it_is_for() -> None:
    """Plain, dotted, from, renamed, lazy, conditional and by name; and nothing else."""
    source = '''
import numpy, analysis.runs.store as store
from paper_figures.style import look
def late():
    import torch.nn
    if True:
        from torch import Tensor as neural_tensor
    return importlib.import_module("neural.training"), __import__("analysis")
from . import spectrum
from ._checks import neural
"""import neural"""
from neuralgic import x
'''
    found = [
        (3, "paper_figures"),
        (2, "analysis"),
        (5, "torch"),
        (7, "torch"),
        (8, "neural"),
        (8, "analysis"),
    ]
    assert sorted(against_the_direction(source, "efftheory")) == sorted(found)
    assert against_the_direction(source, "analysis") == [(3, "paper_figures")]


# Loads every module of a package, then says which top-level modules there are.
PROBE = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, sys.argv[1] + "."):
    if module.name.split(".")[-1] not in ("__main__", "_picture"):
        importlib.import_module(module.name)
print(*sorted({name.split(".")[0] for name in sys.modules}))
"""


@pytest.mark.parametrize("package", ["efftheory", "neural", "analysis"])
def test_a_fresh_interpreter_loads_nothing_to_the_right(package: str) -> None:
    """All submodules, so that what other libraries pull in counts too (torch by way of
    a helper, say).
    """
    done = subprocess.run(
        [sys.executable, "-c", PROBE, package],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert package in loaded
    assert loaded & FORBIDDEN[package] == set()


def test_the_package_of_figures_is_empty() -> None:
    """Its modules ask analysis, which has all of it; who imports none of them waits for
    nothing.
    """
    code = "import paper_figures, sys; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "paper_figures" in loaded
    assert loaded & {"analysis", "efftheory", "neural", "torch", "matplotlib"} == set()


def test_the_probe_sees_what_is_loaded() -> None:
    """neural needs torch, and the probe says so: an empty list would prove nothing."""
    done = subprocess.run([sys.executable, "-c", PROBE, "neural"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"torch", "numpy", "neural"} <= set(done.stdout.split())


# What all rooms of analysis share; from one another they take nothing.
SHARED = {"logs", "report", "runs", "scores", "predictors", "measures", "experiments", "_pieces", "_processes"}
# Commands that are a file, and the room that has what they compute.
COMMANDS = {"league": {"grokking"}, "measure_checkpoints": {"grokking"}}
COMMANDS |= {name: {"weight_norm"} for name in ("landscape", "norm_law", "two_variables")}
COMMANDS |= {"critical_size": {"counting"}, "groups": {"counting"}}
COMMANDS |= {"watch": {"verdict", "forecast"}, "forecast": {"verdict"}}
COMMANDS |= {name: {"arms"} for name in ("advise", "design_experiment", "interventions", "remedies")}


def taken(source: str) -> set[str]:
    """The rooms of analysis, and its files, that `source` imports something of, in any
    way.
    """
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "analysis":
            found |= {f"analysis.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__"):
                found.add(str(node.args[0].value))
    return {name.split(".")[1] for name in found if name.startswith("analysis.")}


def test_rooms_take_only_what_all_share() -> None:
    """So that one can be read, changed or left out without the others."""
    found: dict[str, set[str]] = {}
    for file in sorted((ROOT / "analysis").rglob("*.py")):
        room = file.relative_to(ROOT / "analysis").parts[0].removesuffix(".py")
        others = taken(file.read_text()) - SHARED - {room}
        found[room] = found.get(room, set()) | others
    assert len(found) > len(SHARED)
    too_much = {room: others - COMMANDS.get(room, set()) for room, others in found.items()}
    assert {room: others for room, others in too_much.items() if others} == {}


def test_what_rooms_take_is_seen() -> None:
    source = """
import analysis.league.scores, efftheory.flow
from analysis.report import look
from analysis import remedies as r, runs
def late():
    from analysis.groups.page import page
    return importlib.import_module("analysis.advise.search")
from neural.family import Family
"""
    assert taken(source) == {"league", "report", "remedies", "runs", "groups", "advise"}
