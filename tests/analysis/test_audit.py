"""The audit: what it says of the repository, and what it finds where something is
wrong.
"""

from __future__ import annotations

import csv
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import tyro

from analysis import audit
from analysis.__main__ import main as start
from analysis.audit import (
    MARK,
    ORIGINS,
    PAGES,
    ROOT,
    SCORED,
    SETTINGS,
    check,
    definitions,
    fill,
    sources,
    tables,
    unmarked,
)
from analysis.predictors.catalogue import CATALOGUE
from analysis.report import command as report_command
from neural import ConfigError, command

DATA = ROOT / "docs/data"
COMMANDS = [*csv.DictReader((DATA / "commands.csv").open(encoding="utf-8"))]
SEEN = """
import sys
from analysis import audit, __main__
sys.argv = ["efftheory", "audit"]
try:
    __main__.main()
except SystemExit as stop:
    print(stop.code, sorted({"torch", "matplotlib", "neural.training"} & set(sys.modules)))
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The pages and the frozen tables, in a folder of their own."""
    shutil.copytree(DATA, tmp_path / "docs/data")
    for page in PAGES:
        shutil.copy(ROOT / page, tmp_path / page)
    return tmp_path


def differing(root: Path) -> set[str]:
    return {one.name for page in PAGES for one in check(root, page) if not one.agrees}


def test_every_number_agrees_and_nothing_is_trained() -> None:
    done = subprocess.run([sys.executable, "-c", SEEN], capture_output=True, text=True, check=True, cwd=ROOT)
    lines = done.stdout.splitlines()
    assert lines[-1] == "0 []", done.stdout
    numbers = [line for line in lines if line.startswith(PAGES)]
    assert len(numbers) > 50
    assert [line for line in numbers if "[ok]" not in line] == []
    for tier in ("audit, ", "re-analyse, ", "retrain: "):
        assert sum(line.startswith(tier) for line in lines) == 1


def test_a_changed_number_on_a_page_is_found_and_filled(copy: Path) -> None:
    for page in PAGES:
        whole = (copy / page).read_text()
        assert fill(copy, page) == whole
        last = [*MARK.finditer(whole)][-1]
        (copy / page).write_text(whole[: last.start()] + "7.125" + whole[last.start("mark") :])
        assert [one.name for one in check(copy, page) if not one.agrees] == [last["name"]]
        assert fill(copy, page) == whole


def test_a_changed_run_is_found(copy: Path) -> None:
    """Its steps, from which counts and scores come."""
    file = copy / "docs/data/three_speeds/runs.csv.gz"
    runs = pd.read_csv(file)
    there = runs.index[runs["steps_to_rqi"].notna() & (runs["decoder_lr"] == 1e-5)]
    runs.loc[there[:1], "steps_to_rqi"] = None
    runs.to_csv(file, index=False)
    assert differing(copy) == {"speeds.found.slow"}


def test_a_changed_prediction_is_found(copy: Path) -> None:
    """Of the theory that remembers: its scores, and no other."""
    file = copy / "docs/data/memory/predictions.csv.gz"
    said = pd.read_csv(file)
    said.loc[(said["predictor"] == "memory_flow") & (said["target"] == "rqi"), "probability"] = 0.5
    said.to_csv(file, index=False)
    assert differing(copy) == {"memory.theory.auc", "memory.theory.brier"}


def test_a_changed_row_of_a_table_is_found(copy: Path) -> None:
    file = copy / "docs/data/groups.csv"
    table = pd.read_csv(file)
    table.loc[(table["row"] == "group S3") & (table["statistic"] == "critical fraction"), "low"] += 0.01
    table.to_csv(file, index=False)
    assert differing(copy) == {"groups.s3.low"}


@pytest.mark.parametrize(
    ("mark", "says"),
    [("3<!--=nothing-->", "has the mark nothing, which"), ("3<!--=memory.wrong-->", "memory.wrong: ValueError")],
)
def test_a_mark_that_means_nothing_is_one_line(copy: Path, mark: str, says: str) -> None:
    with (copy / "docs/data/audit.csv").open("a") as file:
        file.write("memory.wrong,memory,target == 'rqi',value,only,.2f\n")
    (copy / "README.md").write_text(f"a {mark} b\n")
    with pytest.raises(ConfigError, match=says):
        list(check(copy, "README.md"))


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("loose", ["71 %", ".83 [", "+.05", "1,024 runs", "p = 103", "RQI > 0.955", "accuracy .93"])
def test_a_result_without_a_mark_is_found(copy: Path, page: str, loose: str) -> None:
    """Also where it resembles a setting."""
    assert list(unmarked(copy, page)) == []
    whole = (copy / page).read_text()
    (copy / page).write_text(f"{whole}\nOf them `3` have {loose} that is RQI > 0.95.\n")
    [(line, number)] = unmarked(copy, page)
    assert line == whole.count("\n") + 2
    assert number in loose


