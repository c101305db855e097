"""Anybody's logs of training runs, read: what the columns of a file are called, which
rows are one run's, and whether they can be a log.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, product
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from analysis.logs.files import STEPS, LogTable, log_tables, refusal, scalars
from analysis.logs.log import Log
from neural import ConfigError
from neural.config import nearest

CURVES = ("train_loss", "test_loss", "train_accuracy", "test_accuracy", "weight_norm")
# What people call a run, and the columns of a table with a row a metric.
_RUN = ("run", "run_id", "run_name", "trial", "experiment", "replica", "seed", "seeds")
_METRIC, _VALUE = ("metric", "metrics", "metric_name", "tag", "key", "variable", "name"), ("value", "metric_value")
_SPLIT = ("split", "dataset", "phase", "set", "partition", "subset")
# The words of a curve's name; of several columns of test accuracy the first counts.
_TRAIN = ("train", "training", "tr")
_TEST = ("test", "heldout", "holdout", "val", "valid", "validation", "dev", "eval", "evaluation", "te")
_KINDS = {"accuracy": ("acc", "accuracy", "accuracies"), "loss": ("loss", "losses", "nll", "xent")}
_NOISE = {"mean", "avg", "average", "step", "epoch", "set", "data", "split", "top", "1", "score", "metric", "metrics"}
_NOISE |= {"total", "full", "ce", "mse", "cross", "entropy", "crossentropy", "out", "held", "percent", "pct"}
_NORMS = ({"weight", "norm"}, {"weights", "norm"}, {"param", "norm"}, {"params", "norm"}, {"parameter", "norm"})
_NORMS += ({"parameters", "norm"}, {"wnorm"}, {"norm"}, {"wn"})
_OF_NORMS = {"total", "l", "2", "l2", "global", "model"}
# Names of settings, and what people call them.
_SETTINGS = {
    "p": ("prime", "modulus", "mod"),
    "fraction": ("frac", "train_frac", "train_fraction", "training_fraction", "frac_train", "data_fraction"),
    "weight_decay": ("wd", "lam", "lambda", "l2"),
    "learning_rate": ("lr", "eta"),
    "n_train": ("train_size", "n_samples", "num_train", "train_samples"),
    "n_test": ("test_size", "num_test", "m_test"),
    "budget": ("max_steps", "n_steps", "num_steps", "total_steps", "max_iters", "num_iterations", "n_iterations"),
    "operation": ("op", "task"),
    "optimizer": ("optim", "opt"),
    "batch_size": ("batch", "bs"),
    "seed": ("random_seed", "rng_seed"),
    "wc": ("wc_used",),
}
_CALLED = {other: name for name, others in _SETTINGS.items() for other in (name, *others)}
_OUTCOMES = {"diverged"}  # numbers beside a published run that only its end knows
_THRESHOLDS = {"acc_mem": "memorised", "acc_grok": "generalised"}
_TINY = 1e-6  # by which a rounded share may be above 1
_MOST_METRICS = 1_000
_SURELY_PERCENT = 2.0  # up to here it may be a broken share
Unit = Literal["share", "percent"]


def read_logs(
    path: Path | str,
    columns: Mapping[str, str] | None = None,
    run_columns: Sequence[str] = (),
    unit: Unit | None = None,
    memorised: float | None = None,
    generalised: float | None = None,
) -> list[Log]:
    """The logs in a file, or in a folder and those within it: each run of each file, in
    their order.

    Args:
        path: CSV, TSV, JSON, JSON lines, Parquet or .npz; or a folder of them, also of
            a watch.
        columns: the file's own names by ours ("step", those of CURVES, of settings),
            where these are not obvious.
        run_columns: the columns that tell runs apart; by default run, seed and the
            like.
        unit: of accuracies; by default per cent where a file has values above 2.
        memorised: the train accuracy at which a run has memorised, see Log.
        generalised: likewise, the test accuracy.

    Raises:
        ConfigError: there is no log, or it is broken.
    """
    limits = {"memorised": memorised, "generalised": generalised}
    given = {name: value for name, value in limits.items() if value is not None}
    for name, value in given.items():
        if not 0 < value <= 1:
            raise ConfigError(f"`{name}` must be a share above 0, and at most 1, but is {value:g}.")
    wanted = dict(columns or {})
    known = ["step", "run", *CURVES, *_SETTINGS]
    for name in wanted:
        if name not in known:
            near = nearest(name, known)
            meant = f"; is it {near}?" if near else "."
            raise ConfigError(f"`columns` must name {', '.join(known)}, but names {name!r}{meant}")
    runs = [*run_columns, *([wanted.pop("run")] if "run" in wanted else [])]
    found = [log for table in log_tables(Path(path)) for log in _Reader(table, wanted, runs).logs(given)]
    files = [[*logs] for _, logs in groupby(found, key=lambda log: log.source)]
    percent = [logs[0].source for logs in files if _made_shares(logs, unit)]
    if percent and unit is None:
        others = f" and {len(percent) - 1:,} other files" if percent[1:] else ""
        print(f"{percent[0]}{others}: accuracies above 2, read as per cent", file=sys.stderr)
    return found


def columns_from(option: str, texts: Sequence[str]) -> dict[str, str]:
    """What a command's option says, NAME=COLUMN each, as `read_logs` takes it."""
    for text in texts:
        if not all(text.partition("=")[::2]):
            raise ConfigError(f"`{option}` must be NAME=COLUMN, but is {text!r}.")
    return {name: column for name, _, column in (text.partition("=") for text in texts)}


