"""Train one run, of the toy model or of another family."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import numpy as np
import tyro

from neural._files import check_writable, replacing
from neural.command import run_command
from neural.config import ConfigError, filled, kinds, option_of
from neural.families import family_of, find_family
from neural.families.toy import RunConfig
from neural.family import Family
from neural.history import History
from neural.training import resolve_device, train_runs

Config = TypeVar("Config")


@dataclass(frozen=True)
class Arguments(Generic[Config]):
    """Train one network and print when it crossed the thresholds (null = not within the
    budget).

    The toy model, or networks of another family, which has options of its own:

    python -m neural.train --p 10 --n-train 45 --seed 58 --steps 2000

    python -m neural.train --family modular --p 31 --steps 3000 --json FILE
    """

    run: tyro.conf.OmitArgPrefixes[Config]
    family: str = "toy"
    """Which networks: toy, modular, digits, teacher, reviews, molecules, messiness, parity, or a file of yours,
    NAME.py. Each has options of its own: --family modular --help."""
    json: Path | None = None
    """Write the record of the run (configuration, steps, history, weights) here."""
    device: str = "auto"
    """auto, cpu or cuda."""
    compile: bool = False
    """Compile the training step: pays from about 20,000 steps on."""


def main(arguments: Arguments[Any]) -> None:
    device = resolve_device(arguments.device)
    if arguments.json is not None:  # before the training: an unwritable file must not cost a run
        try:
            check_writable(arguments.json)
        except OSError as error:
            raise _unwritable(arguments.json, error) from None
    run = filled(arguments.run)
    begin = time.monotonic()
    [history] = train_runs([run], device, compiled=arguments.compile, progress=True)
    record = {"family": family_of(run).name, **asdict(run), **history.summary(), "device": device}
    record["seconds"] = round(time.monotonic() - begin, 3)
    print(json.dumps(record, indent=2))
    if arguments.json is not None:
        try:
            with replacing(arguments.json) as fresh:
                fresh.write_text(json.dumps(record | curves(history)) + "\n")
        except OSError as error:
            raise _unwritable(arguments.json, error) from None


def _unwritable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"`json` must be a file that can be written, but {path}: {error.strerror}.")


def curves(history: History) -> dict[str, object]:
    """The arrays of a run as JSON-ready lists; nan and inf, which JSON does not have,
    become null.
    """

    def plain(values: np.ndarray) -> list:
        return np.where(np.isfinite(values), values.astype(object), np.array(None)).tolist()

    found: dict[str, object] = {
        "mask": history.mask.tolist(),
        "history": {name: plain(values) for name, values in history.traces.items()},
        "snapshot_steps": history.checkpoint_steps.tolist(),
    }
    if isinstance(history.config, RunConfig):
        return found | {"snapshots": plain(history.checkpoints["embedding"].astype(float))}
    weights = {name: plain(values) for name, values in history.checkpoints.items()}
    return found | {"steps": history.steps.tolist(), "snapshots": weights}


def family_asked_for(words: list[str]) -> type[Family]:
    """That of --family, before the rest is parsed: options are its configuration's."""
    found = "toy"
    for word, value in pairwise([*words, ""]):
        name, equals, behind = word.partition("=")
        if name == "--family":
            found = behind if equals else value
    return find_family(found)


def options_of(family: type[Family]) -> Any:
    """The type of the command's options for networks of a family; the aliases of its
    fields are options, too.
    """
    for one in fields(family.Config):
        names = [f"--{alias.replace('_', '-')}" for alias in option_of(one).aliases]
        kind = Annotated[kinds(family.Config)[one.name], tyro.conf.arg(aliases=names)]
        family.Config.__annotations__[one.name] = kind
    return Arguments[family.Config]


if __name__ == "__main__":
    try:
        asked = options_of(family_asked_for(sys.argv[1:]))
    except ConfigError as error:
        print("error:", error, file=sys.stderr)
        sys.exit(1)
    run_command(asked, main, "python -m neural.train")
