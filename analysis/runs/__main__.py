"""Look into the run store: python -m analysis.runs list | export FILE | inspect N;
retrain what has lost its traces, and import the logs of others: import PATH.
"""

from __future__ import annotations

import csv
import sqlite3
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import matplotlib as mpl
import numpy as np
import tyro
from matplotlib.figure import Figure

from analysis.logs.read import columns_from, read_logs
from analysis.report.files import save_picture, table
from analysis.report.look import BLUE, GREEN, LOOK, ORANGE
from analysis.runs import rows
from analysis.runs.executors import Execution, WorkerError
from analysis.runs.imported import import_logs
from analysis.runs.plan import kind_of
from analysis.runs.store import LostTraces, RunStore, StoreError
from analysis.runs.sweep import retrain
from neural import FAMILIES, ConfigError, find_family
from neural._files import check_writable, replacing
from neural.command import run_command
from neural.config import kinds as kinds_of
from neural.families import STORED
from neural.families.external import External
from neural.family import Family, Metric
from neural.foreign import source_of

Where = Annotated[str, tyro.conf.arg(metavar="SQL")]


@dataclass(frozen=True, kw_only=True)
class Looks:
    """The options of every command."""

    family: str | None = None
    """Only runs of this family: toy, modular, digits, teacher, reviews, molecules, messiness, parity, external (those
    imported), a file of yours, NAME.py, or what its runs are called here; by default all, or in export and inspect the
    only one that the store has, or toy."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


@dataclass(frozen=True)
class List(Looks):
    """What is in the store: the values that each field has, and the last runs."""

    where: Where = "1"
    """Only runs for which this holds, for example "decoder_lr < 1e-3 and steps_to_test is not null"."""
    limit: int = 20
    """How many of the runs to print, the last ones."""


@dataclass(frozen=True)
class Export(Looks):
    """Write the runs to a table: a row a run, arrays as JSON."""

    file: tyro.conf.Positional[Path]
    """Where to: NAME.csv or NAME.parquet."""
    where: Where = "1"
    """Only runs for which this holds."""


@dataclass(frozen=True)
class Inspect(Looks):
    """Print all that is known of one run, and draw its learning curves."""

    number: tyro.conf.Positional[int]
    """The run's number, as `list` prints it."""
    picture: Path | None = None
    """Draw the learning curves into this PNG."""


@dataclass(frozen=True)
class Retrain(Looks):
    """Train again the runs whose traces are gone or damaged. Their rows stay."""

    where: Where = "1"
    """Only runs for which this holds."""
    execution: tyro.conf.OmitArgPrefixes[Execution] = field(default_factory=Execution)


@dataclass(frozen=True)
class Import:
    """Put the logs of others into the store, as runs of the family external. What is
    there already stays; a log that has grown takes its own place.
    """

    path: tyro.conf.Positional[Path]
    """CSV, TSV, JSON, JSON lines, Parquet or .npz; or a folder of them, also of a watch."""
    columns: tuple[str, ...] = ()
    """What the file calls things, where that is not obvious: test_accuracy=my_column run=trial."""
    unit: Literal["share", "percent"] | None = None
    """Of accuracies; by default per cent where a file has values above 2."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


Command = List | Export | Inspect | Retrain | Import
ERRORS = (StoreError, WorkerError, sqlite3.Error)


def main(command: Command) -> None:
    if isinstance(command, Import):
        logs = read_logs(command.path, columns_from("columns", command.columns), unit=command.unit)
        with RunStore(command.store) as store:
            n = import_logs(store, logs)
        print(f"{n.added:,} runs of {command.path} imported into {command.store}", end="")
        print(f"; {n.known:,} were there" * (n.known > 0) + f"; {n.replaced:,} had grown" * (n.replaced > 0))
        return
    if isinstance(command, Retrain) and command.family == External.name:
        raise ConfigError("`family` must be one that can be trained, not external: `import` reads its logs again.")
    with RunStore(command.store, read_only=True) as store:
        families = families_called(store, command)
        if isinstance(command, Inspect):
            inspect(store, command, families)
        elif isinstance(command, Export):
            export(store, command, families)
        elif isinstance(command, List):
            for family in families or [FAMILIES["toy"]]:
                show(store, command, family)
    if isinstance(command, Retrain):
        with RunStore(command.store) as store:
            trained = [family for family in families if family is not External]
            n, n_others = retrain(store, trained, command.where, command.execution)
        print(f"{n} runs trained again in {command.store}")
        if n_others:
            print(f"{n_others} of them came out otherwise than their rows, which stay: by another processor or torch")


def families_called(store: RunStore, command: Looks) -> list[type[Family]]:
    """What --family means: a name, NAME@DIGEST of a user's, a file; or ConfigError."""
    if command.family is None and (len(store.families()) == 1 or not isinstance(command, Export | Inspect)):
        return store.families()
    name, _, digest = (command.family or "toy").partition("@")
    own = [(family, source_of(family)) for family in store.families() if family.name == name]
    found = [family for family, source in own if source and source.digest.startswith(digest)]
    return found or [STORED.get(name) or find_family(command.family or "toy")]


