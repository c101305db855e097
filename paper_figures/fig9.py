"""How a lattice forms from 8 of 21 samples: p = 6, d = 1, budget 1e4.

(a, b) Standardised embeddings of two networks with 8 training samples each, recorded
every 50 steps until they were finished (the initial state is drawn at step 1), a line a
symbol. (a) The linear representation is the only one that satisfies the training set.
Such sets of 8 are rare: 16 networks have the first such sets among the seeds 0, 1, 2
.., and the one of the highest final RQI is shown, the smallest seed of several. (b) The
same choice among the first 16 seeds whose sets leave other representations. (c) Exact
share of the training sets of each size that leave the linear representation as the only
one, beside the share of networks that reached RQI > 0.95 (95 % intervals): on random
training sets, 16 a size, and on those behind (a). The paper shows that 8 samples
suffice; the circle is at the fewest that do, with one such set.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.paper.hierarchy import best_path, first_runs, linear_shares, reached
from analysis.paper.runs import run_of
from analysis.plots import draw_symbols
from analysis.runs.store import RunStore
from paper_figures.scale import Scale, part
from paper_figures.style import BLUE, GREY, VERMILION

TITLE = "p = 6: a lattice from 8 of 21 samples"
QUICK = Scale(seeds=8)
P, EIGHT = 6, 8
BASE = run_of("toy", p=P, n_train=EIGHT)
SIZES = part(BASE, "n_train=4:20:9", seeds=16)


def runs(scale: Scale) -> list[Any]:
    eights = [run for linear in (True, False) for run in sets_of_eight(scale, linear=linear)]
    return list(dict.fromkeys([*SIZES.runs(scale), *eights]))


def sets_of_eight(scale: Scale, *, linear: bool) -> list[Any]:
    return [scale.run(run) for run in first_runs(BASE, SIZES.at(scale).seeds, linear=linear)]


def tables(store: RunStore, scale: Scale) -> dict[str, Any]:
    """Of sets of 8 that are linear and of those that are not: a row, and the path of
    the network shown, as `best_path` makes them; and by size the exact shares of linear
    sets, with the smallest one, and those of networks.
    """
    unique, others = (best_path(store, sets_of_eight(scale, linear=linear)) for linear in (True, False))
    chances, smallest = linear_shares(P)
    shares = [{"n_train": n, **reached(here)} for n, here in store.table(SIZES.runs(scale)).groupby("n_train")]
    return {
        "eights": [unique[0], others[0]],
        "paths": [unique[1], others[1]],
        "chances": chances,
        "smallest": smallest,
        "shares": pd.DataFrame(shares),
    }


def draw(
    eights: list[dict[str, Any]],
    paths: list[pd.DataFrame],
    chances: pd.DataFrame,
    smallest: dict[str, Any],
    shares: pd.DataFrame,
) -> Figure:
    figure = Figure(figsize=(12, 4))
    *panels, right = figure.subplots(1, 3)
    names = ("linear representation unique", "not unique")
    for axes, letter, name, shown, path in zip(panels, "ab", names, eights, paths, strict=True):
        draw_symbols(axes, path["steps"], path.drop(columns="steps"))
        axes.set(xlabel="steps", ylim=(-2.4, 2.4))
        axes.set_title(f"({letter}) {name}: RQI {shown['rqi']:.2f} (seed {shown['seed']})", loc="left")
        said = f"D: {shown['samples']}"
        axes.text(0.5, 0.02, said, transform=axes.transAxes, ha="center", fontsize="small", color=GREY)
    panels[0].set_ylabel("standardised embedding $E_k$")
    right.plot(chances["n_train"], chances["share"], "-o", color=BLUE, ms=3, label="theory: unique, exact share")
    unique = pd.DataFrame(eights[:1]).assign(n_train=EIGHT + 0.3)  # beside those on random sets
    for rows, marker, fill, label in (
        (shares, "o", VERMILION, "networks: RQI > 0.95"),
        (unique, "D", "white", f"networks on sets of {EIGHT} as in (a)"),
    ):
        value = rows["value"].to_numpy(float)
        low, high = np.array(rows["interval"].tolist()).T
        spread = [value - low, high - value]
        style = {"fmt": marker, "color": VERMILION, "mfc": fill, "capsize": 2, "label": label}
        right.errorbar(rows["n_train"], value, spread, **style)
    n, some, sets = (smallest[name] for name in ("n_train", "linear", "sets"))
    fewest = f"fewest: {n} ({some} of {sets:,} sets),\nas {smallest['samples']}"
    right.plot(n, smallest["share"], "o", color="black", mfc="none", ms=12, mew=1, label=fewest)
    right.set(xlabel="training-set size |D|", ylabel="share of training sets / networks", ylim=(-0.03, 1.03))
    right.legend(fontsize="small", loc="upper left")
    right.set_title("(c)", loc="left")
    return figure
