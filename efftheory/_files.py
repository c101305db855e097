"""The files that `python -m efftheory` reads and writes: pairs, tables, its report.
Only the command imports it; the library reads and writes none.
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
import tempfile
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_TABLE = 1000  # symbols of a table: a million results
_MAX_BYTES = 2**26  # of a file
_WHOLE = "[+-]?[0-9]{1,18}"
_NO_RESULT = r"[+-]?([0-9]*\.[0-9]+|[0-9]+\.)|(?i:nan)|.*;.*"  # decimals, what is missing, another separator


class InputError(ValueError):
    """What the user gave cannot be worked with; the message is one line."""


class Rows(NamedTuple):
    """A file of pairs: `cells` int (n, 2) or (n, 3), and the line that each row stands
    on.
    """

    cells: NDArray[np.int64]
    lines: Sequence[int]


class Table(NamedTuple):
    """A file with a table: its name, the number of each result, int (p, p), the names
    of the symbols (p,) and of the results.
    """

    name: str
    results: NDArray[np.int64]
    names: list[str]
    results_names: list[str]


def read_pairs(path: Path, table: Table | None = None) -> Rows:
    """The rows of a CSV file, two or three whole numbers each, or names of the symbols
    and results of a table; InputError where it holds anything else.
    """
    wanted, headers, comment = "i,j or i,j,result in whole numbers from 0", ["i,j"], "#.*"
    if table is not None:
        wanted, headers, comment = "a,b or a,b,result", ["i,j", "a,b"], _COMMENT
    symbols, results = (None, None) if table is None else (_numbered(table.names), _numbered(table.results_names))
    cells, lines = array("q"), array("q")  # not lists, of which a few million rows would take a gigabyte
    for line, row in _rows(path, comment):
        header = ",".join(row).lower().removesuffix(",result") in headers
        if header and not lines and (symbols is None or row[0] not in symbols):
            continue
        numbers = [_number(cell, symbols) for cell in row[:2]] + [_number(cell, results) for cell in row[2:]]
        if len(row) not in (2, 3) or (table is None and None in numbers):
            raise _misfit(path, line, f"must be {wanted}, but is {','.join(row)[:60]!r}", ":")
        if None in numbers:
            finding = f"{row[numbers.index(None)][:60]!r} is no symbol or result of the table"
            raise _misfit(path, line, finding, ":")
        if lines and len(cells) != len(lines) * len(row):
            raise _misfit(path, line, f"{len(row)} columns, but {len(cells) // len(lines)} before", ":")
        cells.extend(number for number in numbers if number is not None)
        lines.append(line)
    if not lines:
        raise _misfit(path, None, "holds no pairs")
    return Rows(np.array(cells).reshape(len(lines), -1), lines)


def _numbered(names: Sequence[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(names)}


def _number(cell: str, numbered: dict[str, int] | None) -> int | None:
    """Of a name, or what the text itself says; None if it is neither."""
    if numbered is not None:
        return numbered.get(cell)
    return int(cell) if re.fullmatch("[0-9]{1,18}", cell) else None


def read_table(path: Path) -> Table:
    """A square table of results, CSV: row a and column b hold the result of (a, b).

    As `neural.tables.Table.read` reads it; neither package may import the other, and a
    test holds that they read alike. Names stand above the results, to their left, or in
    both places; then the corner is empty, or a sign that stands nowhere else. Without
    names the symbols are 0 .. p-1. Where every result is a symbol, results are numbered
    as the symbols are.
    """
    rows, lines = _grid(path)
    above, beside = _named(path, rows, lines[0])
    body, first_column = [row[beside:] for row in rows[above:]], [row[0] for row in rows[above:]]
    p = len(body)
    if p < 2 or len(body[0]) != p:
        raise _misfit(path, None, f"has {p} rows and {len(body[0]) if body else 0} columns of results")
    names = rows[0][beside:] if above else first_column if beside else [str(number) for number in range(p)]
    if "" in names or "" in body[0]:
        raise _misfit(path, lines[0], "has nothing in column 1")
    if len(set(names)) < p:
        raise _misfit(path, None, f"has two symbols {next(name for name in names if names.count(name) > 1)!r}")
    if above and beside and names != first_column:
        row = next(number for number in range(p) if names[number] != first_column[number])
        raise _misfit(path, lines[above + row], f"is {first_column[row]!r}, and column {row + 1} {names[row]!r}")
    found = list(dict.fromkeys(cell for row in body for cell in row))
    if all(re.fullmatch(_WHOLE, cell) for cell in found):
        found.sort(key=int)
    results_names = names if set(found) <= set(names) else found
    number_of = _numbered(results_names)
    name = path.stem.encode(errors="backslashreplace").decode()  # a report and a picture can hold it
    return Table(name, np.array([[number_of[cell] for cell in row] for row in body]), names, results_names)


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
    """The cells of a table, as many in every row, and the line of each row."""
    rows: list[list[str]] = []
    lines: list[int] = []
    for line, row in _rows(path, _COMMENT):
        if rows and len(row) != len(rows[0]):
            raise _misfit(path, line, f"has {len(row)} columns, but line {lines[0]} has {len(rows[0])}")
        if len(row) > MAX_TABLE + 1 or len(rows) > MAX_TABLE:
            raise _misfit(path, line, f"is beyond {MAX_TABLE} symbols")
        for column, cell in enumerate(row):
            if not cell and (rows or column):
                raise _misfit(path, line, f"has nothing in column {column + 1}")
            if not cell.isprintable() or re.fullmatch(_NO_RESULT, cell):
                raise _misfit(path, line, f"has {cell[:60]!r}, neither a name nor a whole number")
        rows.append(row)
        lines.append(line)
    if not rows:
        raise _misfit(path, None, "holds no results")
    return rows, lines


_COMMENT = r"(^|\s)#.*"  # names may have a # in them


def _rows(path: Path, comment: str) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of each row that says something."""
    with path.open("rb") as file:
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise _misfit(path, None, f"has more than {_MAX_BYTES >> 20} MiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise _misfit(path, None, "is not a text file (UTF-8)")
    lines = (re.sub(comment, "", line) for line in io.StringIO(text, newline=None))
    reader = csv.reader(lines, skipinitialspace=True, strict=True)
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise _misfit(path, reader.line_num, f"is not CSV: {error}") from None


def _misfit(path: Path, line: int | None, finding: str, colon: str = "") -> InputError:
    return InputError(f"{path}{'' if line is None else f' line {line}'}{colon} {finding}.")


@contextlib.contextmanager
def replacing(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Files to write to, which take the places of `paths` when all are written: until
    then the old ones stay whole.

    Each is in a folder of its own beside the old one: two commands may write there at a
    time. A symbolic link stays, and its target is replaced.

    Raises:
        OSError: a folder cannot be written, or the disk is full.
    """
    old, fresh = [path.resolve() for path in paths], []
    with contextlib.ExitStack() as stack:
        for path in old:
            beside = tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.", ignore_cleanup_errors=True)
            fresh.append(Path(stack.enter_context(beside)) / path.name)
        yield fresh
        for new, path in zip(fresh, old, strict=True):
            new.replace(path)


def check_writable(path: Path) -> None:
    """Make the folder of a file, and see that the file can be written; no file is left
    behind.

    Raises:
        OSError: it cannot.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.open("r+b").close()
    try:
        tempfile.TemporaryFile(dir=path.resolve().parent).close()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
