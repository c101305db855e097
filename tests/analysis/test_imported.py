"""Logs of others in the store: what was read comes back, a second import adds nothing,
one that has grown takes its own place, and nothing else is disturbed.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sqlite3
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import analysis.runs.__main__ as module
from analysis.forecast.stored import logs_of
from analysis.gallery.__main__ import gallery
from analysis.gallery.planes import find_planes
from analysis.logs.log import Log
from analysis.logs.read import read_logs
from analysis.runs.executors import Execution
from analysis.runs.imported import config_for, import_logs
from analysis.runs.phases import Thresholds
from analysis.runs.rows import config_of
from analysis.runs.store import PREDICTIONS, RunStore
from analysis.runs.sweep import ensure
from analysis.runs.traces import traces_folder
from neural import ConfigError, ModularConfig, TeacherConfig, family_of, find_family, train_runs
from neural.command import run_command
from neural.families.external import External, ExternalConfig

SETTINGS = [(p, fraction, 1.0) for p in (29, 59, 79) for fraction in (0.3, 0.5)]


def write_published(folder: Path) -> None:
    """A file a setting, three seeds each; the last seed never generalises."""
    steps = np.array([0, 1, 2, 4, 8, 16, 32, 64])
    folder.mkdir(exist_ok=True)
    for number, (p, fraction, decay) in enumerate(SETTINGS):
        rng = np.random.default_rng(number)
        curves = {name: np.sort(rng.random((3, 8)), 1).astype(np.float32) for name in ("train_acc", "test_acc")}
        curves["train_acc"][:, 4:] = 1
        curves["test_acc"][:2, 6:] = 0.9
        curves["test_acc"][2] /= 2
        curves |= {"test_loss": rng.random((3, 8)), "weight_norm": rng.random((3, 8)), "wn_E": rng.random((3, 8))}
        scalars = {"p": p, "alpha": np.float32(fraction), "lam": decay, "lr": np.float32(1e-3), "max_steps": 64}
        scalars |= {"n_train": round(fraction * p * p), "rho": np.float32(0.85), "arm": "clamp, free"}
        np.savez(folder / f"{p}_{fraction}_{decay}.npz", steps=steps, **curves, **scalars)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_published(tmp_path / "published")
    return tmp_path / "published"


@pytest.fixture
def command(monkeypatch, capsys):
    """Run the command line in this process: exit status, standard output, error."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["runs", *map(str, words)])
        known: Any = module.Command
        try:
            run_command(known, module.main, "python -m analysis.runs", module.ERRORS)
            status = 0
        except SystemExit as stop:
            status = int(stop.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return run


def rows(path: Path) -> pd.DataFrame:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return pd.read_sql("select * from runs_external order by rowid", connection)


def configs(store: RunStore) -> list[ExternalConfig]:
    return [config_of(name) for name in store.select("1", External)["key"]]


def test_rows_are_the_logs(folder: Path, tmp_path: Path) -> None:
    """Read by pandas: settings, steps to thresholds, null where censored, last numbers;
    and the curves, exactly.
    """
    path, logs = tmp_path / "runs.sqlite", read_logs(folder)
    with RunStore(path) as store:
        assert import_logs(store, logs) == (18, 0, 0)
    for row, log in zip(rows(path).to_dict("records"), logs, strict=True):
        assert row["file"] == f"published/{Path(log.source).name}"
        assert (row["name"], row["seed"]) == (log.name, int(log.name))
        assert (row["p"], row["fraction"]) == (log.settings["p"], log.settings["fraction"])
        assert (row["weight_decay"], row["learning_rate"]) == (log.settings["weight_decay"], 0.001)
        assert row["others"] == "arm=clamp_free rho=0.85"
        never = log.generalised_at is None
        assert never == (log.name == "2")
        assert pd.isna(row["steps_to_test"]) if never else row["steps_to_test"] == log.generalised_at
        assert row["steps_to_train"] == log.memorised_at
        assert (row["budget"], row["steps_run"], row["test_loss"]) == (64, 64, log.curves["test_loss"][-1])
        assert pd.isna(row["train_loss"])
        record = np.array(json.loads(row["test_record"]))
        assert (np.diff(record) > 0).all()
    with RunStore(path, read_only=True) as store:
        for back, log in zip(logs_of(store, configs(store)), logs, strict=True):
            np.testing.assert_array_equal(back.steps, log.steps)
            assert back.curves.keys() == log.curves.keys()
            for name, values in log.curves.items():
                np.testing.assert_array_equal(back.curves[name], values)
            assert back.settings == {**log.settings, "arm": "clamp_free"}
            assert (back.name, back.memorised, back.generalised) == (log.name, log.memorised, log.generalised)


def test_a_second_import_adds_nothing(folder: Path, tmp_path: Path, command) -> None:
    """Nor does that of a copy, or of the same runs in another format."""
    path = tmp_path / "runs.sqlite"
    said = f"18 runs of {folder} imported into {path}\n"
    assert command("import", folder, "--store", path)[:2] == (0, said)
    before = rows(path)
    assert (
        command("import", folder, "--store", path)[1] == said.replace("18 runs", "0 runs", 1)[:-1] + "; 18 were there\n"
    )
    shutil.copytree(folder, tmp_path / "elsewhere" / "copy")
    assert "; 18 were there" in command("import", tmp_path / "elsewhere", "--store", path)[1]
    [one] = [log for log in read_logs(folder / "29_0.3_1.0.npz") if log.name == "1"]
    table = pd.DataFrame({"step": one.steps, **one.curves}).assign(**one.settings)
    table.to_csv(tmp_path / "1.csv", index=False)
    assert "0 runs of" in command("import", tmp_path / "1.csv", "--store", path)[1]
    pd.testing.assert_frame_equal(rows(path), before)


def test_a_log_that_has_grown_takes_its_place(tmp_path: Path, command) -> None:
    """Also where blank cells were filled; another run in a file of that name is another
    run, and what was predicted of the shorter one is gone.
    """
    log, path = tmp_path / "a.csv", tmp_path / "runs.sqlite"
    log.write_text("step,train_acc,test_acc\n0,.1,.1\n10,1,\n")
    command("import", log, "--store", path)
    with RunStore(path) as store:
        [config] = configs(store)
        assert (config.budget, store.table([config])["steps_to_test"].tolist()) == (
            10,
            [pytest.approx(np.nan, nan_ok=True)],
        )
        assert store.table([config])["test_accuracy"].tolist() == [0.1]  # the last that was logged
        said = dict.fromkeys(PREDICTIONS, "x") | {"key": rows(path)["key"][0]} | dict.fromkeys(PREDICTIONS[-5:], 1.0)
        store.keep_predictions(pd.DataFrame([said]))
    log.write_text("step,train_acc,test_acc\n0,.1,.1\n10,1,.2\n20,1,.95\n")
    assert command("import", log, "--store", path)[1].endswith("; 1 had grown\n")
    assert rows(path)[["budget", "steps_to_train", "steps_to_test"]].to_numpy().tolist() == [[20, 10, 20]]
    assert len([*traces_folder(path).glob("*.npz")]) == 1
    with RunStore(path, read_only=True) as store:
        assert len(store.predictions()) == 0
    others = ("0,.2,.1\n10,1,.2\n20,1,.95\n30,1,1\n", "0,.1,.1\n10,1,.2\n21,1,.95\n30,1,1\n", "0,.1,.1\n10,1,.2\n")
    for number, text in enumerate(others):  # other values, other steps, an end that is not the old one's
        log.write_text(f"step,train_acc,test_acc\n{text}")
        assert command("import", log, "--store", path)[1] == f"1 runs of {log} imported into {path}\n"
        assert len(rows(path)) == 2 + number


def test_what_the_budget_is(tmp_path: Path) -> None:
    """What the log says where the run got there, or generalised before; else what was
    logged: a run that was killed is censored there.
    """

    def budget(last: float, test: float, said: int | None) -> int:
        curves = {"test_accuracy": np.array([0.1, test])}
        told = {"budget": said} if said else {}
        return config_for(Log(name="a", steps=np.array([0, last]), curves=curves, settings=told), 0).budget

    assert budget(100, 0.2, 1000) == 100
    assert budget(100, 0.95, 1000) == 1000
    assert budget(600, 0.2, 1000) == 1000
    assert budget(600, 0.2, 500) == 600
    assert budget(600, 0.2, None) == 600


def test_other_commands_with_imported_runs(folder: Path, store: RunStore, configs: list[Any], command) -> None:
    """The store of the toy model's runs stays; lists, exports and pictures have both;
    nothing trains what others trained.
    """
    path = store.path
    before = store.table(configs)
    command("import", folder, "--store", path)
    pd.testing.assert_frame_equal(store.table(configs), before)
    assert store.missing(configs) == []
    status, out, _ = command("list", "--store", path)
    assert status == 0
    assert f"18 runs in {path}, family external" in out
    file = path.with_name("a.csv")
    assert command("export", file, "--family", "external", "--store", path)[:2] == (0, f"18 runs in {file}\n")
    assert pd.read_csv(file)["steps_to_test"].isna().sum() == 6
    assert command("export", file.with_suffix(".parquet"), "--family", "external", "--store", path)[0] == 0
    picture = path.with_name("a.png")
    status, out, err = command("inspect", 5, "--family", "external", "--picture", picture, "--store", path)
    assert (status, picture.is_file(), err) == (0, True, "")
    assert "published/" in out
    next(traces_folder(path).glob("*.npz")).unlink()
    lost = "the traces of 1 of these runs are gone or damaged: run "
    assert f"{lost}1 (external). The rows are kept; `python -m analysis.runs import` reads" in re.sub(
        r"run \d+", "run 1", command("list", "--store", path)[1]
    )
    assert command("retrain", "--store", path)[:2] == (0, f"0 runs trained again in {path}\n")
    assert "must be one that can be trained" in command("retrain", "--family", "external", "--store", path)[2]
    assert "18 were there" in command("import", folder, "--store", path)[1]  # which brings the lost traces back
    assert store.lost(External) == []
    mine = next(config_of(name) for name in store.select("1", External)["key"])
    assert family_of(mine) is External
    wanted = r"^`configs` must be runs that can be trained, but published/\S+ is a log of somebody else's\.$"
    with pytest.raises(ConfigError, match=wanted):
        next(train_runs([mine], "cpu"))
    with pytest.raises(ConfigError, match=wanted):
        ensure([replace(mine, seed=99)], store, Execution(device="cpu", executor="in-process"))
    with pytest.raises(ConfigError, match=r"`family` must be one of toy, .* but is 'external'"):
        find_family("external")


def test_the_gallery_has_them(folder: Path, tmp_path: Path) -> None:
    """A plane of the settings, whatever budgets and sizes follow from them; curves at
    the steps where the test accuracy was logged.
    """
    (tmp_path / "blank").mkdir()
    for k, lr in enumerate((0.1, 0.2, 0.4)):
        text = f"step,lr,train_acc,test_acc\n0,{lr},.1,.1\n5,{lr},.5,\n10,{lr},,.2\n{15 + k},{lr},.7,.3\n"
        (tmp_path / "blank" / f"{k}.csv").write_text(text)
    with RunStore(tmp_path / "runs.sqlite") as store:
        import_logs(store, [*read_logs(folder), *read_logs(tmp_path / "blank")])
        planes = find_planes(store.settings(External, 100), External)
        assert [axis.field for axis in planes[0].axes] == ["p", "fraction"]
        assert [len(plane.runs) for plane in planes] == [18, 3]
        assert planes[0].shared == {"learning_rate": 0.001, "weight_decay": 1.0, "others": "arm=clamp_free rho=0.85"}
        page = gallery(store, Thresholds(), 100, 100, 1)
    assert "external: p and fraction" in page
    content = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    [plane] = [plane for plane in content["planes"] if plane["n"] == 3]
    assert plane["cells"][0]["runs"][0]["curve"] == [[0, 10, 15], [10, 50, 70], [10, 20, 30]]


def test_steps_that_are_no_integers(tmp_path: Path, command) -> None:
    (tmp_path / "a.csv").write_text("epoch,test_acc\n0,.1\n0.5,.2\n")
    status, _, err = command("import", tmp_path / "a.csv", "--store", tmp_path / "runs.sqlite")
    assert (status, err.count("\n")) == (1, 1)
    assert "must have whole steps for its runs to be kept" in err


NAMES = st.text(max_size=8) | st.sampled_from(["p", "fraction", "seed", "budget", "operation", "n_train", "lr"])
VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["none", "a,b:c=d"])
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(NAMES, VALUES, max_size=5), st.text(max_size=5), st.integers(0, 3))
def test_any_settings_can_be_kept(known: dict[str, Any], name: str, first: int) -> None:
    """And the planes of the gallery can be looked for."""
    curves = {"test_accuracy": np.array([0.1, 0.2]), "other/curve\0": np.array([1.0, np.inf])}
    logs = [
        Log(
            name=f"{name}{lr}",
            steps=np.array([first, 5.0]),
            curves=curves,
            settings=known | {"lr": lr},
            source="a/b.csv",
        )
        for lr in (0.1, 0.2, 0.3)
    ]
    with tempfile.TemporaryDirectory() as place, RunStore(Path(place) / "runs.sqlite") as store:
        assert import_logs(store, logs).added == 3
        assert import_logs(store, logs).known == 3
        for log in logs_of(store, configs(store)):
            np.testing.assert_array_equal(log.curves["test_accuracy"], [0.1, 0.2])
        find_planes(store.settings(External, 100), External)


