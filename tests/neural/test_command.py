"""python -m neural.train, as a user meets it: its files, its exit status and its one
line.
"""

from __future__ import annotations

import io
import json
import os
import runpy
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tqdm import tqdm

from neural.command import run_command
from neural.config import ConfigError
from neural.families import FAMILIES
from neural.families.toy import Toy
from neural.train import family_asked_for, main, options_of

ROOT = Path(__file__).parents[2]
GOLDEN = ("--p", "10", "--n-train", "45", "--seed", "58", "--init", "reference", "--steps", "60")


WORDS = [sys.executable, "-m", "neural.train"]


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end in this process, which has torch loaded already."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
    status: Any = 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(streams[0]), redirect_stderr(streams[1]):
        patch.setattr(sys, "argv", ["neural.train", *arguments])
        patch.delitem(sys.modules, "neural.train")  # else runpy warns
        try:
            runpy.run_module("neural.train", run_name="__main__", alter_sys=True)
        except SystemExit as end:
            status = end.code or 0
    out, err = (stream.buffer.getvalue().decode() for stream in streams)  # pyright: ignore[reportAttributeAccessIssue]
    return subprocess.CompletedProcess(WORDS, status, out, err)


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it as a process of its own."""
    return subprocess.run([*WORDS, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def strict(text: str) -> dict:
    """JSON as the standard has it: no NaN, no Infinity."""

    def refuse(name: str):
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def written(tmp_path_factory: pytest.TempPathFactory, *arguments: str) -> dict:
    """The record that the command writes, into a folder that it has to make; it prints
    the part of it without arrays.
    """
    file = tmp_path_factory.mktemp("run") / "new" / "run.json"
    done = command(*arguments, "--json", str(file))
    assert done.returncode == 0, done.stderr
    record = strict(file.read_text())
    printed = strict(done.stdout)
    assert printed == {name: record[name] for name in printed}
    assert {"mask", "history", "steps", "snapshots"}.isdisjoint(printed)
    return record


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The README's command, but shorter."""
    return written(tmp_path_factory, *GOLDEN)


def test_the_record(record: dict) -> None:
    """Configuration, steps (null: not reached), curves of budget + 1 states, which need
    no list of steps, and embeddings alone.
    """
    assert record["steps_to_train"] is record["steps_to_test"] is record["steps_to_rqi"] is None
    assert (record["p"], record["n_train"], record["seed"], record["init"]) == (10, 45, 58, "reference")
    assert record["budget"] == record["steps_run"] == 60
    assert all(len(curve) == 61 for curve in record["history"].values())
    assert record["history"]["train_loss"][0] == pytest.approx(0.981, abs=5e-4)
    assert sum(record["mask"]) == 45
    assert record["snapshot_steps"][-1] == 60
    assert record["family"] == "toy"
    assert "steps" not in record
    assert np.shape(record["snapshots"])[1:] == (10, 1)


def test_the_same_command_gives_the_same_numbers(record: dict, tmp_path: Path) -> None:
    """All but the time it took, also in a process of its own; written over what was
    there before.
    """
    file = tmp_path / "run.json"
    file.write_text("something much longer, and older" * 10_000)
    assert process(*GOLDEN, "--json", str(file)).returncode == 0
    again = strict(file.read_text())
    assert {**again, "seconds": 0} == {**record, "seconds": 0}


def test_a_diverged_run_is_still_json(tmp_path: Path) -> None:
    """Numbers that are none become null, embeddings included."""
    file = tmp_path / "run.json"
    done = command("--steps", "2", "--repr-lr", "1e30", "--decoder-lr", "1e30", "--json", str(file))
    assert done.returncode == 0, done.stderr
    assert strict(file.read_text())["train_loss"] is None


def test_s3_from_the_command_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], bars: list[tqdm]
) -> None:
    """Matrices in the snapshots, the new fields in the record, a bar that counts steps;
    in this process, to save another start of torch.
    """
    file = tmp_path / "run.json"
    fields = "--operation s3 --p 6 --n-train 30 --d 3 --batch-size 8 --repr-l1 0.001 --steps 2 --width 8"
    more = "--activation relu --targets orthogonal --decoder-optimizer sgd --decoder-warmup 3 --replica 2"
    monkeypatch.setattr(
        sys, "argv", ["neural.train", *fields.split(), *more.split(), "--device", "cpu", "--json", str(file)]
    )
    run_command(options_of(Toy), main, "neural.train")
    record = strict(file.read_text())
    assert strict(capsys.readouterr().out)["operation"] == record["operation"] == "s3"
    assert (record["batch_size"], record["repr_l1"]) == (8, 1e-3)
    assert (record["activation"], record["targets"], record["decoder_optimizer"]) == ("relu", "orthogonal", "sgd")
    assert (record["decoder_warmup"], record["replica"]) == (3, 2)
    assert np.shape(record["snapshots"]) == (len(record["snapshot_steps"]), 6, 3, 3)
    assert (len(record["mask"]), sum(record["mask"])) == (36, 30)
    [bar] = bars
    assert (bar.unit, bar.n, bar.total) == ("step", 2, 2)


