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

from functools import cache
from itertools import count
from math import comb
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

import efftheory as et
from analysis.paper.hierarchy import linear_counts, smallest_linear_set
from analysis.runs.plan import Axis
from analysis.runs.store import RunStore
from efftheory.embeddings import standardize
from neural import RunConfig
from neural import start as start_of
from paper_figures.scale import Scale
from paper_figures.style import BLUE, GREY, VERMILION

TITLE = "p = 6: a lattice from 8 of 21 samples"
SEEDS = 16
QUICK = Scale(seeds=8)
P, EIGHT = 6, 8
SIZES = tuple(range(4, 21, 2))


def runs(scale: Scale) -> list[RunConfig]:
    eights = [run for linear in (True, False) for run in sets_of_eight(scale, linear=linear)]
    return list(dict.fromkeys([*_sizes(scale), *eights]))


def _sizes(scale: Scale) -> list[RunConfig]:
    return scale.runs(RunConfig(p=P, n_train=EIGHT), [Axis("n_train", SIZES)], SEEDS)


def sets_of_eight(scale: Scale, *, linear: bool) -> list[RunConfig]:
    n = scale.seeds or SEEDS
    return [scale.run(RunConfig(p=P, n_train=EIGHT, seed=seed)) for seed in first_seeds(n, linear)]


@cache
def first_seeds(n: int, linear: bool) -> tuple[int, ...]:
    """The first `n` seeds whose training set of 8 leaves the linear representation as
    the only one, or does not.
    """
    op, found = et.addition(P), []
    for seed in count():
        if len(found) == n:
            break
        if et.is_linear(op, start_of(RunConfig(p=P, n_train=EIGHT, seed=seed)).mask) == linear:
            found.append(seed)
    return tuple(found)


class Tables(NamedTuple):
    """What is drawn.

    eights: a row for sets of 8 that are linear and one for those that are not: linear,
    networks, reached, value, interval; seed, rqi and samples (text) of the network
    shown. paths: the standardised embeddings of the two, steps and a column a symbol.
    chances: n_train, sets, linear (how many of them are), share. shares: n_train,
    networks, reached, value, interval. smallest: as a row of chances, and samples.
    """

    eights: pd.DataFrame
    paths: list[pd.DataFrame]
    chances: pd.DataFrame
    shares: pd.DataFrame
    smallest: dict[str, Any]


def tables(store: RunStore, scale: Scale) -> Tables:
    op = et.addition(P)
    eights, paths = [], []
    for linear in (True, False):
        configs = sets_of_eight(scale, linear=linear)
        table = store.table(configs)
        best = int(table["rqi"].argmax())  # the first of several
        shown = {"seed": configs[best].seed, "rqi": table["rqi"][best], "samples": _sums(op, table["mask"][best])}
        eights.append({"linear": linear, **_share(table), **shown})
        paths.append(_path(store, configs[best]))
    counts = linear_counts(op)
    chances = [
        {"n_train": n, "sets": comb(op.n_samples, n), "linear": int(k), "share": k / comb(op.n_samples, n)}
        for n, k in enumerate(counts)
    ]
    shares = [{"n_train": n, **_share(here)} for n, here in store.table(_sizes(scale)).groupby("n_train")]
    mask = smallest_linear_set(op, counts)
    smallest = {**chances[int(mask.sum())], "samples": _sums(op, mask)}
    return Tables(pd.DataFrame(eights), paths, pd.DataFrame(chances), pd.DataFrame(shares), smallest)


def _share(table: pd.DataFrame) -> dict[str, Any]:
    """How many of the networks reached RQI > 0.95."""
    reached = int(table["steps_to_rqi"].notna().sum())
    share = et.proportion(reached, len(table))
    return {"networks": len(table), "reached": reached, "value": share.value, "interval": share.interval}


def _path(store: RunStore, config: RunConfig) -> pd.DataFrame:
    """The standardised embedding over training, the last symbol above the first in the
    end.
    """
    curves = store.curves(config)
    x = standardize(curves["embedding"])[:, :, 0]
    return pd.DataFrame(x if x[-1, -1] >= x[-1, 0] else -x).assign(steps=curves["steps"])


def _sums(op: et.Operation, mask: NDArray[np.bool_]) -> str:
    """The samples of D as text, by result."""
    chosen = op.by_result[mask[op.by_result]]
    return "  ".join(f"{i}+{j}" for i, j in op.pairs[chosen].tolist())


def draw(drawn: Tables) -> Figure:
    figure = Figure(figsize=(12, 4))
    *panels, right = figure.subplots(1, 3)
    names = ("linear representation unique", "not unique")
    for axes, letter, name, shown, path in zip(
        panels, "ab", names, drawn.eights.itertuples(), drawn.paths, strict=True
    ):
        _path_of_symbols(axes, path)
        axes.set_title(f"({letter}) {name}: RQI {shown.rqi:.2f} (seed {shown.seed})", loc="left")
        axes.text(0.5, 0.02, f"D: {shown.samples}", transform=axes.transAxes, ha="center", fontsize="small", color=GREY)
    panels[0].set_ylabel("standardised embedding $E_k$")
    _shares(right, drawn)
    right.set_title("(c)", loc="left")
    return figure


def _path_of_symbols(axes: Axes, path: pd.DataFrame) -> None:
    colours = colormaps["viridis"](np.linspace(0, 0.95, P))
    for symbol, colour in enumerate(colours):
        axes.plot(path["steps"].clip(lower=1), path[symbol], color=colour, label=f"{symbol}")
    axes.set(xscale="log", xlabel="steps", ylim=(-2.4, 2.4))
    axes.legend(ncols=P, fontsize="small", loc="upper center", handlelength=1, columnspacing=1)


def _shares(axes: Axes, drawn: Tables) -> None:
    smallest = drawn.smallest
    axes.plot(
        drawn.chances["n_train"], drawn.chances["share"], "-o", color=BLUE, ms=3, label="theory: unique, exact share"
    )
    unique = drawn.eights[drawn.eights["linear"]].assign(n_train=EIGHT + 0.3)  # beside those on random sets
    for rows, marker, fill, label in (
        (drawn.shares, "o", VERMILION, "networks: RQI > 0.95"),
        (unique, "D", "white", f"networks on sets of {EIGHT} as in (a)"),
    ):
        value = rows["value"].to_numpy(float)
        low, high = np.array(rows["interval"].tolist()).T
        axes.errorbar(
            rows["n_train"],
            value,
            [value - low, high - value],
            fmt=marker,
            color=VERMILION,
            mfc=fill,
            capsize=2,
            label=label,
        )
    fewest = (
        f"fewest: {smallest['n_train']} ({smallest['linear']} of {smallest['sets']:,} sets),\nas {smallest['samples']}"
    )
    axes.plot(smallest["n_train"], smallest["share"], "o", color="black", mfc="none", ms=12, mew=1, label=fewest)
    axes.set(xlabel="training-set size |D|", ylabel="share of training sets / networks", ylim=(-0.03, 1.03))
    axes.legend(fontsize="small", loc="upper left")
