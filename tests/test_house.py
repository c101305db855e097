"""How the house is kept, where a reader would otherwise have to trust the page that
says so.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import neural.constants
from efftheory import constants

ROOT = Path(__file__).parents[1]
PACKAGES = ("efftheory", "neural", "analysis", "paper_figures")
FILES = sorted(file for name in (*PACKAGES, "tests", "benchmarks") for file in (ROOT / name).rglob("*.py"))
# Whose files import each other in no circle, and whose sub-packages.
FILES_WITHOUT_CIRCLES = PACKAGES
ROOMS_WITHOUT_CIRCLES = ("neural", "analysis")
PROSE_WIDTH = 88  # of docstrings and comments
TREES = {file.relative_to(ROOT).as_posix(): ast.parse(file.read_text()) for file in FILES}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def taken_from_other_files(tree: ast.AST) -> Iterator[str]:
    """Private names that a file imports, or reaches as attributes of modules that it
    imports.
    """
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
    """So that a file can be changed without reading all others. (A module's underscore
    means: not for users.)
    """
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
    """Of all that a package's files assign at their top, in capitals: no name is
    assigned in two of them.
    """
    where = defaultdict(list)
    for file, tree in TREES.items():
        if file.startswith(f"{package}/") and not file.endswith("_start.py"):
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
    compiled -= {"efftheory/_threads.py", "efftheory/_cache.py"}  # ask numba for its settings
    assert all(file.endswith("_kernels.py") for file in compiled)
    assert len(compiled) > 1
    assert not (ast.get_docstring(TREES["efftheory/_kernels.py"]) or "").startswith("Every")


def test_kernels_are_kept_where_something_can_be_kept() -> None:
    """None asks numba for a folder of its own accord: where there is none, the import
    would fail.
    """
    asked = [
        (file, ast.unparse(keyword.value))
        for file, tree in TREES.items()
        if file.startswith("efftheory/") and file != "efftheory/_cache.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "njit"
        for keyword in node.keywords
        if keyword.arg == "cache"
    ]
    assert len(asked) > 40
    assert {value for _, value in asked} == {"CACHE"}, asked


def module_name(file: str) -> str:
    """efftheory/flow.py is efftheory.flow; a package's __init__.py, its door, has the
    package's name.
    """
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def modules_of(package: str) -> dict[str, ast.AST]:
    return {module_name(file): tree for file, tree in TREES.items() if file.startswith(f"{package}/")}


def imported_from(node: ast.ImportFrom, module: str, doors: set[str]) -> str:
    """The module or package that `from .. import` names, written in `module`."""
    if not node.level:
        return node.module or ""
    here = module.split(".") if module in doors else module.split(".")[:-1]
    return ".".join(here[: len(here) - node.level + 1] + ([node.module] if node.module else []))


def edges(trees: Mapping[str, ast.AST]) -> dict[str, set[str]]:
    """Which of these modules each of them imports: at its top, within functions, for
    type checkers, by name.

    A name taken from a package's door is an import of the module that defines it. What
    imports the door as a whole (`import efftheory as et`) depends on the door, and by
    it on all that the door imports. That Python runs the door before any of the
    package's modules counts for nothing.
    """
    doors = {name for name in trees if any(other.startswith(f"{name}.") for other in trees)}

    def definer(module: str, name: str) -> str:
        """Where `name` of `module` is defined, if that is behind a door, else
        `module`.
        """
        if f"{module}.{name}" in trees:
            return f"{module}.{name}"
        if module in doors:
            for node in ast.walk(trees[module]):
                if isinstance(node, ast.ImportFrom):
                    for alias in node.names:
                        source = imported_from(node, module, doors)
                        if (alias.asname or alias.name) == name and source in trees and source != module:
                            return definer(source, alias.name)
        return module

    def known(name: str) -> str:
        """`name`, or the nearest package above that is one of the modules; "" where
        there is none.
        """
        while name and name not in trees:
            name = name.rpartition(".")[0]
        return name

    def imported(module: str, tree: ast.AST) -> Iterator[str]:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from (known(alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                source = imported_from(node, module, doors)
                yield from (definer(known(source), alias.name) for alias in node.names)
            elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if called in ("import_module", "__import__"):
                    yield known(str(node.args[0].value))

    return {module: set(imported(module, tree)) - {""} for module, tree in trees.items()}


def rooms(graph: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    """The graph of a package's sub-packages; a file that stands directly in the package
    is a room of its own.
    """

    def room(module: str) -> str:
        return ".".join(module.split(".")[:2])

    found: dict[str, set[str]] = defaultdict(set)
    for module, others in graph.items():
        found[room(module)] |= {room(other) for other in others} - {room(module)}
    return found


def circle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """Modules that import each other, the first one once more at the end; [] if there
    are none.
    """
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))  # each imports the next
    return []


@pytest.mark.parametrize("package", FILES_WITHOUT_CIRCLES)
def test_files_import_each_other_in_no_circle(package: str) -> None:
    """So that any file can be read, and tested, with nothing but what stands below
    it.
    """
    graph = edges(modules_of(package))
    assert sum(map(len, graph.values())) > 10
    assert circle(graph) == []


@pytest.mark.parametrize("package", ROOMS_WITHOUT_CIRCLES)
def test_rooms_import_each_other_in_no_circle(package: str) -> None:
    assert circle(rooms(edges(modules_of(package)))) == []


CIRCLES = {
    "at the top": {"h.a": "from h.b import f", "h.b": "import h.a"},
    "of three": {"h.a": "from h import b", "h.b": "from h import c as d", "h.c": "from h.a import f"},
    "relative": {"h.a": "from . import b", "h.b": "from .a import f"},
    "lazy": {"h.a": "from h.b import f", "h.b": "def g():\n    from h.a import f"},
    "for type checkers": {"h.a": "from h.b import f", "h.b": "if TYPE_CHECKING:\n    from h.a import A"},
    "by name": {"h.a": "from h.b import f", "h.b": "import_module('h.a')"},
    "through the door": {"h": "from h.a import f", "h.a": "from h.b import g", "h.b": "from h import f"},
    "with the whole door": {"h": "from h.a import f", "h.a": "import h"},
    "with what the door defines": {"h": "from h.a import f\nx = 1", "h.a": "from h import x"},
    "through a door in a room": {
        "h.r": "from .a import f as g",
        "h.r.a": "from h.b import x",
        "h.b": "from h.r import g",
    },
}


@pytest.mark.parametrize("name", CIRCLES)
def test_a_circle_is_seen(name: str) -> None:
    trees = {"h": ast.parse("")} | {module: ast.parse(source) for module, source in CIRCLES[name].items()}
    found = circle(edges(trees))
    assert len(found) > 2
    assert found[0] == found[-1]


def test_what_is_no_circle_is_not_seen_as_one() -> None:
    """A door that re-exports, a module that takes what another one defines through it,
    another package.
    """
    sources = {
        "h": "from h import _first as _first\nfrom h.a import f\nfrom h.b import g",
        "h._first": "import os",
        "h.a": "from h import _first\nfrom other import b",
        "h.b": "from h import f\nfrom other.b import x",
        "h.__main__": "import h",
    }
    graph = edges({module: ast.parse(source) for module, source in sources.items()})
    assert graph["h.b"] == {"h.a"}
    assert graph["h.__main__"] == {"h"}
    assert circle(graph) == []


def test_rooms_can_form_a_circle_where_files_do_not() -> None:
    sources = {"h.r.a": "from h.s import b", "h.s.b": "", "h.s.c": "from h.r.d import f", "h.r.d": ""}
    graph = edges({module: ast.parse(source) for module, source in sources.items()} | {"h.s": ast.parse("")})
    assert circle(graph) == []
    assert sorted(set(circle(rooms(graph)))) == ["h.r", "h.s"]


def prose_lines(source: str) -> Iterator[tuple[int, str]]:
    """(number, line) of docstrings and of comments with a line of their own; not the
    examples in them, nor URLs.
    """
    lines = source.splitlines()
    numbers = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            text = node.body[0]
            example = False
            for number in range(text.lineno, (text.end_lineno or text.lineno) + 1):
                line = lines[number - 1].strip()
                example = line.startswith(">>>") or (example and line != "")  # and what it prints
                if not example:
                    numbers.add(number)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and token.line.strip() == token.string:
            numbers.add(token.start[0])
    for number in sorted(numbers):
        if "://" not in lines[number - 1] and not lines[number - 1].strip().startswith("|"):
            yield number, lines[number - 1]


def test_prose_is_filled() -> None:
    """Docstrings and comments are read in pages and narrow windows; code may be
    wider.
    """
    lines = ((file, *line) for file in TREES for line in prose_lines((ROOT / file).read_text()))
    assert [f"{file}:{number}" for file, number, line in lines if len(line) > PROSE_WIDTH] == []


def test_what_is_prose_is_seen() -> None:
    source = '''"""Title.

>>> example
result
| a | table |
"""
x = 1  # beside code
# a comment
# https://a.page
def f():
    """Of a function."""
    return """no prose"""
'''
    assert [number for number, _ in prose_lines(source)] == [1, 2, 8, 11]
