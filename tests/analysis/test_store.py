"""The run store gives back what it was given, and refuses what it cannot use without
touching it.
"""

from __future__ import annotations

import errno
import fcntl
import io
import json
import os
import re
import signal
import sqlite3
import sys
import zipfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.runs import sweep
from analysis.runs.executors import Execution
from analysis.runs.file import VERSION
from analysis.runs.rows import config_of, key
from analysis.runs.store import PREDICTIONS, LostTraces, RunStore, StoreError
from analysis.runs.traces import traces_folder, traces_path
from neural import RunConfig
from neural.families.modular import Modular

HERE = Execution("cpu", "in-process")


def edit(path: Path, statement: str, *values: object) -> list[tuple]:
    """Do this to the file; what it finds."""
    with closing(sqlite3.connect(path)) as file, file:
        return file.execute(statement, values).fetchall()


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
    """Nor lost in a crash: another connection sees it as soon as `add` returns."""
    before = store.table(configs)
    store.add(replace(histories[0], retired=not histories[0].retired), "elsewhere", "other")
    with RunStore(store.path) as other:
        pd.testing.assert_frame_equal(before, other.table(configs))


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(("version", "more"), [(1, ", written by an earlier"), (VERSION - 1, ", wri"), (10, r"\.$")])
def test_another_version_is_refused_and_kept(tmp_path, read_only, version, more):
    path = tmp_path / "runs.sqlite"
    RunStore(path).close()
    edit(path, f"PRAGMA user_version = {version}")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=f"version {VERSION}, but .* is of version {version}{more}") as told:
        RunStore(path, read_only)
    assert "\n" not in str(told.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", ["garbage", "truncated", "overwritten", "a digit in an index"])
def test_a_damaged_store_is_refused_and_kept(store, damage):
    """Such a digit hides a run from those who look it up."""
    content = store.path.read_bytes()
    if damage == "garbage":
        content = b"not a database, but long enough to look at" * 100
    elif damage == "truncated":
        content = content[: len(content) // 2]
    elif damage == "overwritten":
        content = content[:4096] + b"\xff" * 8192 + content[4096 + 8192 :]
    else:
        content = with_a_digit_in_an_index(content)
    store.path.write_bytes(content)
    if damage == "a digit in an index":
        assert edit(store.path, "PRAGMA quick_check") == [("ok",)]
    with pytest.raises(StoreError, match="undamaged"):
        RunStore(store.path)
    assert store.path.read_bytes() == content


def with_a_digit_in_an_index(content: bytes) -> bytes:
    """The same file with another seed in an index of keys."""
    changed, size = bytearray(content), int.from_bytes(content[16:18], "big")
    pages = [begin for begin in range(0, len(content), size) if content[begin] == 10]  # leaves of indices
    place = next(at for at in (content.find(b'"seed": ', page, page + size) for page in pages) if at > 0)
    changed[place + len('"seed": ')] = ord("7")
    return bytes(changed)


def test_what_can_be_no_store_is_refused(tmp_path):
    """Another database, and places that cannot be written."""
    edit(tmp_path / "other.sqlite", "CREATE TABLE addresses (name)")
    for path, told in (
        (tmp_path / "other.sqlite", "of version 0"),
        (tmp_path / "other.sqlite" / "runs.sqlite", "can be written"),
        (tmp_path, "can be written"),
    ):
        with pytest.raises(StoreError, match=told):
            RunStore(path)


def test_it_can_be_read_with_pandas_alone(store):
    table = pd.read_sql("select * from runs", sqlite3.connect(store.path))
    assert set(RunConfig.__dataclass_fields__) < set(table.columns)
    assert np.array(json.loads(table["mask"][0])).sum() == table["n_train"][0]


def said(**columns) -> pd.DataFrame:
    """A table of predictions."""
    row = dict.fromkeys(PREDICTIONS, np.nan) | {"predictor": "flow", "target": "rqi", "draws": 0, "version": "1"}
    return pd.DataFrame([row | columns])


def test_predictions_are_kept_by_their_code(store):
    """And take the place of an older comparison's, which had a column a predictor."""
    edit(store.path, "CREATE TABLE predictions AS SELECT 'a' AS key, 1.0 AS exact_flow")
    assert store.predictions().empty
    store.keep_predictions(pd.concat([said(key="a", value=1.5), said(key="b", value=np.inf)]))
    store.keep_predictions(said(key="b", value=2.0, version="2"))
    assert store.predictions(["a", "b"], "flow", "1")["value"].tolist() == [1.5]
    assert store.predictions(predictor="flow", version="2")[["key", "value"]].to_numpy().tolist() == [["b", 2.0]]
    assert store.predictions()["value"].tolist() == [1.5, 2.0]
    assert store.predictions()["probability"].isna().all()
    assert store.predictions(predictor="other").empty


# ---- several users and programs


def test_a_lock_is_as_open_as_its_store(tmp_path, modular):
    """Also to users whose files the first one keeps to himself."""
    path = tmp_path / "runs.sqlite"
    lock, traces = path.with_name("runs.sqlite.lock"), traces_folder(path)
    before = os.umask(0o077)
    try:
        with RunStore(path) as store:
            for mode in (0o600, 0o664):
                path.chmod(mode)
                with store.training():
                    store.prepare_traces([modular[0].config])
                    store.add(modular[0], "cpu", "test")
                found = [one.stat().st_mode & 0o777 for one in (lock, *traces.iterdir(), traces)]
                assert found == [mode, mode, mode | 0o111 & mode >> 2]
    finally:
        os.umask(before)


def test_a_new_store_is_as_open_as_new_files_are(tmp_path):
    before = os.umask(0o002)
    try:
        RunStore(tmp_path / "runs.sqlite").close()
    finally:
        os.umask(before)
    assert (tmp_path / "runs.sqlite").stat().st_mode & 0o777 == 0o664


def test_another_users_lock_can_be_taken(tmp_path, monkeypatch):
    """For which reading it is enough."""
    path = tmp_path / "runs.sqlite"
    lock = path.with_name("runs.sqlite.lock")
    lock.touch()
    opened = os.open

    def refuse(name: str, flags: int, *rest: int) -> int:
        if str(name) == str(lock) and flags & os.O_RDWR and not flags & os.O_EXCL:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)
        return opened(name, flags, *rest)

    monkeypatch.setattr(os, "open", refuse)
    with RunStore(path) as store, store.training(), lock.open() as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize("link", [False, True])
def test_what_is_in_place_of_the_lock_is_named(tmp_path, link):
    """It, not the store, is the culprit; a link is not followed."""
    path, target = tmp_path / "runs.sqlite.lock", tmp_path / "precious"
    target.write_text("content")
    path.symlink_to(target) if link else path.mkdir()
    says = r"but .*\.lock is a symbolic link" if link else r"runs\.sqlite\.lock: Is a directory"
    with RunStore(tmp_path / "runs.sqlite") as store, pytest.raises(StoreError, match=says), store.training():
        pass
    assert target.read_text() == "content"


def test_a_link_to_a_store_is_that_store(tmp_path, modular):
    """Its runs, its traces, its lock."""
    path, link = tmp_path / "real" / "runs.sqlite", tmp_path / "link.sqlite"
    RunStore(path).close()
    link.symlink_to(path)
    with RunStore(link) as linked, RunStore(path) as store:
        linked.add(modular[0], "cpu", "test")
        assert len(store.traces(modular[0].config).steps) == len(modular[0].steps)
        with linked.training(), path.with_name("runs.sqlite.lock").open() as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["link.sqlite", "real"]


def test_what_trains_waits_for_a_reader_that_was_stopped(store, histories, monkeypatch):
    """And says so; the run is kept as soon as the reader goes on."""
    monkeypatch.setattr("analysis.runs.file._TRY_S", 0.01)
    monkeypatch.setattr("analysis.runs.file._WAIT_S", 0.04)
    with closing(sqlite3.connect(store.path)) as reader:
        cursor = reader.execute("SELECT * FROM runs")
        cursor.fetchone()

        class Heard(io.StringIO):
            def write(self, text: str) -> int:
                cursor.close()
                return super().write(text)

        heard = Heard()
        monkeypatch.setattr(sys, "stderr", heard)
        config = replace(histories[0].config, seed=99)
        store.add(replace(histories[0], config=config), "cpu", "test")
        store.keep_predictions(said(key=key(config)))
        assert "waiting for another program, a stopped one perhaps" in heard.getvalue()
    assert store.missing([config]) == []


def test_a_store_that_stays_held_is_told_as_such(store, monkeypatch):
    monkeypatch.setattr("analysis.runs.file._WAIT_S", 0.01)
    with closing(sqlite3.connect(store.path)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match=r"must become free within 0\.01 s, but another program.* holds"):
            RunStore(store.path, read_only=True)


def test_between_batches_a_store_is_free(store, configs, monkeypatch):
    """A slow reader of many rows holds up nobody."""
    whole = store.select()
    monkeypatch.setattr("analysis.runs.store._BATCH", 5)
    sizes = []
    with closing(sqlite3.connect(store.path, timeout=0)) as writer:
        for batch in store.batches():
            sizes.append(len(batch))
            writer.execute("BEGIN EXCLUSIVE")
            writer.rollback()
    assert sizes == [5, 5, 2]
    pd.testing.assert_frame_equal(store.select(), whole)


# ---- damage


def killed_while_writing(path: Path) -> None:
    """Leave a store with half a transaction, and the journal that takes it back."""
    child = os.fork()
    if child == 0:
        try:
            connection = sqlite3.connect(path)
            connection.execute("PRAGMA cache_size = 1")  # what is written is not kept back
            connection.execute("UPDATE runs SET mask = zeroblob(100000)")
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert path.with_name(path.name + "-journal").stat().st_size > 0


def test_readers_mend_what_a_killed_writer_left(store, configs):
    killed_while_writing(store.path)
    with RunStore(store.path, read_only=True) as reader:
        assert len(reader.table(configs)) == len(configs)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.connection.execute("DELETE FROM runs")
    assert not store.path.with_name("runs.sqlite-journal").exists()


def test_readers_who_may_not_mend_it_are_told_who_may(store, monkeypatch):
    killed_while_writing(store.path)
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda name, **more: connect(name.replace("mode=rw", "mode=ro"), **more))
    with pytest.raises(StoreError, match="must be opened once by somebody who may write it"):
        RunStore(store.path, read_only=True)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_store_without_its_end_is_refused(store, read_only):
    """Where no page is missing as a whole, and none that is read is damaged."""
    content = store.path.read_bytes()
    store.path.write_bytes(content[:-1_000])
    with pytest.raises(StoreError, match=r"undamaged run store, but .*its end is missing"):
        RunStore(store.path, read_only)
    assert store.path.read_bytes() == content[:-1_000]


