"""What the gallery shows, as plain lists and numbers: planes of runs with their curves,
predicted against measured steps, embeddings over training.

Written small: steps are integers, shares whole per cent, places three digits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.gallery.planes import Plane
from analysis.measures.components import projected
from analysis.phase_diagram.phases import PHASES, classify
from analysis.phase_diagram.pictures import COLOURS, LETTERS
from analysis.phase_diagram.records import Thresholds
from analysis.runs.plan import Axis
from analysis.runs.store import LostTraces, RunStore, config_of, phase_records
from neural.families.toy import Toy

POINTS = 40  # of a learning curve
FRAMES = 60  # of an animation
_TRIED = 5  # runs of a plane, for one with embeddings that were kept
_PREDICTORS = {
    "memory_flow": "with memory",
    "optimizer_flow": "flow with Adam",
    "exact_flow": "exact flow",
    "inverse_lambda3": "1/lambda_3",
}


def phases() -> list[dict[str, str]]:
    """Name, colour and letter of each phase."""
    return [{"name": name, "colour": COLOURS[name], "letter": LETTERS[name]} for name in PHASES]


def plane_content(
    plane: Plane,
    store: RunStore,
    thresholds: Thresholds,
    on_run: Callable[[], object] = lambda: None,
    on_lost: Callable[[str], object] = lambda run: None,
) -> dict[str, Any]:
    """A plane: its title, axes and cells, which of them opens, and in each cell the
    runs with their phase, steps and curves. `on_lost` has the name of each run whose
    traces are gone or damaged.
    """
    classified = classify(plane.runs, thresholds, phase_records(plane.family))
    cells: dict[tuple[int, ...], list[dict[str, Any]]] = {}
    for row in classified.sort_values("seed").to_dict("records"):
        place = tuple(axis.values.index(axis.value(row[axis.field])) for axis in plane.axes)
        cells.setdefault(place, []).append(
            {
                "seed": f"{row['seed']}" + (f", replica {row['replica']}" if row.get("replica") else ""),
                "phase": PHASES.index(row["phase"]),
                "train": _step(row["train"]),
                "test": _step(row["test"]),
                "run": int(row["steps_run"]),
                "curve": curve(store, row["key"], plane, on_lost),
            }
        )
        on_run()
    found = sorted(cells.items())
    axes = [plain(axis.label or axis.field.replace("_", " ")) for axis in plane.axes]
    return {
        "title": f"{plane.family.name}: {' and '.join(axes)}",
        "shared": ", ".join(f"{name} = {_text(value)}" for name, value in plane.shared.items()),
        "axes": [{"label": label, "values": _texts(axis)} for label, axis in zip(axes, plane.axes, strict=True)],
        "cells": [{"at": list(place), "runs": runs} for place, runs in found],
        "opens": most_telling([runs for _, runs in found]),
        "n": len(classified),
    }


def most_telling(cells: Sequence[Sequence[dict[str, Any]]]) -> int:
    """Which cell tells most at first sight: the one with the longest delay from train
    to test, in units of the steps to train; of those without any delay the first in
    which a run generalises, then the first of all.
    """

    def delay(runs: Sequence[dict[str, Any]]) -> float:
        there = [(run["train"], run["test"]) for run in runs if run["test"] is not None]
        return max(
            (0 if train is None else max(test - train, 0) / (1 + train) for train, test in there), default=-np.inf
        )

    return int(np.argmax([delay(runs) for runs in cells]))


def curve(store: RunStore, key: str, plane: Plane, on_lost: Callable[[str], object]) -> list[list[int | None]]:
    """Steps, and train and test accuracy in per cent, of a run: at most POINTS of
    each. Where the traces are gone or damaged, one step without accuracies.
    """
    try:
        curves = store.curves(config_of(key))
    except LostTraces as lost:
        on_lost(lost.run)
        return [[0], [None], [None]]
    steps = curves["steps"]
    chosen = thinned(len(steps), POINTS)
    shares = [curves[metric.name][chosen] for metric in plane.family.METRICS[:2]]
    return [steps[chosen].astype(int).tolist(), *([_percent(x) for x in share] for share in shares)]


def thinned(n: int, most: int) -> NDArray[np.int64]:
    """At most `most`, three or more, of 0..n-1, denser at the beginning; both ends
    always.
    """
    if n <= most:
        return np.arange(n)
    late = np.geomspace(1, n - 1, most - 1)
    return np.unique(np.concatenate([[0], np.round(late)]).astype(np.int64))


def theory_content(store: RunStore, most: int) -> dict[str, Any]:
    """Predicted and measured steps to RQI > 0.95 of `most` runs that were predicted: of
    each predictor what it is called, and of each run its steps (None: never, or, of
    those that end with it, not within the budget), size, seed and budget.
    """
    rows = store.predictions().query("target == 'rqi'").drop_duplicates(["key", "predictor"], keep="last")
    predictions = rows.pivot(index="key", columns="predictor", values="value").reset_index().head(most)
    configs = [config_of(key) for key in predictions["key"]]
    both = store.table([config for config in configs if isinstance(config, Toy.Config)]).merge(predictions, on="key")
    if both.empty:
        return {"predictors": [], "runs": []}
    names = [name for name in _PREDICTORS if name in both]
    return {
        "predictors": [_PREDICTORS[name] for name in names],
        "runs": [
            {
                "n": int(row["n_train"]),
                "seed": int(row["seed"]),
                "rates": f"eta_r {row['repr_lr']:g}, eta_d {row['decoder_lr']:g}",
                "budget": int(row["budget"]),
                "measured": _step(row["steps_to_rqi"]),
                "predicted": [_step(row[name]) for name in names],
            }
            for row in both.to_dict("records")
        ],
    }


def animations(planes: Sequence[Plane], store: RunStore, most: int) -> list[dict[str, Any]]:
    """Embeddings over training, `most` in all: from each plane in turn the run that
    generalised best, and of equal ones latest, among the first few that have
    embeddings.
    """
    found = []
    for plane in planes:
        if len(found) == most:
            break
        record = phase_records(plane.family)[1]
        last = [values[0][-1] if len(values[0]) else 0 for values in plane.runs[record]]
        ranked = plane.runs.assign(last=last).sort_values(["test_accuracy", "last"], na_position="first")
        tried = (animation(store, row, plane) for _, row in ranked[::-1].head(_TRIED).iterrows())
        shown = next((one for one in tried if one is not None), None)
        if shown is not None:
            found.append(shown)
    return found


def animation(store: RunStore, row: pd.Series, plane: Plane) -> dict[str, Any] | None:
    """One run: its steps, accuracies, and the places (frames, p, 2) of the symbols,
    along the first two principal components of the last embeddings; where embeddings
    have one dimension, the symbol's number and its entry. None for a network without
    embeddings, or without traces.
    """
    config = config_of(row["key"])
    if plane.family is Toy:
        curves = store.curves(config)
        E, steps = curves["embedding"], curves["steps"]
        at = {"steps": steps} | {name: curves[name] for name in ("train_accuracy", "test_accuracy")}
    else:
        try:
            traces = store.traces(config)
        except LostTraces:
            return None
        E, steps = traces.checkpoints.get("embedding"), traces.checkpoint_steps
        at = {"steps": traces.steps} | traces.metrics
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
    looks = np.searchsorted(at["steps"], steps[chosen])
    said = ", ".join(f"{axis.field} {_text(axis.value(row[axis.field]))}" for axis in plane.axes)
    return {
        "title": f"{plane.family.name}, {said}, seed {row['seed']}",
        "axes": ["symbol", "embedding"] if line else ["first component of the last", "second"],
        "steps": steps[chosen].astype(int).tolist(),
        "train": [_percent(x) for x in at["train_accuracy"][looks]],
        "test": [_percent(x) for x in at["test_accuracy"][looks]],
        "places": [[[_digits(x) for x in place] for place in frame] for frame in places],
    }


def _percent(share: float) -> int | None:
    return None if np.isnan(share) else round(100 * float(share))


def _step(steps: float) -> int | None:
    return round(float(steps)) if np.isfinite(steps) else None


def _digits(value: float) -> float | None:
    return float(f"{value:.3g}") if np.isfinite(value) else None


def _texts(axis: Axis) -> list[str]:
    return [_text(value) for value in axis.values]


def _text(value: Any) -> str:
    if value is None or value == "None":
        return "none"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def plain(label: str) -> str:
    """A picture's label without its formula: a browser draws no TeX."""
    return label.split(" $")[0] if "$" in label else label