def test_a_result_without_a_mark_ends_the_audit(copy: Path, capsys) -> None:
    whole = (copy / PAGES[1]).read_text()
    (copy / PAGES[1]).write_text(f"{whole}\nOf them .83 remain.\n")
    with pytest.raises(SystemExit, match="1"):
        audit.main(audit.Arguments(root=copy))
    where = f"{PAGES[1]}:{whole.count(chr(10)) + 2}"
    assert f"{where} .83  [no mark]" in capsys.readouterr().out


def test_every_setting_stands_on_a_page() -> None:
    pages = " ".join((ROOT / page).read_text() for page in PAGES)
    assert [one for one in SETTINGS if one not in pages] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_mark_is_behind_a_number(page: str) -> None:
    """So that none begins a line, where it would end a paragraph."""
    text = (ROOT / page).read_text()
    assert text.count("<!--=") == len(MARK.findall(text)) > 0


def test_the_first_program_of_readme_prints_what_stands_below_it(capsys) -> None:
    """No mark can stand there."""
    text = (ROOT / "README.md").read_text()
    [(code, printed)] = re.findall(r"```python\n(import efftheory[^`]*)```\n\n```\n([^`]*)```", text)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize(
    ("name", "by"), [("compare", ["repr_lr", "decoder_lr"]), ("league", ["setting"]), ("norm_transformer", [])]
)
def test_the_scores_of_frozen_runs_are_those_that_the_command_left(name: str, by: list[str]) -> None:
    keys = [*by, "target", "predictor", "against", "statistic"]
    both = (tables(ROOT, one) for one in (f"{name}/scores", name))
    frozen, now = (one.assign(against=one["against"].astype(object).fillna("")).set_index(keys) for one in both)
    frozen = frozen.query("statistic not in ('p', 'q')")  # of permutations
    columns = ["value", "low", "high", "n", "n_censored"]
    assert len(frozen) > 20
    loose: Any = {"check_dtype": False, "check_index_type": False}
    pd.testing.assert_frame_equal(now.loc[frozen.index, columns], frozen[columns], rtol=1e-9, **loose)


def test_predictors_are_those_of_the_catalogue() -> None:
    known = pd.read_csv(DATA / "predictors.csv").to_dict("records")
    names = [one["name"] for one in known]
    assert known == [
        {"name": one.name, "title": one.title, "gives": one.gives} for one in CATALOGUE.values() if one.name in names
    ]
    said = {file.parent.name: set(pd.read_csv(file)["predictor"]) for file in DATA.glob("*/predictions.csv.gz")}
    assert set().union(*(said[name] for name in said if name not in SCORED)) == set(names)
    for name, (gives, _) in SCORED.items():
        assert {CATALOGUE[one].gives for one in said[name] if one in CATALOGUE} == {gives}


def test_every_frozen_table_has_a_command_and_is_small() -> None:
    sources = {row["source"].partition("/")[0] for row in definitions(ROOT).values()}
    frozen = {path.stem for path in DATA.glob("*.csv")} | {path.name for path in DATA.iterdir() if path.is_dir()}
    lists = {"audit", "commands", "predictors"}
    assert sources <= {row["name"] for row in COMMANDS} == frozen - lists - {"__pycache__"}
    assert sum(path.stat().st_size for path in DATA.rglob("*.csv*")) < 600_000


def test_the_audit_says_which_numbers_come_from_runs_and_which_from_reports() -> None:
    """By what is frozen: tables of a report have a section and a row."""
    assert {row["from"] for row in sources(ROOT).values()} == set(ORIGINS)
    for name, row in sources(ROOT).items():
        is_page = not (DATA / name).is_dir() and {"section", "row"} <= set(tables(ROOT, name))
        assert is_page == row["from"].endswith(("report", "page")), name


@pytest.mark.parametrize("row", COMMANDS, ids=lambda row: row["name"])
def test_commands_understand_their_lines(monkeypatch, row) -> None:
    if row["from"] == "a benchmark":  # has a file to write, and no other option
        _, _, module, option, _ = shlex.split(row["command"])
        assert f'"{option}"' in (ROOT / module.replace(".", "/")).with_suffix(".py").read_text()
        return
    parsed = []

    def instead(arguments, main, prog, errors=()):
        parsed.append(tyro.cli(arguments, prog=prog, return_unknown_args=True)[1])

    for taken_from in (command, report_command):
        monkeypatch.setattr(taken_from, "run_command", instead)
    extra = ["--dry-run"] if row["dry_run"] == "yes" else []
    monkeypatch.setattr(sys, "argv", ["efftheory", *shlex.split(row["command"])[2:], *extra])
    start()
    assert parsed == [[]]
