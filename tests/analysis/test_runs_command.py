"""A look into the store: what is listed and exported is what is there, and every
mistake is one line.
"""

from __future__ import annotations

import io
import os
import re
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import analysis.runs.__main__ as module
from analysis.runs.__main__ import Export, Inspect, List, main
from analysis.runs.rows import columns_of, config_columns, key
from analysis.runs.store import RunStore, StoreError
from analysis.runs.traces import traces_path
from neural import ConfigError
from neural.command import run_command
from neural.families.toy import Toy
from tests.analysis.test_store import edit, with_a_digit_in_an_index

COMMAND: Any = module.Command


@pytest.fixture
def command(monkeypatch, capsys):
    """Run the command line in this process: exit status, standard output, error."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["runs", *map(str, words)])
        try:
            run_command(COMMAND, main, "python -m analysis.runs", module.ERRORS)
            status = 0
        except SystemExit as stop:
            status = int(stop.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return run


def stored(path: Path, where: str = "1") -> pd.DataFrame:
    """The rows, by pandas alone."""
    with closing(sqlite3.connect(path)) as connection:
        return pd.read_sql(f"select rowid as number, * from runs where {where} order by rowid", connection)


def test_list_tells_what_the_store_has(store, configs, command):
    status, out, err = command("list", "--store", store.path)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"{len(configs)} runs in {store.path}"
    told = dict(line.split(maxsplit=1) for line in lines if line.partition(" ")[0] in config_columns(Toy))
    assert set(told) == set(config_columns(Toy))
    assert told["n_train"] == "9, 13"  # in their order as numbers
    assert told["decoder_lr"] == "0.001, 0.003"
    assert told["seed"] == "0, 1, 2"
    assert told["loss"] == "mse"
    assert told["batch_size"] == "-"
    rows = stored(store.path)
    head = next(line for line in lines if line.split()[:1] == ["number"]).split()
    assert head[:4] == ["number", "n_train", "seed", "decoder_lr"]  # what all runs share is not repeated
    assert "budget" not in head
    for row, line in zip(rows.to_dict("records"), lines[-len(rows) :], strict=True):
        words = line.split()
        assert words[:4] == [str(row["number"]), str(row["n_train"]), str(row["seed"]), f"{row['decoder_lr']:g}"]
        assert len(words) == len(head)
        reached = row["steps_to_test"]
        assert words[head.index("steps_to_test")] == ("-" if pd.isna(reached) else f"{reached:.6g}")


def test_list_ends_with_the_last_runs_and_has_a_condition(store, configs, command):
    for limit in (0, 1, 5, 100):
        status, out, _ = command("list", "--limit", limit, "--store", store.path)
        assert status == 0
        numbers = [line.split()[0] for line in out.splitlines() if re.match(r"\d+ +\d+ +\d+ ", line)]
        assert numbers == [str(number) for number in range(1, len(configs) + 1)[-limit:] if limit]
    _, out, _ = command("list", "--where", "n_train = 9 and decoder_lr < 2e-3", "--store", store.path)
    assert out.startswith("3 runs in")
    status, out, _ = command("list", "--where", "n_train = 10", "--store", store.path)
    assert (status, out) == (0, f"0 runs in {store.path}\n")


def test_list_has_a_range_of_many_values(store, histories, command):
    """But words have no range; what was not given is a dash."""
    for seed, samples in zip(range(3, 12), ("1", "2", "4", "8", "10", "20", "40", "80", "100"), strict=True):
        if seed == 5:
            assert re.search(r"^samples +-, 1, 2$", command("list", "--store", store.path)[1], re.MULTILINE)
        for others in ({"seed": seed, "batch_size": seed % 9 or None}, {"n_train": 1, "samples": samples}):
            store.add(replace(histories[0], config=replace(histories[0].config, **others)), "cpu", "test")
    status, out, err = command("list", "--store", store.path)
    assert (status, err) == (0, "")
    for told in ("seed +12 values, 0 to 11", "batch_size +9 values, 1 to 8", "samples +10 values"):
        assert re.search(rf"^{told}$", out, re.MULTILINE)


def test_list_shows_control_characters_and_does_not_obey(store, configs, command):
    """Also where a row is not what it was."""
    edit(store.path, "UPDATE runs SET loss = ? WHERE rowid = 3", "\x1b[2J\r<b>\u202e")
    status, out, _ = command("list", "--store", store.path)
    assert status == 0
    assert out.count("\\x1b[2J\\r<b>\\u202e") == 2  # among the values, and in its row
    assert not {"\x1b", "\r", "\u202e"} & set(out)


def test_a_damaged_row_is_one_line(store, tmp_path, command):
    edit(store.path, "UPDATE runs SET p = 'ten', mask = '[1' WHERE rowid = 3")
    edit(store.path, "UPDATE curves SET curves = 'null'")
    for words, told in (
        (["inspect", 3], r"run 3 \(toy\)"),
        (["inspect", 2, "--picture", tmp_path / "a.png"], r"run 2 \(toy\)"),
        (["export", tmp_path / "a.parquet"], "`p`, but that of run 3"),
    ):
        status, _, err = command(*words, "--store", store.path)
        assert (status, err.count("\n")) == (1, 1)
        assert re.search(told, err)
    assert command("inspect", 2, "--store", store.path)[0] == 0
    assert command("list", "--store", store.path)[0] == 0


def test_a_row_that_the_index_does_not_find_is_one_line(store, command):
    """A digit changed in the index, which only writing reads as a whole."""
    store.path.write_bytes(with_a_digit_in_an_index(store.path.read_bytes()))
    ends = [command("inspect", number, "--store", store.path) for number in range(1, 13)]
    hidden = {number: err for number, (status, _, err) in enumerate(ends, 1) if status}
    assert hidden
    for number, err in hidden.items():
        assert f"its index does not find run {number} (toy)" in err
        assert err.count("\n") == 1


def test_what_has_lost_its_traces_is_told_and_trained_again(traced, modular, tmp_path, command):
    store = ["--store", traced.path]
    traces_path(traced.path, key(modular[1].config)).unlink()
    advice = f"`python -m analysis.runs retrain --store {traced.path}` trains these runs again."
    status, out, _ = command("list", *store)
    assert status == 0
    assert f"the traces of 1 of these runs are gone or damaged: run 2. The rows are kept; {advice}" in out
    status, out, _ = command("inspect", 2, "--family", "modular", *store)
    assert status == 0
    assert advice in out
    status, _, err = command("inspect", 2, "--family", "modular", "--picture", tmp_path / "a.png", *store)
    assert status == 1
    assert advice in err
    again = ["retrain", "--executor", "in-process", "--device", "cpu", *store]
    assert command(*again)[:2] == (0, f"1 runs trained again in {traced.path}\n")
    assert command(*again)[:2] == (0, f"0 runs trained again in {traced.path}\n")
    assert "their traces" not in command("list", *store)[1]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("where", ["1", "seed = 1 and n_train = 13", "seed = 99"])
def test_an_export_has_the_stores_rows(store, tmp_path, command, monkeypatch, suffix, where):
    """However many are written at a time."""
    monkeypatch.setattr("analysis.runs.store._BATCH", 5)
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    # a name of before UTF-8, which other systems refuse
    folder = os.fsdecode(b"new f\xf6lder") if sys.platform == "linux" else "new folder"
    file = tmp_path / folder / f"runs.{suffix}"
    status, out, err = command("export", file, "--where", where, "--store", store.path)
    expected = stored(store.path, where)
    printed = f"{len(expected)} runs in {file}\n".encode(errors="backslashreplace").decode()
    assert (status, out, err) == (0, printed, "")
    content = io.BytesIO(file.read_bytes())
    # in a CSV, "12" is a training set only to those who say so
    read = pd.read_csv(content, dtype={"samples": str}) if suffix == "csv" else pd.read_parquet(content)
    read["samples"] = read["samples"].fillna("")
    assert list(read) == ["number", *columns_of(Toy)]
    assert len(read) == len(expected)
    # equal but for how a column of nothing is called: None, nan
    for name in read:
        for a, b in zip(read[name], expected[name], strict=True):
            assert a == b or (pd.isna(a) and pd.isna(b)), name
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_an_export_replaces_the_old_file_whole(store, tmp_path, command):
    file = tmp_path / "runs.csv"
    for where, n in (("1", 12), ("seed = 0", 4)):
        command("export", file, "--where", where, "--store", store.path)
        assert len(pd.read_csv(file)) == n


def test_inspect_prints_and_draws_a_run(store, configs, histories, tmp_path, command):
    picture = tmp_path / "curves.png"
    status, out, err = command("inspect", 2, "--picture", picture, "--store", store.path)
    assert (status, err) == (0, "")
    row = stored(store.path).iloc[1]
    assert re.search(rf"^n_train +{row['n_train']}$", out, re.MULTILINE)
    assert re.search(rf"^seed +{row['seed']}$", out, re.MULTILINE)
    assert re.search(r"^batch_size +-$", out, re.MULTILINE)
    # first in, first out: the second that was added
    bits = "".join(str(int(bit)) for bit in histories[1].mask)
    assert f"training set: {histories[1].config.n_train} of 15 samples: {bits}" in out
    assert "[[" not in out
    assert out.rstrip().endswith(str(picture))
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["list", "--where", "colour = 1"], "`where` must be an SQL condition .*no such column: colour"),
        (["list", "--where", ""], "`where` must be an SQL condition"),
        (["list", "--where", "1; drop table runs"], "`where` must be an SQL condition"),
        (["list", "--where", "1) ; drop table runs --"], "`where` must be an SQL condition"),
        (["list", "--limit", "-1"], "`limit` must be an integer of at least 0, but is -1"),
        (["export", "runs.xlsx"], r"`file` must be NAME\.csv or NAME\.parquet, but is runs\.xlsx"),
        (["export", "runs"], r"`file` must be NAME\.csv or NAME\.parquet"),
        (["export", "{folder}/file/runs.csv"], "`file` must be a file that can be written, but .*runs.csv: "),
        (["export", "{folder}/folder.csv"], "`file` must be a file that can be written, but .*folder.csv: "),
        (["export", "{folder}/runs.csv", "--where", "x y"], "`where` must be an SQL condition"),
        (["inspect", "0"], "`number` must be that of a run in .*, but is 0"),
        (["inspect", "13"], "`number` must be that of a run in .*, but is 13"),
        (["inspect", "1", "--picture", "{folder}/file/a.png"], "`picture` must be .* can be written, but .*a.png: "),
    ],
)
def test_every_mistake_is_one_line(store, tmp_path, command, words, told):
    (tmp_path / "file").touch()
    (tmp_path / "folder.csv").mkdir()
    before = store.path.read_bytes()
    status, _, err = command(*(word.format(folder=tmp_path) for word in words), "--store", store.path)
    assert status == 1
    assert re.match(f"error: .*{told}", err)
    assert err.count("\n") == 1
    assert store.path.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} <= {"file", "folder.csv", "runs.sqlite"}


@pytest.mark.parametrize("words", [["list"], ["export", "runs.csv"], ["inspect", "1"]])
def test_a_store_that_is_not_there_is_not_made(tmp_path, command, words):
    path = tmp_path / "nosuch.sqlite"
    status, out, err = command(*words, "--store", path)
    assert (status, out) == (1, "")
    assert err == f"error: `store` must be a run store, but there is none at {path}.\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [[], ["show"], ["export"], ["inspect", "one"]])
def test_a_command_line_that_cannot_be_parsed(command, words):
    status, _, err = command(*words)
    assert status == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_without_pyarrow_parquet_is_refused(store, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match="parquet needs the package pyarrow"):
        main(Export(tmp_path / "runs.parquet", store=store.path))


def test_a_store_that_cannot_be_written_can_be_read(store, configs, tmp_path, capsys):
    """Other people's results, on a disk of theirs."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    path = folder / "runs.sqlite"
    path.write_bytes(store.path.read_bytes())
    path.chmod(0o444)
    folder.chmod(0o555)
    try:
        if os.access(folder, os.W_OK):
            pytest.skip("root may write everywhere")
        main(List(store=path))
        main(Inspect(1, store=path))
        main(Export(tmp_path / "runs.csv", store=path))
    finally:
        folder.chmod(0o755)
    assert capsys.readouterr().out.startswith(f"{len(configs)} runs in {path}\n")
    assert len(pd.read_csv(tmp_path / "runs.csv")) == len(configs)
    assert [file.name for file in folder.iterdir()] == ["runs.sqlite"]


