"""The run store: one SQLite file that keeps every finished run, keyed by its whole
configuration.

    pd.read_sql("select * from runs", sqlite3.connect("results/runs.sqlite"))

gives one row a run: the configuration's fields, the steps to each threshold (NULL = not
within the budget), the final numbers, and as JSON the training set, the embeddings and
the records: [[steps], [values]] at which the accuracies and RQI first exceeded all they
had been, so that steps to any other threshold can be read off exactly. The learning
curves are in the table `curves`, what the last comparison predicted of each run in
`predictions`.

So it is for the toy model. Each other family has a table of its own (`runs_modular`),
made with its first run, and full traces and checkpoints in files beside the store
(`traces`).
"""

from __future__ import annotations

import json
import math
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.runs.traces import Traces, TracesError, read_traces, traces_path, write_traces
from neural import FAMILIES, History, family_of
from neural.config import defaults
from neural.family import Family

try:
    import fcntl
except ModuleNotFoundError:  # on Windows, where commands do not take turns: they may train the same runs
    fcntl = None

VERSION = 4
_FIRST = "toy"  # its table is `runs`; what a store had before there were other families


def config_columns(family: type[Family]) -> list[str]:
    """The fields of a family's configurations."""
    return [field.name for field in fields(family.Config)]


def step_columns(family: type[Family]) -> list[str]:
    """Steps to each threshold."""
    return [name for metric in family.METRICS for name in metric.crossings]


def record_columns(family: type[Family]) -> dict[str, str]:
    """The columns of records, with the metric of each."""
    return {metric.record: metric.name for metric in family.METRICS if metric.record}


def phase_records(family: type[Family]) -> tuple[str, str]:
    """The records of what is learned (the training set) and generalised (the rest)."""
    columns = {metric: column for column, metric in record_columns(family).items()}
    return columns[family.LEARNED], columns[family.GENERALISED]


def result_columns(family: type[Family]) -> list[str]:
    """What was measured, and with what."""
    finals = ["steps_run", "retired", "accuracy", *(metric.name for metric in family.METRICS), "device", "torch"]
    return [*step_columns(family), *finals, *family.ARRAYS, *record_columns(family), "compiled"]


def table_name(family: type[Family]) -> str:
    """The table of a family's runs."""
    return "runs" if family.name == _FIRST else f"runs_{family.name}"


_WAIT_S = 60.0  # for another command that is writing
_PATIENCE_S = 30.0  # with a condition that finds no further run
_INSTRUCTIONS = 10_000  # of sqlite, about a millisecond, between two looks at the clock and for Ctrl-C


def new_since(version: int) -> dict[str, Any]:
    """The fields that runs of a version did not have, with what these runs had been
    trained with.
    """
    return defaults(FAMILIES[_FIRST].Config, lambda option: option.since > version)


# Those that can be brought up to date.
OLD_VERSIONS = range(2, VERSION)


class StoreError(Exception):
    """The run store cannot be used as it is; nothing in it was changed."""


def key(config: Any) -> str:
    """A run's identity: its whole configuration, as JSON; and its family, unless that
    is the first one.

    A field that came later is left out where it has its default, so that the keys of
    older runs stay.
    """
    family, values = family_of(config), asdict(config)
    for name, default in defaults(family.Config, lambda option: option.later).items():
        if values[name] == default:
            del values[name]
    return json.dumps(values if family.name == _FIRST else values | {"family": family.name}, sort_keys=True)


