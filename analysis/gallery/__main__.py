"""All that a run store has on one page: phase maps with the runs behind each cell and
their curves, theory against experiment, embeddings over training.

    python -m analysis.gallery

writes results/gallery/gallery.html, a single file that needs no network and no other
file. Nothing is trained.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm.auto import tqdm

from analysis.gallery.planes import LEAST_CELLS, Plane, find_planes
from analysis.measures.components import projected
from analysis.predictors.catalogue import CATALOGUE
from analysis.report.command import check_at_least
from analysis.report.files import prepare_folder, write_text
from analysis.runs.phases import COLOURS, LETTERS, PHASES, Thresholds, classify
from analysis.runs.store import LostTraces, RunStore, StoreError, config_of, phase_records
from neural import ConfigError, RunConfig
from neural.command import run_command
from neural.families.external import External
from neural.families.toy import Toy

PROG = "python -m analysis.gallery"
POINTS = 40  # of a learning curve
FRAMES = 60  # of an animation
_TRIED = 5  # runs of a plane, for one with embeddings that were kept


@dataclass(frozen=True)
class Arguments(Thresholds):
    """Make one page of a run store, to be looked at in a browser."""

    newest: int = 10_000
    """Among how many runs of each family to look for planes: the newest ones."""
    most: int = 2_000
    """About how many runs to show: planes of most cells first, as long as the next fits."""
    films: int = 6
    """Of how many runs to show the embeddings over training."""
    out: Path = Path("results/gallery")
    """Folder for the page."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


def main(arguments: Arguments) -> None:
    check_at_least(1, arguments, "newest", "most")
    check_at_least(0, arguments, "films")
    prepare_folder(arguments.out)
    with RunStore(arguments.store, read_only=True) as store:
        page = gallery(store, arguments, arguments.newest, arguments.most, arguments.films)
    path = arguments.out / "gallery.html"
    write_text(path, page)
    print(path)


