"""Tables of operations from CSV files."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neural.config import ConfigError
from neural.families.modular import Modular, ModularConfig, correct_samples
from neural.families.modular import task as task_of
from neural.families.toy import RunConfig
from neural.families.toy import task as toy_task_of
from neural.tables import MAX_SYMBOLS, Table, read_samples, write_samples
from neural.training import train_runs

CYCLE = [[0, 1, 2], [1, 2, 0], [2, 0, 1]]

# what the file holds: results, names of the symbols, names of the results
READ = {
    "numbers": ("0,1,2\n1,2,0\n2,0,1\n", CYCLE, "012", "012"),
    "names in a row and a column": (",e,a,b\ne,e,a,b\na,a,b,e\nb,b,e,a\n", CYCLE, "eab", "eab"),
    "a sign in the corner": ("*,e,a,b\ne,e,a,b\na,a,b,e\nb,b,e,a\n", CYCLE, "eab", "eab"),
    "names in a row": ("e,a,b\ne,a,b\na,b,e\nb,e,a\n", CYCLE, "eab", "eab"),
    "names in a column": ("e,e,a,b\na,a,b,e\nb,b,e,a\n", CYCLE, "eab", "eab"),
    "results are numbered as the symbols are": (",b,a\nb,a,b\na,a,a\n", [[1, 0], [1, 1]], "ba", "ba"),
    "numbers from 1 as symbols": (",1,2\n1,2,1\n2,1,2\n", [[1, 0], [0, 1]], "12", "12"),
    "other numbers, ascending": ("10,-2\n9,9\n", [[2, 0], [1, 1]], "01", ["-2", "9", "10"]),
    "other names, as they come": ("z,y\ny,x\n", [[0, 1], [1, 2]], "01", "zyx"),
    "fewer results than symbols": (",a,b,c\na,c,c,c\nb,c,c,c\nc,c,c,c\n", [[2] * 3] * 3, "abc", "abc"),
    "a corner that is a result": ("0,1,2\n1,1,2\n2,2,2\n", [[0, 1, 2], [1, 1, 2], [2, 2, 2]], "012", "012"),
    "text around it": ('\ufeff# a table\n\n 0 , "1"\r\n,,\n1,0 # the end\n', [[0, 1], [1, 0]], "01", "01"),
    "names with commas and signs": (
        ',-1,"(1, 2)"\n-1,-1,-1\n"(1, 2)",-1,-1\n',
        [[0, 0], [0, 0]],
        ["-1", "(1, 2)"],
        None,
    ),
}

REFUSED = {
    "ragged": (b"0,1\n\n1\n", "line 3 has 1 columns, but line 1 has 2"),
    "not square": (b"0,1,2,3\n0,1,2,3\n", "has 2 rows and 4 columns"),
    "one symbol": (b",a\na,a\n", "has 1 rows and 1 columns"),
    "nothing": (b"\n# nothing\n", "holds no results"),
    "a hole": (b"0,1\n1,\n", "line 2 has nothing in column 2"),
    "no corner to be empty": (b",1\n0,1\n1,0\n", "line 1 has nothing in column 1"),
    "a fraction": (b"0,1\n0.5,1\n", "line 2 has '0.5', neither a name nor a whole number"),
    "what is missing": (b"0,1\nNaN,1\n", "line 2 has 'NaN', neither a name nor a whole number"),
    "semicolons": (b"0;1\n1;0\n", "line 1 has '0;1', neither a name nor a whole number"),
    "a control character": (b"0,1\n\x1b[2J,1\n", "line 2 has '\\x1b[2J', neither"),
    "a name of two lines": (b'0,1\n1,"a\nb"\n', "line 3 has 'a\\nb', neither"),
    "two of a name": (b",a,a\na,a,a\na,a,a\n", "has two symbols 'a'"),
    "rows of other names": (b",a,b\na,a,b\nc,a,b\n", "line 3 is 'c', and column 2 'b'"),
    "rows in another order": (b"*,a,b\nb,a,b\na,a,b\n", "line 2 is 'b', and column 1 'a'"),
    "a corner that may be either": (b"a,b,c\nb,b,c\nc,c,c\n", "line 1 begins with 'a', which is a result or"),
    "binary": (b"0,1\n1,\x000\n", "is not a text file"),
    "another encoding": (b"\xe9,1\n1,0\n", "is not a text file"),
    "an open quote": (b'0,1\n"1,0\n', "line 2 is not CSV"),
    "too many symbols": (b",".join([b"0"] * (MAX_SYMBOLS + 2)), f"line 1 is beyond {MAX_SYMBOLS} symbols"),
    "too many rows": (b"0,0\n" * (MAX_SYMBOLS + 2), f"line {MAX_SYMBOLS + 2} is beyond {MAX_SYMBOLS} symbols"),
}


@pytest.mark.parametrize("name", READ)
def test_a_table_is_read(name: str, tmp_path: Path) -> None:
    text, results, symbols, results_names = READ[name]
    file = tmp_path / "table.csv"
    file.write_bytes(text.encode())
    found = Table.read(file)
    assert found.results.dtype == np.int64
    assert found.results.tolist() == results
    assert found.symbols == tuple(symbols)
    assert found.result_names == tuple(symbols if results_names is None else results_names)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_table_is_one_line(name: str, tmp_path: Path) -> None:
    content, wanted = REFUSED[name]
    file = tmp_path / "table.csv"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        Table.read(file)
    assert f"{file} {wanted}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_file_is_one_line(tmp_path: Path) -> None:
    for path, wanted in ((tmp_path / "none.csv", "cannot be read: No such file"), (tmp_path, "is no file")):
        with pytest.raises(ConfigError, match=wanted):
            Table.read(path)


def quasigroup(p: int = 12) -> np.ndarray:
    """Each result once in every row and column; no identity, and a b is not b a."""
    a, b = np.indices((p, p))
    return (5 * a + 7 * b + 3) % p


NAMES = tuple("abcdefghijkl")
OWN = Table(quasigroup(), NAMES)
SUMS = Table(np.add.outer(np.arange(5), np.arange(5)), "vwxyz", [f"{k}!" for k in range(9)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "own.csv"
    rows = [",".join([NAMES[a], *(NAMES[c] for c in row)]) for a, row in enumerate(quasigroup())]
    path.write_text("\n".join([",".join(["", *NAMES]), *rows]) + "\n")
    return path


def test_a_table_is_a_value(file: Path) -> None:
    """Equal ones are one, wherever they come from; as a text it is short, and is its
    digest.
    """
    assert Table.read(file) is OWN
    assert str(OWN) == "".join(OWN)
    assert len(OWN) == 16
    assert copy.deepcopy(OWN) is OWN
    assert pickle.loads(pickle.dumps(OWN)) is OWN
    assert Table(**json.loads(OWN.content)) is OWN
    others = [Table(quasigroup().T, NAMES), Table(quasigroup(), NAMES[::-1]), Table(quasigroup())]
    assert len({OWN, *others}) == 4
    assert not OWN.results.flags.writeable


def test_another_process_makes_the_same_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """From what was sent to it alone."""
    sent = pickle.dumps(ModularConfig(operation=OWN))
    monkeypatch.setattr("neural.tables._KNOWN", {})
    config = pickle.loads(sent)
    assert config.operation is not OWN
    assert config == ModularConfig(operation=OWN)
    np.testing.assert_array_equal(config.operation.results, OWN.results)
    assert (config.operation.symbols, config.operation.result_names) == (NAMES, NAMES)


@pytest.mark.parametrize(
    ("results", "more", "says"),
    [
        ("own.csv", {}, "must have shape (p, p) with p in 2..1000, but has shape ()"),
        ([0, 1], {}, "must have shape (p, p) with p in 2..1000, but has shape (2,)"),
        ([[0.0, 1.0], [1.0, 0.0]], {}, "must hold whole numbers of at least 0"),
        ([[0, -1], [1, 0]], {}, "must hold whole numbers of at least 0"),
        ([[0, 4], [1, 0]], {}, "must number its results from 0 on, but has 4"),
        ([[0, 1], [1, 0]], {"symbols": "aa"}, "must have 2 different names, but has 1"),
        ([[0, 3], [1, 0]], {"result_names": "abc"}, "must have 4 different names, but has 3"),
    ],
)
def test_what_is_no_table_of_results(results: Any, more: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Table(results, **more)
    assert f"`table` {says}" in str(caught.value)


def test_a_configuration_of_a_table(file: Path) -> None:
    """By itself, its file or its digest; it says what p is and how many results there
    are.
    """
    config = ModularConfig(operation=OWN)
    for named in (str(file), str(OWN)):
        assert ModularConfig(operation=named) == config
        assert ModularConfig(operation=named).operation is OWN
    assert dataclasses.replace(config, seed=3).operation is OWN
    assert (config.p, config.n_samples, config.n_results, config.n_train) == (12, 144, 12, 58)
    pairs, results = task_of(config)
    np.testing.assert_array_equal(results, quasigroup()[pairs[:, 0], pairs[:, 1]])
    sums = ModularConfig(operation=SUMS)
    assert (sums.p, sums.n_samples, sums.n_results) == (5, 25, 9)


def test_the_toy_model_of_a_table() -> None:
    """One that commutes; results that never occur are no classes."""
    config = RunConfig(operation=SUMS, n_train=12)
    assert (config.p, config.n_samples, config.n_results) == (5, 15, 9)
    for ours, usual in zip(toy_task_of(config), toy_task_of(RunConfig(p=5, n_train=12)), strict=True):
        np.testing.assert_array_equal(ours, usual)
    few = RunConfig(operation=Table([[0, 2, 2], [2, 0, 0], [2, 0, 0]]), n_train=3)
    assert few.n_results == 2
    assert toy_task_of(few)[1].tolist() == [0, 1, 1, 0, 0, 0]
    with pytest.raises(ConfigError, match=r"`table` must commute for toy, .* but a,b is k and b,a is i."):
        RunConfig(operation=OWN)


@pytest.mark.parametrize("kind", [ModularConfig, RunConfig])
@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"operation": "nowhere.csv"}, "`table` must be a CSV file .* nowhere.csv cannot be read"),
        ({"operation": "0123456789abcdef"}, "`operation` must be a table that an open store has, but none has 0123"),
        ({"operation": SUMS, "p": 7}, "`p` must be left out with a table, which has 5 symbols, but is 7."),
        ({"operation": 5}, "`operation` must be one of .*, but is 5."),
        ({"operation": SUMS, "samples": "nowhere.csv"}, "`samples` must be a CSV file .* nowhere.csv cannot be read"),
    ],
)
def test_a_configuration_without_its_table(kind: Any, more: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        kind(**more)


def test_runs_of_a_table_of_names() -> None:
    """Plain addition as a table, in both families: the numbers are those of the
    operation that has a name.
    """
    common: dict[str, Any] = {"width": 8, "budget": 50, "fraction": 0.5}
    own, usual = (ModularConfig(operation=SUMS, **common), ModularConfig(operation="addition", p=5, **common))
    one, other = train_runs([own, usual], "cpu", compiled=False)
    for name in one.traces:
        np.testing.assert_array_equal(one.traces[name], other.traces[name])
    last = {name: values[-1] for name, values in one.checkpoints.items()}
    np.testing.assert_array_equal(correct_samples(own, last), one.correct)
    toy = RunConfig(operation=SUMS, n_train=9, budget=20, width=8)
    toys = [toy, dataclasses.replace(toy, operation="addition")]
    one, other = train_runs(toys, "cpu", compiled=False)
    for name in one.traces:
        np.testing.assert_array_equal(one.traces[name], other.traces[name])


def written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_a_training_set_from_a_file_of_pairs(tmp_path: Path) -> None:
    """Of every kind of task; it says the size, and nothing else that the seed draws
    changes.
    """
    path = tmp_path / "pairs.csv"
    own = ModularConfig(operation=OWN, samples=written(path, "a,b\n\na,c\nb,a\n# no more\nl,l\n"))
    mask = read_samples(own.samples, 144)
    assert np.flatnonzero(mask).tolist() == [1, 2, 12, 143]
    assert own.n_train == 4
    assert dataclasses.replace(own, seed=1).samples == own.samples
    np.testing.assert_array_equal(Modular.start(own).mask, mask)
    np.testing.assert_array_equal(Modular.start(own).batch, np.flatnonzero(mask))
    drawn = ModularConfig(operation=OWN, fraction=4 / 144)
    for one, other in zip(Modular.start(own).model.parameters(), Modular.start(drawn).model.parameters(), strict=True):
        assert (one == other).all()
    assert Modular.start(
        dataclasses.replace(drawn, samples=write_samples(Modular.start(drawn).mask))
    ).mask.tolist() == (Modular.start(drawn).mask.tolist())
    quotients = ModularConfig(operation="division", p=5, samples=written(path, "i,j,result\n0,1,0\n4,2,2\n"))
    assert np.flatnonzero(read_samples(quotients.samples, 20)).tolist() == [0, 17]
    toy = RunConfig(p=5, samples=written(path, "0,1,1\n1,0\n4,2,6\n"))
    assert (toy.n_train, toy.samples) == (2, write_samples(np.isin(np.arange(15), [1, 11])))
    toy = RunConfig(operation=SUMS, samples=written(path, "w,v,1!\n"))
    assert (toy.n_train, toy.samples) == (1, "2")


PAIRS = [
    ("a,m\n", "line 1 has 'a,m', where a .. l are symbols"),
    ("a,b\na\n", "line 2 has 'a', where a .. l are symbols"),
    ("a,b,c,d\n", "line 1 has 'a,b,c,d', where"),
    ("a,b,a\n", "line 1 has 'a,b,a', where k is the result"),
    ("i,j\nx,y\n", "line 2 has 'x,y', where"),
    ("# none\n", "holds no pairs"),
]


@pytest.mark.parametrize(("text", "says"), PAIRS)
def test_what_are_no_pairs_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "pairs.csv"
    with pytest.raises(ConfigError) as caught:
        ModularConfig(operation=OWN, samples=written(path, text))
    assert f"`samples` must be a CSV file with rows a,b or a,b,result, but {path} {says}" in str(caught.value)


def test_a_training_set_says_its_size(tmp_path: Path) -> None:
    """So that another one is a mistake."""
    path = tmp_path / "pairs.csv"
    rows = "".join(f"{a},{b}\n" for a, b in itertools.product(range(3), range(5)))
    assert ModularConfig(p=5, samples=written(path, rows)).fraction == 0.6
    assert ModularConfig(p=5, samples=str(path), fraction=0.6).n_train == 15
    with pytest.raises(ConfigError, match=r"`fraction` must be left out with samples, which say it, but is 0.5"):
        ModularConfig(p=5, samples=str(path), fraction=0.5)
    with pytest.raises(ConfigError, match=r"`samples` must have n_train = 3 samples, but has 12"):
        RunConfig(p=5, n_train=3, samples=str(path))
    with pytest.raises(ConfigError, match=r"`samples` must be a CSV file .* line 1 has '0,0', which is no sample"):
        ModularConfig(p=5, operation="division", samples=str(path))
    with pytest.raises(ConfigError, match=r"`samples` must have bits for the 25 samples of p = 5 only"):
        ModularConfig(p=5, samples=f"{2**25:x}")
