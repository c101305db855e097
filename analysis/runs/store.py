"""The run store: one SQLite file that keeps every finished run, keyed by its whole
configuration.

    pd.read_sql("select * from runs", sqlite3.connect("results/runs.sqlite"))

gives one row a run: the configuration's fields, the steps to each threshold (NULL = not
within the budget), the final numbers, and as JSON the training set, the embeddings and
the records: [[steps], [values]] at which the accuracies and RQI first exceeded all they
had been, so that steps to any other threshold can be read off exactly. The learning
curves are in the table `curves`, what predictors say of runs in `predictions`.

So it is for the toy model. Each other family has a table of its own (`runs_modular`),
made with its first run, and full traces and checkpoints in files beside the store
(`traces`). Operations that users bring are in the table `tables`, by the digest that
their runs' keys have. So are families that users bring in the table `families`; each
run has the digest of its family's file as `source`, so that a changed file's runs are
others.

A store is its file: a symbolic link to it names the same store, with the same lock and
the same traces. Readers fetch and let go; a program that holds the file, because it was
stopped, say, is waited for by what trains.
"""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.runs.kept import called, description, kept_family
from analysis.runs.rows import (
    DamagedRow,
    array,
    check_settings,
    checked_curves,
    demand,
    thinned_curves,
    values_of,
)
from analysis.runs.traces import (
    Traces,
    TracesError,
    check_named,
    check_there,
    clear_place,
    make_folder,
    read_traces,
    remove_leftovers,
    share,
    traces_folder,
    traces_path,
    write_traces,
)
from neural import FAMILIES, ConfigError, History, Table, family_of, find_family
from neural.config import defaults
from neural.family import Family
from neural.foreign import known, source_of

try:
    import fcntl
except ModuleNotFoundError:  # on Windows, where commands do not take turns: they may train the same runs
    fcntl = None

VERSION = 4
# What predictors say of runs: of other code than `version` nothing is taken.
PREDICTIONS = ("key", "predictor", "target", "draws", "version", "read_at", "value", "probability", "low", "high")
_FIRST = "toy"  # its table is `runs`; what a store had before there were other families


def config_columns(family: type[Family]) -> list[str]:
    """The fields of a family's configurations; and `source`, of a user's."""
    return [field.name for field in fields(family.Config)] + ["source"] * (source_of(family) is not None)


def step_columns(family: type[Family]) -> list[str]:
    """Steps to each threshold."""
    return [name for metric in family.METRICS for name in metric.crossings]


def record_columns(family: type[Family]) -> dict[str, str]:
    """The columns of records, with the metric of each."""
    return {metric.record: metric.name for metric in family.METRICS if metric.record}


def phase_records(family: type[Family]) -> tuple[str, str]:
    """The records of what is learned (the training set) and generalised (the rest)."""
    columns = {metric: column for column, metric in record_columns(family).items()}
    learned, generalised = family.METRICS[:2]
    return columns[learned.name], columns[generalised.name]


def result_columns(family: type[Family]) -> list[str]:
    """What was measured, and with what."""
    finals = ["steps_run", "retired", "accuracy", *(metric.name for metric in family.METRICS), "device", "torch"]
    return [*step_columns(family), *finals, *family.ARRAYS, *record_columns(family), "compiled"]


def only(family: type[Family]) -> str:
    """The SQL condition for the runs of a family in its table, where those of another
    version of a user's file are, too.
    """
    source = source_of(family)
    return "1" if source is None else f"source = '{source.digest}'"


def table_name(family: type[Family]) -> str:
    """The table of a family's runs."""
    return "runs" if family.name == _FIRST else f"runs_{family.name}"


_WAIT_S = 60.0  # for another program that holds the file
_TRY_S = 1.0  # of these, before Ctrl-C is heard
_BATCH, _NARROW_BATCH = 1_000, 20_000  # rows that are fetched at a time: whole ones, or some of their columns
_KEYS = 500  # that are looked up at a time
_PATIENCE_S = 30.0  # with a condition that finds no further run
_NAMED = 5  # runs in a message
_INSTRUCTIONS = 10_000  # of sqlite, about a millisecond, between two looks at the clock and for Ctrl-C


def new_since(version: int) -> dict[str, Any]:
    """The fields that runs of a version did not have, with what these runs had been
    trained with.
    """
    return defaults(FAMILIES[_FIRST].Config, lambda option: option.since > version)


# Those that can be brought up to date.
OLD_VERSIONS = range(2, VERSION)


_Looked = TypeVar("_Looked")


class StoreError(Exception):
    """The run store cannot be used as it is; nothing in it was changed."""


class LostTraces(StoreError):
    """A run's row is there, its traces are gone or damaged.

    Attributes:
        run: its number and family.
    """

    def __init__(self, message: str, run: str):
        super().__init__(message)
        self.run = run


