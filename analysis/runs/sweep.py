"""Train what a plan still lacks, and keep each run in the store as it finishes.

The driver alone writes the store, and one driver at a time trains into it. A killed
command loses at most the runs in flight.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from analysis.runs.executors import Execution, train, whole
from analysis.runs.store import RunStore
from neural import History, family_of
from neural.config import shape


def missing_runs(configs: Sequence[Any], path: Path) -> list[Any]:
    """Those of `configs` that the store at `path` lacks; nothing is written, nor need
    there be a store.
    """
    if not path.exists() or (path.is_file() and path.stat().st_size == 0):
        return list(dict.fromkeys(configs))
    with RunStore(path, read_only=True) as store:
        return store.missing(configs)


def ensure(configs: Sequence[Any], store: RunStore, execution: Execution) -> int:
    """Train those of `configs` that `store` lacks; how many that were.

    Raises:
        WorkerError: training processes died again and again (all finished runs are
            kept).
        ConfigError: an absent device, or options of the execution that do not go
            together.
        StoreError: the store cannot be written any more.
    """
    execution = execution.resolved()
    if not store.missing(configs):
        return 0
    with store.training():
        # another command may have trained some while this one waited; runs of one shape
        # together, they share ensembles
        missing = sorted(store.missing(configs), key=_company)
        if missing:
            _train(missing, store, execution)
    return len(missing)


def _company(config: Any) -> tuple[str, str, int]:
    """Sorted by this, runs that share ensembles follow one another."""
    return family_of(config).name, repr(shape(config)), config.budget


def _train(missing: list[Any], store: RunStore, execution: Execution) -> None:
    total = sum(map(whole, missing))
    with tqdm(
        total=total, unit="FLOP", unit_scale=True, mininterval=1, smoothing=0.05, desc="compiling", leave=False
    ) as bar:

        def on_work(operations: float) -> None:
            if bar.n == 0:  # the rate, and with it the ETA, is that of the training alone
                bar.reset(total)
                bar.set_description("training")
            bar.update(operations)

        def keep(history: History, device: str, torch_version: str) -> None:
            store.add(history, device, torch_version)

        train(missing, execution, keep, on_work)
