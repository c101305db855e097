"""What figures ask of networks: configurations by the name of their family, whether the
data that runs need are here, and what runs of any family did over training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.runs.store import RunStore
from neural import ConfigError, family_of, find_family
from neural.config import shape


def run_of(family: str, **fields: Any) -> Any:
    """The configuration of a run, with defaults for other fields."""
    return find_family(family).Config(**fields)


def lacking_data(runs: Sequence[Any]) -> str:
    """What to do about data that these runs lack, "" if nothing."""
    try:
        for one in {(type(run), shape(run)): run for run in runs}.values():
            family = family_of(one)
            family(one, "cpu")  # has the data of all its runs, or
            family.start(one)  # those of one
    except ConfigError as error:
        return str(error)
    return ""


def histories(store: RunStore, configs: Sequence[Any], *names: str) -> pd.DataFrame:
    """A row a run and look: step, every metric, seed, and the fields `names`."""
    tables = []
    for config in configs:
        traces = store.traces(config)
        fields = {name: getattr(config, name) for name in ("seed", *names)}
        tables.append(pd.DataFrame({"step": traces.steps} | traces.metrics).assign(**fields))
    return pd.concat(tables, ignore_index=True)


def lower_medians(runs: pd.DataFrame, field: str, names: Sequence[str]) -> pd.DataFrame:
    """A row a value of `field`: the lower medians over its runs of these steps; inf
    where fewer than half of the runs got there.
    """
    steps = runs[list(names)].fillna(np.inf).assign(**{field: runs[field]})
    return steps.groupby(field).quantile(0.5, interpolation="lower").reset_index()
