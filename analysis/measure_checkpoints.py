"""Which measures of grokking apply to a user's own checkpoints, and what they are.

    python -m analysis.measure_checkpoints my_run --embedding W_E --output W_U

reads the .npz or .safetensors files in a folder (arrays by name, the step the last
number in the file's name) and leaves its report and picture in
results/measure_checkpoints.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import tyro
from matplotlib.figure import Figure

from analysis.grokking.checkpoints import Options, measured_files
from analysis.grokking.files import checkpoint_files
from analysis.report.command import check_at_least, environment, leave
from analysis.report.files import prepare_folder, printable, table
from analysis.report.look import BLUE, LOOK
from neural.command import run_command

PROG = "python -m analysis.measure_checkpoints"
_WIDE = 30.0  # from this ratio of the largest value to the smallest on, the axis is logarithmic
PAGE = """# Measures of checkpoints

`{command}`

{measures}

![measures](measures.png)

{files} files of {folder}. Key frequencies: the fewest with 90 % of the power of the logits in waves of a + b; final
ones are those of the last file, which earlier files cannot know.

{notes}

## What was counted in the norm

{counted}"""


@dataclass(frozen=True, kw_only=True)
class Arguments(Options):
    """Take the measures that apply of checkpoints in a folder: norms and how far the
    numbers have moved of any; more if it is said which arrays are which. All of it in
    float64.
    """

    folder: tyro.conf.Positional[Path]
    """Folder of .npz or .safetensors files; the last number in a name is its step."""
    out: Path = Path("results/measure_checkpoints")
    """Folder for the report."""


def main(arguments: Arguments) -> None:
    check_at_least(3, arguments, "p")
    files = checkpoint_files(arguments.folder)
    prepare_folder(arguments.out)
    measures, weights, left_out, notes = measured_files(files, arguments)
    made_with = environment(PROG)
    rows = [
        {str(name): f"{value:,.0f}" if name == "step" else f"{value:.4g}" for name, value in row.items()}
        for row in measures.to_dict("records")
    ]
    counted = [
        {
            "array": _escaped(str(name)),
            "shape": str(array["shape"].iloc[0]),
            "first norm": f"{array['norm'].iloc[0]:.4g}",
            "last norm": f"{array['norm'].iloc[-1]:.4g}",
            "largest change from first to last": f"{array['change'].iloc[-1]:.4g}",
        }
        for name, array in weights.groupby("array", sort=False)
    ]
    page = PAGE.format(
        command=made_with["command"],
        files=len(files),
        folder=_escaped(str(arguments.folder)),
        notes="\n\n".join(map(_escaped, notes)),
        measures=table(rows),
        counted=table(counted) if counted else "Nothing.",
    )
    report = {"measures": measures.to_dict("records"), "counted": list(weights["array"].unique())}
    report |= {"left_out": left_out, "notes": notes, "environment": made_with}
    pictures, said = {"measures.png": picture(measures)}, [table(rows, "simple"), "", *notes]
    leave(arguments.out, report, pictures, [page], said, traces=measures.melt("step", var_name="metric").dropna())


def _escaped(text: str) -> str:
    """Words out of files in a page, where nothing in them has a meaning."""
    return html.escape(printable(text), quote=False).replace("|", "&#124;")


def picture(measures: pd.DataFrame) -> Figure:
    """Each measure against the step, a panel each."""
    names = [name for name in measures if name != "step"]
    columns = min(3, len(names))
    lines = -(-len(names) // columns)
    steps = measures["step"].astype(float)
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(3.4 * columns, 2.2 * lines))
        panels: Any = figure.subplots(lines, columns, sharex=True, squeeze=False).flat
        for k, (axes, name) in enumerate(zip(panels, names, strict=False)):
            axes.plot(steps, measures[name].astype(float), "o-", color=BLUE, ms=3)
            axes.set_title(name, loc="left")
            there = measures[name][np.isfinite(measures[name])]
            if len(there) and there.min() > 0 and there.max() > _WIDE * there.min():
                axes.set_yscale("log")
            if steps.max() > 100 * max(steps.min(), 1):
                axes.set_xscale("symlog", linthresh=max(steps[steps > 0].min(), 1))
            if k + columns >= len(names):  # the lowest of its column
                axes.set_xlabel("step")
                axes.tick_params(labelbottom=True)
        for axes in panels[len(names) :]:
            axes.set_visible(False)
        return figure


if __name__ == "__main__":
    run_command(Arguments, main, PROG)
