"""An operation of your own: a square table of results, read from a file, as one value
that a configuration holds; and training sets in writing, or read from files of pairs.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neural.config import ConfigError

MAX_SYMBOLS = 1000  # of a table: a million results
_MAX_BYTES = 2**26  # 64 bytes a result
_WHOLE = "[+-]?[0-9]{1,18}"
_NO_RESULT = r"[+-]?([0-9]*\.[0-9]+|[0-9]+\.)|(?i:nan)|.*;.*"  # decimals, what is missing, another separator
_HEXADECIMAL = "[1-9a-f][0-9a-f]*"
_DIGEST = "[0-9a-f]{16}"
_SQUARE = "`table` must be a CSV file with a square table of results"


class Table(str):
    """An operation of your own. As a text it is a digest of its content: two equal
    tables are one value, and a run's key holds the digest alone.

    Args:
        results: int (p, p), the result of (a, b), of at least 0.
        symbols: their names, by default 0 .. p-1.
        result_names: those of the results 0 .. n-1; by default the symbols', or numbers
            where there are more results than symbols.

    Attributes:
        results, symbols, result_names: as given, read-only: an int64 array, and tuples.
        content: all of these as JSON, of which `Table(**json.loads(content))` makes it
            again.

    Raises:
        ConfigError: the results are no such table, or names are missing or occur twice.
    """

    results: NDArray[np.int64]
    symbols: tuple[str, ...]
    result_names: tuple[str, ...]
    content: str

    def __new__(
        cls, results: ArrayLike, symbols: Sequence[str] | None = None, result_names: Sequence[str] | None = None
    ) -> Table:
        cells = np.asarray(results)
        if cells.ndim != 2 or cells.shape[0] != cells.shape[1] or not 2 <= len(cells) <= MAX_SYMBOLS:
            wanted = f"have shape (p, p) with p in 2..{MAX_SYMBOLS}"
            raise ConfigError(f"`table` must {wanted}, but has shape {cells.shape}.")
        if not np.issubdtype(cells.dtype, np.integer) or cells.min() < 0:
            raise ConfigError("`table` must hold whole numbers of at least 0, but does not.")
        p, n = len(cells), int(cells.max()) + 1
        if n > p * p:
            raise ConfigError(f"`table` must number its results from 0 on, but has {n - 1}.")
        numbers = [str(number) for number in range(max(p, n))]
        names = numbers[:p] if symbols is None else list(symbols)
        named = (names if n <= p else numbers) if result_names is None else list(result_names)
        for some, least, most in ((names, p, p), (named, n, p * p)):
            if not least <= len(set(some)) == len(some) <= most:
                raise ConfigError(f"`table` must have {least} different names, but has {len(set(some))}.")
        held = {"results": cells.tolist(), "symbols": names, "result_names": named}
        content = json.dumps(held, separators=(",", ":"))
        table = super().__new__(cls, hashlib.sha256(content.encode()).hexdigest()[:16])
        table.results = cells.astype(np.int64)
        table.results.flags.writeable = False
        table.symbols, table.result_names, table.content = tuple(names), tuple(named), content
        return _KNOWN.setdefault(str(table), table)

    @classmethod
    def read(cls, path: Path) -> Table:
        """From a CSV file: row a and column b hold the result of (a, b).

        Results are names or numbers. The symbols' names stand in a row above the
        results, in a column to their left, or in both; then the corner is empty, or a
        sign such as * that stands nowhere else. Without names the symbols are 0 .. p-1.
        Blank lines are passed over, and what follows a # at the beginning of a line or
        behind a blank.

        If every result is a symbol, results are numbered as the symbols are. Otherwise
        results that all are whole numbers are numbered in ascending order, and other
        names as they appear, row by row.

        Raises:
            ConfigError: the file holds no square table of 2 to 1000 symbols, or cannot
                be read; the message names the file and the line.
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
        results = names if set(found) <= set(names) else found
        number_of = {name: number for number, name in enumerate(results)}
        return cls([[number_of[cell] for cell in row] for row in body], names, results)

    @property
    def witness(self) -> str:
        """The first pair whose order matters, in words; "" if the table commutes."""
        for a, b in np.argwhere(self.results != self.results.T)[:1]:
            one, other = self.result_names[self.results[a, b]], self.result_names[self.results[b, a]]
            return f"{self.symbols[a]},{self.symbols[b]} is {one} and {self.symbols[b]},{self.symbols[a]} is {other}"
        return ""

    def __deepcopy__(self, memo: object) -> Table:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Table, (self.results, self.symbols, self.result_names)


_KNOWN: dict[str, Table] = {}  # of this process, by their digests: a key of a run holds no more


def adopt_operation(config: Any, known: Sequence[str]) -> None:
    """See that the operation of a configuration is one of these, or a table: itself,
    its digest, if it has been seen in this process, or its CSV file. A table says how
    many symbols there are.

    Args:
        config: with fields `operation` and `p`, which are set here.
        known: operations that have a name.

    Raises:
        ConfigError: it is not; or the configuration has another number of symbols.
    """
    name = config.operation if isinstance(config.operation, str) else ""
    if name in known:
        return
    if name not in _KNOWN and not _is_file(name):
        if re.fullmatch(_DIGEST, name):
            raise ConfigError(f"`operation` must be a table that an open store has, but none has {name}.")
        raise ConfigError(f"`operation` must be one of {', '.join(known)}, but is {config.operation!r}.")
    table = _KNOWN[name] if name in _KNOWN else Table.read(Path(name))
    p = len(table.symbols)
    if config.p not in (type(config).p, p):
        raise ConfigError(f"`p` must be left out with a table, which has {p} symbols, but is {config.p}.")
    object.__setattr__(config, "operation", table)
    object.__setattr__(config, "p", p)


