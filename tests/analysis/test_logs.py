"""Logs of anybody's, read: the same run in every format is one Log, and what is broken
is one line.
"""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.logs.files import KINDS
from analysis.logs.log import Log
from analysis.logs.read import curve_of, read_logs, setting_of
from neural import ConfigError

Curves = dict[str, np.ndarray]
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def runs(draw: st.DrawFn) -> tuple[np.ndarray, Curves]:
    """Steps and curves, some of them with blanks; a loss never blank or constant."""
    n = draw(st.integers(2, 8))
    steps = np.array(sorted(draw(st.sets(st.integers(0, 10**6), min_size=n, max_size=n))), float)
    shares = st.floats(0, 1) | st.just(np.nan)
    losses = st.lists(st.floats(0, 1e6), min_size=n, max_size=n, unique=True)
    curves = {"train_loss": np.array(draw(losses)), "fourier": np.array(draw(losses))}
    for name in ("train_accuracy", "test_accuracy"):
        curves[name] = np.array(draw(st.lists(shares, min_size=n, max_size=n)))
        curves[name][draw(st.integers(0, n - 1))] = draw(st.floats(0, 1))
    return steps, curves


# ---- writers of every format: (folder, steps, curves, settings) -> file


def _cells(steps: np.ndarray, curves: Curves, settings: dict[str, Any]) -> list[dict[str, Any]]:
    columns = {"step": steps.astype(int), **curves}
    rows = [{name: values[k].item() for name, values in columns.items()} for k in range(len(steps))]
    return [{name: None if value != value else value for name, value in row.items()} | settings for row in rows]


def _separated(rows: list[dict[str, Any]], mark: str) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=mark)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _text(suffix: str, mark: str) -> Callable[..., Path]:
    def write(folder: Path, *run: Any) -> Path:
        path = folder / f"run{suffix}"
        path.write_text(_separated(_cells(*run), mark), newline="")
        return path

    return write


def _metric_rows(folder: Path, steps: np.ndarray, curves: Curves, settings: dict[str, Any]) -> Path:
    rows = [
        {"step": int(steps[k]), "metric": name, "value": values[k]} | settings
        for name, values in curves.items()
        for k in range(len(steps))
        if values[k] == values[k]
    ]
    (folder / "run.csv").write_text(_separated(rows, ","))
    return folder / "run.csv"


def _json_lines(folder: Path, *run: Any) -> Path:
    lines = [json.dumps({name: value for name, value in row.items() if value is not None}) for row in _cells(*run)]
    (folder / "run.jsonl").write_text("\n".join(lines))
    return folder / "run.jsonl"


def _json_list(folder: Path, *run: Any) -> Path:
    (folder / "run.json").write_text(json.dumps(_cells(*run)))
    return folder / "run.json"


def _json_object(folder: Path, steps: np.ndarray, curves: Curves, settings: dict[str, Any]) -> Path:
    lists = {"step": steps.tolist()} | {name: values.tolist() for name, values in curves.items()}
    (folder / "run.json").write_text(json.dumps({"config": dict(settings), "history": lists}))
    return folder / "run.json"


def _parquet(folder: Path, *run: Any) -> Path:
    pq.write_table(pa.Table.from_pylist(_cells(*run)), folder / "run.parquet")
    return folder / "run.parquet"


def _arrays(folder: Path, steps: np.ndarray, curves: Curves, settings: dict[str, Any]) -> Path:
    arrays: dict[str, Any] = {"steps": steps, **curves, **settings}
    np.savez(folder / "run.npz", **arrays)
    return folder / "run.npz"


def _beside(folder: Path, steps: np.ndarray, curves: Curves, settings: dict[str, Any]) -> Path:
    (folder / "run.json").write_text(json.dumps({"optimizer": {"lr": {"value": settings["lr"]}}, "p": settings["p"]}))
    return _text(".csv", ",")(folder, steps, curves, {})


WRITERS = {
    "csv": _text(".csv", ","),
    "semicolons": _text(".csv", ";"),
    "tsv": _text(".tsv", "\t"),
    "text": _text(".txt", ","),
    "a row a metric": _metric_rows,
    "json lines": _json_lines,
    "json list": _json_list,
    "json object": _json_object,
    "parquet": _parquet,
    "npz": _arrays,
    "settings beside": _beside,
}


def same(one: Log, steps: np.ndarray, curves: Mapping[str, np.ndarray]) -> None:
    np.testing.assert_array_equal(one.steps, steps)
    assert {*one.curves} == {*curves}
    for name, values in curves.items():
        np.testing.assert_array_equal(one.curves[name], values, err_msg=name)


