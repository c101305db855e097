"""The file of a watch: a line a look, in the order in which they were made.

Lines are only added, each by one write, so a kill at any moment tears at most the last
one. A run that goes on from a checkpoint writes the steps after it anew: a line takes
the place of all lines above it with its step or a later one.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from neural import ConfigError


class Looks:
    """The file, to add lines to. ConfigError: it has other columns than these."""

    def __init__(self, path: Path, columns: Sequence[str]):
        self._path, self._columns = path, columns
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = _whole_lines(path)
        if not whole:
            path.write_bytes(_line(columns))
            return
        if next(csv.reader(io.StringIO(whole.decode()))) != list(columns):
            raise ConfigError(f"`out` must be a new folder, or one of the same network, but {path} has other columns.")
        os.truncate(path, len(whole))

    def add(self, row: Mapping[str, float]) -> None:
        """One look: a number for each column."""
        with self._path.open("ab", buffering=0) as file:
            file.write(_line([row[name] for name in self._columns]))


def read_looks(path: Path) -> pd.DataFrame:
    """The looks that are in force, by step; none where there is no such file. A torn
    last line is left out.
    """
    whole = _whole_lines(path)
    if not whole:
        return pd.DataFrame({"step": []}, dtype=float)
    looks = pd.read_csv(io.BytesIO(whole))
    least_below = looks["step"][::-1].cummin()[::-1].shift(-1)
    return looks[~(looks["step"] >= least_below)].reset_index(drop=True)


def _whole_lines(path: Path) -> bytes:
    text = path.read_bytes() if path.exists() else b""
    return text[: text.rfind(b"\n") + 1]


def _line(cells: Sequence[object]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()
