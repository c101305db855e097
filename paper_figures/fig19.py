"""The effective theory of classification: classes of representations f(x) collapse, and
do they stay apart?

l_eff = l/Z, l = sum over pairs of one label of |f(x) - f(y)|^2, Z = sum of |f(x)|^2
over all n = 200 samples, f(x) in two dimensions. The paper's network and data are not
published; these are ours: an MLP 32-200-200-2 with tanh and PyTorch's default
initialisation, 10 Gaussian classes of 20 samples in 32 dimensions (centres from
N(0, 1), samples around them with variance 1). Adam at 1e-3 descends l/Z on the MLP's
weights for 100 steps, all samples in each. The theory is the exact gradient flow of
free representations from the same start. It knows no Adam steps, so its time is counted
in e-foldings: in one, deviations from class means fall by 1/e against the means.

(a) to (d): f(x) of seed 0 in units of sqrt(Z/n), a cross at the origin. (a) Before. (b)
After 100 steps; the inset is magnified. (c) The same with the mean of all f(x)
subtracted before l and Z are taken. (d) The theory. (e) to (g): eight networks, seeds 0
to 7; titles count those whose last value is below their first. (e) Share of Z in the
deviations from class means. (f) Root mean square distance between class means in units
of sqrt(Z/n). (g) Smallest distance between two class means over the root mean square
deviation from class means (the two theories coincide).

Free representations collapse by class and stay apart: distances between class means
never fall against sqrt(Z/n). So does the paper expect of networks. But weights that all
samples share can also let Z grow by the mean of all f(x), at no cost in l: then classes
collapse and approach each other in (f), and are told apart only in units of their own
size, in (g). Subtracting this mean closes that way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.measures.components import spreads
from analysis.paper.classes import CLASSES, LABELS, descend, flow
from analysis.runs.store import RunStore
from paper_figures.scale import Scale, runs_of
from paper_figures.style import BLUE, GREEN, GREY, ORANGE, VERMILION

TITLE = "classification: classes collapse, and whether they stay apart"
SEEDS = 8
STEPS = 100
runs = runs_of()  # these networks learn no operation, and are trained in seconds
LATE = 3.0  # e-foldings
QUANTITIES = {
    "within": "within-class share of $Z$",
    "distance": "distance of class means / $\\sqrt{Z/n}$",
    "separation": "smallest distance / deviation",
}


def tables(store: RunStore, scale: Scale) -> dict[str, Any]:
    """States: the representations of seed 0 in units of sqrt(Z/n), by name (start,
    network, centred, theory): label, x, y. curves: who (network or theory), centred,
    seed, time (steps or e-foldings), and the columns of `spreads`. fell: in how many
    networks each quantity did, by centred.
    """
    steps = scale.budget or STEPS
    e_foldings = np.linspace(0, LATE, 101)
    networks = {
        centred: [descend(seed, steps, centred=centred) for seed in range(scale.seeds or SEEDS)]
        for centred in (False, True)
    }
    curves = pd.concat(
        spreads(LABELS, path).assign(who=who, centred=centred, seed=seed, time=time)
        for centred, paths in networks.items()
        for seed, network in enumerate(paths)
        for who, time, path in (
            ("network", np.arange(steps + 1.0), network),
            ("theory", e_foldings, flow(network[0], e_foldings)),
        )
    )
    shown = networks[False][0]
    states = {
        "start": shown[0],
        "network": shown[-1],
        "centred": networks[True][0][-1],
        "theory": flow(shown[0], [0, LATE])[-1],
    }
    by_network = curves[curves["who"] == "network"].sort_values("time").groupby(["centred", "seed"])[list(QUANTITIES)]
    fell = (by_network.last() < by_network.first()).groupby("centred").sum()
    return {"states": {name: _points(F) for name, F in states.items()}, "curves": curves, "fell": fell}


def _points(F: NDArray[np.float64]) -> pd.DataFrame:
    x, y = (F / np.sqrt((F**2).sum() / len(F))).T
    return pd.DataFrame({"label": LABELS, "x": x, "y": y})


def draw(states: dict[str, pd.DataFrame], curves: pd.DataFrame, fell: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(13, 6.8))
    above, below = figure.subplots(2, 4)
    steps = curves.loc[curves["who"] == "network", "time"].max()
    titles = {
        "start": "(a) step 0",
        "network": f"(b) network, {steps:.0f} steps",
        "centred": f"(c) network, centred, {steps:.0f} steps",
        "theory": f"(d) theory, {LATE:g} e-foldings",
    }
    limit = 1.08 * max(state[["x", "y"]].abs().to_numpy().max() for state in states.values())
    for axes, (name, title) in zip(above, titles.items(), strict=True):
        _points_of_classes(axes, states[name])
        axes.plot(0, 0, "+", color="black", ms=10)
        axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
        axes.set(xlabel="$f_1$ / $\\sqrt{Z/n}$", ylabel="$f_2$ / $\\sqrt{Z/n}$")
        axes.set_title(title, loc="left")
    _magnify(above[1], states["network"])
    *panels, words = below
    n = curves["seed"].nunique()
    for axes, letter, (name, label) in zip(panels, "efg", QUANTITIES.items(), strict=True):
        _curves(axes, curves, name)
        axes.set_xlabel("network: steps", color=VERMILION)
        axes.set_ylabel(label)
        said = f"fell in {fell.loc[False, name]} of {n} networks, centred: {fell.loc[True, name]}"
        axes.set_title(f"({letter}) {said}", loc="left")
    words.axis("off")
    classes, lines = (axes.get_legend_handles_labels() for axes in (above[0], panels[0]))
    style = {"loc": "center", "fontsize": "small", "borderpad": 0}
    words.add_artist(
        words.legend(
            *classes, title="class", ncols=5, columnspacing=0.8, handletextpad=0, bbox_to_anchor=(0.5, 0.8), **style
        )
    )
    words.legend(*lines, title="thin: a seed; thick: median", bbox_to_anchor=(0.5, 0.35), **style)
    return figure


_COLOURS = (BLUE, ORANGE, GREEN, VERMILION, GREY) * 2
_MARKERS = "osD^v<>PX*"  # a marker a class: there are not ten colours that everybody can tell apart


def _points_of_classes(axes: Axes, points: pd.DataFrame) -> None:
    for label in range(CLASSES):
        here = points[points["label"] == label]
        style = {"marker": _MARKERS[label], "color": _COLOURS[label], "mec": "white", "mew": 0.3, "ms": 5.5}
        axes.plot(here["x"], here["y"], linestyle="none", alpha=0.85, label=str(label), **style)


def _magnify(axes: Axes, points: pd.DataFrame) -> None:
    """An inset of all points, on the side where they are not."""
    low, high = points[["x", "y"]].min(), points[["x", "y"]].max()
    half = 0.55 * (high - low).max()
    x, y = (low + high) / 2
    corner = (0.03 if x > 0 else 0.54, 0.03 if y > 0 else 0.54)
    inset = axes.inset_axes((*corner, 0.43, 0.43), xlim=(x - half, x + half), ylim=(y - half, y + half))
    _points_of_classes(inset, points)
    inset.set(xticks=[], yticks=[])
    inset.spines[:].set_visible(True)
    axes.indicate_inset_zoom(inset, edgecolor="black")


def _curves(axes: Axes, curves: pd.DataFrame, name: str) -> None:
    """The network's against its steps (below), the theory's against its e-foldings
    (above).
    """
    theory = axes.twiny()
    theory.set_xlabel("theory: e-foldings", color=BLUE)
    theory.grid(visible=False)
    theory.spines["top"].set_visible(True)
    lines = {
        ("network", False): (axes, VERMILION, "-", "network, $l/Z$ as in the paper"),
        ("network", True): (axes, ORANGE, "-", "network, centred"),
        ("theory", False): (theory, BLUE, "--", "theory, from the same start"),
        ("theory", True): (theory, GREEN, "--", "theory, from the centred start"),
    }
    for (who, centred), (own, colour, line, label) in lines.items():
        table = curves[(curves["who"] == who) & (curves["centred"] == centred)]
        by_time = table.pivot(index="time", columns="seed", values=name)
        if who == "network":
            axes.plot(by_time, color=colour, linewidth=0.6, alpha=0.35)
        own.plot(by_time.median(axis=1), line, color=colour, linewidth=2)
        axes.plot([], [], line, color=colour, linewidth=2, label=label)
    axes.set_xlim(0, curves.loc[curves["who"] == "network", "time"].max())
    theory.set_xlim(0, LATE)
    if name != "distance":
        axes.set_yscale("log")
