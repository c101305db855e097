"""Files of logs as tables: CSV, TSV, JSON, JSON lines, Parquet, and .npz of one run or
of many seeds. Nothing is unpickled, or read that would take too much memory.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from neural import ConfigError

LARGEST = 2**30  # bytes of a file, and of what it unpacks to
WATCHED, SETTINGS = "looks.csv", "settings.json"  # what a watch leaves in its folder
_TEXTS, _LINES = (".csv", ".tsv", ".txt", ".log"), (".jsonl", ".ndjson")
KINDS = (".csv", ".tsv", *_LINES, ".json", ".parquet", ".npz")  # in folders
# What people call the step, the surest name first.
STEPS = ("step", "steps", "global_step", "trainer_global_step", "train_step", "training_step", "update", "updates")
STEPS += ("iteration", "iterations", "iter", "iters", "it", "batch", "batches", "t", "epoch", "epochs")
_BLANK = {"", "nan", "na", "n/a", "none", "null", "-"}
_DAMAGED = (
    *(OSError, ValueError, TypeError, KeyError, AttributeError, EOFError, RuntimeError, MemoryError, OverflowError),
    *(SyntaxError, NotImplementedError, IndexError, zipfile.BadZipFile, zlib.error),
)


class _NoLog(Exception):
    """What is wrong with a file."""


@dataclass(frozen=True)
class LogTable:
    """What a file says of one run, or of several in turn.

    Attributes:
        path: the file.
        columns: (R,) each, objects or numbers; None where a cell is blank.
        places: (R,), where each row stands: the line of a text, else its number.
        word: "line" or "row".
        settings: what stands beside the table.
        watched: whether a watch wrote it: then the last row of a step counts.
        name: which run it is, if it is one of several in the file.
    """

    path: Path
    columns: Mapping[str, NDArray[Any]]
    places: NDArray[np.int64]
    word: str = "row"
    settings: Mapping[str, Any] = field(default_factory=dict)
    watched: bool = False
    name: str = ""


def refusal(must: str, found: str) -> ConfigError:
    """What a log must have, and what is there instead."""
    return ConfigError(f"`path` must {must}, but {' '.join(found.split()).removesuffix('.')}.")


def log_tables(path: Path) -> Iterator[LogTable]:
    """The tables of a file, or of all files in a folder and in those within it, in the
    order of their names. ConfigError: there are none, or one cannot be read.
    """
    files = [path]
    try:
        if path.is_dir():
            there = (one for one in path.rglob("*") if one.suffix.lower() in KINDS and one.is_file())
            shown = [one for one in there if not any(part.startswith(".") for part in one.relative_to(path).parts)]
            files = [one for one in sorted(shown) if not _is_beside(one)]
        elif not path.is_file():
            raise refusal("be a log or a folder of logs", f"there is no file {path}")
    except (OSError, ValueError) as error:  # a name with a null in it
        raise refusal("be a log or a folder of logs", f"{str(path)!r}: {error}") from None
    if not files:
        raise refusal(f"be a log or a folder of logs ({', '.join(KINDS)})", f"{path} has none")
    for file in files:
        try:
            yield from _tables(file)
        except _NoLog as wrong:
            raise refusal("be a log that can be read", f"{file} {wrong}") from None
        except _DAMAGED as error:
            reason = getattr(error, "strerror", None) or str(error)[:300] or type(error).__name__
            raise refusal("be a log that can be read", f"{file} is damaged: {reason}") from None


def _is_beside(path: Path) -> bool:
    """Whether a file has the settings of another one."""
    if path.suffix.lower() != ".json":
        return False
    others = (path.with_suffix(suffix) for suffix in KINDS if suffix != ".json")
    return path.name == SETTINGS or any(other.is_file() for other in others)


def _tables(path: Path) -> list[LogTable]:
    size = path.stat().st_size
    if size == 0:
        raise _NoLog("is empty")
    if size > LARGEST:
        raise _NoLog(f"has {size / 2**30:,.1f} GiB, more than {LARGEST / 2**30:g}")
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        begun = file.read(4)
    if suffix == ".npz" or (begun == b"PK\3\4" and suffix not in (*_TEXTS, *_LINES, ".json")):
        return _of_arrays(path, _arrays(path))
    if suffix == ".parquet" or begun == b"PAR1":
        return [_of_parquet(path)]
    text = _text(path)
    first = text.lstrip()[:1]
    if suffix in _LINES or (suffix in ("", ".txt", ".log") and first == "{"):
        return [_of_lines(path, text)]
    if suffix == ".json" or (suffix in ("", ".txt", ".log") and first == "["):
        return [_of_json(path, text)]
    if suffix in ("", *_TEXTS):
        return [_of_text(path, text)]
    raise _NoLog(f"is none of {', '.join(KINDS)}")


# ---- text


def _text(path: Path) -> str:
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        raise _NoLog("is no text") from None
    if "\0" in text:
        raise _NoLog("is no text")
    if not text.strip():
        raise _NoLog("is empty")
    return text


def _cell(text: str) -> str | None:
    text = text.strip()
    return None if text.lower() in _BLANK else text


def _of_text(path: Path, text: str) -> LogTable:
    """A row a line; what separates cells is what the first line has most of. The last
    line may be torn.
    """
    torn = not text.endswith(("\n", "\r"))
    watched = path.name == WATCHED
    if watched and torn:
        text = text[: text.rfind("\n") + 1]
    text = re.sub(r"^[ \t]*#[ \t]*", "", text)  # as numpy writes it
    head = next((line for line in text.splitlines() if line.strip()), "")
    mark = max("\t;, ", key=lambda one: (head.strip().count(one), one != " "))
    if mark == " " and any(one in head for one in "\t;,"):
        mark = max("\t;,", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, skipinitialspace=True)
    found, places = [], []
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                found.append(row)
                places.append(reader.line_num)
    except csv.Error as error:
        raise _NoLog(f"line {reader.line_num} is not CSV: {error}") from None
    if not found:
        raise _NoLog("is empty")
    names = [name.strip() for name in found[0]]
    if twice := next((name for name in names if name and names.count(name) > 1), None):
        raise _NoLog(f"has two columns {twice}")
    if torn and len(found) > 1 and len(found[-1]) < len(names):
        found, places = found[:-1], places[:-1]
    cells = np.full((len(found) - 1, len(names)), None, dtype=object)
    for number, row in enumerate(found[1:]):
        if len(row) > len(names) and any(cell.strip() for cell in row[len(names) :]):
            raise _NoLog(f"line {places[number + 1]} has {len(row)} cells, but its first line has {len(names)}")
        kept = [_cell(cell) for cell in row[: len(names)]]
        cells[number, : len(kept)] = kept
    columns = {name: cells[:, k] for k, name in enumerate(names) if name}
    return LogTable(path, columns, np.array(places[1:], dtype=np.int64), "line", _beside(path), watched)


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise _NoLog(f"{where}is nested too deeply") from None
    except ValueError as error:
        raise _NoLog(f"{where}is no JSON: {str(error)[:200]}") from None


def _of_lines(path: Path, text: str) -> LogTable:
    lines = text.split("\n")
    records, places = [], []
    for place, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = _parsed(line, f"line {place} ")
        except _NoLog:
            if place == len(lines) and records:  # torn
                break
            raise
        if not isinstance(record, dict):
            raise _NoLog(f"line {place} is no record")
        records.append(record)
        places.append(place)
    return _of_records(path, records, np.array(places, dtype=np.int64), "line", _beside(path))


def _of_records(path: Path, records: list, places: NDArray, word: str, settings: Mapping[str, Any]) -> LogTable:
    flat = [dict(_flat(record)) for record in records]
    names = dict.fromkeys(name for record in flat for name in record)
    if len(names) * len(flat) > LARGEST / 64:
        raise _NoLog(f"has {len(names):,} names in {len(flat):,} records, more than can be a log")
    columns = {name: _objects([record.get(name) for record in flat]) for name in names}
    return LogTable(path, columns, places, word, settings)


def _flat(record: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """The names and values of records in records; of {"lr": {"value": 1}} only lr."""
    for name, value in record.items():
        if isinstance(value, dict):
            if set(value) <= {"value", "desc"} and "value" in value:
                yield f"{before}{name}", value["value"]
            else:
                yield from _flat(value, f"{before}{name}/")
        else:
            yield f"{before}{name}", value


def _objects(values: list) -> NDArray[Any]:
    found = np.empty(len(values), dtype=object)
    found[:] = [_cell(value) if isinstance(value, str) else value for value in values]
    return found


def _of_json(path: Path, text: str) -> LogTable:
    """A list of records; an object with one, or with lists of one length. What else is
    in the object are settings.
    """
    try:
        content = json.loads(text)
    except RecursionError:
        raise _NoLog("is nested too deeply") from None
    except ValueError:
        if text.lstrip().startswith("{") and "\n" in text.strip():
            return _of_lines(path, text)
        _parsed(text, "")
        raise
    settings = _beside(path)
    if isinstance(content, dict):
        flat = dict(_flat(content))
        lists = {name: value for name, value in flat.items() if isinstance(value, list) and value}
        settings |= scalars({name: value for name, value in flat.items() if name not in lists})
        records = [value for value in lists.values() if all(isinstance(one, dict) for one in value)]
        if len(records) != 1:
            n = max(map(len, lists.values()), default=0)
            if any(len(value) != n and len(value) > 4 for value in lists.values()):
                lengths = ", ".join(f"{name} {len(value)}" for name, value in list(lists.items())[:6])
                raise _NoLog(f"has lists of different lengths: {lengths}")
            while len({name.partition("/")[0] for name in lists}) == 1 and all("/" in name for name in lists):
                lists = {name.partition("/")[2]: value for name, value in lists.items()}  # of {"history": {...}}
            columns = {name: _objects(value) for name, value in lists.items() if len(value) == n}
            return LogTable(path, columns, np.arange(1, n + 1), settings=settings)
        [content] = records
    if not isinstance(content, list) or not all(isinstance(one, dict) for one in content):
        raise _NoLog("is no list of records and no object of lists")
    return _of_records(path, content, np.arange(1, len(content) + 1), "row", settings)


def _beside(path: Path) -> dict[str, Any]:
    """The settings in settings.json and NAME.json beside a file."""
    found: dict[str, Any] = {}
    for other in (path.with_name(SETTINGS), path.with_suffix(".json")):
        if other != path and other.is_file():
            if other.stat().st_size > 2**24:
                raise _NoLog(f"has settings beside it, {other.name}, of more than 16 MiB")
            content = _parsed(_text(other), f"has settings beside it, but {other.name} ")
            if isinstance(content, dict):
                found |= scalars(dict(_flat(content)))
    return found


def scalars(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are numbers, texts or truth values as Python has them, float32's by
    their shortest decimal form; not nan, nor integers beyond 2^63.
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, np.floating):
            value = float(str(value))
        elif isinstance(value, np.generic):
            value = value.item()
        whole = isinstance(value, int) and abs(value) < 2**63
        if whole or isinstance(value, str) or (isinstance(value, float) and not math.isnan(value)):
            found[name] = value
    return found


# ---- arrays


def _of_parquet(path: Path) -> LogTable:
    try:
        import pyarrow as pa
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise _NoLog("is Parquet, which needs the package pyarrow (efftheory[parquet])") from None
    try:
        with ParquetFile(path) as file:
            about = file.metadata
            size = sum(about.row_group(k).total_byte_size for k in range(about.num_row_groups))
            if max(size, 8 * about.num_rows * about.num_columns) > LARGEST:
                raise _NoLog(f"has {about.num_rows:,} rows of {about.num_columns:,} columns, more than can be a log")
            table = file.read()
    except pa.ArrowException as error:
        raise _NoLog(f"is damaged: {error}") from None
    names = table.column_names
    if len(set(names)) < len(names):
        raise _NoLog("has two columns of one name")
    columns = {name: _objects(table[name].to_pylist()) for name in names if not name.startswith("__index_level_")}
    return LogTable(path, columns, np.arange(1, table.num_rows + 1), settings=_beside(path))


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file, of which none may be larger than the file says."""
    found = {}
    with zipfile.ZipFile(path) as archive:
        members = [one for one in archive.infolist() if one.filename.endswith(".npy")]
        if (size := sum(one.file_size for one in members)) > LARGEST:
            raise _NoLog(f"has arrays of {size / 2**30:,.1f} GiB, more than {LARGEST / 2**30:g}")
        for one in members:
            with archive.open(one) as stream:
                version = npy.read_magic(stream)
                read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                shape, _, dtype = read(stream)
            name = one.filename.removesuffix(".npy")
            if dtype.hasobject:
                raise _NoLog(f"has a pickled array, {name}, which is never unpickled")
            if math.prod(shape) * dtype.itemsize > one.file_size:
                raise _NoLog(f"is damaged: {name} is shorter than its shape {shape}")
            with archive.open(one) as stream:
                found[name] = npy.read_array(stream, allow_pickle=False)
    if not found:
        raise _NoLog("has no arrays")
    return found