def gallery(store: RunStore, limits: Thresholds, newest: int, most: int, films: int) -> str:
    """The page. Numbers in it are written small: steps are integers, shares whole per
    cent, places three digits. ConfigError: the runs differ in nothing that would be an
    axis. StoreError: a run is damaged.
    """
    counts = {family: store.count(family) for family in store.families()}
    n_runs, n_seen = sum(counts.values()), sum(min(n, newest) for n in counts.values())
    planes = [plane for family in counts for plane in find_planes(store.settings(family, newest), family)]
    if not planes:
        raise ConfigError(
            f"`store` must have runs of at least {LEAST_CELLS} settings that differ in one field or two, but "
            f"{store.path} has none: python -m analysis.sweep trains some."
        )
    planes.sort(key=lambda plane: (-len(plane.axes), -plane.n_cells))
    together = np.cumsum([len(plane.runs) for plane in planes])
    shown = [with_results(plane, store) for plane in planes[: max(1, int((together <= most).sum()))]]
    n_shown = len({key for plane in shown for key in plane.runs["key"]})
    lost: dict[str, None] = {}  # names of runs, each once
    content = {
        "phases": [{"name": name, "colour": COLOURS[name], "letter": LETTERS[name]} for name in PHASES],
        "planes": [plane_content(plane, store, limits, lost) for plane in shown],
        "theory": theory_content(store, most),
        "films": animations(shown, store, films),
    }
    about = (
        f"{n_runs:,} runs are in the store"
        + (f"; planes were looked for among the newest {n_seen:,}" if n_seen < n_runs else "")
        + f", {n_shown:,} of them on this page"
        + (f", {len(lost):,} without their curves, whose traces are gone" if lost else "")
        + f". Learned: train accuracy {limits.train_threshold:g}; generalised: test accuracy "
        f"{limits.test_threshold:g}, in all families; grokking: {limits.delay:,g} steps later or more."
    )
    if lost:
        print(store.told_lost([*lost]), file=sys.stderr)
    template = resources.files("analysis.gallery").joinpath("page.html").read_text(encoding="utf-8")
    written = json.dumps(content | {"about": about}, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return template.replace("@DATA@", written)


def with_results(plane: Plane, store: RunStore) -> Plane:
    """The plane with all that the store's table has of its runs."""
    runs = store.table([config_of(key) for key in plane.runs["key"]])
    if n_lost := len(plane.runs) - len(runs):
        lost = f"{n_lost:,} of the runs that {store.path} lists are not found in it"
        raise StoreError(f"`store` must be an undamaged run store, but {lost}.")
    return replace(plane, runs=runs)


def plane_content(plane: Plane, store: RunStore, limits: Thresholds, lost: dict[str, None]) -> dict[str, Any]:
    """A plane, and in each cell the runs with their phase, steps and curves."""
    cells: dict[tuple[int, ...], list[dict[str, Any]]] = {}
    rows = classify(plane.runs, limits, phase_records(plane.family)).sort_values("seed").to_dict("records")
    for row in tqdm(rows, desc="runs", unit="run", leave=False):
        place = tuple(axis.values.index(axis.value(row[axis.field])) for axis in plane.axes)
        cells.setdefault(place, []).append(
            {
                "seed": f"{row['seed']}" + (f", replica {row['replica']}" if row.get("replica") else ""),
                "phase": PHASES.index(row["phase"]),
                "train": _whole(row["train"]),
                "test": _whole(row["test"]),
                "run": int(row["steps_run"]),
                "curve": curve(store, row["key"], plane, lost),
            }
        )
    found = sorted(cells.items())
    # a picture's label without its formula: a browser draws no TeX
    labels = [(axis.label or axis.field.replace("_", " ")).split(" $")[0] for axis in plane.axes]
    values = [_apart([_text(value) for value in axis.values]) for axis in plane.axes]
    return {
        "title": f"{plane.family.name}: {' and '.join(labels)}",
        "shared": ", ".join(f"{name} = {_text(value)}" for name, value in plane.shared.items()),
        "axes": [{"label": label, "values": texts} for label, texts in zip(labels, values, strict=True)],
        "cells": [{"at": place, "runs": runs} for place, runs in found],
        "opens": most_telling([runs for _, runs in found]),
        "n": len(rows),
    }


def _apart(texts: list[str]) -> list[str]:
    """Texts of several words without the words that all of them have."""
    shared = set.intersection(*(set(text.split()) for text in texts))
    apart = [" ".join(word for word in text.split() if word not in shared) for text in texts]
    return apart if all(" " in text for text in texts) and len({*apart}) == len(texts) else texts


def most_telling(cells: Sequence[Sequence[dict[str, Any]]]) -> int:
    """Which cell has the longest delay from train to test, in units of the steps to
    train; of those without any the first in which a run generalises, then the first.
    """
    delays = [-np.inf] * len(cells)
    for number, runs in enumerate(cells):
        for train, test in ((run["train"], run["test"]) for run in runs if run["test"] is not None):
            delays[number] = max(delays[number], 0 if train is None else max(test - train, 0) / (1 + train))
    return int(np.argmax(delays))


def curve(store: RunStore, key: str, plane: Plane, lost: dict[str, None]) -> list[list[int | None]]:
    """Steps, and train and test accuracy in per cent, of a run: at most POINTS of
    each. Where the traces are gone or damaged, one step without accuracies.
    """
    try:
        curves = store.curves(config_of(key))
    except LostTraces as error:
        lost[error.run] = None
        return [[0], [None], [None]]
    steps, train, test = curves["steps"], *(curves[metric.name].astype(float) for metric in plane.family.METRICS[:2])
    chosen = thinned(len(steps), POINTS)
    if plane.family.name == External.name:  # whose log may have one of them at a time, at any steps
        last = np.maximum.accumulate(np.where(np.isfinite(train), np.arange(len(train)), 0))
        train, there = train[last], np.flatnonzero(np.isfinite(test))
        even = np.linspace(0, len(there) - 1, POINTS) if len({*np.diff(steps)}) > 1 else thinned(len(there), POINTS)
        chosen = there[np.unique(np.round(even).astype(np.int64))]
    return [[_whole(x) for x in values[chosen]] for values in (steps, 100 * train, 100 * test)]


def thinned(n: int, most: int) -> NDArray[np.int64]:
    """At most `most` (>= 3) of 0..n-1, denser at the beginning, with both ends."""
    if n <= most:
        return np.arange(n)
    late = np.geomspace(1, n - 1, most - 1)
    return np.unique(np.concatenate([[0], np.round(late)]).astype(np.int64))


def theory_content(store: RunStore, most: int) -> dict[str, Any]:
    """Predicted and measured steps to RQI > 0.95 of `most` runs that were predicted: of
    each predictor its title, and of each run its steps (None: never, or not within the
    budget; False: nothing was said), size, seed and budget.
    """
    told = store.predictions().query("target == 'rqi' and value == value").sort_values("draws", kind="stable")
    told = told[told["predictor"].isin([name for name, one in CATALOGUE.items() if one.gives == "steps"])]
    told = told.drop_duplicates(["key", "predictor"], keep="last").set_index(["key", "predictor"])["value"].unstack()
    names = [name for name in CATALOGUE if name in told][::-1]
    said = dict(zip(told.index, told[names].to_numpy(), strict=True))
    configs = [config for config in map(config_of, told.index[:most]) if isinstance(config, RunConfig)]
    runs = [
        {
            **{"n": int(row["n_train"]), "seed": int(row["seed"]), "budget": int(row["budget"])},
            "rates": f"eta_r {row['repr_lr']:g}, eta_d {row['decoder_lr']:g}",
            "measured": _whole(row["steps_to_rqi"]),
            "predicted": [not np.isnan(steps) and _whole(steps) for steps in said[row["key"]]],
        }
        for row in store.table(configs).to_dict("records")
    ]
    return {"predictors": [CATALOGUE[name].title for name in names] if runs else [], "runs": runs}


def animations(planes: Sequence[Plane], store: RunStore, most: int) -> list[dict[str, Any]]:
    """Embeddings over training, `most` in all: from each plane in turn the run that
    generalised best, of equal ones latest, among the first few that have embeddings.
    """

    def first(plane: Plane) -> dict[str, Any] | None:
        last = [values[0][-1] if len(values[0]) else 0 for values in plane.runs[phase_records(plane.family)[1]]]
        ranked = plane.runs.assign(last=last).sort_values(["test_accuracy", "last"], na_position="first")
        tried = (animation(store, row, plane) for _, row in ranked[::-1].head(_TRIED).iterrows())
        return next(filter(None, tried), None)

    return list(islice(filter(None, map(first, planes)), most))


def animation(store: RunStore, row: pd.Series, plane: Plane) -> dict[str, Any] | None:
    """One run: its steps, accuracies, and the places (frames, p, 2) of the symbols
    along the first two principal components of the last embeddings; of one dimension,
    number and entry. None for a network without embeddings, or without traces.
    """
    config = config_of(row["key"])
    try:
        curves = store.curves(config)
        steps, E = curves["steps"], curves.get("embedding")
        if plane.family is not Toy:
            traces = store.traces(config)
            steps, E = traces.checkpoint_steps, traces.checkpoints.get("embedding")
    except LostTraces:
        return None
    if E is None or len(E) < 3 or not np.isfinite(E).all():
        return None
    if plane.family is Toy:
        E = E.reshape(*E.shape[:2], -1)  # those of S3 are matrices
    elif E.ndim == 4:
        E = E[:, 0]  # the first of two tables
    E = E[:, : config.p].astype(np.float64)  # without an equals sign
    chosen = thinned(len(E), FRAMES)
    line = E.shape[2] == 1
    symbols = np.arange(E.shape[1])[:, None]
    places = [np.hstack([symbols, E[k]]) if line else projected(E[k], E[-1])[:, :2] for k in chosen]
    looks = np.searchsorted(curves["steps"], steps[chosen])
    said = ", ".join(f"{axis.field} {_text(axis.value(row[axis.field]))}" for axis in plane.axes)
    return {
        "title": f"{plane.family.name}, {said}, seed {row['seed']}",
        "axes": ["symbol", "embedding"] if line else ["first component of the last", "second"],
        "steps": steps[chosen].astype(int).tolist(),
        **{of: [_whole(x) for x in 100 * curves[f"{of}_accuracy"][looks].astype(float)] for of in ("train", "test")},
        "places": [[[_digits(x) for x in place] for place in frame] for frame in places],
    }


def _whole(value: float) -> int | None:
    return round(float(value)) if np.isfinite(value) else None


def _digits(value: float) -> float | None:
    return float(f"{value:.3g}") if np.isfinite(value) else None


def _text(value: Any) -> str:
    if value is None or value in ("", "None"):
        return "none"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    run_command(Arguments, main, PROG, (StoreError,))