def words_of(name: str) -> list[str]:
    """A column's name in small words: `valAcc`, `val/acc` and `Val Acc` are one."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    apart = re.sub(r"(?i)\b(train|test|valid|val|eval)(?=acc|loss)", r"\1 ", apart)
    return re.findall(r"[a-z]+|\d+", apart.lower())


def curve_of(name: str) -> tuple[str, tuple[int, ...]] | None:
    """Which of CURVES a column is, and how surely, the surest least; None: none."""
    if name in CURVES:
        return name, (-1,)
    words = words_of(name)
    if set(words) - _OF_NORMS in _NORMS:
        return "weight_norm", (0, len(words))
    for kind, names in _KINDS.items():
        rest = set(words) - set(names)
        if len(rest) == len(set(words)):
            continue
        sides = rest & {*_TRAIN, *_TEST}
        if rest - sides <= _NOISE and len(sides) < 2:
            [side] = sides or {""}
            order = _TEST.index(side) if side in _TEST else 0 if side else 1
            return f"{'test' if side in _TEST else 'train'}_{kind}", (order, int("step" in words), len(words))
    return None


def setting_of(name: str) -> str:
    """Our name of a setting: that of its last part, where the whole is not known."""
    whole, last = ("_".join(words_of(part)) for part in (name, name.rpartition("/")[2]))
    return _CALLED.get(whole) or _CALLED.get(last) or name


def _numbers(values: NDArray[Any]) -> NDArray[np.float64]:
    """As numbers, nan for blank; ValueError, TypeError or OverflowError if one is
    none.
    """
    if values.dtype.kind in "bfiu":
        return values.astype(np.float64)
    return np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64)


def _there(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Where something is, and not nan."""
    if values.dtype.kind in "biuU":
        return np.ones(len(values), dtype=bool)
    if values.dtype.kind == "f":
        return ~np.isnan(values)
    return np.array([value is not None and value == value for value in values], dtype=bool)


