"""The run store: one SQLite file that keeps every finished run, keyed by its whole
configuration.

    pd.read_sql("select * from runs", sqlite3.connect("results/runs.sqlite"))

gives one row a run: the configuration's fields, the steps to each threshold (NULL = not
within the budget), the final numbers, and as JSON the training set, the embeddings and
the records: [[steps], [values]] at which the accuracies and RQI first exceeded all they
had been, so that steps to any other threshold can be read off exactly. The learning
curves are in the table `curves`, what predictors say of runs in `predictions`.

So it is for the toy model. Each other family has a table of its own (`runs_modular`),
made with its first run, and full traces and checkpoints in files beside the store.
Users' operations are in the table `tables`, by the digest in their runs' keys, their
families in `families`; the digest of a family's file is its runs' `source`.
"""

from __future__ import annotations

import json
import shlex
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.runs import rows
from analysis.runs.file import StoreFile
from analysis.runs.rows import StoreError, config_columns, config_of, key, only, step_columns, table_name, values_of
from analysis.runs.rows import phase_records as phase_records
from analysis.runs.traces import Traces, TracesError, prepare, read_traces, traces_path, write_traces
from neural import FAMILIES, History, Table, family_of
from neural.families.external import External
from neural.family import Family

# What predictors say of runs: of other code than `version` nothing is taken.
PREDICTIONS = ("key", "predictor", "target", "draws", "version", "read_at", "value", "probability", "low", "high")
_BATCH, _NARROW_BATCH = 1_000, 20_000  # rows that are fetched at a time: whole ones, or some of their columns
_KEYS = 500  # that are looked up at a time
_NAMED = 5  # runs in a message
_TOY = FAMILIES[rows.FIRST]


class LostTraces(StoreError):
    """The row of the run that is called `run` is there, its traces are not."""

    def __init__(self, message: str, run: str):
        super().__init__(message)
        self.run = run


