"""Findings can be repeated on seeds that nobody has looked at: every command that has
seeds says from which on.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

import pytest

import analysis
from neural.command import run_command

SEEDS = range(7, 9)
# Options that leave little to do before the runs are known. Seven has ten seeds, for
# where fewer say nothing.
QUICK = {
    "advise": "--p 5 --n-train 9 --budget 20 --seeds 1 --check 2 --sizes 9 --repr-lr 1e-3 --decoder-lr 1e-4 "
    "--warmup 0 --decoder-wd 0",
    "compare_theory": "--p 5 --sizes 9",
    "decoder_range": "--only S3",
    "design_experiment": "--p 5 --sizes 9",
    "interventions": "transformer",
    "landscape": "teacher",
    "league": "parity --seeds 10",
    "modular_theory": "--only transformer",
    "norm_law": "teacher",
    "phase_diagram": "lr_lr",
    "remedies": "--sizes 30",
    "sweep": "lr_lr",
    "two_variables": "--sizes 25",
}


def option_names(kind: Any) -> Iterator[str]:
    """Of a command's arguments, and of the groups among them."""
    hints = get_type_hints(kind)
    for field in fields(kind):
        yield field.name
        if is_dataclass(hints[field.name]):
            yield from option_names(hints[field.name])


def module_of(name: str) -> ModuleType:
    return importlib.import_module(f"analysis.{name}.__main__")


def test_every_command_with_seeds_has_a_first_one() -> None:
    commands = [path.parent.name for path in Path(analysis.__path__[0]).glob("*/__main__.py")]
    with_seeds = set()
    for name in commands:
        kind = getattr(module_of(name), "Arguments", None)
        names = set(option_names(kind)) if kind else set()
        if names & {"seeds", "check"}:
            with_seeds.add(name)
            assert "first_seed" in names, name
    assert with_seeds == set(QUICK)


class Seen(Exception):
    """The runs are known, and none of them is trained."""


@pytest.mark.parametrize("name", QUICK)
def test_the_first_seed_moves_the_seeds(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, seen = module_of(name), []

    def instead(runs: Any, *_: Any) -> list[Any]:
        seen.extend(run.seed for run in (runs if isinstance(runs, list) else [runs]))
        raise Seen

    monkeypatch.setattr(module, "ensure", instead)
    if name == "design_experiment":
        monkeypatch.setattr(module, "OBJECTIVES", {"random": None})  # a search takes seconds
    out = ["--out", str(tmp_path / "out")]
    store = ["--store", str(tmp_path / "runs.sqlite")]
    seeds = [] if "--seeds" in QUICK[name] else ["--seeds", str(len(SEEDS))]
    options = [*QUICK[name].split(), *seeds, "--first-seed", str(SEEDS[0]), *out, *store]
    monkeypatch.setattr(sys, "argv", [name, *options])
    with pytest.raises(Seen):
        run_command(module.Arguments, module.main, name, module.ERRORS if hasattr(module, "ERRORS") else ())
    expected = set(range(7, 17)) if name == "league" else set(SEEDS)
    assert set(seen) - expected == ({100, 101, 102, 103} if name == "norm_law" else set())
    assert set(seen) >= expected
