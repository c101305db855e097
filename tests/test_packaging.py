"""What is installed, and what is asked for."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from efftheory import __version__

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OF_A_GPU = re.compile("nvidia-|cuda-|triton$")  # what torch's CUDA build brings


def needed(words: Iterable[str]) -> set[str]:
    """The installed packages that these requirements need, directly or not."""
    found: set[str] = set()
    waiting = [(Requirement(word), "") for word in words]
    seen = set()
    while waiting:
        requirement, extra = waiting.pop()
        name = canonicalize_name(requirement.name)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        try:
            further = requires(name) or []
        except PackageNotFoundError:
            continue
        found.add(name)
        for asked in ("", *requirement.extras):
            if (name, asked) not in seen:
                seen.add((name, asked))
                waiting += [(Requirement(word), asked) for word in further]
    return found


def test_all_that_is_installed_is_pinned() -> None:
    """Also what packages bring along: else a test could fail tomorrow that passes
    today.
    """
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {canonicalize_name(line.partition("==")[0]) for line in lines if "==" in line}
    extras = PROJECT["optional-dependencies"].values()
    found = needed([*PROJECT["dependencies"], *(word for extra in extras for word in extra)]) - {"efftheory"}
    assert {"numpy", "mpmath", "pytest"} <= found
    assert {name for name in found - pinned if not OF_A_GPU.match(name)} == set()


def test_the_newest_changes_are_of_this_version() -> None:
    """The one place of the version is the package itself."""
    newest = re.search(r"^## ([\d.]+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest
    assert newest[1] == __version__
    assert not re.search("^version:", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert "version" in PROJECT["dynamic"]
