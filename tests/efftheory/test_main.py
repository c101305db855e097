"""`python -m efftheory`: what it says is what the library says, and nonsense is one
line.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

import efftheory as et
from efftheory import __main__ as command_line
from efftheory import _files, operations
from efftheory.__main__ import run
from efftheory._picture import BLUE, LIGHT_BLUE, ORANGE, picture_of
from neural.config import ConfigError
from neural.families.modular import ModularConfig
from neural.tables import MAX_SYMBOLS, read_samples
from neural.tables import Table as NeuralTable
from tests import systems
from tests.neural.test_tables import READ, REFUSED

GOLDEN = ["--p", "10", "--n-train", "45", "--seed", "58"]


@pytest.fixture
def told(tmp_path, capsys, monkeypatch):
    """Runs the command in an empty folder: (what it prints, its report)."""
    monkeypatch.chdir(tmp_path)

    def tell(*command: str) -> tuple[str, dict]:
        run(list(command))
        return capsys.readouterr().out, json.loads(Path("results/efftheory/report.json").read_text())

    return tell


@pytest.fixture
def refused(tmp_path, capsys, monkeypatch):
    """Runs a command that must fail: (exit status, its one line)."""
    monkeypatch.chdir(tmp_path)

    def refuse(*command: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as stop:
            run(list(command))
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("error: ")
        assert said.err.count("\n") == 1
        assert isinstance(stop.value.code, int)
        return stop.value.code, said.err

    return refuse


@pytest.fixture
def undrawn(monkeypatch):
    """Without the picture, which takes most of the command's time."""
    monkeypatch.setitem(sys.modules, "efftheory._picture", None)


def csv(text: str | bytes, path: str = "pairs.csv") -> str:
    Path(path).write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_as_a_process(tmp_path):
    """The one test that starts an interpreter: output, files, and an error without a
    traceback.
    """
    command = [sys.executable, "-m", "efftheory", "--out", str(tmp_path)]
    done = subprocess.run([*command, *GOLDEN], capture_output=True, text=True, check=True)
    op = et.addition(10)
    assert done.stdout.startswith(str(et.describe(op, op.random_training_set(45, seed=58))))
    assert done.stderr == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.json", "training_set.png"]
    folder = tmp_path / (os.fsdecode(b"r\xe9s") if sys.platform == "linux" else "res")  # no UTF-8, and no output
    silent = [*command[:-1], str(folder), "--p", "4"]
    done = subprocess.run(silent, stderr=subprocess.PIPE, check=False, preexec_fn=lambda: os.close(1))
    assert (done.returncode, done.stderr) == (0, b"")
    assert (folder / "report.json").exists()
    done = subprocess.run([*command, "--p", "1"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: Argument `p` must be an integer in 2..60000, but is 1.\n"


def test_the_report_is_what_the_library_says(told):
    text, report = told(*GOLDEN, "--repr-lr", "0.01")
    op = et.addition(10)
    mask = op.random_training_set(45, seed=58)
    description = et.describe(op, mask)
    steps = et.grokking_steps(op, mask, 0.01, 9)
    np.testing.assert_allclose(report["predicted_steps"]["steps"], steps, rtol=1e-10)
    assert f"{steps:.4g} steps (Z0 = p - 1 = 9" in text
    assert report["training_set"] == op.pairs[mask].tolist()
    assert report["out_of_reach"] == description.out_of_reach.tolist()
    assert report["eigenvalues"] == description.eigenvalues.tolist()
    assert (report["operation"], report["nullity"], report["is_linear"]) == ("addition(10)", 2, True)
    assert report["lambda3"] == description.lambda3


def test_without_matplotlib_there_is_no_picture(told, monkeypatch, capsys):
    """All the rest is there, and a picture of an earlier training set is not."""
    told("--p", "4")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "efftheory._picture")
    text, report = told("--p", "5")
    assert report["p"] == 5
    assert text.splitlines()[-1] == "results/efftheory/report.json; the picture needs matplotlib"
    assert not Path("results/efftheory/training_set.png").exists()
    with pytest.raises(SystemExit) as stop:
        run(["--help"])
    assert stop.value.code == 0


@pytest.mark.usefixtures("undrawn")
def test_all_of_ten_symbols_is_the_default(told):
    text, report = told()
    assert "addition(10): 55 of 55" in text
    assert math.isclose(report["predicted_steps"]["steps"], 150)  # the paper's


@pytest.mark.parametrize("command", [["--p", "2"], ["--p", "5", "--n-train", "0"], ["--p", "7", "--n-train", "3"]])
@pytest.mark.filterwarnings("error")
def test_what_never_happens_is_null(told, command):
    text, report = told(*command)
    assert report["predicted_steps"]["steps"] is None
    assert "never" in text or "not defined" in text


@pytest.mark.parametrize(("p", "n_train"), [("3", "4"), ("60", "200"), ("65", "65")])
@pytest.mark.filterwarnings("error")
def test_draws_small_and_large_tables(told, p, n_train):
    told("--p", p, "--n-train", n_train)
    assert imread("results/efftheory/training_set.png").shape[2] == 4


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    "text",
    ["0,2\n1,1\n", "i,j,result\n0,2,2\n1,1,2\n", "\ufeff# mine\n\nI, J\n 2 , 0 # turned\n1,1\n", '"0","2"\r\n1,1\r\n'],
)
def test_pairs_as_people_write_them(told, tmp_path, text):
    _, report = told("--pairs", csv(text))
    assert report["training_set"] == systems.THREE_SYMBOLS.op.pairs[systems.THREE_SYMBOLS.mask].tolist()
    assert report["operation"] == "addition(3)"
    assert report["lambda3"] == pytest.approx(12)


