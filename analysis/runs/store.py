"""The run store: one SQLite file that keeps every finished run, keyed by its whole configuration.

    pd.read_sql("select * from runs", sqlite3.connect("results/runs.sqlite"))

gives one row a run: the configuration's fields, the steps to each threshold (NULL = not within the budget),
the final numbers, and as JSON the training set, the embeddings and the records: [[steps], [values]] at which the
accuracies and RQI first exceeded all they had been, so that steps to any other threshold can be read off exactly.
The learning curves are in the table `curves`, what the last comparison predicted of each run in `predictions`.
"""

from __future__ import annotations

import fcntl
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

from neural import METRICS, History, RunConfig

VERSION = 4
# What the versions before did not ask for, with what their runs had.
NEW_IN = {
    3: {
        "replica": 0,
        "targets": "random",
        "activation": "tanh",
        "decoder_warmup": 0,
        "decoder_optimizer": "adamw",
    },
    4: {"samples": ""},
}
OLD_VERSIONS = range(min(NEW_IN) - 1, VERSION)  # those that can be brought up to date

CONFIG_COLUMNS = [field.name for field in fields(RunConfig)]
STEPS = ("steps_to_train", "steps_to_test", "steps_to_rqi")
RECORDS = {"train_record": "train_accuracy", "test_record": "test_accuracy", "rqi_record": "rqi"}
RESULT_COLUMNS = [
    *STEPS,
    "steps_run",
    "retired",
    "accuracy",
    "train_accuracy",
    "test_accuracy",
    "rqi",
    "train_loss",
    "test_loss",
    "device",
    "torch",
    "mask",
    "initial_embedding",
    "final_embedding",
    *RECORDS,
    "compiled",
]
_WAIT_S = 60.0  # for another command that is writing
_PATIENCE_S = 30.0  # with a condition that finds no further run
_INSTRUCTIONS = 10_000  # of sqlite, about a millisecond, between two looks at the clock and for Ctrl-C


def new_since(version: int) -> dict[str, Any]:
    """The fields that runs of a version did not have, with what these runs had been trained with."""
    return {name: value for later in range(version + 1, VERSION + 1) for name, value in NEW_IN[later].items()}


class StoreError(Exception):
    """The run store cannot be used as it is; nothing in it was changed."""


def key(config: RunConfig) -> str:
    """A run's identity: its whole configuration, as JSON."""
    return json.dumps(asdict(config), sort_keys=True)