def test_logs_of_our_own_runs(tmp_path: Path) -> None:
    """Their curves under the names of a Log; a run generalises where its row says."""
    modular = ModularConfig(p=7, width=8, fraction=0.6, look_every=5, budget=20)
    teacher = TeacherConfig(n_train=20, n_test=20, width=8, look_every=5, budget=20)
    with RunStore(tmp_path / "runs.sqlite") as store:
        for history in train_runs([modular, teacher], "cpu", compiled=False):
            store.add(history, "cpu", "test")
        first, second = logs_of(store, [modular, teacher])
        [third] = logs_of(store, [teacher], ("train_accuracy_01", "test_accuracy_01"))
        curves = store.curves(teacher)
    assert first.settings["p"] == 7
    assert first.settings["fraction"] == 0.6
    assert (first.settings["n_train"] + first.settings["n_test"], first.settings["family"]) == (49, "modular")
    assert (first.memorised, first.generalised, second.generalised) == (0.9, 0.9, 0.95)
    np.testing.assert_array_equal(second.curves["test_accuracy"], curves["test_accuracy"])
    np.testing.assert_array_equal(third.curves["test_accuracy"], curves["test_accuracy_01"])
    np.testing.assert_array_equal(second.curves["test_accuracy_01"], curves["test_accuracy_01"])
    assert set(second.curves) >= {"train_loss", "test_loss", "weight_norm"}


def test_a_store_of_imported_runs_alone_is_exported(folder: Path, tmp_path: Path, command) -> None:
    path = tmp_path / "others.sqlite"
    command("import", folder, "--store", path)
    assert command("export", tmp_path / "b.csv", "--store", path)[:2] == (0, f"18 runs in {tmp_path / 'b.csv'}\n")
