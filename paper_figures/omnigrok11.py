"""When networks that begin at too large a norm generalise, against the weight decay. A
mark a run, triangles at the budget for those that do not get there, lines through the
medians; and, in black, what the landscape at constant norm predicts (a mark a run).

(a) The transformer that adds modulo 31 (32 dimensions, 60 % of the pairs), from the
usual norm: steps to 99 % of the training pairs, and 95 % of the test pairs (3 seeds).
(b) Digits (784-100-100-10, 1,000 training digits), from 9 times the usual norm: train
accuracy 0.9 and test accuracy 0.6 (3 seeds). The paper: proportional to the inverse of
the decay, over two decades of it for the transformer, over one for digits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from analysis.experiments import EXPERIMENTS
from analysis.norm_law import FORMS, TARGETS
from analysis.predictors.catalogue import CATALOGUE, predict
from analysis.predictors.norm import landscape_runs
from analysis.runs.store import RunStore
from analysis.weight_norm.tables import falls
from paper_figures.scale import Scale
from paper_figures.style import BLUE, ORANGE
from paper_figures.weight_norm import draw_inverse, draw_times

TITLE = "the time to generalise against the weight decay"
SEEDS = 3
_KINDS = {"transformer": 1.0, "digits": 9.0}


class Tables(NamedTuple):
    """A row a run, and what our law says of it, `law`."""

    transformer: pd.DataFrame
    digits: pd.DataFrame


def _runs_of(name: str, scale: Scale) -> list[Any]:
    """Of the norm law, one initial scale."""
    found = EXPERIMENTS["norm_law"][name].at(init_scale=_KINDS[name]).configs(range(scale.seeds or SEEDS))
    return [scale.run(config) for config in found]


def runs(scale: Scale) -> list[Any]:
    free = [run for name in _KINDS for run in _runs_of(name, scale)]
    return [*dict.fromkeys(held for run in free for held in landscape_runs(run)), *free]


def tables(store: RunStore, scale: Scale) -> Tables:
    return Tables(*(_table(store, name, _runs_of(name, scale)) for name in _KINDS))


def _table(store: RunStore, name: str, configs: list[Any]) -> pd.DataFrame:
    found = falls(store, configs, next(iter(TARGETS[name])))
    said = predict(store, found, [CATALOGUE[FORMS[name]]])
    return found.merge(said[["key", "target", "value"]].rename(columns={"value": "law"}))


def draw(drawn: Tables) -> Figure:
    figure = Figure(figsize=(9.5, 4.2))
    for axes, table, name, title in zip(
        figure.subplots(1, 2),
        drawn,
        _KINDS,
        ("(a) transformer, $\\alpha = 1$", "(b) digits, $\\alpha = 9$"),
        strict=True,
    ):
        draw_times(axes, table, "learned", "weight_decay", ORANGE, "s", "training set learned")
        draw_times(axes, table, "steps", "weight_decay", BLUE, "o", next(iter(TARGETS[name].values())))
        axes.plot(table["weight_decay"], table["law"], "k_", ms=9, label="predicted from the landscape")
        draw_inverse(axes, table, "steps", "weight_decay")
        axes.set_xlabel(r"weight decay $\gamma$")
        axes.set_title(title, loc="left")
        axes.legend(fontsize=8)
    return figure
