"""Look into the run store: python -m analysis.runs list | export FILE | inspect N, and
retrain what has lost its traces.
"""

from __future__ import annotations

import csv
import sqlite3
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, get_args

import tyro

from analysis.report.files import save_picture, table
from analysis.runs.executors import Execution, WorkerError
from analysis.runs.kept import called, told
from analysis.runs.pictures import learning_curves
from analysis.runs.store import (
    LostTraces,
    RunStore,
    StoreError,
    config_columns,
    record_columns,
    result_columns,
    step_columns,
)
from analysis.runs.sweep import retrain
from neural import FAMILIES, ConfigError
from neural._files import check_writable, replacing
from neural.command import run_command
from neural.config import kinds
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
    """Only runs of this family: toy, modular, digits, teacher, reviews, molecules, messiness, parity, a file of yours,
    NAME.py, or what its runs are called here."""
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
    """Which networks: toy, modular, digits, teacher, reviews, molecules, messiness, parity, a file of yours, NAME.py,
    or what its runs are called here."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


@dataclass(frozen=True)
class Inspect:
    """Print all that is known of one run, and draw its learning curves."""

    number: tyro.conf.Positional[int]
    """The run's number, as `list` prints it."""
    family: str = "toy"
    """Which networks: toy, modular, digits, teacher, reviews, molecules, messiness, parity, a file of yours, NAME.py,
    or what its runs are called here."""
    picture: Path | None = None
    """Draw the learning curves into this PNG."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


@dataclass(frozen=True)
class Retrain:
    """Train again the runs whose traces are gone or damaged. Their rows stay."""

    where: Where = "1"
    """Only runs for which this holds."""
    family: str | None = None
    """Only runs of this family: modular, digits, teacher, reviews, molecules, messiness, parity, or a file of yours,
    NAME.py."""
    execution: tyro.conf.OmitArgPrefixes[Execution] = field(default_factory=Execution)
    store: Path = Path("results/runs.sqlite")
    """The run store."""


Command = (
    Annotated[List, tyro.conf.subcommand("list")]
    | Annotated[Export, tyro.conf.subcommand("export")]
    | Annotated[Inspect, tyro.conf.subcommand("inspect")]
    | Annotated[Retrain, tyro.conf.subcommand("retrain")]
)
ERRORS = (StoreError, WorkerError, sqlite3.Error)


def main(command: List | Export | Inspect | Retrain) -> None:
    with RunStore(command.store, read_only=True) as store:
        toy = [FAMILIES["toy"]]
        families = store.families() if command.family is None else store.families_called(command.family)
        if isinstance(command, Inspect):
            inspect(store, command, families)
        elif isinstance(command, Export):
            export(store, command, families)
        elif isinstance(command, Retrain):
            train_lost(command, families)
        else:
            for family in families or toy:
                show(store, command, family)


def show(store: RunStore, command: List, family: type[Family]) -> None:
    """Print the fields' values and the last runs of one family."""
    if command.limit < 0:
        raise ConfigError(f"`limit` must be an integer of at least 0, but is {command.limit}.")
    columns, last = config_columns(family), [*step_columns(family), "steps_run", "accuracy"]
    last += [metric.name for metric in family.METRICS if metric.kind == "share" and "accuracy" not in metric.name]
    n, values, tail = 0, [set() for _ in columns], deque(maxlen=command.limit)
    for batch in store.batches(command.where, [*columns, *last], family):
        n += len(batch)
        tail.extend(batch)
        for seen, column in zip(values, list(zip(*batch, strict=True))[1:], strict=False):
            seen.update(column)
    place = f" ({told(family)})" if told(family) else ""
    print(f"{n} runs in {command.store}" + ("" if family.name == "toy" else f", family {called(family)}{place}"))
    if n == 0:
        return
    lost = store.lost(family, command.where)
    if lost:
        some = ", ".join(str(number) for number, _ in lost[:5]) + (", ..." if len(lost) > 5 else "")
        print(f"{len(lost)} of them have lost their traces ({some}). {store.advice()}")
    print(
        table([{"field": name, "values": _values(seen)} for name, seen in zip(columns, values, strict=True)], "simple")
    )
    varied = {name for name, seen in zip(columns, values, strict=True) if len(seen) > 1}
    lines = [dict(zip(["number", *columns, *last], row, strict=True)) for row in tail]
    print()
    print(
        table(
            [
                {name: _cell(value) for name, value in row.items() if name in varied or name not in columns}
                for row in lines
            ],
            "simple",
        )
    )


def export(store: RunStore, command: Export, families: Sequence[type[Family]]) -> None:
    """Write a table of the runs of a family, of which there must be one."""
    if command.file.suffix not in (".csv", ".parquet"):
        raise ConfigError(f"`file` must be NAME.csv or NAME.parquet, but is {command.file}.")
    if len(families) > 1:
        names = ", ".join(map(called, families))
        raise ConfigError(f"`family` must be one of {names}, which the store has, but is {command.family!r}.")
    [family] = families
    names = ["number", *store.columns(family)]
    batches = store.batches(command.where, family=family)
    try:
        command.file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(command.file) as fresh:
            write = write_csv if command.file.suffix == ".csv" else write_parquet
            n = write(fresh, names, batches, family)
    except OSError as error:
        raise ConfigError(f"`file` must be a file that can be written, but {command.file}: {error.strerror}.") from None
    print(f"{n} runs in {command.file}")


