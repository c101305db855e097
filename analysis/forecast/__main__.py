"""When will the runs in a log generalise?

    python -m analysis.forecast run.csv

says it of every run, from all that is logged or, with --until, from less, and leaves
forecasts.csv and a picture in results/forecast.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import matplotlib as mpl
import numpy as np
import pandas as pd
import tyro
from matplotlib.figure import Figure
from tqdm.auto import tqdm

from analysis.forecast.model import Forecast, Model, forecast, load_model
from analysis.logs.files import WATCHED
from analysis.logs.log import Log
from analysis.logs.read import columns_from, read_logs
from analysis.report.files import prepare_folder, save_picture, table, write_text
from analysis.report.look import BLUE, GREY, LOOK, ORANGE
from analysis.verdict import judge
from neural import ConfigError
from neural.command import run_command

PROG = "python -m analysis.forecast"
_DRAWN, _LISTED, _JUDGED = 12, 20, 1  # of how many runs, at most, all of it is shown


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Say when the runs in a log will generalise, and how surely."""

    log: tyro.conf.Positional[Path]
    """CSV, TSV, JSON, JSON lines, Parquet or .npz, or a folder of them."""
    until: float | None = None
    """Forget all that was logged after this step."""
    horizon: float | None = None
    """In how many more steps to generalise, which the probability is of; by default as many as there were."""
    columns: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=COLUMN ...")] = ()
    """What the file calls its columns, where that is not obvious, for example test_accuracy=my_acc step=it."""
    run_columns: tuple[str, ...] = ()
    """The columns that tell runs apart, where these are not run or seed."""
    unit: Literal["share", "percent"] | None = None
    """Of accuracies; by default per cent where a file has values above 2."""
    memorised: float | None = None
    """The train accuracy at which a run has memorised; by default .99, or what the file says."""
    generalised: float | None = None
    """The test accuracy at which it has generalised; by default .90, or what the file says."""
    model: Path | None = None
    """Another model than the project's, as python -m analysis.forecast.fit leaves it."""
    out: Path = Path("results/forecast")
    """Folder for forecasts.csv and the picture."""


def main(arguments: Arguments) -> None:
    if arguments.until is not None and not arguments.until >= 0:
        raise ConfigError(f"`until` must be a step of at least 0, but is {arguments.until:g}.")
    model = load_model() if arguments.model is None else load_model(arguments.model)
    columns = columns_from("columns", arguments.columns)
    limits = (arguments.memorised, arguments.generalised)
    logs = read_logs(arguments.log, columns, arguments.run_columns, arguments.unit, *limits)
    if arguments.until is not None:
        logs = [seen_until(log, arguments.until) for log in logs]
    prepare_folder(arguments.out)
    said = [
        forecast(log, arguments.horizon, model) for log in tqdm(logs, "forecasting", unit="run", delay=2, leave=False)
    ]
    rows = pd.DataFrame([{"run": log.name} | asdict(one) for log, one in zip(logs, said, strict=True)])
    if len({log.source for log in logs}) > 1:
        rows.insert(0, "source", [log.source for log in logs])
    write_text(arguments.out / "forecasts.csv", rows.to_csv(index=False))
    save_picture(arguments.out / "forecasts.png", picture(logs[:_DRAWN], said[:_DRAWN]))
    print(answer(logs, said, model))
    left = "forecasts.csv, forecasts.png" + (f" (the first {_DRAWN} runs)" if len(logs) > _DRAWN else "")
    print(f"\n{arguments.out}: {left}")


def seen_until(log: Log, step: float) -> Log:
    """The log until a step, which must be one that it has come to."""
    if len(log.steps) and step < log.steps[0]:
        raise ConfigError(f"`until` must be a step of the log, which begins at {log.steps[0]:g}, but is {step:g}.")
    return log.until(step)