ROW = {
    "UPDATE runs SET mask = '[true, 1, [2]]' WHERE rowid = 3": "`mask` must be numbers in an array",
    "UPDATE runs SET mask = '[true]' WHERE rowid = 3": r"`mask` must be of shape \(15,\), but is \(1,\)",
    "UPDATE runs SET mask = NULL WHERE rowid = 3": "`mask` must be an array, but is None",
    "UPDATE runs SET final_embedding = '[[1, \"a\"]]' WHERE rowid = 3": "`final_embedding` must be numbers",
    "UPDATE runs SET test_record = '[1]' WHERE rowid = 3": r"`test_record` must be of shape \(2, n\)",
    "UPDATE runs SET test_record = '{}' WHERE rowid = 3": "`test_record` must be an array",
    "UPDATE runs SET test_record = '\x1b[2J' WHERE rowid = 3": r"`test_record` must be an array, but is '\\x1b",
    "UPDATE runs SET steps_to_rqi = 'soon' WHERE rowid = 3": "`steps_to_rqi` must be a number, but is 'soon'",
    "UPDATE runs SET device = 1.5 WHERE rowid = 3": "`device` must be text, but is 1.5",
    "UPDATE runs SET torch = NULL WHERE rowid = 3": "`torch` must be text, but is None",
    "UPDATE runs SET compiled = 'yes' WHERE rowid = 3": "`compiled` must be a number, but is 'yes'",
    "UPDATE runs SET decoder_lr = 'fast' WHERE rowid = 3": "`decoder_lr` must be 0.00., as its key says",
}