@pytest.mark.parametrize("chunk", [7, 1 << 20])
def test_the_table_has_the_colours_of_the_samples(monkeypatch, chunk):
    """The last axes hold the table; row j, column i, as far as i <= j."""
    monkeypatch.setattr(operations, "CHUNK", chunk)
    op = et.addition(10)
    mask = op.random_training_set(22, seed=58)
    description = et.describe(op, mask)
    image = picture_of(description).axes[1].images[0].get_array()
    assert image is not None
    beyond = {tuple(pair) for pair in description.out_of_reach.tolist()}
    assert 0 < len(beyond) < 33
    for (i, j), trained in zip(op.pairs.tolist(), mask, strict=True):
        colour = BLUE if trained else ORANGE if (i, j) in beyond else LIGHT_BLUE
        np.testing.assert_allclose(image[j, i], to_rgb(colour), atol=1e-12)
    assert (image[np.tril_indices(10, -1)[::-1]] == 1).all()


@pytest.mark.usefixtures("undrawn")
def test_results_say_which_operation(told):
    text, report = told("--pairs", csv("3,4,2\n0,1,1\n"))
    assert report["operation"] == "modular_addition(5)"
    assert "the results in pairs.csv are those of modular_addition(5)" in text
    assert "what is unique here is a constant" in text
    assert told("--pairs", csv("0,1,1\n1,2,3"))[1]["operation"] == "addition(3)"
    assert told("--pairs", csv("0,1,1\n"), "--operation", "modular_addition", "--p", "9")[1]["p"] == 9


