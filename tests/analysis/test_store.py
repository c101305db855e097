"""The run store gives back what it was given, and refuses what it cannot use without touching it."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.runs.store import VERSION, RunStore, StoreError, key
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
        np.testing.assert_array_equal(row.initial_embedding, history.snapshots[0])
        np.testing.assert_array_equal(row.final_embedding, history.snapshots[-1])
        curves = store.curves(config)
        np.testing.assert_array_equal(curves["steps"], history.snapshot_steps)
        np.testing.assert_allclose(curves["rqi"], history.rqi[history.snapshot_steps], atol=1e-6)


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
    """Another connection sees a run as soon as `add` returns: nothing waits for a clean end."""
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