ENDLESS = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n) > 0"


def test_an_endless_condition_is_one_line(store, command, monkeypatch, tmp_path):
    """It is given up, and the store that asked goes on."""
    monkeypatch.setattr("analysis.runs.file._PATIENCE_S", 0.05)
    for words in (["list"], ["export", tmp_path / "runs.csv"]):
        status, out, err = command(*words, "--where", ENDLESS, "--store", store.path)
        assert (status, out) == (1, "")
        assert re.match(r"error: `where` must be decided within 0\.05 s a run, but .*RECURSIVE.* took longer\.$", err)
        assert err.count("\n") == 1
    with pytest.raises(StoreError, match="took longer"):
        store.select(ENDLESS)
    assert len(store.select("seed = 1")) == len(stored(store.path, "seed = 1"))


def test_patience_is_a_runs_not_a_querys(store, configs, monkeypatch):
    """Each run is decided in time; all of them together take longer."""
    waits = []

    def wait(_: object) -> bool:
        time.sleep(0.05)
        waits.append(0.05)
        return True

    monkeypatch.setattr("analysis.runs.file._PATIENCE_S", 0.2)
    monkeypatch.setattr("analysis.runs.file._INSTRUCTIONS", 1)
    store.connection.create_function("wait", 1, wait)
    assert len(store.select("wait(seed)")) == len(configs)
    assert sum(waits) > 0.2


