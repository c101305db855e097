"""How the house is kept, where a reader would otherwise have to trust the page that says so."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import neural.constants
from efftheory import constants

ROOT = Path(__file__).parents[1]
PACKAGES = ("efftheory", "neural", "analysis", "paper_figures")
FILES = sorted(file for name in (*PACKAGES, "tests", "benchmarks") for file in (ROOT / name).rglob("*.py"))
TREES = {file.relative_to(ROOT).as_posix(): ast.parse(file.read_text()) for file in FILES}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def taken_from_other_files(tree: ast.AST) -> Iterator[str]:
    """Private names that a file imports, or reaches as attributes of modules that it imports."""
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in (*PACKAGES, "tests"):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if is_module(whole):
                    modules.add(alias.asname or alias.name)
                elif is_private(alias.name):
                    yield whole
        elif isinstance(node, ast.Import):
            modules |= {alias.asname or alias.name for alias in node.names if alias.name.split(".")[0] in PACKAGES}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            whole = f"{node.value.id}.{node.attr}"
            if is_private(node.attr) and not is_module(whole):
                yield whole


def test_a_private_name_stays_in_its_file() -> None:
    """So that a file can be changed without reading all others. (A module's underscore means: not for users.)"""
    found = {file: list(taken_from_other_files(tree)) for file, tree in TREES.items()}
    assert {file: names for file, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "source",
    ["from efftheory._kernels import _inverse", "from efftheory import spectrum as s\ns._lanczos()"],
)
def test_what_is_taken_is_seen(source: str) -> None:
    assert len(list(taken_from_other_files(ast.parse(source)))) == 1


@pytest.mark.parametrize("package", ["efftheory", "neural"])
def test_a_constant_has_one_value(package: str) -> None:
    """Of all that a package's files assign at their top, in capitals: no name is assigned in two of them."""
    where = defaultdict(list)
    for file, tree in TREES.items():
        if file.startswith(f"{package}/") and not file.endswith("_interrupt.py"):
            for node in ast.iter_child_nodes(tree):
                targets = node.targets if isinstance(node, ast.Assign) else []
                names = {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
                for name in names:
                    if name.isupper() and not is_private(name):
                        where[name].append(file)
    assert len(where) > 3
    assert {name: files for name, files in where.items() if len(files) > 1} == {}


def test_thresholds_are_compared_by_name() -> None:
    """0.9 and 0.95 stand in no comparison of the theory's or the networks' code."""
    for file, tree in TREES.items():
        if file.startswith(("efftheory/", "neural/")):
            for node in ast.walk(tree):
                if isinstance(node, ast.Compare):
                    values = [side.value for side in node.comparators if isinstance(side, ast.Constant)]
                    assert not {0.9, 0.95} & set(values), f"{file}:{node.lineno}"


def test_theory_and_networks_have_one_threshold() -> None:
    """Neither imports the other, so each has its own copy."""
    assert constants.ACCURACY_THRESHOLD == neural.constants.ACCURACY_THRESHOLD
    assert constants.RQI_THRESHOLD == neural.constants.RQI_THRESHOLD


def test_kernels_stand_in_files_of_kernels() -> None:
    """And `_kernels.py`, which does not hold all of them, does not say so."""
    compiled = {
        file
        for file, tree in TREES.items()
        if file.startswith("efftheory/")
        and any(isinstance(node, ast.ImportFrom) and node.module == "numba" for node in ast.walk(tree))
    }
    compiled.discard("efftheory/_threads.py")  # asks how many threads there are
    assert all(file.endswith("_kernels.py") for file in compiled)
    assert len(compiled) > 1
    assert not (ast.get_docstring(TREES["efftheory/_kernels.py"]) or "").startswith("Every")
