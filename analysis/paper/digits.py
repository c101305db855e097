"""The tables behind figure 8: digits that are learned late, and what becomes of the
classes in the network's last hidden layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

import efftheory as et
from analysis.measures.components import spreads
from analysis.runs.store import RunStore
from neural import DigitsConfig
from neural.data.digits import digits
from neural.families.digits import Images, hidden_features

_POINTS = 61  # of the theory's path
_CLOSER = 1e-6  # the theory is followed until within-class shares are this small


def collapse(store: RunStore, configs: Sequence[DigitsConfig]) -> pd.DataFrame:
    """How far the classes of the training digits have collapsed in the last hidden
    layer, by the network and by the theory of classification from the network's own
    start: a row a run, who (network, theory) and time, with init_scale, seed, step (of
    the network's checkpoints; nan for the theory, which knows no steps) and the columns
    of `spreads`.
    """
    tables = []
    for config in configs:
        traces, begun = store.traces(config), Images.start(config)
        found = digits(config.data)
        chosen = begun.lane["chosen"][: config.n_train]
        images, labels = found.images[chosen], found.labels[chosen]
        path = []
        for number in range(len(traces.checkpoint_steps)):
            weights = {name: values[number] for name, values in traces.checkpoints.items()}
            path.append(hidden_features(config, weights, images))
        F0 = path[0]
        slowest = 2 * np.unique(labels, return_counts=True)[1].min() / (F0**2).sum()  # the smallest class
        until = -np.log(_CLOSER) / (2 * slowest)
        times = np.geomspace(until / 100, until, _POINTS)
        theory = (F0, *(et.class_flow(labels, F0, [0.0, t]).F[-1] for t in times))
        for who, F, steps in (
            ("network", path, traces.checkpoint_steps),
            ("theory", theory, np.full(_POINTS + 1, np.nan)),
        ):
            tables.append(
                spreads(labels, F).assign(who=who, step=steps, init_scale=config.init_scale, seed=config.seed)
            )
    return pd.concat(tables)
