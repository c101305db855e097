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
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from analysis.gallery.content import animations, phases, plane_content, theory_content
from analysis.gallery.planes import LEAST_CELLS, Plane, find_planes
from analysis.phase_diagram.records import Thresholds
from analysis.report.command import check_at_least
from analysis.report.files import prepare_folder, write_text
from analysis.runs.store import RunStore, StoreError, config_of
from neural import ConfigError
from neural.command import run_command

PROG = "python -m analysis.gallery"


@dataclass(frozen=True)
class Arguments:
    """Make one page of a run store, to be looked at in a browser."""

    newest: int = 10_000
    """Among how many runs of each family to look for planes: the newest ones."""
    most: int = 2_000
    """About how many runs to show: planes of most cells first, as long as the next fits."""
    films: int = 6
    """Of how many runs to show the embeddings over training."""
    train_threshold: float = Thresholds.train
    """Training accuracy that counts as learned."""
    test_threshold: float = Thresholds.test
    """Test accuracy that counts as generalised."""
    delay: float = Thresholds.delay
    """Steps between the two from which on generalisation is grokking."""
    out: Path = Path("results/gallery")
    """Folder for the page."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


def main(arguments: Arguments) -> None:
    check_at_least(1, arguments, "newest", "most")
    check_at_least(0, arguments, "films")
    thresholds = Thresholds(arguments.train_threshold, arguments.test_threshold, arguments.delay)
    prepare_folder(arguments.out)
    with RunStore(arguments.store, read_only=True) as store:
        page = gallery(store, thresholds, arguments.newest, arguments.most, arguments.films)
    path = arguments.out / "gallery.html"
    write_text(path, page)
    print(path)


def gallery(store: RunStore, thresholds: Thresholds, newest: int, most: int, films: int) -> str:
    """The page.

    Raises:
        ConfigError: the runs of this store differ in nothing that would be an axis.
        StoreError: a run is damaged.
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
    shown = [with_results(plane, store) for plane in first_of(planes, most)]
    n_shown = len({key for plane in shown for key in plane.runs["key"]})
    lost: list[str] = []
    with tqdm(total=sum(len(plane.runs) for plane in shown), desc="runs", unit="run", leave=False) as bar:
        planes_shown = [plane_content(plane, store, thresholds, bar.update, lost.append) for plane in shown]
        lost = list(dict.fromkeys(lost))
        content: dict[str, Any] = {
            "about": f"{n_runs:,} runs are in the store"
            + (f"; planes were looked for among the newest {n_seen:,}" if n_seen < n_runs else "")
            + f", {n_shown:,} of them on this page"
            + (f", {len(lost):,} without their curves, whose traces are gone" if lost else "")
            + f". Learned: train accuracy {thresholds.train:g}; generalised: test accuracy {thresholds.test:g}, in all "
            f"families; grokking: {thresholds.delay:,g} steps later or more.",
            "phases": phases(),
            "planes": planes_shown,
            "theory": theory_content(store, most),
            "films": animations(shown, store, films),
        }
    if lost:
        print(store.told_lost(lost), file=sys.stderr)
    template = resources.files("analysis.gallery").joinpath("page.html").read_text(encoding="utf-8")
    written = json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return template.replace("@DATA@", written)


def with_results(plane: Plane, store: RunStore) -> Plane:
    """The plane with all that the store's table has of its runs."""
    runs = store.table([config_of(key) for key in plane.runs["key"]])
    if len(runs) < len(plane.runs):
        lost = f"{len(plane.runs) - len(runs):,} of the runs that {store.path} lists are not found in it"
        raise StoreError(f"`store` must be an undamaged run store, but {lost}.")
    return replace(plane, runs=runs)


def first_of(planes: Sequence[Plane], most: int) -> list[Plane]:
    """Planes in their order, as long as they have no more than `most` runs together;
    one at least.
    """
    together = np.cumsum([len(plane.runs) for plane in planes])
    return list(planes[: max(1, int((together <= most).sum()))])


if __name__ == "__main__":
    run_command(Arguments, main, PROG, (StoreError,))