class RunStore:
    """An open run store; made if `path` does not exist, unless it is only to be read.

    A store of an old version is brought up to date, in one transaction, unless it is only to be read: none of its runs
    has to be trained again.

    Raises:
        StoreError: the file cannot be opened or written, is damaged, is no run store or is one of another
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
            self._create_runs()
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
        self._check_columns(CONFIG_COLUMNS)

    def _check_whole(self) -> None:
        """sqlite3.DatabaseError if the file is damaged anywhere: reads all of it, which only writing is worth."""
        verdict = self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)

    def _check_columns(self, config_columns: Sequence[str]) -> None:
        """sqlite3.DatabaseError unless the runs have these columns."""
        found = [row[1] for row in self._connection.execute("PRAGMA table_info(runs)")]
        if found != ["key", *config_columns, *RESULT_COLUMNS]:
            raise sqlite3.DatabaseError("its table `runs` is missing or has other columns")

    def _migrate(self) -> None:
        """From an old version to this one: the fields that are new get their columns and enter every key."""
        run = self._connection.execute
        with self._connection:  # all of it or, whatever happens, nothing
            run("BEGIN IMMEDIATE")
            version = self._version()
            if version not in OLD_VERSIONS:  # another command was first
                return
            new = new_since(version)
            self._check_whole()
            self._check_columns([name for name in CONFIG_COLUMNS if name not in new])
            run("CREATE TEMP TABLE old AS SELECT rowid AS number, * FROM runs")  # not renamed: views would follow
            run("DROP TABLE runs")
            self._create_runs()
            values = [f":{name}" if name in new else f'"{name}"' for name in CONFIG_COLUMNS + RESULT_COLUMNS]
            columns = ", ".join(f'"{name}"' for name in ["rowid", "key", *CONFIG_COLUMNS, *RESULT_COLUMNS])
            # the rowid is the number that people know a run by
            run(f"INSERT INTO runs ({columns}) SELECT number, key, {', '.join(values)} FROM old", new)
            run("DROP TABLE old")
            tables = [row[0] for row in run("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in {"runs", "curves", "predictions"} & set(tables):
                rows = run(f"SELECT key, rowid FROM {table}").fetchall()
                changed = [(json.dumps(json.loads(old) | new, sort_keys=True), rowid) for old, rowid in rows]
                self._connection.executemany(f"UPDATE {table} SET key = ? WHERE rowid = ?", changed)
            run(f"PRAGMA user_version = {VERSION}")

    def _create_runs(self) -> None:
        columns = ", ".join(f'"{name}"' for name in CONFIG_COLUMNS + RESULT_COLUMNS)
        self._connection.execute(f"CREATE TABLE runs (key TEXT PRIMARY KEY, {columns})")

    def missing(self, configs: Sequence[RunConfig]) -> list[RunConfig]:
        """Those of `configs` that have not been trained, each once, in order."""
        with self._explained():
            have = {row[0] for row in self._connection.execute("SELECT key FROM runs")}
        return [config for config in dict.fromkeys(configs) if key(config) not in have]

    @contextmanager
    def training(self) -> Iterator[None]:
        """One command at a time trains into a store; another waits here, and then finds what the first has trained.

        The lock is the system's: it ends with the process that holds it, however that ends.
        """
        with ExitStack() as stack:
            with self._explained():
                lock = stack.enter_context(self.path.with_name(self.path.name + ".lock").open("w"))
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    print(f"waiting for another command that is training into {self.path}", file=sys.stderr)
                    fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def add(self, history: History, device: str, torch_version: str) -> None:
        """Keep a finished run, in one transaction; a run that is there already stays as it is."""
        summary = history.summary()
        arrays = {
            "mask": history.mask.astype(int),
            "initial_embedding": history.snapshots[0],
            "final_embedding": history.snapshots[-1],
        }
        values = (
            asdict(history.config)
            | summary
            | {"device": device, "torch": torch_version, "compiled": history.compiled}
            | {name: json.dumps(array.tolist()) for name, array in arrays.items()}
            | {name: json.dumps(history.record(metric)) for name, metric in RECORDS.items()}
        )
        row = [key(history.config), *(values[name] for name in CONFIG_COLUMNS + RESULT_COLUMNS)]
        slots = ", ".join("?" * len(row))
        with self._explained(), self._connection:
            self._connection.execute(f"INSERT OR IGNORE INTO runs VALUES ({slots})", row)
            self._connection.execute(
                "INSERT OR IGNORE INTO curves VALUES (?, ?)", (row[0], json.dumps(_curves(history)))
            )

    def table(self, configs: Sequence[RunConfig]) -> pd.DataFrame:
        """The finished ones of `configs`, in their order, a row each (and its `key`); steps not reached are NaN.

        `mask` is a bool array (N,), `initial_embedding` and `final_embedding` are float arrays (p, ...), the records
        float arrays (2, n): steps and values.
        """
        wanted = [(number, key(config)) for number, config in enumerate(dict.fromkeys(configs))]
        run = self._connection.execute
        with self._explained():
            run("CREATE TEMP TABLE wanted (number INTEGER PRIMARY KEY, key TEXT)")
            self._connection.executemany("INSERT INTO wanted VALUES (?, ?)", wanted)
            cursor = run("SELECT runs.* FROM wanted JOIN runs USING (key) ORDER BY number")
            names = [column[0] for column in cursor.description]
            runs = pd.DataFrame(cursor.fetchall(), columns=names)
            run("DROP TABLE wanted")
            self._connection.commit()
        for name in STEPS:
            runs[name] = runs[name].astype(float)
        arrays = {"mask": np.bool_, "initial_embedding": np.float64, "final_embedding": np.float64}
        arrays |= dict.fromkeys(RECORDS, np.float64)
        for name, dtype in arrays.items():
            with self._explained():
                values = [np.array(json.loads(text), dtype=dtype) for text in runs[name]]
            runs[name] = pd.Series(values, dtype=object)
        return runs

    def select(self, where: str = "1", columns: Sequence[str] = ()) -> pd.DataFrame:
        """All finished runs for which the SQL condition `where` holds, as they stand in the file (arrays as JSON), and
        a `number` for each; only these `columns` (by default all).

        Raises:
            StoreError: the condition is no SQL, names something that a run does not have, or cannot be decided in a
            reasonable time.
        """
        wanted = ", ".join(f'"{name}"' for name in columns) or "*"
        deadline = time.monotonic() + _PATIENCE_S

        def overdue() -> bool:
            return time.monotonic() > deadline

        rows = []
        with self._explained():
            self._connection.set_progress_handler(overdue, _INSTRUCTIONS)
            try:
                query = f"SELECT rowid AS number, {wanted} FROM runs WHERE ({where}) ORDER BY rowid"
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
        """Put a comparison's predictions (with the runs' `key`) beside the runs, in place of the last one's."""
        columns = ", ".join(f'"{name}"' for name in predictions.columns)
        slots = ", ".join("?" * len(predictions.columns))
        with self._explained(), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")  # the old table stays until the new one is whole
            self._connection.execute("DROP TABLE IF EXISTS predictions")
            self._connection.execute(f"CREATE TABLE predictions ({columns})")
            rows = predictions.astype(object).itertuples(index=False, name=None)
            self._connection.executemany(f"INSERT INTO predictions VALUES ({slots})", rows)

    def curves(self, config: RunConfig) -> dict[str, NDArray[np.float64]]:
        """Learning curves of a finished run at its snapshots: steps (S,), the five metrics (S,), embedding
        (S, p, d).
        """
        with self._explained():
            row = self._connection.execute("SELECT curves FROM curves WHERE key = ?", (key(config),)).fetchone()
            if row is None:
                raise KeyError(f"no finished run {key(config)}")
            return {name: np.array(values, dtype=np.float64) for name, values in json.loads(row[0]).items()}

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
    steps = history.snapshot_steps
    metrics = {
        name: [None if math.isnan(value) else round(float(value), 7) for value in getattr(history, name)[steps]]
        for name in METRICS
    }
    return {"steps": steps.tolist(), **metrics, "embedding": history.snapshots.tolist()}