def show(store: RunStore, command: List, family: type[Family]) -> None:
    """Print the fields' values and the last runs of one family."""
    if command.limit < 0:
        raise ConfigError(f"`limit` must be an integer of at least 0, but is {command.limit}.")
    columns, last = rows.config_columns(family), [*rows.step_columns(family), "steps_run", "accuracy"]
    last += [metric.name for metric in family.METRICS if metric.kind == "share" and "accuracy" not in metric.name]
    n, values, tail = 0, {name: set() for name in columns}, deque(maxlen=command.limit)
    for batch in store.batches(command.where, [*columns, *last], family):
        n += len(batch)
        tail.extend(batch)
        for seen, column in zip(values.values(), list(zip(*batch, strict=True))[1:], strict=False):
            seen.update(column)
    place = f" ({rows.told(family)})" if rows.told(family) else ""
    print(f"{n} runs in {command.store}" + ("" if family.name == "toy" else f", family {rows.called(family)}{place}"))
    if n == 0:
        return
    if lost := store.lost(family, command.where):
        own = f" ({External.name})" * (family is External)
        print(store.told_lost([f"run {number}{own}" for number, _ in lost]))
    print(table([{"field": name, "values": _values(seen)} for name, seen in values.items()], "simple"), end="\n\n")
    same = {name for name, seen in values.items() if len(seen) == 1}
    runs = [dict(zip(["number", *columns, *last], map(_cell, row), strict=True)) for row in tail]
    print(table([{name: run[name] for name in run if name not in same} for run in runs], "simple"))


def export(store: RunStore, command: Export, families: Sequence[type[Family]]) -> None:
    """Write a table of the runs of a family, of which there must be one."""
    write = {".csv": write_csv, ".parquet": write_parquet}.get(command.file.suffix)
    if write is None:
        raise ConfigError(f"`file` must be NAME.csv or NAME.parquet, but is {command.file}.")
    if len(families) > 1:
        names = ", ".join(map(rows.called, families))
        raise ConfigError(f"`family` must be one of {names}, which the store has, but is {command.family!r}.")
    try:
        command.file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(command.file) as fresh:
            names, batches = ["number", *store.columns(families[0])], store.batches(command.where, family=families[0])
            n = write(fresh, names, batches, families[0])
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
    """As `write_csv`, each column of one type; StoreError if a cell is of another."""
    try:
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter
    except ImportError:
        raise ConfigError("`file` must be NAME.csv: parquet needs the package pyarrow (efftheory[parquet]).") from None
    kinds = dict.fromkeys(names, str) | {name: kind_of(family.Config, name) for name in kinds_of(family.Config)}
    kinds |= dict.fromkeys(rows.number_columns(family), float)
    kinds |= dict.fromkeys(["number", *rows.step_columns(family), "steps_run", "retired", "compiled"], int)
    types = {bool: pa.int64(), int: pa.int64(), float: pa.float64(), str: pa.string()}
    schema, n = pa.schema([(name, types[kinds[name]]) for name in names]), 0
    # opened here: pyarrow takes a name for an address, which must be UTF-8
    with file.open("wb") as content, ParquetWriter(content, schema) as writer:
        for batch in filter(None, batches):
            for number, name, cell in ((row[0], *pair) for row in batch for pair in zip(names, row, strict=True)):
                if cell is not None and not isinstance(cell, (int, float) if kinds[name] is float else kinds[name]):
                    wanted = f"{'text' if kinds[name] is str else 'a number'} as `{name}`"
                    found = f"that of run {number} ({family.name}) is {cell!r:.60}"
                    raise StoreError(f"`store` must have {wanted}, but {found}.")
            columns = zip(*batch, strict=True)
            arrays = [pa.array(column, one.type) for column, one in zip(columns, schema, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema))
            n += len(batch)
    return n