@pytest.mark.usefixtures("undrawn")
def test_repeated_samples_are_one_and_mentioned(told):
    text, report = told("--pairs", csv("0,2,2\n2,0,2\n1,1,2\n1,1,2\n"))
    assert report["n_train"] == 2
    assert "2 of 4 rows repeat a sample" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "pairs.csv holds no pairs."),
        ("i,j\n# nothing\n", "pairs.csv holds no pairs."),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "pairs.csv is not a text file (UTF-8)."),
        ("i,j\n1,2\0", "pairs.csv is not a text file (UTF-8)."),
        ("0,1\n\n1.5,2\n", "line 3: must be i,j or i,j,result in whole numbers from 0, but is '1.5,2'."),
        ("-1,2\n", "line 1: must be i,j or i,j,result in whole numbers from 0, but is '-1,2'."),
        ("a,b\n0,1\n", "line 1: must be i,j or i,j,result in whole numbers from 0, but is 'a,b'."),
        ("0\n1\n", "line 1: must be i,j or i,j,result"),
        ("0,1,1,1\n", "line 1: must be i,j or i,j,result"),
        ("0;1\n", "line 1: must be i,j or i,j,result"),
        ("0,1,1\n0,2\n", "line 2: 2 columns, but 3 before."),
        ("0,1,1\n1,0,2\n", "lines 1 and 2: the sample 1,0 has results 1, 2."),
        ("0,1,1\n1,2,4\n", "line 2: 1,2 has 4, in addition(3) 3; line 2: 1,2 has 4, in modular_addition(3) 0."),
        ("0,0\n", "pairs.csv line 1: the largest symbol must be in 1..59999, but is 0."),
        ("0,1\n0,999999999999\n", "pairs.csv line 2: the largest symbol must be in 1..59999, but is 999999999999."),
    ],
)
def test_a_file_that_makes_no_sense_is_one_line(refused, text, message):
    status, line = refused("--pairs", csv(text))
    assert status == 1
    assert message in line
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("command", "status", "message"),
    [
        (["--p", "ten"], 2, "argument --p: invalid int value: 'ten'"),
        (["--nonsense"], 2, "there is no option --nonsense. --help"),
        (["--seed", "3", "--n-tran", "4"], 2, "there is no option --n-tran; is it --n-train? --help"),
        (["--n-tran=4"], 2, "there is no option --n-tran=4; is it --n-train? --help"),
        (["25"], 2, "'25' is one word too many. --help"),
        (["--operation", "division"], 2, "invalid choice: 'division'"),
        (["--pairs", "here.csv", "--seed", "1"], 2, "--pairs names the training set"),
        (["--pairs", "nowhere.csv"], 1, "nowhere.csv: No such file or directory"),
        (["--pairs", "."], 1, ".: Is a directory"),
        (["--table", "here.csv", "--p", "4"], 2, "--table is the operation: leave out --p and --operation"),
        (["--table", "here.csv", "--operation", "addition"], 2, "--table is the operation: leave out"),
        (["--table", "nowhere.csv"], 1, "nowhere.csv: No such file or directory"),
        (["--pairs", "here.csv", "--p", "4"], 1, "here.csv line 2: symbol 4, but --p 4 leaves only 0..3."),
        (["--pairs", "here.csv", "--operation", "modular_addition"], 1, "line 2: 4,1 has 5, in modular_addition(5) 0"),
        (["--p", "5", "--n-train", "16"], 1, "Argument `n_train` must be an integer in 0..15, but is 16."),
        (["--seed", "-1"], 1, "Argument `seed` must be"),
        (["--repr-lr", "0"], 1, "Argument `repr_lr` must be a finite number above 0"),
        (["--repr-lr", "nan"], 1, "Argument `repr_lr` must be a finite number above 0"),
        (["--out", "here.csv"], 1, "here.csv: File exists"),
        (["--out", "/proc/nowhere"], 1, "/proc/nowhere: No such file or directory"),
    ],
)
def test_options_that_make_no_sense_are_one_line(refused, command, status, message):
    csv("0,1,1\n4,1,5\n", "here.csv")
    found, line = refused(*command)
    assert found == status
    assert message in line


# An operation of one's own

# Neither commutative nor a group: 5 a + 7 b modulo 12, with results renamed.
NOTES = ["do", "di", "re", "ri", "mi", "fa", "fi", "so", "si", "la", "li", "ti"]
OTHERS = np.array([6, 3, 10, 0, 8, 1, 11, 5, 2, 9, 4, 7])
QUASIGROUP = OTHERS[np.add.outer(5 * np.arange(12), 7 * np.arange(12)) % 12]


def quasigroup(path: str = "notes.csv") -> str:
    rows = [",".join([note, *(NOTES[c] for c in row)]) for note, row in zip(NOTES, QUASIGROUP, strict=True)]
    return csv("\n".join(["," + ",".join(NOTES), *rows]), path)


