"""RQI and accuracy against the most that the training set allows, p = 10, d = 1, at the
end of the budget of 1e4 steps.

(a) RQI of the final embedding, and the ideal RQI = |P(D)|/|P0|: the share of all
parallelograms whose equations depend linearly on those of the training set. (b)
Accuracy over all of D0, and the ideal accuracy. A mark a run, lines for the medians
over the seeds. The paper believes that neither measured quantity exceeds its ideal; the
titles count the runs in which it does. Neither is a bound: an embedding may be within
delta of a parallelogram that nothing asks for (also counted: the runs in which this is
so before training), and a sample that no parallelogram leads to may be guessed.
"""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

import efftheory as et
from analysis.paper.hierarchy import determined
from analysis.runs.experiments import PAPER_SIZES
from analysis.runs.plan import Axis
from analysis.runs.store import RunStore
from neural import RunConfig
from paper_figures.scale import Scale
from paper_figures.style import BLUE, VERMILION

TITLE = "RQI and accuracy beside their ideals"
SEEDS = 8
QUANTITIES = {"rqi": "RQI", "accuracy": "accuracy"}


class Tables(NamedTuple):
    """What is drawn: the runs; how many of them exceed their ideals."""

    runs: pd.DataFrame
    beliefs: pd.DataFrame


def runs(scale: Scale) -> list[RunConfig]:
    return scale.runs(RunConfig(), [Axis("n_train", PAPER_SIZES)], SEEDS)


def tables(store: RunStore, scale: Scale) -> Tables:
    """Runs: n_train, seed, fraction, rqi, initial_rqi, ideal_rqi, accuracy,
    ideal_accuracy. Beliefs, a row for each of rqi, initial_rqi and accuracy: quantity,
    runs, violations (how many are above the ideal), excess (the largest).
    """
    op = et.addition(RunConfig().p)
    table = store.table(runs(scale))
    table = table[["n_train", "seed", *QUANTITIES]].assign(
        fraction=table["n_train"] / op.n_samples,
        initial_rqi=[et.rqi(op, E) for E in table["initial_embedding"]],
        ideal_rqi=[len(determined(op, mask)) / et.count_parallelograms(op) for mask in table["mask"]],
        ideal_accuracy=[et.ideal_accuracy(op, mask) for mask in table["mask"]],
    )
    beliefs = []
    for quantity, ideal in (("rqi", "ideal_rqi"), ("initial_rqi", "ideal_rqi"), ("accuracy", "ideal_accuracy")):
        excess = table[quantity] - table[ideal]
        beyond = excess > _ROUNDING
        beliefs.append(
            {
                "quantity": quantity,
                "runs": len(table),
                "violations": int(beyond.sum()),
                "excess": float(excess[beyond].max()) if beyond.any() else 0.0,
            }
        )
    return Tables(table, pd.DataFrame(beliefs))


_ROUNDING = 1e-6  # both are counts, divided by 70 or 55; RQI comes from float32


def draw(drawn: Tables) -> Figure:
    figure = Figure(figsize=(9.5, 3.8))
    table, above = drawn.runs, drawn.beliefs.set_index("quantity")["violations"]
    counts = (f"{above['rqi']} ({above['initial_rqi']} at the start)", f"{above['accuracy']}")
    median = table.groupby("fraction").median()
    panels = figure.subplots(1, 2, sharey=True)
    for axes, letter, (name, label), count in zip(panels, "ab", QUANTITIES.items(), counts, strict=True):
        ideal = f"ideal_{name}"
        axes.plot(table["fraction"] - _ASIDE, table[name], "o", color=VERMILION, alpha=0.5, ms=4)
        axes.plot(table["fraction"] + _ASIDE, table[ideal], "s", color=BLUE, mfc="none", alpha=0.6, ms=5)
        axes.plot(median.index, median[name], color=VERMILION, label=f"network: {label}, median")
        axes.plot(median.index, median[ideal], "--", color=BLUE, label=f"theory: ideal {label}, median")
        axes.set(xlabel="training fraction |D|/|D0|", ylabel=label, xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        axes.set_title(f"({letter}) above the ideal: {count} of {len(table)} runs", loc="left")
        axes.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    return figure


_ASIDE = 0.006  # so that marks of one training fraction stand beside each other