def write_samples(mask: ArrayLike) -> str:
    """A training set, bool (N,), as text: bit s of a hexadecimal number is sample s. It
    is what a configuration has as `samples`.
    """
    return f"{int.from_bytes(np.packbits(np.asarray(mask, bool), bitorder='little').tobytes(), 'little'):x}"


def read_samples(samples: str, n_samples: int) -> NDArray[np.bool_]:
    """The training set, bool (n_samples,), that `write_samples` wrote."""
    content = int(samples, 16).to_bytes(-(-n_samples // 8), "little")
    return np.unpackbits(np.frombuffer(content, np.uint8), count=n_samples, bitorder="little").astype(np.bool_)


def count_samples(config: Any) -> int:
    """How many samples the training set in a configuration's `samples` has. There is
    one way to write it: two equal sets are one configuration.

    Raises:
        ConfigError: it is no hexadecimal number, or has other samples.
    """
    if not isinstance(config.samples, str) or not re.fullmatch(_HEXADECIMAL, config.samples):
        form = "a hexadecimal number in lower case, without 0x or leading zeros"
        raise ConfigError(f"`samples` must be {form}, but is {config.samples!r}.")
    bits, n = int(config.samples, 16), config.n_samples
    if bits.bit_length() > n:
        raise ConfigError(
            f"`samples` must have bits for the {n} samples of p = {config.p} only, 0 to {n - 1}, but has bit "
            f"{bits.bit_length() - 1}."
        )
    return bits.bit_count()


def adopt_pairs(config: Any, task: Callable[[Any], tuple[NDArray[np.int64], NDArray[np.int64]]]) -> bool:
    """Where the `samples` of a configuration are a file of pairs, make them a number;
    whether they were.

    It is a CSV file with a row a sample: two symbols, and the result, which may be left
    out. If all samples have a <= b, a row may name them either way round. A first row
    i,j or a,b is passed over.

    Args:
        config: the configuration.
        task: its samples, (N, 2), and their results, (N,).

    Raises:
        ConfigError: the file cannot be read, or a row is no sample.
    """
    name = config.samples
    if not isinstance(name, str) or re.fullmatch(_HEXADECIMAL, name) or not _is_file(name):
        return False
    path, wanted = Path(name), "`samples` must be a CSV file with rows a,b or a,b,result"
    symbols = results = [str(number) for number in range(max(config.p, config.n_results))]
    pairs, numbers = task(config)
    if isinstance(config.operation, Table):
        symbols, results = config.operation.symbols, config.operation.result_names
        numbers = config.operation.results[pairs[:, 0], pairs[:, 1]]
    symbols = symbols[: config.p]
    number_of, either = {name: number for number, name in enumerate(symbols)}, (pairs[:, 0] <= pairs[:, 1]).all()
    sample_of = {(int(a), int(b)): sample for sample, (a, b) in enumerate(pairs)}
    mask = np.zeros(len(pairs), dtype=np.bool_)
    for number, (line, row) in enumerate(_rows(path, wanted)):
        known = [number_of[name] for name in row[:2] if name in number_of]
        if number == 0 and len(known) < 2 and ",".join(row[:2]).lower() in ("i,j", "a,b"):
            continue
        shown = repr(",".join(row)[:60])
        if len(row) not in (2, 3) or len(known) < 2:
            raise _misfit(path, line, f"has {shown}, where {symbols[0]} .. {symbols[-1]} are symbols", wanted)
        sample = sample_of.get((min(known), max(known)) if either else (known[0], known[1]))
        if sample is None:
            raise _misfit(path, line, f"has {shown}, which is no sample", wanted)
        if len(row) == 3 and row[2] != results[numbers[sample]]:
            raise _misfit(path, line, f"has {shown}, where {results[numbers[sample]]} is the result", wanted)
        mask[sample] = True
    if not mask.any():
        raise _misfit(path, None, "holds no pairs", wanted)
    object.__setattr__(config, "samples", write_samples(mask))
    return True


def _is_file(name: str) -> bool:
    return name.lower().endswith(".csv") or os.path.isfile(name)


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
            if not cell.isprintable() or re.fullmatch(_NO_RESULT, cell):
                raise _misfit(path, line, f"has {cell[:60]!r}, neither a name nor a whole number")
        rows.append(row)
        lines.append(line)
    if not rows:
        raise _misfit(path, None, "holds no results")
    return rows, lines


def _rows(path: Path, wanted: str = _SQUARE) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of each row that says something."""
    try:
        if path.exists() and not path.is_file():
            raise _misfit(path, None, "is no file", wanted)
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise _misfit(path, None, f"cannot be read: {error.strerror}", wanted) from None
    if len(content) > _MAX_BYTES:
        raise _misfit(path, None, f"has more than {_MAX_BYTES >> 20} MiB", wanted)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise _misfit(path, None, "is not a text file (UTF-8)", wanted)
    lines = (re.sub(r"(^|\s)#.*", "", line) for line in io.StringIO(text, newline=None))
    reader = csv.reader(lines, skipinitialspace=True, strict=True)
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise _misfit(path, reader.line_num, f"is not CSV: {error}", wanted) from None


def _misfit(path: Path, line: int | None, finding: str, wanted: str = _SQUARE) -> ConfigError:
    where = f"{path} line {line}" if line is not None else f"{path}"
    return ConfigError(f"{wanted}, but {where} {finding}.")