def test_a_quasigroup_by_name(told):
    """What the command says is what the library says of E_a + F_b."""
    text, report = told("--table", quasigroup(), "--n-train", "28", "--seed", "1")
    op = et.from_table(QUASIGROUP, "sum", "notes(12, tables=2)", 2, NOTES)
    mask = op.random_training_set(28, seed=1)
    description = et.describe(op, mask)
    assert text.startswith(str(description))
    assert report["training_set"] == [[NOTES[a], NOTES[b - 12]] for a, b in op.pairs[mask].tolist()]
    assert report["out_of_reach"] == [[NOTES[a], NOTES[b - 12]] for a, b in description.out_of_reach.tolist()]
    assert 0 < len(report["out_of_reach"]) == report["n_out_of_reach"]
    assert (report["p"], report["tables"], report["n_samples"], report["operation"]) == (12, 2, 144, op.name)
    assert "Z0 = 2 (p - 1) = 22, standardised embeddings in 1D" in text
    assert "does not commute: each side of the sum has its own embeddings" in text
    assert "what is unique here is a constant on each side" in text
    told("--table", quasigroup("a $ or $ two.csv"), "--n-train", "28")  # no formula in the picture


@pytest.mark.parametrize(
    "text", ["do,di\nti,ti\n", "a,b,result\ndo,di,RESULT\nti,ti,OTHER\n", "i,j # mine\n do, di # one\n\nti,ti\nti,ti\n"]
)
@pytest.mark.usefixtures("undrawn")
def test_pairs_of_a_table_by_name(told, text):
    results = {name: NOTES[QUASIGROUP[pair]] for name, pair in {"RESULT": (0, 1), "OTHER": (11, 11)}.items()}
    for name, result in results.items():
        text = text.replace(name, result)
    said, report = told("--table", quasigroup(), "--pairs", csv(text))
    assert report["training_set"] == [["do", "di"], ["ti", "ti"]]
    assert ("1 of 3 rows repeat a sample\n" in said) == (text.count("ti,ti\n") == 2)


@pytest.mark.usefixtures("undrawn")
def test_a_table_that_commutes_has_one_table_of_embeddings(told):
    plus = csv("0,1,2\n1,2,3\n2,3,4\n", "plus.csv")
    text, report = told("--table", plus, "--pairs", csv("2,0,2\n1,1,2\n"))
    assert (report["operation"], report["tables"], report["n_samples"]) == ("plus(3)", 1, 6)
    assert report["lambda3"] == pytest.approx(12)
    assert report["training_set"] == [["0", "2"], ["1", "1"]]
    assert "linear representation: unique" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "pairs.csv holds no pairs."),
        ("do,di\ndo,x\n", "pairs.csv line 2: 'x' is no symbol or result of the table."),
        ("do,di,x\n", "pairs.csv line 1: 'x' is no symbol or result of the table."),
        ("do\n", "pairs.csv line 1: must be a,b or a,b,result, but is 'do'."),
        ("do,di,la\n", f"pairs.csv line 1: do,di has la, in notes(12, tables=2) {NOTES[QUASIGROUP[0, 1]]}."),
        ("do,di\ndo,di,do\n", "pairs.csv line 2: 3 columns, but 2 before."),
    ],
)
def test_pairs_that_are_not_of_the_table_are_one_line(refused, text, message):
    status, line = refused("--table", quasigroup(), "--pairs", csv(text))
    assert status == 1
    assert message in line


@pytest.mark.parametrize("name", [*READ, *REFUSED])
def test_tables_are_read_as_networks_read_them(name, tmp_path):
    """Neither package may import the other, so each has its own reader."""
    content = READ[name][0].encode() if name in READ else REFUSED[name][0]
    file = tmp_path / "table.csv"
    file.write_bytes(content)
    if name in READ:
        table, other = _files.read_table(file), NeuralTable.read(file)
        assert table.results.tolist() == other.results.tolist()
        assert (tuple(table.names), tuple(table.results_names)) == (other.symbols, other.result_names)
    else:
        messages = []
        for read, error in ((_files.read_table, _files.InputError), (NeuralTable.read, ConfigError)):
            with pytest.raises(error) as caught:
                read(file)
            messages.append(str(caught.value))
        assert messages[1].endswith(f"but {messages[0]}")
    assert _files.MAX_TABLE == MAX_SYMBOLS