@pytest.mark.parametrize("form", WRITERS)
@FEW
@given(runs())
def test_a_run_is_the_same_in_every_format(form: str, run: tuple[np.ndarray, Curves]) -> None:
    """With its settings under our names."""
    with tempfile.TemporaryDirectory() as folder:
        [found] = read_logs(WRITERS[form](Path(folder), *run, {"lr": 0.003, "p": 59}))
    same(found, *run)
    assert dict(found.settings) == {"learning_rate": 0.003, "p": 59}
    assert found.name == "run"


@FEW
@given(runs(), st.randoms())
def test_the_order_of_columns_does_not_matter(run: tuple[np.ndarray, Curves], random: Any) -> None:
    rows = _cells(*run, {"lr": 0.003})
    names = list(rows[0])
    random.shuffle(names)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.csv"
        path.write_text(_separated([{name: row[name] for name in names} for row in rows], ","))
        [found] = read_logs(path)
    same(found, *run)


@FEW
@given(st.lists(runs(), min_size=2, max_size=4), st.sampled_from(["seed", "run_id", "mine"]), st.booleans())
def test_runs_in_one_file(several: list[tuple[np.ndarray, Curves]], column: str, mixed: bool) -> None:
    """One after the other, or their rows in turn."""
    rows = [row for number, run in enumerate(several) for row in _cells(*run, {column: number})]
    if mixed:
        rows.sort(key=lambda row: row["step"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.csv"
        path.write_text(_separated(rows, ","))
        found = read_logs(path, run_columns=["mine"] if column == "mine" else [])
    assert sorted(log.name for log in found) == [str(number) for number in range(len(several))]
    for log in found:
        same(log, *several[int(log.name)])
        assert log.settings[column] == int(log.name)


@pytest.mark.parametrize("turned", [False, True])
def test_many_seeds_in_an_npz(tmp_path: Path, turned: bool) -> None:
    """As published: curves (S, L), or (L, S); what only the end of a run knows is no
    setting; float32's 0.9 is 0.9.
    """
    rng = np.random.default_rng(0)
    curves = {name: rng.random((5, 9)).astype(np.float32) for name in ("train_acc", "test_acc", "test_loss", "wn_E")}
    curves["test_acc"][:, -1], curves["train_acc"][:, -1] = 0.9, 1
    scalars = {"alpha": np.float32(0.4), "p": 59, "lam": 1.0, "lr": np.float32(1e-3), "arm": "clamp", "max_steps": 800}
    scalars |= {"wc_used": np.nan, "diverged": True, "acc_mem": 0.98, "rho": np.float32(0.85)}
    written = {name: values.T for name, values in curves.items()} if turned else curves
    np.savez(tmp_path / "a.npz", steps=np.arange(9) * 10, T_grok_per_seed=np.arange(5), **written, **scalars)
    found = read_logs(tmp_path / "a.npz")
    assert [log.name for log in found] == list("01234")
    for seed, log in enumerate(found):
        np.testing.assert_array_equal(log.curves["wn_E"], curves["wn_E"][seed])
        np.testing.assert_allclose(log.curves["train_accuracy"], curves["train_acc"][seed], atol=1e-7)
        assert log.generalised_at == 80
        assert (log.memorised, log.generalised) == (0.98, 0.9)
        known = {"p": 59, "fraction": 0.4, "weight_decay": 1.0, "learning_rate": 0.001, "budget": 800, "seed": seed}
        assert log.settings == known | {"arm": "clamp", "rho": 0.85}


def test_a_folder_with_folders(tmp_path: Path) -> None:
    """Each run of each file, by name; settings, hidden files and others are no logs."""
    for name in ("b.csv", "c/a.csv", ".hidden/a.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("step,test_acc\n0,.1\n5,.2\n")
    (tmp_path / "c" / "settings.json").write_text('{"wd": 1}')
    (tmp_path / "LICENSE").write_text("free")
    found = read_logs(tmp_path)
    assert [(log.name, log.settings) for log in found] == [("b", {}), ("a", {"weight_decay": 1})]
    assert found[1].source == str(tmp_path / "c" / "a.csv")


def test_a_watch(tmp_path: Path) -> None:
    """A line takes the place of all above it with its step or a later one, and a torn
    last line is none; elsewhere steps that jump back are an error.
    """
    text = "step,test_accuracy,rings\n0,.1,0\n10,.2,0\n20,.3,0\n10,.25,0\n15,.26,0\n15,.27,0\n30,."
    (tmp_path / "looks.csv").write_text(text)
    (tmp_path / "settings.json").write_text('{"learning_rate": 0.1, "task": {"p": 7}}')
    [log] = read_logs(tmp_path)
    assert log.name == tmp_path.name
    same(log, np.array([0, 10, 15.0]), {"test_accuracy": np.array([0.1, 0.25, 0.27]), "rings": np.zeros(3)})
    assert log.settings == {"learning_rate": 0.1, "p": 7}
    (tmp_path / "looks.csv").rename(tmp_path / "other.csv")
    with pytest.raises(ConfigError, match=r"line 5 of .*other.csv has step 10 after 20 in column test_accuracy"):
        read_logs(tmp_path)


def test_a_watch_without_test_samples_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "looks.csv").write_text("step,train_accuracy\n0,.1\n1,.2\n")
    (tmp_path / "settings.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"looks.csv is of a watch without test=\.$"):
        read_logs(tmp_path)


@pytest.mark.parametrize("limit", ["memorised", "generalised"])
@pytest.mark.parametrize("value", [0, -0.1, 99, float("nan")])
def test_a_threshold_is_a_share(tmp_path: Path, limit: str, value: Any) -> None:
    (tmp_path / "run.csv").write_text("step,test_accuracy\n0,.1\n1,.2\n")
    with pytest.raises(ConfigError, match=f"^`{limit}` must be a share"):
        read_logs(tmp_path / "run.csv", **{limit: value})


NAMES = {
    "train_accuracy": "train_acc train/acc trainAcc acc accuracy Train_Acc training_accuracy TRAIN_ACC acc/train",
    "test_accuracy": "val_acc test_acc eval/accuracy valid_accuracy testAcc accuracy_test val/top1_acc Valid-Accuracy",
    "train_loss": "loss train/loss train_loss_epoch training-loss loss/train trainloss",
    "test_loss": "val_loss eval_loss test/ce_loss valLoss metrics/test_loss",
    "weight_norm": "weight_norm norm params/norm l2_norm Weight-Norm",
    "": "grad_norm train_loss_ema test_acc_ood lr step entropy train_test_gap accept_rate",
}


@pytest.mark.parametrize(("ours", "theirs"), [(ours, name) for ours, names in NAMES.items() for name in names.split()])
def test_names_of_columns(ours: str, theirs: str) -> None:
    found = curve_of(theirs)
    assert (found[0] if found else "") == ours


def test_names_of_settings() -> None:
    names = {
        "lr": "learning_rate",
        "optimizer/lr": "learning_rate",
        "wd": "weight_decay",
        "Weight-Decay": "weight_decay",
    }
    names |= {"train_frac": "fraction", "max_steps": "budget", "op": "operation", "d_model": "d_model"}
    assert {name: setting_of(name) for name in names} == names


def test_the_test_set_goes_before_the_validation_set(tmp_path: Path) -> None:
    """The other keeps its name."""
    (tmp_path / "a.csv").write_text("step,val_acc,test_acc\n0,.1,.2\n5,.3,.4\n")
    [log] = read_logs(tmp_path / "a.csv")
    same(log, np.array([0, 5.0]), {"test_accuracy": np.array([0.2, 0.4]), "val_acc": np.array([0.1, 0.3])})
    [log] = read_logs(tmp_path / "a.csv", {"test_accuracy": "val_acc"})
    assert log.curves["test_accuracy"].tolist() == [0.1, 0.3]


def test_a_row_a_side(tmp_path: Path) -> None:
    text = "epoch,split,loss,acc\n0,train,3,.1\n0,valid,4,.2\n1,train,1,.3\n1,valid,2,.4\n"
    (tmp_path / "a.csv").write_text(text)
    [log] = read_logs(tmp_path / "a.csv")
    wanted = {"train_loss": [3, 1], "test_loss": [4, 2], "train_accuracy": [0.1, 0.3], "test_accuracy": [0.2, 0.4]}
    same(log, np.array([0, 1.0]), {name: np.array(values) for name, values in wanted.items()})


def test_metrics_at_different_steps(tmp_path: Path) -> None:
    """Blank cells are nan; rows of one step that fill each other's blanks are one."""
    text = "step,epoch,train_loss,val_acc\n0,0,3,\n5,0,2,\n5,0,,.5\n10,1,1,\n"
    (tmp_path / "a.csv").write_text(text)
    [log] = read_logs(tmp_path / "a.csv")
    np.testing.assert_array_equal(log.curves["train_loss"], [3, 2, 1])
    np.testing.assert_array_equal(log.curves["test_accuracy"], [np.nan, 0.5, np.nan])


def test_per_cent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Said once; a file that is not surely in per cent must say."""
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text("step,train_acc,test_acc\n0,1,.5\n5,100,50\n")
    for log in read_logs(tmp_path):
        assert (log.curves["train_accuracy"].tolist(), log.curves["test_accuracy"].tolist()) == (
            [0.01, 1],
            [0.005, 0.5],
        )
    assert capsys.readouterr().err.count("per cent") == 1
    (tmp_path / "b.csv").write_text("step,test_acc\n0,.5\n5,1.5\n")
    with pytest.raises(ConfigError, match=r"from 0 to 1, or .*b.csv, run b, is 1.5 at step 5; .*unit=percent"):
        read_logs(tmp_path / "b.csv")
    [log] = read_logs(tmp_path / "b.csv", unit="percent")
    assert log.curves["test_accuracy"].tolist() == [0.005, 0.015]
    assert capsys.readouterr().err == ""


def _deep() -> str:
    return "[" * 100_000


BROKEN = {
    "a.csv no number": (
        "step,test_acc\n0,.1\n5,abc\n",
        r"numbers, but line 3 of \S+a.csv has 'abc' in column test_acc",
    ),
    "a.csv reordered": ("step,test_acc\n0,.1\n9,.2\n5,.3\n", r"line 4 of \S+ has step 5 after 9 in column test_acc"),
    "a.csv twice": ("step,test_acc\n0,.1\n\n5,.2\n5,.3\n", r"lines 4 and 5 of \S+ both have step 5 in column test_acc"),
    "a.csv no test": ("step,train_acc\n0,.1\n", r"column of test accuracy, but \S+ has the columns step, train_acc"),
    "a.csv no step": ("a,test_acc\n0,.1\n", r"column of steps, but \S+ has the columns a, test_acc"),
    "a.csv blank step": ("step,test_acc\n0,.1\n,.2\n", r"line 3 of \S+ has no step in column step"),
    "a.csv infinite": ("step,test_acc\n0,.1\ninf,.2\n", r"line 3 of \S+ has inf in column step"),
    "a.csv before": ("step,test_acc\n-1,.1\n", r"line 2 of \S+ has a step below 0"),
    "a.csv negative": ("step,test_acc\n0,-.1\n", r"test accuracy from 0 to 1, .* run a, is -0.1 at step 0\."),
    "a.csv beyond": ("step,test_acc\n0,101\n", r"test accuracy from 0 to 1, .* run a, is 101 at step 0\."),
    "a.csv nan": ("step,test_acc\n0,nan\n5,\n", r"has only blanks in test_acc"),
    "a.csv cells": ("step,test_acc\n0,.1,3\n", r"line 2 has 3 cells, but its first line has 2"),
    "a.csv names": ("step,x,x\n0,.1,3\n", r"has two columns x\."),
    "a.csv ambiguous": (
        "step,test_acc,test/acc\n0,.1,.3\n",
        r"has test_acc and test/acc; name one: test_accuracy=NAME",
    ),
    "a.csv whose": ("step,seed,test_acc\n0,1,.1\n5,,.3\n", r"line 3 of \S+ has nothing in column seed"),
    "a.csv metrics": (
        "step,metric,value\n" + "".join(f"{k},m{k},.1\n" for k in range(1001)),
        r"at most 1,000 metrics, but \S+ has 1,001 in column metric",
    ),
    "a.csv no rows": ("step,test_acc\n", r"rows, but \S+ has none"),
    "a.csv empty": ("", r"is empty\."),
    "a.csv blank": (" \n\n", r"is empty\."),
    "a.csv binary": (b"step\0\xff\xfe\x01", r"is no text\."),
    "a.jsonl record": ('{"step": 1}\n[2]\n', r"line 2 is no record"),
    "a.jsonl broken": ('{"step": 1}\n{"step"\n{"step": 3}\n', r"line 2 is no JSON"),
    "a.json broken": ("[1, 2", r"is no JSON: Expecting"),
    "a.json number": ("3", r"is no list of records"),
    "a.json deep": (_deep(), r"is nested too deeply"),
    "a.json lengths": ('{"step": [1,2,3,4,5,6], "test_acc": [1,2,3,4,5]}', r"different lengths: step 6, test_acc 5"),
    "a.parquet torn": (b"PAR1" * 5, r"is damaged"),
    "a.npz torn": (b"PK\3\4", r"is damaged: File is not a zip file\."),
    "a.xyz": ("hello", r"is none of \.csv"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_log_is_one_line(case: str, tmp_path: Path) -> None:
    text, words = BROKEN[case]
    path = tmp_path / case.split()[0]
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=words) as raised:
        read_logs(path)
    assert str(raised.value).startswith("`path` must ")
    assert str(raised.value).count("\n") == 0
    assert str(raised.value).endswith(".")


def test_broken_arrays(tmp_path: Path) -> None:
    """Pickles stay closed; a file that is cut, or says that it is huge, is damaged."""
    path = tmp_path / "a.npz"
    np.savez(path, steps=np.array([1, {}], dtype=object))
    with pytest.raises(ConfigError, match="a pickled array, steps, which is never unpickled"):
        read_logs(path)
    np.savez(path, steps=np.arange(1000), test_acc=np.linspace(0, 1, 1000))
    whole = path.read_bytes()
    for n in (10, 500, 8000, len(whole) - 30):
        path.write_bytes(whole[:n])
        with pytest.raises(ConfigError, match="is damaged"):
            read_logs(path)
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"shape": (10**13,), "fortran_order": False, "descr": "<f8"})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("steps.npy", head.getvalue())
    with pytest.raises(ConfigError, match=r"is damaged: steps is shorter than its shape \(10000000000000,\)"):
        read_logs(path)


def test_wrong_options(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("step,test_acc\n0,.1\n")
    for columns, words in (
        ({"tset_accuracy": "x"}, r"`columns` must name .*, but names 'tset_accuracy'; is it test_accuracy\?"),
        (
            {"test_accuracy": "tst_acc"},
            r"`columns` must name columns of \S+, but it has no 'tst_acc'; is it test_acc\?",
        ),
    ):
        with pytest.raises(ConfigError, match=words):
            read_logs(path, columns)
    with pytest.raises(ConfigError, match=r"`run_columns` must name columns of .*no 'mine'"):
        read_logs(path, run_columns=["mine"])
    for nothing in (tmp_path / "none.csv", tmp_path / "empty", Path("a\0b")):
        if nothing.name == "empty":
            nothing.mkdir()
        with pytest.raises(ConfigError, match="`path` must be a log or a folder of logs"):
            read_logs(nothing)


SEEDS = [text if isinstance(text, bytes) else text.encode() for text, _ in BROKEN.values()]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), suffix=st.sampled_from([*KINDS, ".log", ""]))
def test_random_bytes(data: st.DataObject, suffix: str) -> None:
    """A log or one line, whatever the file has in it."""
    words = st.sampled_from(
        [b"step", b"test_acc", b"seed", b",", b"\n", b"1", b"0.5", b'"', b"{", b"}", b":", b"[", b"]"]
    )
    text = st.lists(words, max_size=40).map(b"".join)
    piece = data.draw(st.binary(max_size=200) | text | st.sampled_from(SEEDS))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        path.write_bytes(piece)
        said = ""
        try:
            assert all(isinstance(log, Log) for log in read_logs(path))
        except ConfigError as error:
            said = str(error)
        assert "\n" not in said


@settings(max_examples=100, deadline=None)
@given(st.data(), st.sampled_from(["npz", "parquet", "csv", "json list"]))
def test_files_with_a_wrong_byte(data: st.DataObject, form: str) -> None:
    """Likewise."""
    curves = {"test_accuracy": np.linspace(0, 1, 5), "train_loss": np.linspace(2, 1, 5)}
    with tempfile.TemporaryDirectory() as folder:
        path = WRITERS[form](Path(folder), np.arange(5), curves, {"lr": 0.1})
        whole = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 3))):
            whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(whole)
        said = ""
        try:
            read_logs(path)
        except ConfigError as error:
            said = str(error)
        assert "\n" not in said


def test_until_and_thresholds(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("step,train_acc,test_acc\n0,.1,.1\n5,1,.1\n9,1,.95\n")
    [log] = read_logs(tmp_path / "a.csv", generalised=0.96)
    assert (log.memorised_at, log.generalised_at, log.until(5).steps.tolist()) == (5, None, [0, 5])
    assert replace(log, generalised=0.9).generalised_at == 9


def test_a_log_shows_itself_in_a_notebook(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("step,train_acc,test_acc,lr\n0,.1,.1,.5\n5,1,.1,.5\n9,1,.95,.5\n")
    [log] = read_logs(tmp_path / "a.csv")
    cells = re.findall(r">([^<>]+)</t[hd]>", log._repr_html_())
    assert dict(zip(cells[::2], cells[1::2], strict=True)) == {
        "learning_rate": "0.5",
        "steps logged": "3",
        "memorised at": "5.0",
        "generalised at": "9.0",
    }
    assert log._repr_html_().count("<path") + log._repr_html_().count("<polyline") >= 2