def test_modular_from_the_command_line(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Its own fields and thresholds; the steps of its states; all weights at the
    checkpoints.
    """
    fields = "--family modular --p 5 --steps 50 --width 8 --optimizer sgd --batch-size 3 --inputs sum --d 4"
    modular = written(tmp_path_factory, *fields.split(), "--device", "cpu")
    assert (modular["family"], modular["p"], modular["budget"], modular["look_every"]) == ("modular", 5, 50, 25)
    assert (modular["optimizer"], modular["batch_size"], modular["inputs"]) == ("sgd", 3, "sum")
    assert modular["embedding_lr"] is None
    crossings = {name for metric in FAMILIES["modular"].METRICS for name in metric.crossings}
    assert {name for name in modular if name.startswith("steps_to_")} == crossings
    assert modular["steps"] == modular["snapshot_steps"] == [0, 25, 50]
    assert set(modular["history"]) == {metric.name for metric in FAMILIES["modular"].METRICS}
    assert all(len(curve) == 3 for curve in modular["history"].values())
    assert modular["weight_norm"] == pytest.approx(modular["history"]["weight_norm"][-1])
    assert (len(modular["mask"]), sum(modular["mask"])) == (25, 10)
    shapes = {name: np.shape(values) for name, values in modular["snapshots"].items()}
    assert shapes == {"embedding": (3, 1, 5, 4), "hidden": (3, 1, 4, 8), "output": (3, 5, 8)}


def test_digits_from_the_command_line() -> None:
    """By its names for things; and what is not there is one line."""
    fields = "--family digits --data small --n-train 40 --n-test 20 --batch-size 20 --width 8 --alpha 2 --steps 50"
    done = command(*fields.split(), "--device", "cpu")
    assert done.returncode == 0, done.stderr
    printed = strict(done.stdout)
    assert (printed["init_scale"], printed["budget"], printed["data"], printed["last_lr"]) == (2, 50, "small", None)
    assert {name for name in printed if name.endswith("_norm")} == {"weight_norm", "last_norm"}
    missing = command("--family", "digits", "--data", "mnist", "--device", "cpu")
    assert missing.returncode == 1
    assert "mnist needs the file train-images-idx3-ubyte" in missing.stderr.splitlines()[-1]
    assert "Traceback" not in missing.stderr


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], "toy"),
        (["--p", "5"], "toy"),
        (["--family", "toy"], "toy"),
        (["--p", "5", "--family", "modular", "--d", "8"], "modular"),
        (["--family=modular"], "modular"),
        (["--json", "family"], "toy"),
        (["--family", "modular", "--family", "toy"], "toy"),  # the last one counts, as of any option
    ],
    ids=str,
)
def test_the_family_is_known_before_its_options(words: list[str], found: str) -> None:
    assert family_asked_for(words).name == found


def test_the_help_shows_the_two_commands_apart() -> None:
    lines = [line.strip() for line in command("--help").stdout.splitlines()]
    assert len([line for line in lines if line.startswith("python -m neural.train")]) == 2


@pytest.mark.parametrize(
    "words", [["--family"], ["--family", "Toy"], ["--family="], ["--family=x", "--p", "5"]], ids=str
)
def test_an_unknown_family(words: list[str]) -> None:
    names = f"{', '.join(FAMILIES)}, or a file NAME.py"
    with pytest.raises(ConfigError, match=rf"^`family` must be one of {names}, but is '.*'\.$"):
        family_asked_for(words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--p", "1"), "`p` must be an integer of at least 2, but is 1."),
        (("--n-train", "99"), "`n_train` must be at most"),
        (("--loss", "foo"), "foo"),
        (("--seed", "many"), "--seed"),
        (("--json", "{file}/run.json"), "file"),
        (("--device", "cuda"), "CUDA"),
        (
            ("--family", "nonsense"),
            f"`family` must be one of {', '.join(FAMILIES)}, or a file NAME.py, but is 'nonsense'.",
        ),
        (("--family", "modular", "--n-train", "45"), "--n-train"),
        (("--momentum", "1"), "--momentum"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    """What is the user's to fix: "error: ...", a non-zero status, no traceback, and no
    run before it.
    """
    if "cuda" in arguments and torch.cuda.is_available():
        pytest.skip("there is a CUDA device: asking for it is no error")
    (tmp_path / "file").write_text("a file is no folder")
    done = command("--steps", "1", *(part.format(file=tmp_path / "file") for part in arguments))
    assert done.returncode not in (0, None)
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error:")
    assert words in lines[0]


def test_bad_input_is_the_end_of_a_process() -> None:
    done = process("--n-train", "99")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: `n_train` must be at most p(p+1)/2 = 55 for p = 10, but is 99.\n"


@dataclass(frozen=True)
class Options:
    """A made-up command's."""

    n: int = 1
    fraction: float = 0.5
    """Of the samples; --nothing is no option."""
    learning_rate: float = 1.0


@dataclass(frozen=True)
class Settable(Options):
    """One that takes fields of runs as well."""

    set: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plane:
    """One that takes fields of runs alone."""

    set: tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("options", "words", "says"),
    [
        (Options, "--n 2 --learning-rat 3", "there is no option --learning-rat; is it --learning-rate?"),
        (Options, "--learning_rats=3", "there is no option --learning_rats; is it --learning-rate?"),
        (Options, "--n-train 40", "there is no option --n-train; is it --fraction?"),
        (Options, "--nothing", "there is no option --nothing."),
        (Settable, "--width 3", "there is no option --width; a field of runs is --set width=VALUE."),
        (
            Plane,
            "--n-train 4",
            "there is no option --n-train; a field of runs is --set n_train=VALUE or fraction=VALUE.",
        ),
        (Options, "--n 1 2", "'2' is one word too many."),
        (Options, "--n two --learning_rats 3", "there is no option --learning_rats; is it --learning-rate?"),
        (Options, "--n two", "--n must be a whole number, but is 'two'."),
        (Options, "--n", "Missing value for argument '--n'. Expected 1 values."),
    ],
)
def test_a_wrong_option_is_one_line(options, words, says, monkeypatch, capsys) -> None:
    """With the name that was meant, where there is one."""
    monkeypatch.setattr(sys, "argv", ["made-up", *words.split()])
    with pytest.raises(SystemExit) as stopped:
        run_command(options, print, "made-up")
    assert stopped.value.code == 2
    assert capsys.readouterr() == ("", f"error: {says} --help lists the options.\n")