class _Reader:
    """One table of a file, to be read as the logs of runs."""

    def __init__(self, table: LogTable, wanted: Mapping[str, str], runs: Sequence[str]):
        self.table = table
        self.columns = dict(table.columns)
        for name, theirs in wanted.items():
            self._demand_column(theirs, "columns")
            if name != theirs and name in self.columns:
                self.columns[f"{name} of the file"] = self.columns.pop(name)
            self.columns[name] = self.columns.pop(theirs)
        for name in runs:
            self._demand_column(name, "run_columns")
        self.called = {"_".join(words_of(name)): name for name in reversed(self.columns)}
        self.step = self._first(STEPS)
        self.runs = [*runs] or [self.called[name] for name in _RUN if name in self.called]
        self.runs = [name for name in self.runs if name != self.step]
        if self.step is None:
            self._refuse("have a column of steps", f"{self._has()}; name it: step=NAME")
        self._spread()

    def _refuse(self, must: str, found: str) -> Any:
        raise refusal(must, found)

    def _has(self) -> str:
        names = ", ".join(list(self.columns)[:12]) or "none"
        return f"{self.table.path} has the columns {names}{', ...' if len(self.columns) > 12 else ''}"

    def _demand_column(self, name: str, argument: str) -> None:
        if name not in self.columns:
            near = nearest(name, self.columns)
            hint = f"; is it {near}?" if near else "."
            raise ConfigError(f"`{argument}` must name columns of {self.table.path}, but it has no {name!r}{hint}")

    @property
    def _usual(self) -> str:
        """What the only run of a file is called: like the file, or the folder of a
        watch.
        """
        path = self.table.path
        return (self.table.watched and path.absolute().parent.name) or path.stem

    def _first(self, names: Sequence[str]) -> str | None:
        return next((self.called[name] for name in names if name in self.called), None)

    def _at(self, row: Any) -> str:
        return f"{self.table.word} {self.table.places[row]} of {self.table.path}"

    def _spread(self) -> None:
        """Give each metric of a table with a row a metric, or with a row a side, a
        column of its own.
        """
        metric, value, split = self._first(_METRIC), self._first(_VALUE), self._first(_SPLIT)
        labels: list[str] = []
        if metric and value:
            labels, values = [metric], [value]
        else:
            values = [name for name in self.columns if (of := curve_of(name)) and of[0].startswith("train")]
        if split and {str(one).lower() for one in self.columns[split]} & {*_TRAIN, *_TEST}:
            labels.append(split)
        if not labels:
            return
        texts = zip(*(self.columns.pop(label) for label in labels), strict=True)
        names = np.array(["/".join(map(str, text)) for text in texts], dtype=object)
        given = {name: self.columns.pop(name).astype(object) for name in values}
        if len(different := dict.fromkeys(names)) > _MOST_METRICS:
            found = f"{self.table.path} has {len(different):,} in column {labels[0]}"
            self._refuse(f"have at most {_MOST_METRICS:,} metrics", found)
        for name, (column, cells) in product(different, given.items()):
            new = name if [column] == [value] else f"{name}/{column}"
            if new not in self.columns:
                self.columns[new] = cells.copy()
                self.columns[new][names != name] = None

    # ---- a run's rows

    def logs(self, limits: Mapping[str, float]) -> list[Log]:
        """The logs of all runs; their accuracies in the file's own unit."""
        found = [self._log(name, rows, limits) for name, rows in self._groups()]
        if not found:
            self._refuse("have rows", f"{self.table.path} has none")
        return found

    def _groups(self) -> Iterator[tuple[str, NDArray[np.int64]]]:
        """Each run's name and rows."""
        there = [name for name in self.columns if name not in self.runs]
        filled = np.zeros(len(self.table.places), dtype=bool)
        for name in there:
            filled |= _there(self.columns[name])
        rows = np.flatnonzero(filled)
        labels: dict[tuple[str, ...], list[int]] = {}
        for row in rows:
            label = tuple(str(self.columns[name][row]) for name in self.runs)
            if any(self.columns[name][row] is None for name in self.runs):
                name = next(name for name in self.runs if self.columns[name][row] is None)
                self._refuse("say of each row whose it is", f"{self._at(row)} has nothing in column {name}")
            labels.setdefault(label, []).append(int(row))
        named = 1 if len({label[:1] for label in labels}) == len(labels) else None
        for label, those in labels.items():
            name = "/".join(label[:named]) if len(labels) > 1 else ""
            yield self.table.name or name or self._usual, np.array(those)

    def _column(self, name: str, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """The numbers of a column in these rows; ConfigError names the first other."""
        values = self.columns[name][rows]
        try:
            return _numbers(values)
        except (ValueError, TypeError, OverflowError):
            for row, value in zip(rows, values, strict=True):
                try:
                    _numbers(np.array([value, None], dtype=object)[:1])
                except (ValueError, TypeError, OverflowError):
                    found = f"{self._at(row)} has {str(value)[:40]!r} in column {name}"
                    self._refuse("have numbers", found)
            raise

    def _log(self, run: str, rows: NDArray[np.int64], limits: Mapping[str, float]) -> Log:
        assert self.step is not None
        steps = self._column(self.step, rows)
        for wrong, what in ((np.isnan(steps), "no step"), (np.isinf(steps), "inf"), (steps < 0, "a step below 0")):
            if wrong.any():
                found = f"{self._at(rows[wrong.argmax()])} has {what} in column {self.step}"
                self._refuse("have a step of at least 0 in each row", found)
        if self.table.watched:
            later = np.minimum.accumulate(steps[::-1])[::-1]  # of all rows from this on
            kept = np.append(steps[:-1] < later[1:], True)
            rows, steps = rows[kept], steps[kept]
        names = self._curves(run, rows)
        settings, others = self._settings(rows, names)
        steps, curves = self._merged(steps, rows, names | others)
        said = {kept: settings.pop(name) for name, kept in _THRESHOLDS.items() if name in settings}
        limits = {name: at for name, at in said.items() if isinstance(at, float) and 0 < at <= 1} | dict(limits)
        source = str(self.table.path)
        if "max_epochs" in settings and self.step.lower().startswith("epoch"):
            settings.setdefault("budget", settings["max_epochs"])
        return Log(name=run, steps=steps, curves=curves, settings=settings, source=source, **limits)

    def _of(self, run: str) -> str:
        return f", run {run}," if run != self._usual else ""

    def _curves(self, run: str, rows: NDArray[np.int64]) -> dict[str, str]:
        """Our names of curves by the file's."""
        found: dict[str, list[tuple[tuple[int, ...], str]]] = {}
        for name in self.columns:
            if name != self.step and name not in self.runs and (of := curve_of(name)):
                found.setdefault(of[0], []).append((of[1], name))
        if "test_accuracy" not in found:
            if self.table.watched:
                self._refuse("have test accuracies", f"{self.table.path} is of a watch without test=")
            self._refuse("have a column of test accuracy", f"{self._has()}; name it: test_accuracy=NAME")
        blank = {name for of in found.values() for _, name in of if not _there(self.columns[name][rows]).any()}
        if {name for _, name in found["test_accuracy"]} <= blank:
            where = f"{self.table.path}{self._of(run)} has only blanks in {found['test_accuracy'][0][1]}"
            self._refuse("have test accuracies", where)
        names = {}
        for curve, candidates in found.items():
            candidates = [one for one in candidates if one[1] not in blank]
            surest = min((order for order, _ in candidates), default=())
            best = [name for order, name in candidates if order == surest]
            if len(best) > 1:
                wanted = f"have one column of {curve.replace('_', ' ')}"
                self._refuse(wanted, f"{self.table.path} has {' and '.join(best)}; name one: {curve}=NAME")
            names |= dict.fromkeys(best, curve)
        return names

    def _settings(self, rows: NDArray[np.int64], names: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
        """What is one value throughout, and what else is a curve."""
        found = {setting_of(name): value for name, value in self.table.settings.items() if name not in _OUTCOMES}
        if "m_test" in self.table.settings and "m" in found:
            found.setdefault("n_train", found.pop("m"))
        share = found.get("alpha")
        if "fraction" not in found and "p" in found and isinstance(share, float) and 0 < share < 1:
            found["fraction"] = found.pop("alpha")
        others = {}
        for name in self.columns:
            if name == self.step or name in names or name.startswith("Unnamed:") or name.lower() in _OUTCOMES:
                continue
            values = self.columns[name][rows]
            there = values[_there(values)]
            if not len(there):
                continue
            called = setting_of(name)
            one = bool((there == there[0]).all()) if there.dtype != object else all(one == there[0] for one in there)
            told = called in _SETTINGS or name in self.runs or (isinstance(there[0], str) and not _is_number(there[0]))
            everywhere = len(there) == len(values) > 1 and values.dtype == object and not self.table.watched
            if one and (told or everywhere):
                found |= scalars({called: _plain(there[0])})
            elif there.dtype.kind in "biuf" or all(_is_number(value) for value in there):
                others[name] = name
        return found, others

    def _merged(
        self, steps: NDArray[np.float64], rows: NDArray[np.int64], names: Mapping[str, str]
    ) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
        """Steps, each once, ascending, and the curves; each column's own steps must be
        ascending already.
        """
        every, index = np.unique(steps, return_inverse=True)
        curves = {}
        for theirs, ours in names.items():
            values = self._column(theirs, rows)
            there = np.flatnonzero(~np.isnan(values))
            wrong = np.diff(steps[there]) <= 0
            if ours not in CURVES:  # an epoch in each of two rows of one step
                wrong &= (np.diff(steps[there]) < 0) | (np.diff(values[there]) != 0)
            for back in np.flatnonzero(wrong)[:1]:
                a, b = there[back], there[back + 1]
                found = f"{self._at(rows[b])} has step {steps[b]:.15g} after {steps[a]:.15g} in column {theirs}"
                if steps[a] == steps[b]:
                    twice = f"{self.table.word}s {self.table.places[rows[a]]} and {self.table.places[rows[b]]}"
                    found = f"{twice} of {self.table.path} both have step {steps[b]:.15g} in column {theirs}"
                apart = "if it has several runs, name the columns that tell them apart: run=NAME"
                self._refuse("have steps that ascend", f"{found}; {apart}")
            curves[ours] = np.full(len(every), np.nan)
            curves[ours][index[there]] = values[there]
            if self.columns[theirs].dtype == np.float32 and ours.endswith("accuracy"):
                curves[ours] = np.round(curves[ours], 7)  # so that float32's 0.9 is 0.9
        return every, curves


def _made_shares(logs: Sequence[Log], unit: Unit | None) -> bool:
    """Make the accuracies of the logs of a file shares; whether they were per cent."""
    names = ("train_accuracy", "test_accuracy")
    most = max(np.nanmax(log.curves[name], initial=0) for log in logs for name in names if name in log.curves)
    percent = unit == "percent" or (unit is None and most > _SURELY_PERCENT)
    bound = 100.0 if percent else 1.0
    for log, name in ((log, name) for log in logs for name in names if name in log.curves):
        values = log.curves[name]
        wrong = (values < 0) | (values > bound * (1 + _TINY))
        if wrong.any():
            value = values[wrong.argmax()]
            where = f"that of {log.source}, run {log.name}, is {value:.6g}"
            hint = "; if that is per cent: unit=percent" if unit is None and 1 < value <= 100 else ""
            found = f"{where} at step {log.steps[wrong.argmax()]:.15g}{hint}"
            raise refusal(f"have a {name.replace('_', ' ')} from 0 to 1, or to 100 per cent", found)
        values[:] = np.minimum(values / bound, 1)
    return bool(percent)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (ValueError, TypeError, OverflowError):
        return False
    return True


def _plain(value: Any) -> Any:
    """A text that is a number as one."""
    if not isinstance(value, str) or not _is_number(value):
        return value
    return int(value) if re.fullmatch(r"[+-]?\d{1,18}", value) else float(value)
