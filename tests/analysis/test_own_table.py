"""An operation of your own, from a CSV file to a store and back."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis import advise, sweep
from analysis.compare_theory import __main__ as compare
from analysis.experiments import DIAGRAMS
from analysis.gallery.__main__ import gallery
from analysis.predictors.catalogue import CATALOGUE
from analysis.predictors.effective import linear_probabilities, operation
from analysis.predictors.memory import success_of
from analysis.predictors.predictor import Run
from analysis.runs import __main__ as runs_command
from analysis.runs.executors import Execution
from analysis.runs.phases import Thresholds
from analysis.runs.session import PlaneOptions
from analysis.runs.store import RunStore, StoreError, config_of, key
from neural import ConfigError, ModularConfig, RunConfig, Table
from neural.command import run_command

NAMES = tuple("abcdefghijkl")
HERE = Execution(device="cpu", executor="in-process")


def write(path: Path, results: np.ndarray, symbols: tuple[str, ...], names: Any) -> Path:
    rows = [",".join([symbols[a], *(names[c] for c in row)]) for a, row in enumerate(results)]
    path.write_text("\n".join([",".join(["", *symbols]), *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def quasigroup(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve symbols with names; each result once in every row and column, no identity,
    and a b is not b a.
    """
    a, b = np.indices((12, 12))
    return write(tmp_path_factory.mktemp("table") / "own.csv", (5 * a + 7 * b + 3) % 12, NAMES, NAMES)