def config_of(key: str) -> Any:
    """The configuration that has this key."""
    values = json.loads(key)
    return FAMILIES[values.pop("family", _FIRST)].Config(**values)


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
        with self._explained():
            if read_only:
                if not path.is_file():
                    raise StoreError(f"`store` must be a run store, but there is none at {path}.")
                self._connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_WAIT_S)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._connection = sqlite3.connect(path, timeout=_WAIT_S)
            try:
                if not read_only and self._version() in OLD_VERSIONS:
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
        if not read_only:
            run("BEGIN IMMEDIATE")  # also tells now, not after hours of training, whether it can be written
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
        self._connection.commit()
        if not read_only:
            self._check_whole()
        for family in FAMILIES.values():
            if family.name == _FIRST or self._has(family):
                if read_only and self._lacking(family):
                    raise StoreError(
                        f"`store` must have the columns {', '.join(self._lacking(family))}, but {self.path} is older. "
                        "A command that trains into it brings it up to date, without training any of its runs again."
                    )
                self._add_later(family)
                self._check_columns(family, config_columns(family))

    def _check_whole(self) -> None:
        """sqlite3.DatabaseError if the file is damaged anywhere: reads all of it, which
        only writing is worth.
        """
        verdict = self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)

    def _has(self, family: type[Family]) -> bool:
        """Whether there is a table of this family's runs."""
        query = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?"
        return self._connection.execute(query, (table_name(family),)).fetchone()[0] > 0

    def _columns(self, family: type[Family]) -> list[str]:
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
        columns = ", ".join(f'"{name}"' for name in [*config_columns(family), *result_columns(family)])
        self._connection.execute(f"CREATE TABLE IF NOT EXISTS {table_name(family)} (key TEXT PRIMARY KEY, {columns})")

    def missing(self, configs: Sequence[Any]) -> list[Any]:
        """Those of `configs`, of any families, that have not been trained, each once,
        in order.
        """
        with self._explained():
            have = set()
            for family in {family_of(config) for config in configs}:
                if self._has(family):
                    have |= {row[0] for row in self._connection.execute(f"SELECT key FROM {table_name(family)}")}
        return [config for config in dict.fromkeys(configs) if key(config) not in have]

    @contextmanager
    def training(self) -> Iterator[None]:
        """One command at a time trains into a store; another waits here, and then finds
        what the first has trained.

        The lock is the system's: it ends with the process that holds it, however that
        ends.
        """
        with ExitStack() as stack:
            with self._explained():
                lock = stack.enter_context(self.path.with_name(self.path.name + ".lock").open("w"))
                if fcntl is not None:
                    try:
                        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except BlockingIOError:
                        print(f"waiting for another command that is training into {self.path}", file=sys.stderr)
                        fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def add(self, history: History, device: str, torch_version: str) -> None:
        """Keep a finished run, in one transaction; a run that is there already stays as
        it is.
        """
        family = family_of(history.config)
        values = (
            asdict(history.config)
            | history.summary()
            | {"device": device, "torch": torch_version, "compiled": history.compiled}
            | {name: json.dumps(array.tolist()) for name, array in family.arrays(history).items()}
            | {name: json.dumps(history.record(metric)) for name, metric in record_columns(family).items()}
        )
        row = {"key": key(history.config)}
        row |= {name: values[name] for name in [*config_columns(family), *result_columns(family)]}
        names, slots = (", ".join(form.format(name) for name in row) for form in ('"{}"', ":{}"))
        with self._explained():
            if family.name != _FIRST:  # before the row, which says that the run is whole
                write_traces(traces_path(self.path, row["key"]), row["key"], history)
            with self._connection:
                self._create(family)
                self._connection.execute(f"INSERT OR IGNORE INTO {table_name(family)} ({names}) VALUES ({slots})", row)
                if family.name == _FIRST:
                    curves = json.dumps(_curves(history))
                    self._connection.execute("INSERT OR IGNORE INTO curves VALUES (?, ?)", (row["key"], curves))

    def table(self, configs: Sequence[Any]) -> pd.DataFrame:
        """The finished ones of `configs`, all of one family, in their order, a row each
        (and its `key`); steps not reached are NaN.

        A mask is a bool array (N,), other arrays of the family are float, the records
        float arrays (2, n): steps and values.
        """
        [family] = {family_of(config) for config in configs} or {FAMILIES[_FIRST]}
        wanted = [(number, key(config)) for number, config in enumerate(dict.fromkeys(configs))]
        run = self._connection.execute
        with self._explained():
            if not self._has(family):
                return pd.DataFrame(columns=["key", *config_columns(family), *result_columns(family)])
            run("CREATE TEMP TABLE wanted (number INTEGER PRIMARY KEY, key TEXT)")
            self._connection.executemany("INSERT INTO wanted VALUES (?, ?)", wanted)
            name = table_name(family)
            cursor = run(f"SELECT {name}.* FROM wanted JOIN {name} USING (key) ORDER BY number")
            names = [column[0] for column in cursor.description]
            runs = pd.DataFrame(cursor.fetchall(), columns=names)
            run("DROP TABLE wanted")
            self._connection.commit()
        for name in step_columns(family):
            runs[name] = runs[name].astype(float)
        for name in [*family.ARRAYS, *record_columns(family)]:
            dtype = np.bool_ if name == "mask" else np.float64
            with self._explained():
                values = [np.array(json.loads(text), dtype=dtype) for text in runs[name]]
            runs[name] = pd.Series(values, dtype=object)
        return runs

    def select(
        self, where: str = "1", columns: Sequence[str] = (), family: type[Family] = FAMILIES[_FIRST]
    ) -> pd.DataFrame:
        """All finished runs of a family for which the SQL condition `where` holds, as
        they stand in the file (arrays as JSON), and a `number` for each; only these
        `columns` (by default all).

        Raises:
            StoreError: the condition is no SQL, names something that a run does not
                have, or cannot be decided in a
            reasonable time.
        """
        wanted = ", ".join(f'"{name}"' for name in columns) or "*"
        with self._explained():
            if not self._has(family):
                return pd.DataFrame(columns=["number", *columns])
        deadline = time.monotonic() + _PATIENCE_S

        def overdue() -> bool:
            return time.monotonic() > deadline

        rows = []
        with self._explained():
            self._connection.set_progress_handler(overdue, _INSTRUCTIONS)
            try:
                query = f"SELECT rowid AS number, {wanted} FROM {table_name(family)} WHERE ({where}) ORDER BY rowid"
                cursor = self._connection.execute(query)
                for row in cursor:
                    rows.append(row)
                    deadline = time.monotonic() + _PATIENCE_S  # many runs may take long, a single one may not
            except (sqlite3.DatabaseError, sqlite3.Warning) as error:
                code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
                if code == sqlite3.SQLITE_INTERRUPT and not overdue():
                    raise KeyboardInterrupt from None  # Ctrl-C, which sqlite takes for the handler's answer
                if code == sqlite3.SQLITE_INTERRUPT:
                    found = f"{where!r} took longer"
                    raise StoreError(f"`where` must be decided within {_PATIENCE_S:g} s a run, but {found}.") from None
                if code not in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_TOOBIG):  # not the condition's fault
                    raise
                found = f"{where!r}: {error}"
                raise StoreError(f"`where` must be an SQL condition on a run's columns, but {found}.") from None
            finally:
                self._connection.set_progress_handler(None, 0)
        return pd.DataFrame(rows, columns=[column[0] for column in cursor.description])

    def keep_predictions(self, predictions: pd.DataFrame) -> None:
        """Put a comparison's predictions (with the runs' `key`) beside the runs, in
        place of the last one's.
        """
        columns = ", ".join(f'"{name}"' for name in predictions.columns)
        slots = ", ".join("?" * len(predictions.columns))
        with self._explained(), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")  # the old table stays until the new one is whole
            self._connection.execute("DROP TABLE IF EXISTS predictions")
            self._connection.execute(f"CREATE TABLE predictions ({columns})")
            rows = predictions.astype(object).itertuples(index=False, name=None)
            self._connection.executemany(f"INSERT INTO predictions VALUES ({slots})", rows)

    def predictions(self) -> pd.DataFrame:
        """What the last comparison predicted: a row a run, with its `key`; no rows
        where there was none.
        """
        with self._explained():
            cursor = self._connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'predictions'")
            if not cursor.fetchone()[0]:
                return pd.DataFrame(columns=["key"])
            cursor = self._connection.execute("SELECT * FROM predictions")
            names = [column[0] for column in cursor.description]
            return pd.DataFrame(cursor.fetchall(), columns=names)

    def families(self) -> list[type[Family]]:
        """The families that there are runs of."""
        with self._explained():
            return [
                family
                for family in FAMILIES.values()
                if self._has(family)
                and self._connection.execute(f"SELECT EXISTS (SELECT 1 FROM {table_name(family)})").fetchone()[0]
            ]

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
            row = self._connection.execute("SELECT curves FROM curves WHERE key = ?", (name,)).fetchone()
            if row is None:
                raise KeyError(f"no finished run {name}")
            return {name: np.array(values, dtype=np.float64) for name, values in json.loads(row[0]).items()}

    def traces(self, config: Any) -> Traces:
        """Full traces and checkpoints of a finished run, not of the toy model;
        StoreError if they are not there.
        """
        try:
            return read_traces(traces_path(self.path, key(config)), key(config))
        except TracesError as error:
            raise StoreError(f"`store` must have the traces of its runs beside it, but {error}.") from None

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> RunStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _explained(self):
        """sqlite's and the file system's errors, as one that names the store."""
        try:
            yield
        except sqlite3.OperationalError as error:  # locked, unwritable, disk full
            raise StoreError(f"`store` must be a file that can be written, but {self.path}: {error}.") from None
        except (sqlite3.DatabaseError, json.JSONDecodeError) as error:
            raise StoreError(
                f"`store` must be an undamaged run store, but {self.path}: {error}. "
                "It was left as it is; name another with --store."
            ) from None
        except OSError as error:
            raise StoreError(
                f"`store` must be a file that can be written, but {self.path}: {error.strerror}."
            ) from None


def _curves(history: History) -> dict[str, list[Any]]:
    """What `RunStore.curves` returns, thinned to the snapshots, with null for nan."""
    steps = history.checkpoint_steps
    metrics = {
        name: [None if math.isnan(value) else round(float(value), 7) for value in values[steps]]
        for name, values in history.traces.items()
    }
    return {"steps": steps.tolist(), **metrics, "embedding": history.checkpoints["embedding"].tolist()}