@pytest.mark.parametrize("damage", ROW)
def test_a_row_that_was_edited_is_named(store, configs, damage):
    edit(store.path, damage)
    with pytest.raises(StoreError, match=rf"in run 3 \(toy\) of .*runs\.sqlite {ROW[damage]}") as told:
        store.table(configs)
    assert str(told.value).isprintable()


EDITED = ("null", "[]", "{}", "5", '{"steps": [0]}', "[" * 100_000, "\x1b[2J", None)
THIRD = " WHERE key = (SELECT key FROM runs WHERE rowid = 3)"


@pytest.mark.parametrize("curves", [*EDITED, "other names", "ragged", "text", "none", "gone"], ids=range(13))
def test_curves_that_were_edited_are_named(store, curves):
    [(text,)] = edit(store.path, "SELECT curves FROM curves" + THIRD)
    known = json.loads(text)
    if curves == "other names":
        known["loss"] = known.pop("train_loss")
    elif curves == "ragged":
        known["embedding"][-1] = [0]
    elif curves == "text":
        known["rqi"][0] = "high"
    elif curves == "none":
        known = {name: [] for name in known}
    edit(store.path, "UPDATE curves SET curves = ?" + THIRD, curves if curves in EDITED else json.dumps(known))
    if curves == "gone":
        edit(store.path, "DELETE FROM curves" + THIRD)
    [(name,)] = edit(store.path, "SELECT key FROM runs WHERE rowid = 3")
    with pytest.raises(StoreError, match=r"in run 3 \(toy\) of .*runs\.sqlite `curves") as told:
        store.curves(config_of(name))
    assert str(told.value).isprintable()
    with pytest.raises(KeyError, match="no finished run"):
        store.curves(replace(config_of(name), seed=99))


