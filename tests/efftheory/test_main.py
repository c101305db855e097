"""`python -m efftheory`: what it says is what the library says, and nonsense is one
line.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

import efftheory as et
from efftheory.__main__ import run
from efftheory._picture import BLUE, LIGHT_BLUE, ORANGE, picture_of
from tests import systems

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


def csv(text: str | bytes) -> str:
    Path("pairs.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return "pairs.csv"


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


@pytest.mark.parametrize(("p", "n_train"), [("3", "4"), ("60", "200"), ("65", "65"), ("520", "9")])
@pytest.mark.filterwarnings("error")
def test_draws_small_and_large_tables(told, p, n_train):
    told("--p", p, "--n-train", n_train)
    assert imread("results/efftheory/training_set.png").shape[2] == 4


@pytest.mark.parametrize(
    "text",
    ["0,2\n1,1\n", "i,j,result\n0,2,2\n1,1,2\n", "\ufeff# mine\n\nI, J\n 2 , 0 # turned\n1,1\n", '"0","2"\r\n1,1\r\n'],
)
def test_pairs_as_people_write_them(told, tmp_path, text):
    _, report = told("--pairs", csv(text))
    assert report["training_set"] == systems.THREE_SYMBOLS.op.pairs[systems.THREE_SYMBOLS.mask].tolist()
    assert report["operation"] == "addition(3)"
    assert report["lambda3"] == pytest.approx(12)


def test_the_table_has_the_colours_of_the_samples():
    """The last axes hold the table; row j, column i, as far as i <= j."""
    op = et.addition(10)
    mask = op.random_training_set(22, seed=58)
    description = et.describe(op, mask)
    image = picture_of(description, mask).axes[1].images[0].get_array()
    assert image is not None
    beyond = {tuple(pair) for pair in description.out_of_reach.tolist()}
    assert 0 < len(beyond) < 33
    for (i, j), trained in zip(op.pairs.tolist(), mask, strict=True):
        colour = BLUE if trained else ORANGE if (i, j) in beyond else LIGHT_BLUE
        np.testing.assert_allclose(image[j, i], to_rgb(colour), atol=1e-12)
    assert (image[np.tril_indices(10, -1)[::-1]] == 1).all()


def test_results_say_which_operation(told):
    text, report = told("--pairs", csv("3,4,2\n0,1,1\n"))
    assert report["operation"] == "modular_addition(5)"
    assert "the results in pairs.csv are those of modular_addition(5)" in text
    assert "what is unique here is a constant" in text
    assert told("--pairs", csv("0,1,1\n1,2,3"))[1]["operation"] == "addition(3)"
    assert told("--pairs", csv("0,1,1\n"), "--operation", "modular_addition", "--p", "9")[1]["p"] == 9


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
def test_a_file_that_makes_no_sense_is_one_line(refused, tmp_path, text, message):
    (tmp_path / "pairs.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    status, line = refused("--pairs", "pairs.csv")
    assert status == 1
    assert message in line
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("command", "status", "message"),
    [
        (["--p", "ten"], 2, "argument --p: invalid int value: 'ten'"),
        (["--nonsense"], 2, "unrecognized arguments: --nonsense"),
        (["--operation", "division"], 2, "invalid choice: 'division'"),
        (["--pairs", "here.csv", "--seed", "1"], 2, "--pairs names the training set"),
        (["--pairs", "nowhere.csv"], 1, "nowhere.csv: No such file or directory"),
        (["--pairs", "."], 1, ".: Is a directory"),
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
def test_options_that_make_no_sense_are_one_line(refused, tmp_path, command, status, message):
    (tmp_path / "here.csv").write_text("0,1,1\n4,1,5\n")
    found, line = refused(*command)
    assert found == status
    assert message in line
