"""The command as its users meet it: report, resumed after Ctrl-C, one clear line for
every mistake.
"""

from __future__ import annotations

import ast
import contextlib
import json
import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.compare_theory.__main__ import ERRORS, PROG, Arguments, main, plan, toy_runs
from analysis.compare_theory.compared import irreducible
from analysis.predictors.catalogue import CATALOGUE
from analysis.runs.executors import Execution
from analysis.runs.store import RunStore, key
from neural import ConfigError, ModularConfig, RunConfig
from neural.command import run_command

COMPARE = [sys.executable, "-m", "analysis.compare_theory"]
SMALL = ["--p", "5", "--sizes", "9", "14", "--seeds", "4", "--first-seed", "3"]
SMALL += ["--budget", "900", "--draws", "500", "--decoder-draws", "2"]


def compare_here(folder: Path, *words: str) -> None:
    """The command in this process, which trains in it as well."""
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["compare_theory", *words, "--executor", "in-process"])
        run_command(Arguments, main, PROG, ERRORS)


def stopped(folder: Path, method: str, calls: int) -> None:
    """The small comparison, interrupted when a method of the store has been called so
    many times.
    """
    real, called = getattr(RunStore, method), []

    def counted(store: RunStore, *given: Any) -> None:
        real(store, *given)
        called.append(given)
        if len(called) == calls:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunStore, method, counted)
        with pytest.raises(SystemExit, match="130"):
            compare_here(folder, *SMALL)


def test_a_stopped_comparison_resumes_to_the_same_report(tmp_path, capsys):
    """Stopped among its runs, then among its predictions; a kill is tested with a
    sweep. The last time in another process.
    """
    undisturbed, disturbed = tmp_path / "a", tmp_path / "b"
    undisturbed.mkdir()
    disturbed.mkdir()
    stopped(disturbed, "add", 3)
    stopped(disturbed, "keep_predictions", 2)
    assert "8 runs, 5 of them trained now" in capsys.readouterr().err
    for folder in (undisturbed, disturbed):
        compare_here(folder, *SMALL)
    told = capsys.readouterr().err
    assert re.findall(r"8 runs, (\d) of them trained now", told) == ["8", "0"]
    reports = [(f / "results/compare_theory/report.json").read_text() for f in (undisturbed, disturbed)]
    assert reports[0] == reports[1]

    again = subprocess.run([*COMPARE, *SMALL], cwd=undisturbed, capture_output=True, text=True, timeout=240)
    assert again.returncode == 0, again.stderr
    assert "8 runs, 0 of them trained now" in again.stderr
    out = undisturbed / "results/compare_theory"
    report = json.loads((out / "report.json").read_text())
    before = json.loads(reports[0])
    assert report["environment"].pop("command") + " --executor in-process" == before["environment"].pop("command")
    assert report == before
    assert len(report["runs"]) == 8
    assert (report["seeds"], report["draws"], report["decoder_draws"]) == (4, 500, 2)  # as the options have them
    assert report["first_seed"] == 3
    assert {run["seed"] for run in report["runs"]} == {3, 4, 5, 6}
    recompute_with_the_readme(undisturbed, report)
    page = (out / "report.md").read_text()
    assert "8 runs, seeds 3..6." in page
    answer, *_ = page.partition("![")
    assert len(answer.splitlines()) <= 30
    assert "theory with memory, blind" in answer
    for picture in out.glob("*.png"):
        assert f"({picture.name})" in page
    tables_of_the_page(out, page)


def recompute_with_the_readme(folder: Path, report: dict) -> None:
    """README's five lines of pandas give the report's numbers from the store alone."""
    readme = Path(__file__).parents[2] / "README.md"
    [snippet] = re.findall(r"```python\n(import sqlite3.*?)```", readme.read_text(), flags=re.DOTALL)
    assert len([line for line in ast.parse(snippet).body if not isinstance(line, ast.Import)]) == 5
    names: dict = {}
    with contextlib.chdir(folder):
        exec(snippet, names)
    [entry] = [e for e in report["time"] if (e["target"], e["predictor"]) == ("rqi", "optimizer_flow")]
    assert entry["c_index"] == pytest.approx(names["c_index"])
    for share in report["probability"]:
        assert names["share"][share["n_train"]] == share["measured"]
    scores = pd.read_csv(folder / "results/compare_theory/scores.csv").query("predictor == 'measured'")
    for row in scores.query("statistic == 'median' and target == 'rqi' and n_train > 0").itertuples():
        assert row.value == names["median"][row.n_train]
    assert len(scores) >= 2


def tables_of_the_page(out: Path, page: str) -> None:
    """Every number in the tables of the page is one of scores.csv."""
    scores = pd.read_csv(out / "scores.csv")
    known = {form.format(value) for value in scores["value"] for form in ("{:.2f}", "{:.3f}", "{:+.3f}", "{:.0f}")}
    known |= {f"{value:+.2f}" for value in scores["value"]}
    cells = [cell.strip(" *") for line in page.splitlines() if line.startswith("|") for cell in line.split("|")[1:-1]]
    numbers = [cell.split()[0] for cell in cells if re.match(r"[-+]?\d", cell)]
    sizes = {"9", "14", "0.001", "0.0001"}
    assert len(numbers) > 50
    assert [number for number in numbers if number not in known | sizes] == []


