"""Look into the run store: python -m analysis.runs list | export FILE | inspect N."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import tyro

from analysis._report import save_picture, table
from analysis.runs.pictures import learning_curves
from analysis.runs.store import RunStore, StoreError, config_columns, config_of, step_columns
from neural import FAMILIES, ConfigError, family_of
from neural._files import replacing
from neural.command import run_command
from neural.family import Family

Where = Annotated[str, tyro.conf.arg(metavar="SQL")]


@dataclass(frozen=True)
class List:
    """What is in the store: the values that each field has, and the last runs."""

    where: Where = "1"
    """Only runs for which this holds, for example "decoder_lr < 1e-3 and steps_to_test is not null"."""
    limit: int = 20
    """How many of the runs to print, the last ones."""
    family: str | None = None
    """Only runs of this family: toy, modular, digits, teacher, reviews, molecules, messiness or parity."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


@dataclass(frozen=True)
class Export:
    """Write the runs to a table: a row a run, arrays as JSON."""

    file: tyro.conf.Positional[Path]
    """Where to: NAME.csv or NAME.parquet."""
    where: Where = "1"
    """Only runs for which this holds."""
    family: str = "toy"
    """Which networks: toy, modular, digits, teacher, reviews, molecules, messiness or parity."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


@dataclass(frozen=True)
class Inspect:
    """Print all that is known of one run, and draw its learning curves."""

    number: tyro.conf.Positional[int]
    """The run's number, as `list` prints it."""
    family: str = "toy"
    """Which networks: toy, modular, digits, teacher, reviews, molecules, messiness or parity."""
    picture: Path | None = None
    """Draw the learning curves into this PNG."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


Command = (
    Annotated[List, tyro.conf.subcommand("list")]
    | Annotated[Export, tyro.conf.subcommand("export")]
    | Annotated[Inspect, tyro.conf.subcommand("inspect")]
)


def main(command: List | Export | Inspect) -> None:
    if command.family is not None and command.family not in FAMILIES:
        raise ConfigError(f"`family` must be one of {', '.join(FAMILIES)}, but is {command.family!r}.")
    with RunStore(command.store, read_only=True) as store:
        if isinstance(command, Inspect):
            inspect(store, command)
        elif isinstance(command, Export):
            export(store, command)
        elif command.family is not None:
            show(store, command, FAMILIES[command.family])
        else:
            for family in store.families() or [FAMILIES["toy"]]:
                show(store, command, family)


def show(store: RunStore, command: List, family: type[Family]) -> None:
    """Print the fields' values and the last runs of one family."""
    if command.limit < 0:
        raise ConfigError(f"`limit` must be an integer of at least 0, but is {command.limit}.")
    columns, last = config_columns(family), [*step_columns(family), "steps_run", "accuracy"]
    last += [metric.name for metric in family.METRICS if metric.kind == "share" and "accuracy" not in metric.name]
    runs = store.select(command.where, [*columns, *last], family)
    print(f"{len(runs)} runs in {command.store}" + ("" if family.name == "toy" else f", family {family.name}"))
    if runs.empty:
        return
    rows = [{"field": name, "values": _values(runs[name])} for name in columns]
    print(table(rows, "simple"))
    varied = [name for name in columns if runs[name].nunique(dropna=False) > 1]
    lines = runs[["number", *varied, *last]].tail(command.limit)
    print()
    print(
        table([{str(name): _cell(value) for name, value in row.items()} for row in lines.to_dict("records")], "simple")
    )


def export(store: RunStore, command: Export) -> None:
    """Write a table of the runs."""
    if command.file.suffix not in (".csv", ".parquet"):
        raise ConfigError(f"`file` must be NAME.csv or NAME.parquet, but is {command.file}.")
    runs = store.select(command.where, family=FAMILIES[command.family])
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
    runs = store.select(f"rowid = {command.number}", family=FAMILIES[command.family])
    if runs.empty:
        raise ConfigError(f"`number` must be that of a run in {command.store} (see list), but is {command.number}.")
    [run] = runs.to_dict("records")
    arrays = [name for name, value in run.items() if isinstance(value, str) and value.startswith("[")]
    scalars = {name: value for name, value in run.items() if name != "key" and name not in arrays}
    print(table([{"name": name, "value": _cell(value)} for name, value in scalars.items()], "simple"))
    config = config_of(run["key"])
    print(f"\ntraining set: {config.n_train} of {config.n_samples} samples", end="")
    print(f": {''.join(map(str, json.loads(run['mask'])))}" if "mask" in run else "")
    if command.picture is not None:
        try:
            command.picture.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"`picture` must be a file that can be written, but {command.picture}: {error.strerror}."
            ) from None
        curves = store.curves(config)
        save_picture(command.picture, learning_curves(curves, family_of(config).METRICS, f"run {command.number}"))
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