def write_csv(file: Path, names: Sequence[str], batches: Iterable[list[tuple]], family: type[Family]) -> int:
    """Write rows as they come; how many they were."""
    n = 0
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(names)
        for batch in batches:
            writer.writerows(batch)
            n += len(batch)
    return n


def write_parquet(file: Path, names: Sequence[str], batches: Iterable[list[tuple]], family: type[Family]) -> int:
    """Write rows as they come, each column of one type; how many they were.

    Raises:
        ConfigError: there is no pyarrow.
        StoreError: a number is none; the message names the run.
    """
    try:
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter
    except ImportError:
        raise ConfigError("`file` must be NAME.csv: parquet needs the package pyarrow (efftheory[parquet]).") from None
    kinds = column_kinds(family)
    types = {int: pa.int64(), float: pa.float64(), str: pa.string()}
    schema = pa.schema([(name, types[kinds[name]]) for name in names])
    n = 0
    # opened here: pyarrow takes a name for an address, which must be UTF-8
    with file.open("wb") as content, ParquetWriter(content, schema) as writer:
        for batch in batches:
            for row in batch:
                for name, cell in zip(names, row, strict=True):
                    if cell is not None and not isinstance(cell, (int, float) if kinds[name] is float else kinds[name]):
                        wanted = "text" if kinds[name] is str else "a number"
                        raise StoreError(
                            f"`store` must have {wanted} as `{name}`, but that of run {row[0]} ({family.name}) is "
                            f"{cell!r:.60}."
                        )
            columns = zip(*batch, strict=True) if batch else [()] * len(names)
            arrays = [pa.array(column, one.type) for column, one in zip(columns, schema, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema))
            n += len(batch)
    return n


def column_kinds(family: type[Family]) -> dict[str, type]:
    """What each column of an export has: int, float or str."""
    found: dict[str, type] = {"number": int, "key": str}
    for name, hint in kinds(family.Config).items():
        options = [kind for kind in (hint, *get_args(hint)) if kind in (int, bool, float)]
        found[name] = str if not options else float if options[0] is float else int
    found |= dict.fromkeys(result_columns(family), str)
    found |= dict.fromkeys(["accuracy", *(metric.name for metric in family.METRICS)], float)
    return found | dict.fromkeys([*step_columns(family), "steps_run", "retired", "compiled"], int)


def train_lost(command: Retrain, families: Sequence[type[Family]]) -> None:
    """Train again what has lost its traces."""
    with RunStore(command.store) as store:
        n, n_others = retrain(store, families, command.where, command.execution)
    print(f"{n} runs trained again in {command.store}")
    if n_others:
        print(f"{n_others} of them came out otherwise than their rows, which stay: by another processor or torch")


def inspect(store: RunStore, command: Inspect, families: Sequence[type[Family]]) -> None:
    """Print one run, which is of one of these families; draw it if asked."""
    if command.picture is not None and command.picture.suffix != ".png":
        raise ConfigError(f"`picture` must be NAME.png, but is {command.picture}.")
    for family in families:
        runs = store.select(f"rowid = {command.number}", family=family)
        if not runs.empty:
            break
    else:
        raise ConfigError(f"`number` must be that of a run in {command.store} (see list), but is {command.number}.")
    [run] = runs.to_dict("records")
    config = store.config(command.number, run["key"], family)
    found = store.table([config]).to_dict("records")  # says if the row is damaged
    if not found:
        raise StoreError(
            f"`store` must be an undamaged run store, but in {command.store} its index does not find run "
            f"{command.number} ({family.name}). It was left as it is."
        )
    [whole] = found
    scalars = {name: run[name] for name in run if name not in ("key", *family.ARRAYS, *record_columns(family))}
    print(table([{"name": name, "value": _cell(value)} for name, value in scalars.items()], "simple"))
    if hasattr(config, "n_samples"):  # not of a user's family whose file is not loaded
        print(f"\ntraining set: {config.n_train} of {config.n_samples} samples", end="")
        print(f": {''.join(map(str, whole['mask'].astype(int)))}" if "mask" in whole else "")
    if family.name != "toy":
        try:
            store.traces(config)
        except LostTraces as lost:
            print(lost)
    if command.picture is not None:
        try:
            check_writable(command.picture)
        except OSError as error:
            raise ConfigError(
                f"`picture` must be a file that can be written, but {command.picture}: {error.strerror}."
            ) from None
        curves = store.curves(config)
        save_picture(command.picture, learning_curves(curves, family.METRICS, f"run {command.number}"))
        print(command.picture)


def _values(seen: Collection[Any]) -> str:
    numbers = sorted(value for value in seen if isinstance(value, int | float))
    if len(seen) <= 6:
        others = sorted(_cell(value) for value in seen if not isinstance(value, int | float))
        return ", ".join([*map(_cell, numbers), *others])
    return f"{len(seen)} values" + (f", {_cell(min(numbers))} to {_cell(max(numbers))}" if numbers else "")


def _cell(value: Any) -> str:
    if value is None or value == "" or value != value:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    command: Any = Command
    run_command(command, main, "python -m analysis.runs", ERRORS)
