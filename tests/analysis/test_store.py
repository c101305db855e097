"""The run store gives back what it was given, and refuses what it cannot use without
touching it.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.runs import sweep
from analysis.runs.executors import Execution
from analysis.runs.store import OLD_VERSIONS, VERSION, RunStore, StoreError, key, new_since
from neural import RunConfig


def test_round_trip(store, configs, histories):
    table = store.table(configs)
    assert len(table) == len(configs)
    by_key = {key(history.config): history for history in histories}
    for row, config in zip(table.itertuples(), configs, strict=True):
        history = by_key[key(config)]
        assert (row.n_train, row.seed, row.decoder_lr) == (config.n_train, config.seed, config.decoder_lr)
        for name, value in history.summary().items():
            stored = getattr(row, name)
            assert stored == value or (value is None and pd.isna(stored)), name
        np.testing.assert_array_equal(row.mask, history.mask)
        np.testing.assert_array_equal(row.initial_embedding, history.checkpoints["embedding"][0])
        np.testing.assert_array_equal(row.final_embedding, history.checkpoints["embedding"][-1])
        curves = store.curves(config)
        np.testing.assert_array_equal(curves["steps"], history.checkpoint_steps)
        np.testing.assert_allclose(curves["rqi"], history.rqi[history.checkpoint_steps], atol=1e-6)


def test_a_run_is_its_whole_configuration(store, configs):
    assert store.missing(configs) == []
    changed = [replace(configs[0], **{name: value}) for name, value in [("budget", 301), ("decoder_wd", 0.5)]]
    assert store.missing([*configs, *changed, changed[0]]) == changed
    assert len({key(config) for config in configs + changed}) == len(configs) + 2


def test_a_finished_run_is_not_overwritten(store, configs, histories):
    before = store.table(configs)
    store.add(replace(histories[0], retired=not histories[0].retired), "elsewhere", "other")
    pd.testing.assert_frame_equal(before, store.table(configs))


def test_what_is_committed_survives_a_crash(tmp_path, histories):
    """Another connection sees a run as soon as `add` returns: nothing waits for a clean
    end.
    """
    store = RunStore(tmp_path / "runs.sqlite")
    store.add(histories[0], "cpu", "test")
    with RunStore(tmp_path / "runs.sqlite") as other:
        assert other.missing([histories[0].config]) == []


def test_another_version_is_refused_and_kept(tmp_path):
    path = tmp_path / "runs.sqlite"
    RunStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {VERSION + 6}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=f"version {VERSION}, but .* is of version {VERSION + 6}"):
        RunStore(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", ["garbage", "truncated", "overwritten"])
def test_a_damaged_store_is_refused_and_kept(tmp_path, histories, damage):
    path = tmp_path / "runs.sqlite"
    with RunStore(path) as store:
        for history in histories:
            store.add(history, "cpu", "test")
    content = path.read_bytes()
    if damage == "garbage":
        content = b"not a database, but long enough to look at" * 100
    elif damage == "truncated":
        content = content[: len(content) // 2]
    else:
        content = content[:4096] + b"\xff" * 8192 + content[4096 + 8192 :]
    path.write_bytes(content)
    with pytest.raises(StoreError, match="undamaged"):
        RunStore(path)
    assert path.read_bytes() == content


def test_some_other_database_is_refused(tmp_path):
    path = tmp_path / "runs.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE addresses (name)")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="of version 0"):
        RunStore(path)


def test_an_unwritable_place_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="can be written"):
        RunStore(tmp_path / "file" / "runs.sqlite")
    with pytest.raises(StoreError, match="can be written"):
        RunStore(tmp_path)


def test_it_can_be_read_with_pandas_alone(store):
    table = pd.read_sql("select * from runs", sqlite3.connect(store.path))
    assert set(RunConfig.__dataclass_fields__) < set(table.columns)
    assert np.array(json.loads(table["mask"][0])).sum() == table["n_train"][0]


def test_a_damaged_cell_is_told_as_such(store, configs):
    connection = sqlite3.connect(store.path)
    connection.execute("update runs set mask = '[1,' where rowid = 1")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="undamaged"):
        store.table(configs)


def test_damaged_curves_are_told_as_such(store, configs):
    connection = sqlite3.connect(store.path)
    connection.execute("update curves set curves = '{'")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="undamaged"):
        store.curves(configs[0])


def test_predictions_are_replaced_whole(store):
    first = pd.DataFrame({"key": ["a", "b"], "exact_flow": [1.5, float("inf")]})
    store.keep_predictions(first)
    store.keep_predictions(first.iloc[1:])
    connection = sqlite3.connect(store.path)
    assert connection.execute("select * from predictions").fetchall() == [("b", float("inf"))]
    connection.execute("drop table predictions")  # not locked: the transaction has ended
    connection.close()


# The configuration's columns of the table `runs` as the versions had them, and what
# those after them added.
COLUMNS = {
    2: "operation, p, n_train, seed, init, loss, d, width, depth, n_outputs, repr_lr, decoder_lr, repr_wd, decoder_wd, "
    "repr_optimizer, repr_l1, batch_size, init_scale, budget, dtype",
    3: "operation, p, n_train, seed, replica, init, loss, targets, d, width, depth, activation, n_outputs, repr_lr, "
    "decoder_lr, decoder_warmup, repr_wd, decoder_wd, repr_optimizer, decoder_optimizer, repr_l1, batch_size, "
    "init_scale, budget, dtype",
}
NEW_FIELDS = {
    2: ("replica", "targets", "activation", "decoder_warmup", "decoder_optimizer", "samples"),
    3: ("samples",),
}
# `compiled` came last.
RESULTS = (
    "steps_to_train, steps_to_test, steps_to_rqi, steps_run, retired, accuracy, train_accuracy, test_accuracy, rqi, "
    "train_loss, test_loss, device, torch, mask, initial_embedding, final_embedding, train_record, test_record, "
    "rqi_record, compiled"
)
old_version = pytest.mark.parametrize("version", OLD_VERSIONS)


def of_version(version: int, path: Path, histories) -> Path:
    """A store of an old version with these runs, numbered 11, 21, .., predictions of
    them, and a view of someone's own.
    """
    with RunStore(path.with_name("new.sqlite")) as store:
        for history in histories:
            store.add(history, "cpu", "test")
        runs = store.select()
    run = sqlite3.connect(path)
    run.execute(f"CREATE TABLE runs (key TEXT PRIMARY KEY, {COLUMNS[version]}, {RESULTS})")
    run.execute("CREATE TABLE curves (key TEXT PRIMARY KEY, curves TEXT)")
    run.execute("CREATE TABLE predictions (key, lambda3)")
    run.execute("CREATE VIEW mine AS SELECT seed, curves FROM runs JOIN curves USING (key)")
    run.execute("ATTACH ? AS new", (str(path.with_name("new.sqlite")),))
    columns = ", ".join(row[1] for row in run.execute("PRAGMA main.table_info(runs)"))
    run.execute(f"INSERT INTO main.runs (rowid, {columns}) SELECT 10 * rowid + 1, {columns} FROM new.runs")
    run.execute("INSERT INTO main.curves SELECT * FROM new.curves ORDER BY key")
    for new in runs["key"]:
        fields = {name: value for name, value in json.loads(new).items() if name not in NEW_FIELDS[version]}
        old = json.dumps(fields, sort_keys=True)
        for table in ("runs", "curves"):
            run.execute(f"UPDATE main.{table} SET key = ? WHERE key = ?", (old, new))
        run.execute("INSERT INTO predictions VALUES (?, ?)", (old, fields["seed"] + fields["decoder_lr"]))
    run.execute(f"PRAGMA main.user_version = {version}")
    run.commit()
    run.close()
    return path


@old_version
def test_what_old_versions_did_not_ask_for(version):
    """Their runs had what is the default today; a default that changes must not change
    them.
    """
    new = new_since(version)
    assert set(new) == set(NEW_FIELDS[version])
    assert {name: getattr(RunConfig(), name) for name in new} == new


@old_version
def test_a_store_of_an_old_version_is_brought_up_to_date(tmp_path, monkeypatch, configs, histories, version):
    """All its runs, curves and predictions, under the keys that they have now; nothing
    is trained again.
    """
    path = of_version(version, tmp_path / "runs.sqlite", histories)
    with RunStore(path) as store, RunStore(tmp_path / "new.sqlite") as new:
        assert store.missing(configs) == []
        monkeypatch.setattr(sweep, "train", lambda *arguments: pytest.fail("trained again"))
        assert sweep.ensure(configs, store, Execution("cpu")) == 0
        pd.testing.assert_frame_equal(store.table(configs), new.table(configs))
        then, now = store.select(), new.select()
        assert (then.pop("number") == 10 * now.pop("number") + 1).all()
        pd.testing.assert_frame_equal(then, now)
        for config in configs:
            curves = store.curves(config)
            assert all(np.array_equal(curves[name], values) for name, values in new.curves(config).items())
    with closing(sqlite3.connect(path)) as file:
        joined = file.execute("SELECT lambda3 - seed - decoder_lr FROM runs JOIN predictions USING (key)").fetchall()
        assert joined == [(pytest.approx(0, abs=1e-12),)] * len(configs)
        assert len(file.execute("SELECT * FROM mine").fetchall()) == len(configs)
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    content = path.read_bytes()
    RunStore(path).close()
    assert path.read_bytes() == content


def test_an_old_store_without_predictions(tmp_path, configs, histories):
    path = of_version(3, tmp_path / "runs.sqlite", histories)
    with closing(sqlite3.connect(path)) as file:
        file.execute("DROP TABLE predictions")
    with RunStore(path) as store:
        assert store.missing(configs) == []


@old_version
def test_an_old_store_is_not_changed_by_reading(tmp_path, histories, version):
    path = of_version(version, tmp_path / "runs.sqlite", histories[:1])
    content = path.read_bytes()
    says = rf"version {VERSION}, but .* is of version {version}\. A command that trains into it"
    with pytest.raises(StoreError, match=says) as told:
        RunStore(path, read_only=True)
    assert "\n" not in str(told.value)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("UPDATE runs SET key = '{' WHERE rowid = 21", "undamaged"),
        ("ALTER TABLE runs DROP COLUMN rqi", "undamaged run store, but .* has other columns"),
        ("PRAGMA user_version = 1", f"version {VERSION}, but .* is of version 1\\.$"),
    ],
)
def test_a_store_that_cannot_be_brought_up_to_date_is_kept(tmp_path, histories, damage, told):
    path = of_version(2, tmp_path / "runs.sqlite", histories[:2])
    with closing(sqlite3.connect(path)) as file, file:
        file.execute(damage)
    content = path.read_bytes()
    with pytest.raises(StoreError, match=told):
        RunStore(path)
    assert path.read_bytes() == content
    with closing(sqlite3.connect(path, timeout=0)) as file:
        file.execute("BEGIN IMMEDIATE")  # not locked


@old_version
def test_a_kill_leaves_the_old_store_or_the_new_one(tmp_path, configs, histories, version):
    """A process killed before any one statement, with what it has written already on
    the disk.
    """
    histories = histories[:2]
    content = of_version(version, tmp_path / "old.sqlite", histories).read_bytes()
    path = tmp_path / "runs.sqlite"
    journal = path.with_name(path.name + "-journal")
    left = []
    while not left or left[-1] != "all":
        path.write_bytes(content)
        child = os.fork()
        if child == 0:
            _migrate_killed(path, before=len(left))
        _, status = os.waitpid(child, 0)
        with closing(sqlite3.connect(path)) as file:
            hot = journal.exists() and file.execute("PRAGMA quick_check").fetchall() == [("ok",)]
            (found,) = file.execute("PRAGMA user_version").fetchone()
        left.append("all" if status == 0 else "half" if hot else "none")
        if found == version:
            assert left[-1] != "all"
            assert path.read_bytes() == content
        else:
            assert left[-1] != "half"
        with RunStore(path) as store:
            assert store.missing([history.config for history in histories]) == []
    assert left.count("half") > 5  # or nothing was interrupted


def _migrate_killed(path: Path, before: int) -> None:
    """Open the store and die at a statement; in a process of its own."""
    connect = sqlite3.connect

    def watched(*arguments, **options):
        connection = connect(*arguments, **options)
        connection.execute("PRAGMA cache_size = 1")  # what is written is not kept back
        statements = iter(range(before + 1))

        def count(_: str) -> None:
            if next(statements) == before:
                os.kill(os.getpid(), signal.SIGKILL)

        connection.set_trace_callback(count)
        return connection

    try:
        sqlite3.connect = watched
        RunStore(path).close()
        os._exit(0)
    finally:
        os._exit(1)


def test_bringing_up_to_date_waits_for_a_command_that_trains(tmp_path, capsys, configs, histories):
    """It has begun with the old version, and could not keep its runs in another."""
    path = of_version(3, tmp_path / "runs.sqlite", histories)
    versions = []

    def end() -> None:
        with closing(sqlite3.connect(path)) as file:
            versions.append(file.execute("PRAGMA user_version").fetchone()[0])
        lock.close()

    lock = path.with_name(path.name + ".lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    timer = threading.Timer(0.3, end)
    timer.start()
    with RunStore(path) as store:
        assert store.missing(configs) == []
    timer.join()
    assert versions == [3]
    assert "waiting for another command" in capsys.readouterr().err