def answer(logs: Sequence[Log], said: Sequence[Forecast], model: Model) -> str:
    """What is printed: a table, of many runs the first, and how many are in which
    phase; of one run also what stands in its way.
    """
    rows = [
        {
            "run": log.name,
            "step": f"{one.step:,.0f}",
            "phase": one.phase,
            "generalises at": _step(one.median),
            "90 % interval": "-" if np.isnan(one.probability) else f"{_step(one.low)} to {_step(one.high)}",
            "probability": "-" if np.isnan(one.probability) else f"{one.probability:.2f}",
        }
        for log, one in zip(logs[:_LISTED], said, strict=False)
    ]
    if len({log.name for log in logs}) < len(logs):
        rows = [{"file": _short(log.source)} | row for log, row in zip(logs, rows, strict=False)]
    parts = [table(rows, "simple")]
    if len(logs) > _LISTED:
        phases = Counter(one.phase for one in said)
        parts.append(f"and {len(logs) - _LISTED:,} more. " + ", ".join(f"{n:,} {word}" for word, n in phases.items()))
    parts += [f"How known: {basis}" for basis, _ in Counter(one.basis for one in said).most_common(3)]
    if len(logs) <= _JUDGED:
        parts.append(str(judge(logs[0], forecast=said[0])))
    alarm, before = float(model.facts["alarm"]), [one for one in said if one.phase not in ("generalised", "diverged")]
    if n := sum(one.probability > alarm for one in before):
        above = f"a probability above {alarm:.2f}, which 95 % of runs that never generalise stay below"
        parts.append(f"Of {len(before):,} not there yet {n:,} {'has' if n == 1 else 'have'} {above}.")
    return "\n\n".join(parts)


def picture(logs: Sequence[Log], said: Sequence[Forecast]) -> Figure:
    """The accuracies so far, and the interval of what is to come."""
    n_columns = min(len(logs), 4)
    n_rows = -(-len(logs) // n_columns)
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(max(3.2 * n_columns, 5.5), 2.6 * n_rows + 0.7))
        grid: Any = figure.subplots(n_rows, n_columns, squeeze=False, sharey=True)
        for axes in grid.flat[len(logs) :]:
            axes.set_axis_off()
        for axes, log, one in zip(grid.flat, logs, said, strict=False):
            draw(axes, log, one)
        grid[0, 0].set(ylabel="accuracy")
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels) if n_columns > 2 else 3)
    return figure


def draw(axes: Any, log: Log, one: Forecast) -> None:
    """One run: its accuracies, the last step seen, median and interval of the step at
    which it generalises.
    """
    furthest = max(one.step, *(step for step in (one.low, one.median, one.high) if np.isfinite(step)))
    end = furthest * 1.5 if np.isfinite(one.high) else max(furthest, one.step) * 4
    start = min((float(step) for step in log.steps if step > 0), default=1.0)
    axes.set(xlim=(start, max(end, 2 * start)), xscale="log", ylim=(-0.02, 1.02), xlabel="steps")
    for name, colour, style in (("train_accuracy", BLUE, "-"), ("test_accuracy", ORANGE, "-")):
        if name in log.curves:
            there = np.isfinite(log.curves[name])
            axes.plot(log.steps[there], log.curves[name][there], style, color=colour, label=name.replace("_", " "))
    axes.axvline(one.step, color=GREY, ls=":", label="last step seen")
    if one.phase != "generalised" and not np.isnan(one.probability):
        axes.axvspan(one.low, min(one.high, end), color=ORANGE, alpha=0.2, lw=0, label="90 % interval")
    if np.isfinite(one.median):
        axes.axvline(one.median, color=ORANGE, ls="--", label="generalises (median)")
    axes.set_title(f"run {log.name}: {one.phase}")


def _short(source: str, most: int = 30) -> str:
    """A file's name without its folders, the middle left out of long ones."""
    name = source.rsplit("/", 2)
    short = "/".join(name[-2:]) if name[-1] == WATCHED else name[-1]
    return short if len(short) <= most else f"{short[: most // 2 - 1]}..{short[1 - most // 2 :]}"


def _step(step: float) -> str:
    return f"{step:,.0f}" if np.isfinite(step) else "-"


if __name__ == "__main__":
    run_command(Arguments, main, PROG)
