"""What was measured at constant norm, and of runs that move on it, as tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.predictors import norm
from analysis.predictors.predictor import Run
from analysis.runs.store import RunStore
from analysis.weight_norm.reduced import Surface, follow, formula, geometry
from neural import MessinessConfig, family_of

SCALES = "init_scale"  # the field whose axis every landscape has
Which = tuple[str, int, int]  # operation, training-set size and seed of a surface


def landscape(store: RunStore, configs: Sequence[Any], size: str, steps: Sequence[int]) -> pd.DataFrame:
    """A row a run, number of steps and kind: init_scale, the field `size`, seed, step,
    kind, and every metric of the family.

    kind: "final", after so many steps; "best", at the look until then at which the
    training loss was least. The test set selects nothing.
    """
    names = [metric.name for metric in family_of(configs[0]).METRICS]
    rows = []
    for config in configs:
        traces = norm.whole_traces(store, config)
        losses = np.nan_to_num(traces.metrics["train_loss"], nan=np.inf, posinf=np.inf)
        for step in steps:
            last = int(np.flatnonzero(traces.steps <= step)[-1])
            for kind, look in (("final", last), ("best", int(losses[: last + 1].argmin()))):
                row = {SCALES: config.init_scale, size: getattr(config, size), "seed": config.seed}
                row |= {"step": step, "kind": kind}
                rows.append(row | {name: float(traces.metrics[name][look]) for name in names})
    return pd.DataFrame(rows)


def medians(table: pd.DataFrame, index: str, value: str) -> tuple[NDArray, NDArray, NDArray]:
    """Of a table of `landscape`: the median of `value` over the seeds, as scales (n,),
    the other axis (m,) and (m, n).
    """
    plane = table.pivot_table(index=index, columns=SCALES, values=value, aggfunc="median", dropna=False)
    return plane.columns.to_numpy(float), plane.index.to_numpy(float), plane.to_numpy(float)


def falls(store: RunStore, configs: Sequence[Any], target: str) -> pd.DataFrame:
    """The store's row of each run, and of its norm: `rate` (eta gamma), `learned` and
    `steps` (to the target; nan: not within the budget), the norms there, in units of
    the usual initial one; `decay_error`, the last of them over w0 exp(-rate steps); and
    `shell`, the landscape's w_c after as many steps, nan where there is none.
    """
    runs, rows = store.table(configs), []
    known: Any = runs.to_dict("records")
    for config, row in zip(configs, known, strict=True):
        run, rate = Run(config, row, store), norm.rate_of(config)
        learned, steps = norm.steps_of(run, target)
        norms, landscape = norm.norms_after(run, learned, steps), norm.landscape_of(run, target)
        shell = np.nan if landscape is None else landscape.shell_after(steps)
        error = norms[1] / (config.init_scale * np.exp(-rate * steps))
        rows.append((target, rate, learned, steps, *norms, error, shell))
    names = ["target", "rate", "learned", "steps", "norm_learned", "norm_generalised", "decay_error", "shell"]
    return pd.concat([runs, pd.DataFrame(rows, columns=names)], axis=1)


def surface(store: RunStore, configs: Sequence[MessinessConfig]) -> tuple[Surface, pd.DataFrame]:
    """What training found at every norm and messiness, for one training set: the least
    training loss at any look, as near as training came to the argmin; and as rows, with
    the test accuracy there, nan where all is trained on.
    """
    rows = []
    for config in sorted(configs, key=lambda one: (one.init_scale, one.messiness)):
        metrics = store.traces(config).metrics
        look = np.nan_to_num(metrics["train_loss"], nan=np.inf).argmin()
        rows.append(
            {
                **{"operation": config.operation, "n_train": config.n_train, "seed": config.seed},
                **{"norm": float(metrics["weight_norm"][0]), "messiness": config.messiness},
                **{name: float(metrics[name][look]) for name in ("train_loss", "test_accuracy")},
            }
        )
    found = pd.DataFrame(rows)
    scales, levels = (sorted({getattr(one, name) for one in configs}) for name in (SCALES, "messiness"))
    norms, losses = (found[name].to_numpy().reshape(len(scales), len(levels)) for name in ("norm", "train_loss"))
    return Surface(np.log(norms[:, -1]), np.array(levels), losses), found


def case(store: RunStore, config: MessinessConfig, surface: Surface, corner: float) -> dict[str, Any]:
    """A free run on the surface of its training set: what the formula and the reduced
    equations say, and what the network did.

    `distance`, `height`, `angle`: of `geometry`. `formula`: its steps to the corner,
    nan without a geometry. `equations`, `to_border`: those of the reduced equations,
    inf for never. `steps_to_corner`: the first look after the hold that sees m at the
    corner, nan for none. `path`, `traces`: of the equations, of the network.
    """
    traces = store.traces(config)
    log_w = math.log(traces.metrics["weight_norm"][0])
    distance, height, angle = geometry(surface, log_w, config.messiness, corner)
    path = follow(surface, log_w, config, corner)
    there = traces.steps[(traces.metrics["messiness_now"] <= corner) & (traces.steps >= config.hold)]
    return {
        **{"distance": distance, "height": height, "angle": angle},
        "formula": formula(distance, height, angle, norm.rate_of(config)),
        "equations": path.to_corner,
        "to_border": path.to_border,
        "end": path.end,
        "messiness_of_equations": path.messiness[-1],
        "steps_to_corner": there[0] if len(there) else math.nan,
        "path": path,
        "traces": traces,
    }