@pytest.mark.usefixtures("undrawn")
def test_pairs_are_read_as_networks_read_them(told):
    """One file of names, one training set for the theory and for the networks."""
    rows = f"a,b,result\nsi,do,{NOTES[QUASIGROUP[8, 0]]} # one\n\ndo,si,{NOTES[QUASIGROUP[0, 8]]}\n"
    _, report = told("--table", quasigroup(), "--pairs", csv(rows))
    every = np.argwhere(np.ones((12, 12), dtype=np.bool_))
    config = ModularConfig(operation=NeuralTable(QUASIGROUP, NOTES), samples="pairs.csv")
    mask = read_samples(config.samples, len(every))
    assert [[NOTES[a], NOTES[b]] for a, b in every[mask]] == report["training_set"] == [["do", "si"], ["si", "do"]]


# Sizes


@pytest.mark.usefixtures("undrawn")
def test_lists_are_cut_and_counted(told, monkeypatch):
    monkeypatch.setattr(command_line, "LISTED", 5)
    _, report = told("--p", "10", "--n-train", "30", "--seed", "3")
    op = et.addition(10)
    mask = op.random_training_set(30, seed=3)
    description = et.describe(op, mask)
    assert report["training_set"] == op.pairs[mask][:5].tolist()
    assert report["out_of_reach"] == description.out_of_reach[:5].tolist()
    assert (report["n_train"], report["n_out_of_reach"]) == (30, len(description.out_of_reach))
    assert len(description.out_of_reach) > 5 == report["listed_at_most"]


@pytest.mark.filterwarnings("error")
def test_no_list_of_all_pairs_is_made(told, monkeypatch):
    """Nor of all out of reach; a large table is drawn without."""

    def listed(self):
        raise AssertionError

    for name in ("pairs", "samples", "by_result"):
        monkeypatch.setattr(et.Operation, name, property(listed))
    monkeypatch.setattr(et.Description, "out_of_reach", property(listed))
    _, report = told("--p", "520", "--n-train", "9")
    assert imread("results/efftheory/training_set.png").shape[2] == 4
    assert report["n_out_of_reach"] > 135_000 > command_line.LISTED == len(report["out_of_reach"])


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["--pairs", "pairs.csv"], "2 of 1800030000 samples of addition(60000) would take about 7.2 GB of memory"),
        (["--p", "9000"], "40504500 of 40504500 samples of addition(9000) would take about 1.8 GB of memory"),
        (
            ["--p", "16000", "--n-train", "4000000"],
            "4000000 of 128008000 samples of addition(16000) would take about 1.2",
        ),
    ],
)
def test_what_takes_too_much_memory_is_refused_before(refused, tmp_path, monkeypatch, command, message):
    """No mask is made, and no folder."""
    csv("0,59999\n1,2\n")
    for name in ("mask", "random_training_set"):
        monkeypatch.delattr(et.Operation, name)
    status, line = refused(*command)
    assert status == 1
    assert message in line
    assert not Path("results").exists()


@pytest.mark.parametrize("broken", ["report", "picture"])
def test_files_are_written_whole_or_not_at_all(told, capsys, monkeypatch, broken):
    """On a full disk the files of an earlier command stay, both of them."""
    told("--p", "4")
    folder = Path("results/efftheory")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(path, *args, **options):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device", str(path))

    if broken == "report":
        monkeypatch.setattr(Path, "write_text", full)
    else:
        monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda _, path, **options: full(path))
    with pytest.raises(SystemExit) as stop:
        run(["--p", "5"])
    assert stop.value.code == 1
    assert "No space left on device" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.usefixtures("undrawn")
def test_a_link_stays_a_link(told):
    Path("elsewhere").mkdir()
    Path("results/efftheory").mkdir(parents=True)
    link = Path("results/efftheory/report.json")
    link.symlink_to(Path("elsewhere/report.json").absolute())
    assert told("--p", "4")[1]["p"] == 4
    assert link.is_symlink()
    assert json.loads(Path("elsewhere/report.json").read_text())["p"] == 4


def test_a_file_that_cannot_be_written_is_told_before(refused):
    Path("results/efftheory/report.json").mkdir(parents=True)
    assert refused("--p", "4") == (1, "error: results/efftheory/report.json: Is a directory\n")
