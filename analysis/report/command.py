"""How every command begins and ends: checks of its options, words on its runs, a
report.
"""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.report.files import save_picture, write_json, write_page, write_text
from analysis.report.tables import scalars
from efftheory import __version__
from efftheory._threads import usable_cores
from neural import ConfigError as ConfigError
from neural.command import run_command as run_command


def check_at_least(least: int, arguments: object, *names: str) -> None:
    """ConfigError unless these options are at least `least`.

    None, where the command chooses a value, is allowed.
    """
    for name in names:
        value = getattr(arguments, name)
        if value is not None and value < least:
            raise ConfigError(f"`{name}` must be an integer of at least {least}, but is {value}.")


def check_given(arguments: object, *names: str) -> None:
    """ConfigError unless these options are one number or several."""
    for name in names:
        if not getattr(arguments, name):
            raise ConfigError(f"`{name}` must be at least one number, but is empty.")


def trained_on(*runs: pd.DataFrame) -> list[tuple[str, str]]:
    """The (device, torch version) pairs of tables of runs."""
    return sorted({pair for some in runs for pair in zip(some["device"], some["torch"], strict=True)})


def environment(prog: str, trained_on: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
    """What the numbers were made with: `prog` with the options of this process, and the
    (device, torch version) pairs of the runs.

    No times of day: the same command twice leaves the same report (on one machine;
    others round otherwise).
    """
    packages = ("numpy", "scipy", "numba", "torch", "pandas")
    return {
        "command": " ".join([prog, *map(shlex.quote, sys.argv[1:])]),
        "trained_on": [f"{device}, torch {release}" for device, release in trained_on],
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "cores": usable_cores(),
        "versions": {"efftheory": __version__} | {name: version(name) for name in packages},
    }


def leave(
    out: Path,
    report: Mapping[str, Any],
    pictures: Mapping[str, Figure],
    page: Sequence[str],
    said: Sequence[str],
    **tables: pd.DataFrame,
) -> None:
    """Write report.json, each table as NAME.csv (runs, predictions, scores; columns of
    arrays are left out), the pictures (by file name), and the page that shows them;
    then print the lines of `said` and where the page is.

    ConfigError if something cannot be written.
    """
    for name, table in tables.items():
        write_text(out / f"{name}.csv", scalars(table).to_csv(index=False))
    write_json(out / "report.json", report)
    for name, figure in pictures.items():
        save_picture(out / name, figure)
    write_page(out / "report.md", page)
    print(*said, out / "report.md", sep="\n")