def _of_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> list[LogTable]:
    """Steps are (L,), curves (L,) or, a row a seed, (S, L). Numbers are settings. Of
    (S,) only seeds are read: others may be what the end of a run tells.
    """
    settings = _beside(path) | scalars({name: values[()] for name, values in arrays.items() if values.ndim == 0})
    plain = {name: values for name, values in arrays.items() if values.dtype.kind in "biufU" and values.ndim in (1, 2)}
    many = [values.shape for values in plain.values() if values.ndim == 2]
    if not many:
        n = max((len(values) for values in plain.values()), default=0)
        columns = {name: values for name, values in plain.items() if len(values) == n}
        return [LogTable(path, columns, np.arange(1, n + 1), settings=settings)]
    shape = max(many, key=many.count)
    step = next((name for name in STEPS for name in (name, f"_{name}", name.title()) if name in plain), "")
    turned = step != "" and plain[step].shape == shape[:1] != shape[1:]  # a column a seed
    n_seeds, n = shape[::-1] if turned else shape
    own_seeds = [arrays[name] for name in ("seeds", "seed") if name in arrays and arrays[name].shape == (n_seeds,)]
    [seeds] = own_seeds[:1] or [np.arange(n_seeds)]
    tables = []
    for row in range(n_seeds):
        columns = {}
        for name, values in plain.items():
            if values.shape == shape:
                columns[name] = values[:, row] if turned else values[row]
            elif values.shape == (n,) and (name == step or n != n_seeds):
                columns[name] = values
        own = settings | scalars({"seed": seeds[row]})
        tables.append(LogTable(path, columns, np.arange(1, n + 1), settings=own, name=str(seeds[row])))
    return tables
