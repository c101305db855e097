"""python -m paper_figures lists the figures; with fig4 --out DIR it draws that one,
training what is missing; --all draws all of them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Literal

import matplotlib as mpl
import tyro

import paper_figures
from analysis.paper.runs import lacking_data
from analysis.report.command import ConfigError, run_command
from analysis.report.files import prepare_folder, save_picture, write_page
from analysis.runs.executors import Execution, WorkerError
from analysis.runs.session import cost
from analysis.runs.store import RunStore, StoreError
from analysis.runs.sweep import ensure, missing_runs
from paper_figures.scale import Scale, differences
from paper_figures.style import LOOK, Palette, recolour, save_animation

# fig1 .. of the first paper, omnigrok2 .. of the second; in the order of their numbers
_NAME = re.compile(r"(fig|omnigrok)(\d+)")
_FOUND = [found for module in iter_modules(paper_figures.__path__) if (found := _NAME.fullmatch(module.name))]
FIGURES: dict[str, Any] = {
    found[0]: import_module(f"paper_figures.{found[0]}")
    for found in sorted(_FOUND, key=lambda found: (found[1], int(found[2])))
}


@dataclass(frozen=True)
class Arguments:
    """Draw the papers' figures, theory beside experiment. Without a name: list them."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Which figures: fig3, fig4 ... of the first paper, omnigrok2 ... of the second, on weight norms; fig or omnigrok:
    all of one."""
    all: bool = False
    """Draw all of them."""
    scale: Literal["quick", "paper"] = "quick"
    """What two cores train in minutes, with less of each figure as its page says; or the published size, hours for
    figures 6, 7, 8 and 13 to 15, and for most of the second paper's."""
    size: tyro.conf.OmitArgPrefixes[Scale] = field(default_factory=Scale)
    dry_run: tyro.conf.FlagCreatePairsOff[bool] = False
    """Only say how many runs are missing and what they would cost."""
    execution: tyro.conf.OmitArgPrefixes[Execution] = field(default_factory=Execution)
    palette: Palette = "okabe-ito"
    """Colours of lines and marks: Okabe and Ito's or Tol's, for any colour vision, or greys. Maps keep theirs."""
    out: Path = Path("results/paper_figures")
    """Folder for the pictures."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


def main(arguments: Arguments) -> None:
    wanted = list(FIGURES) if arguments.all else figures_named(arguments.names)
    if not wanted:
        for name, module in FIGURES.items():
            print(f"{name:10} {len(set(module.runs(scale_of(name, arguments)))):6,} runs  {module.TITLE}")
        return
    plans = {name: FIGURES[name].runs(scale_of(name, arguments)) for name in wanted}
    lacking = {name: why for name, plan in plans.items() if (why := lacking_data(plan))}
    names = [name for name in wanted if name not in lacking]
    execution = arguments.execution.resolved()
    runs = list(dict.fromkeys(run for name in names for run in plans[name]))
    if arguments.dry_run:
        missing = missing_runs(runs, arguments.store)
        print(f"{len(runs):,} runs in the plan", cost(missing, execution), sep="\n")
    else:
        prepare_folder(arguments.out)
        with RunStore(arguments.store) as store, mpl.rc_context(LOOK):
            ensure(runs, store, execution)
            for name in names:
                print(draw(name, store, scale_of(name, arguments), arguments.out, arguments.palette))
    if lacking:
        raise ConfigError(f"{', '.join(lacking)} left out: {next(iter(lacking.values()))}")


def figures_named(names: Sequence[str]) -> list[str]:
    """The figures of these names, each once; fig and omnigrok are all of one paper.

    Raises:
        ConfigError: there is no figure of a name.
    """
    found: dict[str, None] = {}
    for name in names:
        here = [one for one in FIGURES if name in (one, one.rstrip("0123456789"))]
        if not here:
            raise ConfigError(f"`names` must be among {', '.join(FIGURES)}, but one is {name!r}.")
        found |= dict.fromkeys(here)
    return list(found)


def scale_of(name: str, arguments: Arguments) -> Scale:
    """At which scale a figure is asked for."""
    quick = getattr(FIGURES[name], "QUICK", Scale())  # without it, all of the figure is
    return (quick if arguments.scale == "quick" else Scale()).but(arguments.size)


def draw(name: str, store: RunStore, scale: Scale, out: Path, palette: Palette = "okabe-ito") -> Path:
    """Draw a figure whose runs are in the store, its animation if it has one, and the
    page of its caption; where the picture is.
    """
    figure = FIGURES[name]
    tables = figure.tables(store, scale)
    picture = out / f"{name}.png"
    drawn = figure.draw(**tables)
    recolour(drawn, palette)
    save_picture(picture, drawn)
    page = [f"![{name}]({name}.png)"]
    if hasattr(figure, "animate"):
        moving, *frames = figure.animate(**tables)
        recolour(moving, palette)
        save_animation(picture.with_suffix(".gif"), moving, *frames)
        page.append(f"![{name} over training]({name}.gif)")
    page.append(inspect.getdoc(figure) or "")
    reduced = differences(figure.runs(scale), figure.runs(Scale()))
    if reduced:
        page.append(f"Unlike what the caption says, drawn with {reduced}.")
    write_page(picture.with_suffix(".md"), page)
    return picture


if __name__ == "__main__":
    run_command(Arguments, main, "python -m paper_figures", errors=(StoreError, WorkerError))
