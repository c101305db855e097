"""A landscape as a table, and the shells of weight norm that stand out in it: where the
test loss is least, and where the test accuracy crosses a threshold.

Source: Liu, Michaud and Tegmark, "Omnigrok", section 2: the reduced loss l~(w) is the
loss where the training loss is least on the sphere ||theta|| = w; the training loss
should be an L in w, the test loss a U with its minimum at w_c. Here, as there: what
training at constant norm has found after so many steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.landscape.setups import SCALES
from analysis.runs.store import RunStore, StoreError
from analysis.runs.traces import Traces
from neural import family_of


def landscape(store: RunStore, configs: Sequence[Any], size: str, steps: Sequence[int]) -> pd.DataFrame:
    """A row a run, number of steps and kind: init_scale, the field `size`, seed, step,
    kind, and every metric of the family.

    kind: "final", after so many steps; "best", at the look until then at which the
    training loss was least. The test set selects nothing.
    """
    names = [metric.name for metric in family_of(configs[0]).METRICS]
    rows = []
    for config in configs:
        traces = whole_traces(store, config)
        losses = np.nan_to_num(traces.metrics["train_loss"], nan=np.inf, posinf=np.inf)
        for step in steps:
            last = int(np.flatnonzero(traces.steps <= step)[-1])
            for kind, look in (("final", last), ("best", int(losses[: last + 1].argmin()))):
                row = {SCALES: config.init_scale, size: getattr(config, size), "seed": config.seed}
                row |= {"step": step, "kind": kind}
                rows.append(row | {name: float(traces.metrics[name][look]) for name in names})
    return pd.DataFrame(rows)


def whole_traces(store: RunStore, config: Any) -> Traces:
    """Those of a run at constant norm.

    Raises:
        StoreError: it is from a version that ended such runs before their budget.
    """
    traces = store.traces(config)
    if traces.steps[-1] < config.budget:
        raise StoreError(
            f"`store` must have runs at constant norm that were trained to their budget, but {store.path} has older "
            f"ones, which ended before (at step {traces.steps[-1]:,} of {config.budget:,}): use another store."
        )
    return traces


def least(scales: ArrayLike, losses: ArrayLike) -> float:
    """Where the loss is least: scales (n,) ascending, losses (n,), none of them 0.

    Between the grid's values by the parabola through the least and its neighbours, in
    the logarithms of both; nan without a finite loss.
    """
    x, y = np.log(np.asarray(scales, float)), np.log(np.asarray(losses, float))
    if not np.isfinite(y).any():
        return float("nan")
    k = int(np.nanargmin(np.where(np.isfinite(y), y, np.inf)))
    if not 0 < k < len(x) - 1 or not np.isfinite(y[k - 1 : k + 2]).all():
        return float(np.exp(x[k]))
    a, b, _ = np.polyfit(x[k - 1 : k + 2] - x[k], y[k - 1 : k + 2], 2)
    return float(np.exp(x[k] - b / (2 * a))) if a > 0 else float(np.exp(x[k]))


def crossing(scales: ArrayLike, accuracies: ArrayLike, threshold: float) -> float:
    """The largest scale at which the accuracy falls through a threshold: scales (n,)
    ascending, accuracies (n,).

    Between the grid's values linear in the logarithm of the scale; an accuracy that is
    not known counts as 0. inf if it is still above at the largest scale, nan if it
    never is.
    """
    x, y = np.log(np.asarray(scales, float)), np.nan_to_num(np.asarray(accuracies, float), nan=0.0)
    above = np.flatnonzero(y >= threshold)
    if not len(above):
        return float("nan")
    k = int(above[-1])
    if k == len(x) - 1:
        return float("inf")
    share = (y[k] - threshold) / (y[k] - y[k + 1])
    return float(np.exp(x[k] + share * (x[k + 1] - x[k])))


def summary(table: pd.DataFrame, size: str) -> pd.DataFrame:
    """A row a data size, number of steps and kind, of a table of `landscape`: alpha_c,
    the scale of the least test loss (median of the seeds; lowest, highest), the least
    median test loss, and how many times that the test loss is at both ends; the median
    training loss at the scale next to 1 and at the largest.
    """
    rows = []
    for (here, step, kind), part in table.groupby([size, "step", "kind"], sort=True):
        found = [least(run[SCALES], run["test_loss"]) for _, run in part.sort_values(SCALES).groupby("seed")]
        # a loss that is not known is that of a run that diverged
        losses = part.fillna({"test_loss": np.inf, "train_loss": np.inf}).groupby(SCALES)
        test, train = (losses[name].median() for name in ("test_loss", "train_loss"))
        scales = train.index.to_numpy(float)
        usual = scales[np.abs(np.log(scales)).argmin()]
        rows.append(
            {
                size: here,
                "step": step,
                "kind": kind,
                "alpha_c": float(np.nanmedian(found)),
                "lowest": float(np.nanmin(found)),
                "highest": float(np.nanmax(found)),
                "least_test_loss": float(test.min()),
                "left_wall": float(test.iloc[0] / test.min()),
                "right_wall": float(test.iloc[-1] / test.min()),
                "train_loss_at_1": float(train[usual]),
                "train_loss_at_largest": float(train.iloc[-1]),
            }
        )
    return pd.DataFrame(rows)


def medians(table: pd.DataFrame, index: str, value: str) -> tuple[NDArray, NDArray, NDArray]:
    """Of a table of `landscape`: the median of `value` over the seeds, as scales (n,),
    the other axis (m,) and (m, n).
    """
    plane = table.pivot_table(index=index, columns=SCALES, values=value, aggfunc="median", dropna=False)
    return plane.columns.to_numpy(float), plane.index.to_numpy(float), plane.to_numpy(float)
