"""Look into the run store: python -m analysis.runs list | export FILE | inspect NUMBER."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import tyro

from analysis._report import replacing, save_picture, table
from analysis.runs.pictures import learning_curves
from analysis.runs.store import CONFIG_COLUMNS, STEPS, RunStore, StoreError
from neural import ConfigError, RunConfig
from neural.command import run_command

Where = Annotated[str, tyro.conf.arg(metavar="SQL")]


@dataclass(frozen=True)
class List:
    """What is in the store: the values that each field has, and the last runs."""

    where: Where = "1"
    """Only runs for which this holds, for example "decoder_lr < 1e-3 and steps_to_test is not null"."""
    limit: int = 20
    """How many of the runs to print, the last ones."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


@dataclass(frozen=True)
class Export:
    """Write the runs to a table: a row a run, arrays as JSON."""

    file: tyro.conf.Positional[Path]
    """Where to: NAME.csv or NAME.parquet."""
    where: Where = "1"
    """Only runs for which this holds."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


@dataclass(frozen=True)
class Inspect:
    """Print all that is known of one run, and draw its learning curves."""

    number: tyro.conf.Positional[int]
    """The run's number, as `list` prints it."""
    picture: Path | None = None
    """Draw the learning curves into this PNG."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


Command = (
    Annotated[List, tyro.conf.subcommand("list")]
    | Annotated[Export, tyro.conf.subcommand("export")]
    | Annotated[Inspect, tyro.conf.subcommand("inspect")]
)
_SHORT = [*STEPS, "steps_run", "accuracy", "rqi"]


def main(command: List | Export | Inspect) -> None:
    with RunStore(command.store, read_only=True) as store:
        if isinstance(command, Inspect):
            inspect(store, command)
        elif isinstance(command, Export):
            export(store, command)
        else:
            show(store, command)


def show(store: RunStore, command: List) -> None:
    """Print the fields' values and the last runs."""
    if command.limit < 0:
        raise ConfigError(f"`limit` must be an integer of at least 0, but is {command.limit}.")
    runs = store.select(command.where, [*CONFIG_COLUMNS, *_SHORT])
    print(f"{len(runs)} runs in {command.store}")
    if runs.empty:
        return
    rows = [{"field": name, "values": _values(runs[name])} for name in CONFIG_COLUMNS]
    print(table(rows, "simple"))
    varied = [name for name in CONFIG_COLUMNS if runs[name].nunique(dropna=False) > 1]
    last = runs[["number", *varied, *_SHORT]].tail(command.limit)
    print()
    print(
        table([{str(name): _cell(value) for name, value in row.items()} for row in last.to_dict("records")], "simple")
    )


def export(store: RunStore, command: Export) -> None:
    """Write a table of the runs."""
    if command.file.suffix not in (".csv", ".parquet"):
        raise ConfigError(f"`file` must be NAME.csv or NAME.parquet, but is {command.file}.")
    runs = store.select(command.where)
    try:
        command.file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(command.file) as fresh:
            if command.file.suffix == ".csv":
                runs.to_csv(fresh, index=False)
            else:
                runs.to_parquet(fresh, index=False)
    except ImportError:
        raise ConfigError("`file` must be NAME.csv: parquet needs the package pyarrow (efftheory[parquet]).") from None
    except OSError as error:
        raise ConfigError(f"`file` must be a file that can be written, but {command.file}: {error.strerror}.") from None
    print(f"{len(runs)} runs in {command.file}")


def inspect(store: RunStore, command: Inspect) -> None:
    """Print one run, draw it if asked."""
    if command.picture is not None and command.picture.suffix != ".png":
        raise ConfigError(f"`picture` must be NAME.png, but is {command.picture}.")
    runs = store.select(f"rowid = {command.number}")
    if runs.empty:
        raise ConfigError(f"`number` must be that of a run in {command.store} (see list), but is {command.number}.")
    [run] = runs.to_dict("records")
    arrays = [name for name, value in run.items() if isinstance(value, str) and value.startswith("[")]
    scalars = {name: value for name, value in run.items() if name != "key" and name not in arrays}
    print(table([{"name": name, "value": _cell(value)} for name, value in scalars.items()], "simple"))
    trained = json.loads(run["mask"])
    print(f"\ntraining set: {sum(trained)} of {len(trained)} samples: {''.join(map(str, trained))}")
    if command.picture is not None:
        try:
            command.picture.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"`picture` must be a file that can be written, but {command.picture}: {error.strerror}."
            ) from None
        config = RunConfig(**json.loads(run["key"]))
        save_picture(command.picture, learning_curves(store.curves(config), f"run {command.number}"))
        print(command.picture)


def _values(column: pd.Series) -> str:
    values: Sequence[Any] = [None if pd.isna(value) else value for value in column.unique().tolist()]
    numbers = sorted(value for value in values if isinstance(value, int | float))
    if len(values) <= 6:
        return ", ".join([*map(_cell, numbers), *sorted(_cell(value) for value in values if value not in numbers)])
    return f"{len(values)} values" + (f", {_cell(min(numbers))} to {_cell(max(numbers))}" if numbers else "")


def _cell(value: Any) -> str:
    if value is None or value == "" or value != value:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    command: Any = Command
    run_command(command, main, "python -m analysis.runs", (StoreError, sqlite3.Error))