@pytest.fixture(scope="module")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Addition of 0..5, its symbols in another order."""
    order = np.array([3, 0, 5, 1, 4, 2])
    names = [f"{k}!" for k in range(11)]
    return write(tmp_path_factory.mktemp("sums") / "sums.csv", np.add.outer(order, order), tuple("uvwxyz"), names)


@pytest.fixture(scope="module")
def options(quasigroup: Path) -> sweep.Arguments:
    given: Any = {"set": ("width=8", "look_every=10"), "execution": HERE}
    return sweep.Arguments(family="modular", table=quasigroup, fraction=0.7, seeds=2, budget=20, **given)


@pytest.fixture(scope="module")
def swept(options: sweep.Arguments, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("swept")
    options = replace(options, out=folder / "out", store=folder / "runs.sqlite")
    for others in ({}, {"x": "learning_rate=1e-3,3e-3,1e-2,3e-2", "seeds": 1}):
        sweep.main(replace(options, **others))
    return folder / "runs.sqlite"


def test_a_sweep_over_seeds_of_a_table(swept: Path, options: sweep.Arguments, tmp_path: Path, capsys: Any) -> None:
    """Nothing is trained twice; another table or training set is another run."""
    configs = options.plane(DIAGRAMS, 1).configs()
    assert [config.n_train for config in configs] == [101, 101]
    sweep.main(replace(options, out=tmp_path, store=swept))
    assert "2 runs, 0 of them trained now" in capsys.readouterr().err
    shares = [row for row in json.loads((tmp_path / "report.json").read_text())["scores"] if row["statistic"] == "did"]
    assert {(row["fraction"], row["n"]) for row in shares} == {(0.7, 2)}
    keys = {key(config) for config in configs}
    assert all(json.loads(one)["operation"] == str(configs[0].operation) for one in keys)
    assert all(len(one) < 700 for one in keys)
    other = Table(configs[0].operation.results.T, NAMES)
    assert not keys & {key(replace(config, operation=other)) for config in configs}
    assert not keys & {key(replace(config, operation="dihedral")) for config in configs}
    given = replace(configs[0], samples=f"{2**101 - 1:x}", fraction=ModularConfig.fraction)
    assert key(given) not in keys
    assert config_of(key(given)) == given


def test_a_store_knows_its_tables(swept: Path, options: sweep.Arguments, tmp_path: Path, monkeypatch, capsys) -> None:
    """In a process that has never seen the file: listed, written out, inspected, shown;
    and its runs are those that are asked for with the file.
    """
    with closing(sqlite3.connect(swept)) as connection:
        [(stored,)] = connection.execute("select key from runs_modular where seed = 1").fetchall()
        assert connection.execute("select count(*) from tables").fetchone() == (1,)
    monkeypatch.setattr("neural.tables._KNOWN", {})
    with pytest.raises(StoreError, match=r"`store` must have configurations as the keys of its runs"):
        config_of(stored)
    with RunStore(swept, read_only=True) as store:
        config = config_of(stored)
        np.testing.assert_array_equal(config.operation.results[0], (7 * np.arange(12) + 3) % 12)
        assert config.operation.symbols == NAMES
        assert len(store.curves(config)["test_loss"]) == 3
        assert store.missing(options.plane(DIAGRAMS, 1).configs()) == []
        page = gallery(store, Thresholds(), most=10, films=1, newest=100)
    assert "learning rate" in page
    runs_command.main(runs_command.List(family="modular", store=swept))
    assert str(config.operation) in capsys.readouterr().out
    runs_command.main(runs_command.Export(tmp_path / "runs.csv", family="modular", store=swept))
    said = (tmp_path / "runs.csv").read_text().count(str(config.operation))
    assert said == 10  # of each run, in the key and in a column
    picture = tmp_path / "run.png"
    runs_command.main(runs_command.Inspect(2, family="modular", picture=picture, store=swept))
    assert "101 of 144 samples" in capsys.readouterr().out
    assert picture.exists()


def test_a_damaged_table_is_one_line(swept: Path, tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    path.write_bytes(swept.read_bytes())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("update tables set content = '{}'")
    with pytest.raises(StoreError, match=r"`store` must be an undamaged run store, .* a row of its table `tables`"):
        RunStore(path, read_only=True)


def test_a_plane_of_a_table(quasigroup: Path, sums: Path, tmp_path: Path) -> None:
    """Its size is the axis where no other is asked for, in both families; an axis of
    your own may stand beside it.
    """
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("v,u\nw,w\n")
    planes: list[tuple[dict[str, Any], tuple[str, tuple[Any, ...]]]] = [
        ({"family": "modular", "table": sums, "pairs": pairs}, ("fraction", (2 / 36,))),
        ({"table": sums, "fraction": 0.7}, ("n_train", (15,))),
        ({"table": sums, "pairs": pairs}, ("n_train", (2,))),
        ({"fraction": 0.8}, ("n_train", (44,))),
        ({"family": "modular", "fraction": 0.8, "x": "width=8,16"}, ("width", (8, 16))),
        ({"table": sums, "x": "n_train=5,6"}, ("n_train", (5, 6))),
    ]
    for given, wanted in planes:
        plane = PlaneOptions(**given).plane(DIAGRAMS, 1)
        assert [(axis.field, axis.values) for axis in plane.axes] == [wanted]
        assert plane.base.n_train == (plane.axes[0].values[0] if wanted[0] == "n_train" else plane.base.n_train)
    with pytest.raises(ConfigError, match=r"`table` must commute for toy"):
        PlaneOptions(table=quasigroup, fraction=0.7).plane(DIAGRAMS, 1)
    mistakes: list[tuple[dict[str, Any], str]] = [
        ({"family": "parity", "fraction": 0.7}, "`family` must be toy or modular with table, pairs and fraction"),
        ({"fraction": 1.5}, "`fraction` must be above 0 and at most 1, but is 1.5"),
        ({"fraction": 0.5, "set": ("n_train=5",)}, "`set` must not name what has an option of its own, but names n_"),
        ({"family": "modular", "pairs": pairs, "fraction": 0.5}, "`samples` must be a CSV file"),
    ]
    for given, says in mistakes:
        with pytest.raises(ConfigError, match=says):
            PlaneOptions(**given).plane(DIAGRAMS, 1)


def test_theories_of_a_table_that_commutes(sums: Path) -> None:
    """They say of it what they say of the addition that it is, its symbols in another
    order.
    """
    table = Table.read(sums)
    config = RunConfig(operation=table, n_train=18, budget=300)
    op = operation(config)
    assert (op.n_symbols, op.n_samples, op.n_results, op.full_nullity) == (6, 21, 11, 2)
    assert success_of(config, 1).steps_to_rqi.shape == (1,)
    own, usual = (linear_probabilities(one, 500) for one in (op, operation(RunConfig(p=6, n_train=18))))
    assert len(own) == len(usual)
    assert (own[0].value, own[-1].value) == (usual[0].value, usual[-1].value) == (0, 1)


def test_a_comparison_on_a_table(sums: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scored; the given training set is that of every run."""
    monkeypatch.setattr(compare, "draw_all", lambda runs, found: {})
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("".join(f"{a},{b}\n" for k, a in enumerate("uvwxyz") for b in "uvwxyz"[k:] if a + b != "xy"))
    arguments = compare.Arguments(table=sums, pairs=pairs, seeds=2, budget=40, draws=50, decoder_draws=1)
    arguments = replace(arguments, set=("width=8",), execution=HERE, out=tmp_path / "out")
    compare.main(replace(arguments, store=tmp_path / "runs.sqlite"))
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [run["n_train"] for run in report["runs"]] == [20, 20]
    assert {run["operation"] for run in report["runs"]} == {str(Table.read(sums))}
    assert all(run["nullity"] == 2 and run["lambda3"] > 0 for run in report["runs"])