def test_null_in_curves_is_nan_and_a_table_that_is_gone_is_told(store, configs):
    edit(store.path, "UPDATE curves SET curves = json_set(curves, '$.test_loss[0]', NULL)")
    assert np.isnan(store.curves(configs[0])["test_loss"][0])
    edit(store.path, "DROP TABLE curves")
    with pytest.raises(StoreError, match=r"undamaged run store, but .*runs\.sqlite: no such table: curves\."):
        store.curves(configs[0])


@pytest.mark.parametrize("name", [key(RunConfig(p=5, n_train=9)), None])
def test_a_key_of_another_family_is_told(traced, name):
    edit(traced.path, "UPDATE runs_modular SET key = ? WHERE rowid = 2", name)
    told = r"in run 2 \(modular\) of .* `key` must be of family modular, but is 'toy'"
    told = told if name else "must have configurations as the keys of its runs, but one is None"
    for read in (lambda: traced.settings(Modular, 9), lambda: sweep.retrain(traced, [Modular], "1", HERE)):
        with pytest.raises(StoreError, match=told):
            read()


@pytest.mark.parametrize("name", ["[]", "no json", '{"family": "none"}', '{"p": -1}', '{"q": 1}', '{"p": 5}', "7"])
def test_a_key_that_is_no_configuration_is_named(name):
    with pytest.raises(StoreError, match="must have configurations as the keys of its runs, but one is"):
        config_of(name)


def test_predictions_that_were_edited_are_named(store, configs):
    store.keep_predictions(said(key=key(configs[0]), value=1.0))
    edit(store.path, "UPDATE predictions SET value = 'never'")
    with pytest.raises(StoreError, match=r"`value` of run 1 \(toy\) in .* is 'never'"):
        store.predictions()