MINE = """
from analysis.predictors.predictor import Predictor, Told, on


def of_run(run, draws):
    few = -run.mask.sum()
    return {"rqi": Told(few, probability=run.mask.sum() / len(run.mask)), "train": Told(few)}


PREDICTOR = Predictor("few_samples", "few samples", ("size",), on("toy"), of_run, gives="order")
"""


def test_a_users_predictor_is_scored_beside_the_others(tmp_path, capsys):
    (tmp_path / "mine.py").write_text(MINE)
    words = "--p 5 --sizes 9 12 --seeds 6 --budget 300 --predictor mine.py --repr-lr 1e-2"
    compare_here(tmp_path, *words.split(), "--decoder-draws", "1", "--draws", "100")
    assert "few samples" in capsys.readouterr().out
    scores = pd.read_csv(tmp_path / "results/compare_theory/scores.csv", keep_default_na=False)
    found = scores[(scores["predictor"] == "few_samples") & (scores["n_train"] == "")]
    assert {"auc", "brier", "calibration", "concordance_within"} <= set(found["statistic"])
    null = scores[(scores["predictor"] == "training_fraction") & (scores["n_train"] == "")]
    for statistic in ("concordance", "concordance_within"):
        assert found.set_index(["target", "statistic", "against"])["value"].get(
            ("rqi", statistic, "")
        ) == null.set_index(["target", "statistic", "against"])["value"].get(("rqi", statistic, ""))


def test_another_family_is_scored_by_what_applies_to_it(tmp_path, capsys):
    """And by nothing else: --dry-run says by what."""
    options = "--family modular --x fraction=0.5,0.8 --set p=7 width=32 learning_rate=0.01 look_every=5 checkpoints=4"
    with pytest.raises(SystemExit):
        compare_here(tmp_path, *options.split(), "--dry-run")
    told = capsys.readouterr().out
    assert "rings: 1/lambda; " in told
    assert "theory with memory" not in told
    compare_here(tmp_path, *options.split(), "--budget", "300", "--seeds", "12")
    said = capsys.readouterr().out
    out = tmp_path / "results/compare_theory"
    scores, runs = (pd.read_csv(out / f"{name}.csv", keep_default_na=False) for name in ("scores", "runs"))
    assert len(runs) == 24
    names = set(scores["predictor"])
    assert {"measured", "training_fraction", "share_by_size", "rings_inverse_lambda", "ring_unique"} <= names
    assert CATALOGUE["weight_norm@memorised"].applies(ModularConfig())  # these runs are too short to memorise
    assert "memory_flow" not in names
    assert "share by size" in said
    report = json.loads((out / "report.json").read_text())
    assert {entry["target"] for entry in report["time"]} >= {"train_99"}
    compare_here(tmp_path, *options.split(), "--budget", "300", "--seeds", "12")
    assert "24 runs, 0 of them trained now" in capsys.readouterr().err
    assert json.loads((out / "report.json").read_text()) == report


def test_experiments_by_name():
    [name] = plan(Arguments(names=("width 50",), seeds=1))
    assert name == "width 50"
    both = plan(Arguments(names=("modular_theory/squares", "league/transformer"), seeds=1, first_seed=5))
    assert [len(runs) for runs in both.values()] == [8, 1]
    assert {run.seed for runs in both.values() for run in runs} == {5}
    assert len(plan(Arguments(names=("decoder_range",)))) == 21
    with pytest.raises(ConfigError, match=r"`names` must be among .*width 50.*, but one is 'width'"):
        plan(Arguments(names=("width",)))
    with pytest.raises(ConfigError, match="`p` must be left out with an experiment, but is 9"):
        plan(Arguments(names=("width 50",), p=9))


def test_replicas_say_what_cannot_be_foretold(tmp_path):
    """Of two replicas half of their disagreement; of known probabilities the mean of
    p (1 - p).
    """
    configs = [RunConfig(p=5, n_train=9, seed=seed, replica=k, budget=9) for k in range(3) for seed in range(400)]
    rng = np.random.default_rng(0)
    chance = np.tile([0.0, 0.2, 0.5, 1.0], 300)
    steps = np.where(rng.random(1200) < chance, 5.0, np.nan)
    everyone = pd.DataFrame({"key": [key(one) for one in configs], "n_train": 9, "steps_to_rqi": steps, "budget": 9})
    everyone["seed"], everyone["replica"] = np.tile(np.arange(400), 3), np.repeat(range(3), 400)
    with RunStore(tmp_path / "runs.sqlite") as store:
        scores = irreducible(store, everyone, everyone[:400], [], ["n_train", "seed"], "n_train")
    found = scores.set_index("statistic")
    assert found.loc["irreducible", "value"] == pytest.approx(0.1025, abs=0.04)  # four standard errors
    low, high = found.loc["irreducible", ["low", "high"]].astype(float).to_numpy()
    assert low < 0.1025 < high
    # the share of the others has the variance of its mean on top
    assert found[found["against"] == ""].loc["brier", "value"] == pytest.approx(0.1025 * 3 / 2, abs=0.08)
    halves = irreducible_by_hand(steps.reshape(3, 400)[:2])
    with RunStore(tmp_path / "runs.sqlite") as store:
        two = irreducible(store, everyone[:800], everyone[:400], [], ["n_train", "seed"], "n_train")
    assert two.set_index("statistic").loc["irreducible", "value"] == pytest.approx(halves)