def test_linear_is_what_all_data_leave(tmp_path: Path) -> None:
    """Not two dimensions whatever the table: pairs of bits, added, leave three."""
    first, second = np.divmod(np.arange(4), 2)
    results = 3 * (first[:, None] + first) + second[:, None] + second
    np.savetxt(tmp_path / "pairs.csv", results, fmt="%d", delimiter=",")
    run = RunConfig(operation=Table.read(tmp_path / "pairs.csv"), p=4, n_train=10)
    op = operation(run)
    assert op.full_nullity == 3
    unique = CATALOGUE["unique"].of_run
    assert unique is not None
    for mask, linear in ((np.ones(op.n_samples, bool), True), (np.arange(op.n_samples) < 2, False)):
        row = {"mask": mask, "initial_embedding": np.zeros((4, 1))}
        assert unique(Run(run, row), 0)["rqi"].probability == linear


@pytest.mark.parametrize("module", [compare, advise])
def test_one_line_says_which_theories_do_not_apply(quasigroup: Path, monkeypatch, capsys, module: Any) -> None:
    """And why: a pair whose order matters; and what can be done instead."""
    monkeypatch.setattr("sys.argv", ["command", "--table", str(quasigroup)])
    with pytest.raises(SystemExit) as stop:
        run_command(module.Arguments, module.main, "command")
    assert stop.value.code == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: `table` must commute for the theories asked for (")
    assert "memory_flow), which add embeddings of one table, E_a + E_b, but a,b is k and b,a is i; analysis.swe" in line


@pytest.mark.parametrize("module", [compare, advise])
def test_a_table_that_no_sum_represents(tmp_path: Path, module: Any) -> None:
    """It commutes, and all theories say that its symbols are not told apart."""
    largest = tmp_path / "max.csv"
    largest.write_text("0,1,2\n1,1,2\n2,2,2\n")
    with pytest.raises(ConfigError, match=r"`table` must have sums of real embeddings that tell its symbols apart"):
        module.plan(module.Arguments(table=largest))


def test_advice_on_a_table(sums: Path, tmp_path: Path) -> None:
    """For that operation, and a training set of its pairs."""
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("u,v\nw,w\n")
    (base, *_), sizes = advise.plan(advise.Arguments(table=sums))
    assert (base.operation, base.p, base.n_train) == (Table.read(sums), 6, 17)
    assert max(sizes) == 19
    (base, *_), _ = advise.plan(advise.Arguments(table=sums, pairs=pairs))
    assert (base.n_train, base.samples) == (2, "802")
    with pytest.raises(ConfigError, match=r"`sizes` must be left out with pairs, but is 5"):
        compare.plan(compare.Arguments(pairs=pairs, sizes=(5,)))
    with pytest.raises(ConfigError, match=r"`n_train` must be left out with pairs, but is 3."):
        advise.plan(advise.Arguments(pairs=pairs, n_train=3))
    with pytest.raises(ConfigError, match=r"`operation` must be left out with table, but is 's3'"):
        advise.plan(advise.Arguments(table=sums, operation="s3"))
