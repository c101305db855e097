"""The four pictures that people draw again and again, for a notebook or a page of one's
own: a training set and what is in its reach, the spectrum with lambda_3, embeddings
over time, and the theory beside a network.

Each draws on `ax`, a new one where there is none, and returns it.

    import efftheory as et
    from analysis.plots import plot_theory, plot_training_set
    from neural import RunConfig, train_run

    op = et.addition(10)
    plot_training_set(op, op.random_training_set(25, seed=3))
    plot_theory(train_run(RunConfig(n_train=45)))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

import efftheory as et
from analysis.measures.components import principal_components, projected
from analysis.predictors.effective import operation
from analysis.predictors.memory import known, training
from analysis.report.look import BLUE, GREEN, LOOK, SIZE_COLOURS, VERMILION
from efftheory._picture import draw_spectrum, draw_table, fates
from neural import ConfigError, History, ModularConfig, RunConfig

__all__ = ["plot_embedding", "plot_spectrum", "plot_theory", "plot_training_set"]

MOST_NAMED = 64  # symbols that have a name in a picture
_LIGHT = 0.92  # of viridis: beyond, a line is lost on white
# What is compared: as networks and the theory call it, what it is called here, and its
# colour.
_CURVES = (
    ("rqi", "RQI", GREEN),
    ("train_accuracy", "train accuracy", BLUE),
    ("test_accuracy", "test accuracy", VERMILION),
)


def plot_training_set(op: et.Operation, mask: NDArray[np.bool_] | None = None, ax: Axes | None = None) -> Axes:
    """Which samples are trained on, which of the others follow from them, and which do
    not.

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.
        ax: where to draw.

    Raises:
        ArgumentError: as `et.describe`.
    """
    description = et.describe(op, mask)
    ax = _axes(ax, 4.6)
    accuracy = f"ideal accuracy {description.ideal_accuracy:.3g}"
    draw_table(ax, description, f"{_plain(op.name)}\n{_samples(description)}, {accuracy}")
    ax.grid(False)
    half_empty = op.tables == 1 and op.composition == "sum"  # below the diagonal
    beside: Any = {"loc": "lower right"} if half_empty else {"loc": "upper left", "bbox_to_anchor": (1, 1)}
    ax.legend(*fates(op), frameon=False, **beside)
    return ax


def plot_spectrum(op: et.Operation, mask: NDArray[np.bool_] | None = None, ax: Axes | None = None) -> Axes:
    """The eigenvalues of the Hessian of the effective loss, those that are exactly 0 on
    the axis, and lambda_3 marked.

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.
        ax: where to draw.

    Raises:
        ArgumentError: as `et.describe`.
    """
    description = et.describe(op, mask)
    ax = _axes(ax)
    draw_spectrum(ax, description, f"{_plain(op.name)}\n{_samples(description)}")
    ax.legend(frameon=False)
    return ax


def plot_embedding(run: Any, ax: Axes | None = None) -> Axes:
    """Embeddings over time, dark for the first symbols: in one dimension standardised,
    over steps; in more as paths in the plane of the last state's first two principal
    components, a dot at the end of each.

    Args:
        run: a History of `neural`; or what `et.flow`, `et.optimizer_flow` and
            `et.memory_flow` return.
        ax: where to draw.

    Raises:
        ConfigError: `run` is neither, or its network has no embeddings.
    """
    times, E = _embeddings(run)
    ax = _axes(ax, 4.6 if E.shape[2] > 1 else 3.4)
    unit = "time" if isinstance(run, et.Trajectory) else "steps"
    if E.shape[2] == 1:
        draw_symbols(ax, times, E[:, :, 0])
        ax.set(xlabel=unit, ylabel="standardised embedding $E_k$")
        return ax
    paths = np.array([projected(here, E[-1]) for here in E])  # (T, p, 2)
    colours = _colours(E.shape[1])
    for symbol, colour in enumerate(colours):
        ax.plot(*paths[:, symbol].T, color=colour, lw=0.8, alpha=0.5)
        if len(colours) <= MOST_NAMED:
            ax.annotate(f"{symbol}", paths[-1, symbol], (3, 3), textcoords="offset points", fontsize="x-small")
    ax.scatter(*paths[-1].T, c=colours, s=16, zorder=3)
    one, two = principal_components(E[-1]).shares[:2]
    ax.set(xlabel=f"first component ({one:.0%} of the variance)", ylabel=f"second component ({two:.0%})")
    ax.set_title(f"{unit} {times[0]:g} to {times[-1]:g}")
    ax.set_aspect("equal", "datalim")
    return ax


def draw_symbols(axes: Axes, times: ArrayLike, E: ArrayLike) -> None:
    """A line a symbol: its embedding (T, p), standardised, over times (T,)."""
    steps, places = np.asarray(times, float), np.asarray(E, float)
    positive = steps[steps > 0]
    steps = steps.clip(min=positive.min(initial=1) if len(positive) else 1)  # a logarithmic axis has no 0
    with np.errstate(invalid="ignore"):  # all in one place
        places = (places - places.mean(axis=1, keepdims=True)) / places.std(axis=1, ddof=1, keepdims=True)
    colours = _colours(places.shape[1])
    for symbol, colour in enumerate(colours):
        axes.plot(steps, places[:, symbol], color=colour, lw=1.2)
        if len(colours) <= MOST_NAMED and np.isfinite(places[-1, symbol]):
            end = (steps[-1], places[-1, symbol])
            axes.annotate(f"{symbol}", end, (3, 0), textcoords="offset points", fontsize="x-small", va="center")
    axes.set_xscale("log")


def plot_theory(run: Any, ax: Axes | None = None, draws: int = 8) -> Axes:
    """What the theory with memory says of a run of the toy model, and what the network
    did: RQI and both accuracies. The theory knows the run's training set, initial
    embeddings, targets and rates; the decoder's initial weights it draws anew: a dashed
    line is the median of the draws, and four fifths of them are in the band.

    Args:
        run: a History of `neural`; or a RunConfig, of which nothing is measured yet.
        ax: where to draw.
        draws: how many decoders the theory draws.

    Raises:
        ConfigError: `run` is of another family, or there are no draws.
    """
    config = getattr(run, "config", run)
    if not isinstance(config, RunConfig):
        kind = type(config).__name__
        raise ConfigError(f"`run` must be a run of the toy model, which the theory describes, but is of {kind}.")
    if not isinstance(draws, int) or draws < 1:
        raise ConfigError(f"`draws` must be an integer of at least 1, but is {draws!r}.")
    op, (mask, E0, targets) = operation(config), known(config)
    grid = np.unique(np.geomspace(1, max(config.budget, 1), 300).round())
    flows = [
        et.memory_flow(op, mask, E0, targets, seed=np.random.default_rng([config.seed, number]), **training(config))
        for number in range(draws)
    ]
    ax = _axes(ax)
    for name, words, colour in _CURVES:
        said = np.array([_at(grid, flow.times, getattr(flow, name)) for flow in flows])
        if np.isfinite(said).any():
            low, median, high = np.quantile(said, (0.1, 0.5, 0.9), axis=0)
            ax.fill_between(grid, low, high, color=colour, alpha=0.15, lw=0)
            ax.plot(grid, median, "--", color=colour, label=f"{words}, theory")
        if run is not config:
            ax.plot(run.steps.clip(min=1), run.traces[name], color=colour, label=f"{words}, network")
    ax.set(xscale="log", xlabel="steps", ylabel="share", ylim=(-0.03, 1.03), xlim=(1, max(config.budget, 2)))
    ax.set_title(f"{_plain(op.name)}, {config.n_train} of {config.n_samples} samples, seed {config.seed}")
    ax.legend(fontsize="small", loc="upper left", frameon=False)
    return ax


def _axes(ax: Axes | None, height: float = 3.4) -> Axes:
    if ax is not None:
        return ax
    from matplotlib import pyplot  # which chooses a backend, and who has an `ax` has chosen

    with mpl.rc_context(LOOK):
        return pyplot.subplots(figsize=(5.2, height))[1]


def _embeddings(run: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times (T,) and embeddings (T, p, d) of a run or flow, as far as they are
    finite.
    """
    if isinstance(run, et.Trajectory | et.LearningTrajectory):
        times, E = run.times, run.E
    elif not isinstance(run, History):
        raise ConfigError(f"`run` must be a History or a trajectory, but is a {type(run).__name__}.")
    elif "embedding" not in run.checkpoints:
        raise ConfigError(f"`run` must have embeddings, but has {', '.join(run.checkpoints) or 'no weights'}.")
    else:
        times, E, config = run.checkpoint_steps, run.checkpoints["embedding"], run.config
        if isinstance(config, ModularConfig):
            if config.network == "transformer":
                E = E[:, :-1]  # without the equals sign
            elif E.ndim == 4:
                E = E[:, 0]  # of two tables that of the left symbols
    E = E.reshape(*E.shape[:2], -1).astype(float)
    finite = np.isfinite(E).all(axis=(1, 2))
    if not finite.any():
        raise ConfigError("`run` must have embeddings that are numbers, but has none.")
    return np.asarray(times, float)[finite], E[finite]


def _at(grid: NDArray[np.float64], times: NDArray[np.float64], curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """A curve at the steps of a grid: its last record until then."""
    return curve[np.searchsorted(times, grid, "right") - 1] if len(times) else np.full(len(grid), np.nan)


def _colours(p: int) -> Sequence[Any]:
    return list(SIZE_COLOURS(np.linspace(0, _LIGHT, p)))


def _samples(description: et.Description) -> str:
    return f"{description.n_train} of {description.operation.n_samples} samples"


def _plain(name: str) -> str:
    """Users' names as they are: a $ would begin a formula."""
    return name.replace("$", r"\$")