def irreducible_by_hand(steps: np.ndarray) -> float:
    return float(np.mean(np.isnan(steps[0]) != np.isnan(steps[1])) / 2)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--p 1", "`p` must be an integer of at least 3, but is 1."),
        ("--sizes 56", "`n_train` must be at most p(p+1)/2 = 55 for p = 10, but is 56."),
        ("--sizes 0", "`n_train` must be an integer of at least 1, but is 0."),
        ("--seeds 0", "`seeds` must be an integer of at least 1, but is 0."),
        ("--first-seed -1", "`first_seed` must be an integer of at least 0, but is -1."),
        ("--decoder-lr nan", "`decoder_lr` must be a finite number above 0, but is nan."),
        ("--decoder-lr", "`decoder_lr` must be at least one number, but is empty."),
        ("--out damaged.sqlite", "`out` must be a folder that can be written, but damaged.sqlite: File exists."),
        ("--loss foo", "invalid choice 'foo' for argument '--loss'"),
        ("--out /proc/nowhere", "`out` must be a folder that can be written, but /proc/nowhere: No such file"),
        ("--store /proc/nowhere/runs.sqlite", "`store` must be a file that can be written"),
        ("--store damaged.sqlite", "`store` must be an undamaged run store"),
        ("--bogus", "--bogus"),
        ("--replicas 0", "`replicas` must be an integer of at least 1, but is 0."),
        ("--decoder-draws 0", "`decoder_draws` must be an integer of at least 1, but is 0."),
        ("--paired-rates --decoder-lr 1e-4 1e-3", "`decoder_lr` must be 1 numbers, as many as repr_lr, but is 2."),
        ("--set d=2", "`set` must not name what has an option of its own, but names d."),
        ("--set decoder-weight-decay=1", "`set` must not name what has an option of its own, but names decoder_wd."),
        ("--set operation=s3", "`set` must not name operation: the theories without a decoder know sums only."),
        ("--set width=50,60", "`set` must have one value a field, but is 'width=50,60'."),
        ("--set batch_size=21", "`batch_size` must be at most n_train = 20, but is 21."),
    ],
)
def test_a_mistake_is_one_clear_line(tmp_path, monkeypatch, capsys, arguments, says):
    (tmp_path / "damaged.sqlite").write_bytes(b"no database" * 1000)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["compare_theory", *arguments.split()])
    with pytest.raises(SystemExit) as stop:
        run_command(Arguments, main, PROG, ERRORS)
    assert stop.value.code in (1, 2)
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert says in lines[0]


def test_a_plan():
    rates = {"repr_lr": (1e-3, 1e-3, 1e-2), "decoder_lr": (1e-5, 1e-4, 1e-4), "sizes": (45, 20), "seeds": 2}
    wanted = [(1e-3, 1e-5), (1e-3, 1e-4), (1e-2, 1e-4)]
    paired = toy_runs(Arguments(**rates, paired_rates=True))
    expected = [(n, *pair, seed) for n in (20, 45) for pair in wanted for seed in range(2)]
    assert [(run.n_train, run.repr_lr, run.decoder_lr, run.seed) for run in paired] == expected
    assert len(toy_runs(Arguments(**rates))) == 2 * 4 * 2
    [first, second] = toy_runs(Arguments(sizes=(30,), seeds=1, replicas=2, set=("width=50", "targets=orthogonal")))
    assert first == RunConfig(n_train=30, width=50, targets="orthogonal")
    assert second == replace(first, replica=1)
    later = toy_runs(Arguments(sizes=(30, 45), seeds=2, first_seed=100))
    assert [(run.n_train, run.seed) for run in later] == [(30, 100), (30, 101), (45, 100), (45, 101)]


def test_help_explains_every_option(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["compare_theory", "--help"])
    with pytest.raises(SystemExit) as stop:
        run_command(Arguments, main, PROG, ERRORS)
    assert stop.value.code in (None, 0)
    text = capsys.readouterr().out
    shown = [field for field in fields(Arguments) if field.name not in ("execution", "names")]
    for field in [*shown, *fields(Execution)]:
        assert "--" + field.name.replace("_", "-") in text
