"""python -m paper_figures lists the figures; with fig4 --out DIR it draws that one,
training what is missing.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import matplotlib as mpl
import tyro

import paper_figures
from analysis._report import prepare_folder, save_picture, write_page
from analysis.runs.cost import estimate
from analysis.runs.executors import Execution, WorkerError
from analysis.runs.store import RunStore, StoreError
from analysis.runs.sweep import ensure, missing_runs
from neural import ConfigError
from neural.command import run_command
from paper_figures.scale import Scale
from paper_figures.style import LOOK

_MODULES = [module.name for module in iter_modules(paper_figures.__path__) if module.name.startswith("fig")]
FIGURES: dict[str, Any] = {
    name: import_module(f"paper_figures.{name}") for name in sorted(_MODULES, key=lambda name: int(name[3:]))
}


@dataclass(frozen=True)
class Arguments:
    """Draw the paper's figures, theory beside experiment. Without a name: list them."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Which figures: fig3, fig4 ..."""
    all: bool = False
    """Draw all of them."""
    scale: tyro.conf.OmitArgPrefixes[Scale] = field(default_factory=Scale)
    dry_run: tyro.conf.FlagCreatePairsOff[bool] = False
    """Only say how many runs are missing and what they would cost."""
    execution: tyro.conf.OmitArgPrefixes[Execution] = field(default_factory=Execution)
    out: Path = Path("results/paper_figures")
    """Folder for the pictures."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


def main(arguments: Arguments) -> None:
    names = list(FIGURES) if arguments.all else arguments.names
    scale = arguments.scale
    for name in names:
        if name not in FIGURES:
            raise ConfigError(f"`names` must be among {', '.join(FIGURES)}, but one is {name!r}.")
    if not names:
        for name, module in FIGURES.items():
            print(f"{name:6} {len(set(module.runs(scale))):6,} runs  {module.TITLE}")
        return
    execution = arguments.execution.resolved()
    runs = list(dict.fromkeys(run for name in names for run in FIGURES[name].runs(scale)))
    if arguments.dry_run:
        cost = estimate(missing_runs(runs, arguments.store), execution)
        print(f"{len(runs):,} runs in the plan", cost, sep="\n")
        return
    prepare_folder(arguments.out)
    with RunStore(arguments.store) as store, mpl.rc_context(LOOK):
        ensure(runs, store, execution)
        for name in names:
            figure = FIGURES[name]
            picture = arguments.out / f"{name}.png"
            save_picture(picture, figure.draw(figure.tables(store, scale)))
            caption = [f"![{name}]({name}.png)", inspect.getdoc(figure) or ""]
            if str(scale):
                caption.append(f"Unlike what the caption says, drawn with {scale}.")
            write_page(picture.with_suffix(".md"), caption)
            print(picture)


if __name__ == "__main__":
    run_command(Arguments, main, "python -m paper_figures", errors=(StoreError, WorkerError))