class OwnError(Exception):
    """What a made-up command calls the user's to fix."""


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (OwnError("two\n  lines"), 1, "error: two lines\n"),
        (FileNotFoundError("two lines"), 1, "error: two lines\n"),
        (KeyboardInterrupt(), 130, "interrupted; whatever had finished is kept\n"),  # the status that shells expect
    ],
    ids=repr,
)
def test_an_expected_end_is_one_line(
    error: BaseException,
    status: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Listed errors and the operating system's, folded into a line; Ctrl-C."""

    def main(options: Options) -> None:
        raise error

    monkeypatch.setattr(sys, "argv", ["made-up", "--n", "2"])
    with pytest.raises(SystemExit) as stopped:
        run_command(Options, main, "made-up", errors=(OwnError,))
    assert stopped.value.code == status
    assert capsys.readouterr().err == line


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else is swallowed."""
    monkeypatch.setattr(sys, "argv", ["made-up"])
    with pytest.raises(ZeroDivisionError):
        run_command(Options, lambda options: print(1 // (options.n - 1)), "made-up")


PRINTS = """
from dataclasses import dataclass
from neural.command import run_command
from neural.config import ConfigError

@dataclass
class Nothing:
    pass

def main(_):
    print("first", flush=True)
    input()
    print("more" * LINES)

run_command(Nothing, main, "command")
"""


@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_reader_that_has_seen_enough_is_no_error(lines):
    """`| head`: no complaint, neither by the command nor by Python when it ends; also
    of what Python still held.
    """
    pipe = subprocess.PIPE
    words = [sys.executable, "-c", PRINTS.replace("LINES", str(lines))]
    buffered = os.environ | {"PYTHONUNBUFFERED": ""}
    with subprocess.Popen(words, env=buffered, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as command:
        assert command.stdin is not None
        assert command.stdout is not None
        assert command.stderr is not None
        assert command.stdout.readline() == "first\n"
        command.stdout.close()
        command.stdin.write("\n")
        command.stdin.close()
        assert command.stderr.read() == ""
        assert command.wait() == 128 + signal.SIGPIPE
