"""Train what a plan still lacks, and keep each run in the store as it finishes.

The driver alone writes the store, and one driver at a time trains into it. A killed
command loses at most the runs in flight.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tqdm.auto import tqdm

from analysis.runs.cluster import train_on_cluster
from analysis.runs.executors import Execution, Keep, OnWork, Processes, lanes_for, whole
from analysis.runs.rows import called, told
from analysis.runs.store import RunStore, StoreError
from neural import History, family_of, train_runs
from neural.config import shape
from neural.family import Family
from neural.foreign import source_of


def missing_runs(configs: Sequence[Any], path: Path) -> list[Any]:
    """Those of `configs` that the store at `path`, if there is one, lacks."""
    if not path.exists() or (path.is_file() and path.stat().st_size == 0):
        return list(dict.fromkeys(configs))
    with RunStore(path, read_only=True) as store:
        return store.missing(configs)


def ensure(configs: Sequence[Any], store: RunStore, execution: Execution) -> int:
    """Train those of `configs` that `store` lacks; how many that were. ConfigError: an
    absent device, or options that disagree. WorkerError: processes died again and
    again; finished runs are kept. StoreError: the store cannot be written, or lacks
    what was put into it.
    """
    execution = execution.resolved()
    missing = store.missing(configs)
    if missing:
        with store.training():
            missing = store.missing(configs)  # another command may have trained some while this one waited
            if missing:
                _tell_changed(missing, store)
                store.prepare_traces(missing)
                _train(missing, store, execution)
        if absent := store.missing(configs):
            some = ", ".join(f"seed {config.seed} of {family_of(config).name}" for config in absent[:3])
            found = f"{len(absent):,} ({some}{', ...' if len(absent) > 3 else ''})"
            wanted = f"all {len(set(configs)):,} runs after training, but {store.path} lacks {found}"
            raise StoreError(f"`store` must have {wanted}. The same command trains them again.")
    if lost := store.without_traces(configs):
        print(store.told_lost(lost), file=sys.stderr)
    return len(missing)


def _tell_changed(missing: Sequence[Any], store: RunStore) -> None:
    """Say which users' files have changed since runs of them were trained."""
    for family in {family_of(config) for config in missing}:
        source, others = source_of(family), [one for one in store.families() if one.name == family.name]
        if source and others and called(family) not in map(called, others):
            known = f"{sum(map(store.count, others)):,} runs of {', '.join(map(called, others))}"
            stay = f"they stay, and those of {called(family)} are other runs"
            print(f"{source.path} has changed since {known} were trained: {stay}", file=sys.stderr)


def retrain(store: RunStore, families: Sequence[type[Family]], where: str, execution: Execution) -> tuple[int, int]:
    """Train again the finished runs whose traces are gone or damaged; their rows stay.
    How many they were, and how many came out otherwise than their row says.
    """
    execution = execution.resolved()
    with store.training():
        lost = [(family, *run) for family in families for run in store.lost(family, where, read=True)]
        configs = [store.config(number, name, family) for family, number, name in lost]
        for family in map(family_of, configs):
            if not hasattr(family, "start"):  # only read from the store
                wanted = f"the file of {called(family)} for its runs to be trained again"
                raise StoreError(f"`family` must be {wanted}, but is not given: --family {told(family)}.")
        store.prepare_traces(configs)
        others: list[History] = []

        def compare(history: History) -> None:
            [row] = store.table([history.config]).to_dict("records")
            said = history.summary().items()
            if any(row[name] != value and not (value is None and pd.isna(row[name])) for name, value in said):
                others.append(history)

        if configs:
            _train(configs, store, execution, compare)
    return len(configs), len(others)


def _train(
    missing: Sequence[Any], store: RunStore, execution: Execution, kept: Callable = lambda history: None
) -> None:
    """Train these runs under a bar, into the store; `kept` sees each of them then."""
    # runs that share ensembles follow one another
    runs = sorted(missing, key=lambda config: (family_of(config).name, repr(shape(config)), config.budget))
    total = sum(map(whole, runs))
    form = {"unit": "FLOP", "unit_scale": True, "mininterval": 1, "smoothing": 0.05, "leave": False}
    with tqdm(total=total, desc="compiling", **form) as bar:

        def on_work(operations: float) -> None:
            if bar.n == 0:  # the rate, and with it the ETA, is that of the training alone
                bar.reset(total)
                bar.set_description("training")
            bar.update(operations)

        def keep(history: History, device: str, torch_version: str) -> None:
            store.add(history, device, torch_version)
            kept(history)

        train(runs, execution, keep, on_work)


def train(missing: list[Any], execution: Execution, keep: Keep, on_work: OnWork) -> None:
    """Train all; `keep` has each history at its end, `on_work` as in `train_runs`."""
    lanes = lanes_for(missing, execution)
    if execution.scheduler is not None:
        train_on_cluster(missing, execution.scheduler, execution.device, lanes, keep, on_work)
    elif execution.executor == "processes":
        Processes(missing, lanes, execution.n_workers(), keep, on_work).run()
    else:
        for history in train_runs(missing, execution.device, lanes, on_work=on_work):
            keep(history, execution.device, torch.__version__)
