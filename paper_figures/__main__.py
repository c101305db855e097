"""python -m paper_figures lists the figures; with fig4 --out DIR it draws that one, training what is missing."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import matplotlib as mpl
import tyro

from analysis._report import prepare_folder, save_picture, write_page
from analysis.runs.store import RunStore, StoreError
from analysis.runs.sweep import WorkerError, ensure
from neural import ConfigError
from neural.command import run_command
from paper_figures import fig3, fig4, fig5
from paper_figures.style import LOOK

FIGURES = {"fig3": fig3, "fig4": fig4, "fig5": fig5}


@dataclass(frozen=True)
class Arguments:
    """Draw the paper's figures, theory beside experiment. Without a name: list them."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Which figures: fig3, fig4, fig5."""
    all: bool = False
    """Draw all of them."""
    seeds: int = 8
    """How many seeds a training-set size."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train what is missing."""
    out: Path = Path("results/paper_figures")
    """Folder for the pictures."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


def main(arguments: Arguments) -> None:
    names = list(FIGURES) if arguments.all else arguments.names
    for name in names:
        if name not in FIGURES:
            raise ConfigError(f"`names` must be among {', '.join(FIGURES)}, but one is {name!r}.")
    if arguments.seeds < 1:
        raise ConfigError(f"`seeds` must be an integer of at least 1, but is {arguments.seeds}.")
    if not names:
        for name, module in FIGURES.items():
            print(f"{name}  {module.TITLE}")
        return
    prepare_folder(arguments.out)
    with RunStore(arguments.store) as store, mpl.rc_context(LOOK):
        ensure([run for name in names for run in FIGURES[name].runs(arguments.seeds)], store, arguments.device)
        for name in names:
            picture = arguments.out / f"{name}.png"
            save_picture(picture, FIGURES[name].draw(FIGURES[name].tables(store, arguments.seeds)))
            caption = inspect.getdoc(FIGURES[name]) or ""
            write_page(picture.with_suffix(".md"), [f"![{name}]({name}.png)", caption])
            print(picture)


if __name__ == "__main__":
    run_command(Arguments, main, "python -m paper_figures", errors=(StoreError, WorkerError))