def test_control_c_ends_an_endless_condition(store, command, monkeypatch):
    """Also where it arrives while sqlite is at work and asks whether to go on."""
    press = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    batches = RunStore.batches

    def pressed(*arguments: Any) -> Iterator[list[tuple]]:
        press.start()
        return batches(*arguments)

    monkeypatch.setattr(RunStore, "batches", pressed)
    status, out, err = command("list", "--where", ENDLESS, "--store", store.path)
    press.join()
    assert (status, out, err.count("\n")) == (130, "", 1)


def test_looking_reads_what_it_shows(store, configs, monkeypatch):
    """The whole file is not checked, nor are arrays read: a look is quick."""
    statements: list[str] = []
    connect = sqlite3.connect

    def watched(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.set_trace_callback(statements.append)
        return connection

    monkeypatch.setattr(sqlite3, "connect", watched)
    main(List(store=store.path))
    main(Inspect(1, store=store.path))
    asked = " ".join(statements)
    assert "SELECT" in asked
    assert "check" not in asked
    listing = next(statement for statement in statements if "WHERE (1)" in statement)
    assert "n_train" in listing
    assert not re.search(r"\*|mask|embedding|record|curves", listing)
    statements.clear()
    RunStore(store.path).close()  # to write
    assert any("integrity_check" in statement for statement in statements)


def test_damage_that_a_look_meets_is_one_line(store, command):
    """Found where it is read, not at the door."""
    content = bytearray(store.path.read_bytes())
    size = int.from_bytes(content[16:18], "big")
    [(root,)] = edit(store.path, "SELECT rootpage FROM sqlite_master WHERE name = 'runs'")
    content[(root - 1) * size : root * size] = b"\xff" * size
    store.path.write_bytes(content)
    status, _, err = command("list", "--store", store.path)
    assert (status, err.count("\n")) == (1, 1)
    assert err.startswith("error: `store` must be an undamaged run store, but ")
