"""What commands that train have in common. Findings can be repeated on seeds that
nobody has looked at: every command that has seeds says from which on.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

import pytest
import tyro

import analysis
from analysis.__main__ import COMMANDS
from analysis.runs import session
from analysis.runs.executors import Execution
from analysis.runs.session import ACHIEVED, ERRORS, Trains, cost, gemm_rate, trained
from neural import ConfigError, RunConfig
from neural.command import run_command
from neural.counting import count

HERE = Execution("cpu", "in-process")
SEEDS = range(7, 9)
# Options that leave little to do before the runs are known.
QUICK = {
    "advise": "--p 5 --n-train 9 --budget 20 --seeds 1 --check 2 --sizes 9 --repr-lr 1e-3 --decoder-lr 1e-4 "
    "--warmup 0 --decoder-wd 0",
    "compare_theory": "--p 5 --sizes 9",
    "design_experiment": "--p 5 --sizes 9",
    "interventions": "transformer",
    "landscape": "teacher",
    "league": "parity --seeds 10",
    "norm_law": "teacher",
    "phase_diagram": "lr_lr",
    "remedies": "--sizes 30",
    "sweep": "lr_lr",
    "two_variables": "--sizes 25",
}


@dataclass(frozen=True)
class Arguments(Trains):
    """Of a command that wants runs of one kind."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Which networks."""
    seeds: int | None = 2
    out: Path = Path("results/some")


def main(arguments: Arguments) -> None:
    configs = [RunConfig(p=5, n_train=9, budget=20, width=8, seed=seed) for seed in arguments.seed_range()]
    with trained(arguments, [*configs, configs[0]]) as store:
        print(len(store.table(configs)))


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs the command with these options, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*options: str) -> None:
        monkeypatch.setattr(sys, "argv", ["some", *options])
        run_command(Arguments, main, "some", ERRORS)

    return run


def test_what_is_missing_is_trained_and_counted(command, capsys) -> None:
    for options, told in (([], (2, 2)), (["--seeds", "3"], (3, 1)), (["--first-seed", "1"], (2, 0))):
        command(*options, "--executor", "in-process", "--device", "cpu")
        printed = capsys.readouterr()
        assert printed.out == f"{told[0]}\n"
        assert printed.err.splitlines()[-1] == "{} runs, {} of them trained now".format(*told)