class RunStore(StoreFile):
    """An open run store; made if `path` does not exist, unless it is only to be read.
    StoreError, here and in all of its methods, if it cannot be used as it is.
    """

    def add(self, history: History, device: str, torch_version: str) -> None:
        """Keep a finished run, in one transaction; one that is there stays as it is."""
        self.add_all([history], device, torch_version)

    def add_all(self, histories: Sequence[History], device: str, torch_version: str) -> None:
        """Likewise finished runs of one family, together in one transaction."""
        [family] = {family_of(history.config) for history in histories}
        values = [self._values(history, family, device, torch_version) for history in histories]
        names, slots = (", ".join(form.format(one) for one in rows.columns_of(family)) for form in ('"{}"', ":{}"))
        if family is not _TOY:  # before the rows, which say that the runs are whole
            with self.explained():
                write_traces(self.file, {key(history.config): history for history in histories})
        tables = [
            own for own in (getattr(one.config, "operation", None) for one in histories) if isinstance(own, Table)
        ]

        def put() -> None:
            run = self.connection.execute
            for own in tables:
                run("CREATE TABLE IF NOT EXISTS tables (digest TEXT PRIMARY KEY, content TEXT)")
                run("INSERT OR IGNORE INTO tables VALUES (?, ?)", (str(own), own.content))
            self.create(family)
            self.connection.executemany(
                f"INSERT OR IGNORE INTO {table_name(family)} ({names}) VALUES ({slots})", values
            )
            for history in histories if family is _TOY else ():
                curves = json.dumps(rows.thinned_curves(history))
                run("INSERT OR IGNORE INTO curves VALUES (?, ?)", (key(history.config), curves))

        self.write(put)

    @staticmethod
    def _values(history: History, family: type[Family], device: str, torch_version: str) -> dict[str, Any]:
        """What stands in a run's row."""
        return (
            {"key": key(history.config), "device": device, "torch": torch_version, "compiled": history.compiled}
            | values_of(history.config)
            | history.summary()
            | {one: json.dumps(of(history).tolist()) for one, of in family.ARRAYS.items()}
            | {one: json.dumps(history.record(metric)) for one, metric in rows.record_columns(family).items()}
        )

    def forget(self, config: Any) -> None:
        """Remove a run, not of the toy model, with its predictions and traces."""
        name, table = key(config), table_name(family_of(config))

        def put() -> None:
            self.connection.execute(f"DELETE FROM {table} WHERE key = ?", (name,))
            if self._has_predictions():
                self.connection.execute("DELETE FROM predictions WHERE key = ?", (name,))

        self.write(put)
        with self.explained():
            traces_path(self.file, name).unlink(missing_ok=True)

    def missing(self, configs: Sequence[Any]) -> list[Any]:
        """Those of `configs`, of any families, that are not here, once, in order."""
        wanted = {key(config): config for config in configs}
        have = set()
        with self.explained():
            for family in {family_of(config) for config in configs}:
                if self.has(family):
                    names = [name for name, config in wanted.items() if family_of(config) is family]
                    have |= {row[0] for row in self._rows_of(table_name(family), names, "key")}
        return [config for name, config in wanted.items() if name not in have]

    def table(self, configs: Sequence[Any]) -> pd.DataFrame:
        """The finished ones of `configs`, all of one family, in their order, a row each
        (and its `key`); steps not reached are NaN. A mask is a bool array (N,), other
        arrays are float, the records float (2, n): steps and values. StoreError, which
        names the run, if a row is not what was written.
        """
        [family] = {family_of(config) for config in configs} or {_TOY}
        wanted = {key(config): config for config in configs}
        names, found = self.columns(family), {}
        with self.explained():
            columns = ", ".join(f'"{name}"' for name in ["rowid", *names])
            there = self._rows_of(table_name(family), list(wanted), columns) if self.has(family) else iter(())
            for number, *values in there:
                row = dict(zip(names, values, strict=True))
                if row["key"] in found or row["key"] not in wanted:
                    raise sqlite3.DatabaseError(f"its index does not find run {number}, or finds it twice")
                with self._named(number, family):
                    found[row["key"]] = rows.checked_row(wanted[row["key"]], row)
        runs = pd.DataFrame([found[name] for name in wanted if name in found], columns=names)
        kinds = dict.fromkeys(step_columns(family), float)
        return runs.astype(kinds | dict.fromkeys([*family.ARRAYS, *rows.record_columns(family)], object))

    def _rows_of(self, table: str, keys: Sequence[str], columns: str, **equal: str) -> Iterator[tuple]:
        """The rows of a table with these keys and values, in no order."""
        more = "".join(f" AND {name} = ?" for name in equal)
        for begin in range(0, len(keys), _KEYS):
            some = keys[begin : begin + _KEYS]
            query = f"SELECT {columns} FROM {table} WHERE key IN ({', '.join('?' * len(some))}){more}"
            yield from self.connection.execute(query, [*some, *equal.values()]).fetchall()

    def config(self, number: int, name: str, family: type[Family]) -> Any:
        """The configuration with this key, that of run `number`; or StoreError."""
        config = config_of(name)
        with self._named(number, family):
            found = rows.called(family_of(config))
            rows.demand(found == rows.called(family), "key", f"of family {rows.called(family)}", found)
        return config

    @contextmanager
    def _named(self, number: int, family: type[Family]) -> Iterator[None]:
        """What is wrong with a row, as an error that names the run."""
        try:
            yield
        except rows.DamagedRow as damage:
            found = f"in run {number} ({family.name}) of {self.path} {damage}"
            left = "It was left as it is; without the row, the run is trained again."
            raise StoreError(f"`store` must be an undamaged run store, but {found}. {left}") from None

    def _run(self, name: str) -> str:
        """What people call the run that has this key, whatever it is."""
        with suppress(StoreError), self.explained():
            family = family_of(config_of(name))
            if number := self.ask(f"SELECT rowid FROM {table_name(family)} WHERE key = ?", name):
                return f"run {number} ({family.name})"
        return "a run that is not there"

    def select(self, where: str = "1", family: type[Family] = _TOY) -> pd.DataFrame:
        """All finished runs of a family for which the SQL condition `where` holds, as
        they stand in the file (arrays as JSON), and a `number` for each.
        """
        found = [row for batch in self.batches(where, (), family) for row in batch]
        return pd.DataFrame(found, columns=["number", *self.columns(family)])

    def batches(
        self, where: str = "1", columns: Sequence[str] = (), family: type[Family] = _TOY
    ) -> Iterator[list[Any]]:
        """What `select` gives, or some `columns` of it, in parts, at least one; between
        two the file is free for others.
        """
        with self.explained():
            if not self.has(family):
                return
        size, begin = _NARROW_BATCH if columns else _BATCH, 0
        wanted = ", ".join(f'"{name}"' for name in columns or self.columns(family))
        query = (
            f"SELECT rowid AS number, {wanted} FROM {table_name(family)} "
            f"WHERE ({where}) AND {only(family)} AND rowid >= ? ORDER BY rowid LIMIT {size}"
        )
        while True:
            batch = self.patiently(query, [begin], where)
            yield batch
            if len(batch) < size:
                return
            begin = batch[-1][0] + 1

    def settings(self, family: type[Family], newest: int) -> pd.DataFrame:
        """Keys and settings of the newest so many runs of a family, the oldest of them
        first; StoreError if a run's key has other settings than its row.
        """
        names = ["key", *config_columns(family)]
        with self.explained():
            query = f"SELECT rowid FROM {table_name(family)} WHERE {only(family)} ORDER BY rowid DESC LIMIT 1 OFFSET ?"
            first = self.ask(query, newest - 1) or 0
        found = [row for batch in self.batches(f"rowid >= {first}", names, family) for row in batch]
        for number, *values in found:
            config = self.config(number, values[0], family)
            with self._named(number, family):
                rows.check_settings(config, dict(zip(names, values, strict=True)))
        return pd.DataFrame([row[1:] for row in found], columns=names)

    def count(self, family: type[Family]) -> int:
        """How many runs of a family there are."""
        with self.explained():
            return self.ask(f"SELECT count(*) FROM {table_name(family)} WHERE {only(family)}")

    # ---- predictions

    def keep_predictions(self, predictions: pd.DataFrame) -> None:
        """Keep what predictors say of runs, a row a run, predictor and target, with the
        columns PREDICTIONS; what other code said of the same is dropped.
        """
        table = predictions[[*PREDICTIONS]].astype(object)
        said = [*table.where(table.notna(), None).itertuples(index=False, name=None)]

        def put() -> None:
            run = self.connection.execute
            run("BEGIN IMMEDIATE")
            if not self._has_predictions():
                run("DROP TABLE IF EXISTS predictions")  # that of a comparison before they were kept by code
                run(f"CREATE TABLE predictions ({', '.join(PREDICTIONS)}, PRIMARY KEY (key, predictor, target, draws))")
            slots = ", ".join("?" * len(PREDICTIONS))
            self.connection.executemany(f"INSERT OR REPLACE INTO predictions VALUES ({slots})", said)

        self.write(put)

    def predictions(
        self, keys: Sequence[str] | None = None, predictor: str | None = None, version: str | None = None
    ) -> pd.DataFrame:
        """The columns PREDICTIONS of these runs, a predictor, and its code, or of all:
        nan where nothing is said, inf for never. StoreError if one is no number.
        """
        given = {name: value for name, value in (("predictor", predictor), ("version", version)) if value}
        columns, there = ", ".join(PREDICTIONS), []
        with self.explained():
            if self._has_predictions() and keys is None:
                there = self.connection.execute(f"SELECT {columns} FROM predictions").fetchall()
            elif self._has_predictions():
                there = [*self._rows_of("predictions", [*(keys or ())], columns, **given)]
        found = pd.DataFrame(there, columns=[*PREDICTIONS])
        for name, value in given.items():
            found = found[found[name] == value]
        for name in PREDICTIONS[-5:]:
            for of, value in zip(found["key"], found[name], strict=True):
                if isinstance(value, str | bytes):
                    wrong = f"`{name}` of {self._run(of)} in {self.path} is {value!r:.60}"
                    anew = "without the row it is predicted anew"
                    raise StoreError(f"`store` must have numbers as predictions, but {wrong}; {anew}.")
        return found.astype(dict.fromkeys(PREDICTIONS[-5:], float))

    def _has_predictions(self) -> bool:
        """Whether there is a table `predictions` with their columns."""
        return self.columns_in("predictions") == [*PREDICTIONS]

    # ---- curves and traces

    def curves(self, config: Any) -> dict[str, NDArray[np.float64]]:
        """Of a finished run: steps (S,) and the metrics (S,); of the toy model at its
        snapshots, with their embedding (S, p, d). KeyError if the run is not here.
        """
        name, family = key(config), family_of(config)
        if self.missing([config]):
            raise KeyError(f"no finished run {name}")
        if family is not _TOY:
            traces = self.traces(config)
            return {"steps": traces.steps.astype(float)} | traces.metrics
        with self.explained():
            query = "SELECT runs.rowid, curves FROM runs LEFT JOIN curves USING (key) WHERE key = ?"
            number, curves = self.connection.execute(query, (name,)).fetchone()
        with self._named(number, family):
            return rows.checked_curves(curves, [metric.name for metric in family.METRICS])

    def traces(self, config: Any) -> Traces:
        """Full traces and checkpoints of a finished run, not of the toy model;
        LostTraces if they are gone, damaged, or another run's.
        """
        name, family = key(config), family_of(config)
        try:
            return self._read_traces(name, family)
        except TracesError as error:
            run = self._run(name)
            lost = f"those of {run} are {error}"
            advised = (
                f"`store` must have the traces of its runs beside it, but {lost}. {self.advice(family is External)}"
            )
            raise LostTraces(advised, run) from None

    def _read_traces(self, name: str, family: type[Family]) -> Traces:
        return read_traces(traces_path(self.file, name), name, [metric.name for metric in family.METRICS])

    def _has_traces(self, name: str, family: type[Family], read: bool = False) -> bool:
        """Whether there is a file with something in it; it may be `read` as well."""
        path = traces_path(self.file, name)
        if not read:
            return path.is_file() and path.stat().st_size > 0
        with suppress(TracesError):
            return self._read_traces(name, family) is not None
        return False

    def lost(self, family: type[Family], where: str = "1", read: bool = False) -> list[tuple[int, str]]:
        """Numbers and keys of runs whose traces are gone, or (if `read`) damaged."""
        found = []
        batches = self.batches(where, ["key"], family) if family is not _TOY else ()  # whose curves are in the store
        for number, name in (row for batch in batches for row in batch):
            if not isinstance(name, str):
                self.config(number, name, family)  # says so
            if not self._has_traces(name, family, read):
                found.append((number, name))
        return found

    def without_traces(self, configs: Sequence[Any]) -> list[str]:
        """Those of these finished runs whose traces are gone, by number and family."""
        named = [(key(config), family_of(config)) for config in configs if family_of(config) is not _TOY]
        return [self._run(name) for name, family in named if not self._has_traces(name, family)]

    def told_lost(self, runs: Sequence[str]) -> str:
        """A line about runs without traces, and what to do."""
        imported = all(run.endswith(f"({External.name})") for run in runs)
        some = ", ".join(runs[:_NAMED]) + (", ..." if len(runs) > _NAMED else "")
        return f"the traces of {len(runs):,} of these runs are gone or damaged: {some}. {self.advice(imported)}"

    def advice(self, imported: bool = False) -> str:
        """What to do where traces are gone, of logs that were `imported` or of runs."""
        command = f"python -m analysis.runs retrain --store {shlex.quote(str(self.path))}"
        folder = traces_path(self.file, "").parent
        first = f"{folder} is no folder: move it away. " if folder.exists() and not folder.is_dir() else ""
        again = (
            "`python -m analysis.runs import` reads their logs again"
            if imported
            else f"`{command}` trains these runs again"
        )
        return f"{first}The rows are kept; {again}."

    def prepare_traces(self, configs: Sequence[Any]) -> None:
        """See that traces of these runs can be kept, before they are trained."""
        with self.explained():
            prepare(self.file, [key(config) for config in configs if family_of(config) is not _TOY])
