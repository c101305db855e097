"""An operation of your own, read from a file: a square table of results."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neural.config import ConfigError

MAX_SYMBOLS = 1000  # of a table: a million results
_MAX_BYTES = 2**26  # 64 bytes a result
_WHOLE = "[+-]?[0-9]{1,18}"


def read_table(path: Path) -> tuple[NDArray[np.int64], list[str], list[str]]:
    """The table of a CSV file: row a and column b hold the result of (a, b).

    Results are names or numbers. The symbols' names stand in a row above the results,
    in a column to their left, or in both; then the corner is empty, or a sign such as *
    that stands nowhere else. Without names the symbols are 0 .. p-1. Blank lines and
    lines that begin with # are passed over.

    Returns:
        the results int64 (p, p), the names of the symbols (p,) and of the results. If
        every result is a symbol, these are the symbols, in their order. Otherwise
        results that all are whole numbers are numbered in ascending order, and other
        names as they appear, row by row.

    Raises:
        ConfigError: the file holds no square table of 2 to 1000 symbols, or cannot be
            read; the message names the file and the line.
    """
    rows, lines = _grid(path)
    above, beside = _named(path, rows, lines[0])
    body = [row[beside:] for row in rows[above:]]
    p = len(body)
    if p < 2 or len(body[0]) != p:
        raise _misfit(path, None, f"has {p} rows and {len(body[0]) if body else 0} columns of results")
    first_column = [row[0] for row in rows[above:]]
    names = rows[0][beside:] if above else first_column if beside else [str(number) for number in range(p)]
    if "" in names or "" in body[0]:
        raise _misfit(path, lines[0], "has nothing in column 1")
    if len(set(names)) < p:
        raise _misfit(path, None, f"has two symbols {next(name for name in names if names.count(name) > 1)!r}")
    if above and beside and names != first_column:
        row = next(number for number in range(p) if names[number] != first_column[number])
        raise _misfit(path, lines[above + row], f"is {first_column[row]!r}, and column {row + 1} {names[row]!r}")
    found = dict.fromkeys(cell for row in body for cell in row)
    if found.keys() <= set(names):
        results = names
    else:
        whole = all(re.fullmatch(_WHOLE, cell) for cell in found)
        results = sorted(found, key=int) if whole else list(found)
    number_of = {name: number for number, name in enumerate(results)}
    return np.array([[number_of[cell] for cell in row] for row in body]), names, results


def _named(path: Path, rows: list[list[str]], line: int) -> tuple[bool, bool]:
    """Whether the first row, and the first column, hold the names of the symbols."""
    n_rows, n_columns = len(rows), len(rows[0])
    if abs(n_rows - n_columns) == 1:
        return n_rows > n_columns, n_columns > n_rows
    corner, first_row, first_column = rows[0][0], rows[0][1:], [row[0] for row in rows[1:]]
    if any(corner in row for row in (first_row, *rows[1:])) or re.fullmatch(_WHOLE, corner):
        return False, False
    named = not any(character.isalnum() for character in corner)
    if not named and n_rows > 2 and sorted(set(first_row)) == sorted(first_column):
        hint = "which is a result or stands above names: leave the corner of names empty, or name all symbols"
        raise _misfit(path, line, f"begins with {corner!r}, {hint}")
    return named, named


def _grid(path: Path) -> tuple[list[list[str]], list[int]]:
    """The cells of the file, as many in every row, and the line of each row."""
    rows: list[list[str]] = []
    lines: list[int] = []
    for line, row in _rows(path):
        if rows and len(row) != len(rows[0]):
            raise _misfit(path, line, f"has {len(row)} columns, but line {lines[0]} has {len(rows[0])}")
        if len(row) > MAX_SYMBOLS + 1 or len(rows) > MAX_SYMBOLS:
            raise _misfit(path, line, f"is beyond {MAX_SYMBOLS} symbols")
        for column, cell in enumerate(row):
            if not cell and (rows or column):
                raise _misfit(path, line, f"has nothing in column {column + 1}")
            if not cell.isprintable() or re.fullmatch(r"[+-]?([0-9]*\.[0-9]+|[0-9]+\.)", cell):
                raise _misfit(path, line, f"has {cell[:60]!r}, neither a name nor a whole number")
        rows.append(row)
        lines.append(line)
    if not rows:
        raise _misfit(path, None, "holds no results")
    return rows, lines


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of each row that says something."""
    try:
        if path.exists() and not path.is_file():
            raise _misfit(path, None, "is no file")
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise _misfit(path, None, f"cannot be read: {error.strerror}") from None
    if len(text) > _MAX_BYTES:
        raise _misfit(path, None, f"has more than {_MAX_BYTES >> 20} MiB")
    if b"\0" in text:
        raise _misfit(path, None, "is not a text file (UTF-8)")
    try:
        lines = [line if line[:1] != "#" else "" for line in text.decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        raise _misfit(path, None, "is not a text file (UTF-8)") from None
    reader = csv.reader(lines, skipinitialspace=True, strict=True)
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise _misfit(path, reader.line_num, f"is not CSV: {error}") from None


def _misfit(path: Path, line: int | None, finding: str) -> ConfigError:
    where = f"{path} line {line}" if line is not None else f"{path}"
    return ConfigError(f"`table` must be a CSV file with a square table of results, but {where} {finding}.")