def test_text_that_is_none_is_damage(store, configs):
    """Not a file that cannot be written, nor a wrong condition."""
    edit(store.path, "UPDATE runs SET device = CAST(x'ff41' AS TEXT) WHERE rowid = 3")
    for read in (lambda: store.table(configs), store.select):
        with pytest.raises(StoreError, match="`store` must be an undamaged run store"):
            read()


# ---- traces


def test_traces_are_on_the_disk_before_their_row(tmp_path, modular, monkeypatch):
    steps: list[str] = []
    fsync = os.fsync
    with RunStore(tmp_path / "runs.sqlite") as store:
        store.prepare_traces([modular[0].config])
        monkeypatch.setattr(os, "fsync", lambda number: (steps.append("synced"), fsync(number)))
        store.connection.set_trace_callback(lambda statement: steps.append(statement.split()[0]))
        store.add(modular[0], "cpu", "test")
    assert steps.index("synced") < steps.index("INSERT")
    assert "synced" not in steps[steps.index("INSERT") :]


def test_lost_traces_can_be_trained_again(traced, modular, capsys):
    """The row says what to do; afterwards both are as they were."""
    configs = [history.config for history in modular]
    path = traces_path(traced.path, key(configs[1]))
    before, rows = traced.traces(configs[1]), traced.table(configs)
    path.unlink()
    says = rf"those of run 2 \(modular\) are gone: .*`python -m analysis\.runs retrain --store {traced.path}`"
    with pytest.raises(LostTraces, match=says):
        traced.traces(configs[1])
    assert traced.lost(Modular) == [(2, key(configs[1]))]
    assert sweep.ensure(configs, traced, HERE) == 0
    assert "the traces of 1 of these runs are gone" in capsys.readouterr().err
    assert sweep.retrain(traced, [Modular], "seed = 0", HERE) == (0, 0)
    assert sweep.retrain(traced, [Modular], "1", HERE) == (1, 0)
    assert traced.lost(Modular) == []
    after = traced.traces(configs[1])
    for name, weights in before.checkpoints.items():
        np.testing.assert_array_equal(weights, after.checkpoints[name])
    pd.testing.assert_frame_equal(rows, traced.table(configs))


def test_a_run_that_comes_out_otherwise_is_told(traced, modular):
    edit(traced.path, "UPDATE runs_modular SET train_loss = 0.5")
    traces_path(traced.path, key(modular[0].config)).unlink()
    assert sweep.retrain(traced, [Modular], "1", HERE) == (1, 1)


def test_traces_of_other_lengths_are_told(traced, modular):
    path = traces_path(traced.path, key(modular[0].config))
    with np.load(path) as file:
        arrays = dict(file)
    for name in ("steps", "metric/train_loss", "checkpoint_steps"):
        np.savez(path, **arrays | {name: arrays[name][:-1]})
        with pytest.raises(StoreError, match="no file of traces that this program wrote"):
            traced.curves(modular[0].config)


def damaged(path: Path, damage: str, other: Path) -> None:
    """Do this to the file of traces at `path`."""
    content, name = bytearray(path.read_bytes()), np.load(path)["key"]
    entry = content.find(b"PK\x01\x02")  # of the first array, in the list at the end
    path.unlink()
    if damage == "a digit":
        content[content.find(b"weights/") + 300] ^= 1
    elif damage == "encrypted":
        content[entry + 8] |= 1
        content[6] |= 1
    elif damage == "packed in an unknown way":
        content[entry + 10] = content[8] = 99
    if damage == "an array's head":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("key.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': ('<f8'\n")
    elif damage == "a pickle":
        np.savez(path, key=name, steps=np.array([{}], dtype=object))
    elif damage == "a link without its target":
        path.symlink_to(path.with_name("nowhere") / "a.npz")
    elif damage == "a pipe":
        os.mkfifo(path)
    elif damage == "a folder":
        path.mkdir()
    elif damage != "gone":
        others = {"another run's": other.read_bytes(), "empty": b"", "cut": content[:-100]}
        path.write_bytes(others.get(damage, content))


