"""What runs of any family do over training, behind figure 8 and the second paper's
figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.runs.store import RunStore


def histories(store: RunStore, configs: Sequence[Any], *names: str) -> pd.DataFrame:
    """A row a run and look: step, every metric, and of the run its seed and the fields
    `names`.
    """
    tables = []
    for config in configs:
        traces = store.traces(config)
        fields = {name: getattr(config, name) for name in ("seed", *names)}
        tables.append(pd.DataFrame({"step": traces.steps} | traces.metrics).assign(**fields))
    return pd.concat(tables, ignore_index=True)