def inspect(store: RunStore, command: Inspect, families: Sequence[type[Family]]) -> None:
    """Print one run, which is of one of these families; draw it if asked."""
    number, file = command.number, command.picture
    if file is not None and file.suffix != ".png":
        raise ConfigError(f"`picture` must be NAME.png, but is {file}.")
    found = [(run, of) for of in families for run in store.select(f"rowid = {number}", of).to_dict("records")]
    if not found:
        raise ConfigError(f"`number` must be that of a run in {command.store} (see list), but is {number}.")
    run, family = found[0]
    config = store.config(number, run["key"], family)
    checked = store.table([config])  # says if the row is damaged
    if checked.empty:
        lost = f"in {command.store} its index does not find run {number} ({family.name}). It was left as it is"
        raise StoreError(f"`store` must be an undamaged run store, but {lost}.")
    scalars = [one for one in run if one not in ("key", *family.ARRAYS, *rows.record_columns(family))]
    print(table([{"name": name, "value": _cell(run[name])} for name in scalars], "simple"))
    if hasattr(config, "n_samples"):  # not of a user's family whose file is not loaded
        print(f"\ntraining set: {config.n_train} of {config.n_samples} samples", end="")
        print(f": {''.join(map(str, checked['mask'][0].astype(int)))}" if "mask" in checked else "")
    if family.name != "toy":
        try:
            store.traces(config)
        except LostTraces as lost:
            print(lost)
    if file is not None:
        try:
            check_writable(file)
        except OSError as error:
            raise ConfigError(f"`picture` must be a file that can be written, but {file}: {error.strerror}.") from None
        save_picture(file, picture(store.curves(config), family.METRICS, f"run {number}"))
        print(file)


_STYLES = {
    "train_accuracy": ("train accuracy", BLUE, "-"),
    "test_accuracy": ("test accuracy", ORANGE, "--"),
    "train_loss": ("train", BLUE, "-"),
    "test_loss": ("test", ORANGE, "--"),
    "rqi": ("RQI", GREEN, ":"),
}


def picture(curves: Mapping[str, np.ndarray], metrics: Sequence[Metric], title: str) -> Figure:
    """Shares, losses, and the embeddings or else the sizes, of RunStore.curves."""
    steps, words = curves["steps"], {metric.name: metric.name.replace("_", " ") for metric in metrics}
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(11, 3.4))
        figure.suptitle(title)
        share, loss, rest = figure.subplots(1, 3, subplot_kw={"xlabel": "steps", "xlim": (0, max(steps[-1], 1))})
        for metric in metrics:
            name, colour, style = _STYLES.get(metric.name, (words[metric.name], GREEN, ":"))
            axes = {"share": share, "loss": loss, "size": rest}[metric.kind]
            axes.plot(steps, curves[metric.name], color=colour, ls=style, label=name)
        rest.set(ylabel=" and ".join(words[metric.name] for metric in metrics if metric.kind == "size"))
        if "embedding" in curves:
            rest.set(ylabel="entries of the embeddings")
            rest.plot(steps, curves["embedding"].reshape(len(steps), -1), color="0.3", lw=0.8)
        share.set(ylim=(-0.02, 1.02), ylabel="share")
        loss.set(yscale="log", ylabel="loss")
        share.legend()
        loss.legend()
    return figure


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
