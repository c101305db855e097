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

from dataclasses import replace
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.norm_law.setups import SETUPS, Setup
from analysis.norm_law.tables import ours
from analysis.runs.store import RunStore
from paper_figures.scale import Scale
from paper_figures.style import BLUE, ORANGE
from paper_figures.weight_norm import draw_inverse, draw_times

TITLE = "the time to generalise against the weight decay"
SEEDS = 3
_KINDS = {"transformer": 1.0, "digits": 9.0}


def _setups(scale: Scale) -> dict[str, Setup]:
    """Of the norm law, one initial scale each."""
    return {
        name: replace(SETUPS[name], large=(start,), budget=scale.budget or SETUPS[name].budget)
        for name, start in _KINDS.items()
    }


def _seeds(scale: Scale) -> range:
    return range(scale.seeds or SEEDS)


def runs(scale: Scale) -> list[Any]:
    found = []
    for setup in _setups(scale).values():
        found += [*setup.landscape(_seeds(scale)), *setup.runs(_seeds(scale))]
    return found


def tables(store: RunStore, scale: Scale) -> dict[str, Any]:
    """As `ours` makes them: a row a run."""
    return {name: ours(store, setup, _seeds(scale), setup.targets[0]) for name, setup in _setups(scale).items()}


def draw(transformer: pd.DataFrame, digits: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(9.5, 4.2))
    titles = ("(a) transformer, $\\alpha = 1$", "(b) digits, $\\alpha = 9$")
    for axes, table, name, title in zip(figure.subplots(1, 2), (transformer, digits), _KINDS, titles, strict=True):
        target = SETUPS[name].targets[0]
        draw_times(axes, table, "learned", "weight_decay", ORANGE, "s", "training set learned")
        draw_times(axes, table, "steps", "weight_decay", BLUE, "o", target.name)
        axes.plot(table["weight_decay"], table[SETUPS[name].form], "k_", ms=9, label="predicted from the landscape")
        draw_inverse(axes, table, "steps", "weight_decay")
        axes.set_xlabel(r"weight decay $\gamma$")
        axes.set_title(title, loc="left")
        axes.legend(fontsize=8)
    return figure
