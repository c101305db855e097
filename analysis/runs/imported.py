"""Logs of others as runs of the store: rows of the family `external`, and their curves
beside them.

A run is known by what was logged, whatever file it is in: a second import adds nothing.
Where a log has grown, its run takes the place of the shorter one.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm.auto import tqdm

from analysis.logs.log import Log
from analysis.runs.rows import config_of, key
from analysis.runs.store import LostTraces, RunStore
from neural import ConfigError, History
from neural.config import kinds
from neural.families.external import External, ExternalConfig

_KNOWN = ("p", "operation", "fraction", "n_train", "n_test", "learning_rate", "weight_decay", "optimizer", "batch_size")
_ELSEWHERE = ("elsewhere", "unknown")  # the device and the torch that it was trained with
_LARGEST = 2**62
_TOGETHER = 64  # runs in one transaction


class Imported(NamedTuple):
    """How many runs were added, were there already, and were there shorter."""

    added: int
    known: int
    replaced: int


class _Logged(History):
    """A log as what a run leaves behind. A metric's last value is the last logged."""

    def __init__(self, log: Log, config: ExternalConfig):
        nothing = np.zeros(0, dtype=np.int64)
        blank = np.full(len(log.steps), np.nan)
        traces = {metric.name: log.curves.get(metric.name, blank) for metric in External.METRICS}
        traces |= {name: values for name, values in log.curves.items() if name.isprintable()}
        super().__init__(
            config=config,
            mask=nothing.astype(bool),
            steps=log.steps.astype(np.int64),
            traces=traces,
            norms={},
            checkpoint_steps=nothing,
            checkpoints={},
            correct=nothing.astype(bool),
            retired=False,
        )

    def summary(self) -> dict[str, Any]:
        last = {}
        for metric in External.METRICS:
            values = self.traces[metric.name][np.isfinite(self.traces[metric.name])]
            last[metric.name] = float(values[-1]) if len(values) else None
        steps = {name: getattr(self, name) for metric in External.METRICS for name in metric.crossings}
        return {**steps, "steps_run": self.steps_run, "retired": False, "accuracy": None, **last}


def import_logs(store: RunStore, logs: Sequence[Log]) -> Imported:
    """Keep these logs as runs. ConfigError: one cannot be a run of the store."""
    wanted = [(log, config_for(log, number)) for number, log in _numbered(logs)]
    added = known = replaced = 0
    with store.training():
        there = {row["content"]: row["key"] for row in _rows(store)}
        lost = {name for _, name in store.lost(External)} if there else set()
        store.prepare_traces([config for _, config in wanted[:1]])
        fresh = []
        for log, config in wanted:
            old = there.get(config.content)
            if old is None or old in lost:
                fresh.append((log, config if old is None else config_of(old)))
            added, known = added + (old is None), known + (old is not None)
            there.setdefault(config.content, key(config))
        with tqdm(total=len(fresh), desc="importing", unit="run", leave=False) as bar:
            for begin in range(0, len(fresh), _TOGETHER):
                some = fresh[begin : begin + _TOGETHER]
                store.add_all([_Logged(log, config) for log, config in some], *_ELSEWHERE)
                bar.update(len(some))
        whole, now = {config.content for _, config in wanted}, {(one.file, one.name): log for log, one in wanted}
        for row in _rows(store):
            log = now.get((row["file"], row["name"]))
            if log is not None and row["content"] not in whole and _begins(store, row["key"], log):
                store.forget(config_of(row["key"]))
                added, replaced = added - 1, replaced + 1
    return Imported(added, known, replaced)


def _rows(store: RunStore) -> list[dict[str, Any]]:
    names = ("key", "file", "name", "content")
    batches = store.batches("1", names, External)
    return [dict(zip(names, row[1:], strict=True)) for batch in batches for row in batch]


def _numbered(logs: Sequence[Log]) -> list[tuple[int, Log]]:
    """Each log with its number in its file."""
    seen: dict[str, int] = defaultdict(int)
    numbered = []
    for log in logs:
        numbered.append((seen[log.source], log))
        seen[log.source] += 1
    return numbered


def config_for(log: Log, number: int) -> ExternalConfig:
    """The configuration of a log, the `number`-th of its file."""
    if (log.steps % 1 != 0).any() or log.steps[-1] > _LARGEST:
        found = f"{log.source}, run {log.name}, has {log.steps[(log.steps % 1 != 0).argmax()]:.15g}"
        raise ConfigError(f"`path` must have whole steps for its runs to be kept, but {found}.")
    settings, fields = dict(log.settings), dict[str, Any](seed=number)
    for name in (*_KNOWN, "seed"):
        value = _fitting(name, settings.get(name))
        if value is not None:
            fields[name] = value
            del settings[name]
    budget = _fitting("budget", settings.pop("budget", None))
    path = Path(log.source).resolve()
    others = " ".join(f"{_word(name)}={_word(value)}" for name, value in sorted(settings.items()))
    return ExternalConfig(
        file=_text(f"{path.parent.name}/{path.name}"),
        name=_text(log.name),
        content=_digest(log),
        others=others,
        budget=_budget(log, budget),
        **fields,
    )


def _budget(log: Log, said: int | None) -> int:
    """The steps that the run was to have, where its log ends within a look of them or
    the run had generalised. Else those that were logged.
    """
    last = int(log.steps[-1])
    look = log.steps[-1] - log.steps[-2] if len(log.steps) > 1 else 0
    known = said is not None and (last + look >= said or log.generalised_at is not None)
    return max(last, said) if known and said is not None else last


def _fitting(name: str, value: Any) -> Any:
    """A setting as the configuration may have it, None where it may not."""
    kind = kinds(ExternalConfig)[name]
    if value is None or isinstance(value, bool):
        return None
    if kind is str:
        return _word(value)
    if not isinstance(value, int | float) or not math.isfinite(value) or not 0 <= value < _LARGEST:
        return None
    if "float" in str(kind):
        return float(value)
    return int(value) if value == int(value) and (value > 0 or name == "seed") else None


def _word(value: Any) -> str:
    """A setting as one word, in which nothing has a meaning for axes."""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    word = re.sub(r"[\s,:=]+", "_", text.strip())
    return word if word.isprintable() else ascii(word)


def _text(name: str) -> str:
    """A name that the store can keep, whatever bytes it is of."""
    return name.encode("utf-8", "backslashreplace").decode()


def _digest(log: Log) -> str:
    found = hashlib.sha256(json.dumps([sorted(log.settings.items()), sorted(log.curves)], default=str).encode())
    for values in (log.steps, *(log.curves[name] for name in sorted(log.curves))):
        found.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
    return found.hexdigest()[:16]


def _begins(store: RunStore, name: str, log: Log) -> bool:
    """Whether a run of the store is the beginning of a log; cells that were blank may
    have been filled since.
    """
    try:
        old = store.traces(config_of(name))
    except LostTraces:
        return False
    n = len(old.steps)
    if n > len(log.steps) or not np.array_equal(old.steps, log.steps[:n]):
        return False
    return all(
        name in log.curves and bool(((values == log.curves[name][:n]) | np.isnan(values)).all())
        for name, values in old.metrics.items()
        if not np.isnan(values).all()
    )
