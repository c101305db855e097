"""All predictors, and what they say of runs: computed once, then kept in the store."""

from __future__ import annotations

import runpy
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from analysis.predictors import effective, measures, memory, norm, null, rings
from analysis.predictors.predictor import Predictor, Run, Told
from analysis.runs.store import PREDICTIONS, RunStore, config_of
from efftheory._threads import usable_cores
from neural import ConfigError

CATALOGUE = {one.name: one for file in (null, effective, memory, rings, norm, measures) for one in file.PREDICTORS}
_TOGETHER = 32  # runs that are predicted before what is said of them is kept


def applying(configs: Sequence[Any], predictors: Sequence[Predictor] = tuple(CATALOGUE.values())) -> list[Predictor]:
    """Those that say something of some of these runs."""
    return [one for one in predictors if any(one.applies(config) for config in configs)]


def read_predictor(path: Path) -> Predictor:
    """The predictor in a user's file, PREDICTOR; ConfigError unless there is one."""
    try:
        found = runpy.run_path(str(path)).get("PREDICTOR")
    except OSError as error:
        raise ConfigError(f"`predictor` must be a file of Python, but {path}: {error.strerror}.") from None
    except (Exception, SystemExit) as error:
        told = " ".join(f"{type(error).__name__}: {error}".split())
        raise ConfigError(f"`predictor` must be a file that can be run, but {path}: {told}.") from error
    if not isinstance(found, Predictor):
        raise ConfigError(f"`predictor` must be a file with a PREDICTOR, but {path} has {found!r:.60}.")
    if found.name in CATALOGUE:
        raise ConfigError(f"`predictor` must have a name of its own, but {path} has {found.name!r}.")
    return found


def predict(
    store: RunStore,
    runs: pd.DataFrame,
    predictors: Sequence[Predictor],
    draws: Mapping[str, int] | None = None,
    memo: Mapping[str, dict[str, Any]] | None = None,
) -> pd.DataFrame:
    """What the predictors that apply say of runs of a table of the store, and is kept
    there: the columns of PREDICTIONS, a row a predictor, run and target, in the order
    of the predictors and of the runs.

    draws: by name, where not a predictor's own number. memo: by key, what several
    predictors share and somebody has computed already.
    """
    rows: list[Any] = runs.to_dict("records")
    everyone = [Run(config_of(row["key"]), row, store, (memo or {}).get(row["key"], {})) for row in rows]
    found: dict[str, pd.DataFrame] = {}
    for one in sorted(predictors, key=lambda one: one.of_run is None):  # these see what the others say
        here = [run for run in everyone if one.applies(run.config)]
        if one.of_run is None:
            found[one.name] = _together(one, here, _joined(found.values()))
        else:
            found[one.name] = _each(store, one, here, (draws or {}).get(one.name, one.draws))
    return _joined(found[one.name] for one in predictors)


def _joined(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Below one another; what they have no rows of has no type."""
    some = [table for table in tables if not table.empty]
    return pd.concat(some, ignore_index=True) if some else pd.DataFrame(columns=[*PREDICTIONS])


def _together(one: Predictor, runs: Sequence[Run], found: pd.DataFrame) -> pd.DataFrame:
    assert one.of_runs is not None
    said = one.of_runs(runs, found) if runs else []
    return _rows(one, 0, [(run, told) for run, told in zip(runs, said, strict=True)])


def _each(store: RunStore, one: Predictor, runs: Sequence[Run], n: int) -> pd.DataFrame:
    """From the store, or computed on all cores and kept."""
    assert one.of_run is not None
    keys = [run.row["key"] for run in runs]
    kept = store.predictions(keys, one.name, one.version)
    kept = kept[kept["draws"] == n]
    missing = [run for run in runs if run.row["key"] not in set(kept["key"])]
    pool = ThreadPoolExecutor(usable_cores())
    try:
        with tqdm(total=len(missing), desc=one.title, unit="run", leave=False, delay=1) as bar:
            for begin in range(0, len(missing), _TOGETHER):
                some = missing[begin : begin + _TOGETHER]
                said = []
                for run, told in zip(some, pool.map(one.of_run, some, [n] * len(some)), strict=True):
                    said.append((run, told))
                    bar.update()
                rows = _rows(one, n, said)
                store.keep_predictions(rows)
                kept = _joined([kept, rows])
    finally:
        pool.shutdown(cancel_futures=True)  # a Ctrl-C need not wait for all the runs
    place = kept["key"].map({name: number for number, name in enumerate(keys)})
    return kept.assign(place=place).sort_values(["place", "target"], ignore_index=True)[[*PREDICTIONS]]


def _rows(one: Predictor, n: int, said: Sequence[tuple[Run, Mapping[str, Told]]]) -> pd.DataFrame:
    rows = []
    for run, told in said:
        for target, t in told.items():
            numbers = map(float, (t.read_at, t.value, t.probability, t.low, t.high))
            rows.append((run.row["key"], one.name, target, n, one.version, *numbers))
    return pd.DataFrame(rows, columns=[*PREDICTIONS])