def key(config: Any) -> str:
    """A run's identity: its whole configuration, as JSON; and its family, unless that
    is the first one.

    A field that came later is left out where it has its default, so that the keys of
    older runs stay.
    """
    family, values = family_of(config), values_of(config)
    for name, default in _later(family.Config).items():
        if values[name] == default:
            del values[name]
    return json.dumps(values if family.name == _FIRST else values | {"family": family.name}, sort_keys=True)


@cache
def _later(config_type: type) -> dict[str, Any]:
    return defaults(config_type, lambda option: option.later)


def config_of(name: str) -> Any:
    """The configuration that has this key; StoreError if none has. A table of results
    is one that this process has seen, as those of all open stores are.
    """
    try:
        values = json.loads(name)
        of, source = values.pop("family", _FIRST), values.pop("source", None)
        config = (known(of, source) if source else FAMILIES[of]).Config(**values)
        if key(config) != name:
            raise ValueError
        return config
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, ConfigError) as error:
        found = f"one is {name!r:.400} ({type(error).__name__})"
        raise StoreError(f"`store` must have configurations as the keys of its runs, but {found}.") from None


class RunStore:
    """An open run store; made if `path` does not exist, unless it is only to be read.

    A store of an old version is brought up to date, in one transaction, unless it is
    only to be read: none of its runs has to be trained again.

    Raises:
        StoreError: the file cannot be opened or written, is damaged, is no run store or
            is one of another
        version.
    """

    def __init__(self, path: Path, read_only: bool = False):
        self.path = path
        self._file = Path(os.path.realpath(path))
        self._begun = time.time()
        with self._explained():
            if read_only and not self._file.is_file():
                raise StoreError(f"`store` must be a run store, but there is none at {path}.")
            if not read_only:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                if not self._file.exists():  # sqlite would make it for its owner, whatever the umask
                    os.close(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o666))
            # who only reads also takes back what a killed writer has half written, if
            # the file system lets it
            mode = "rw" if read_only else "rwc"
            self._connection = sqlite3.connect(f"{self._file.as_uri()}?mode={mode}", uri=True, timeout=_WAIT_S)
            try:
                if read_only:
                    self._connection.execute("PRAGMA query_only = 1")
                elif self._version() in OLD_VERSIONS:
                    with self.training():  # a command that has begun with an old version ends with it
                        self._migrate()
                self._open(read_only)
            except BaseException:
                self._connection.close()  # and with it a transaction that has not ended
                raise

    def _version(self) -> int:
        return self._connection.execute("PRAGMA user_version").fetchone()[0]

    def _open(self, read_only: bool) -> None:
        run = self._connection.execute
        # tells now, not after hours of training, whether the file can be written
        run("BEGIN" if read_only else "BEGIN IMMEDIATE")
        version = self._version()
        empty = run("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if empty and version == 0 and not read_only:
            self._create(FAMILIES[_FIRST])
            run("CREATE TABLE curves (key TEXT PRIMARY KEY, curves TEXT)")
            run(f"PRAGMA user_version = {VERSION}")
        elif version in OLD_VERSIONS:
            raise StoreError(
                f"`store` must be a run store of version {VERSION}, but {self.path} is of version {version}. "
                "A command that trains into it brings it up to date, without training any of its runs again."
            )
        elif version != VERSION:
            raise StoreError(
                f"`store` must be a run store of version {VERSION}, but {self.path} is of version {version}."
            )
        self._check_end()
        self._connection.commit()
        if not read_only:
            self._check_whole()
        if self._has_table("tables"):
            try:
                for (content,) in run("SELECT content FROM tables").fetchall():
                    Table(**json.loads(content))  # from now on known by its digest, which keys have: see `config_of`
            except (ConfigError, TypeError, ValueError):
                raise sqlite3.DatabaseError("a row of its table `tables` is damaged") from None
        self._own_families()
        for family in FAMILIES.values():
            if family.name == _FIRST or self._has(family):
                if read_only and self._lacking(family):
                    raise StoreError(
                        f"`store` must have the columns {', '.join(self._lacking(family))}, but {self.path} is older. "
                        "A command that trains into it brings it up to date, without training any of its runs again."
                    )
                self._add_later(family)
                self._check_columns(family, config_columns(family))

    def _check_end(self) -> None:
        """sqlite3.DatabaseError if the file ends within a page: sqlite itself misses
        only whole ones.
        """
        n_bytes = self._file.stat().st_size
        if n_bytes % self._connection.execute("PRAGMA page_size").fetchone()[0]:
            raise sqlite3.DatabaseError(f"its end is missing, it was cut after {n_bytes:,} bytes")

    def _check_whole(self) -> None:
        """sqlite3.DatabaseError if the file is damaged anywhere, or an index disagrees
        with its table: reads all of it, which only writing is worth.
        """
        verdict = self._connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(" ".join(verdict.split()))

    def _has_table(self, name: str) -> bool:
        query = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?"
        return self._connection.execute(query, (name,)).fetchone()[0] > 0

    def _has(self, family: type[Family]) -> bool:
        """Whether there is a table of this family's runs, with its columns."""
        if not (source := source_of(family)):
            return self._has_table(table_name(family))
        query = "SELECT count(*) FROM families WHERE name = ? AND source = ?"
        there = self._has_table("families") and self._connection.execute(query, (family.name, source.digest))
        return there and there.fetchone()[0] > 0

    def _own_families(self) -> list[type[Family]]:
        """The families of users, a class for each version of a file."""
        if not self._has_table("families"):
            return []
        try:
            rows = self._connection.execute("SELECT name, source, path, content, description FROM families")
            return [kept_family(*row) for row in rows.fetchall()]
        except ValueError:
            raise sqlite3.DatabaseError("a row of its table `families` is damaged") from None

    def _columns(self, family: type[Family]) -> list[str]:
        if source_of(family) is not None:
            return ["key", *config_columns(family), *result_columns(family)] if self._has(family) else []
        return [row[1] for row in self._connection.execute(f"PRAGMA table_info({table_name(family)})")]

    def _check_columns(self, family: type[Family], config_columns: Sequence[str]) -> None:
        """sqlite3.DatabaseError unless the runs have these columns."""
        if set(self._columns(family)) != {"key", *config_columns, *result_columns(family)}:
            raise sqlite3.DatabaseError(f"its table `{table_name(family)}` is missing or has other columns")

    def _lacking(self, family: type[Family]) -> dict[str, Any]:
        """Fields that came later than this table, with what its runs had."""
        have = self._columns(family)
        later = defaults(family.Config, lambda option: option.later)
        return {name: default for name, default in later.items() if name not in have}

    def _add_later(self, family: type[Family]) -> None:
        lacking = self._lacking(family)
        with self._connection:
            for name, default in lacking.items():
                self._connection.execute(f'ALTER TABLE {table_name(family)} ADD COLUMN "{name}"')
                self._connection.execute(f'UPDATE {table_name(family)} SET "{name}" = ?', (default,))

    def _migrate(self) -> None:
        """From an old version to this one: the fields that are new get their columns
        and enter every key.
        """
        run = self._connection.execute
        with self._connection:  # all of it or, whatever happens, nothing
            run("BEGIN IMMEDIATE")
            version = self._version()
            if version not in OLD_VERSIONS:  # another command was first
                return
            new = new_since(version)
            self._check_whole()
            first = FAMILIES[_FIRST]
            kept = [*config_columns(first), *result_columns(first)]
            self._check_columns(first, [name for name in config_columns(first) if name not in new])
            run("CREATE TEMP TABLE old AS SELECT rowid AS number, * FROM runs")  # not renamed: views would follow
            run("DROP TABLE runs")
            self._create(first)
            values = [f":{name}" if name in new else f'"{name}"' for name in kept]
            columns = ", ".join(f'"{name}"' for name in ["rowid", "key", *kept])
            # the rowid is the number that people know a run by
            run(f"INSERT INTO runs ({columns}) SELECT number, key, {', '.join(values)} FROM old", new)
            run("DROP TABLE old")
            tables = [row[0] for row in run("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in {"runs", "curves", "predictions"} & set(tables):
                rows = run(f"SELECT key, rowid FROM {table}").fetchall()
                changed = [(json.dumps(json.loads(old) | new, sort_keys=True), rowid) for old, rowid in rows]
                self._connection.executemany(f"UPDATE {table} SET key = ? WHERE rowid = ?", changed)
            run(f"PRAGMA user_version = {VERSION}")

    def _create(self, family: type[Family]) -> None:
        names, table = [*config_columns(family), *result_columns(family)], table_name(family)
        columns = ", ".join(f'"{name}"' for name in names)
        self._connection.execute(f"CREATE TABLE IF NOT EXISTS {table} (key TEXT PRIMARY KEY, {columns})")
        if source := source_of(family):
            rows = self._connection.execute(f"PRAGMA table_info({table})").fetchall()
            have = {row[1].lower() for row in rows}  # another version of the file may have other fields
            for name in names:
                if name.lower() not in have:
                    self._connection.execute(f'ALTER TABLE {table} ADD COLUMN "{name}"')
            columns = "name, source, path TEXT, content TEXT, description TEXT, PRIMARY KEY (name, source)"
            self._connection.execute(f"CREATE TABLE IF NOT EXISTS families ({columns})")
            row = (family.name, source.digest, source.path, source.text, description(family))
            self._connection.execute("INSERT OR REPLACE INTO families VALUES (?, ?, ?, ?, ?)", row)

    def missing(self, configs: Sequence[Any]) -> list[Any]:
        """Those of `configs`, of any families, that have not been trained, each once,
        in order.
        """
        wanted = {key(config): config for config in configs}
        have = set()
        for family in {family_of(config) for config in configs}:
            names = [name for name, config in wanted.items() if family_of(config) is family]
            with self._explained():
                if self._has(family):
                    have |= {row[0] for row in self._rows_of(family, names, "key")}
        return [config for name, config in wanted.items() if name not in have]

    def _rows_of(self, family: type[Family], keys: Sequence[str], columns: str) -> Iterator[tuple]:
        """Those rows of a family's table that have one of these keys, in no order."""
        for begin in range(0, len(keys), _KEYS):
            some = keys[begin : begin + _KEYS]
            query = f"SELECT {columns} FROM {table_name(family)} WHERE key IN ({', '.join('?' * len(some))})"
            yield from self._connection.execute(query, some).fetchall()

    @contextmanager
    def training(self) -> Iterator[None]:
        """One command at a time trains into a store; another waits here, and then finds
        what the first has trained.

        The lock is the system's: it ends with the process that holds it, however that
        ends.
        """
        lock, path = self._lock_file()
        try:
            if fcntl is not None:
                with self._explained(path):
                    try:
                        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except BlockingIOError:
                        print(f"waiting for another command that is training into {self.path}", file=sys.stderr)
                        fcntl.flock(lock, fcntl.LOCK_EX)
                remove_leftovers(traces_folder(self._file), self._begun)
            yield
        finally:
            os.close(lock)

    def _lock_file(self) -> tuple[int, Path]:
        """The open file of the lock, and its path. Nothing is written into it, nor is a
        symbolic link followed; who may write the store may open it.
        """
        path = self._file.with_name(self._file.name + ".lock")
        if path.is_symlink():
            raise StoreError(f"`store` must have a lock file of its own, but {path} is a symbolic link.")
        how = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # nor is a pipe waited for
        with self._explained(path):
            with suppress(FileExistsError):
                number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | how, 0o666)
                share(path, self._file)
                return number, path
            try:
                number = os.open(path, os.O_RDWR | how)
            except PermissionError:  # another user's: reading is enough for a lock
                return os.open(path, os.O_RDONLY | how), path
            if os.fstat(number).st_nlink == 1:
                share(path, self._file)
            return number, path

    def prepare_traces(self, configs: Sequence[Any]) -> None:
        """StoreError if the traces of these runs could not be kept beside the store;
        before they are trained.
        """
        if any(family_of(config).name != _FIRST for config in configs):
            folder = self._traces_folder()
            for config in configs:
                path = traces_path(self._file, key(config))
                with self._explained(path):
                    clear_place(path)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise StoreError(
                    f"`store` must have a folder of traces that can be written, but {folder} cannot: where the store "
                    "can, its owner opens the folder to you, too, by training once more, or by chmod."
                )

    def _traces_folder(self) -> Path:
        """The folder of traces, which is made if need be."""
        folder = traces_folder(self._file)
        with self._explained(folder):
            try:
                make_folder(folder, self._file)
            except FileExistsError:
                raise StoreError(f"`store` must have a folder of traces beside it, but {folder} is none.") from None
        return folder

    def add(self, history: History, device: str, torch_version: str) -> None:
        """Keep a finished run, in one transaction; a run that is there already stays as
        it is.

        Another program that holds the file is waited for.
        """
        family = family_of(history.config)
        arrays = {name: of(history) for name, of in family.ARRAYS.items()}
        values = (
            values_of(history.config)
            | history.summary()
            | {"device": device, "torch": torch_version, "compiled": history.compiled}
            | {name: json.dumps(array.tolist()) for name, array in arrays.items()}
            | {name: json.dumps(history.record(metric)) for name, metric in record_columns(family).items()}
        )
        row = {"key": key(history.config)}
        row |= {name: values[name] for name in [*config_columns(family), *result_columns(family)]}
        names, slots = (", ".join(form.format(name) for name in row) for form in ('"{}"', ":{}"))
        if family.name != _FIRST:  # before the row, which says that the run is whole
            path = traces_path(self._file, row["key"])
            with self._explained(self._traces_folder()):
                write_traces(path, row["key"], history, self._file)

        own = getattr(history.config, "operation", None)

        def put() -> None:
            if isinstance(own, Table):
                columns = "digest TEXT PRIMARY KEY, content TEXT"
                self._connection.execute(f"CREATE TABLE IF NOT EXISTS tables ({columns})")
                self._connection.execute("INSERT OR IGNORE INTO tables VALUES (?, ?)", (str(own), own.content))
            self._create(family)
            self._connection.execute(f"INSERT OR IGNORE INTO {table_name(family)} ({names}) VALUES ({slots})", row)
            if family.name == _FIRST:
                curves = json.dumps(thinned_curves(history))
                self._connection.execute("INSERT OR IGNORE INTO curves VALUES (?, ?)", (row["key"], curves))

        self._write(put)

    def _write(self, put: Callable[[], None]) -> None:
        """Do this in one transaction, as soon as no other program holds the file."""
        begin = said = time.monotonic()
        with self._explained():
            self._connection.execute(f"PRAGMA busy_timeout = {round(1000 * _TRY_S)}")
            try:
                while True:
                    try:
                        with self._connection:
                            put()
                        return
                    except sqlite3.OperationalError as error:
                        if not _is_busy(error):
                            raise
                    if time.monotonic() - said > _WAIT_S / 2:
                        said = time.monotonic()
                        print(
                            f"waiting for another program, a stopped one perhaps, that has held {self.path} for "
                            f"{said - begin:.0f} s; nothing is lost",
                            file=sys.stderr,
                        )
            finally:
                self._connection.execute(f"PRAGMA busy_timeout = {round(1000 * _WAIT_S)}")

    def table(self, configs: Sequence[Any]) -> pd.DataFrame:
        """The finished ones of `configs`, all of one family, in their order, a row each
        (and its `key`); steps not reached are NaN.

        A mask is a bool array (N,), other arrays of the family are float, the records
        float arrays (2, n): steps and values.

        Raises:
            StoreError: a row is not what was written; the message names the run.
        """
        [family] = {family_of(config) for config in configs} or {FAMILIES[_FIRST]}
        wanted = {key(config): config for config in configs}
        with self._explained():
            names = self._columns(family) if self._has(family) else []
            columns = ", ".join(f'"{name}"' for name in names)
            rows = self._rows_of(family, list(wanted), f"rowid, {columns}") if names else iter(())
            found: dict[str, dict[str, Any]] = {}
            for number, *values in rows:
                row = dict(zip(names, values, strict=True))
                if row["key"] in found or row["key"] not in wanted:
                    raise sqlite3.DatabaseError(f"its index does not find run {number}, or finds it twice")
                found[row["key"]] = self._checked_row(number, wanted[row["key"]], row)
        if not found:
            return pd.DataFrame(columns=["key", *config_columns(family), *result_columns(family)])
        runs = pd.DataFrame([found[name] for name in wanted if name in found], columns=names)
        for name in step_columns(family):
            runs[name] = runs[name].astype(float)
        for name in [*family.ARRAYS, *record_columns(family)]:
            runs[name] = runs[name].astype(object)
        return runs

    def config(self, number: int, name: str, family: type[Family]) -> Any:
        """The configuration that has this key, which is that of run `number` of a
        family; StoreError if it is of another family.
        """
        config = config_of(name)
        with self._named(number, family):
            found = family_of(config)
            demand(called(found) == called(family), "key", f"of family {called(family)}", called(found))
        return config

    def _checked_row(self, number: int, config: Any, row: dict[str, Any]) -> dict[str, Any]:
        """A row with its arrays in place of their text; StoreError, which names the
        run, unless all of it is what `add` writes.
        """
        family = family_of(config)
        with self._named(number, family):
            check_settings(config, row)
            metrics = [metric.name for metric in family.METRICS]
            for name in [*step_columns(family), "steps_run", "retired", "accuracy", *metrics, "compiled"]:
                demand(row[name] is None or isinstance(row[name], int | float), name, "a number", row[name])
            for name in ("device", "torch"):
                demand(isinstance(row[name], str), name, "text", row[name])
            arrays = {}
            for name in family.ARRAYS:
                arrays[name] = array(name, row[name], np.dtype(bool) if name == "mask" else np.dtype(float))
                if name == "mask":
                    shape, fits = f"({config.n_samples},)", arrays[name].shape == (config.n_samples,)
                else:
                    shape, fits = "(p, ...)", arrays[name].ndim > 1
                demand(fits, name, f"of shape {shape}", arrays[name].shape)
            for name in record_columns(family):
                arrays[name] = array(name, row[name], np.dtype(float))
                demand(arrays[name].shape[:-1] == (2,), name, "of shape (2, n)", arrays[name].shape)
        return row | arrays

    @contextmanager
    def _named(self, number: int, family: type[Family]) -> Iterator[None]:
        """What is wrong with a row, as an error that names the run."""
        try:
            yield
        except DamagedRow as damage:
            raise StoreError(
                f"`store` must be an undamaged run store, but in run {number} ({family.name}) of {self.path} {damage}. "
                "It was left as it is; without the row, the run is trained again."
            ) from None

    def select(
        self, where: str = "1", columns: Sequence[str] = (), family: type[Family] = FAMILIES[_FIRST]
    ) -> pd.DataFrame:
        """All finished runs of a family for which the SQL condition `where` holds, as
        they stand in the file (arrays as JSON), and a `number` for each; only these
        `columns` (by default all).

        Raises:
            StoreError: the condition is no SQL, names something that a run does not
                have, or cannot be decided in a reasonable time.
        """
        names = ["number", *(columns or self.columns(family))]
        rows = [row for batch in self.batches(where, columns, family) for row in batch]
        return pd.DataFrame(rows, columns=names)

    def settings(self, family: type[Family], newest: int) -> pd.DataFrame:
        """Keys and settings of the newest so many runs of a family, the oldest of them
        first; StoreError if a run's key has other settings than its row.
        """
        names = ["key", *config_columns(family)]
        with self._explained():
            query = f"SELECT rowid FROM {table_name(family)} WHERE {only(family)} ORDER BY rowid DESC LIMIT 1 OFFSET ?"
            first = self._connection.execute(query, (newest - 1,)).fetchone()
        rows = []
        for batch in self.batches("1", names, family, first[0] if first else 0):
            for number, *values in batch:
                config = self.config(number, values[0], family)
                with self._named(number, family):
                    check_settings(config, dict(zip(names, values, strict=True)))
                rows.append(values)
        return pd.DataFrame(rows, columns=names)

    def count(self, family: type[Family]) -> int:
        """How many runs of a family there are."""
        with self._explained():
            return self._connection.execute(
                f"SELECT count(*) FROM {table_name(family)} WHERE {only(family)}"
            ).fetchone()[0]

    def columns(self, family: type[Family]) -> list[str]:
        """What a row of a family has, in the file's order; also where there is none."""
        with self._explained():
            return self._columns(family) or ["key", *config_columns(family), *result_columns(family)]

    def batches(
        self, where: str = "1", columns: Sequence[str] = (), family: type[Family] = FAMILIES[_FIRST], begin: int = 0
    ) -> Iterator[list[tuple]]:
        """What `select` gives, from number `begin` on, some rows at a time; between two
        batches the file is free for others.
        """
        with self._explained():
            if not self._has(family):
                return
        size = _NARROW_BATCH if columns else _BATCH
        wanted = ", ".join(f'"{name}"' for name in columns or self.columns(family))
        query = (
            f"SELECT rowid AS number, {wanted} FROM {table_name(family)} "
            f"WHERE ({where}) AND {only(family)} AND rowid >= ? ORDER BY rowid LIMIT {size}"
        )
        while True:
            rows = self._patiently(query, begin, where)
            yield rows
            if len(rows) < size:
                return
            begin = rows[-1][0] + 1

    def _patiently(self, query: str, begin: int, where: str) -> list[tuple]:
        """The rows that a query with a user's condition finds."""
        deadline = time.monotonic() + _PATIENCE_S

        def overdue() -> bool:
            return time.monotonic() > deadline

        rows = []
        with self._explained():
            self._connection.set_progress_handler(overdue, _INSTRUCTIONS)
            try:
                for row in self._connection.execute(query, (begin,)):
                    rows.append(row)
                    deadline = time.monotonic() + _PATIENCE_S  # many runs may take long, a single one may not
            except (sqlite3.DatabaseError, sqlite3.Warning) as error:
                code = getattr(error, "sqlite_errorcode", None)
                if code == sqlite3.SQLITE_INTERRUPT and not overdue():
                    raise KeyboardInterrupt from None  # Ctrl-C, which sqlite takes for the handler's answer
                if code == sqlite3.SQLITE_INTERRUPT:
                    found = f"{where!r} took longer"
                    raise StoreError(f"`where` must be decided within {_PATIENCE_S:g} s a run, but {found}.") from None
                if not _is_the_conditions(error):
                    raise
                found = f"{where!r}: {error}"
                raise StoreError(f"`where` must be an SQL condition on a run's columns, but {found}.") from None
            finally:
                self._connection.set_progress_handler(None, 0)
        return rows

    def keep_predictions(self, predictions: pd.DataFrame) -> None:
        """Keep what predictors say of runs, a row a run, predictor and target, with the
        columns PREDICTIONS; what other code said of the same is dropped.
        """
        columns = ", ".join(PREDICTIONS)
        slots = ", ".join("?" * len(PREDICTIONS))
        rows = [
            tuple(None if value != value else value for value in row)
            for row in predictions[[*PREDICTIONS]].astype(object).itertuples(index=False, name=None)
        ]

        def put() -> None:
            run = self._connection.execute
            run("BEGIN IMMEDIATE")
            if self._has_table("predictions") and not self._has_predictions():
                run("DROP TABLE predictions")  # that of a comparison before they were kept by code
            run(f"CREATE TABLE IF NOT EXISTS predictions ({columns}, PRIMARY KEY (key, predictor, target, draws))")
            self._connection.executemany(f"INSERT OR REPLACE INTO predictions VALUES ({slots})", rows)

        self._write(put)

    def predictions(
        self, keys: Sequence[str] | None = None, predictor: str | None = None, version: str | None = None
    ) -> pd.DataFrame:
        """What is kept of these runs, a predictor, and its code; or of all, the columns
        PREDICTIONS: nan where nothing is said, inf for never.

        Raises:
            StoreError: a prediction is no number; the message names the run.
        """
        given = {"predictor": predictor, "version": version}
        where, values = "".join(f" AND {name} = ?" for name in given if given[name]), [*filter(None, given.values())]
        query = f"SELECT {', '.join(PREDICTIONS)} FROM predictions"
        with self._explained():
            rows: list[tuple] = []
            if self._has_table("predictions") and self._has_predictions():
                if keys is None:
                    rows = self._connection.execute(f"{query} WHERE 1{where}", values).fetchall()
                for begin in range(0, len(keys or ()), _KEYS):
                    some = [*(keys or ())][begin : begin + _KEYS]
                    these = f"key IN ({', '.join('?' * len(some))})"
                    rows += self._connection.execute(f"{query} WHERE {these}{where}", [*some, *values]).fetchall()
        found = pd.DataFrame(rows, columns=[*PREDICTIONS])
        for name in PREDICTIONS[-5:]:
            wrong = [row for row in found[["key", name]].itertuples(index=False) if isinstance(row[1], str | bytes)]
            if wrong:
                raise StoreError(
                    f"`store` must have numbers as predictions, but `{name}` of {self._named_run(wrong[0][0])} in "
                    f"{self.path} is {wrong[0][1]!r:.60}; without the row it is predicted anew."
                )
            found[name] = found[name].astype(float)
        return found

    def _has_predictions(self) -> bool:
        """Whether the table `predictions` has their columns."""
        return [row[1] for row in self._connection.execute("PRAGMA table_info(predictions)")] == [*PREDICTIONS]

    def _named_run(self, name: Any) -> str:
        """What people call the run that has this key, whatever it is."""
        with suppress(StoreError):
            return self._run(name, family_of(config_of(name)))
        return "a run that is not there"

    def families(self) -> list[type[Family]]:
        """The families that there are runs of."""
        with self._explained():
            return [
                family
                for family in (*FAMILIES.values(), *self._own_families())
                if self._has(family)
                and self._connection.execute(
                    f"SELECT EXISTS (SELECT 1 FROM {table_name(family)} WHERE {only(family)})"
                ).fetchone()[0]
            ]

    def families_called(self, asked: str) -> list[type[Family]]:
        """What a command's --family means here: a name, NAME@DIGEST (of a user's, of
        which there may be several versions), or a file; ConfigError if it is none.
        """
        name, _, digest = asked.partition("@")
        own = [(family, source_of(family)) for family in self.families() if family.name == name]
        found = [family for family, source in own if source and source.digest.startswith(digest)]
        return found or [find_family(asked)]

    def told_changed(self, configs: Sequence[Any]) -> list[str]:
        """A line for each user's family whose file has changed since the runs that are
        here were trained, of which these are none.
        """
        lines = []
        for family in {family_of(config) for config in configs}:
            source, others = source_of(family), [one for one in self.families() if one.name == family.name]
            if source and others and called(family) not in map(called, others):
                n = sum(map(self.count, others))
                lines.append(
                    f"{source.path} has changed since {n:,} runs of {', '.join(map(called, others))} were trained: "
                    f"they stay, and those of {called(family)} are other runs"
                )
        return lines

    def curves(self, config: Any) -> dict[str, NDArray[np.float64]]:
        """Learning curves of a finished run: steps (S,) and the metrics (S,); of the
        toy model at its snapshots, with their embedding (S, p, d).

        Raises:
            KeyError: the run is not here.
            StoreError: what was kept of it beside the store is missing or foreign.
        """
        name = key(config)
        family = family_of(config)
        if family.name != _FIRST:
            if self.missing([config]):
                raise KeyError(f"no finished run {name}")
            traces = self.traces(config)
            return {"steps": traces.steps.astype(float)} | traces.metrics
        with self._explained():
            query = "SELECT runs.rowid, curves FROM runs LEFT JOIN curves USING (key) WHERE key = ?"
            row = self._connection.execute(query, (name,)).fetchone()
        if row is None:
            raise KeyError(f"no finished run {name}")
        with self._named(row[0], family):
            return checked_curves(row[1], [metric.name for metric in family.METRICS])

    def traces(self, config: Any) -> Traces:
        """Full traces and checkpoints of a finished run, not of the toy model.

        Raises:
            LostTraces: they are gone, damaged, or another run's.
        """
        name, family = key(config), family_of(config)
        try:
            return self._look(name, family, read_traces)
        except TracesError as error:
            run = self._run(name, family)
            lost = f"those of {run} are {error}"
            advised = f"`store` must have the traces of its runs beside it, but {lost}. {self.advice()}"
            raise LostTraces(advised, run) from None

    def _run(self, name: str, family: type[Family]) -> str:
        """What people call the run with this key."""
        with self._explained():
            query = f"SELECT rowid FROM {table_name(family)} WHERE key = ?"
            number = self._connection.execute(query, (name,)).fetchone()
        return f"run {number[0]} ({family.name})" if number else f"a run that is not there ({family.name})"

    def _look(self, name: str, family: type[Family], look: Callable[[Path, str, Sequence[str]], _Looked]) -> _Looked:
        """What `look` finds where the traces of the run with this key are; stores that
        were once used by a symbolic link have some beside the link.

        Args:
            look: `check_there`, `check_named` or `read_traces`: each sees all that the
                one before sees, and takes longer.

        Raises:
            TracesError: they are gone or damaged.
        """
        metrics = [metric.name for metric in family.METRICS]
        first, *others = dict.fromkeys(traces_path(path, name) for path in (self._file, self.path))
        try:
            return look(first, name, metrics)
        except TracesError:
            for place in others:
                with suppress(TracesError):
                    return look(place, name, metrics)
            raise

    def without_traces(self, configs: Sequence[Any]) -> list[str]:
        """Those of these finished runs whose traces are gone or damaged, as far as a
        look at the end of each file tells, by number and family.
        """
        lost = []
        for config in configs:
            name, family = key(config), family_of(config)
            if family.name != _FIRST:
                try:
                    self._look(name, family, check_named)
                except TracesError:
                    lost.append(self._run(name, family))
        return lost

    def lost(
        self,
        family: type[Family],
        where: str = "1",
        look: Callable[[Path, str, Sequence[str]], object] = check_there,
    ) -> list[tuple[int, str]]:
        """Numbers and keys of the finished runs of a family whose traces are gone or
        damaged, as far as `look` sees it (`_look`).
        """
        found = []
        if family.name != _FIRST:  # whose curves are in the store
            for number, name in (row for batch in self.batches(where, ["key"], family) for row in batch):
                if not isinstance(name, str):
                    self.config(number, name, family)  # says so
                try:
                    self._look(name, family, look)
                except TracesError:
                    found.append((number, name))
        return found

    def told_lost(self, runs: Sequence[str]) -> str:
        """A line about runs without traces, and what to do."""
        some = ", ".join(runs[:_NAMED]) + (", ..." if len(runs) > _NAMED else "")
        return f"the traces of {len(runs):,} of these runs are gone or damaged: {some}. {self.advice()}"

    def advice(self) -> str:
        """What to do where traces are gone."""
        command = f"python -m analysis.runs retrain --store {shlex.quote(str(self.path))}"
        folder = traces_folder(self._file)
        first = f"{folder} is no folder: move it away. " if folder.exists() and not folder.is_dir() else ""
        return f"{first}The rows are kept; `{command}` trains these runs again."

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> RunStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _explained(self, path: Path | None = None) -> Iterator[None]:
        """sqlite's and the file system's errors, as one that names the store, or the
        file beside it.
        """
        path = path or self.path
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{self._reason(error)}") from None
        except json.JSONDecodeError as error:
            raise StoreError(self._damaged(error)) from None
        except OSError as error:
            raise StoreError(f"`store` must be a file that can be written, but {path}: {error.strerror}.") from None

    def _damaged(self, error: Exception) -> str:
        told = f"{self.path}: {error}. It was left as it is; name another with --store."
        return f"`store` must be an undamaged run store, but {told}"

    def _reason(self, error: sqlite3.DatabaseError) -> str:
        code = getattr(error, "sqlite_errorcode", None)
        # without a code it is text that is none; the general one is of a table or a
        # column that is missing
        if not isinstance(error, sqlite3.OperationalError) or code in (None, sqlite3.SQLITE_ERROR):
            return self._damaged(error)
        if _is_busy(error):
            held = f"another program, a stopped one perhaps, holds {self.path}"
            return f"`store` must become free within {_WAIT_S:g} s, but {held}."
        if code == sqlite3.SQLITE_READONLY_ROLLBACK:
            return (
                f"`store` must be opened once by somebody who may write it, but you may not: a command was killed "
                f"while it wrote {self.path}, and `python -m analysis.runs list` mends that. Nothing is lost."
            )
        return f"`store` must be a file that can be written, but {self.path}: {error}."  # unwritable, disk full


def _is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _is_the_conditions(error: Exception) -> bool:
    """Whether an error is the fault of the SQL condition in the query, and not the
    file's.
    """
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # Python's own: text that is none, of which the file is full
        return not (isinstance(error, sqlite3.OperationalError) and "decode" in str(error))
    return code in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_TOOBIG)