def test_a_dry_run_leaves_nothing(command, capsys, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stop:
        command("--dry-run", "--seeds", "3", "--device", "cpu")
    assert not stop.value.code
    assert capsys.readouterr().out.startswith("3 runs in the plan\n3 runs to train, 60 steps")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--seeds 0", "`seeds` must be an integer of at least 1, but is 0."),
        ("--first-seed -1", "`first_seed` must be an integer of at least 0, but is -1."),
        ("--workers 0 --dry-run", "`workers` must be an integer of at least 1, but is 0."),
        ("--out file", "`out` must be a folder that can be written, but file: File exists."),
        ("--store .", "`store` must be a file that can be written, but .: unable to open database file."),
    ],
)
def test_bad_options_are_one_line(command, capsys, tmp_path: Path, options: str, says: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as stop:
        command(*options.split())
    assert stop.value.code == 1
    assert capsys.readouterr().err == f"error: {says}\n"


def test_how_many_seeds_an_experiment_has() -> None:
    assert Trains(first_seed=4).seed_range(3) == range(4, 7)
    assert Trains(seeds=2).seed_range(3) == range(2)
    with pytest.raises(ConfigError, match="`seeds` must be an integer of at least 10, but is 9"):
        Trains(seeds=9).seed_range(least=10)


def test_help_says_what_inherited_options_are(command, capsys) -> None:
    """Also of those with a default of the command's own."""
    with pytest.raises(SystemExit):
        command("--help")
    told = " ".join(capsys.readouterr().out.split())
    for one in ("How many seeds. (default: 2)", "Folder for the report. (default: results/some)", "Which networks."):
        assert one in told


def test_a_cost_adds_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three runs, at a rate at which they take ten hours in one process."""
    assert cost([], HERE) == "nothing to train"
    runs = [RunConfig(), RunConfig(budget=500), RunConfig(loss="ce", budget=100)]
    operations = 10_500 * count(runs[0]).operations + 100 * count(runs[2]).operations
    monkeypatch.setattr(session, "gemm_rate", lambda *_: operations / ACHIEVED / 36_000)
    told = f"3 runs to train, 10,600 steps, {operations:.2g} operations"
    settles = "on this machine if no run settles before its budget"
    for workers, span in ((1, "10.0 hours"), (4, "2.5 hours"), (8, "75 min"), (10_000, "1 min")):
        assert cost(runs, Execution("cpu", "processes", workers=workers)) == f"{told}: about {span} {settles}"
    assert cost(runs, Execution("cuda", "in-process")) == told
    assert cost(runs, Execution("cpu", scheduler="tcp://127.0.0.1:1")) == told


def test_the_machines_rate_is_a_rate() -> None:
    """A machine does between 10 M and 1,000 T operations a second."""
    assert 1e7 < gemm_rate(1, 8, 16, 4) < 1e15


def option_names(kind: Any) -> Iterator[str]:
    """Of a command's arguments, and of the groups among them."""
    hints = get_type_hints(kind)
    for field in fields(kind):
        yield field.name
        if is_dataclass(hints[field.name]):
            yield from option_names(hints[field.name])


def module_of(name: str) -> ModuleType:
    main = Path(analysis.__path__[0], name, "__main__.py")
    return importlib.import_module(f"analysis.{name}.__main__" if main.exists() else f"analysis.{name}")


def test_every_command_that_trains_has_these_options() -> None:
    found = set()
    for name in (module.removeprefix("analysis.") for module, _ in COMMANDS.values() if module.startswith("analysis")):
        kind = getattr(module_of(name), "Arguments", None)
        names = set(option_names(kind)) if kind else set()
        if names & {"seeds", "check"}:
            found.add(name)
            assert {"seeds", "first_seed", "dry_run"} <= names, name
    assert found == set(QUICK)


class Seen(Exception):
    """The runs are known, and none of them is trained."""


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Starts a command as far as its first training; the seeds of the runs that it
    wants there.
    """

    def run(name: str, *options: str) -> set[int]:
        module, seen = module_of(name), set()

        def instead(runs: Any, *_: Any) -> None:
            seen.update(run.seed for run in (runs if isinstance(runs, list) else [runs]))
            raise Seen

        for trains in (module, session):
            monkeypatch.setattr(trains, "ensure", instead, raising=False)
        if name == "design_experiment":
            monkeypatch.setattr(module, "OBJECTIVES", {"random": None})  # a search takes seconds
        places = ["--out", str(tmp_path / "out"), "--store", str(tmp_path / "runs.sqlite")]
        seeds = [] if "--seeds" in QUICK[name] else ["--seeds", str(len(SEEDS))]
        monkeypatch.setattr(sys, "argv", [name, *QUICK[name].split(), *seeds, *options, *places])
        with suppress(Seen):
            run_command(module.Arguments, module.main, name, getattr(module, "ERRORS", ()))
        return seen

    return run


@pytest.mark.parametrize("name", QUICK)
def test_the_first_seed_moves_the_seeds(name: str, start) -> None:
    seen = start(name, "--first-seed", str(SEEDS[0]))
    expected = set(range(7, 17)) if name == "league" else set(SEEDS)
    assert seen - expected == ({100, 101, 102, 103} if name == "norm_law" else set())
    assert seen >= expected


@pytest.mark.parametrize("name", QUICK)
def test_a_dry_run_of_every_command_trains_nothing(name: str, start, tmp_path: Path, capsys) -> None:
    with suppress(SystemExit):
        assert start(name, "--dry-run") == set()
    told = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("predictors: ")]
    assert re.fullmatch(r"\d+ runs in the plan", told[0])
    assert "runs to train, " in told[1]
    assert list(tmp_path.iterdir()) == []
