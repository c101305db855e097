"""The file of a run store, which several programs use: opened, checked, waited for,
locked while a command trains into it; and what is wrong with it, in one line. Readers
fetch and let go; a program that holds the file, because it was stopped, say, is waited
for by what trains.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from analysis.runs.rows import FIRST, StoreError, columns_of, description, kept_family, later_fields, only, table_name
from analysis.runs.traces import remove_leftovers, share
from neural import ConfigError, Table
from neural.families import STORED
from neural.family import Family
from neural.foreign import source_of

try:
    import fcntl
except ModuleNotFoundError:  # on Windows, where commands do not take turns: they may train the same runs
    fcntl = None

VERSION = 4
_WAIT_S = 60.0  # for another program that holds the file
_TRY_S = 1.0  # of these, before Ctrl-C is heard
_PATIENCE_S = 30.0  # with a condition that finds no further run
_INSTRUCTIONS = 10_000  # of sqlite, about a millisecond, between two looks at the clock and for Ctrl-C


class StoreFile:
    """An SQLite file with a table of runs for each family, made if there is none. One
    that is only to be read is neither made nor changed. `path`: as the user named it.
    `file`: without symbolic links, which name the same store. `connection`: to it.
    """

    def __init__(self, path: Path, read_only: bool = False):
        self.path, self.file, self._begun = path, Path(os.path.realpath(path)), time.time()
        with self.explained():
            if read_only and not self.file.is_file():
                raise StoreError(f"`store` must be a run store, but there is none at {path}.")
            if not read_only:
                self.file.parent.mkdir(parents=True, exist_ok=True)
                if not self.file.exists():  # sqlite would make it for its owner, whatever the umask
                    os.close(os.open(self.file, os.O_RDWR | os.O_CREAT, 0o666))
            # who only reads takes back, too, what a killed writer has half written
            mode = "rw" if read_only else "rwc"
            self.connection = sqlite3.connect(f"{self.file.as_uri()}?mode={mode}", uri=True, timeout=_WAIT_S)
            try:
                self._open(read_only)
            except BaseException:
                self.close()  # and with it a transaction that has not ended
                raise

    def close(self) -> None:
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, query: str, *values: Any) -> Any:
        """The first value that a query finds; None where it finds nothing."""
        row = self.connection.execute(query, values).fetchone()
        return None if row is None else row[0]

    # ---- its tables

    def _open(self, read_only: bool) -> None:
        run = self.connection.execute
        if read_only:
            run("PRAGMA query_only = 1")
        # tells now, not after hours of training, whether the file can be written
        run("BEGIN" if read_only else "BEGIN IMMEDIATE")
        version = self.ask("PRAGMA user_version")
        if version == 0 and not read_only and self.ask("SELECT count(*) FROM sqlite_master") == 0:
            self.create(STORED[FIRST])
            run("CREATE TABLE curves (key TEXT PRIMARY KEY, curves TEXT)")
            run(f"PRAGMA user_version = {VERSION}")
        elif version != VERSION:
            left = ", written by an earlier efftheory, and was left as it is; name another with --store"
            found = f"{self.path} is of version {version}{left if 0 < version < VERSION else ''}"
            raise StoreError(f"`store` must be a run store of version {VERSION}, but {found}.")
        n_bytes = self.file.stat().st_size  # sqlite itself misses only whole pages at the end
        if n_bytes % self.ask("PRAGMA page_size"):
            raise sqlite3.DatabaseError(f"its end is missing, it was cut after {n_bytes:,} bytes")
        self.connection.commit()
        # reads all of it, its indices too, which only writing is worth
        if not read_only and (verdict := self.ask("PRAGMA integrity_check(1)")) != "ok":
            raise sqlite3.DatabaseError(" ".join(verdict.split()))
        if self.columns_in("tables"):
            try:
                for (content,) in run("SELECT content FROM tables").fetchall():
                    Table(**json.loads(content))  # from now on known by its digest, which keys have: see `config_of`
            except (ConfigError, TypeError, ValueError):
                raise sqlite3.DatabaseError("a row of its table `tables` is damaged") from None
        self._own_families()
        for family in STORED.values():
            if family.name == FIRST or self.has(family):
                self._check_columns(family, read_only)

    def columns_in(self, table: str) -> list[str]:
        """The columns of a table, in the file's order; [] where there is none."""
        return [row[1] for row in self.connection.execute(f"PRAGMA table_info({table})")]

    def columns(self, family: type[Family]) -> list[str]:
        """What a row of a family has, in the file's order; also where there is none."""
        with self.explained():
            return (source_of(family) is None and self.columns_in(table_name(family))) or columns_of(family)

    def has(self, family: type[Family]) -> bool:
        """Whether there is a table of this family's runs, with its columns."""
        if not (source := source_of(family)):
            return bool(self.columns_in(table_name(family)))
        query = "SELECT count(*) FROM families WHERE name = ? AND source = ?"
        return bool(self.columns_in("families") and self.ask(query, family.name, source.digest))

    def families(self) -> list[type[Family]]:
        """The families that there are runs of."""
        with self.explained():
            there = [family for family in (*STORED.values(), *self._own_families()) if self.has(family)]
            return [one for one in there if self.ask(f"SELECT 1 FROM {table_name(one)} WHERE {only(one)} LIMIT 1")]

    def _own_families(self) -> list[type[Family]]:
        """The families of users, a class for each version of a file."""
        if not self.columns_in("families"):
            return []
        try:
            rows = self.connection.execute("SELECT name, source, path, content, description FROM families")
            return [kept_family(*row) for row in rows.fetchall()]
        except ValueError:
            raise sqlite3.DatabaseError("a row of its table `families` is damaged") from None

    def create(self, family: type[Family]) -> None:
        """Make the table of a family's runs, where there is none."""
        names, table = columns_of(family)[1:], table_name(family)
        columns = ", ".join(f'"{name}"' for name in names)
        self.connection.execute(f"CREATE TABLE IF NOT EXISTS {table} (key TEXT PRIMARY KEY, {columns})")
        if source := source_of(family):
            have = {name.lower() for name in self.columns_in(table)}  # another version of the file has others, perhaps
            for name in names:
                if name.lower() not in have:
                    self.connection.execute(f'ALTER TABLE {table} ADD COLUMN "{name}"')
            columns = "name, source, path TEXT, content TEXT, description TEXT, PRIMARY KEY (name, source)"
            self.connection.execute(f"CREATE TABLE IF NOT EXISTS families ({columns})")
            row = (family.name, source.digest, source.path, source.text, description(family))
            self.connection.execute("INSERT OR REPLACE INTO families VALUES (?, ?, ?, ?, ?)", row)

    def _check_columns(self, family: type[Family], read_only: bool) -> None:
        """Add the fields that came later than this table, with what its runs had;
        sqlite3.DatabaseError if it has other columns than it must have then.
        """
        table = table_name(family)
        have = self.columns_in(table)
        lacking = {name: default for name, default in later_fields(family.Config).items() if name not in have}
        if {*have, *lacking} != {*columns_of(family)}:
            raise sqlite3.DatabaseError(f"its table `{table}` is missing or has other columns")
        if lacking and read_only:
            updated = "A command that trains into it brings it up to date, without training any of its runs again."
            raise StoreError(f"`store` must have the columns {', '.join(lacking)}, but {self.path} is older. {updated}")
        with self.connection:
            for name, default in lacking.items():
                self.connection.execute(f'ALTER TABLE {table} ADD COLUMN "{name}"')
                self.connection.execute(f'UPDATE {table} SET "{name}" = ?', (default,))

    # ---- other programs

    def write(self, put: Callable[[], None]) -> None:
        """Do this in one transaction, as soon as no other program holds the file."""
        begin = said = time.monotonic()
        with self.explained():
            self.connection.execute(f"PRAGMA busy_timeout = {round(1000 * _TRY_S)}")
            try:
                while True:
                    try:
                        with self.connection:
                            put()
                        return
                    except sqlite3.OperationalError as error:
                        if not _is_busy(error):
                            raise
                    if time.monotonic() - said > _WAIT_S / 2:
                        said = time.monotonic()
                        held = f"another program, a stopped one perhaps, that has held {self.path}"
                        print(f"waiting for {held} for {said - begin:.0f} s; nothing is lost", file=sys.stderr)
            finally:
                self.connection.execute(f"PRAGMA busy_timeout = {round(1000 * _WAIT_S)}")

    def patiently(self, query: str, values: Sequence[Any], where: str) -> list[tuple]:
        """What a query with a user's condition `where` finds; StoreError if that is no
        SQL, or cannot be decided in a reasonable time.
        """
        deadline = time.monotonic() + _PATIENCE_S

        def overdue() -> bool:
            return time.monotonic() > deadline

        rows = []
        with self.explained():
            self.connection.set_progress_handler(overdue, _INSTRUCTIONS)
            try:
                for row in self.connection.execute(query, values):
                    rows.append(row)
                    deadline = time.monotonic() + _PATIENCE_S  # many runs may take long, a single one may not
            except (sqlite3.DatabaseError, sqlite3.Warning) as error:
                code = getattr(error, "sqlite_errorcode", None)
                if code == sqlite3.SQLITE_INTERRUPT and not overdue():
                    raise KeyboardInterrupt from None  # Ctrl-C, which sqlite takes for the handler's answer
                wanted, found = "an SQL condition on a run's columns", f"{where!r}: {error}"
                if code == sqlite3.SQLITE_INTERRUPT:
                    wanted, found = f"decided within {_PATIENCE_S:g} s a run", f"{where!r} took longer"
                elif not _is_the_conditions(error):
                    raise
                raise StoreError(f"`where` must be {wanted}, but {found}.") from None
            finally:
                self.connection.set_progress_handler(None, 0)
        return rows

    @contextmanager
    def training(self) -> Iterator[None]:
        """One command at a time trains into a store; another waits here. The lock is
        the system's: it ends with the process that holds it, however that ends.
        """
        lock = self._lock_file()
        try:
            if fcntl is not None:
                with self.explained():
                    try:
                        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except BlockingIOError:
                        print(f"waiting for another command that is training into {self.path}", file=sys.stderr)
                        fcntl.flock(lock, fcntl.LOCK_EX)
                remove_leftovers(self.file, self._begun)
            yield
        finally:
            os.close(lock)

    def _lock_file(self) -> int:
        """The open file of the lock; who may write the store may open it."""
        path = self.file.with_name(self.file.name + ".lock")
        if path.is_symlink():
            raise StoreError(f"`store` must have a lock file of its own, but {path} is a symbolic link.")
        how = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # nor is a pipe waited for
        with self.explained():
            try:
                number = os.open(path, os.O_RDWR | os.O_CREAT | how, 0o666)
            except PermissionError:  # another user's: reading is enough for a lock
                return os.open(path, os.O_RDONLY | how)
            if os.fstat(number).st_nlink == 1:
                share(path, self.file)
            return number

    # ---- errors

    @contextmanager
    def explained(self) -> Iterator[None]:
        """sqlite's and the file system's errors, as one that names the file."""
        try:
            yield
        except (sqlite3.DatabaseError, json.JSONDecodeError) as error:
            raise StoreError(self._reason(error)) from None
        except OSError as error:
            found = f"{error.filename or self.path}: {error.strerror}"
            raise StoreError(f"`store` must be a file that can be written, but {found}.") from None

    def _reason(self, error: Exception) -> str:
        code = getattr(error, "sqlite_errorcode", None)
        # none: of text that is none; the general one: of a missing table or column
        if not isinstance(error, sqlite3.OperationalError) or code in (None, sqlite3.SQLITE_ERROR):
            found = f"{self.path}: {error}. It was left as it is; name another with --store"
            return f"`store` must be an undamaged run store, but {found}."
        if _is_busy(error):
            held = f"another program, a stopped one perhaps, holds {self.path}"
            return f"`store` must become free within {_WAIT_S:g} s, but {held}."
        if code == sqlite3.SQLITE_READONLY_ROLLBACK:
            killed = f"a command was killed while it wrote {self.path}, and `python -m analysis.runs list` mends that"
            wanted = "opened once by somebody who may write it, but you may not"
            return f"`store` must be {wanted}: {killed}. Nothing is lost."
        return f"`store` must be a file that can be written, but {self.path}: {error}."  # unwritable, disk full


def _is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _is_the_conditions(error: Exception) -> bool:
    """Whether an error is the fault of the SQL condition, and not the file's."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # Python's own: text that is none, of which the file is full
        return not (isinstance(error, sqlite3.OperationalError) and "decode" in str(error))
    return code in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_TOOBIG)