DAMAGED = {"gone": "gone: ", "a link without its target": "gone: "}
DAMAGED |= {"another run's": "damaged: .* has the traces of another run"}
DAMAGED |= dict.fromkeys(
    [
        *("a pickle", "empty", "cut", "a digit", "encrypted"),
        *("packed in an unknown way", "an array's head", "a pipe", "a folder"),
    ],
    "damaged: .* is no file of traces that this program wrote",
)
SEEN_AT_A_LOOK = {"gone", "empty", "a link without its target", "a pipe", "a folder"}  # no file is opened


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_traces_are_as_lost_ones(traced, modular, capsys, monkeypatch, damage):
    """Told by the run's name with what to do, and trained again."""
    configs = [history.config for history in modular]
    path, other = (traces_path(traced.path, key(config)) for config in configs[:2])
    damaged(path, damage, other)
    says = rf"those of run 1 \(modular\) are {DAMAGED[damage]}.*`python -m analysis\.runs retrain"
    for read in (traced.traces, traced.curves):
        with pytest.raises(LostTraces, match=says) as told:
            read(configs[0])
        assert str(told.value).isprintable()
    assert len(traced.lost(Modular)) == (damage in SEEN_AT_A_LOOK)
    assert sweep.ensure(configs, traced, HERE) == 0
    told = re.search(r"the traces of 1 of these runs are gone or damaged: run 1 \(modular\)\.", capsys.readouterr().err)
    assert (told is not None) == (damage in SEEN_AT_A_LOOK)
    monkeypatch.setattr(sweep, "_train", lambda missing, store, *_: store.add(modular[0], "cpu", "test"))
    assert sweep.retrain(traced, [Modular], "1", HERE) == (1, 0)
    assert len(traced.traces(configs[0]).steps) == len(modular[0].steps)
    assert sweep.retrain(traced, [Modular], "1", HERE) == (0, 0)


def test_a_file_in_place_of_the_folder_of_traces_is_told(tmp_path, modular, capsys, monkeypatch):
    monkeypatch.setattr(sweep, "train", lambda *_: pytest.fail("trained"))
    with RunStore(tmp_path / "runs.sqlite") as store:
        store.add(modular[0], "cpu", "test")
        folder = traces_folder(store.path)
        folder.rename(tmp_path / "elsewhere")
        folder.touch()
        assert len(store.lost(Modular)) == 1
        with pytest.raises(LostTraces, match=rf"{folder} is no folder: move it away\. The rows are kept"):
            store.traces(modular[0].config)
        for train in (
            lambda: sweep.retrain(store, [Modular], "1", HERE),
            lambda: sweep.ensure([modular[1].config], store, HERE),
            lambda: store.add(modular[1], "cpu", "test"),
        ):
            with pytest.raises(StoreError, match=rf"must have a folder of traces beside it, but {folder} is none\."):
                train()


def test_what_a_killed_command_left_is_removed(traced, modular):
    """Under the lock; nothing that is younger than this command, or not its own."""
    folder = traces_folder(traced.path)
    name = f".{traces_path(traced.path, key(modular[0].config)).name}."
    old, young, link, foreign = (folder / one for one in (f"{name}old", f"{name}young", f"{name}link", ".kept.npz.a"))
    for one in (old, young, foreign):
        one.mkdir()
        (one / "half.npz").touch()
    link.symlink_to(foreign)
    for one in (old, foreign):
        os.utime(one, (1_000, 1_000))
    os.utime(young, (2e9, 2e9))
    with traced.training():
        assert not old.exists()
    assert young.is_dir()
    assert link.is_symlink()
    assert (foreign / "half.npz").exists()
    assert len(traced.lost(Modular)) == 0


def test_a_folder_of_traces_that_cannot_be_written_is_told_before_training(tmp_path, modular, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(sweep, "train", lambda *_: pytest.fail("trained"))
    says = pytest.raises(StoreError, match=r"must have a folder of traces .* but .*\.traces cannot")
    with RunStore(tmp_path / "runs.sqlite") as store, says:
        sweep.ensure([modular[0].config], store, HERE)
